/* Opening and closing contexts. */
#define _GNU_SOURCE
#include "context.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CONTEXTS_MAX 64

pthread_mutex_t warp_lock = PTHREAD_MUTEX_INITIALIZER;
static struct context *contexts[CONTEXTS_MAX];
static uint32_t next_generation = 1;

struct context *warp_find(warp_context handle) {
  const uint32_t index = (uint32_t)handle, generation = (uint32_t)(handle >> 32);
  if (index >= CONTEXTS_MAX || contexts[index] == NULL) return NULL;
  struct context *context = contexts[index];
  return context->is_open && context->generation == generation ? context : NULL;
}

uint32_t warp_new_generation(void) {
  if (next_generation == 0) next_generation = 1;
  return next_generation++;
}

static struct context *new_context(uint32_t threads, uint32_t slots) {
  struct context *context = calloc(1, sizeof *context);
  if (context == NULL) return NULL;
  context->threads = threads;
  context->slots = slots;
  pthread_condattr_t monotonic;
  pthread_condattr_init(&monotonic);
#if !defined(__APPLE__)
  pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
#endif
  pthread_cond_init(&context->queued, NULL);
  pthread_cond_init(&context->changed, &monotonic);
  pthread_condattr_destroy(&monotonic);
  return context;
}

static void free_context(struct context *context) {
  warp_free_buffers(context);
  /* Jobs that never ran still have their keys. */
  memset(context->jobs, 0, sizeof context->jobs);
  __asm__ volatile("" : : "r"(context) : "memory");
  pthread_cond_destroy(&context->queued);
  pthread_cond_destroy(&context->changed);
  free(context);
}

warp_status warp_context_open(uint32_t index, uint32_t threads, uint32_t slots,
                              warp_context *out) {
  if (out == NULL || slots < 1 || slots > SLOTS_MAX) return WARP_EINVAL;
  *out = 0;
  if (index != 0) return WARP_ENODEV;
  struct context *context = new_context(threads, slots);
  if (context == NULL) return WARP_ENOMEM;
  pthread_mutex_lock(&warp_lock);
  uint32_t place = 0;
  while (place < CONTEXTS_MAX && contexts[place] != NULL) place++;
  if (place < CONTEXTS_MAX) {
    context->is_open = 1;
    context->generation = warp_new_generation();
    contexts[place] = context;
    *out = handle_of(context->generation, place);
  }
  pthread_mutex_unlock(&warp_lock);
  if (place < CONTEXTS_MAX) return WARP_OK;
  free_context(context);
  return WARP_ENOMEM;
}

/* Under the lock. From here on no call finds the context. */
static void begin_to_close(struct context *context) {
  context->is_open = 0;
  for (uint32_t i = 0; i < context->slots; i++)
    if (context->jobs[i].state == QUEUED) context->jobs[i].state = FREE;
  pthread_cond_broadcast(&context->queued);
  pthread_cond_broadcast(&context->changed);
  while (context->callers > 0) pthread_cond_wait(&context->changed, &warp_lock);
}

warp_status warp_context_close(warp_context handle) {
  pthread_mutex_lock(&warp_lock);
  struct context *context = warp_find(handle);
  if (context != NULL) begin_to_close(context);
  pthread_mutex_unlock(&warp_lock);
  if (context == NULL) return WARP_EINVAL;
  for (uint32_t i = 0; i < context->servers; i++) pthread_join(context->server[i], NULL);
  pthread_mutex_lock(&warp_lock);
  contexts[(uint32_t)handle] = NULL;
  pthread_mutex_unlock(&warp_lock);
  free_context(context);
  return WARP_OK;
}

warp_status warp_last_error(warp_context handle, char *text, uint32_t capacity) {
  if (text == NULL || capacity == 0) return WARP_EINVAL;
  pthread_mutex_lock(&warp_lock);
  const struct context *context = warp_find(handle);
  if (context != NULL) {
    const size_t length = strnlen(context->text, capacity - 1);
    memcpy(text, context->text, length);
    text[length] = 0;
  }
  pthread_mutex_unlock(&warp_lock);
  return context == NULL ? WARP_EINVAL : WARP_OK;
}
