/* One source, two compilers. nvcc makes GPU kernels of it; g++ makes functions that run the same
 * threads one after the other on the CPU, so that machines without a GPU test the very same
 * code.
 *
 * Code that threads share is written as phases: `each(f)` runs f for every thread and then waits
 * for all of them (__syncthreads, __syncwarp; on the CPU a loop). Within one phase no thread may
 * read what another writes: the CPU build runs threads in either order, and a test compares the
 * results.
 *
 * What stands between phases must be uniform: the same for all threads. On a GPU every thread
 * executes it, on the CPU it is executed once. It may read shared memory only through take(),
 * which waits until all threads have read; otherwise a fast thread could overwrite the value in
 * the next phase. What is different per thread and outlives a phase is a Lane<T> (warps) or
 * PerThread<T, N> (blocks).
 *
 * Three kinds of kernel, all plain structs that are copied to the device by value:
 *
 *   threads   THREADS;            run(index)
 *   warps     WARPS; Shared;      run(Warp &, index, Shared &)    one Shared for each warp
 *   blocks    THREADS; Shared;    run(Block &, index, Shared &)
 */
#ifndef WARP_CUDA_PORTABLE_H
#define WARP_CUDA_PORTABLE_H
#include <stdint.h>
#include <string.h>

#include "kernels.h"

#ifdef __CUDACC__
#include <cuda_runtime.h>
#define WARP_FN __device__ __forceinline__
#else
#include <memory>
#define WARP_FN inline __attribute__((always_inline))
#endif

namespace kernels {

constexpr uint32_t LANES = 32;

/* ---- words ----------------------------------------------------------------------------------- */

WARP_FN uint32_t rotl(uint32_t x, uint32_t bits) {
#ifdef __CUDACC__
  return __funnelshift_l(x, x, bits);
#else
  bits &= 31;
  return bits == 0 ? x : x << bits | x >> (32 - bits);
#endif
}

/* Low word of (high:low) >> bits, bits 0..31. */
WARP_FN uint32_t funnel_right(uint32_t low, uint32_t high, uint32_t bits) {
#ifdef __CUDACC__
  return __funnelshift_r(low, high, bits);
#else
  return (uint32_t)(((uint64_t)high << 32 | low) >> (bits & 31));
#endif
}

WARP_FN uint32_t popcount(uint32_t x) {
#ifdef __CUDACC__
  return (uint32_t)__popc(x);
#else
  return (uint32_t)__builtin_popcount(x);
#endif
}

/* Index of the lowest set bit; x is not 0. */
WARP_FN uint32_t lowest_bit(uint32_t x) {
#ifdef __CUDACC__
  return (uint32_t)__ffs((int)x) - 1;
#else
  return (uint32_t)__builtin_ctz(x);
#endif
}

/* Index of the highest set bit; x is not 0. */
WARP_FN uint32_t highest_bit(uint32_t x) {
#ifdef __CUDACC__
  return 31 - (uint32_t)__clz((int)x);
#else
  return 31 - (uint32_t)__builtin_clz(x);
#endif
}

/* ---- atomics: only those whose result does not depend on the order --------------------------- */

#ifdef __CUDACC__
WARP_FN void atomic_add(uint32_t *at, uint32_t x) { atomicAdd(at, x); }
WARP_FN void atomic_or(uint32_t *at, uint32_t x) { atomicOr(at, x); }
WARP_FN void atomic_xor(uint32_t *at, uint32_t x) { atomicXor(at, x); }
WARP_FN void atomic_min(uint32_t *at, uint32_t x) { atomicMin(at, x); }
WARP_FN void atomic_max(uint32_t *at, uint32_t x) { atomicMax(at, x); }
WARP_FN void atomic_add64(uint64_t *at, uint64_t x) {
  atomicAdd((unsigned long long *)at, (unsigned long long)x);
}
#else
WARP_FN void atomic_add(uint32_t *at, uint32_t x) { *at += x; }
WARP_FN void atomic_or(uint32_t *at, uint32_t x) { *at |= x; }
WARP_FN void atomic_xor(uint32_t *at, uint32_t x) { *at ^= x; }
WARP_FN void atomic_min(uint32_t *at, uint32_t x) { *at = x < *at ? x : *at; }
WARP_FN void atomic_max(uint32_t *at, uint32_t x) { *at = x > *at ? x : *at; }
WARP_FN void atomic_add64(uint64_t *at, uint64_t x) { *at += x; }
#endif

/* ---- phases ---------------------------------------------------------------------------------- */

#ifdef __CUDACC__

template <class T, uint32_t N>
struct PerThread {
  T value;
  WARP_FN T &operator[](uint32_t) { return value; }
  WARP_FN const T &operator[](uint32_t) const { return value; }
};

struct Warp {
  template <class F>
  WARP_FN void each(F &&f) {
    f(threadIdx.x % LANES);
    __syncwarp();
  }
  /* `f` for one lane, with nothing that other lanes wait for. */
  template <class F>
  WARP_FN void once(F &&f) {
    if (threadIdx.x % LANES == 0) f();
  }
  template <class T>
  WARP_FN T take(const T &shared) {
    T value = shared;
    __syncwarp();
    return value;
  }
  WARP_FN uint32_t ballot(const PerThread<bool, LANES> &flags) {
    return __ballot_sync(0xffffffffu, flags.value);
  }
  WARP_FN uint32_t from(const PerThread<uint32_t, LANES> &values, uint32_t lane) {
    return __shfl_sync(0xffffffffu, values.value, (int)lane);
  }
};

template <uint32_t N>
struct Block {
  template <class F>
  WARP_FN void each(F &&f) {
    f(threadIdx.x);
    __syncthreads();
  }
  template <class F>
  WARP_FN void once(F &&f) {
    if (threadIdx.x == 0) f();
  }
  template <class T>
  WARP_FN T take(const T &shared) {
    T value = shared;
    __syncthreads();
    return value;
  }
};

template <class K>
__global__ void __launch_bounds__(K::THREADS) run_threads(const __grid_constant__ K kernel,
                                                          uint64_t count) {
  const uint64_t index = (uint64_t)blockIdx.x * K::THREADS + threadIdx.x;
  if (index < count) kernel.run(index);
}

template <class K>
__global__ void __launch_bounds__(K::WARPS *LANES) run_warps(const __grid_constant__ K kernel,
                                                              uint64_t count) {
  __shared__ typename K::Shared shared[K::WARPS];
  const uint32_t own = threadIdx.x / LANES;
  const uint64_t index = (uint64_t)blockIdx.x * K::WARPS + own;
  Warp warp;
  if (index < count) kernel.run(warp, index, shared[own]);
}

template <class K>
__global__ void __launch_bounds__(K::THREADS) run_blocks(const __grid_constant__ K kernel) {
  __shared__ typename K::Shared shared;
  Block<K::THREADS> block;
  kernel.run(block, (uint64_t)blockIdx.x, shared);
}

constexpr uint64_t GRID_MOST = 0x7fffffff;

inline warp_status launched() {
  return cudaPeekAtLastError() == cudaSuccess ? WARP_OK : WARP_EDEVICE;
}

/* Queue one kernel for `count` threads, warps or blocks; none for 0. */
template <class K>
warp_status launch_threads(warp_stream stream, const K &kernel, uint64_t count) {
  const uint64_t blocks = (count + K::THREADS - 1) / K::THREADS;
  if (blocks > GRID_MOST) return WARP_EINVAL;
  if (blocks != 0) run_threads<K><<<(uint32_t)blocks, K::THREADS, 0, stream>>>(kernel, count);
  return launched();
}

template <class K>
warp_status launch_warps(warp_stream stream, const K &kernel, uint64_t count) {
  const uint64_t blocks = (count + K::WARPS - 1) / K::WARPS;
  if (blocks > GRID_MOST) return WARP_EINVAL;
  if (blocks != 0) run_warps<K><<<(uint32_t)blocks, K::WARPS * LANES, 0, stream>>>(kernel, count);
  return launched();
}

template <class K>
warp_status launch_blocks(warp_stream stream, const K &kernel, uint64_t count) {
  if (count > GRID_MOST) return WARP_EINVAL;
  if (count != 0) run_blocks<K><<<(uint32_t)count, K::THREADS, 0, stream>>>(kernel);
  return launched();
}

#else /* the CPU build */

inline bool is_reversed = false;

template <class F>
WARP_FN void in_order(uint64_t count, F &&f) {
  for (uint64_t i = 0; i < count; i++) f(is_reversed ? count - 1 - i : i);
}

template <class T, uint32_t N>
struct PerThread {
  T values[N];
  WARP_FN T &operator[](uint32_t thread) { return values[thread]; }
  WARP_FN const T &operator[](uint32_t thread) const { return values[thread]; }
};

template <uint32_t N>
struct Block {
  template <class F>
  WARP_FN void each(F &&f) {
    in_order(N, [&](uint64_t thread) { f((uint32_t)thread); });
  }
  template <class F>
  WARP_FN void once(F &&f) {
    f();
  }
  template <class T>
  WARP_FN T take(const T &shared) {
    return shared;
  }
};

struct Warp : Block<LANES> {
  WARP_FN uint32_t ballot(const PerThread<bool, LANES> &flags) {
    uint32_t bits = 0;
    for (uint32_t lane = 0; lane < LANES; lane++) bits |= (uint32_t)flags[lane] << lane;
    return bits;
  }
  WARP_FN uint32_t from(const PerThread<uint32_t, LANES> &values, uint32_t lane) {
    return values[lane % LANES];
  }
};

/* Shared memory begins with garbage, as on a GPU; on the heap, where sanitizers see its bounds. */
template <class S>
std::unique_ptr<S> dirty_shared() {
  std::unique_ptr<S> shared(new S);
  memset((void *)shared.get(), 0xa5, sizeof(S));
  return shared;
}

template <class K>
warp_status launch_threads(warp_stream, const K &kernel, uint64_t count) {
  in_order(count, [&](uint64_t index) { kernel.run(index); });
  return WARP_OK;
}

template <class K>
warp_status launch_warps(warp_stream, const K &kernel, uint64_t count) {
  in_order(count, [&](uint64_t index) {
    auto shared = dirty_shared<typename K::Shared>();
    Warp warp;
    kernel.run(warp, index, *shared);
  });
  return WARP_OK;
}

template <class K>
warp_status launch_blocks(warp_stream, const K &kernel, uint64_t count) {
  in_order(count, [&](uint64_t index) {
    auto shared = dirty_shared<typename K::Shared>();
    Block<K::THREADS> block;
    kernel.run(block, index, *shared);
  });
  return WARP_OK;
}

#endif

template <class T>
using Lane = PerThread<T, LANES>;

/* Of kernels that share nothing. */
struct Nothing {};

} /* namespace kernels */

#ifndef __CUDACC__
/* See kernels.h. `used`: there is no source file that only the CPU build has. */
extern "C" __attribute__((used, visibility("default"))) inline void warp_shim_reverse(int is) {
  kernels::is_reversed = is != 0;
}
#endif
#endif
