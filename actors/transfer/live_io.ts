/**
 * A live stream between two devices: standard input there, standard output here. TLS already proves who
 * it is and keeps every byte; what is added is an explicit end, so that a cut is never taken for one.
 *
 * @module
 */
import { asWarpError, WarpError } from "../base/errors.ts";
import { fields, FRAME, malformedFrame, RUN_BYTES_MAX, uint } from "./frames.ts";
import { type FrameLane, peerCancelled, peerError } from "./frame_lane.ts";
import type { TransferProgress } from "./protocol.ts";
import type { Session } from "./session.ts";

const READ_BYTES = RUN_BYTES_MAX / 4;
/** Position of the piece in the stream, u64. */
const PLACE_BYTES = 8;

export interface LiveResult {
  bytes: number;
}

/** Reads standard input to its end and sends it as it comes. */
export async function sendLive(
  { control, lanes }: Session,
  pace: (bytes: number) => Promise<void>,
  progress: TransferProgress,
): Promise<LiveResult> {
  const answer = awaitEnd(control);
  answer.catch(() => {});
  // Two buffers: one is read into while the other is written.
  const buffers = [new Uint8Array(READ_BYTES), new Uint8Array(READ_BYTES)];
  let bytes = 0;
  let writing: Promise<void> = Promise.resolve();
  for (let turn = 0;; turn ^= 1) {
    const count = await Promise.race([readInput(buffers[turn]!), answer.then(ended)]);
    await writing;
    if (count === 0) break;
    await pace(count);
    const place = new Uint8Array(PLACE_BYTES);
    new DataView(place.buffer).setBigUint64(0, BigInt(bytes), true);
    writing = control.sendRun(FRAME.piece, 0, place, buffers[turn]!.subarray(0, count));
    writing.catch(() => {});
    bytes += count;
    Object.assign(progress, {
      phase: "sending",
      bytes,
      bytesOffered: bytes,
      bytesMoved: bytes,
      wire: lanes.bytesWritten,
      carrier: lanes.carrier,
      lanes: 1,
    });
  }
  await control.send(FRAME.done, [bytes]);
  await answer;
  return { bytes };
}

/** Writes what comes to standard output; returns when the end was seen. */
export async function receiveLive(
  { control, lanes }: Session,
  pace: (bytes: number) => Promise<void>,
  progress: TransferProgress,
): Promise<LiveResult> {
  const buffers = [new Uint8Array(RUN_BYTES_MAX + 64), new Uint8Array(RUN_BYTES_MAX + 64)];
  let bytes = 0;
  let writing: Promise<void> = Promise.resolve();
  for (let turn = 0;; turn ^= 1) {
    const head = await control.head().catch(() => undefined);
    if (head === undefined) {
      throw new WarpError("E_TRUNCATED", "the stream was cut before its end", {
        hint: "what came so far is right; the rest must be sent anew",
      });
    }
    if (head.type === FRAME.error) throw peerError(await control.body(head));
    if (head.type === FRAME.cancel) throw peerCancelled();
    if (head.type === FRAME.done) {
      const [total] = fields(await control.body(head), 1);
      await writing;
      if (uint(total) !== bytes) throw malformedFrame("the stream has another length than it says");
      await control.send(FRAME.stored, [0]);
      return { bytes };
    }
    if (head.type !== FRAME.piece || head.length <= PLACE_BYTES) throw malformedFrame();
    const place = new Uint8Array(PLACE_BYTES);
    await control.payload(place);
    if (new DataView(place.buffer).getBigUint64(0, true) !== BigInt(bytes)) {
      throw malformedFrame("a piece of the stream is out of order");
    }
    const content = buffers[turn]!.subarray(0, head.length - PLACE_BYTES);
    await pace(content.length);
    await control.payload(content);
    await writing;
    writing = writeOutput(content);
    writing.catch(() => {});
    bytes += content.length;
    Object.assign(progress, {
      phase: "receiving",
      bytes,
      bytesOffered: bytes,
      bytesMoved: bytes,
      wire: lanes.bytesRead,
      carrier: lanes.carrier,
      lanes: 1,
    });
  }
}

/** The receiver says nothing but that it has everything, or what went wrong. */
async function awaitEnd(control: FrameLane): Promise<void> {
  await control.expect(FRAME.stored);
}

function ended(): never {
  throw malformedFrame("the peer ended the stream early");
}

async function readInput(buffer: Uint8Array): Promise<number> {
  try {
    return await Deno.stdin.read(buffer) ?? 0;
  } catch (error) {
    throw asWarpError(error);
  }
}

async function writeOutput(bytes: Uint8Array): Promise<void> {
  try {
    for (let done = 0; done < bytes.length;) done += await Deno.stdout.write(bytes.subarray(done));
  } catch (error) {
    throw asWarpError(error);
  }
}
