/* Jobs: slots of a context, and the threads that run what is queued there.
 *
 * A context has as many such threads as jobs are under way at once, but no more than hardware threads;
 * each job spreads over the pool too, as far as the pool is idle. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "context.h"
#include "pool.h"

/* Keys are among the arguments. */
static void wipe(void *memory, size_t size) {
  memset(memory, 0, size);
  __asm__ volatile("" : : "r"(memory) : "memory");
}

/* ---- running ------------------------------------------------------------------------------------- */

static _Thread_local char noted[TEXT_BYTES];

void warp_note(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(noted, sizeof noted, format, arguments);
  va_end(arguments);
}

static const char *text_of(warp_status status) {
  switch (status) {
    case WARP_ENOMEM: return "out of memory";
    case WARP_EAUTH: return "a tag is wrong";
    case WARP_ENOSPC: return "the output is too small";
    case WARP_EDATA: return "an item does not decode";
    default: return "failed";
  }
}

/* Runs the work with the threads of its context. Not under the lock. */
static warp_status run_work(warp_work *work, void *arguments, uint32_t threads) {
  noted[0] = 0;
  const uint32_t before = warp_pool_use(threads);
  const warp_status status = work(arguments, 1);
  warp_pool_use(before);
  return status;
}

/* Under the lock, in the thread that ran the work. */
static void keep_text(struct context *context, warp_status status) {
  if (status != WARP_OK)
    snprintf(context->text, TEXT_BYTES, "%s", noted[0] != 0 ? noted : text_of(status));
}

struct job *warp_oldest(struct context *context, enum job_state state) {
  struct job *found = NULL;
  for (uint32_t i = 0; i < context->slots; i++) {
    struct job *job = &context->jobs[i];
    if (job->state == state && (found == NULL || job->sequence < found->sequence)) found = job;
  }
  return found;
}

void *warp_serve(void *argument) {
  struct context *context = argument;
  pthread_mutex_lock(&warp_lock);
  while (context->is_open) {
    struct job *job = warp_oldest(context, QUEUED);
    if (job == NULL) {
      context->idle++;
      pthread_cond_wait(&context->queued, &warp_lock);
      context->idle--;
      continue;
    }
    job->state = RUNNING;
    pthread_mutex_unlock(&warp_lock);
    const warp_status status = run_work(job->work, job->arguments, context->threads);
    pthread_mutex_lock(&warp_lock);
    keep_text(context, status);
    wipe(job->arguments, job->size);
    job->status = status;
    job->state = FINISHED;
    pthread_cond_broadcast(&context->changed);
  }
  pthread_mutex_unlock(&warp_lock);
  return NULL;
}

/* ---- beginning ----------------------------------------------------------------------------------- */

static uint32_t count_jobs(const struct context *context, enum job_state state) {
  uint32_t count = 0;
  for (uint32_t i = 0; i < context->slots; i++) count += context->jobs[i].state == state;
  return count;
}

/* Under the lock. 0 when nobody will run what is queued. */
static int have_server(struct context *context) {
  const uint32_t before = warp_pool_use(context->threads), width = warp_pool_width();
  warp_pool_use(before);
  const uint32_t most = width < context->slots ? width : context->slots;
  if (context->idle < count_jobs(context, QUEUED) && context->servers < most &&
      warp_thread_start(&context->server[context->servers], warp_serve, context) == 0)
    context->servers++;
  return context->servers > 0;
}

static warp_status queue_in(struct context *context, struct job *job, warp_work *work,
                            const void *arguments, size_t size) {
  job->state = QUEUED;
  job->generation = warp_new_generation();
  job->sequence = context->next_sequence++;
  job->work = work;
  job->size = size;
  memcpy(job->arguments, arguments, size);
  if (!have_server(context)) {
    job->state = FREE;
    return WARP_ENOMEM;
  }
  pthread_cond_signal(&context->queued);
  return WARP_OK;
}

static warp_status queue(warp_context handle, warp_work *work, const void *arguments, size_t size,
                         warp_job *out) {
  warp_status status = WARP_EAGAIN;
  pthread_mutex_lock(&warp_lock);
  struct context *context = warp_find(handle);
  if (context == NULL) status = WARP_EINVAL;
  uint32_t slot = 0;
  while (context != NULL && slot < context->slots && context->jobs[slot].state != FREE) slot++;
  if (context != NULL && slot < context->slots) {
    status = queue_in(context, &context->jobs[slot], work, arguments, size);
    if (status == WARP_OK) *out = handle_of(context->jobs[slot].generation, slot);
  }
  pthread_mutex_unlock(&warp_lock);
  return status;
}

static warp_status run_now(warp_context handle, warp_work *work, void *arguments) {
  pthread_mutex_lock(&warp_lock);
  struct context *context = warp_find(handle);
  if (context != NULL) context->callers++;
  pthread_mutex_unlock(&warp_lock);
  if (context == NULL) return WARP_EINVAL;
  const warp_status status = run_work(work, arguments, context->threads);
  pthread_mutex_lock(&warp_lock);
  keep_text(context, status);
  if (--context->callers == 0) pthread_cond_broadcast(&context->changed);
  pthread_mutex_unlock(&warp_lock);
  return status;
}

warp_status warp_run(warp_context handle, warp_work *work, const void *arguments, size_t size,
                     warp_job *job) {
  if (size > ARGUMENT_BYTES) return WARP_EINVAL;
  if (job != NULL) {
    *job = 0;
    return queue(handle, work, arguments, size, job);
  }
  _Alignas(16) uint8_t copy[ARGUMENT_BYTES];
  memcpy(copy, arguments, size);
  const warp_status status = handle == 0 ? work(copy, 0) : run_now(handle, work, copy);
  wipe(copy, size);
  return status;
}

/* ---- ending -------------------------------------------------------------------------------------- */

warp_status warp_poll(warp_context handle, warp_job *jobs, warp_status *statuses,
                      uint32_t capacity, uint32_t *count) {
  if (count == NULL || (capacity != 0 && (jobs == NULL || statuses == NULL))) return WARP_EINVAL;
  *count = 0;
  pthread_mutex_lock(&warp_lock);
  struct context *context = warp_find(handle);
  while (context != NULL && *count < capacity) {
    struct job *job = warp_oldest(context, FINISHED);
    if (job == NULL) break;
    jobs[*count] = handle_of(job->generation, (uint32_t)(job - context->jobs));
    statuses[(*count)++] = job->status;
    job->state = FREE;
  }
  pthread_mutex_unlock(&warp_lock);
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
  warp_status status = WARP_EAGAIN;
  pthread_mutex_lock(&warp_lock);
  struct context *context = warp_find(handle);
  if (context != NULL) context->callers++;
  int is_late = 0;
  while (context != NULL && status == WARP_EAGAIN) {
    if (!context->is_open)
      status = WARP_EINVAL;
    else if (warp_oldest(context, FINISHED) != NULL)
      status = WARP_OK;
    else if (is_late)
      break;
    else
      is_late = pthread_cond_timedwait(&context->changed, &warp_lock, &deadline) == ETIMEDOUT;
  }
  if (context != NULL && --context->callers == 0) pthread_cond_broadcast(&context->changed);
  pthread_mutex_unlock(&warp_lock);
  return context == NULL ? WARP_EINVAL : status;
}

warp_status warp_cancel(warp_context handle, warp_job id) {
  const uint32_t index = (uint32_t)id;
  warp_status status = WARP_EINVAL;
  pthread_mutex_lock(&warp_lock);
  struct context *context = warp_find(handle);
  struct job *job =
      context != NULL && index < context->slots ? &context->jobs[index] : NULL;
  if (job != NULL && job->state != FREE && job->generation == (uint32_t)(id >> 32)) {
    status = WARP_OK;
    if (job->state == QUEUED) {
      job->state = FINISHED;
      job->status = WARP_ECANCELED;
      pthread_cond_broadcast(&context->changed);
    }
  }
  pthread_mutex_unlock(&warp_lock);
  return status;
}
