/**
 * Turns a promise with a changing progress record into a stream: items now and then, then the result.
 *
 * @module
 */
const INTERVAL_MS = 100;

export async function* withProgress<T, Progress extends object>(
  work: Promise<T>,
  progress: () => Progress | undefined,
): AsyncGenerator<Progress, T> {
  let isDone = false;
  const done = work.finally(() => isDone = true);
  done.catch(() => {});
  while (!isDone) {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const tick = new Promise<void>((resolve) => timer = setTimeout(resolve, INTERVAL_MS));
    await Promise.race([done.then(() => {}, () => {}), tick]);
    clearTimeout(timer);
    const now = progress();
    if (!isDone && now !== undefined) yield { ...now };
  }
  const last = progress();
  if (last !== undefined) yield { ...last };
  return await work;
}
