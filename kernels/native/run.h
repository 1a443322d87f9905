/* How a call of the interface runs: at once in the caller, or as a job of a context. */
#ifndef WARP_RUN_H
#define WARP_RUN_H
#include <stddef.h>
#include <stdint.h>

#include "../../cuda/warp_kernels.h"

/* Room for the arguments of any call. */
#define ARGUMENT_BYTES 512

/* The work of a call. `is_parallel`: it may use the pool. */
typedef warp_status warp_work(void *arguments, int is_parallel);

/* Runs `work` on a copy of its arguments: now when `job` is null, otherwise later. Pointers lie among
 * the arguments as they are, aligned: this tells which memory a job uses. */
warp_status warp_run(warp_context context, warp_work *work, const void *arguments, size_t size,
                     warp_job *job);

/* For a work that fails: says why, for warp_last_error. */
void warp_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* As warp_parallel_for, or in the calling thread. */
void warp_for(int is_parallel, uint32_t count, void (*body)(void *, uint32_t), void *argument);

/* Cuts items 0..n - 1 into ranges and runs body(argument, first, end) for each. */
void warp_for_ranges(int is_parallel, uint64_t n, void (*body)(void *, uint64_t, uint64_t),
                     void *argument);

/* Whether offsets[0..n] ascend. */
int warp_ascend(const uint64_t *offsets, uint64_t n);

#endif
