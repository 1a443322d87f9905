/* The one C interface of Warp's kernels. It is built twice:
 *
 *   libwarp_kernels  (kernels/native/, plain C, SIMD chosen at run time)   deno task build:native
 *   libwarp_cuda     (cuda/, CUDA)                                         deno task build:cuda
 *
 * Both export every function below. What a library cannot do answers WARP_ENOTSUP and lacks its
 * capability bit; a symbol is never missing.
 *
 * - Fixed-width types only; no struct by value. Every struct begins with its size, as the caller was
 *   compiled with it: fields may be appended, never changed.
 * - Functions never throw, print or exit. They return WARP_OK or a negative WARP_E*.
 * - Batches: item i of n is base[offsets[i] .. offsets[i + 1]); offsets has n + 1 ascending entries.
 * - Jobs: where `job` is null the call returns when the work is done, with its status. Otherwise
 *   arguments are copied, the call returns at once with a job, and warp_poll gives its status later;
 *   WARP_EAGAIN means that all slots are taken. All memory that the call names stays the caller's and
 *   must stay valid and untouched until the job has been polled.
 * - Any host memory will do for data; memory from warp_buffer_alloc is faster for a GPU (pinned).
 * - Input and output must not overlap, except where a function says so.
 * - A context of 0 is allowed in the CPU library, for calls without a job: they run in the calling
 *   thread and share nothing. A context may be used by any thread.
 *
 * Little-endian machines only.
 */
#ifndef WARP_KERNELS_H
#define WARP_KERNELS_H
#include <stdint.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "little-endian machines only"
#endif

#if defined(_WIN32)
#define WARP_EXPORT __declspec(dllexport)
#else
#define WARP_EXPORT __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Another major number means another interface; a higher minor one has more. */
#ifndef WARP_ABI_MAJOR
#define WARP_ABI_MAJOR 2u
#endif
#define WARP_ABI_MINOR 0u

typedef int32_t warp_status;
enum {
  WARP_OK = 0,
  WARP_EAGAIN = -1,    /* all slots taken, or not ready */
  WARP_EINVAL = -2,    /* an argument is outside what is documented */
  WARP_ENOMEM = -3,
  WARP_ENODEV = -4,    /* no driver, or no such device */
  WARP_ENOTSUP = -5,   /* not in this library, or a library it needs is not installed */
  WARP_EAUTH = -6,     /* at least one tag is wrong: see the statuses of the items */
  WARP_ENOSPC = -7,    /* the output is too small */
  WARP_EDEVICE = -8,   /* the device failed; the context is dead, open another */
  WARP_EIO = -9,       /* reading a file failed */
  WARP_ECANCELED = -10,
  WARP_EDATA = -11     /* at least one item does not decode: see the statuses of the items */
};

/* Handles: generation << 32 | index; 0 is none; a stale one gives WARP_EINVAL. */
typedef uint64_t warp_context;
typedef uint64_t warp_job;

/* ---- what is there ------------------------------------------------------------------------------- */

enum { WARP_BACKEND_CPU = 0, WARP_BACKEND_CUDA = 1 };
enum {
  WARP_CAP_BOUNDARY = 1 << 0,
  WARP_CAP_BLAKE3 = 1 << 1,
  WARP_CAP_AEAD = 1 << 2,
  WARP_CAP_LZ4 = 1 << 3,
  WARP_CAP_ZSTD = 1 << 4,
  WARP_CAP_ENTROPY = 1 << 5,
  WARP_CAP_FUSED = 1 << 6,
  WARP_CAP_SCHEDULER = 1 << 7,
  WARP_CAP_PINNED = 1 << 8 /* warp_buffer_alloc gives memory that a device copies from directly */
};

typedef struct {
  uint32_t size;
  uint32_t backend;            /* WARP_BACKEND_* */
  uint32_t capabilities;       /* WARP_CAP_* */
  uint32_t units;              /* hardware threads, or multiprocessors */
  uint32_t compute_capability; /* 90 for 9.0; 0 on a CPU */
  uint32_t reserved;
  uint64_t memory_bytes;       /* of the device, or of the machine */
  uint64_t batch_bytes_max;    /* largest batch of one call */
  char name[64];               /* of the device or CPU, zero-terminated */
  char detail[64];             /* instruction set, or driver and runtime versions */
} warp_info;

/* WARP_ABI_MAJOR << 16 | WARP_ABI_MINOR: the first call of a loader. */
WARP_EXPORT uint32_t warp_abi_version(void);

/* Describes device `index` (0 is the CPU in the CPU library) without making a context on it.
 * WARP_ENODEV when there is none: index 0 then means that there is no device at all. */
WARP_EXPORT warp_status warp_probe(uint32_t index, warp_info *info);

/* CPU library: limits the instruction set (0 scalar, 1 128-bit, 2 AVX2, 3 AVX-512) for the whole
 * process and returns the one in use. For tests. WARP_ENOTSUP in the CUDA library. */
WARP_EXPORT int32_t warp_isa_limit(int32_t most);

/* ---- contexts, memory, jobs ---------------------------------------------------------------------- */

/* threads: of the CPU library's pool (0: hardware threads); ignored by CUDA. slots: jobs under way at
 * once, 1..64; CUDA has as many pinned staging slots. */
WARP_EXPORT warp_status warp_context_open(uint32_t index, uint32_t threads, uint32_t slots,
                                          warp_context *context);

/* Cancels what has not begun, waits for the rest, frees everything. */
WARP_EXPORT warp_status warp_context_close(warp_context context);

/* Text about the last failure in this context, zero-terminated, cut to `capacity`. */
WARP_EXPORT warp_status warp_last_error(warp_context context, char *text, uint32_t capacity);

/* Page-aligned host memory; pinned for a GPU. WARP_EAGAIN from free while a job uses it. */
WARP_EXPORT warp_status warp_buffer_alloc(warp_context context, uint64_t bytes, void **memory);
WARP_EXPORT warp_status warp_buffer_free(warp_context context, void *memory);

/* Reads up to `length` bytes at `offset` of file descriptor `fd`; *count is how many (less only at the
 * end of the file). WARP_EIO with errno in the error text. */
WARP_EXPORT warp_status warp_read(warp_context context, int32_t fd, uint64_t offset, void *memory,
                                  uint64_t length, uint64_t *count, warp_job *job);

/* Takes up to `capacity` finished jobs and their statuses; never blocks. */
WARP_EXPORT warp_status warp_poll(warp_context context, warp_job *jobs, warp_status *statuses,
                                  uint32_t capacity, uint32_t *count);

/* Blocks until a job is ready to be polled. WARP_EAGAIN after `timeout_us` microseconds. */
WARP_EXPORT warp_status warp_wait(warp_context context, uint32_t timeout_us);

/* A job that has not begun ends with WARP_ECANCELED; others run on. It must be polled all the same. */
WARP_EXPORT warp_status warp_cancel(warp_context context, warp_job job);

/* ---- boundary ------------------------------------------------------------------------------------ */

/* kernels/boundary/spec.ts defines the cuts. */
typedef struct {
  uint32_t size;
  uint32_t avg_bits;  /* 8..24 */
  uint32_t min;       /* 64 <= min <= 2^avg_bits <= max <= 64 MiB */
  uint32_t max;
  uint32_t table[32]; /* T[b] = table[b >> 4] ^ table[16 + (b & 15)] */
} warp_boundary_params;

/* Ends of complete chunks of `input`, which starts at a chunk's first byte, ascending; with is_last the
 * last one is `length`. length < 2^32. WARP_ENOSPC when there are more than `capacity`, which
 * length / min + 1 never is. */
WARP_EXPORT warp_status warp_boundary(warp_context context, const warp_boundary_params *params,
                                      const uint8_t *input, uint64_t length, uint32_t is_last,
                                      uint32_t *cuts, uint32_t capacity, uint32_t *count,
                                      warp_job *job);

/* ---- BLAKE3 -------------------------------------------------------------------------------------- */

/* HASH ignores the key. DERIVE takes as key the context key: mode CONTEXT's digest of the context
 * string. */
enum { WARP_BLAKE3_HASH = 0, WARP_BLAKE3_KEYED = 1, WARP_BLAKE3_DERIVE = 2, WARP_BLAKE3_CONTEXT = 3 };

/* 32-byte digests: digest i at out[32 * i ..). Batches are packed across items. */
WARP_EXPORT warp_status warp_blake3(warp_context context, uint32_t mode, const uint8_t *key,
                                    const uint8_t *base, const uint64_t *offsets, uint64_t n,
                                    uint8_t *out, warp_job *job);

/* One input, any length of output (extendable output). Runs on the CPU in both libraries. */
WARP_EXPORT warp_status warp_blake3_xof(uint32_t mode, const uint8_t *key, const uint8_t *input,
                                        uint64_t length, uint8_t *out, uint64_t out_length);

/* All levels above `n` leaves of 32 bytes, lowest first, the single top node last. A parent is the
 * keyed digest of its two children; an odd last node moves up unchanged. out has 32 bytes for each:
 * for n = 1 none are written. */
WARP_EXPORT warp_status warp_merkle(warp_context context, const uint8_t *key, const uint8_t *leaves,
                                    uint64_t n, uint8_t *out, warp_job *job);

/* ---- ChaCha20-Poly1305 (RFC 8439) ---------------------------------------------------------------- */

/* keys: one of 32 bytes (key_stride 0) or one each (key_stride 32). nonces: 12 bytes each; the caller
 * never gives one pair of key and nonce to two plaintexts. aad: item i's is aad[aad_offsets[i] ..
 * aad_offsets[i + 1]); both null for none. Item i's ciphertext and tag (length + 16 bytes) go to
 * out[out_offsets[i] ..), which may be where its plaintext begins (in place). */
WARP_EXPORT warp_status warp_seal(warp_context context, const uint8_t *base, const uint64_t *offsets,
                                  uint64_t n, const uint8_t *keys, uint32_t key_stride,
                                  const uint8_t *nonces, const uint8_t *aad,
                                  const uint64_t *aad_offsets, uint8_t *out,
                                  const uint64_t *out_offsets, warp_job *job);

/* The reverse; items include their tags. statuses[i] is 0, or 1 for a wrong tag: that item's output is
 * zeroed and the call gives WARP_EAUTH. Plaintext is never left behind unverified. */
WARP_EXPORT warp_status warp_open(warp_context context, const uint8_t *base, const uint64_t *offsets,
                                  uint64_t n, const uint8_t *keys, uint32_t key_stride,
                                  const uint8_t *nonces, const uint8_t *aad,
                                  const uint64_t *aad_offsets, uint8_t *out,
                                  const uint64_t *out_offsets, uint8_t *statuses, warp_job *job);

/* ---- compression --------------------------------------------------------------------------------- */

enum { WARP_CODEC_STORED = 0, WARP_CODEC_LZ4 = 1, WARP_CODEC_ZSTD = 2 };

/* LZ4 blocks or zstd frames. Output slot i is out[out_offsets[i] .. out_offsets[i + 1]) (n + 1 entries);
 * lengths[i] is what was used, or 0 when the item does not fit its slot. What compression gives may
 * differ between libraries and versions; what decompression gives does not. dictionary: for zstd, or
 * null. */
WARP_EXPORT warp_status warp_compress(warp_context context, uint32_t codec, int32_t level,
                                      const uint8_t *dictionary, uint64_t dictionary_length,
                                      const uint8_t *base, const uint64_t *offsets, uint64_t n,
                                      uint8_t *out, const uint64_t *out_offsets, uint32_t *lengths,
                                      warp_job *job);

/* Fills every slot exactly. statuses[i] is 0, or 1 for an item that is malformed, too short or too
 * long: the call then gives WARP_EDATA. */
WARP_EXPORT warp_status warp_decompress(warp_context context, uint32_t codec,
                                        const uint8_t *dictionary, uint64_t dictionary_length,
                                        const uint8_t *base, const uint64_t *offsets, uint64_t n,
                                        uint8_t *out, const uint64_t *out_offsets, uint8_t *statuses,
                                        warp_job *job);

/* Order-0 entropy of each item in millibits per byte (0..8000), as kernels/entropy/spec.ts. Of items
 * longer than `sample` only the middle `sample` bytes count: from (length - sample) / 2; 0: all. */
WARP_EXPORT warp_status warp_entropy(warp_context context, const uint8_t *base,
                                     const uint64_t *offsets, uint64_t n, uint32_t sample,
                                     uint16_t *out, warp_job *job);

/* ---- fused: chunk, hash, compress, seal ---------------------------------------------------------- */

typedef struct {
  uint32_t size;
  uint32_t is_last;     /* as for warp_boundary */
  uint32_t codec;       /* WARP_CODEC_STORED or WARP_CODEC_LZ4; stored where it does not shrink */
  uint32_t blake3_mode; /* of the ids: WARP_BLAKE3_HASH or KEYED */
  uint8_t id_key[32];
  uint8_t seal_key[32];
  uint8_t nonce[12];    /* chunk i: the last 8 bytes, little-endian, plus i (mod 2^64) */
  uint32_t capacity;    /* chunks that the arrays below have room for */
  warp_boundary_params boundary;
} warp_fused_params;

/* Cuts `input`, hashes every chunk (id i at ids[32 * i ..)), compresses and seals it without aad.
 * Chunk i is input[raw_offsets[i] .. raw_offsets[i + 1]), its sealed bytes out[out_offsets[i] ..
 * out_offsets[i + 1]), both with count + 1 entries, its codec codecs[i]. Unless is_last, the bytes
 * after raw_offsets[count] are an unfinished chunk. out has room for length + 16 * capacity. */
WARP_EXPORT warp_status warp_fused(warp_context context, const warp_fused_params *params,
                                   const uint8_t *input, uint64_t length, uint8_t *out,
                                   uint64_t out_capacity, uint64_t *raw_offsets,
                                   uint64_t *out_offsets, uint8_t *ids, uint8_t *codecs,
                                   uint32_t *count, warp_job *job);

/* ---- scheduler ----------------------------------------------------------------------------------- */

/* SCHEDULER SECTION: see kernels/scheduler/spec.ts */

/* kernels/scheduler/spec.ts defines state, passes and results, exactly; the functions below are its
 * passes. A scheduler keeps its state in its library's memory (the device's for CUDA). One call at a
 * time for each scheduler: another one meanwhile gives WARP_EAGAIN. All calls are synchronous: bindings
 * that must not block declare them so. An argument that is wrong changes nothing. The CPU library takes
 * any context, 0 too, and uses all threads of its pool; at most 64 schedulers are open at once. */
typedef uint64_t warp_scheduler;

typedef struct {
  uint32_t size;
  uint32_t edges;       /* 1..4096 */
  uint32_t chunks;      /* slots, 1..2^32 - 1 */
  uint32_t first_chunk; /* number of the chunk in slot 0: of a shard */
  uint32_t eta;         /* damping of prices in 1/256, 1..1024; 179 is usual */
} warp_scheduler_params;

typedef struct {
  uint32_t cost;     /* above 2^18 - 1: infinite */
  uint32_t hash;
  uint32_t capacity; /* KiB of the next dispatch */
  uint32_t alive;    /* 0: no */
} warp_edge;

typedef struct {
  uint32_t size;
  uint32_t full_every; /* ticks; 0: never */
  uint32_t iterations; /* of prices, fold and choose in such a tick, 0..64 */
  uint32_t rounds;     /* of admission, 1..8 */
} warp_scheduler_tick_params;

/* Indices of statistics. Those from WINDOW to DISPATCHED_KIB are of warp_scheduler_dispatch. */
enum {
  WARP_STAT_TICK = 0,           /* number of this tick, from 0 */
  WARP_STAT_PENDING = 1,        /* chunks, afterwards */
  WARP_STAT_IN_FLIGHT = 2,      /* DISPATCHED chunks, afterwards */
  WARP_STAT_EVENTS = 3,         /* that were not ignored */
  WARP_STAT_FAILED_OVER = 4,
  WARP_STAT_DIRTY = 5,          /* chunks chosen because they were dirty */
  WARP_STAT_ITERATIONS = 6,
  WARP_STAT_WINDOW = 7,         /* chunks that took part in admission */
  WARP_STAT_UNPLACED = 8,       /* PENDING chunks without usable edge, before admission */
  WARP_STAT_ROUNDS = 9,
  WARP_STAT_ADMITTED = 10,      /* chunks; more than the limit are not dispatched */
  WARP_STAT_ADMITTED_KIB = 11,
  WARP_STAT_DISPATCHED = 12,    /* chunks given out */
  WARP_STAT_DISPATCHED_KIB = 13,
  WARP_STAT_LOAD_KIB = 14,      /* over all edges, afterwards */
  WARP_STAT_CAPACITY_KIB = 15,  /* over usable edges */
  WARP_STATS = 16
};

WARP_EXPORT warp_status warp_scheduler_open(warp_context context,
                                            const warp_scheduler_params *params,
                                            warp_scheduler *scheduler);
WARP_EXPORT warp_status warp_scheduler_close(warp_scheduler scheduler);

/* Fills slots first .. first + n - 1. candidates: 8 each, 0xffff for none; sizes in KiB. */
WARP_EXPORT warp_status warp_scheduler_put(warp_scheduler scheduler, uint32_t first, uint32_t n,
                                           const uint16_t *candidates, const uint16_t *sizes,
                                           const uint8_t *priorities);

/* Takes effect with the next fold. */
WARP_EXPORT warp_status warp_scheduler_edges(warp_scheduler scheduler, uint32_t first, uint32_t n,
                                             const warp_edge *edges);
WARP_EXPORT warp_status warp_scheduler_set_prices(warp_scheduler scheduler, uint32_t first, uint32_t n,
                                                  const int32_t *prices /* clamped */);
WARP_EXPORT warp_status warp_scheduler_reset_prices(warp_scheduler scheduler);

/* n events, kinds 1..4. WARP_EINVAL, and none applied, where a slot is out of range or occurs twice,
 * or a kind is unknown. *applied (may be null): how many were not ignored. */
WARP_EXPORT warp_status warp_scheduler_events(warp_scheduler scheduler, uint32_t n,
                                              const uint32_t *slots, const uint8_t *kinds,
                                              uint64_t *applied);

WARP_EXPORT warp_status warp_scheduler_fold(warp_scheduler scheduler);
WARP_EXPORT warp_status warp_scheduler_choose(warp_scheduler scheduler, uint32_t first, uint32_t n);
WARP_EXPORT warp_status warp_scheduler_choose_dirty(warp_scheduler scheduler, uint64_t *count);
WARP_EXPORT warp_status warp_scheduler_failover(warp_scheduler scheduler, uint64_t *count);

/* loads: one per edge, of all shards; null for this scheduler's own. WARP_EINVAL when their sum is
 * 2^53 or more. */
WARP_EXPORT warp_status warp_scheduler_prices(warp_scheduler scheduler, const uint64_t *loads);

/* Admission and dispatch: up to `limit` entries to slots[] and edges[], their number to *count.
 * stats (WARP_STATS entries, may be null): 1, 2 and 7..15 are written. */
WARP_EXPORT warp_status warp_scheduler_dispatch(warp_scheduler scheduler, uint32_t rounds,
                                                uint32_t first_edge, uint32_t limit, uint32_t *slots,
                                                uint16_t *edges, uint32_t *count, uint64_t *stats);

/* events, passes and dispatch of one tick; all statistics are written. */
WARP_EXPORT warp_status warp_scheduler_tick(warp_scheduler scheduler,
                                            const warp_scheduler_tick_params *params, uint32_t events,
                                            const uint32_t *event_slots, const uint8_t *event_kinds,
                                            uint32_t limit, uint32_t *slots, uint16_t *edges,
                                            uint32_t *count, uint64_t *stats);

/* The three best edges of n slots: out[3 * i ..). */
WARP_EXPORT warp_status warp_scheduler_best(warp_scheduler scheduler, uint32_t n,
                                            const uint32_t *slots, uint16_t *out);

/* Copies state out; any array may be null. */
WARP_EXPORT warp_status warp_scheduler_read(warp_scheduler scheduler, uint32_t first, uint32_t n,
                                            uint16_t *assigned, uint8_t *states, uint8_t *tries);
WARP_EXPORT warp_status warp_scheduler_read_edges(warp_scheduler scheduler, uint32_t first, uint32_t n,
                                                  uint32_t *words, int32_t *prices, uint64_t *loads);
WARP_EXPORT warp_status warp_scheduler_digest(warp_scheduler scheduler, uint64_t *digest);

#ifdef __cplusplus
}
#endif
#endif
