/* Finds the instruction set once, and lets it be limited. */
#include "dispatch.h"

#include <stdatomic.h>

static atomic_int limit_isa = WARP_ISA_AVX512;

static int best_isa(void) {
#if defined(__x86_64__)
  __builtin_cpu_init();
#if defined(WARP_EMULATE_AVX512)
  /* The 512-bit code, compiled for AVX2: lets its logic be tested on machines without AVX-512. */
  if (__builtin_cpu_supports("avx2")) return WARP_ISA_AVX512;
#else
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq"))
    return WARP_ISA_AVX512;
#endif
  if (__builtin_cpu_supports("avx2")) return WARP_ISA_AVX2;
  if (__builtin_cpu_supports("sse4.1") && __builtin_cpu_supports("ssse3")) return WARP_ISA_VECTOR128;
  return WARP_ISA_SCALAR;
#elif defined(__aarch64__)
  return WARP_ISA_VECTOR128;
#else
  return WARP_ISA_SCALAR;
#endif
}

static int known_isa(void) {
  static atomic_int best = -1;
  int known = atomic_load_explicit(&best, memory_order_relaxed);
  if (known < 0) {
    known = best_isa();
    atomic_store_explicit(&best, known, memory_order_relaxed);
  }
  return known;
}

int warp_isa(void) {
  const int known = known_isa();
  const int limit = atomic_load_explicit(&limit_isa, memory_order_relaxed);
  return known < limit ? known : limit;
}

int warp_isa_is_limited(void) { return warp_isa() < known_isa(); }

uint32_t warp_abi_version(void) { return WARP_ABI_MAJOR << 16 | WARP_ABI_MINOR; }

int32_t warp_isa_limit(int32_t most) {
  if (most < WARP_ISA_SCALAR || most > WARP_ISA_AVX512) return WARP_EINVAL;
  atomic_store_explicit(&limit_isa, most, memory_order_relaxed);
  return warp_isa();
}
