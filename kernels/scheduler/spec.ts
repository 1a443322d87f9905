/**
 * THE definition of Warp's chunk scheduler: which edge serves which chunk, and when. Integers only;
 * every backend gives these results, bit for bit. Words are u32 and wrap; `>>` below is unsigned.
 *
 * **State.** A scheduler has `edges` (1..4096) edges and `chunks` slots. The number of the chunk in
 * slot s is n = (firstChunk + s) mod 2^32, so that shards of one large scheduler agree with the
 * whole.
 *
 * | per slot   |     | meaning                                                                  |
 * | ---------- | --- | ------------------------------------------------------------------------ |
 * | candidates | u16 × 8 | edges that hold the chunk; what is not below `edges` is none          |
 * | size       | u16 | KiB                                                                      |
 * | priority   | u8  | 0 (first) .. 7; more counts as 7                                         |
 * | state      | u8  | ABSENT 0, PENDING 1, DISPATCHED 2                                        |
 * | assigned   | u16 | edge, or NONE 0xffff; of a DISPATCHED chunk: the edge that serves it     |
 * | tries      | u8  | how often a dispatch failed, at most 255                                 |
 * | dirty      | bit | to be chosen anew by the next chooseDirty                                |
 *
 * | per edge |     | meaning                                                                    |
 * | -------- | --- | -------------------------------------------------------------------------- |
 * | cost     | u32 | {@link edgeCost}; above {@link COST_MOST}: infinite                        |
 * | hash     | u32 | any number of its own, e.g. a hash of its key; the low 12 bits count       |
 * | capacity | u32 | KiB that it may be given in the next dispatch                              |
 * | alive    | u32 | 0: no                                                                      |
 * | price    | i32 | 0 at first; the scheduler's own, moves load off full edges                 |
 * | gain     | i32 | damping of its price in 1/256; eta at first                                |
 * | last     | i32 | last step of its price; 0 at first                                         |
 * | word     | u32 | what fold made of the above; {@link WORD_NONE} at first                    |
 * | load     | u64 | sum of the sizes of all chunks assigned to it, always                      |
 *
 * Cost, hash, capacity and alive take effect with the next fold: below, an edge is *usable* when
 * the last fold found it so (its word is not WORD_NONE), and *capacity* is what that fold saw.
 *
 * **fold.** usable(e) = alive, capacity > 0 and cost <= COST_MOST. With least = min of cost + price
 * over usable edges:
 *
 *     value(e) = min(cost + price - least, VALUE_MOST)
 *     word(e)  = value << 13 | (hash & 0xfff) << 1 | 1,    or WORD_NONE when not usable
 *
 * **choose.** Soft-min with fixed noise per pair of chunk and edge: load is a smooth function of
 * price, chunks with equal candidates do not all go one way, and only what must move moves.
 *
 *     noise(n, e) = NOISE[(n * CHUNK_HASH * (word & 0x1fff) mod 2^32) >> 27]
 *     key(n, e)   = ((word >> 13) + BIAS - noise) << 12 | e
 *
 * The edge of the smallest key wins; there are no ties. Without a usable candidate: NONE.
 * (WORD_NONE gives keys >= {@link KEY_NONE}, usable edges give smaller ones.) All passes choose for
 * PENDING chunks alone; `load` follows every change.
 *
 * - choose(first, count): all PENDING chunks of a range of slots. Leaves dirty bits.
 * - chooseDirty: PENDING chunks that are dirty; all dirty bits are cleared. Counts the chosen ones.
 * - failover: chunks, PENDING or DISPATCHED, assigned to an edge that is not usable. A DISPATCHED
 *   one becomes PENDING with tries + 1; then it is chosen anew. Counts them. Dirty bits stay.
 *
 * **prices.** Prices rise where load exceeds capacity (damped Sinkhorn). Over usable edges, with
 * L = sum of loads and C = sum of capacities, nothing happens when L = 0, else for each of them
 *
 *     shift = max(0, log2fix(L + 1) - log2fix(C + 1))
 *     step  = max(log2fix(load + 1) - log2fix(capacity + 1) - shift, STEP_LEAST)
 *     gain  = min(max(gain >> 1, GAIN_LEAST), eta)     if step and last have opposite signs
 *             min(gain + (gain >> 3) + 1, eta)         otherwise
 *     price = clamp(price + step * gain / 256, PRICE_LEAST, PRICE_MOST)     (/ truncates towards 0)
 *     last  = step
 *
 * The gain of each edge keeps those whose load is steep in price from swinging between nothing and
 * a multiple of their capacity, pass by pass, for ever. STEP_LEAST keeps an edge that has just come
 * back, and has no load, from becoming so cheap that all chunks go there.
 * A backlog of many times the capacity is balanced in proportion to capacity; with spare capacity
 * all prices sink to PRICE_LEAST and cost alone decides. Loads may be given instead, those of all
 * shards; their sum must be below 2^53.
 *
 * **resetPrices.** A start near the goal: price = (most - log2fix(capacity + 1)) * 177 >> 8 for
 * usable edges, most being the largest such log2fix, and 0 for others (177 / 256 = ln 2). All edges
 * get gain = eta and last = 0.
 *
 * **admission.** Every chunk has a rank, the most urgent the smallest, and a bucket:
 *
 *     rank   = min(priority, 7) << 29 | mix32(n) >> 3;   bucket = rank >> 26
 *
 * 1. Bidders are PENDING chunks whose assigned edge is usable. (PENDING ones without: *unplaced*.)
 *    The window of edge e goes up to the smallest bucket w with sum of sizes of its bidders in
 *    buckets <= w at least 2 * capacity, or 63. Bidders in the window of their edge take part, the
 *    others wait for another tick.
 * 2. left(e) = capacity of usable edges. Up to `rounds` (1..8) rounds:
 *    - In round 0 a chunk bids at its assigned edge. Later it bids at the smallest key among its
 *      candidates that are usable, open and not yet tried, or is out if there is none. Open means
 *      left > capacity >> 5 at the start of the round.
 *    - For level = 0, 1, 2 with digit = (rank >> (26 - 6 * level)) & 63: for each edge, over the
 *      sizes of the bids still undecided, the threshold t is the largest of 0..64 for which the sum
 *      of those with digit < t is at most left(e). These are admitted and left(e) is reduced by
 *      their sum. Bids with digit = t stay undecided, those above are rejected. After level 2 the
 *      rest is rejected.
 *    - A rejected chunk has tried that edge.
 *    - There is no further round when no chunk was rejected, when the sum of left is at most the
 *      sum of capacities >> 5, or, in a round after the first, when none was admitted. A round in
 *      which no chunk bids ends it, and does not count.
 *
 * An edge never gets more than its capacity. All sums commute, so order of execution does not
 * matter.
 *
 * **dispatch.** Admitted chunks in ascending order of ((edge - firstEdge) mod edges, bucket, slot);
 * the first `limit` become DISPATCHED, assigned to the edge that admitted them, and are given out.
 * The others stay as they were before admission. firstEdge turns from tick to tick, so that a limit
 * does not always hit the same edges.
 *
 * **events.** Each slot at most once per call.
 *
 * - DONE 1, CANCELLED 3: the slot becomes ABSENT: no candidates, size 0, priority 0, tries 0, NONE.
 * - FAILED 2: a DISPATCHED chunk becomes PENDING and dirty, tries + 1; it keeps its assigned edge.
 * - LOST 4: as FAILED, and the assigned edge is removed from its candidates: it does not have it.
 *
 * Events that do not fit the state (anything of an ABSENT slot, FAILED or LOST unless DISPATCHED)
 * are ignored and not counted.
 *
 * **put.** Fills slots, whatever was there: PENDING, dirty, tries 0, assigned NONE.
 *
 * **kBest.** For a slot: up to three different usable candidates in order of (word >> 13, edge),
 * without noise: whom to try next. NONE fills the rest.
 *
 * **tick.** events; fold; failover; chooseDirty; when fullEvery > 0 and tick mod fullEvery = 0,
 * `iterations` times (prices; fold; choose all); dispatch with firstEdge = tick mod edges. Ticks
 * are counted from 0.
 *
 * **digest.** Over all slots, d = mix32((n * CHUNK_HASH) ^ (assigned | state << 16 | tries << 24)):
 * (XOR of all d) << 32 | (sum of all d) mod 2^32. Shards combine by XOR and sum.
 *
 * Source of the method: softmin with multiplicative prices is entropic optimal transport (Cuturi
 * 2013) on a sparse cost matrix; noise by hashing is weighted rendezvous hashing (Thaler,
 * Ravishankar 1998).
 *
 * @module
 */

export const CANDIDATES = 8;
export const EDGES_MOST = 4096;
export const NONE = 0xffff;

export const ABSENT = 0;
export const PENDING = 1;
export const DISPATCHED = 2;

export const EVENT_DONE = 1;
export const EVENT_FAILED = 2;
export const EVENT_CANCELLED = 3;
export const EVENT_LOST = 4;

/** Scale of costs and prices: a difference of TAU changes the odds of two edges by a factor e. */
export const TAU = 256;
export const COST_MOST = 2 ** 18 - 1;
export const COST_INFINITE = 0xffffffff;
export const PRICE_LEAST = -8 * TAU;
export const PRICE_MOST = 2 ** 18 - 1;
/** Default damping of prices, in 1/256. */
export const ETA = 179;
export const GAIN_LEAST = 8;
/** One octave. */
export const STEP_LEAST = -256;

export const VALUE_MOST = 0x6ffff;
/** Word of an edge that must not be chosen; above VALUE_MOST by more than all noise. */
export const WORD_NONE = 0xf0000001;
/** Keys of usable edges are below. */
export const KEY_NONE = 0x78000000;
/** Above all noise, so that keys stay positive. */
export const BIAS = 2048;
export const CHUNK_HASH = 0x9e3779b1;

export const PRIORITIES = 8;
export const BUCKETS = 64;
export const LEVELS = 3;
export const ROUNDS_MOST = 8;
/** Rounds after the first need 1/32 of all capacity left, and 1/32 of an edge's where they bid. */
export const OPEN_SHIFT = 5;

/** Gumbel noise: round(-TAU * ln(-ln((i + 1/2) / 32))). */
// deno-fmt-ignore
export const NOISE: readonly number[] = [
  -365, -286, -240, -203, -172, -145, -119, -95, -72, -50, -28, -6, 16, 38, 60, 82,
  105, 129, 154, 180, 207, 236, 267, 301, 338, 380, 427, 483, 552, 642, 777, 1063,
];

/** log2 with 8 fraction bits, linear between powers of two, of an integer 1..2^53. */
export function log2fix(x: number): number {
  const whole = x < 2 ** 32 ? 31 - Math.clz32(x) : 63 - Math.clz32(Math.floor(x / 2 ** 32));
  const fraction = Math.floor(x / 2 ** whole * 256) - 256;
  return whole * 256 + fraction;
}

/** The finaliser of MurmurHash3 (Appleby). */
export function mix32(x: number): number {
  x = Math.imul(x ^ x >>> 16, 0x85ebca6b);
  x = Math.imul(x ^ x >>> 13, 0xc2b2ae35);
  return (x ^ x >>> 16) >>> 0;
}

/** Key of a word for a chunk whose number times CHUNK_HASH is `chunkHash`. */
export function keyOf(chunkHash: number, word: number, edge: number): number {
  const noise = NOISE[Math.imul(chunkHash, word & 0x1fff) >>> 27]!;
  return ((word >>> 13) + BIAS - noise) << 12 | edge;
}

/** Rank of chunk number `n`: the smaller, the sooner. */
export function rankOf(n: number, priority: number): number {
  return (Math.min(priority, PRIORITIES - 1) << 29 | mix32(n) >>> 3) >>> 0;
}

/** Which of 64 parts of all ranks; the next 6 bits at level 1, and so on. */
export function digitOf(rank: number, level: number): number {
  return rank >>> (26 - 6 * level) & 63;
}

/** What an edge costs now; fractions in 1/65536. */
export interface EdgeMeasures {
  /** Expected time for a chunk of usual size, in units of a reference time; at most 16.0 counts. */
  time: number;
  /** Load against capacity, 0..1. */
  load: number;
  /** 0 (never answers) .. 1. */
  health: number;
  /** Traffic costs money. */
  isMetered: boolean;
  /** 0 (on mains, or full) .. 1 (empty). */
  drain: number;
}

/**
 * 0.4 time + 0.2 load² + 0.2 (1 - health) + 0.1 metered + 0.1 drain, where 1.0 is 2560 (10 TAU).
 * Every term is truncated by itself.
 */
export function edgeCost(measures: EdgeMeasures): number {
  const time = clamp(measures.time, 0, 16 * 65536);
  const load = clamp(measures.load, 0, 65536);
  const health = clamp(measures.health, 0, 65536);
  const drain = clamp(measures.drain, 0, 65536);
  return (time >>> 6) + Math.floor(load * load / 65536 / 128) + (65536 - health >>> 7) +
    (measures.isMetered ? 256 : 0) + (drain >>> 8);
}

export function clamp(x: number, least: number, most: number): number {
  return Math.min(Math.max(x, least), most);
}
