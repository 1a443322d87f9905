#define _GNU_SOURCE
#include "pool.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <unistd.h>

#define THREADS_MAX 256

/* One call of warp_parallel_for. Lives on the caller's stack: `helpers` says who still looks at it. */
struct loop {
  void (*body)(void *, uint32_t);
  void *argument;
  uint32_t count;
  atomic_uint next;
  uint32_t helpers; /* under the lock */
  struct loop *link;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t work = PTHREAD_COND_INITIALIZER;
static pthread_cond_t done = PTHREAD_COND_INITIALIZER;
static struct loop *first_loop;
static uint32_t threads_started;
static atomic_uint width_limit;
static _Thread_local int is_inside;

static uint32_t hardware_threads(void) {
  const long count = sysconf(_SC_NPROCESSORS_ONLN);
  return count < 1 ? 1 : count > THREADS_MAX ? THREADS_MAX : (uint32_t)count;
}

uint32_t warp_pool_width(void) {
  static atomic_uint known;
  uint32_t hardware = atomic_load_explicit(&known, memory_order_relaxed);
  if (hardware == 0) {
    hardware = hardware_threads();
    atomic_store_explicit(&known, hardware, memory_order_relaxed);
  }
  const uint32_t limit = atomic_load_explicit(&width_limit, memory_order_relaxed);
  return limit == 0 || limit > hardware ? hardware : limit;
}

void warp_pool_limit(uint32_t width) {
  atomic_store_explicit(&width_limit, width, memory_order_relaxed);
}

static void take_part(struct loop *loop) {
  is_inside = 1;
  for (;;) {
    const uint32_t index = atomic_fetch_add_explicit(&loop->next, 1, memory_order_relaxed);
    if (index >= loop->count) break;
    loop->body(loop->argument, index);
  }
  is_inside = 0;
}

static int has_work(const struct loop *loop) {
  return atomic_load_explicit(&loop->next, memory_order_relaxed) < loop->count;
}

static void *serve(void *unused) {
  (void)unused;
  pthread_mutex_lock(&lock);
  for (;;) {
    struct loop *loop = first_loop;
    while (loop != NULL && !has_work(loop)) loop = loop->link;
    if (loop == NULL) {
      pthread_cond_wait(&work, &lock);
      continue;
    }
    loop->helpers++;
    pthread_mutex_unlock(&lock);
    take_part(loop);
    pthread_mutex_lock(&lock);
    if (--loop->helpers == 0) pthread_cond_broadcast(&done);
  }
  return NULL;
}

/* Under the lock. A thread that cannot be had is done without. */
static void start_threads(uint32_t wanted) {
  while (threads_started < wanted) {
    pthread_attr_t attributes;
    pthread_t thread;
    if (pthread_attr_init(&attributes) != 0) return;
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, 1 << 20);
    const int failed = pthread_create(&thread, &attributes, serve, NULL);
    pthread_attr_destroy(&attributes);
    if (failed) return;
    threads_started++;
  }
}

static void run_alone(uint32_t count, void (*body)(void *, uint32_t), void *argument) {
  for (uint32_t i = 0; i < count; i++) body(argument, i);
}

void warp_parallel_for(uint32_t count, void (*body)(void *argument, uint32_t index),
                       void *argument) {
  const uint32_t width = warp_pool_width();
  if (count < 2 || width < 2 || is_inside) {
    run_alone(count, body, argument);
    return;
  }
  struct loop loop = {body, argument, count, 0, 0, NULL};
  const uint32_t wanted = (count < width ? count : width) - 1;
  pthread_mutex_lock(&lock);
  start_threads(wanted);
  loop.link = first_loop;
  first_loop = &loop;
  for (uint32_t i = 0; i < wanted; i++) pthread_cond_signal(&work);
  pthread_mutex_unlock(&lock);
  take_part(&loop);
  pthread_mutex_lock(&lock);
  struct loop **place = &first_loop;
  while (*place != &loop) place = &(*place)->link;
  *place = loop.link;
  while (loop.helpers > 0) pthread_cond_wait(&done, &lock);
  pthread_mutex_unlock(&lock);
}
