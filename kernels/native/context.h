/* What a context is made of. One lock guards all contexts: calls are rare (one a batch) and hold it for
 * microseconds. */
#ifndef WARP_CONTEXT_H
#define WARP_CONTEXT_H
#include <pthread.h>
#include <stdint.h>

#include "run.h"

#define SLOTS_MAX 64
#define TEXT_BYTES 128

enum job_state { FREE = 0, QUEUED, RUNNING, FINISHED };

struct job {
  enum job_state state;
  uint32_t generation;
  uint64_t sequence;
  warp_status status;
  warp_work *work;
  size_t size;
  _Alignas(16) uint8_t arguments[ARGUMENT_BYTES];
};

/* Memory of warp_buffer_alloc. */
struct buffer {
  struct buffer *link;
  void *memory;
  uint64_t bytes;
};

struct context {
  int is_open;
  uint32_t generation, slots;
  uint32_t threads;            /* that one call may use; 0: hardware threads */
  uint32_t callers;            /* calls under way that closing waits for */
  uint32_t servers, idle;      /* threads that run jobs, and how many of them wait */
  uint64_t next_sequence;
  pthread_t server[SLOTS_MAX];
  pthread_cond_t queued, changed;
  struct job jobs[SLOTS_MAX];
  struct buffer *buffers;
  char text[TEXT_BYTES];
};

extern pthread_mutex_t warp_lock;

/* Under the lock: null for a stale handle. */
struct context *warp_find(warp_context handle);

/* Under the lock: never 0. */
uint32_t warp_new_generation(void);

/* Under the lock. The oldest job in `state`, or null. */
struct job *warp_oldest(struct context *context, enum job_state state);

/* Runs jobs until the context is closed. */
void *warp_serve(void *context);

void warp_free_buffers(struct context *context);

static inline uint64_t handle_of(uint32_t generation, uint32_t index) {
  return (uint64_t)generation << 32 | index;
}

#endif
