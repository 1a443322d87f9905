/* The passes that choose an edge for chunks. */
#include "scheduler.h"

#include "dispatch.h"
#include "pool.h"

const uint32_t scheduler_noise[32] = {
    2413, 2334, 2288, 2251, 2220, 2193, 2167, 2143, 2120, 2098, 2076, 2054, 2032, 2010, 1988, 1966,
    1943, 1919, 1894, 1868, 1841, 1812, 1781, 1747, 1710, 1668, 1621, 1565, 1496, 1406, 1271, 985};

/* ---- scalar ---------------------------------------------------------------------------------- */

static void choose_scalar(struct scheduler *s, size_t first, size_t count) {
  for (size_t slot = first; slot < first + count; slot++)
    if (scheduler_state(s, slot) == PENDING)
      s->assigned[slot] = (uint16_t)scheduler_choose_one(s, slot);
}

static uint32_t find_scalar(const uint16_t *assigned, uint32_t count,
                            const struct edge_filter *filter, uint16_t *found) {
  uint32_t n = 0;
  for (uint32_t i = 0; i < count; i++) {
    const uint32_t e = assigned[i];
    /* No branch: where hits are common, they cannot be foretold. */
    found[n] = (uint16_t)i;
    n += e != NO_EDGE &&
         (filter->low[e & 15] & filter->middle[e >> 4 & 15] & filter->high[e >> 8 & 15]);
  }
  return n;
}

static scheduler_choose_function *best_choose(void) {
#if defined(__x86_64__)
  if (warp_isa() >= 3) return scheduler_choose_avx512;
  if (warp_isa() >= 2) return scheduler_choose_avx2;
#endif
  return choose_scalar;
}

static scheduler_find_function *best_find(void) {
#if defined(__x86_64__)
  if (warp_isa() >= 3) return scheduler_find_avx512;
  if (warp_isa() >= 2) return scheduler_find_avx2;
#endif
  return find_scalar;
}

/* ---- parts ----------------------------------------------------------------------------------- */

/* A range of slots, cut into shares that begin at multiples of part_slots. */
struct range_work {
  struct scheduler *s;
  size_t first, last; /* slots first .. last - 1 */
  uint32_t first_part;
  bool is_full; /* all slots: loads are counted from nothing */
  scheduler_choose_function *choose;
  scheduler_find_function *find;
  struct edge_filter filter;
  uint64_t chosen[SCHEDULER_PARTS], restarted[SCHEDULER_PARTS];
};

static size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

static uint64_t *start_part(struct scheduler *s, uint32_t part) {
  uint64_t *loads = s->part_loads + (size_t)part * s->edges;
  memset(loads, 0, s->edges * sizeof *loads);
  return loads;
}

/* Adds the differences of all parts to the loads. */
static void merge_parts(struct scheduler *s, uint32_t first_part, uint32_t parts) {
  for (uint32_t part = first_part; part < first_part + parts; part++) {
    const uint64_t *loads = s->part_loads + (size_t)part * s->edges;
    for (uint32_t e = 0; e < s->edges; e++) s->loads[e] += loads[e];
  }
}

/* Runs `body` for each share of first .. last - 1. */
static void run(struct range_work *work, void (*body)(void *, uint32_t)) {
  struct scheduler *s = work->s;
  if (work->first == work->last) return;
  work->first_part = (uint32_t)(work->first / s->part_slots);
  const uint32_t parts = (uint32_t)((work->last - 1) / s->part_slots) - work->first_part + 1;
  warp_parallel_for(parts, body, work);
  merge_parts(s, work->first_part, parts);
}

/* ---- choose ---------------------------------------------------------------------------------- */

/* Slots that are chosen for, and then counted while they are in the first-level cache. */
#define STRIP_SLOTS 2048u

/* The vectors take what lies between multiples of 16. */
static void choose_strip(const struct range_work *work, size_t first, size_t last) {
  const size_t head = smaller((first + 15) & ~(size_t)15, last);
  const size_t tail = head + ((last - head) & ~(size_t)15);
  choose_scalar(work->s, first, head - first);
  work->choose(work->s, head, tail - head);
  choose_scalar(work->s, tail, last - tail);
}

static void choose_block(const struct range_work *work, size_t first, size_t last, uint64_t *loads,
                         uint32_t *counts) {
  struct scheduler *s = work->s;
  for (size_t slot = first; !work->is_full && slot < last; slot++)
    if (s->assigned[slot] != NO_EDGE) loads[s->assigned[slot]] -= s->sizes[slot];
  memset(counts, 0, s->edges * sizeof *counts);
  for (size_t next; first < last; first = next) {
    next = smaller(first + STRIP_SLOTS, last);
    choose_strip(work, first, next);
    for (size_t slot = first; slot < next; slot++) counts[s->assigned[slot]] += s->sizes[slot];
  }
  for (uint32_t e = 0; e < s->edges; e++) loads[e] += counts[e];
}

static void choose_part(void *argument, uint32_t index) {
  struct range_work *work = argument;
  struct scheduler *s = work->s;
  const uint32_t part = work->first_part + index;
  uint64_t *loads = start_part(s, part);
  uint32_t *counts = s->part_counts + (size_t)part * SCHEDULER_BLOCK;
  const size_t begin = (size_t)part * s->part_slots, end = begin + s->part_slots;
  size_t slot = begin > work->first ? begin : work->first;
  for (const size_t last = smaller(end, work->last); slot < last;) {
    const size_t next = smaller(slot + SCHEDULER_BLOCK, last);
    choose_block(work, slot, next, loads, counts);
    slot = next;
  }
}

void scheduler_choose(struct scheduler *s, uint32_t first, uint32_t n) {
  struct range_work work = {.s = s,
                            .first = first,
                            .last = (size_t)first + n,
                            .is_full = n == s->chunks,
                            .choose = best_choose()};
  if (work.is_full) memset(s->loads, 0, s->edges * sizeof *s->loads);
  run(&work, choose_part);
}

/* ---- dirty ----------------------------------------------------------------------------------- */

static void choose_dirty_part(void *argument, uint32_t part) {
  struct range_work *work = argument;
  struct scheduler *s = work->s;
  uint64_t *loads = start_part(s, part), chosen = 0;
  const size_t begin = (size_t)part * s->part_slots;
  const size_t end = smaller(begin + s->part_slots, work->last);
  for (size_t group = begin / 64; group < (end + 63) / 64; group++) {
    uint64_t bits = s->dirty[group];
    s->dirty[group] = 0;
    for (; bits != 0; bits &= bits - 1) {
      const size_t slot = group * 64 + (size_t)__builtin_ctzll(bits);
      if (scheduler_state(s, slot) != PENDING) continue;
      scheduler_assign(s, slot, scheduler_choose_one(s, slot), loads);
      chosen++;
    }
  }
  work->chosen[part] = chosen;
}

uint64_t scheduler_choose_dirty(struct scheduler *s) {
  struct range_work work = {.s = s, .last = s->chunks};
  run(&work, choose_dirty_part);
  uint64_t chosen = 0;
  for (uint32_t part = 0; part < s->parts; part++) chosen += work.chosen[part];
  return chosen;
}

/* ---- failover -------------------------------------------------------------------------------- */

#define FIND_SLOTS 2048u

/* Neighbours among the edges to find share a bit, which keeps the false hits few. */
static struct edge_filter make_filter(const struct scheduler *s) {
  struct edge_filter filter;
  memset(&filter, 0, sizeof filter);
  uint32_t dead = 0, index = 0;
  for (uint32_t e = 0; e < s->edges; e++) dead += s->words[e] == WORD_NONE;
  for (uint32_t e = 0; e < s->edges; e++) {
    if (s->words[e] != WORD_NONE) continue;
    const uint8_t bit = (uint8_t)(1u << (dead <= 8 ? index : index * 8 / dead));
    filter.low[e & 15] |= bit;
    filter.middle[e >> 4 & 15] |= bit;
    filter.high[e >> 8] |= bit;
    index++;
  }
  return filter;
}

/* Drops false hits, and asks for what the others need. */
static uint32_t keep_dead(const struct scheduler *s, size_t first, uint16_t *found, uint32_t n) {
  uint32_t kept = 0;
  for (uint32_t i = 0; i < n; i++) {
    const size_t slot = first + found[i];
    if (s->assigned[slot] == NO_EDGE || s->words[s->assigned[slot]] != WORD_NONE) continue;
    __builtin_prefetch(s->candidates + CANDIDATES * slot);
    __builtin_prefetch(s->sizes + slot);
    __builtin_prefetch(s->meta + slot, 1);
    found[kept++] = found[i];
  }
  return kept;
}

static void failover_part(void *argument, uint32_t part) {
  struct range_work *work = argument;
  struct scheduler *s = work->s;
  uint64_t *loads = start_part(s, part), chosen = 0, restarted = 0;
  const size_t begin = (size_t)part * s->part_slots;
  const size_t end = smaller(begin + s->part_slots, work->last);
  uint16_t found[FIND_SLOTS + 1];
  for (size_t first = begin; first < end; first += FIND_SLOTS) {
    /* The padding has no edges. */
    const uint32_t count = (uint32_t)smaller(FIND_SLOTS, (end - first + 31) & ~(size_t)31);
    uint32_t n = work->find(s->assigned + first, count, &work->filter, found);
    n = keep_dead(s, first, found, n);
    for (uint32_t i = 0; i < n; i++) {
      const size_t slot = first + found[i];
      if (scheduler_state(s, slot) == DISPATCHED) {
        scheduler_count_failure(s, slot);
        restarted++;
      }
      scheduler_assign(s, slot, scheduler_choose_one(s, slot), loads);
    }
    chosen += n;
  }
  work->chosen[part] = chosen;
  work->restarted[part] = restarted;
}

uint64_t scheduler_failover(struct scheduler *s) {
  /* Chunks are given usable edges only: without a change for the worse there is nothing to find. */
  if (!s->must_fail_over) return 0;
  s->must_fail_over = false;
  struct range_work work = {
      .s = s, .last = s->chunks, .find = best_find(), .filter = make_filter(s)};
  run(&work, failover_part);
  uint64_t chosen = 0, restarted = 0;
  for (uint32_t part = 0; part < s->parts; part++) {
    chosen += work.chosen[part];
    restarted += work.restarted[part];
  }
  s->in_flight -= restarted;
  s->pending += restarted;
  return chosen;
}

/* ---- best three ------------------------------------------------------------------------------ */

void scheduler_best(const struct scheduler *s, uint32_t slot, uint16_t *out) {
  const uint16_t *candidates = s->candidates + (size_t)CANDIDATES * slot;
  uint32_t best[3] = {UINT32_MAX, UINT32_MAX, UINT32_MAX};
  for (uint32_t i = 0; i < CANDIDATES; i++) {
    const uint32_t word = s->words[candidates[i]];
    uint32_t key = word >> 13 << 12 | candidates[i];
    if (word == WORD_NONE || key == best[0] || key == best[1]) continue;
    for (uint32_t j = 0; j < 3; j++) {
      if (key >= best[j]) continue;
      const uint32_t pushed = best[j];
      best[j] = key;
      key = pushed;
    }
  }
  for (uint32_t j = 0; j < 3; j++)
    out[j] = (uint16_t)(best[j] == UINT32_MAX ? NO_EDGE : best[j] & 0xfff);
}
