/* The kernels as the host runtime sees them. Two builds of the same .cu files:
 *
 *   nvcc   kernels run on a GPU; `stream` is a cudaStream_t
 *   g++    kernels run on the CPU, thread after thread (portable.h); `stream` is ignored, and the
 *          work is done when the call returns
 *
 * Each family has xxx_scratch_bytes, the device memory that one launch needs besides its
 * arguments, and xxx_launch.
 *
 * - A launch only queues work on `stream`: it allocates nothing, waits for nothing, copies
 *   nothing. WARP_OK, WARP_EINVAL for what it can refuse without reading device memory, or
 *   WARP_EDEVICE.
 * - Pointers are device pointers, except `params` and `key`, which are read before the call
 *   returns.
 * - `scratch` is aligned to 256 bytes, belongs to this launch until it is done, need not be
 *   cleared and may hold secrets afterwards (one-time keys of the AEAD). It may be null where 0
 *   bytes are asked.
 * - Bytes: `base`, `input`, `aad` and `out` are aligned to 16. The bytes up to the next multiple
 *   of 16 after the end of an input are readable: kernels load 16 bytes at once and ignore the
 *   rest. Nothing is ever written outside the stated outputs.
 * - Offsets are on the device, n + 1 ascending entries, and are trusted: the runtime has checked
 *   them. offsets[0] may be any number.
 * - `bytes`: at least offsets[n] - offsets[0]. `longest`: at least the longest item, in bytes.
 *   Both decide how much is launched; too low gives wrong results or an overrun of the scratch.
 * - Input and output must not overlap. */
#ifndef WARP_CUDA_KERNELS_H
#define WARP_CUDA_KERNELS_H
#include <stddef.h>

#include "warp_kernels.h"

#ifdef __cplusplus
extern "C" {
#endif

/* cudaStream_t, without its header. */
typedef struct CUstream_st *warp_stream;

/* ---- boundary -------------------------------------------------------------------------------- */

size_t boundary_scratch_bytes(uint64_t length);

/* As warp_boundary. *count is the number of cuts there are, also when `capacity` is less: then only
 * the first `capacity` are written. */
warp_status boundary_launch(warp_stream stream, const warp_boundary_params *params,
                            const uint8_t *input, uint64_t length, uint32_t is_last, uint32_t *cuts,
                            uint32_t capacity, uint32_t *count, void *scratch);

/* ---- BLAKE3 ---------------------------------------------------------------------------------- */

size_t blake3_scratch_bytes(uint64_t n, uint64_t bytes);

/* As warp_blake3. `key`: 32 bytes in host memory, or null for WARP_BLAKE3_HASH and CONTEXT. */
warp_status blake3_launch(warp_stream stream, uint32_t mode, const uint8_t *key,
                          const uint8_t *base, const uint64_t *offsets, uint64_t n, uint64_t bytes,
                          uint64_t longest, uint8_t *out, void *scratch);

size_t merkle_scratch_bytes(uint64_t n);

/* As warp_merkle. `key` in host memory. `leaves` and `out` are aligned to 16. */
warp_status merkle_launch(warp_stream stream, const uint8_t *key, const uint8_t *leaves, uint64_t n,
                          uint8_t *out, void *scratch);

/* ---- ChaCha20-Poly1305 ----------------------------------------------------------------------- */

/* n items whose `bytes` are as in base: for open they include the tags. */
size_t aead_scratch_bytes(uint64_t n, uint64_t bytes);

/* As warp_seal. keys: on the device, aligned to 4. An item's additional data is read by one thread:
 * meant for some hundred bytes. `aad` and `aad_offsets` null for none. */
warp_status seal_launch(warp_stream stream, const uint8_t *base, const uint64_t *offsets,
                        uint64_t n, uint64_t bytes, const uint8_t *keys, uint32_t key_stride,
                        const uint8_t *nonces, const uint8_t *aad, const uint64_t *aad_offsets,
                        uint8_t *out, const uint64_t *out_offsets, void *scratch);

/* As warp_open: tags are checked before anything is decrypted, and where one is wrong zeros are
 * written instead of plaintext. An item shorter than a tag has status 1 and no output. */
warp_status open_launch(warp_stream stream, const uint8_t *base, const uint64_t *offsets,
                        uint64_t n, uint64_t bytes, const uint8_t *keys, uint32_t key_stride,
                        const uint8_t *nonces, const uint8_t *aad, const uint64_t *aad_offsets,
                        uint8_t *out, const uint64_t *out_offsets, uint8_t *statuses,
                        void *scratch);

/* ---- LZ4 ------------------------------------------------------------------------------------- */

size_t lz4_scratch_bytes(uint64_t n);

/* As warp_compress with WARP_CODEC_LZ4. What the bytes of a slot after lengths[i] hold is not
 * defined. Items of at most 0x7e000000 bytes; longer ones have length 0. */
warp_status lz4_compress_launch(warp_stream stream, const uint8_t *base, const uint64_t *offsets,
                                uint64_t n, uint8_t *out, const uint64_t *out_offsets,
                                uint32_t *lengths, void *scratch);

/* As warp_decompress. The slot of an item with status 1 is zeroed. */
warp_status lz4_decompress_launch(warp_stream stream, const uint8_t *base, const uint64_t *offsets,
                                  uint64_t n, uint8_t *out, const uint64_t *out_offsets,
                                  uint8_t *statuses, void *scratch);

/* ---- entropy --------------------------------------------------------------------------------- */

size_t entropy_scratch_bytes(uint64_t n);

/* As warp_entropy. The counted part of an item has at most 64 MiB. */
warp_status entropy_launch(warp_stream stream, const uint8_t *base, const uint64_t *offsets,
                           uint64_t n, uint32_t sample, uint16_t *out, void *scratch);

/* ---- fused ----------------------------------------------------------------------------------- */

size_t fused_scratch_bytes(const warp_fused_params *params, uint64_t length);

/* As warp_fused, everything on the device: raw_offsets and out_offsets have capacity + 1
 * entries. out has room for length + 16 * min(capacity, length / min + 1) bytes. *count may
 * exceed the capacity, as in boundary_launch: only `capacity` chunks are then worked on, and the
 * call has failed with WARP_ENOSPC. */
warp_status fused_launch(warp_stream stream, const warp_fused_params *params, const uint8_t *input,
                         uint64_t length, uint8_t *out, uint64_t *raw_offsets,
                         uint64_t *out_offsets, uint8_t *ids, uint8_t *codecs, uint32_t *count,
                         void *scratch);

/* ---- scheduler ------------------------------------------------------------------------------- */

/* kernels/scheduler/spec.ts defines state and passes. `params` is in host memory, everything
 * else on the device; `state` is one allocation, aligned to 256, that every launch of a
 * scheduler names. Arguments have been checked by the runtime. Numbers that are counted are
 * added to what is there. */

size_t scheduler_state_bytes(const warp_scheduler_params *params);
size_t scheduler_scratch_bytes(const warp_scheduler_params *params); /* of dispatch alone */

/* Where the columns of the definition lie in `state`, for copies in and out. */
typedef struct {
  uint16_t *candidates; /* 8 for each slot */
  uint16_t *sizes;
  uint8_t *priorities;
  uint8_t *states;
  uint16_t *assigned;
  uint8_t *tries;
  uint8_t *dirty;     /* 0 or 1 */
  warp_edge *given;   /* may be overwritten between launches; counts from the next fold */
  int32_t *prices;    /* the same, but clamped by who writes them */
  uint32_t *words;
  uint32_t *limits;   /* capacities of the last fold, 0 where not usable */
  uint64_t *loads;
  uint32_t *gains;
  int32_t *lasts;
  int32_t *noise;     /* 32, constant */
} scheduler_columns;
void scheduler_columns_at(const warp_scheduler_params *params, void *state,
                          scheduler_columns *columns);

/* Before anything else: empty slots, no edges. */
warp_status scheduler_clear_launch(warp_stream stream, const warp_scheduler_params *params,
                                   void *state);

/* candidates are aligned to 16. */
warp_status scheduler_put_launch(warp_stream stream, const warp_scheduler_params *params,
                                 void *state, uint32_t first, uint32_t n,
                                 const uint16_t *candidates, const uint16_t *sizes,
                                 const uint8_t *priorities);
warp_status scheduler_events_launch(warp_stream stream, const warp_scheduler_params *params,
                                    void *state, uint32_t n, const uint32_t *slots,
                                    const uint8_t *kinds, uint64_t *applied);
warp_status scheduler_fold_launch(warp_stream stream, const warp_scheduler_params *params,
                                  void *state);
warp_status scheduler_choose_launch(warp_stream stream, const warp_scheduler_params *params,
                                    void *state, uint32_t first, uint32_t n);
warp_status scheduler_choose_dirty_launch(warp_stream stream, const warp_scheduler_params *params,
                                          void *state, uint64_t *count);
warp_status scheduler_failover_launch(warp_stream stream, const warp_scheduler_params *params,
                                      void *state, uint64_t *count);
/* loads: null for the scheduler's own. */
warp_status scheduler_prices_launch(warp_stream stream, const warp_scheduler_params *params,
                                    void *state, const uint64_t *loads);
warp_status scheduler_reset_prices_launch(warp_stream stream, const warp_scheduler_params *params,
                                          void *state);

/* As warp_scheduler_dispatch. stats: all WARP_STATS entries; those named there are added to.
 * *count is written, and as many entries of `slots` and `edges`, at most `limit`. */
warp_status scheduler_dispatch_launch(warp_stream stream, const warp_scheduler_params *params,
                                      void *state, uint32_t rounds, uint32_t first_edge,
                                      uint32_t limit, uint32_t *slots, uint16_t *edges,
                                      uint32_t *count, uint64_t *stats, void *scratch);

warp_status scheduler_best_launch(warp_stream stream, const warp_scheduler_params *params,
                                  const void *state, uint32_t n, const uint32_t *slots,
                                  uint16_t *out);
/* *digest must be 0 before. */
warp_status scheduler_digest_launch(warp_stream stream, const warp_scheduler_params *params,
                                    const void *state, uint64_t *digest);

#if !defined(__CUDACC__)
/* CPU build: runs blocks and threads last to first, so that threads of one phase that depend on
 * each other give another result. */
void warp_shim_reverse(int is_reversed);
#endif

#ifdef __cplusplus
}
#endif
#endif
