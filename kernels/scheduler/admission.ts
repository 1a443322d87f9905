/**
 * Admission: which chunks go out now, so that no edge gets more than its capacity.
 *
 * @module
 */
import { bestEdge } from "./choose.ts";
import { numberOf, type State } from "./state.ts";
import { BUCKETS, digitOf, LEVELS, NONE, OPEN_SHIFT, PENDING, rankOf, WORD_NONE } from "./spec.ts";

/** A chunk that takes part. */
export interface Bid {
  readonly slot: number;
  readonly size: number;
  readonly rank: number;
  /** Where it bids, or was admitted. */
  edge: number;
  readonly tried: number[];
}

export interface Admission {
  /** In ascending order of slots. */
  admitted: Bid[];
  window: number;
  unplaced: number;
  rounds: number;
}

export function admit(state: State, roundsMost: number): Admission {
  const { limits } = state.edges;
  const { bids, unplaced } = openWindow(state);
  const left = limits.slice();
  const admitted: Bid[] = [];
  let waiting = bids, rounds = 0;
  for (let round = 0; round < roundsMost; round++) {
    if (round > 0) {
      if (sum(left) <= Math.floor(sum(limits) / 2 ** OPEN_SHIFT)) break;
      const isOpen = Array.from(left, (kib, e) => kib > limits[e]! >>> OPEN_SHIFT);
      waiting = waiting.filter((bid) => bidAgain(state, bid, isOpen));
    }
    if (waiting.length === 0) break;
    rounds++;
    const chosen = selectByRank(waiting, left);
    for (const bid of chosen) admitted.push(bid);
    const isChosen = new Set(chosen);
    waiting = waiting.filter((bid) => !isChosen.has(bid));
    for (const bid of waiting) bid.tried.push(bid.edge);
    if (waiting.length === 0 || round > 0 && chosen.length === 0) break;
  }
  admitted.sort((a, b) => a.slot - b.slot);
  return { admitted, window: bids.length, unplaced, rounds };
}

/** The bidders that may be admitted at all: about twice what their edge can take. */
function openWindow(state: State): { bids: Bid[]; unplaced: number } {
  const { states, sizes, priorities, assigned } = state.chunks;
  const { words, limits } = state.edges;
  const sums = new Float64Array(BUCKETS * words.length);
  let bidders: Bid[] = [], unplaced = 0;
  for (let slot = 0; slot < states.length; slot++) {
    if (states[slot] !== PENDING) continue;
    const edge = assigned[slot]!;
    if (edge === NONE || words[edge] === WORD_NONE) {
      unplaced++;
      continue;
    }
    const rank = rankOf(numberOf(state, slot), priorities[slot]!);
    bidders.push({ slot, size: sizes[slot]!, rank, edge, tried: [] });
    sums[BUCKETS * edge + digitOf(rank, 0)]! += sizes[slot]!;
  }
  const last = limits.map((limit, e) => {
    let sum = 0, bucket = -1;
    while (sum < 2 * limit && bucket < BUCKETS - 1) sum += sums[BUCKETS * e + ++bucket]!;
    return bucket;
  });
  bidders = bidders.filter(({ edge, rank }) => digitOf(rank, 0) <= last[edge]!);
  return { bids: bidders, unplaced };
}

/** False when no edge is left to bid at. */
function bidAgain(state: State, bid: Bid, isOpen: readonly boolean[]): boolean {
  bid.edge = bestEdge(state, bid.slot, (e) => isOpen[e]! && !bid.tried.includes(e));
  return bid.edge !== NONE;
}

/** Takes bids in order of rank, in steps of digits, as far as they fit; reduces `left`. */
function selectByRank(bids: readonly Bid[], left: Uint32Array): Bid[] {
  const chosen: Bid[] = [];
  let undecided = bids;
  for (let level = 0; level < LEVELS; level++) {
    const sums = new Float64Array(BUCKETS * left.length);
    for (const { edge, rank, size } of undecided) {
      sums[BUCKETS * edge + digitOf(rank, level)]! += size;
    }
    const thresholds = left.map((_, e) => takeDigits(sums, e, left));
    for (const bid of undecided) {
      if (digitOf(bid.rank, level) < thresholds[bid.edge]!) chosen.push(bid);
    }
    undecided = undecided.filter(({ rank, edge }) => digitOf(rank, level) === thresholds[edge]!);
  }
  return chosen;
}

/** The threshold of edge `e`; reduces what it has left by all below. */
function takeDigits(sums: Float64Array, e: number, left: Uint32Array): number {
  let digit = 0;
  while (digit < BUCKETS && sums[BUCKETS * e + digit]! <= left[e]!) {
    left[e]! -= sums[BUCKETS * e + digit]!;
    digit++;
  }
  return digit;
}

function sum(kib: Uint32Array): number {
  return kib.reduce((a, b) => a + b, 0);
}
