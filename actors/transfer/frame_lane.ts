/**
 * Frames on a lane: reads them one by one, with lengths checked first, and writes them in turn.
 *
 * @module
 */
import { type Bytes, concat } from "../base/bytes.ts";
import { fromWireError, WarpError } from "../base/errors.ts";
import { ERROR_CODES, type ErrorCode } from "../base/error_codes.ts";
import { KiB } from "../base/units.ts";
import {
  CONTROL_BYTES_MAX,
  decodeBody,
  decodeFrameHead,
  encodeFrame,
  encodeFrameHead,
  fields,
  FRAME,
  FRAME_HEAD_BYTES,
  type FrameHead,
  type FrameType,
  HANDSHAKE_BYTES_MAX,
  malformedFrame,
  shortText,
} from "./frames.ts";
import type { Lane } from "./lane.ts";

const BUFFER_BYTES = 64 * KiB;

export class FrameLane {
  readonly lane: Lane;
  readonly #buffer = new Uint8Array(BUFFER_BYTES);
  #start = 0;
  #end = 0;
  #lengthMax = HANDSHAKE_BYTES_MAX;
  #writing: Promise<void> = Promise.resolve();
  /** Content bytes and all bytes that went each way. */
  bytesRead = 0;
  bytesWritten = 0;

  constructor(lane: Lane) {
    this.lane = lane;
  }

  /** The peer has proved who it is: frames may be as long as the work needs. */
  trust(): void {
    this.#lengthMax = CONTROL_BYTES_MAX;
  }

  /**
   * The next frame's head; undefined at a clean end. Its payload must be read next.
   * @throws {WarpError} E_PROTOCOL, E_PEER_GONE
   */
  async head(): Promise<FrameHead | undefined> {
    while (this.#end - this.#start < FRAME_HEAD_BYTES) {
      if (await this.#fill()) continue;
      if (this.#end === this.#start) return undefined;
      throw gone();
    }
    const head = decodeFrameHead(
      this.#buffer.subarray(this.#start, this.#start + FRAME_HEAD_BYTES),
      this.#lengthMax,
    );
    this.#start += FRAME_HEAD_BYTES;
    return head;
  }

  /** Fills `out` with the next bytes of a payload; only what is short goes through the buffer. */
  async payload(out: Uint8Array): Promise<void> {
    let done = Math.min(out.length, this.#end - this.#start);
    out.set(this.#buffer.subarray(this.#start, this.#start + done));
    this.#start += done;
    while (done < out.length) {
      const count = await this.lane.read(out.subarray(done));
      if (count === null) throw gone();
      this.bytesRead += count;
      done += count;
    }
  }

  /** The body of a control frame. */
  async body(head: FrameHead): Promise<unknown> {
    const payload = new Uint8Array(head.length);
    await this.payload(payload);
    return decodeBody(payload);
  }

  /**
   * The next frame, which must be of `type`; what the peer says went wrong is thrown.
   * @throws {WarpError}
   */
  async expect(type: FrameType): Promise<unknown> {
    const head = await this.head();
    if (head === undefined) throw gone();
    if (head.type === FRAME.error) throw peerError(await this.body(head));
    if (head.type !== type) throw malformedFrame("the peer sent a frame out of turn");
    return await this.body(head);
  }

  async send(type: FrameType, body: unknown): Promise<void> {
    await this.write(encodeFrame(type, body));
  }

  /** Frames with a payload that is not copied. */
  async sendRun(type: FrameType, codec: number, place: Bytes, content: Bytes): Promise<void> {
    const head = concat(encodeFrameHead(type, place.length + content.length, codec), place);
    await this.write(head, content);
  }

  /** In turn with other writers of this lane. */
  write(...parts: Bytes[]): Promise<void> {
    const run = this.#writing.then(async () => {
      for (const part of parts) {
        await this.lane.write(part);
        this.bytesWritten += part.length;
      }
    });
    this.#writing = run.catch(() => {});
    return run;
  }

  /** Tells the peer what went wrong, if it still listens, and ends the lane. */
  async fail(error: WarpError): Promise<void> {
    const told = this.send(FRAME.error, [error.code, error.message.slice(0, 500)])
      .then(() => this.lane.closeWrite());
    const timeout = new Promise((resolve) => Deno.unrefTimer(setTimeout(resolve, 500)));
    await Promise.race([told.catch(() => {}), timeout]);
    this.lane.close();
  }

  close(): void {
    this.lane.close();
  }

  async #fill(): Promise<boolean> {
    if (this.#start > 0) {
      this.#buffer.copyWithin(0, this.#start, this.#end);
      this.#end -= this.#start;
      this.#start = 0;
    }
    const count = await this.lane.read(this.#buffer.subarray(this.#end));
    if (count === null) return false;
    this.bytesRead += count;
    this.#end += count;
    return true;
  }
}

/** What a peer said, as an error here; its text is data, its code must be one of ours. */
export function peerError(body: unknown): WarpError {
  const [code, text] = fields(body, 2);
  const name = shortText(code, 64);
  const message = `the peer says: ${shortText(text, 1024)}`;
  if (!Object.hasOwn(ERROR_CODES, name)) return new WarpError("E_PROTOCOL", message);
  return fromWireError({ code: name as ErrorCode, message, details: { at: "peer" } });
}

function gone(): WarpError {
  return new WarpError("E_PEER_GONE", "the connection to the peer was cut");
}
