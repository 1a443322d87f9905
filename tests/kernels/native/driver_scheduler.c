/* The scheduler, on sizes around its blocks. */
#include "driver.h"

/* Slots and edges of one scheduler. */
struct plan {
  uint32_t chunks, edges;
  uint16_t *candidates, *sizes;
  uint8_t *priorities;
};

static struct plan some_plan(uint32_t chunks, uint32_t edges, uint64_t *state) {
  struct plan plan = {chunks, edges, exactly(16 * (size_t)chunks), exactly(2 * (size_t)chunks),
                      exactly(chunks)};
  for (uint32_t i = 0; i < chunks; i++) {
    const uint64_t word = next_word(state);
    for (uint32_t k = 0; k < 8; k++)
      plan.candidates[8 * i + k] =
          word >> k & 1 ? (uint16_t)(next_word(state) % edges) : (uint16_t)0xffff;
    plan.sizes[i] = (uint16_t)(word >> 32);
    plan.priorities[i] = (uint8_t)(word >> 20 & 7);
  }
  return plan;
}

static void set_edges(warp_scheduler scheduler, uint32_t edges, uint64_t *state) {
  warp_edge *given = exactly(edges * sizeof *given);
  for (uint32_t i = 0; i < edges; i++) {
    const uint64_t word = next_word(state);
    given[i] = (warp_edge){(uint32_t)(word >> 45), (uint32_t)word, (uint32_t)(word >> 48) * 4,
                           word % 5 != 0};
  }
  EXPECT(warp_scheduler_edges(scheduler, 0, edges, given) == WARP_OK);
  free(given);
}

static void read_all(warp_scheduler scheduler, const struct plan *plan, uint64_t *state) {
  const size_t chunks = plan->chunks, edges = plan->edges;
  uint16_t *assigned = exactly(2 * chunks), *best = exactly(6);
  uint8_t *states = exactly(chunks), *tries = exactly(chunks);
  uint32_t *words = exactly(4 * edges);
  int32_t *prices = exactly(4 * edges);
  uint64_t *loads = exactly(8 * edges), digest;
  EXPECT(warp_scheduler_read(scheduler, 0, plan->chunks, assigned, states, tries) == WARP_OK);
  EXPECT(warp_scheduler_read_edges(scheduler, 0, plan->edges, words, prices, loads) == WARP_OK);
  EXPECT(warp_scheduler_set_prices(scheduler, 0, plan->edges, prices) == WARP_OK);
  EXPECT(warp_scheduler_prices(scheduler, loads) == WARP_OK);
  const uint32_t slot = (uint32_t)(next_word(state) % chunks);
  EXPECT(warp_scheduler_best(scheduler, 1, &slot, best) == WARP_OK);
  EXPECT(warp_scheduler_digest(scheduler, &digest) == WARP_OK);
  free(assigned);
  free(best);
  free(states);
  free(tries);
  free(words);
  free(prices);
  free(loads);
}

/* Ticks, of which each answers what the one before dispatched: done, failed or requeued. */
static void run_ticks(warp_scheduler scheduler, uint32_t limit, uint64_t *state) {
  const warp_scheduler_tick_params params = {sizeof params, 2, 2, 3};
  uint32_t *slots = exactly(4 * (size_t)limit), *dispatched = exactly(4 * (size_t)limit), count = 0;
  uint16_t *edges = exactly(2 * (size_t)limit);
  uint8_t *kinds = exactly(limit);
  uint64_t *stats = exactly(8 * WARP_STATS);
  for (int tick = 0; tick < 6; tick++) {
    const uint32_t events = count;
    memcpy(slots, dispatched, 4 * (size_t)events);
    for (uint32_t i = 0; i < events; i++) kinds[i] = (uint8_t)(1 + next_word(state) % 4);
    EXPECT(warp_scheduler_tick(scheduler, &params, events, slots, kinds, limit, dispatched, edges,
                               &count, stats) == WARP_OK);
    EXPECT(count <= limit);
  }
  free(slots);
  free(dispatched);
  free(edges);
  free(kinds);
  free(stats);
}

static void schedule(warp_context context, uint32_t chunks, uint32_t edges, uint64_t *state) {
  const warp_scheduler_params params = {sizeof params, edges, chunks, 7, 179};
  struct plan plan = some_plan(chunks, edges, state);
  warp_scheduler scheduler;
  EXPECT(warp_scheduler_open(context, &params, &scheduler) == WARP_OK);
  set_edges(scheduler, edges, state);
  EXPECT(warp_scheduler_put(scheduler, 0, chunks, plan.candidates, plan.sizes, plan.priorities) ==
         WARP_OK);
  uint64_t count;
  EXPECT(warp_scheduler_fold(scheduler) == WARP_OK);
  EXPECT(warp_scheduler_choose(scheduler, chunks / 3, chunks - chunks / 3) == WARP_OK);
  EXPECT(warp_scheduler_choose_dirty(scheduler, &count) == WARP_OK);
  run_ticks(scheduler, chunks < 100 ? chunks : chunks / 2, state);
  set_edges(scheduler, edges, state);
  EXPECT(warp_scheduler_fold(scheduler) == WARP_OK);
  EXPECT(warp_scheduler_failover(scheduler, &count) == WARP_OK);
  uint32_t given, *slots = exactly(4 * 50);
  uint16_t *to = exactly(2 * 50);
  EXPECT(warp_scheduler_dispatch(scheduler, 2, edges / 2, 50, slots, to, &given, NULL) == WARP_OK);
  if (given > 0) {
    const uint8_t kind = 1;
    EXPECT(warp_scheduler_events(scheduler, 1, slots, &kind, &count) == WARP_OK && count == 1);
  }
  read_all(scheduler, &plan, state);
  EXPECT(warp_scheduler_reset_prices(scheduler) == WARP_OK);
  EXPECT(warp_scheduler_close(scheduler) == WARP_OK);
  EXPECT(warp_scheduler_close(scheduler) == WARP_EINVAL);
  free(slots);
  free(to);
  free(plan.candidates);
  free(plan.sizes);
  free(plan.priorities);
}

void drive_scheduler(warp_context context, uint64_t *state) {
  static const uint32_t sizes[][2] = {{1, 1}, {15, 2}, {64, 3}, {65, 17}, {4097, 300}, {70001, 4096}};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
    schedule(context, sizes[i][0], sizes[i][1], state);
}
