#define _GNU_SOURCE
#include "pool.h"

#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <unistd.h>

#define THREADS_MAX 256u
/* Kernels keep up to 100 KiB there. */
#define STACK_BYTES ((size_t)1 << 20)

/* One call of warp_parallel_for. Lives on the caller's stack: `helpers` says who still looks at it. */
struct loop {
  void (*body)(void *, uint32_t);
  void *argument;
  uint32_t count;
  atomic_uint next;
  uint32_t helpers, helpers_most; /* under the lock */
  struct loop *link;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t work = PTHREAD_COND_INITIALIZER;
static pthread_cond_t done = PTHREAD_COND_INITIALIZER;
static struct loop *first_loop;
static uint32_t threads_started;
static _Thread_local uint32_t own_width;
static _Thread_local int is_inside;

/* A container may be given fewer than the machine has. */
static uint32_t hardware_threads(void) {
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0)
    return (uint32_t)CPU_COUNT(&set) < THREADS_MAX ? (uint32_t)CPU_COUNT(&set) : THREADS_MAX;
#endif
  const long count = sysconf(_SC_NPROCESSORS_ONLN);
  return count < 1 ? 1 : count < (long)THREADS_MAX ? (uint32_t)count : THREADS_MAX;
}

uint32_t warp_pool_width(void) {
  static atomic_uint known;
  if (own_width != 0) return own_width;
  uint32_t hardware = atomic_load_explicit(&known, memory_order_relaxed);
  if (hardware == 0) {
    hardware = hardware_threads();
    atomic_store_explicit(&known, hardware, memory_order_relaxed);
  }
  return hardware;
}

uint32_t warp_pool_use(uint32_t width) {
  const uint32_t before = own_width;
  own_width = width < THREADS_MAX ? width : THREADS_MAX;
  return before;
}

int warp_thread_start(pthread_t *thread, void *(*body)(void *), void *argument) {
  pthread_attr_t attributes;
  sigset_t all, before;
  int error = pthread_attr_init(&attributes);
  if (error != 0) return error;
  pthread_attr_setstacksize(&attributes, STACK_BYTES);
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  error = pthread_create(thread, &attributes, body, argument);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_attr_destroy(&attributes);
  return error;
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

static int wants_help(const struct loop *loop) {
  return loop->helpers < loop->helpers_most &&
         atomic_load_explicit(&loop->next, memory_order_relaxed) < loop->count;
}

static void *serve(void *unused) {
  (void)unused;
  pthread_mutex_lock(&lock);
  for (;;) {
    struct loop *loop = first_loop;
    while (loop != NULL && !wants_help(loop)) loop = loop->link;
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
  pthread_t thread;
  for (; threads_started < wanted; threads_started++) {
    if (warp_thread_start(&thread, serve, NULL) != 0) return;
    pthread_detach(thread);
  }
}

void warp_parallel_for(uint32_t count, void (*body)(void *argument, uint32_t index),
                       void *argument) {
  const uint32_t width = warp_pool_width();
  if (count < 2 || width < 2 || is_inside) {
    for (uint32_t i = 0; i < count; i++) body(argument, i);
    return;
  }
  const uint32_t wanted = (count < width ? count : width) - 1;
  struct loop loop = {body, argument, count, 0, 0, wanted, NULL};
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
