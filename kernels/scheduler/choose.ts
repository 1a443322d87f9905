/**
 * The passes that choose an edge for chunks.
 *
 * @module
 */
import { assign, countFailure, numberOf, type State } from "./state.ts";
import {
  CANDIDATES,
  CHUNK_HASH,
  DISPATCHED,
  KEY_NONE,
  keyOf,
  NONE,
  PENDING,
  WORD_NONE,
} from "./spec.ts";

/** The edge for `slot`, among candidates that `isAllowed`; NONE when there is none. */
export function bestEdge(
  state: State,
  slot: number,
  isAllowed: (edge: number) => boolean = () => true,
): number {
  const { candidates } = state.chunks, { words } = state.edges;
  const hash = Math.imul(numberOf(state, slot), CHUNK_HASH);
  let least = KEY_NONE;
  for (let i = CANDIDATES * slot; i < CANDIDATES * (slot + 1); i++) {
    const edge = candidates[i]!;
    if (edge >= words.length || words[edge] === WORD_NONE || !isAllowed(edge)) continue;
    least = Math.min(least, keyOf(hash, words[edge]!, edge));
  }
  return least < KEY_NONE ? least & 0xfff : NONE;
}

export function choose(state: State, first: number, count: number): void {
  const { states } = state.chunks;
  for (let slot = first; slot < first + count; slot++) {
    if (states[slot] === PENDING) assign(state, slot, bestEdge(state, slot));
  }
}

/** Returns how many were chosen. */
export function chooseDirty(state: State): number {
  const { states, dirty } = state.chunks;
  let count = 0;
  for (let slot = 0; slot < states.length; slot++) {
    if (dirty[slot] === 0) continue;
    dirty[slot] = 0;
    if (states[slot] !== PENDING) continue;
    assign(state, slot, bestEdge(state, slot));
    count++;
  }
  return count;
}

/** Returns how many chunks were on edges that are not usable. */
export function failover(state: State): number {
  const { states, assigned } = state.chunks, { words } = state.edges;
  let count = 0;
  for (let slot = 0; slot < states.length; slot++) {
    const edge = assigned[slot]!;
    if (edge === NONE || words[edge] !== WORD_NONE) continue;
    if (states[slot] === DISPATCHED) countFailure(state, slot);
    assign(state, slot, bestEdge(state, slot));
    count++;
  }
  return count;
}

/** Three different usable candidates, cheapest first, without noise; NONE for the rest. */
export function bestThree(state: State, slot: number): [number, number, number] {
  const { words } = state.edges;
  const row = state.chunks.candidates.subarray(CANDIDATES * slot, CANDIDATES * (slot + 1));
  const usable = [...new Set(row)].filter((e) => e < words.length && words[e] !== WORD_NONE);
  usable.sort((a, b) => (words[a]! >>> 13) - (words[b]! >>> 13) || a - b);
  const [first = NONE, second = NONE, third = NONE] = usable;
  return [first, second, third];
}
