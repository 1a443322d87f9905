/**
 * Workers that load before their actors are wanted: the second core reads their modules while the first
 * still reads the command.
 *
 * @module
 */
const ready = new Map<string, Worker[]>();

/** One more, which does nothing until it is taken. */
export function prepareWorker(entry: URL, name: string): void {
  const worker = new Worker(entry, { type: "module", name });
  const workers = ready.get(entry.href) ?? [];
  // One that does not load is started again by who wants it, who then hears why.
  worker.onerror = (event) => {
    event.preventDefault();
    workers.splice(workers.indexOf(worker), 1);
  };
  workers.push(worker);
  ready.set(entry.href, workers);
}

/** One that was prepared, if there is any. */
export function takeWorker(entry: URL): Worker | undefined {
  return ready.get(entry.href)?.shift();
}
