/**
 * The stream commands: find keys, start the actor, report what it did.
 *
 * @module
 */
import { concat } from "../base/bytes.ts";
import type { CommandIo } from "../base/command.ts";
import { isWarpError } from "../base/errors.ts";
import { formatBytes } from "../base/units.ts";
import { streamTree, withTree } from "../root.ts";
import type { ItemStream } from "../runtime/link.ts";
import { decodeStreamFixed, headerCutShort, openStreamHeader } from "./header.ts";
import { restLength, STREAM_FIXED_BYTES } from "./header.ts";
import { findFileKey, newStream } from "./keys_io.ts";
import type { OpenOptions, SealOptions } from "./options.ts";
import { openPipes, readExactly } from "./pipe_io.ts";
import type { StreamProgress, StreamProtocol } from "./protocol.ts";
import { streamSlabs } from "./pump.ts";

const WINDOW_BYTES = 64 * 1024;
/** There is nothing else to do: a Worker would move no byte more, and start later. */
const IN_THREAD = true;

export async function sealStream(options: SealOptions, io: CommandIo): Promise<number> {
  return await withTree(
    streamTree(),
    IN_THREAD,
    io,
    () => newStream(options, io),
    async (supervisor, { header, streamKey }) => {
      const { frameBytes, compression, intervalMs = null } = options;
      const slabs = streamSlabs(frameBytes);
      const request = { slabs, header, streamKey, frameBytes, compression, intervalMs };
      const ref = supervisor.ref<StreamProtocol>("stream");
      const limits = { windowBytes: WINDOW_BYTES, signal: io.signal };
      await follow("encrypting", ref.stream("seal", request, limits), io);
      return 0;
    },
  );
}

export async function openStream(options: OpenOptions, io: CommandIo): Promise<number> {
  try {
    return await withTree(
      streamTree(),
      IN_THREAD,
      io,
      () => untilAborted(readHeader(options, io), io.signal),
      async (supervisor, { streamKey, frameBytes }) => {
        const request = { slabs: streamSlabs(frameBytes), streamKey, frameBytes };
        const ref = supervisor.ref<StreamProtocol>("stream");
        const limits = { windowBytes: WINDOW_BYTES, signal: io.signal };
        await follow("decrypting", ref.stream("open", request, limits), io);
        return 0;
      },
    );
  } catch (error) {
    // As `cat`: a reader that leaves early has seen enough.
    if (isWarpError(error, "E_PIPE_CLOSED")) return 0;
    throw error;
  }
}

/** Takes exactly the header from stdin; the actor reads on from there. */
async function readHeader(
  options: OpenOptions,
  io: CommandIo,
): Promise<{ streamKey: Uint8Array; frameBytes: number }> {
  const { input } = openPipes();
  const start = await readExactly(input, STREAM_FIXED_BYTES);
  const fixed = decodeStreamFixed(start);
  const rest = await readExactly(input, restLength(fixed));
  if (rest.length < restLength(fixed)) throw headerCutShort();
  const keySection = rest.subarray(0, fixed.keySectionLength);
  const fileKey = await findFileKey(keySection, options, io);
  try {
    const streamKey = openStreamHeader(concat(start, rest), fileKey);
    return { streamKey, frameBytes: fixed.frameBytes };
  } finally {
    fileKey.fill(0);
  }
}

/** Reading cannot be called off; its result need not be waited for. */
async function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  const aborted = Promise.withResolvers<never>();
  const onAbort = () => aborted.reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([work, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", onAbort);
    work.catch(() => {});
  }
}

async function follow(
  phase: string,
  stream: ItemStream<StreamProgress, StreamProgress>,
  io: CommandIo,
): Promise<void> {
  const startedAt = performance.now();
  for await (const { bytesIn } of stream.items) io.progress({ phase, bytesDone: bytesIn });
  const { bytesIn, bytesOut, frames } = await stream.result;
  const seconds = (performance.now() - startedAt) / 1000;
  const ratio = bytesIn === 0 ? 1 : bytesOut / bytesIn;
  io.json({ message_type: "stream", bytes_in: bytesIn, bytes_out: bytesOut, frames, seconds });
  io.note(
    `${formatBytes(bytesIn)} in, ${formatBytes(bytesOut)} out (${ratio.toFixed(3)}), ` +
      `${frames} frames, ${formatBytes(Math.round(bytesIn / Math.max(seconds, 1e-3)))}/s`,
    1,
  );
}
