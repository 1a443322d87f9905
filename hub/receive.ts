/**
 * Bodies of requests, which strangers send: bounded in length and in time.
 *
 * @module
 */
import type { Bytes } from "../actors/base/bytes.ts";
import { isWarpError, WarpError } from "../actors/base/errors.ts";
import { readContent } from "./blobs/blobs.ts";

/** How long a body may take besides, and the slowest that is waited for. */
const PATIENCE_MS = 30_000;
const SLOWEST_BYTES_PER_MS = 64;

/**
 * All of a body. A client that goes away in the middle is no fault of ours; one that dawdles holds memory for
 * nothing.
 *
 * @param patienceMs besides what `bytesMax` takes at 64 kB/s
 * @throws {WarpError} E_LIMIT, E_DEADLINE, E_PROTOCOL (it was cut)
 */
export async function receive(
  body: ReadableStream<Uint8Array> | null,
  bytesMax: number,
  patienceMs = PATIENCE_MS,
): Promise<Bytes> {
  if (body === null) return new Uint8Array();
  const reader = body.getReader();
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    reader.cancel().catch(() => {});
  }, patienceMs + bytesMax / SLOWEST_BYTES_PER_MS);
  try {
    const bytes = await readContent(partsOf(reader), bytesMax);
    if (!isLate) return bytes;
    throw new WarpError("E_DEADLINE", "the request is too slow");
  } catch (cause) {
    if (isWarpError(cause)) throw cause;
    throw new WarpError("E_PROTOCOL", "the request was cut", { cause });
  } finally {
    clearTimeout(timer);
  }
}

async function* partsOf(
  reader: ReadableStreamDefaultReader<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) yield part.value;
  } finally {
    await reader.cancel().catch(() => {});
  }
}
