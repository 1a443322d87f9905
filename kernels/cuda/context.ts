/**
 * A context on a CUDA device: calls that wait, and calls that do not.
 *
 * @module
 */
import type { Bytes } from "../../actors/base/bytes.ts";
import { invariant, WarpError } from "../../actors/base/errors.ts";
import * as calls from "./calls.ts";
import type { CudaLibrary } from "./library.ts";
import { checkStatus, EAGAIN, OK } from "./status.ts";
import type { CudaSymbols } from "./symbols.ts";

const WAIT_US = 1_000_000;
const ERROR_BYTES = 256;
/** Jobs that one poll takes at most: as many as there can be. */
const SLOTS_MOST = 64;

export interface CudaContextOptions {
  /** Index in `library.devices`. Default: 0. */
  device?: number;
  /** Jobs under way at once, 1..64. Default: 4. */
  slots?: number;
}

/** A job that was begun and not yet polled, with all memory that C may touch meanwhile. */
interface Pending {
  name: string;
  memory: readonly unknown[];
  done: (status: number) => void;
  failed: (error: unknown) => void;
}

type Run<R> = (call: calls.Call) => R;

/**
 * The batch calls. They give OK, or EAUTH (open) or EDATA (decompress) where single items failed, and
 * throw a {@link WarpError} (reject with it) for anything else.
 */
export class CudaCalls<R> {
  readonly #run: Run<R>;

  constructor(run: Run<R>) {
    this.#run = run;
  }

  blake3(request: calls.Blake3Request): R {
    return this.#run(calls.blake3Call(request));
  }

  merkle(request: calls.MerkleRequest): R {
    return this.#run(calls.merkleCall(request));
  }

  seal(request: calls.SealRequest): R {
    return this.#run(calls.sealCall(request));
  }

  open(request: calls.OpenRequest): R {
    return this.#run(calls.openCall(request));
  }

  compress(request: calls.CompressRequest): R {
    return this.#run(calls.compressCall(request));
  }

  decompress(request: calls.DecompressRequest): R {
    return this.#run(calls.decompressCall(request));
  }

  entropy(request: calls.EntropyRequest): R {
    return this.#run(calls.entropyCall(request));
  }

  boundary(request: calls.BoundaryRequest): R {
    return this.#run(calls.boundaryCall(request));
  }

  fused(request: calls.FusedRequest): R {
    return this.#run(calls.fusedCall(request));
  }
}

export class CudaContext {
  /** These block the Worker until the device is done. */
  readonly sync: CudaCalls<number>;
  /** These return at once; buffers must not be touched until the promise settles. */
  readonly async: CudaCalls<Promise<number>>;

  readonly #symbols: CudaSymbols;
  readonly #handle: bigint;
  readonly #pending = new Map<bigint, Pending>();
  readonly #buffers = new Map<ArrayBufferLike, Deno.PointerValue>();
  #pump: Promise<void> | undefined;
  #isClosed = false;
  /** Settles when jobs were polled, and begins anew. */
  #polled = Promise.withResolvers<void>();

  /** @throws {WarpError} E_BACKEND_UNAVAILABLE, E_LIMIT when the device cannot be opened. */
  constructor(library: CudaLibrary, options: CudaContextOptions = {}) {
    const { device = 0, slots = 4 } = options;
    const handle = new BigUint64Array(1);
    this.#symbols = library.symbols;
    const status = this.#symbols.warp_context_open(device, 0, slots, handle);
    checkStatus(status, "warp_context_open");
    this.#handle = handle[0]!;
    this.sync = new CudaCalls((call) => this.#call(call, null));
    this.async = new CudaCalls((call) => this.#submit(call));
  }

  /** The C side's handle, for calls that this class does not have. */
  get handle(): bigint {
    return this.#handle;
  }

  /**
   * Page-aligned memory that the device copies from directly. It is freed by {@link free} or
   * {@link close}: no view of it may be used afterwards.
   */
  allocate(bytes: number): Uint8Array<ArrayBuffer> {
    const pointer = new BigUint64Array(1);
    const status = this.#symbols.warp_buffer_alloc(this.#handle, BigInt(bytes), pointer);
    this.#check(status, "warp_buffer_alloc");
    const start = Deno.UnsafePointer.create(pointer[0]!);
    invariant(start !== null, "warp_buffer_alloc gave no memory");
    const buffer = Deno.UnsafePointerView.getArrayBuffer(start, bytes);
    this.#buffers.set(buffer, start);
    return new Uint8Array(buffer);
  }

  /** @throws {WarpError} E_BUSY while a job uses it. */
  free(memory: Bytes): void {
    const start = this.#buffers.get(memory.buffer);
    invariant(start !== undefined, "free: not memory of this context");
    this.#check(this.#symbols.warp_buffer_free(this.#handle, start), "warp_buffer_free");
    this.#buffers.delete(memory.buffer);
  }

  /** Cancels what has not begun, waits for the rest, frees all. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#symbols.warp_context_close(this.#handle);
    this.#buffers.clear();
    for (const { name, failed } of this.#pending.values()) {
      failed(new WarpError("E_CANCELLED", `${name}: the context was closed`));
    }
    this.#pending.clear();
    this.#polled.resolve();
    await this.#pump;
  }

  #call(call: calls.Call, job: BigUint64Array<ArrayBuffer> | null): number {
    const run = this.#symbols[call.name] as (...parameters: unknown[]) => number;
    const status = run(this.#handle, ...call.parameters, job);
    if (job === null || status !== EAGAIN) this.#check(status, call.name);
    return status;
  }

  async #submit(call: calls.Call): Promise<number> {
    const job = new BigUint64Array(1);
    while (this.#call(call, job) === EAGAIN) {
      // Slots are held by whom we do not know: nothing tells us when one is free.
      if (this.#pending.size === 0) this.#check(EAGAIN, call.name);
      await this.#polled.promise;
      if (this.#isClosed) {
        throw new WarpError("E_CANCELLED", `${call.name}: the context was closed`);
      }
    }
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    const memory = call.parameters;
    this.#pending.set(job[0]!, { name: call.name, memory, done: resolve, failed: reject });
    this.#pump ??= this.#pumpJobs();
    const status = await promise;
    this.#check(status, call.name);
    return status;
  }

  /** One waiting thread for all jobs, as long as there are any. */
  async #pumpJobs(): Promise<void> {
    try {
      while (this.#pending.size > 0) {
        const status = await this.#symbols.warp_wait(this.#handle, WAIT_US);
        if (this.#isClosed) return;
        if (status === OK) this.#poll();
        else if (status !== EAGAIN) this.#check(status, "warp_wait");
      }
    } catch (error) {
      for (const { failed } of this.#pending.values()) failed(error);
      this.#pending.clear();
    } finally {
      this.#pump = undefined;
    }
  }

  #poll(): void {
    const jobs = new BigUint64Array(SLOTS_MOST), statuses = new Int32Array(SLOTS_MOST);
    const count = new Uint32Array(1);
    const status = this.#symbols.warp_poll(this.#handle, jobs, statuses, SLOTS_MOST, count);
    this.#check(status, "warp_poll");
    for (let i = 0; i < count[0]!; i++) {
      const pending = this.#pending.get(jobs[i]!);
      this.#pending.delete(jobs[i]!);
      pending?.done(statuses[i]!);
    }
    this.#polled.resolve();
    this.#polled = Promise.withResolvers();
  }

  #check(status: number, name: string): void {
    checkStatus(status, name, () => this.lastError());
  }

  /** The library's own words about the last failure, or "". */
  lastError(): string {
    const text = new Uint8Array(ERROR_BYTES);
    if (this.#symbols.warp_last_error(this.#handle, text, ERROR_BYTES) !== OK) return "";
    return new TextDecoder().decode(text.subarray(0, text.indexOf(0)));
  }
}
