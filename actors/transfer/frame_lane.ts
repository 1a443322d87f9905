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
  ALIVE_FRAME,
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
/** How long a peer may take to hear why a lane ends, and to end its own side. */
const PARTING_MS = 800;

export class FrameLane {
  readonly lane: Lane;
  readonly #buffer = new Uint8Array(BUFFER_BYTES);
  #start = 0;
  #end = 0;
  #lengthMax = HANDSHAKE_BYTES_MAX;
  #isTrusted = false;
  #writing: Promise<void> = Promise.resolve();
  #writesWaiting = 0;
  readonly #writers = new Set<(error: WarpError) => void>();
  #isReading = false;
  #givenUp: WarpError | undefined;
  #parting: Promise<void> | undefined;
  readonly #ended = Promise.withResolvers<void>();
  /** Content bytes and all bytes that went each way. */
  bytesRead = 0;
  bytesWritten = 0;

  constructor(lane: Lane) {
    this.lane = lane;
  }

  /** The peer has proved who it is: frames may be as long as the work needs. */
  trust(): void {
    this.#lengthMax = CONTROL_BYTES_MAX;
    this.#isTrusted = true;
    this.lane.trusted();
  }

  /** It is the peer's turn: somebody here waits for its bytes. */
  get isReading(): boolean {
    return this.#isReading;
  }

  /** Something is on its way, or held up. */
  get isWriting(): boolean {
    return this.#writesWaiting > 0;
  }

  /** Ends the lane; whoever reads or writes fails with `error`. */
  giveUp(error: WarpError): void {
    this.#givenUp ??= error;
    this.lane.close();
    for (const reject of this.#writers) reject(error);
    this.#writers.clear();
    this.#ended.resolve();
  }

  /**
   * The next frame's head; undefined at a clean end. Its payload must be read next. Frames that only
   * say that the peer is there are skipped.
   * @throws {WarpError} E_PROTOCOL, E_PEER_GONE
   */
  async head(): Promise<FrameHead | undefined> {
    for (;;) {
      const head = await this.#head();
      if (head?.type !== FRAME.alive || !this.#isTrusted) return head;
      if (head.length !== ALIVE_FRAME.length - FRAME_HEAD_BYTES) throw malformedFrame();
      await this.body(head);
    }
  }

  async #head(): Promise<FrameHead | undefined> {
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
      const count = await this.#read(out.subarray(done));
      if (count === null) throw gone();
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
    if (head.type === FRAME.cancel && this.#isTrusted) throw peerCancelled();
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
    this.#writesWaiting++;
    const run = this.#writing.then(async () => {
      for (const part of parts) {
        await this.#write(part);
        this.bytesWritten += part.length;
      }
    }).finally(() => this.#writesWaiting--);
    this.#writing = run.catch(() => {});
    return run;
  }

  /** A write that the peer holds up must not outlive the lane. */
  #write(bytes: Bytes): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#givenUp !== undefined) return reject(this.#givenUp);
      this.#writers.add(reject);
      this.lane.write(bytes).then(resolve, reject).finally(() => this.#writers.delete(reject));
    });
  }

  /**
   * Tells the peer what went wrong, or that we no longer want to, if it still listens, and ends the lane.
   * Only the first call does anything.
   */
  fail(error: WarpError): Promise<void> {
    return this.#parting ??= this.#part(error);
  }

  async #part(error: WarpError): Promise<void> {
    // What came from the peer is no news to it.
    if (error.details["at"] === "peer") return this.lane.close();
    const isOurWish = error.code === "E_CANCELLED" && this.#isTrusted;
    const text = error.message.slice(0, 500);
    const told = isOurWish
      ? this.send(FRAME.cancel, [])
      : this.send(FRAME.error, [error.code, text]);
    const parted = told.then(() => this.lane.closeWrite())
      .then(() => this.#isTrusted ? this.#drain(error) : undefined);
    let timer: ReturnType<typeof setTimeout> | undefined;
    const timeout = new Promise((resolve) => timer = setTimeout(resolve, PARTING_MS));
    await Promise.race([parted.catch(() => {}), timeout]);
    clearTimeout(timer);
    this.lane.close();
  }

  close(): void {
    this.lane.close();
  }

  /**
   * Until the peer ends its side. Closed with unread bytes, a socket resets the connection, and the peer
   * might see that before what it was told.
   */
  async #drain(error: WarpError): Promise<void> {
    if (this.#isReading) return await this.#ended.promise;
    this.#givenUp ??= error;
    while (await this.lane.read(this.#buffer) !== null) { /* nothing of it matters */ }
  }

  async #fill(): Promise<boolean> {
    if (this.#start > 0) {
      this.#buffer.copyWithin(0, this.#start, this.#end);
      this.#end -= this.#start;
      this.#start = 0;
    }
    const count = await this.#read(this.#buffer.subarray(this.#end));
    if (count === null) return false;
    this.#end += count;
    return true;
  }

  async #read(into: Uint8Array): Promise<number | null> {
    if (this.#givenUp !== undefined) throw this.#givenUp;
    this.#isReading = true;
    let count: number | null = null;
    try {
      count = await this.lane.read(into);
    } catch (error) {
      throw this.#givenUp ?? error;
    } finally {
      this.#isReading = false;
      if (count === null) this.#ended.resolve();
    }
    if (this.#givenUp !== undefined) throw this.#givenUp;
    this.bytesRead += count ?? 0;
    return count;
  }
}

/** The other side pressed Ctrl-C. */
export function peerCancelled(): WarpError {
  return new WarpError("E_CANCELLED", "the peer cancelled the transfer", {
    hint: "what was verified is kept: `warp resume` goes on with it",
    details: { at: "peer" },
  });
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
