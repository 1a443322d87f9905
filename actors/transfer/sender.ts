/**
 * The sending side of a transfer: pages of the manifest go ahead, wanted chunks follow on all lanes.
 *
 * A page is one slab of the chunker. It stays in memory until the peer has said which of its chunks it
 * wants and those are written, so that what is sent is what was hashed, even when the source changes
 * meanwhile. The number of slabs is the sender's bound, the window of the peer the receiver's.
 *
 * @module
 */
import type { Bytes } from "../base/bytes.ts";
import { WarpError } from "../base/errors.ts";
import { verifySignature } from "../cipher/signature.ts";
import type { Blake3, BlockCodec, Entropy } from "../../kernels/kernel.ts";
import type { Batch, ChunkerProtocol, Problem } from "../chunker/protocol.ts";
import type { ActorRef } from "../runtime/actor_ref.ts";
import { SlabPool, type SlabRef } from "../runtime/slab_pool.ts";
import { type FrameLane, peerCancelled, peerError } from "./frame_lane.ts";
import { bytes, CHUNK_HEAD_BYTES, fields, FRAME, malformedFrame, uint } from "./frames.ts";
import {
  Bitmap,
  encodePage,
  ManifestRoot,
  PAGE_BYTES_MAX,
  type Run,
  type RunningHash,
  runsOf,
} from "./manifest.ts";
import { type Delivery, receiptMessage } from "./receipt.ts";
import { type Session, Tasks } from "./session.ts";

const NEXT_DEADLINE_MS = 600_000;
/** The end of the year 9999: what a receipt can say. */
const TIME_MAX_S = 253_402_300_799;

export interface SenderTools {
  chunker: ActorRef<ChunkerProtocol>;
  blake3: Blake3;
  lz4: BlockCodec;
  entropy: Entropy;
  sha256: RunningHash;
  /** Slabs in memory: 4 MiB each. */
  slabs: number;
  compression: "none" | "lz4";
  /** Nothing is sent: what the peer would want is counted. */
  isDryRun: boolean;
  /** Waits until so many bytes may go. */
  pace(bytes: number): Promise<void>;
  sign(message: Bytes): Uint8Array;
  signal: AbortSignal;
}

export interface SentSums {
  /** Content offered, of it wanted by the peer, and settled there. */
  bytesOffered: number;
  bytesWanted: number;
  /** Of what was asked about: there already. */
  bytesHad: number;
  bytesStored: number;
  files: number;
}

export interface SentResult {
  delivery: Delivery;
  receiverSignature: Uint8Array;
  senderSignature: Uint8Array;
  problems: Problem[];
  /** Paths that the peer could not take. */
  refused: number;
}

interface Held {
  slab: SlabRef;
  lengths: Uint32Array;
  starts: Float64Array;
  bytes: number;
  /** Runs that are not written yet. */
  runs: number;
}

interface Job {
  batch: number;
  held: Held;
  run: Run;
}

export class Sender {
  readonly #session: Session;
  readonly #tools: SenderTools;
  readonly #tasks: Tasks;
  readonly #pool: SlabPool;
  readonly #held = new Map<number, Held>();
  readonly #jobs: Job[] = [];
  readonly #idle: (() => void)[] = [];
  readonly #root: ManifestRoot;
  readonly #verified = Promise.withResolvers<Omit<SentResult, "problems" | "senderSignature">>();
  readonly problems: Problem[] = [];
  readonly sums: SentSums = {
    bytesOffered: 0,
    bytesWanted: 0,
    bytesHad: 0,
    bytesStored: 0,
    files: 0,
  };
  /** Pages that the peer has not settled. */
  readonly #unsettled = new Map<number, number>();
  #mayOffer = () => {};
  #isPaused = false;
  #isDone = false;

  constructor(session: Session, tools: SenderTools) {
    this.#session = session;
    this.#tools = tools;
    this.#tasks = new Tasks(tools.signal);
    this.#pool = new SlabPool({ count: tools.slabs, bytes: PAGE_BYTES_MAX });
    this.#root = new ManifestRoot(tools.sha256);
    this.#verified.promise.catch(() => {});
  }

  /** @throws {WarpError} */
  async run(transferId: Uint8Array): Promise<SentResult> {
    const { lanes, control, ownKey, peerKey } = this.#session;
    this.#tasks.run(() => this.#listen());
    lanes.each((lane) => this.#tasks.run(() => this.#write(lane)));
    try {
      await this.#tasks.until(this.#offer());
      const root = this.#root.digest();
      const { files, bytes: size } = this.#root;
      await this.#tasks.until(control.send(FRAME.done, [this.#pages, root, files, size]));
      const result = await this.#tasks.until(this.#verified.promise);
      const { delivery } = result;
      const isSame = result.delivery.root.every((byte, i) => byte === root[i]) &&
        delivery.files === files && delivery.bytes === size;
      if (!isSame) throw new WarpError("E_INTEGRITY", "the peer received something else");
      const signed = { ...delivery, transferId, sender: ownKey, receiver: peerKey };
      const message = receiptMessage(signed);
      const isWhole = result.refused === 0 && !this.#tools.isDryRun;
      if (isWhole && !verifySignature(peerKey, message, result.receiverSignature)) {
        throw new WarpError("E_SIGNATURE", "the peer's signature on the receipt is wrong");
      }
      const senderSignature = this.#tools.sign(message);
      await this.#tasks.until(control.send(FRAME.receipt, [senderSignature]));
      return { ...result, delivery: signed, senderSignature, problems: this.problems };
    } finally {
      this.#isDone = true;
      for (const wake of this.#idle) wake();
    }
  }

  #pages = 0;

  /** The next slab of the sources. */
  async #next(): Promise<{ slab: SlabRef; batch: Batch }> {
    const { chunker, signal } = this.#tools;
    const slab = await this.#pool.waitLoan(signal);
    const buffer = this.#pool.buffer(slab);
    const call = chunker.call("next", { slab: buffer }, { deadlineMs: NEXT_DEADLINE_MS, signal });
    return { slab, batch: await call };
  }

  /** Reads the sources page by page, as far ahead as slabs and the peer's window allow. */
  async #offer(): Promise<void> {
    const { blake3 } = this.#tools;
    const { control, caps } = this.#session;
    for (let upcoming = this.#next();;) {
      const { slab, batch } = await this.#tasks.until(upcoming);
      const { cuts, entries, isLast } = batch;
      // The chunker reads on while this page is hashed and told of.
      if (!isLast) upcoming = this.#next();
      upcoming.catch(() => {});
      this.problems.push(...batch.problems);
      if (entries.length === 0 && cuts.length === 0) {
        this.#pool.giveBack(slab);
        if (isLast) return;
        continue;
      }
      const view = this.#pool.view(slab);
      const starts = Float64Array.from([0, ...cuts]);
      const ids = new Uint8Array(32 * cuts.length);
      if (blake3.hashManyLater === undefined) blake3.hashMany(view, starts, ids);
      else await this.#tasks.until(blake3.hashManyLater(view, starts, ids));
      const lengths = Uint32Array.from(cuts, (end, i) => end - starts[i]!);
      const page = { batch: this.#pages++, entries, lengths, ids };
      this.#root.add(page);
      this.sums.files = this.#root.files;
      const bytes = cuts.at(-1) ?? 0;
      const inline = entries.reduce(
        (sum, e) => sum + (e.type === "file" ? e.inline?.length ?? 0 : 0),
        0,
      );
      this.sums.bytesOffered += bytes + inline;
      while (this.#unsettled.size >= caps.window || this.#isPaused) {
        await this.#tasks.until(new Promise<void>((resolve) => this.#mayOffer = resolve));
      }
      this.#held.set(page.batch, { slab, lengths, starts, bytes, runs: 0 });
      this.#unsettled.set(page.batch, bytes + inline);
      await this.#tasks.until(control.send(FRAME.manifest, encodePage(page)));
      if (isLast) return;
    }
  }

  /** What the peer says on the control lane. */
  async #listen(): Promise<void> {
    const { control } = this.#session;
    for (let head = await control.head(); head !== undefined; head = await control.head()) {
      const body = await control.body(head);
      switch (head.type) {
        case FRAME.want:
          this.#want(body);
          break;
        case FRAME.stored:
          this.#stored(body);
          break;
        case FRAME.pause:
          this.#isPaused = uint(fields(body, 1)[0], 1) === 1;
          if (!this.#isPaused) this.#wake();
          break;
        case FRAME.verify:
          this.#verify(body);
          return;
        case FRAME.cancel:
          throw peerCancelled();
        case FRAME.error:
          throw peerError(body);
        default:
          throw malformedFrame("the peer sent a frame out of turn");
      }
    }
    if (!this.#isDone) throw new WarpError("E_PEER_GONE", "the connection to the peer was cut");
  }

  #want(body: unknown): void {
    const [number, bits] = fields(body, 2);
    const batch = uint(number);
    const held = this.#held.get(batch);
    if (held === undefined || held.runs !== 0) throw malformedFrame("a page was asked for twice");
    const count = held.lengths.length;
    const wanted = new Bitmap(count, bytes(bits, Math.ceil(count / 8)));
    const runs = runsOf(wanted, held.lengths);
    const wantedBytes = runs.reduce((sum, run) => sum + run.bytes, 0);
    this.sums.bytesWanted += wantedBytes;
    this.sums.bytesHad += held.bytes - wantedBytes;
    if (runs.length === 0 || this.#tools.isDryRun) return this.#release(batch, held);
    held.runs = runs.length;
    for (const run of runs) {
      this.#jobs.push({ batch, held, run });
      this.#idle.shift()?.();
    }
  }

  #release(batch: number, held: Held): void {
    this.#held.delete(batch);
    this.#pool.giveBack(held.slab);
  }

  #stored(body: unknown): void {
    const batch = uint(fields(body, 1)[0]);
    const size = this.#unsettled.get(batch);
    if (size === undefined) throw malformedFrame();
    this.#unsettled.delete(batch);
    this.sums.bytesStored += size;
    this.#wake();
  }

  #wake(): void {
    this.#mayOffer();
    this.#mayOffer = () => {};
  }

  #verify(body: unknown): void {
    const [root, files, size, time, signature, refused] = fields(body, 6);
    this.#verified.resolve({
      delivery: {
        transferId: new Uint8Array(),
        root: bytes(root, 32),
        files: uint(files),
        bytes: uint(size),
        time: uint(time, TIME_MAX_S),
        sender: new Uint8Array(),
        receiver: new Uint8Array(),
      },
      receiverSignature: bytes(signature, 64),
      refused: uint(refused),
    });
  }

  /** One lane: takes the next run, whichever page it belongs to. */
  async #write(lane: FrameLane): Promise<void> {
    const scratch = new Uint8Array(this.#tools.lz4.bound(PAGE_BYTES_MAX / 4) + 4);
    while (!this.#isDone) {
      const job = this.#jobs.shift();
      if (job === undefined) {
        await new Promise<void>((resolve) => this.#idle.push(resolve));
        continue;
      }
      const { batch, held, run } = job;
      await this.#tools.pace(run.bytes);
      const start = held.starts[run.first]!;
      const content = this.#pool.view(held.slab).subarray(start, start + run.bytes);
      const place = new Uint8Array(CHUNK_HEAD_BYTES);
      const view = new DataView(place.buffer);
      view.setUint32(0, batch, true);
      view.setUint32(4, run.first, true);
      const size = this.#compress(content, scratch);
      if (size === 0) await lane.sendRun(FRAME.chunk, 0, place, content);
      else {
        new DataView(scratch.buffer).setUint32(0, run.bytes, true);
        await lane.sendRun(FRAME.chunk, 1, place, scratch.subarray(0, 4 + size));
      }
      if (--held.runs === 0) this.#release(batch, held);
    }
  }

  /** Compressed length, or 0: not worth it. */
  #compress(content: Bytes, scratch: Uint8Array): number {
    const { compression, entropy, lz4 } = this.#tools;
    if (compression === "none" || content.length < 512) return 0;
    const sample = content.subarray(0, Math.min(content.length, 64 * 1024));
    if (entropy.estimate(sample) > 7000) return 0;
    const size = lz4.compress(content, scratch.subarray(4), 1);
    return size > 0 && size < content.length * 0.9 ? size : 0;
  }
}
