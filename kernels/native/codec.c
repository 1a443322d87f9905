/* LZ4 and zstd by the system's libraries: nobody's own code is faster. Contexts are kept by thread, and
 * a dictionary's tables by thread too, for as long as the same dictionary comes. */
#define _GNU_SOURCE
#include "codec.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "run.h"

#define INPUT_BYTES_MAX 0x7e000000u

static struct {
  int (*version)(void);
  int (*compress)(const char *, char *, int, int);
  int (*decompress)(const char *, char *, int, int);
} lz4;

static struct {
  unsigned (*version)(void);
  void *(*new_compressor)(void);
  void *(*new_decompressor)(void);
  size_t (*free_compressor)(void *);
  size_t (*free_decompressor)(void *);
  size_t (*compress)(void *, void *, size_t, const void *, size_t, int);
  size_t (*compress_with)(void *, void *, size_t, const void *, size_t, const void *);
  size_t (*decompress)(void *, void *, size_t, const void *, size_t);
  size_t (*decompress_with)(void *, void *, size_t, const void *, size_t, const void *);
  void *(*new_compressor_table)(const void *, size_t, int);
  void *(*new_decompressor_table)(const void *, size_t);
  size_t (*free_compressor_table)(void *);
  size_t (*free_decompressor_table)(void *);
} zstd;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t state_key;
static int has_lz4, has_zstd;

static void *open_first(const char *const *names) {
  void *library = NULL;
  for (; library == NULL && *names != NULL; names++) library = dlopen(*names, RTLD_NOW | RTLD_LOCAL);
  return library;
}

static int find(void *library, const char *name, void *pointer) {
  void *symbol = dlsym(library, name);
  memcpy(pointer, &symbol, sizeof symbol);
  return symbol != NULL;
}

/* What one thread keeps. */
struct state {
  void *compressor, *decompressor;
  void *compressor_table, *decompressor_table;
  uint8_t *dictionary; /* a copy: the caller's memory may change */
  uint64_t dictionary_length;
  int32_t level;
};

static void forget_dictionary(struct state *state) {
  if (state->compressor_table != NULL) zstd.free_compressor_table(state->compressor_table);
  if (state->decompressor_table != NULL) zstd.free_decompressor_table(state->decompressor_table);
  free(state->dictionary);
  state->compressor_table = state->decompressor_table = NULL;
  state->dictionary = NULL;
}

static void free_state(void *pointer) {
  struct state *state = pointer;
  forget_dictionary(state);
  if (state->compressor != NULL) zstd.free_compressor(state->compressor);
  if (state->decompressor != NULL) zstd.free_decompressor(state->decompressor);
  free(state);
}

static void open_libraries(void) {
  static const char *const lz4_names[] = {
      "liblz4.so.1", "/opt/homebrew/opt/lz4/lib/liblz4.1.dylib",
      "/usr/local/opt/lz4/lib/liblz4.1.dylib", NULL};
  static const char *const zstd_names[] = {
      "libzstd.so.1", "/opt/homebrew/opt/zstd/lib/libzstd.1.dylib",
      "/usr/local/opt/zstd/lib/libzstd.1.dylib", NULL};
  void *library = open_first(lz4_names);
  has_lz4 = library != NULL && find(library, "LZ4_versionNumber", &lz4.version) &&
            find(library, "LZ4_compress_default", &lz4.compress) &&
            find(library, "LZ4_decompress_safe", &lz4.decompress);
  library = open_first(zstd_names);
  has_zstd = library != NULL && find(library, "ZSTD_versionNumber", &zstd.version) &&
             find(library, "ZSTD_createCCtx", &zstd.new_compressor) &&
             find(library, "ZSTD_createDCtx", &zstd.new_decompressor) &&
             find(library, "ZSTD_freeCCtx", &zstd.free_compressor) &&
             find(library, "ZSTD_freeDCtx", &zstd.free_decompressor) &&
             find(library, "ZSTD_compressCCtx", &zstd.compress) &&
             find(library, "ZSTD_compress_usingCDict", &zstd.compress_with) &&
             find(library, "ZSTD_decompressDCtx", &zstd.decompress) &&
             find(library, "ZSTD_decompress_usingDDict", &zstd.decompress_with) &&
             find(library, "ZSTD_createCDict", &zstd.new_compressor_table) &&
             find(library, "ZSTD_createDDict", &zstd.new_decompressor_table) &&
             find(library, "ZSTD_freeCDict", &zstd.free_compressor_table) &&
             find(library, "ZSTD_freeDDict", &zstd.free_decompressor_table) &&
             zstd.version() >= 10400;
  if (pthread_key_create(&state_key, free_state) != 0) has_zstd = 0;
}

int lz4_version(void) {
  pthread_once(&once, open_libraries);
  return has_lz4 ? lz4.version() : 0;
}

int zstd_version(void) {
  pthread_once(&once, open_libraries);
  return has_zstd ? (int)zstd.version() : 0;
}

/* ---- one block ----------------------------------------------------------------------------------- */

uint32_t lz4_pack(const uint8_t *input, uint64_t length, uint8_t *out, uint64_t capacity) {
  if (length > INPUT_BYTES_MAX) return 0;
  const int room = capacity > INT32_MAX ? INT32_MAX : (int)capacity;
  const int used = lz4.compress((const char *)input, (char *)out, (int)length, room);
  return used > 0 ? (uint32_t)used : 0;
}

int lz4_unpack(const uint8_t *input, uint64_t length, uint8_t *out, uint64_t out_length) {
  if (length > INT32_MAX || out_length > INPUT_BYTES_MAX) return 0;
  const int used =
      lz4.decompress((const char *)input, (char *)out, (int)length, (int)out_length);
  return used >= 0 && (uint64_t)used == out_length;
}

/* The thread's contexts and tables for `dictionary`; null without memory. */
static struct state *state_for(const uint8_t *dictionary, uint64_t length) {
  struct state *state = pthread_getspecific(state_key);
  if (state == NULL) {
    state = calloc(1, sizeof *state);
    if (state == NULL) return NULL;
    if (pthread_setspecific(state_key, state) != 0) {
      free(state);
      return NULL;
    }
  }
  if (state->compressor == NULL) state->compressor = zstd.new_compressor();
  if (state->decompressor == NULL) state->decompressor = zstd.new_decompressor();
  if (state->compressor == NULL || state->decompressor == NULL) return NULL;
  if (dictionary == NULL) return state;
  const int is_same = state->dictionary != NULL && state->dictionary_length == length &&
                      memcmp(state->dictionary, dictionary, length) == 0;
  if (is_same) return state;
  forget_dictionary(state);
  state->dictionary = malloc(length);
  if (state->dictionary == NULL) return NULL;
  memcpy(state->dictionary, dictionary, length);
  state->dictionary_length = length;
  return state;
}

static void *compressor_table(struct state *state, int32_t level) {
  if (state->compressor_table != NULL && state->level != level) {
    zstd.free_compressor_table(state->compressor_table);
    state->compressor_table = NULL;
  }
  state->level = level;
  if (state->compressor_table == NULL)
    state->compressor_table =
        zstd.new_compressor_table(state->dictionary, state->dictionary_length, level);
  return state->compressor_table;
}

static void *decompressor_table(struct state *state) {
  if (state->decompressor_table == NULL)
    state->decompressor_table =
        zstd.new_decompressor_table(state->dictionary, state->dictionary_length);
  return state->decompressor_table;
}

/* ---- batches ------------------------------------------------------------------------------------- */

struct codec_arguments {
  uint32_t codec;
  int32_t level;
  const uint8_t *dictionary;
  uint64_t dictionary_length;
  const uint8_t *base;
  const uint64_t *offsets;
  uint64_t n;
  uint8_t *out;
  const uint64_t *out_offsets;
  uint32_t *lengths;
  uint8_t *statuses;
};

static uint32_t zstd_pack(const struct codec_arguments *a, const uint8_t *input, uint64_t length,
                          uint8_t *out, uint64_t capacity) {
  struct state *state = state_for(a->dictionary, a->dictionary_length);
  if (state == NULL) return 0;
  size_t used;
  if (a->dictionary == NULL) {
    used = zstd.compress(state->compressor, out, capacity, input, length, a->level);
  } else {
    void *prepared = compressor_table(state, a->level);
    if (prepared == NULL) return 0;
    used = zstd.compress_with(state->compressor, out, capacity, input, length, prepared);
  }
  /* Errors are the topmost values of size_t. */
  return used <= capacity && used <= UINT32_MAX ? (uint32_t)used : 0;
}

static int zstd_unpack(const struct codec_arguments *a, const uint8_t *input, uint64_t length,
                       uint8_t *out, uint64_t out_length) {
  struct state *state = state_for(a->dictionary, a->dictionary_length);
  /* libzstd takes no bytes at all for no frames at all. */
  if (state == NULL || length == 0) return 0;
  if (a->dictionary == NULL)
    return zstd.decompress(state->decompressor, out, out_length, input, length) == out_length;
  void *prepared = decompressor_table(state);
  return prepared != NULL && zstd.decompress_with(state->decompressor, out, out_length, input,
                                                  length, prepared) == out_length;
}

static void pack_one(const struct codec_arguments *a, uint64_t i) {
  const uint8_t *input = a->base + a->offsets[i];
  uint8_t *out = a->out + a->out_offsets[i];
  const uint64_t length = a->offsets[i + 1] - a->offsets[i];
  const uint64_t capacity = a->out_offsets[i + 1] - a->out_offsets[i];
  a->lengths[i] = a->codec == WARP_CODEC_LZ4 ? lz4_pack(input, length, out, capacity)
                                             : zstd_pack(a, input, length, out, capacity);
}

static void unpack_one(const struct codec_arguments *a, uint64_t i) {
  const uint8_t *input = a->base + a->offsets[i];
  uint8_t *out = a->out + a->out_offsets[i];
  const uint64_t length = a->offsets[i + 1] - a->offsets[i];
  const uint64_t out_length = a->out_offsets[i + 1] - a->out_offsets[i];
  const int is_good = a->codec == WARP_CODEC_LZ4 ? lz4_unpack(input, length, out, out_length)
                                                 : zstd_unpack(a, input, length, out, out_length);
  a->statuses[i] = is_good ? 0 : 1;
}

static void pack_items(void *argument, uint64_t first, uint64_t end) {
  for (uint64_t i = first; i < end; i++) pack_one(argument, i);
}

static void unpack_items(void *argument, uint64_t first, uint64_t end) {
  for (uint64_t i = first; i < end; i++) unpack_one(argument, i);
}

static warp_status run_compress(void *arguments, int is_parallel) {
  const struct codec_arguments *a = arguments;
  warp_for_ranges(is_parallel, a->n, pack_items, arguments);
  return WARP_OK;
}

static warp_status run_decompress(void *arguments, int is_parallel) {
  const struct codec_arguments *a = arguments;
  warp_for_ranges(is_parallel, a->n, unpack_items, arguments);
  uint64_t bad = 0;
  for (uint64_t i = 0; i < a->n; i++) bad += a->statuses[i];
  if (bad == 0) return WARP_OK;
  warp_note("decompress: %llu of %llu items do not decode", (unsigned long long)bad,
            (unsigned long long)a->n);
  return WARP_EDATA;
}

static warp_status check(const struct codec_arguments *a, const void *results) {
  if (a->codec != WARP_CODEC_LZ4 && a->codec != WARP_CODEC_ZSTD) return WARP_EINVAL;
  if (a->codec == WARP_CODEC_ZSTD && (a->level < -7 || a->level > 22)) return WARP_EINVAL;
  if (a->dictionary != NULL && (a->codec != WARP_CODEC_ZSTD || a->dictionary_length < 8))
    return WARP_EINVAL;
  if ((a->codec == WARP_CODEC_LZ4 ? lz4_version() : zstd_version()) == 0) return WARP_ENOTSUP;
  if (a->n == 0) return WARP_OK;
  if (a->n > UINT32_MAX || a->offsets == NULL || a->out_offsets == NULL || results == NULL)
    return WARP_EINVAL;
  if (a->base == NULL && a->offsets[a->n] != 0) return WARP_EINVAL;
  if (a->out == NULL && a->out_offsets[a->n] != 0) return WARP_EINVAL;
  return warp_ascend(a->offsets, a->n) && warp_ascend(a->out_offsets, a->n) ? WARP_OK : WARP_EINVAL;
}

warp_status warp_compress(warp_context context, uint32_t codec, int32_t level,
                          const uint8_t *dictionary, uint64_t dictionary_length,
                          const uint8_t *base, const uint64_t *offsets, uint64_t n, uint8_t *out,
                          const uint64_t *out_offsets, uint32_t *lengths, warp_job *job) {
  const struct codec_arguments a = {codec, level, dictionary, dictionary_length, base, offsets,
                                    n, out, out_offsets, lengths, NULL};
  const warp_status status = check(&a, lengths);
  return status == WARP_OK ? warp_run(context, run_compress, &a, sizeof a, job) : status;
}

warp_status warp_decompress(warp_context context, uint32_t codec, const uint8_t *dictionary,
                            uint64_t dictionary_length, const uint8_t *base,
                            const uint64_t *offsets, uint64_t n, uint8_t *out,
                            const uint64_t *out_offsets, uint8_t *statuses, warp_job *job) {
  const struct codec_arguments a = {codec, 0, dictionary, dictionary_length, base, offsets,
                                    n, out, out_offsets, NULL, statuses};
  const warp_status status = check(&a, statuses);
  return status == WARP_OK ? warp_run(context, run_decompress, &a, sizeof a, job) : status;
}
