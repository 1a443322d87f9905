/* What the parts of the driver share. Every array is allocated alone and exactly, so that one byte too
 * many is seen. */
#ifndef WARP_DRIVER_H
#define WARP_DRIVER_H
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../../cuda/warp_kernels.h"

#define EXPECT(condition)                                                             \
  do {                                                                                \
    if (!(condition)) {                                                               \
      fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);         \
      exit(1);                                                                        \
    }                                                                                 \
  } while (0)

static inline void *exactly(size_t bytes) {
  void *memory = malloc(bytes);
  EXPECT(memory != NULL);
  return memory;
}

/* xorshift64* */
static inline uint64_t next_word(uint64_t *state) {
  *state ^= *state >> 12;
  *state ^= *state << 25;
  *state ^= *state >> 27;
  return *state * 0x2545f4914f6cdd1du;
}

/* A third zeros, a third words of few bytes, a third noise, as `state` has it. */
static inline uint8_t *some_bytes(size_t bytes, uint64_t *state) {
  uint8_t *memory = exactly(bytes);
  const uint64_t kind = next_word(state) % 3;
  for (size_t i = 0; i < bytes; i++)
    memory[i] = kind == 0 ? 0 : (uint8_t)(next_word(state) >> 40) & (kind == 1 ? 3 : 255);
  return memory;
}

/* Items of one batch. */
struct batch {
  uint8_t *base;
  uint64_t *offsets; /* n + 1 */
  uint64_t n;
};

struct batch some_batch(uint64_t n, uint32_t most, uint64_t *state);
void free_batch(struct batch *batch);

/* Waits for a job and gives its status. The context has no other. */
warp_status finish_job(warp_context context, warp_job job);

/* Each calls every function of its part in `context`, with a job where `as_job`. */
void drive_boundary(warp_context context, int as_job, uint64_t *state);
void drive_blake3(warp_context context, int as_job, uint64_t *state);
void drive_seal(warp_context context, int as_job, uint64_t *state);
void drive_codec(warp_context context, int as_job, uint64_t *state);
void drive_entropy(warp_context context, int as_job, uint64_t *state);
void drive_fused(warp_context context, int as_job, uint64_t *state);

void drive_scheduler(warp_context context, uint64_t *state);
void drive_contexts(uint64_t *state);

/* The status of a call, or of its job. */
#define CALL(function, ...)                                                           \
  (as_job ? (status = function(context, __VA_ARGS__, &job),                           \
             status == WARP_OK ? finish_job(context, job) : status)                   \
          : function(context, __VA_ARGS__, NULL))

#endif
