/* Loops over items, in the calling thread or on the pool. */
#include "run.h"

#include "pool.h"

/* Of each thread: enough that uneven items even out, few enough that taking one costs nothing. */
#define RANGES_A_THREAD 32u

struct ranges {
  void (*body)(void *, uint64_t, uint64_t);
  void *argument;
  uint64_t n, count;
};

void warp_for(int is_parallel, uint32_t count, void (*body)(void *, uint32_t), void *argument) {
  if (is_parallel) {
    warp_parallel_for(count, body, argument);
    return;
  }
  for (uint32_t i = 0; i < count; i++) body(argument, i);
}

/* Start of range `index`; products stay below 2^64, as n / count is taken first. */
static uint64_t start_of(const struct ranges *ranges, uint64_t index) {
  return ranges->n / ranges->count * index + ranges->n % ranges->count * index / ranges->count;
}

static void run_range(void *argument, uint32_t index) {
  const struct ranges *ranges = argument;
  ranges->body(ranges->argument, start_of(ranges, index), start_of(ranges, index + 1u));
}

void warp_for_ranges(int is_parallel, uint64_t n, void (*body)(void *, uint64_t, uint64_t),
                     void *argument) {
  const uint64_t most = is_parallel ? (uint64_t)warp_pool_width() * RANGES_A_THREAD : 1;
  struct ranges ranges = {body, argument, n, n < most ? n : most};
  if (n != 0) warp_for(is_parallel, (uint32_t)ranges.count, run_range, &ranges);
}

int warp_ascend(const uint64_t *offsets, uint64_t n) {
  for (uint64_t i = 0; i < n; i++)
    if (offsets[i] > offsets[i + 1]) return 0;
  return 1;
}
