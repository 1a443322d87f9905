/* A pool of threads for the whole process, one a hardware thread, started when first needed. */
#ifndef WARP_POOL_H
#define WARP_POOL_H
#include <stdint.h>

/* Runs body(argument, 0..count - 1), each index once, in any order and on any thread; returns when all
 * are done. The caller takes part, so that a call makes progress even when every thread is busy.
 * A call from within a body runs in the calling thread alone. */
void warp_parallel_for(uint32_t count, void (*body)(void *argument, uint32_t index),
                       void *argument);

/* Threads that a call may use, the caller's included. */
uint32_t warp_pool_width(void);

/* Upper bound of warp_pool_width from now on, at least 1; 0: hardware threads. */
void warp_pool_limit(uint32_t width);

#endif
