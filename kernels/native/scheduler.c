/* The scheduler's functions of the C interface: handles, memory, checks of arguments. */
#define _DEFAULT_SOURCE /* madvise */
#include "scheduler.h"

#include <stdatomic.h>
#include <stdlib.h>

#if defined(__linux__)
#include <sys/mman.h>
#endif

/* ---- handles --------------------------------------------------------------------------------- */

#define HANDLES 64u

static struct {
  atomic_flag is_locked; /* for a few instructions */
  struct entry {
    struct scheduler *scheduler;
    uint32_t generation;
    bool is_busy;
  } entries[HANDLES];
} table = {.is_locked = ATOMIC_FLAG_INIT};

static void lock(void) {
  while (atomic_flag_test_and_set_explicit(&table.is_locked, memory_order_acquire)) {
  }
}

static void unlock(void) { atomic_flag_clear_explicit(&table.is_locked, memory_order_release); }

/* Takes the scheduler for one call. */
static warp_status take(warp_scheduler handle, struct scheduler **s) {
  const uint32_t index = (uint32_t)handle, generation = (uint32_t)(handle >> 32);
  if (index >= HANDLES || generation == 0) return WARP_EINVAL;
  warp_status status = WARP_OK;
  lock();
  struct entry *entry = &table.entries[index];
  if (entry->scheduler == NULL || entry->generation != generation) status = WARP_EINVAL;
  else if (entry->is_busy) status = WARP_EAGAIN;
  else entry->is_busy = true;
  *s = entry->scheduler;
  unlock();
  return status;
}

static warp_status give_back(warp_scheduler handle, warp_status status) {
  lock();
  table.entries[(uint32_t)handle].is_busy = false;
  unlock();
  return status;
}

/* Opens a call: returns from it when the scheduler cannot be had. */
#define TAKE(handle, s)                             \
  struct scheduler *s = NULL;                       \
  const warp_status taken = take(handle, &s);       \
  if (taken != WARP_OK) return taken

/* ---- memory ---------------------------------------------------------------------------------- */

/* For arrays over slots: large pages make their random reads cheaper. */
static void *allocate(size_t count, size_t size) {
  const size_t align = 64, large = (size_t)2 << 20;
  const size_t bytes = (count * size + align - 1) & ~(align - 1);
  void *memory = aligned_alloc(bytes >= large ? large : align,
                               bytes >= large ? (bytes + large - 1) & ~(large - 1) : bytes);
#if defined(__linux__)
  if (memory != NULL && bytes >= large) madvise(memory, bytes, MADV_HUGEPAGE);
#endif
  if (memory != NULL) memset(memory, 0, bytes);
  return memory;
}

static void destroy(struct scheduler *s) {
  void *all[] = {s->candidates, s->sizes, s->assigned,   s->meta,        s->tries, s->dirty,
                 s->seen,       s->given, s->prices,     s->words,       s->limits, s->loads,
                 s->part_loads, s->bids,  s->part_counts, s->sums,       s->left,  s->places,
                 s->thresholds, s->gains,     s->lasts};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
  free(s);
}

static bool allocate_slots(struct scheduler *s) {
  const size_t n = ((size_t)s->chunks + SCHEDULER_PAD - 1) & ~(size_t)(SCHEDULER_PAD - 1);
  s->candidates = allocate(CANDIDATES * n, sizeof *s->candidates);
  s->sizes = allocate(n, sizeof *s->sizes);
  s->assigned = allocate(n, sizeof *s->assigned);
  s->meta = allocate(n, sizeof *s->meta);
  s->tries = allocate(n, sizeof *s->tries);
  s->dirty = allocate(n / 64, sizeof *s->dirty);
  s->seen = allocate(n / 64, sizeof *s->seen);
  if (!s->candidates || !s->sizes || !s->assigned || !s->meta || !s->tries || !s->dirty || !s->seen)
    return false;
  for (size_t i = 0; i < CANDIDATES * n; i++) s->candidates[i] = (uint16_t)s->edges;
  memset(s->assigned, 0xff, n * sizeof *s->assigned);
  return true;
}

static bool allocate_edges(struct scheduler *s) {
  const size_t share = ((size_t)s->chunks + SCHEDULER_PARTS - 1) / SCHEDULER_PARTS;
  s->part_slots =
      (uint32_t)((share + SCHEDULER_BLOCK - 1) / SCHEDULER_BLOCK * SCHEDULER_BLOCK);
  s->parts = (uint32_t)(((size_t)s->chunks + s->part_slots - 1) / s->part_slots);
  s->given = calloc(s->edges, sizeof *s->given);
  s->prices = calloc(s->edges, sizeof *s->prices);
  s->gains = calloc(s->edges, sizeof *s->gains);
  s->lasts = calloc(s->edges, sizeof *s->lasts);
  s->words = calloc(s->edges + 1, sizeof *s->words);
  s->limits = calloc(s->edges, sizeof *s->limits);
  s->loads = calloc(s->edges, sizeof *s->loads);
  s->part_loads = calloc((size_t)s->parts * s->edges, sizeof *s->part_loads);
  s->part_counts = calloc((size_t)s->parts * SCHEDULER_BLOCK, sizeof *s->part_counts);
  if (!s->given || !s->prices || !s->gains || !s->lasts || !s->words || !s->limits ||
      !s->loads || !s->part_loads || !s->part_counts)
    return false;
  for (uint32_t e = 0; e < s->edges; e++) s->gains[e] = (int32_t)s->eta;
  for (uint32_t e = 0; e <= s->edges; e++) s->words[e] = WORD_NONE;
  return true;
}

/* A free handle for `s`; 0 when there is none. */
static warp_scheduler enter(struct scheduler *s) {
  warp_scheduler handle = 0;
  lock();
  for (uint32_t index = 0; index < HANDLES && handle == 0; index++) {
    struct entry *entry = &table.entries[index];
    if (entry->scheduler != NULL || entry->generation == UINT32_MAX) continue;
    entry->scheduler = s;
    entry->generation++;
    entry->is_busy = false;
    handle = (uint64_t)entry->generation << 32 | index;
  }
  unlock();
  return handle;
}

warp_status warp_scheduler_open(warp_context context, const warp_scheduler_params *params,
                                warp_scheduler *scheduler) {
  (void)context; /* the pool is the process's */
  if (params == NULL || scheduler == NULL || params->size < sizeof *params) return WARP_EINVAL;
  if (params->edges < 1 || params->edges > EDGES_MOST || params->chunks < 1) return WARP_EINVAL;
  if (params->eta < 1 || params->eta > 1024) return WARP_EINVAL;
  struct scheduler *s = calloc(1, sizeof *s);
  if (s == NULL) return WARP_ENOMEM;
  s->edges = params->edges;
  s->chunks = params->chunks;
  s->first_chunk = params->first_chunk;
  s->eta = params->eta;
  warp_scheduler handle = 0;
  if (allocate_slots(s) && allocate_edges(s)) handle = enter(s);
  if (handle == 0) {
    destroy(s);
    return WARP_ENOMEM;
  }
  *scheduler = handle;
  return WARP_OK;
}

warp_status warp_scheduler_close(warp_scheduler scheduler) {
  TAKE(scheduler, s);
  lock();
  table.entries[(uint32_t)scheduler].scheduler = NULL;
  unlock();
  destroy(s);
  return WARP_OK;
}

/* ---- what comes in --------------------------------------------------------------------------- */

static bool is_range(uint32_t first, uint32_t n, uint32_t limit) {
  return first <= limit && n <= limit - first;
}

warp_status warp_scheduler_put(warp_scheduler scheduler, uint32_t first, uint32_t n,
                               const uint16_t *candidates, const uint16_t *sizes,
                               const uint8_t *priorities) {
  TAKE(scheduler, s);
  if (!is_range(first, n, s->chunks) || (n > 0 && (!candidates || !sizes || !priorities)))
    return give_back(scheduler, WARP_EINVAL);
  scheduler_put(s, first, n, candidates, sizes, priorities);
  return give_back(scheduler, WARP_OK);
}

warp_status warp_scheduler_edges(warp_scheduler scheduler, uint32_t first, uint32_t n,
                                 const warp_edge *edges) {
  TAKE(scheduler, s);
  if (!is_range(first, n, s->edges) || (n > 0 && edges == NULL))
    return give_back(scheduler, WARP_EINVAL);
  if (n > 0) memcpy(s->given + first, edges, n * sizeof *edges);
  return give_back(scheduler, WARP_OK);
}

warp_status warp_scheduler_set_prices(warp_scheduler scheduler, uint32_t first, uint32_t n,
                                      const int32_t *prices) {
  TAKE(scheduler, s);
  if (!is_range(first, n, s->edges) || (n > 0 && prices == NULL))
    return give_back(scheduler, WARP_EINVAL);
  for (uint32_t i = 0; i < n; i++) {
    const int32_t price = prices[i] < PRICE_LEAST ? PRICE_LEAST : prices[i];
    s->prices[first + i] = price > PRICE_MOST ? PRICE_MOST : price;
  }
  return give_back(scheduler, WARP_OK);
}

warp_status warp_scheduler_reset_prices(warp_scheduler scheduler) {
  TAKE(scheduler, s);
  scheduler_reset_prices(s);
  return give_back(scheduler, WARP_OK);
}

static bool are_events(struct scheduler *s, uint32_t n, const uint32_t *slots,
                       const uint8_t *kinds) {
  return n == 0 || (slots && kinds && scheduler_events_are_valid(s, n, slots, kinds));
}

warp_status warp_scheduler_events(warp_scheduler scheduler, uint32_t n, const uint32_t *slots,
                                  const uint8_t *kinds, uint64_t *applied) {
  TAKE(scheduler, s);
  if (!are_events(s, n, slots, kinds)) return give_back(scheduler, WARP_EINVAL);
  const uint64_t count = scheduler_apply(s, n, slots, kinds);
  if (applied != NULL) *applied = count;
  return give_back(scheduler, WARP_OK);
}

/* ---- passes ---------------------------------------------------------------------------------- */

warp_status warp_scheduler_fold(warp_scheduler scheduler) {
  TAKE(scheduler, s);
  scheduler_fold(s);
  return give_back(scheduler, WARP_OK);
}

warp_status warp_scheduler_choose(warp_scheduler scheduler, uint32_t first, uint32_t n) {
  TAKE(scheduler, s);
  if (!is_range(first, n, s->chunks)) return give_back(scheduler, WARP_EINVAL);
  scheduler_choose(s, first, n);
  return give_back(scheduler, WARP_OK);
}

warp_status warp_scheduler_choose_dirty(warp_scheduler scheduler, uint64_t *count) {
  TAKE(scheduler, s);
  const uint64_t chosen = scheduler_choose_dirty(s);
  if (count != NULL) *count = chosen;
  return give_back(scheduler, WARP_OK);
}

warp_status warp_scheduler_failover(warp_scheduler scheduler, uint64_t *count) {
  TAKE(scheduler, s);
  const uint64_t chosen = scheduler_failover(s);
  if (count != NULL) *count = chosen;
  return give_back(scheduler, WARP_OK);
}

warp_status warp_scheduler_prices(warp_scheduler scheduler, const uint64_t *loads) {
  TAKE(scheduler, s);
  const uint64_t limit = (uint64_t)1 << 53;
  uint64_t sum = 0;
  for (uint32_t e = 0; loads != NULL && e < s->edges && sum < limit; e++)
    sum = loads[e] < limit ? sum + loads[e] : limit;
  if (sum >= limit) return give_back(scheduler, WARP_EINVAL);
  scheduler_update_prices(s, loads != NULL ? loads : s->loads);
  return give_back(scheduler, WARP_OK);
}

warp_status warp_scheduler_dispatch(warp_scheduler scheduler, uint32_t rounds, uint32_t first_edge,
                                    uint32_t limit, uint32_t *slots, uint16_t *edges,
                                    uint32_t *count, uint64_t *stats) {
  TAKE(scheduler, s);
  if (rounds < 1 || rounds > 8 || first_edge >= s->edges || count == NULL ||
      (limit > 0 && (!slots || !edges)))
    return give_back(scheduler, WARP_EINVAL);
  if (!scheduler_prepare_admission(s)) return give_back(scheduler, WARP_ENOMEM);
  uint64_t own[WARP_STATS] = {0};
  *count = scheduler_dispatch(s, rounds, first_edge, limit, slots, edges,
                              stats != NULL ? stats : own);
  return give_back(scheduler, WARP_OK);
}

warp_status warp_scheduler_tick(warp_scheduler scheduler, const warp_scheduler_tick_params *params,
                                uint32_t events, const uint32_t *event_slots,
                                const uint8_t *event_kinds, uint32_t limit, uint32_t *slots,
                                uint16_t *edges, uint32_t *count, uint64_t *stats) {
  if (params == NULL || params->size < sizeof *params || params->iterations > 64 ||
      params->rounds < 1 || params->rounds > 8)
    return WARP_EINVAL;
  if (count == NULL || stats == NULL || (limit > 0 && (!slots || !edges))) return WARP_EINVAL;
  TAKE(scheduler, s);
  if (!are_events(s, events, event_slots, event_kinds)) return give_back(scheduler, WARP_EINVAL);
  if (!scheduler_prepare_admission(s)) return give_back(scheduler, WARP_ENOMEM);
  memset(stats, 0, WARP_STATS * sizeof *stats);
  stats[WARP_STAT_TICK] = s->tick;
  stats[WARP_STAT_EVENTS] = scheduler_apply(s, events, event_slots, event_kinds);
  scheduler_fold(s);
  stats[WARP_STAT_FAILED_OVER] = scheduler_failover(s);
  stats[WARP_STAT_DIRTY] = scheduler_choose_dirty(s);
  if (params->full_every > 0 && s->tick % params->full_every == 0) {
    stats[WARP_STAT_ITERATIONS] = params->iterations;
    for (uint32_t i = 0; i < params->iterations; i++) {
      scheduler_update_prices(s, s->loads);
      scheduler_fold(s);
      scheduler_choose(s, 0, s->chunks);
    }
  }
  const uint32_t first_edge = (uint32_t)(s->tick++ % s->edges);
  *count = scheduler_dispatch(s, params->rounds, first_edge, limit, slots, edges, stats);
  return give_back(scheduler, WARP_OK);
}

/* ---- what goes out --------------------------------------------------------------------------- */

warp_status warp_scheduler_best(warp_scheduler scheduler, uint32_t n, const uint32_t *slots,
                                uint16_t *out) {
  TAKE(scheduler, s);
  if (n > 0 && (!slots || !out)) return give_back(scheduler, WARP_EINVAL);
  for (uint32_t i = 0; i < n; i++)
    if (slots[i] >= s->chunks) return give_back(scheduler, WARP_EINVAL);
  for (uint32_t i = 0; i < n; i++) scheduler_best(s, slots[i], out + (size_t)3 * i);
  return give_back(scheduler, WARP_OK);
}

warp_status warp_scheduler_read(warp_scheduler scheduler, uint32_t first, uint32_t n,
                                uint16_t *assigned, uint8_t *states, uint8_t *tries) {
  TAKE(scheduler, s);
  if (!is_range(first, n, s->chunks)) return give_back(scheduler, WARP_EINVAL);
  if (assigned != NULL) memcpy(assigned, s->assigned + first, n * sizeof *assigned);
  if (tries != NULL) memcpy(tries, s->tries + first, n);
  for (uint32_t i = 0; states != NULL && i < n; i++)
    states[i] = (uint8_t)scheduler_state(s, (size_t)first + i);
  return give_back(scheduler, WARP_OK);
}

warp_status warp_scheduler_read_edges(warp_scheduler scheduler, uint32_t first, uint32_t n,
                                      uint32_t *words, int32_t *prices, uint64_t *loads) {
  TAKE(scheduler, s);
  if (!is_range(first, n, s->edges)) return give_back(scheduler, WARP_EINVAL);
  if (words != NULL) memcpy(words, s->words + first, n * sizeof *words);
  if (prices != NULL) memcpy(prices, s->prices + first, n * sizeof *prices);
  if (loads != NULL) memcpy(loads, s->loads + first, n * sizeof *loads);
  return give_back(scheduler, WARP_OK);
}

warp_status warp_scheduler_digest(warp_scheduler scheduler, uint64_t *digest) {
  TAKE(scheduler, s);
  if (digest == NULL) return give_back(scheduler, WARP_EINVAL);
  *digest = scheduler_digest(s);
  return give_back(scheduler, WARP_OK);
}
