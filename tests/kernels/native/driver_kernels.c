/* Boundary, BLAKE3, entropy and the fused call. */
#include "driver.h"

static warp_boundary_params some_params(uint64_t *state) {
  const uint32_t bits = 8 + (uint32_t)(next_word(state) % 9), avg = 1u << bits;
  warp_boundary_params params = {sizeof params, bits, 64 + (uint32_t)next_word(state) % (avg - 63),
                                 avg + (uint32_t)next_word(state) % (3 * avg), {0}};
  /* Every other table matches everywhere. */
  const int is_degenerate = next_word(state) % 2 == 0;
  for (int i = 0; i < 32; i++)
    params.table[i] =
        is_degenerate ? (i < 16 ? 0x00010001u : 0) : (uint32_t)(next_word(state) >> 32);
  return params;
}

static void cut_once(warp_context context, int as_job, size_t length, uint64_t *state) {
  warp_job job = 0;
  warp_status status;
  const warp_boundary_params params = some_params(state);
  const uint32_t capacity = (uint32_t)(length / params.min) + 1;
  uint8_t *input = some_bytes(length, state);
  uint32_t *cuts = exactly(capacity * sizeof *cuts), count = 0;
  EXPECT(CALL(warp_boundary, &params, input, length, 1, cuts, capacity, &count) == WARP_OK);
  EXPECT(length == 0 ? count == 0 : cuts[count - 1] == length);
  uint32_t *few = exactly(count / 2 * sizeof *few), few_count = 0;
  if (count > 1)
    EXPECT(CALL(warp_boundary, &params, input, length, 1, few, count / 2, &few_count) ==
           WARP_ENOSPC);
  EXPECT(CALL(warp_boundary, &params, input, length, 0, cuts, capacity, &count) == WARP_OK);
  free(few);
  free(cuts);
  free(input);
}

void drive_boundary(warp_context context, int as_job, uint64_t *state) {
  static const size_t lengths[] = {0, 1, 47, 48, 63, 64, 65, 1000, 4097, 100003, 1048576 + 47};
  for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
    cut_once(context, as_job, lengths[i], state);
}

static void merkle_once(warp_context context, int as_job, uint64_t n, uint64_t *state) {
  warp_job job = 0;
  warp_status status;
  uint64_t nodes = 0;
  for (uint64_t level = n; level > 1; level = (level + 1) / 2) nodes += (level + 1) / 2;
  uint8_t *key = some_bytes(32, state), *leaves = some_bytes(32 * n, state);
  uint8_t *out = exactly(32 * nodes);
  EXPECT(CALL(warp_merkle, key, leaves, n, out) == WARP_OK);
  free(key);
  free(leaves);
  free(out);
}

static void hash_batch(warp_context context, int as_job, uint64_t n, uint32_t most,
                       uint64_t *state) {
  warp_job job = 0;
  warp_status status;
  struct batch batch = some_batch(n, most, state);
  uint8_t *key = some_bytes(32, state), *out = exactly(32 * n), one[32];
  for (uint32_t mode = 0; mode <= WARP_BLAKE3_CONTEXT; mode++)
    EXPECT(CALL(warp_blake3, mode, key, batch.base, batch.offsets, n, out) == WARP_OK);
  /* Extendable output begins with the digest. */
  for (uint64_t i = 0; i < n && i < 20; i++) {
    const uint64_t length = batch.offsets[i + 1] - batch.offsets[i];
    EXPECT(warp_blake3_xof(WARP_BLAKE3_CONTEXT, NULL, batch.base + batch.offsets[i], length, one,
                           32) == WARP_OK);
    EXPECT(memcmp(one, out + 32 * i, 32) == 0);
  }
  free(key);
  free(out);
  free_batch(&batch);
}

void drive_blake3(warp_context context, int as_job, uint64_t *state) {
  warp_job job = 0;
  warp_status status;
  static const uint64_t leaves[] = {1, 2, 3, 7, 8, 9, 33, 257, 8195};
  for (size_t i = 0; i < sizeof leaves / sizeof *leaves; i++)
    merkle_once(context, as_job, leaves[i], state);
  hash_batch(context, as_job, 1, 0, state);
  hash_batch(context, as_job, 600, 64, state);
  hash_batch(context, as_job, 150, 5000, state);
  hash_batch(context, as_job, 2, 600000, state);
  EXPECT(CALL(warp_blake3, 0, NULL, NULL, NULL, 0, NULL) == WARP_OK);
  const uint64_t nothing[3] = {0, 0, 0};
  uint8_t *digests = exactly(64), *more = exactly(131), *input = some_bytes(3001, state);
  EXPECT(CALL(warp_blake3, 0, NULL, NULL, nothing, 2, digests) == WARP_OK);
  for (uint64_t length = 0; length <= 3001; length += 3001)
    for (uint64_t want = 0; want <= 131; want += 131)
      EXPECT(warp_blake3_xof(WARP_BLAKE3_HASH, NULL, input, length, more, want) == WARP_OK);
  free(digests);
  free(more);
  free(input);
}

void drive_entropy(warp_context context, int as_job, uint64_t *state) {
  warp_job job = 0;
  warp_status status;
  struct batch batch = some_batch(200, 6000, state);
  uint16_t *out = exactly(batch.n * sizeof *out);
  static const uint32_t samples[] = {0, 1, 4096};
  for (int i = 0; i < 3; i++) {
    EXPECT(CALL(warp_entropy, batch.base, batch.offsets, batch.n, samples[i], out) == WARP_OK);
    for (uint64_t k = 0; k < batch.n; k++) EXPECT(out[k] <= 8000);
  }
  free(out);
  free_batch(&batch);
}

static void fuse_once(warp_context context, int as_job, size_t length, uint64_t *state) {
  warp_job job = 0;
  warp_status status;
  warp_fused_params params = {.size = sizeof params, .is_last = 1, .boundary = some_params(state)};
  params.codec = (uint32_t)(next_word(state) % 2);
  params.blake3_mode = (uint32_t)(next_word(state) % 2);
  memset(params.nonce, 255, sizeof params.nonce);
  params.capacity = (uint32_t)(length / params.boundary.min) + 1;
  const uint64_t room = length + 16 * (uint64_t)params.capacity;
  uint8_t *input = some_bytes(length, state), *out = exactly(room);
  uint64_t *raw = exactly(8 * ((size_t)params.capacity + 1));
  uint64_t *sealed = exactly(8 * ((size_t)params.capacity + 1));
  uint8_t *ids = exactly(32 * (size_t)params.capacity), *codecs = exactly(params.capacity);
  uint32_t count = 0;
  EXPECT(CALL(warp_fused, &params, input, length, out, room, raw, sealed, ids, codecs, &count) ==
         WARP_OK);
  EXPECT(raw[count] == length && sealed[count] <= length + 16 * (uint64_t)count);
  if (count > 0) {
    const uint32_t chunks = count;
    EXPECT(CALL(warp_fused, &params, input, length, out, length + 16 * (uint64_t)chunks - 1, raw,
                sealed, ids, codecs, &count) == WARP_ENOSPC);
    params.capacity = chunks - 1;
    EXPECT(CALL(warp_fused, &params, input, length, out, room, raw, sealed, ids, codecs,
                &count) == WARP_ENOSPC);
  }
  free(input);
  free(out);
  free(raw);
  free(sealed);
  free(ids);
  free(codecs);
}

void drive_fused(warp_context context, int as_job, uint64_t *state) {
  static const size_t lengths[] = {0, 1, 63, 64, 65, 5000, 100003, 1048576 + 99};
  for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
    fuse_once(context, as_job, lengths[i], state);
}
