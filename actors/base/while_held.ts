/**
 * Memory for foreign calls that run beside this thread.
 *
 * Deno does not hold on to what a non-blocking call is given: what nothing else refers to may be collected,
 * and its memory given to others, while the call still reads and writes it.
 *
 * @module
 */
const held = new Set<readonly unknown[]>();

/** Runs `call`; until it settles nothing of `memory` is collected. */
export async function whileHeld<T>(
  memory: readonly unknown[],
  call: () => Promise<T>,
): Promise<T> {
  held.add(memory);
  try {
    return await call();
  } finally {
    held.delete(memory);
  }
}
