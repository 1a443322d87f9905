/* Contexts: a queue of jobs with a thread of its own that runs them in order, each on the pool.
 *
 * One lock guards everything: calls are rare (one a batch) and hold it for microseconds. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "pool.h"
#include "run.h"

#define CONTEXTS_MAX 64
#define SLOTS_MAX 64
#define BUFFERS_MAX 256
#define TEXT_BYTES 160

enum job_state { FREE = 0, QUEUED, RUNNING, FINISHED };

struct job {
  enum job_state state;
  uint32_t generation;
  uint64_t sequence;
  warp_status status;
  warp_work *work;
  _Alignas(16) uint8_t arguments[ARGUMENT_BYTES];
};

struct context {
  int is_open, is_closing;
  uint32_t generation, slots;
  uint64_t next_sequence;
  pthread_t thread;
  pthread_cond_t queued, finished;
  struct job jobs[SLOTS_MAX];
  struct { void *memory; uint64_t bytes; } buffers[BUFFERS_MAX];
  char text[TEXT_BYTES];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct context *contexts[CONTEXTS_MAX];
static uint32_t next_generation = 1;

/* ---- handles ------------------------------------------------------------------------------------- */

static uint64_t handle_of(uint32_t generation, uint32_t index) {
  return (uint64_t)generation << 32 | index;
}

/* Under the lock. */
static struct context *find(warp_context handle) {
  const uint32_t index = (uint32_t)handle, generation = (uint32_t)(handle >> 32);
  if (index >= CONTEXTS_MAX || contexts[index] == NULL) return NULL;
  struct context *context = contexts[index];
  return context->is_open && context->generation == generation ? context : NULL;
}

static uint32_t new_generation(void) {
  if (next_generation == 0) next_generation = 1;
  return next_generation++;
}

/* ---- the thread of a context --------------------------------------------------------------------- */

static struct job *oldest(struct context *context, enum job_state state) {
  struct job *found = NULL;
  for (uint32_t i = 0; i < context->slots; i++) {
    struct job *job = &context->jobs[i];
    if (job->state == state && (found == NULL || job->sequence < found->sequence)) found = job;
  }
  return found;
}

static void *serve(void *argument) {
  struct context *context = argument;
  pthread_mutex_lock(&lock);
  for (;;) {
    struct job *job = oldest(context, QUEUED);
    if (job == NULL) {
      if (context->is_closing) break;
      pthread_cond_wait(&context->queued, &lock);
      continue;
    }
    job->state = RUNNING;
    pthread_mutex_unlock(&lock);
    const warp_status status = job->work(job->arguments, 1);
    pthread_mutex_lock(&lock);
    job->status = status;
    job->state = FINISHED;
    pthread_cond_broadcast(&context->finished);
  }
  pthread_mutex_unlock(&lock);
  return NULL;
}

/* ---- opening and closing ------------------------------------------------------------------------- */

static struct context *new_context(uint32_t slots) {
  struct context *context = calloc(1, sizeof *context);
  if (context == NULL) return NULL;
  context->slots = slots;
  pthread_condattr_t monotonic;
  pthread_condattr_init(&monotonic);
#if !defined(__APPLE__)
  pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
#endif
  pthread_cond_init(&context->queued, NULL);
  pthread_cond_init(&context->finished, &monotonic);
  pthread_condattr_destroy(&monotonic);
  return context;
}

static void free_context(struct context *context) {
  for (int i = 0; i < BUFFERS_MAX; i++) free(context->buffers[i].memory);
  pthread_cond_destroy(&context->queued);
  pthread_cond_destroy(&context->finished);
  free(context);
}

warp_status warp_context_open(uint32_t index, uint32_t threads, uint32_t slots,
                              warp_context *out) {
  if (out == NULL || slots < 1 || slots > SLOTS_MAX) return WARP_EINVAL;
  if (index != 0) return WARP_ENODEV;
  struct context *context = new_context(slots);
  if (context == NULL) return WARP_ENOMEM;
  pthread_mutex_lock(&lock);
  uint32_t place = 0;
  while (place < CONTEXTS_MAX && contexts[place] != NULL) place++;
  if (place == CONTEXTS_MAX || pthread_create(&context->thread, NULL, serve, context) != 0) {
    pthread_mutex_unlock(&lock);
    free_context(context);
    return WARP_ENOMEM;
  }
  context->is_open = 1;
  context->generation = new_generation();
  contexts[place] = context;
  *out = handle_of(context->generation, place);
  pthread_mutex_unlock(&lock);
  if (threads != 0) warp_pool_limit(threads);
  return WARP_OK;
}

static void cancel_queued(struct context *context) {
  for (uint32_t i = 0; i < context->slots; i++) {
    struct job *job = &context->jobs[i];
    if (job->state != QUEUED) continue;
    job->state = FINISHED;
    job->status = WARP_ECANCELED;
  }
}

warp_status warp_context_close(warp_context handle) {
  pthread_mutex_lock(&lock);
  struct context *context = find(handle);
  if (context == NULL) {
    pthread_mutex_unlock(&lock);
    return WARP_EINVAL;
  }
  context->is_open = 0;
  context->is_closing = 1;
  cancel_queued(context);
  pthread_cond_broadcast(&context->queued);
  pthread_cond_broadcast(&context->finished);
  pthread_mutex_unlock(&lock);
  pthread_join(context->thread, NULL);
  pthread_mutex_lock(&lock);
  contexts[(uint32_t)handle] = NULL;
  pthread_mutex_unlock(&lock);
  free_context(context);
  return WARP_OK;
}

warp_status warp_last_error(warp_context handle, char *text, uint32_t capacity) {
  if (text == NULL || capacity == 0) return WARP_EINVAL;
  pthread_mutex_lock(&lock);
  const struct context *context = find(handle);
  if (context != NULL) {
    strncpy(text, context->text, capacity - 1);
    text[capacity - 1] = 0;
  }
  pthread_mutex_unlock(&lock);
  return context == NULL ? WARP_EINVAL : WARP_OK;
}

/* ---- jobs ---------------------------------------------------------------------------------------- */

static warp_status queue(warp_context handle, warp_work *work, const void *arguments, size_t size,
                         warp_job *out) {
  warp_status status = WARP_EAGAIN;
  pthread_mutex_lock(&lock);
  struct context *context = find(handle);
  if (context == NULL) status = WARP_EINVAL;
  for (uint32_t i = 0; context != NULL && i < context->slots; i++) {
    struct job *job = &context->jobs[i];
    if (job->state != FREE) continue;
    job->state = QUEUED;
    job->generation = new_generation();
    job->sequence = context->next_sequence++;
    job->work = work;
    memcpy(job->arguments, arguments, size);
    *out = handle_of(job->generation, i);
    pthread_cond_signal(&context->queued);
    status = WARP_OK;
    break;
  }
  pthread_mutex_unlock(&lock);
  return status;
}

warp_status warp_run(warp_context handle, warp_work *work, const void *arguments, size_t size,
                     warp_job *job) {
  if (size > ARGUMENT_BYTES) return WARP_EINVAL;
  if (job != NULL) return queue(handle, work, arguments, size, job);
  if (handle != 0) {
    pthread_mutex_lock(&lock);
    const int is_known = find(handle) != NULL;
    pthread_mutex_unlock(&lock);
    if (!is_known) return WARP_EINVAL;
  }
  _Alignas(16) uint8_t copy[ARGUMENT_BYTES];
  memcpy(copy, arguments, size);
  return work(copy, handle != 0);
}

warp_status warp_poll(warp_context handle, warp_job *jobs, warp_status *statuses,
                      uint32_t capacity, uint32_t *count) {
  if (jobs == NULL || statuses == NULL || count == NULL) return WARP_EINVAL;
  *count = 0;
  pthread_mutex_lock(&lock);
  struct context *context = find(handle);
  while (context != NULL && *count < capacity) {
    struct job *job = oldest(context, FINISHED);
    if (job == NULL) break;
    jobs[*count] = handle_of(job->generation, (uint32_t)(job - context->jobs));
    statuses[(*count)++] = job->status;
    job->state = FREE;
  }
  pthread_mutex_unlock(&lock);
  return context == NULL ? WARP_EINVAL : WARP_OK;
}

static struct timespec after(uint32_t microseconds) {
  struct timespec time;
#if defined(__APPLE__)
  clock_gettime(CLOCK_REALTIME, &time);
#else
  clock_gettime(CLOCK_MONOTONIC, &time);
#endif
  const uint64_t ns = (uint64_t)time.tv_nsec + (uint64_t)microseconds * 1000;
  time.tv_sec += (time_t)(ns / 1000000000);
  time.tv_nsec = (long)(ns % 1000000000);
  return time;
}

warp_status warp_wait(warp_context handle, uint32_t timeout_us) {
  const struct timespec deadline = after(timeout_us);
  warp_status status = WARP_OK;
  pthread_mutex_lock(&lock);
  for (;;) {
    /* Looked up each time: the context may be closed meanwhile. */
    struct context *context = find(handle);
    if (context == NULL) {
      status = WARP_EINVAL;
      break;
    }
    if (oldest(context, FINISHED) != NULL) break;
    if (status == WARP_EAGAIN) break;
    if (pthread_cond_timedwait(&context->finished, &lock, &deadline) == ETIMEDOUT)
      status = WARP_EAGAIN;
  }
  pthread_mutex_unlock(&lock);
  return status;
}

warp_status warp_cancel(warp_context handle, warp_job id) {
  const uint32_t index = (uint32_t)id;
  warp_status status = WARP_EINVAL;
  pthread_mutex_lock(&lock);
  struct context *context = find(handle);
  if (context != NULL && index < context->slots) {
    struct job *job = &context->jobs[index];
    if (job->state != FREE && job->generation == (uint32_t)(id >> 32)) {
      status = WARP_OK;
      if (job->state == QUEUED) {
        job->state = FINISHED;
        job->status = WARP_ECANCELED;
        pthread_cond_broadcast(&context->finished);
      }
    }
  }
  pthread_mutex_unlock(&lock);
  return status;
}

/* ---- memory -------------------------------------------------------------------------------------- */

warp_status warp_buffer_alloc(warp_context handle, uint64_t bytes, void **memory) {
  if (memory == NULL || bytes == 0 || bytes > (uint64_t)1 << 40) return WARP_EINVAL;
  warp_status status = WARP_ENOMEM;
  pthread_mutex_lock(&lock);
  struct context *context = find(handle);
  if (context == NULL) status = WARP_EINVAL;
  for (int i = 0; context != NULL && i < BUFFERS_MAX; i++) {
    if (context->buffers[i].memory != NULL) continue;
    void *made = NULL;
    if (posix_memalign(&made, 4096, bytes) != 0) break;
    context->buffers[i].memory = *memory = made;
    context->buffers[i].bytes = bytes;
    status = WARP_OK;
    break;
  }
  pthread_mutex_unlock(&lock);
  return status;
}

static int has_jobs(const struct context *context) {
  for (uint32_t i = 0; i < context->slots; i++)
    if (context->jobs[i].state == QUEUED || context->jobs[i].state == RUNNING) return 1;
  return 0;
}

/* Which memory a job uses is not kept: nothing is freed while any job is under way. */
warp_status warp_buffer_free(warp_context handle, void *memory) {
  warp_status status = WARP_EINVAL;
  pthread_mutex_lock(&lock);
  struct context *context = find(handle);
  for (int i = 0; context != NULL && memory != NULL && i < BUFFERS_MAX; i++) {
    if (context->buffers[i].memory != memory) continue;
    status = has_jobs(context) ? WARP_EAGAIN : WARP_OK;
    if (status == WARP_OK) {
      free(memory);
      context->buffers[i].memory = NULL;
    }
    break;
  }
  pthread_mutex_unlock(&lock);
  return status;
}

/* ---- reading ------------------------------------------------------------------------------------- */

struct read_arguments {
  warp_context context;
  int32_t fd;
  uint64_t offset, length;
  uint8_t *memory;
  uint64_t *count;
};

static warp_status read_failed(warp_context handle) {
  const int error = errno;
  pthread_mutex_lock(&lock);
  struct context *context = find(handle);
  if (context != NULL) {
    snprintf(context->text, sizeof context->text, "read: error %d", error);
  }
  pthread_mutex_unlock(&lock);
  return WARP_EIO;
}

static warp_status run_read(void *arguments, int is_parallel) {
  (void)is_parallel;
  const struct read_arguments *a = arguments;
  uint64_t done = 0;
  while (done < a->length) {
    const ssize_t count =
        pread(a->fd, a->memory + done, a->length - done, (off_t)(a->offset + done));
    if (count == 0) break;
    if (count > 0)
      done += (uint64_t)count;
    else if (errno != EINTR)
      return read_failed(a->context);
  }
  *a->count = done;
  return WARP_OK;
}

warp_status warp_read(warp_context context, int32_t fd, uint64_t offset, void *memory,
                      uint64_t length, uint64_t *count, warp_job *job) {
  if (count == NULL || (memory == NULL && length != 0)) return WARP_EINVAL;
  const struct read_arguments a = {context, fd, offset, length, memory, count};
  return warp_run(context, run_read, &a, sizeof a, job);
}

/* ---- small things -------------------------------------------------------------------------------- */

void warp_for(int is_parallel, uint32_t count, void (*body)(void *, uint32_t), void *argument) {
  if (is_parallel) {
    warp_parallel_for(count, body, argument);
    return;
  }
  for (uint32_t i = 0; i < count; i++) body(argument, i);
}

int warp_ascend(const uint64_t *offsets, uint64_t n) {
  for (uint64_t i = 0; i < n; i++)
    if (offsets[i] > offsets[i + 1]) return 0;
  return 1;
}
