/* How a call of the interface runs: at once in the caller, or as a job of a context. */
#ifndef WARP_RUN_H
#define WARP_RUN_H
#include <stddef.h>
#include <stdint.h>

#include "../../cuda/warp_kernels.h"

/* Room for the arguments of any call. */
#define ARGUMENT_BYTES 192

/* The work of a call. `is_parallel`: it may use the pool. */
typedef warp_status warp_work(void *arguments, int is_parallel);

/* Runs `work` on a copy of its arguments: now when `job` is null, otherwise later. */
warp_status warp_run(warp_context context, warp_work *work, const void *arguments, size_t size,
                     warp_job *job);

/* As warp_parallel_for, or in the calling thread. */
void warp_for(int is_parallel, uint32_t count, void (*body)(void *, uint32_t), void *argument);

/* Whether offsets[0..n] ascend. */
int warp_ascend(const uint64_t *offsets, uint64_t n);

#endif
