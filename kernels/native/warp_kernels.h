/* The C interface of Warp's own CPU kernels (libwarp_kernels). kernels/native/library.ts declares the
 * same functions in the same order.
 *
 * - Fixed-width types only; no struct by value; the caller allocates.
 * - Functions return a count or 0, or a negative WARP_E*. They never throw, print or exit.
 * - Pure functions of their arguments: callable from any number of threads.
 * - Input and output must not overlap.
 *
 * Little-endian machines only.
 */
#ifndef WARP_KERNELS_H
#define WARP_KERNELS_H
#include <stdint.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "little-endian machines only"
#endif

#ifndef WARP_ABI_VERSION
#define WARP_ABI_VERSION 1u
#endif
#define WARP_EINVAL (-2)
#define WARP_ENOSPC (-7)

#if defined(_WIN32)
#define WARP_EXPORT __declspec(dllexport)
#else
#define WARP_EXPORT __attribute__((visibility("default")))
#endif

/* Instruction sets, worst to best. VECTOR128 is SSE4.1 or NEON. */
enum { WARP_ISA_SCALAR = 0, WARP_ISA_VECTOR128 = 1, WARP_ISA_AVX2 = 2, WARP_ISA_AVX512 = 3 };

/* First call of a loader: another value means another interface. */
WARP_EXPORT uint32_t warp_abi_version(void);

/* The instruction set in use: the best that the CPU has, at most `most`. For tests, and for machines
 * whose wide vectors lower the clock; takes effect for the whole process. */
WARP_EXPORT int32_t warp_isa_limit(int32_t most);

/* Chunk boundaries, exactly as kernels/boundary/spec.ts defines them. Ends of complete chunks go to
 * cuts[0..]; returns their number. length < 2^32; WARP_ENOSPC when there are more than `capacity`,
 * which length / min + 1 never is. */
WARP_EXPORT int32_t warp_boundary_cuts(const uint8_t *input, uint64_t length,
                                       const uint32_t *table /* 32 words */, uint32_t avg_bits,
                                       uint32_t min, uint32_t max, uint32_t is_last, uint32_t *cuts,
                                       uint32_t capacity);

/* BLAKE3 of `count` inputs, input i = base[offsets[i] .. offsets[i + 1]), keyed unless `key` (32
 * bytes) is null. Digest i goes to out[32 * i ..). offsets has count + 1 ascending entries. */
WARP_EXPORT int32_t warp_blake3_hash_many(const uint8_t *base, const uint64_t *offsets,
                                          uint64_t count, const uint8_t *key, uint8_t *out);

/* BLAKE3 key derivation: out_length bytes from context and material. */
WARP_EXPORT int32_t warp_blake3_derive(const uint8_t *context, uint64_t context_length,
                                       const uint8_t *material, uint64_t material_length,
                                       uint8_t *out, uint64_t out_length);

#endif
