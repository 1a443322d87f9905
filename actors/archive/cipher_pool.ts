/**
 * The ciphers as one: a call goes to the least busy, and a call that was lost with its Worker is made again on
 * another. Cipher calls are pure functions of their request, so repeating one is safe.
 *
 * @module
 */
import { isWarpError, WarpError } from "../base/errors.ts";
import type { MerkleHash } from "../base/merkle_hash.ts";
import type { CipherProtocol } from "../cipher/protocol.ts";
import type { ActorRef } from "../runtime/actor_ref.ts";
import type { ReplyOf, RequestOf } from "../runtime/protocol.ts";

type Calls = CipherProtocol["calls"];

/** Rough cost of a slab's worth, to balance by: compression dominates. */
const WEIGHTS: Record<keyof Calls, number> = { hash: 1, seal: 4, open: 2, leaves: 1 };
const ATTEMPTS_MAX = 3;
/** zstd 22 on the largest block takes some seconds; anything beyond this hangs. */
const DEADLINE_MS = 120_000;

/** What the archive needs of ciphers. */
export interface Ciphers {
  readonly size: number;
  /**
   * @param request made anew for each attempt, so that a slab which a lost Worker may still write
   *   to is never used again
   */
  call<Op extends keyof Calls>(
    op: Op,
    request: () => RequestOf<Calls[Op]>,
    signal: AbortSignal,
  ): Promise<ReplyOf<Calls[Op]>>;
}

export class CipherPool implements Ciphers {
  readonly #refs: ActorRef<CipherProtocol>[];
  /** Calls under way, by cipher. */
  readonly #load: number[];

  constructor(refs: ActorRef<CipherProtocol>[]) {
    this.#refs = refs;
    this.#load = refs.map(() => 0);
  }

  get size(): number {
    return this.#refs.length;
  }

  async call<Op extends keyof Calls>(
    op: Op,
    request: () => RequestOf<Calls[Op]>,
    signal: AbortSignal,
  ): Promise<ReplyOf<Calls[Op]>> {
    for (let attempt = 1;; attempt++) {
      const least = this.#load.indexOf(Math.min(...this.#load));
      this.#load[least]! += WEIGHTS[op];
      try {
        return await this.#refs[least]!.call(op, request(), { deadlineMs: DEADLINE_MS, signal });
      } catch (error) {
        if (attempt === ATTEMPTS_MAX || signal.aborted || !isLost(error)) throw error;
      } finally {
        this.#load[least]! -= WEIGHTS[op];
      }
    }
  }
}

/** What computes Merkle leaves of slabs: ciphers, or threads of this Worker. */
export interface LeafHasher {
  readonly size: number;
  call(
    op: "leaves",
    request: () => RequestOf<Calls["leaves"]>,
    signal: AbortSignal,
  ): Promise<ReplyOf<Calls["leaves"]>>;
}

/** Hashes in threads of this Worker: spares a command that only hashes the start of ciphers. */
export class ThreadedLeaves implements LeafHasher {
  readonly #hash: MerkleHash;
  readonly size = navigator.hardwareConcurrency;

  /** @param hash one that has threads */
  constructor(hash: MerkleHash) {
    this.#hash = hash;
  }

  async call(
    _op: "leaves",
    request: () => RequestOf<Calls["leaves"]>,
    signal: AbortSignal,
  ): Promise<Uint8Array> {
    const { slab, offset, length } = request();
    const leaves = await this.#hash.leavesLater(new Uint8Array(slab, offset, length));
    signal.throwIfAborted();
    return leaves;
  }
}

/** Whether the Worker went away, as opposed to the request being at fault. */
export function isLost(error: unknown): boolean {
  return isWarpError(error, "E_ACTOR_DOWN") || isWarpError(error, "E_DEADLINE");
}

export function actorDown(what: string, cause: unknown): WarpError {
  return new WarpError("E_ACTOR_DOWN", `${what} was lost and could not be replaced`, { cause });
}
