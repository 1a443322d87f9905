/* What the files of the scheduler share. kernels/scheduler/spec.ts defines every result.
 *
 * Arrays over slots are padded to a multiple of SCHEDULER_PAD with ABSENT slots, so that vectors
 * may run over the end. Candidates that are no edge are stored as `edges`, whose word is always
 * WORD_NONE: choosing needs no bounds check. State and bucket share a byte, whose top bit says
 * DISPATCHED. */
#ifndef WARP_SCHEDULER_H
#define WARP_SCHEDULER_H
#include "../../cuda/warp_kernels.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define CANDIDATES 8u
#define EDGES_MOST 4096u
#define NO_EDGE 0xffffu
#define COST_MOST ((1u << 18) - 1)
#define PRICE_LEAST (-2048)
#define PRICE_MOST ((1 << 18) - 1)
#define GAIN_LEAST 8
#define STEP_LEAST (-256)
#define VALUE_MOST 0x6ffffu
#define WORD_NONE 0xf0000001u
#define KEY_NONE 0x78000000u
#define CHUNK_HASH 0x9e3779b1u
#define BUCKETS 64u
#define LEVELS 3
#define OPEN_SHIFT 5

#define SCHEDULER_PAD 64u
/* Sums of this many sizes fit 32 bits. */
#define SCHEDULER_BLOCK 65536u
/* Shares of the work that run in parallel at most; how sums are split does not show in results. */
#define SCHEDULER_PARTS 64u
#define SCHEDULER_SUM_PARTS 8u

enum { ABSENT = 0, PENDING = 1, DISPATCHED = 2 };

/* BIAS - NOISE[i], all positive. */
extern const uint32_t scheduler_noise[32];

/* A chunk in admission. */
struct bid {
  uint32_t slot, rank;
  uint16_t size, edge;
  uint8_t tried; /* one bit for each candidate */
  uint8_t outcome;
};

struct scheduler {
  uint32_t edges, chunks, first_chunk, eta;
  uint64_t tick, pending, in_flight;

  uint16_t *candidates, *sizes, *assigned;
  uint8_t *meta, *tries; /* meta: state << 6 | bucket */
  uint64_t *dirty, *seen; /* bits; `seen` is zero between calls */

  warp_edge *given;
  int32_t *prices, *gains, *lasts;
  uint32_t *words;  /* edges + 1 */
  uint32_t *limits; /* capacities of usable edges, 0 of others */
  uint64_t *loads;
  bool must_fail_over; /* an edge has become unusable since the last failover */

  uint32_t parts, part_slots;
  uint64_t *part_loads; /* parts x edges; differences, modulo 2^64 */
  uint32_t *part_counts; /* parts x 65536, of which NO_EDGE and those below `edges` are touched */

  /* Of admission; allocated by the first one. */
  struct bid *bids;
  uint64_t *sums; /* SCHEDULER_SUM_PARTS x edges x BUCKETS */
  uint32_t *left, *places;
  uint8_t *thresholds;
};

static inline uint32_t scheduler_mix32(uint32_t x) {
  x = (x ^ x >> 16) * 0x85ebca6bu;
  x = (x ^ x >> 13) * 0xc2b2ae35u;
  return x ^ x >> 16;
}

/* `bucket` holds the priority in its upper 3 of 6 bits. */
static inline uint32_t scheduler_rank(const struct scheduler *s, uint32_t slot, uint32_t bucket) {
  return (bucket >> 3) << 29 | scheduler_mix32(s->first_chunk + slot) >> 3;
}

static inline uint32_t scheduler_state(const struct scheduler *s, size_t slot) {
  return s->meta[slot] >> 6;
}

static inline void scheduler_set_state(struct scheduler *s, size_t slot, uint32_t state) {
  s->meta[slot] = (uint8_t)(state << 6 | (s->meta[slot] & 63));
}

static inline uint32_t scheduler_key(uint32_t hash, uint32_t word, uint32_t edge) {
  return ((word >> 13) + scheduler_noise[hash * (word & 0x1fff) >> 27]) << 12 | edge;
}

static inline uint32_t scheduler_hash(const struct scheduler *s, size_t slot) {
  return (s->first_chunk + (uint32_t)slot) * CHUNK_HASH;
}

/* The edge for a slot, or NO_EDGE. */
static inline uint32_t scheduler_choose_one(const struct scheduler *s, size_t slot) {
  const uint16_t *candidates = s->candidates + CANDIDATES * slot;
  const uint32_t hash = scheduler_hash(s, slot);
  uint32_t least = KEY_NONE;
  for (uint32_t i = 0; i < CANDIDATES; i++) {
    const uint32_t key = scheduler_key(hash, s->words[candidates[i]], candidates[i]);
    least = key < least ? key : least;
  }
  return least < KEY_NONE ? least & 0xfff : NO_EDGE;
}

/* Assigns a slot; what that changes goes to `loads` (modulo 2^64, one per edge). */
static inline void scheduler_assign(struct scheduler *s, size_t slot, uint32_t edge,
                                    uint64_t *loads) {
  const uint32_t before = s->assigned[slot];
  if (before != NO_EDGE) loads[before] -= s->sizes[slot];
  if (edge != NO_EDGE) loads[edge] += s->sizes[slot];
  s->assigned[slot] = (uint16_t)edge;
}

/* A DISPATCHED chunk waits again; the caller counts. */
static inline void scheduler_count_failure(struct scheduler *s, size_t slot) {
  scheduler_set_state(s, slot, PENDING);
  if (s->tries[slot] < 255) s->tries[slot]++;
}

static inline void scheduler_set_dirty(struct scheduler *s, size_t slot) {
  s->dirty[slot >> 6] |= 1ull << (slot & 63);
}

/* ---- scheduler_edges.c ----------------------------------------------------------------------- */

void scheduler_fold(struct scheduler *s);
void scheduler_update_prices(struct scheduler *s, const uint64_t *loads);
void scheduler_reset_prices(struct scheduler *s);

/* ---- scheduler_choose.c ---------------------------------------------------------------------- */

void scheduler_choose(struct scheduler *s, uint32_t first, uint32_t n);
uint64_t scheduler_choose_dirty(struct scheduler *s);
uint64_t scheduler_failover(struct scheduler *s);
void scheduler_best(const struct scheduler *s, uint32_t slot, uint16_t *out);

/* ---- scheduler_events.c ---------------------------------------------------------------------- */

void scheduler_put(struct scheduler *s, uint32_t first, uint32_t n, const uint16_t *candidates,
                   const uint16_t *sizes, const uint8_t *priorities);
bool scheduler_events_are_valid(struct scheduler *s, uint32_t n, const uint32_t *slots,
                                const uint8_t *kinds);
uint64_t scheduler_apply(struct scheduler *s, uint32_t n, const uint32_t *slots,
                         const uint8_t *kinds);
uint64_t scheduler_digest(struct scheduler *s);

/* ---- scheduler_admission.c ------------------------------------------------------------------- */

/* False without memory: then nothing has changed. */
bool scheduler_prepare_admission(struct scheduler *s);
uint32_t scheduler_dispatch(struct scheduler *s, uint32_t rounds, uint32_t first_edge,
                            uint32_t limit, uint32_t *slots, uint16_t *edges, uint64_t *stats);

/* ---- one instruction set each ---------------------------------------------------------------- */

/* Chooses for PENDING slots first .. first + count - 1, both multiples of 16. */
typedef void scheduler_choose_function(struct scheduler *s, size_t first, size_t count);
scheduler_choose_function scheduler_choose_avx2, scheduler_choose_avx512;

/* A set of edges that contains those to find, as three tables over the digits of an edge in base
 * 16: `e` is in it when the three entries have a bit in common. */
struct edge_filter {
  uint8_t low[16], middle[16], high[16];
};

/* Writes the offsets of entries that are in the filter; `count` is a multiple of 32. */
typedef uint32_t scheduler_find_function(const uint16_t *assigned, uint32_t count,
                                         const struct edge_filter *filter, uint16_t *found);
scheduler_find_function scheduler_find_avx2, scheduler_find_avx512;

#endif
