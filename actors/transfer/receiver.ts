/**
 * The receiving side of a transfer: answers pages with what it wants, checks every chunk that comes
 * against its id, and hands it to the landing.
 *
 * @module
 */
import type { Bytes } from "../base/bytes.ts";
import { equal } from "../base/bytes.ts";
import { WarpError } from "../base/errors.ts";
import type { Blake3, BlockCodec } from "../../kernels/kernel.ts";
import { type FrameLane, peerCancelled, peerError } from "./frame_lane.ts";
import {
  bytes,
  CHUNK_HEAD_BYTES,
  fields,
  FRAME,
  type FrameHead,
  malformedFrame,
  RUN_BYTES_MAX,
  uint,
} from "./frames.ts";
import type { Landing, LandingOptions } from "./landing.ts";
import { decodePage, ManifestRoot, PageOrder, type RunningHash } from "./manifest.ts";
import { type Delivery, type Receipt, receiptMessage } from "./receipt.ts";
import { type Session, Tasks } from "./session.ts";
import { verifySignature } from "../cipher/signature.ts";

/** Runs that are being checked and written at once; with more the lanes wait. */
const RUNS_AT_ONCE = 8;

export interface ReceiverTools {
  blake3: Blake3;
  lz4: BlockCodec;
  sha256: RunningHash;
  pace(bytes: number): Promise<void>;
  /** Gives the thread to others. */
  breathe(): Promise<void>;
  sign(message: Bytes): Uint8Array;
  /** Seconds since the epoch. */
  time(): number;
  signal: AbortSignal;
}

export interface ReceivedResult {
  /** Null after a dry run. */
  receipt: Receipt | null;
  delivery: Delivery;
}

export class Receiver {
  readonly #session: Session;
  readonly #tools: ReceiverTools;
  readonly #tasks: Tasks;
  readonly #landing: Landing;
  readonly #root: ManifestRoot;
  readonly #order = new PageOrder();
  readonly #buffers: Uint8Array<SharedArrayBuffer>[];
  readonly #waiting: (() => void)[] = [];
  #stored = 0;
  #end: { pages: number; root: Uint8Array; files: number; bytes: number } | undefined;
  readonly #all = Promise.withResolvers<void>();
  readonly #receipt = Promise.withResolvers<Uint8Array>();
  readonly #queue: number[] = [];
  #isDone = false;
  /** Content of the pages so far, and of all there will be, as the sender estimates it. */
  bytesOffered = 0;
  bytesTotal: number | null = null;

  constructor(
    session: Session,
    tools: ReceiverTools,
    makeLanding: (hooks: Pick<LandingOptions, "onStored" | "breathe">) => Landing,
  ) {
    this.#session = session;
    this.#tools = tools;
    this.#tasks = new Tasks(tools.signal);
    this.#root = new ManifestRoot(tools.sha256);
    this.#buffers = Array.from({ length: RUNS_AT_ONCE }, () => newBuffer());
    this.#landing = makeLanding({
      onStored: (batch) => {
        this.#stored++;
        this.#queue.push(batch);
        this.#checkEnd();
      },
      breathe: () => this.#tasks.until(tools.breathe()),
    });
    this.#all.promise.catch(() => {});
    this.#receipt.promise.catch(() => {});
  }

  get files(): number {
    return this.#root.files;
  }

  /** @throws {WarpError} */
  async run(transferId: Uint8Array, isDryRun: boolean): Promise<ReceivedResult> {
    const { lanes, control, ownKey, peerKey } = this.#session;
    lanes.each((lane) => this.#tasks.run(() => this.#read(lane)));
    try {
      await this.#tasks.until(this.#all.promise);
      // The order of promises: pages are settled before the peer hears of the end.
      this.#landing.finish();
      const { files, bytes: size } = this.#root;
      const root = this.#end!.root;
      const delivery: Delivery = {
        transferId,
        root,
        files,
        bytes: size,
        time: this.#tools.time(),
        sender: peerKey,
        receiver: ownKey,
      };
      const refused = this.#landing.problems.length;
      const message = receiptMessage(delivery);
      // Who signs says that it has everything.
      const isWhole = refused === 0 && !isDryRun;
      const receiverSignature = isWhole ? this.#tools.sign(message) : new Uint8Array(64);
      const verify = [root, files, size, delivery.time, receiverSignature, refused];
      await this.#tasks.until(control.send(FRAME.verify, verify));
      const senderSignature = await this.#tasks.until(this.#receipt.promise);
      if (!verifySignature(peerKey, message, senderSignature)) {
        throw new WarpError("E_SIGNATURE", "the peer's signature on the receipt is wrong");
      }
      const receipt = { ...delivery, senderSignature, receiverSignature };
      return { receipt: isWhole ? receipt : null, delivery };
    } finally {
      this.#isDone = true;
      for (const wake of this.#waiting) wake();
    }
  }

  async #read(lane: FrameLane): Promise<void> {
    const isControl = lane === this.#session.control;
    for (let head = await lane.head(); head !== undefined; head = await lane.head()) {
      if (head.type === FRAME.chunk) await this.#readRun(lane, head);
      else if (!isControl) throw malformedFrame("the peer sent a frame on the wrong lane");
      else if (await this.#control(lane, head)) return;
    }
    if (!this.#isDone && isControl) {
      throw new WarpError("E_PEER_GONE", "the connection to the peer was cut");
    }
  }

  /** True: that was the last frame. */
  async #control(lane: FrameLane, head: FrameHead): Promise<boolean> {
    const body = await lane.body(head);
    switch (head.type) {
      case FRAME.manifest: {
        if (this.#end !== undefined) throw malformedFrame("the peer sent a frame out of turn");
        const page = decodePage(body);
        this.#order.check(page);
        if (this.#landing.openPages >= this.#session.caps.window) {
          throw malformedFrame("the peer offers more than it was allowed to");
        }
        this.#root.add(page);
        this.bytesOffered += page.lengths.reduce((sum, length) => sum + length, 0);
        const wanted = await this.#landing.open(page);
        await lane.send(FRAME.want, [page.batch, wanted.bytes]);
        await this.#tellStored();
        return false;
      }
      case FRAME.done: {
        const [pages, root, files, size] = fields(body, 4);
        this.#end = {
          pages: uint(pages),
          root: bytes(root, 32),
          files: uint(files),
          bytes: uint(size),
        };
        this.#checkEnd();
        return false;
      }
      case FRAME.total:
        this.bytesTotal = uint(fields(body, 2)[1]);
        return false;
      case FRAME.receipt:
        this.#receipt.resolve(bytes(fields(body, 1)[0], 64));
        return true;
      case FRAME.cancel:
        throw peerCancelled();
      case FRAME.error:
        throw peerError(body);
      default:
        throw malformedFrame("the peer sent a frame out of turn");
    }
  }

  /** Reads a run, and checks and writes it while the next one is read. */
  async #readRun(lane: FrameLane, head: FrameHead): Promise<void> {
    if (head.length <= CHUNK_HEAD_BYTES) throw malformedFrame();
    const place = new Uint8Array(CHUNK_HEAD_BYTES);
    await lane.payload(place);
    const view = new DataView(place.buffer);
    const batch = view.getUint32(0, true), first = view.getUint32(4, true);
    const length = head.length - CHUNK_HEAD_BYTES;
    await this.#tools.pace(length);
    // What is compressed waits in a buffer of its lane: no lane ever needs two of the shared ones.
    const packed = head.codec === 0 ? undefined : new Uint8Array(length);
    if (packed !== undefined) await lane.payload(packed);
    const buffer = await this.#buffer();
    let content = buffer.subarray(0, length);
    if (packed === undefined) await lane.payload(content);
    else content = this.#expand(head.codec, packed, buffer);
    this.#tasks.run(async () => {
      try {
        const { page, count } = this.#landing.expect(batch, first, content.length);
        await this.#check(page.lengths, page.ids, first, count, content);
        await this.#landing.land(page, first, count, content);
        await this.#tellStored();
      } finally {
        this.#giveBack(buffer);
      }
    });
  }

  #expand(codec: number, content: Bytes, plain: Uint8Array): Uint8Array<SharedArrayBuffer> {
    if (codec !== 1 || content.length < 5) throw malformedFrame();
    const size = new DataView(content.buffer, content.byteOffset, 4).getUint32(0, true);
    if (size > RUN_BYTES_MAX) throw malformedFrame("a frame of the peer is too long");
    const out = plain.subarray(0, size) as Uint8Array<SharedArrayBuffer>;
    if (!this.#tools.lz4.decompress(content.subarray(4), out)) throw malformedFrame();
    return out;
  }

  /** @throws {WarpError} E_INTEGRITY when a chunk is not what its id says */
  async #check(
    lengths: Uint32Array,
    ids: Uint8Array,
    first: number,
    count: number,
    content: Bytes,
  ): Promise<void> {
    const { blake3 } = this.#tools;
    const offsets = new Float64Array(count + 1);
    for (let i = 0; i < count; i++) offsets[i + 1] = offsets[i]! + lengths[first + i]!;
    const digests = new Uint8Array(32 * count);
    if (blake3.hashManyLater === undefined) blake3.hashMany(content, offsets, digests);
    else await blake3.hashManyLater(content, offsets, digests);
    if (equal(digests, ids.subarray(32 * first, 32 * (first + count)))) return;
    throw new WarpError("E_INTEGRITY", "the peer sent content that is not what it announced");
  }

  async #tellStored(): Promise<void> {
    const { control } = this.#session;
    for (let batch = this.#queue.shift(); batch !== undefined; batch = this.#queue.shift()) {
      await control.send(FRAME.stored, [batch]);
    }
  }

  #checkEnd(): void {
    const end = this.#end;
    if (end === undefined || this.#stored < end.pages) return;
    if (this.#order.pages !== end.pages) return this.#all.reject(malformedFrame());
    const isSame = equal(this.#root.digest(), end.root) && this.#root.files === end.files &&
      this.#root.bytes === end.bytes;
    if (isSame) return this.#all.resolve();
    this.#tasks.fail(new WarpError("E_INTEGRITY", "the peer announced something else"));
  }

  async #buffer(): Promise<Uint8Array<SharedArrayBuffer>> {
    for (;;) {
      const buffer = this.#buffers.pop();
      if (buffer !== undefined) return buffer;
      if (this.#isDone) throw new WarpError("E_CANCELLED", "the transfer has ended");
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  #giveBack(buffer: Uint8Array<SharedArrayBuffer>): void {
    this.#buffers.push(buffer);
    this.#waiting.shift()?.();
  }

  /** After the lanes are closed: nothing writes to the landing any more. */
  async settled(): Promise<void> {
    await this.#tasks.settled();
  }
}

function newBuffer(): Uint8Array<SharedArrayBuffer> {
  return new Uint8Array(new SharedArrayBuffer(RUN_BYTES_MAX + 4096));
}
