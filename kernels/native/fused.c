/* Cut, hash, compress and seal a stretch of input. After the cuts are known, groups of chunks that fit a
 * core's cache go through the other steps one after another, so that memory is read once. */
#include <stdlib.h>
#include <string.h>

#include "aead.h"
#include "blake3.h"
#include "boundary.h"
#include "codec.h"
#include "run.h"

#define GROUP_BYTES ((uint64_t)256 * 1024)
#define TAG_BYTES 16u

struct fused_arguments {
  warp_fused_params params;
  const uint8_t *input;
  uint64_t length;
  uint8_t *out;
  uint64_t out_capacity;
  uint64_t *raw_offsets, *out_offsets;
  uint8_t *ids, *codecs;
  uint32_t *count;
};

struct groups {
  const struct fused_arguments *a;
  uint32_t *first; /* of group i; one more than groups */
  uint32_t *lengths; /* sealed bytes of chunk i */
};

static void nonce_of(const warp_fused_params *params, uint32_t chunk, uint8_t nonce[12]) {
  uint64_t counter;
  memcpy(nonce, params->nonce, 12);
  memcpy(&counter, nonce + 4, 8);
  counter += chunk;
  memcpy(nonce + 4, &counter, 8);
}

/* Chunk i has its place as if nothing shrank; gaps are closed afterwards. */
static uint8_t *place_of(const struct fused_arguments *a, uint32_t i) {
  return a->out + a->raw_offsets[i] + (uint64_t)TAG_BYTES * i;
}

static void seal_chunk(const struct groups *groups, uint32_t i) {
  const struct fused_arguments *a = groups->a;
  const uint8_t *plaintext = a->input + a->raw_offsets[i];
  uint64_t length = a->raw_offsets[i + 1] - a->raw_offsets[i];
  uint8_t *place = place_of(a, i);
  uint8_t nonce[12];
  a->codecs[i] = WARP_CODEC_STORED;
  if (a->params.codec == WARP_CODEC_LZ4) {
    const uint32_t used = lz4_pack(plaintext, length, place, length - 1);
    if (used != 0) {
      a->codecs[i] = WARP_CODEC_LZ4;
      plaintext = place;
      length = used;
    }
  }
  nonce_of(&a->params, i, nonce);
  aead_seal(a->params.seal_key, nonce, NULL, 0, plaintext, length, place);
  groups->lengths[i] = (uint32_t)length + TAG_BYTES;
}

static void run_group(void *argument, uint32_t index) {
  const struct groups *groups = argument;
  const struct fused_arguments *a = groups->a;
  const uint32_t first = groups->first[index], end = groups->first[index + 1];
  blake3_hash_many(a->params.blake3_mode, a->params.id_key, a->input, a->raw_offsets + first,
                   end - first, a->ids + (uint64_t)32 * first, 0);
  for (uint32_t i = first; i < end; i++) seal_chunk(groups, i);
}

static uint32_t group_chunks(const struct fused_arguments *a, uint32_t chunks, uint32_t *first) {
  uint32_t groups = 0;
  uint64_t bytes = GROUP_BYTES;
  for (uint32_t i = 0; i < chunks; i++) {
    if (bytes >= GROUP_BYTES) {
      first[groups++] = i;
      bytes = 0;
    }
    bytes += a->raw_offsets[i + 1] - a->raw_offsets[i];
  }
  first[groups] = chunks;
  return groups;
}

/* Widens the cuts to offsets. */
static void widen(const struct fused_arguments *a, uint32_t chunks) {
  const uint32_t *cuts = (const uint32_t *)a->out_offsets;
  a->raw_offsets[0] = 0;
  for (uint32_t i = 0; i < chunks; i++) a->raw_offsets[i + 1] = cuts[i];
}

static void close_gaps(const struct groups *groups, uint32_t chunks) {
  const struct fused_arguments *a = groups->a;
  uint64_t at = 0;
  for (uint32_t i = 0; i < chunks; i++) {
    const uint8_t *place = place_of(a, i);
    if (a->out + at != place) memmove(a->out + at, place, groups->lengths[i]);
    a->out_offsets[i] = at;
    at += groups->lengths[i];
  }
  a->out_offsets[chunks] = at;
}

static warp_status run_fused(void *arguments, int is_parallel) {
  const struct fused_arguments *a = arguments;
  const warp_fused_params *params = &a->params;
  uint32_t chunks = 0;
  /* The second array of offsets is not written before the cuts have been taken out of it. */
  const warp_status status =
      boundary_cut(&params->boundary, a->input, a->length, params->is_last, is_parallel,
                   (uint32_t *)a->out_offsets, params->capacity, &chunks);
  if (status != WARP_OK) return status;
  widen(a, chunks);
  if (a->raw_offsets[chunks] + (uint64_t)TAG_BYTES * chunks > a->out_capacity) return WARP_ENOSPC;
  uint32_t *memory = malloc(((size_t)chunks * 2 + 2) * sizeof *memory);
  if (memory == NULL) return WARP_ENOMEM;
  const struct groups groups = {a, memory, memory + chunks + 1};
  warp_for(is_parallel, group_chunks(a, chunks, groups.first), run_group, (void *)&groups);
  close_gaps(&groups, chunks);
  free(memory);
  *a->count = chunks;
  return WARP_OK;
}

warp_status warp_fused(warp_context context, const warp_fused_params *params, const uint8_t *input,
                       uint64_t length, uint8_t *out, uint64_t out_capacity,
                       uint64_t *raw_offsets, uint64_t *out_offsets, uint8_t *ids,
                       uint8_t *codecs, uint32_t *count, warp_job *job) {
  if (params == NULL || params->size < sizeof *params || !boundary_are_valid(&params->boundary))
    return WARP_EINVAL;
  if (params->codec != WARP_CODEC_STORED && params->codec != WARP_CODEC_LZ4) return WARP_EINVAL;
  if (params->blake3_mode > WARP_BLAKE3_KEYED || length > UINT32_MAX) return WARP_EINVAL;
  if ((input == NULL && length != 0) || out == NULL || raw_offsets == NULL ||
      out_offsets == NULL || ids == NULL || codecs == NULL || count == NULL)
    return WARP_EINVAL;
  if (params->codec == WARP_CODEC_LZ4 && lz4_version() == 0) return WARP_ENOTSUP;
  *count = 0;
  const struct fused_arguments a = {*params, input, length, out, out_capacity,
                                    raw_offsets, out_offsets, ids, codecs, count};
  return warp_run(context, run_fused, &a, sizeof a, job);
}
