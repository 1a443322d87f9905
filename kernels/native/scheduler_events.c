/* What comes in from outside, one slot at a time; and the digest. */
#include "scheduler.h"

#include "pool.h"

enum { EVENT_DONE = 1, EVENT_FAILED = 2, EVENT_CANCELLED = 3, EVENT_LOST = 4 };

/* Takes a slot out of the counters of states. */
static void uncount(struct scheduler *s, size_t slot) {
  const uint32_t state = scheduler_state(s, slot);
  if (state == PENDING) s->pending--;
  if (state == DISPATCHED) s->in_flight--;
}

void scheduler_put(struct scheduler *s, uint32_t first, uint32_t n, const uint16_t *candidates,
                   const uint16_t *sizes, const uint8_t *priorities) {
  for (uint32_t i = 0; i < n; i++) {
    const size_t slot = (size_t)first + i;
    uncount(s, slot);
    scheduler_assign(s, slot, NO_EDGE, s->loads);
    for (uint32_t j = 0; j < CANDIDATES; j++) {
      const uint32_t edge = candidates[(size_t)CANDIDATES * i + j];
      s->candidates[CANDIDATES * slot + j] = (uint16_t)(edge < s->edges ? edge : s->edges);
    }
    s->sizes[slot] = sizes[i];
    s->tries[slot] = 0;
    const uint32_t priority = priorities[i] < 7 ? priorities[i] : 7;
    const uint32_t rank = scheduler_rank(s, (uint32_t)slot, priority << 3);
    s->meta[slot] = (uint8_t)(PENDING << 6 | rank >> 26);
    scheduler_set_dirty(s, slot);
  }
  s->pending += n;
}

bool scheduler_events_are_valid(struct scheduler *s, uint32_t n, const uint32_t *slots,
                                const uint8_t *kinds) {
  uint32_t good = 0;
  for (; good < n; good++) {
    const uint32_t slot = slots[good];
    if (slot >= s->chunks || kinds[good] < EVENT_DONE || kinds[good] > EVENT_LOST) break;
    if (s->seen[slot >> 6] >> (slot & 63) & 1) break;
    s->seen[slot >> 6] |= 1ull << (slot & 63);
  }
  for (uint32_t i = 0; i < good; i++) s->seen[slots[i] >> 6] = 0;
  return good == n;
}

static void clear(struct scheduler *s, size_t slot) {
  uncount(s, slot);
  scheduler_assign(s, slot, NO_EDGE, s->loads);
  for (uint32_t j = 0; j < CANDIDATES; j++)
    s->candidates[CANDIDATES * slot + j] = (uint16_t)s->edges;
  s->sizes[slot] = 0;
  s->tries[slot] = 0;
  s->meta[slot] = ABSENT << 6;
}

static bool apply(struct scheduler *s, size_t slot, uint32_t kind) {
  const uint32_t state = scheduler_state(s, slot);
  if (kind == EVENT_DONE || kind == EVENT_CANCELLED) {
    if (state == ABSENT) return false;
    clear(s, slot);
    return true;
  }
  if (state != DISPATCHED) return false;
  uint16_t *candidates = s->candidates + CANDIDATES * slot;
  for (uint32_t j = 0; kind == EVENT_LOST && j < CANDIDATES; j++)
    if (candidates[j] == s->assigned[slot]) candidates[j] = (uint16_t)s->edges;
  scheduler_count_failure(s, slot);
  s->in_flight--;
  s->pending++;
  scheduler_set_dirty(s, slot);
  return true;
}

uint64_t scheduler_apply(struct scheduler *s, uint32_t n, const uint32_t *slots,
                         const uint8_t *kinds) {
  uint64_t applied = 0;
  for (uint32_t i = 0; i < n; i++) applied += apply(s, slots[i], kinds[i]);
  return applied;
}

struct digest_work {
  const struct scheduler *s;
  uint32_t xors[SCHEDULER_PARTS], sums[SCHEDULER_PARTS];
};

static void digest_part(void *argument, uint32_t part) {
  struct digest_work *work = argument;
  const struct scheduler *s = work->s;
  const size_t first = (size_t)part * s->part_slots;
  const size_t last = first + s->part_slots < s->chunks ? first + s->part_slots : s->chunks;
  uint32_t all_xor = 0, sum = 0;
  for (size_t slot = first; slot < last; slot++) {
    const uint32_t content =
        s->assigned[slot] | scheduler_state(s, slot) << 16 | (uint32_t)s->tries[slot] << 24;
    const uint32_t d = scheduler_mix32(scheduler_hash(s, slot) ^ content);
    all_xor ^= d;
    sum += d;
  }
  work->xors[part] = all_xor;
  work->sums[part] = sum;
}

uint64_t scheduler_digest(struct scheduler *s) {
  struct digest_work work = {.s = s};
  warp_parallel_for(s->parts, digest_part, &work);
  uint32_t all_xor = 0, sum = 0;
  for (uint32_t part = 0; part < s->parts; part++) {
    all_xor ^= work.xors[part];
    sum += work.sums[part];
  }
  return (uint64_t)all_xor << 32 | sum;
}
