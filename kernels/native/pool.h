/* A pool of threads for the whole process, one a hardware thread, started when first needed. */
#ifndef WARP_POOL_H
#define WARP_POOL_H
#include <pthread.h>
#include <stdint.h>

/* Runs body(argument, 0..count - 1), each index once, in any order and on any thread; returns when all
 * are done. The caller takes part, so that a call makes progress even when every thread is busy.
 * A call from within a body runs in the calling thread alone. */
void warp_parallel_for(uint32_t count, void (*body)(void *argument, uint32_t index),
                       void *argument);

/* Threads that a call from this thread may use, its own included. */
uint32_t warp_pool_width(void);

/* What warp_pool_width gives in this thread from now on; 0: hardware threads. Returns what was set. */
uint32_t warp_pool_use(uint32_t width);

/* Starts a thread that gets none of the process's signals. 0 or an error number. */
int warp_thread_start(pthread_t *thread, void *(*body)(void *), void *argument);

#endif
