/* Admission and dispatch: which chunks go out now, so that no edge gets more than its capacity.
 *
 * Sums over edges and digits are made in parts and merged; the parts do not show in sums. */
#include "scheduler.h"

#include <stdlib.h>

#include "pool.h"

enum { UNDECIDED = 0, REJECTED = 1, ADMITTED = 2, OUT = 3 };

/* Fewer bids than this are not worth another part. */
#define PART_BIDS 32768u

struct admission {
  struct scheduler *s;
  uint32_t parts;
  size_t part_length; /* slots or bids */
  size_t bids;
  int level;
  bool is_first;
  uint64_t counts[SCHEDULER_SUM_PARTS]; /* unplaced, bidding or admitted: what the step counts */
  uint64_t lengths[SCHEDULER_SUM_PARTS];
};

bool scheduler_prepare_admission(struct scheduler *s) {
  const size_t cells = (size_t)s->edges * BUCKETS;
  if (s->bids == NULL) s->bids = malloc(s->chunks * sizeof *s->bids);
  if (s->sums == NULL) s->sums = malloc(SCHEDULER_SUM_PARTS * cells * sizeof *s->sums);
  if (s->places == NULL) s->places = malloc(cells * sizeof *s->places);
  if (s->left == NULL) s->left = malloc(s->edges * sizeof *s->left);
  if (s->thresholds == NULL) s->thresholds = malloc(s->edges);
  return s->bids && s->sums && s->places && s->left && s->thresholds;
}

/* ---- parts ----------------------------------------------------------------------------------- */

static uint64_t *part_sums(const struct admission *a, uint32_t part) {
  return a->s->sums + (size_t)part * a->s->edges * BUCKETS;
}

static size_t part_first(const struct admission *a, uint32_t part) { return part * a->part_length; }

static size_t part_last(const struct admission *a, uint32_t part, size_t length) {
  const size_t last = (part + 1) * a->part_length;
  return last < length ? last : length;
}

static void split(struct admission *a, size_t length) {
  const size_t wanted = length / PART_BIDS + 1;
  a->parts = wanted < SCHEDULER_SUM_PARTS ? (uint32_t)wanted : SCHEDULER_SUM_PARTS;
  a->part_length = (length + a->parts - 1) / a->parts;
}

/* Runs `body` for each part; returns the sum of what they count. */
static uint64_t run(struct admission *a, void (*body)(void *, uint32_t)) {
  warp_parallel_for(a->parts, body, a);
  uint64_t count = 0;
  for (uint32_t part = 0; part < a->parts; part++) count += a->counts[part];
  return count;
}

/* Sums of all parts into those of the first. */
static void merge_sums(struct admission *a) {
  uint64_t *total = part_sums(a, 0);
  const size_t cells = (size_t)a->s->edges * BUCKETS;
  for (uint32_t part = 1; part < a->parts; part++) {
    const uint64_t *sums = part_sums(a, part);
    for (size_t cell = 0; cell < cells; cell++) total[cell] += sums[cell];
  }
}

/* ---- window ---------------------------------------------------------------------------------- */

static bool is_bidder(const struct scheduler *s, size_t slot) {
  return s->assigned[slot] != NO_EDGE && s->words[s->assigned[slot]] != WORD_NONE;
}

static void sum_window(void *argument, uint32_t part) {
  struct admission *a = argument;
  const struct scheduler *s = a->s;
  uint64_t *sums = part_sums(a, part), unplaced = 0;
  memset(sums, 0, (size_t)s->edges * BUCKETS * sizeof *sums);
  const size_t last = part_last(a, part, s->chunks);
  for (size_t slot = part_first(a, part); slot < last; slot++) {
    if (s->meta[slot] >> 6 != PENDING) continue;
    if (is_bidder(s, slot))
      sums[BUCKETS * s->assigned[slot] + (s->meta[slot] & 63)] += s->sizes[slot];
    else
      unplaced++;
  }
  a->counts[part] = unplaced;
}

/* Last bucket of each edge's window. */
static void close_windows(struct scheduler *s) {
  for (uint32_t e = 0; e < s->edges; e++) {
    const uint64_t *sums = s->sums + (size_t)BUCKETS * e;
    uint64_t sum = sums[0];
    uint32_t bucket = 0;
    while (sum < 2 * (uint64_t)s->limits[e] && bucket < BUCKETS - 1) sum += sums[++bucket];
    s->thresholds[e] = (uint8_t)bucket;
  }
}

/* Writes a part's bids to where its slots begin; they are moved together afterwards. */
static void collect(void *argument, uint32_t part) {
  struct admission *a = argument;
  const struct scheduler *s = a->s;
  const size_t first = part_first(a, part), last = part_last(a, part, s->chunks);
  struct bid *bid = s->bids + first;
  for (size_t slot = first; slot < last; slot++) {
    const uint32_t bucket = s->meta[slot] & 63;
    if (s->meta[slot] >> 6 != PENDING || !is_bidder(s, slot)) continue;
    if (bucket > s->thresholds[s->assigned[slot]]) continue;
    *bid++ = (struct bid){.slot = (uint32_t)slot,
                          .rank = scheduler_rank(s, (uint32_t)slot, bucket),
                          .size = s->sizes[slot],
                          .edge = s->assigned[slot],
                          .outcome = REJECTED};
  }
  a->lengths[part] = (uint64_t)(bid - (s->bids + first));
  a->counts[part] = a->lengths[part];
}

/* Returns how many chunks are unplaced. */
static uint64_t open_window(struct admission *a) {
  struct scheduler *s = a->s;
  split(a, s->chunks);
  const uint64_t unplaced = run(a, sum_window);
  merge_sums(a);
  close_windows(s);
  run(a, collect);
  size_t total = a->lengths[0];
  for (uint32_t part = 1; part < a->parts; part++) {
    memmove(s->bids + total, s->bids + part_first(a, part), a->lengths[part] * sizeof *s->bids);
    total += a->lengths[part];
  }
  a->bids = total;
  return unplaced;
}

/* ---- rounds ---------------------------------------------------------------------------------- */

static bool is_open(const struct scheduler *s, uint32_t edge) {
  return s->left[edge] > s->limits[edge] >> OPEN_SHIFT;
}

/* The next edge of a chunk that was rejected, or NO_EDGE. */
static uint32_t next_edge(const struct scheduler *s, const struct bid *bid) {
  const uint16_t *candidates = s->candidates + (size_t)CANDIDATES * bid->slot;
  const uint32_t hash = scheduler_hash(s, bid->slot);
  uint32_t least = KEY_NONE;
  for (uint32_t i = 0; i < CANDIDATES; i++) {
    const uint32_t edge = candidates[i];
    if (bid->tried >> i & 1 || edge == s->edges || !is_open(s, edge)) continue;
    const uint32_t key = scheduler_key(hash, s->words[edge], edge);
    least = key < least ? key : least;
  }
  return least < KEY_NONE ? least & 0xfff : NO_EDGE;
}

/* Counts the bids. Nothing is taken meanwhile, so that all see the same edges open. */
static void bid_part(void *argument, uint32_t part) {
  struct admission *a = argument;
  struct scheduler *s = a->s;
  uint64_t bidding = 0;
  const size_t last = part_last(a, part, a->bids);
  for (size_t i = part_first(a, part); i < last; i++) {
    struct bid *bid = &s->bids[i];
    if (bid->outcome != REJECTED) continue;
    if (!a->is_first) {
      const uint16_t *candidates = s->candidates + (size_t)CANDIDATES * bid->slot;
      for (uint32_t j = 0; j < CANDIDATES; j++)
        if (candidates[j] == bid->edge) bid->tried |= (uint8_t)(1u << j);
      const uint32_t edge = next_edge(s, bid);
      bid->outcome = OUT;
      if (edge == NO_EDGE) continue;
      bid->edge = (uint16_t)edge;
    }
    bid->outcome = UNDECIDED;
    bidding++;
  }
  a->counts[part] = bidding;
}

static uint32_t digit_of(uint32_t rank, int level) { return rank >> (26 - 6 * level) & 63; }

static void sum_bids(void *argument, uint32_t part) {
  struct admission *a = argument;
  struct scheduler *s = a->s;
  uint64_t *sums = part_sums(a, part);
  memset(sums, 0, (size_t)s->edges * BUCKETS * sizeof *sums);
  const size_t last = part_last(a, part, a->bids);
  for (size_t i = part_first(a, part); i < last; i++) {
    const struct bid *bid = &s->bids[i];
    if (bid->outcome == UNDECIDED)
      sums[BUCKETS * bid->edge + digit_of(bid->rank, a->level)] += bid->size;
  }
  a->counts[part] = 0;
}

/* Threshold of each edge; takes what is below from what it has left. */
static void take_digits(struct scheduler *s) {
  for (uint32_t e = 0; e < s->edges; e++) {
    const uint64_t *sums = s->sums + (size_t)BUCKETS * e;
    uint32_t digit = 0;
    for (; digit < BUCKETS && sums[digit] <= s->left[e]; digit++)
      s->left[e] -= (uint32_t)sums[digit];
    s->thresholds[e] = (uint8_t)digit;
  }
}

/* Counts the admitted. */
static void decide(void *argument, uint32_t part) {
  struct admission *a = argument;
  struct scheduler *s = a->s;
  uint64_t admitted = 0;
  const size_t last = part_last(a, part, a->bids);
  for (size_t i = part_first(a, part); i < last; i++) {
    struct bid *bid = &s->bids[i];
    if (bid->outcome != UNDECIDED) continue;
    const uint32_t digit = digit_of(bid->rank, a->level), threshold = s->thresholds[bid->edge];
    if (digit == threshold && a->level < LEVELS - 1) continue;
    bid->outcome = digit < threshold ? ADMITTED : REJECTED;
    admitted += digit < threshold;
  }
  a->counts[part] = admitted;
}

/* Whether another round is worth its while: not when a backlog has filled all edges. */
static bool is_enough_left(const struct scheduler *s) {
  uint64_t left = 0, capacity = 0;
  for (uint32_t e = 0; e < s->edges; e++) {
    left += s->left[e];
    capacity += s->limits[e];
  }
  return left > capacity >> OPEN_SHIFT;
}

/* Returns how many rounds there were. */
static uint32_t run_rounds(struct admission *a, uint32_t most) {
  struct scheduler *s = a->s;
  memcpy(s->left, s->limits, s->edges * sizeof *s->left);
  split(a, a->bids);
  for (uint32_t round = 0; round < most; round++) {
    a->is_first = round == 0;
    if (round > 0 && !is_enough_left(s)) return round;
    const uint64_t bidding = run(a, bid_part);
    if (bidding == 0) return round;
    uint64_t admitted = 0;
    for (a->level = 0; a->level < LEVELS; a->level++) {
      run(a, sum_bids);
      merge_sums(a);
      take_digits(s);
      admitted += run(a, decide);
    }
    if (admitted == bidding || (round > 0 && admitted == 0)) return round + 1;
  }
  return most;
}

/* ---- dispatch -------------------------------------------------------------------------------- */

/* Turns counts per (edge, bucket), edges in order from `first_edge`, into places in the queue. */
static void place(struct scheduler *s, size_t bids, uint32_t first_edge) {
  memset(s->places, 0, (size_t)s->edges * BUCKETS * sizeof *s->places);
  for (size_t i = 0; i < bids; i++) {
    const struct bid *bid = &s->bids[i];
    if (bid->outcome == ADMITTED) s->places[BUCKETS * bid->edge + digit_of(bid->rank, 0)]++;
  }
  uint32_t before = 0;
  for (uint32_t i = 0; i < s->edges; i++) {
    uint32_t *places = s->places + (size_t)BUCKETS * ((first_edge + i) % s->edges);
    for (uint32_t bucket = 0; bucket < BUCKETS; bucket++) {
      const uint32_t count = places[bucket];
      places[bucket] = before;
      before += count;
    }
  }
}

/* Gives out what has a place below `limit`; returns how many. */
static uint32_t give_out(struct scheduler *s, size_t bids, uint32_t limit, uint32_t *slots,
                         uint16_t *edges, uint64_t *stats) {
  uint32_t given = 0;
  for (size_t i = 0; i < bids; i++) {
    const struct bid *bid = &s->bids[i];
    if (bid->outcome != ADMITTED) continue;
    stats[WARP_STAT_ADMITTED]++;
    stats[WARP_STAT_ADMITTED_KIB] += bid->size;
    const uint32_t at = s->places[BUCKETS * bid->edge + digit_of(bid->rank, 0)]++;
    if (at >= limit) continue;
    slots[at] = bid->slot;
    edges[at] = bid->edge;
    scheduler_assign(s, bid->slot, bid->edge, s->loads);
    scheduler_set_state(s, bid->slot, DISPATCHED);
    stats[WARP_STAT_DISPATCHED_KIB] += bid->size;
    given++;
  }
  s->pending -= given;
  s->in_flight += given;
  return given;
}

uint32_t scheduler_dispatch(struct scheduler *s, uint32_t rounds, uint32_t first_edge,
                            uint32_t limit, uint32_t *slots, uint16_t *edges, uint64_t *stats) {
  struct admission a = {.s = s};
  stats[WARP_STAT_UNPLACED] = open_window(&a);
  stats[WARP_STAT_WINDOW] = a.bids;
  stats[WARP_STAT_ROUNDS] = run_rounds(&a, rounds);
  stats[WARP_STAT_ADMITTED] = stats[WARP_STAT_ADMITTED_KIB] = stats[WARP_STAT_DISPATCHED_KIB] = 0;
  place(s, a.bids, first_edge);
  const uint32_t given = give_out(s, a.bids, limit, slots, edges, stats);
  stats[WARP_STAT_DISPATCHED] = given;
  stats[WARP_STAT_PENDING] = s->pending;
  stats[WARP_STAT_IN_FLIGHT] = s->in_flight;
  stats[WARP_STAT_LOAD_KIB] = stats[WARP_STAT_CAPACITY_KIB] = 0;
  for (uint32_t e = 0; e < s->edges; e++) {
    stats[WARP_STAT_LOAD_KIB] += s->loads[e];
    stats[WARP_STAT_CAPACITY_KIB] += s->limits[e];
  }
  return given;
}
