/* Chunk, hash, compress and seal without leaving the device: the number of chunks and all
 * lengths are known there alone, and every launch is sized for the most there can be. */
#include "aead.cuh"
#include "blake3.cuh"
#include "boundary.cuh"
#include "lz4_compress.cuh"

namespace kernels {

/* Cuts become offsets: one more, beginning with 0. */
struct RawOffsets {
  static constexpr uint32_t THREADS = 128;
  Count n;
  const uint32_t *cuts;
  uint64_t *offsets;

  WARP_FN void run(uint64_t i) const {
    if (i <= n.get()) offsets[i] = i == 0 ? 0 : cuts[i - 1];
  }
};

/* The seal key and each chunk's nonce: the last 8 bytes, plus i. */
struct Nonces {
  static constexpr uint32_t THREADS = 128;
  Count n;
  uint32_t key[KEY_BYTES / 4];
  uint32_t nonce[NONCE_BYTES / 4];
  uint32_t *key_out;
  uint32_t *nonces_out;

  WARP_FN void run(uint64_t i) const {
    if (i == 0) {
#pragma unroll
      for (uint32_t k = 0; k < KEY_BYTES / 4; k++) key_out[k] = key[k];
    }
    if (i >= n.get()) return;
    const uint64_t number = ((uint64_t)nonce[2] << 32 | nonce[1]) + i;
    nonces_out[3 * i] = nonce[0];
    nonces_out[3 * i + 1] = (uint32_t)number;
    nonces_out[3 * i + 2] = (uint32_t)(number >> 32);
  }
};

/* Codecs, and where sealed chunks go: one after the other. */
struct SealedOffsets {
  static constexpr uint32_t THREADS = 256;
  struct Shared {
    uint64_t sums[2][THREADS];
  };
  Count n;
  const uint64_t *raw_offsets;
  const uint32_t *packed; /* lengths after compression, 0 where stored; null for none */
  uint64_t *out_offsets;
  uint8_t *codecs;

  WARP_FN void run(Block<THREADS> &block, uint64_t, Shared &shared) const {
    const uint64_t count = n.get();
    uint64_t sum = 0;
    block.once([&] { out_offsets[0] = 0; });
#pragma unroll 1
    for (uint64_t first = 0; first < count; first += THREADS) {
      uint32_t side = 0;
      block.each([&](uint32_t thread) {
        shared.sums[0][thread] = first + thread < count ? place(first + thread) : 0;
      });
#pragma unroll 1
      for (uint32_t step = 1; step < THREADS; step *= 2, side ^= 1) {
        block.each([&](uint32_t thread) {
          const uint64_t before = thread < step ? 0 : shared.sums[side][thread - step];
          shared.sums[side ^ 1][thread] = shared.sums[side][thread] + before;
        });
      }
      block.each([&](uint32_t thread) {
        if (first + thread < count)
          out_offsets[first + thread + 1] = sum + shared.sums[side][thread];
      });
      sum += block.take(shared.sums[side][THREADS - 1]);
    }
  }

  /* Writes the codec, gives the sealed length. */
  WARP_FN uint64_t place(uint64_t i) const {
    const uint32_t length = packed == nullptr ? 0 : packed[i];
    codecs[i] = length == 0 ? WARP_CODEC_STORED : WARP_CODEC_LZ4;
    return TAG_BYTES + (length == 0 ? raw_offsets[i + 1] - raw_offsets[i] : length);
  }
};

namespace {

struct FusedScratch {
  uint64_t chunks; /* most there can be */
  uint64_t sealed_bytes;
  uint32_t *cuts, *packed_lengths, *key, *nonces;
  uint8_t *packed, *shared; /* shared: by boundary, BLAKE3 and AEAD, one after the other */
  size_t bytes;

  FusedScratch(const warp_fused_params *params, uint64_t length, void *scratch) {
    const uint64_t most = length / params->boundary.min + 1;
    chunks = params->capacity < most ? params->capacity : most;
    sealed_bytes = length + TAG_BYTES * chunks;
    const bool is_lz4 = params->codec == WARP_CODEC_LZ4;
    Scratch parts{(uint8_t *)scratch};
    cuts = parts.take<uint32_t>(chunks);
    packed_lengths = parts.take<uint32_t>(is_lz4 ? chunks : 0);
    key = parts.take<uint32_t>(KEY_BYTES / 4);
    nonces = parts.take<uint32_t>(NONCE_BYTES / 4 * chunks);
    packed = parts.take<uint8_t>(is_lz4 ? length : 0);
    size_t part = boundary_scratch_bytes(length);
    const size_t hash = blake3_scratch_bytes(chunks, length);
    const size_t seal = aead_scratch_bytes(chunks, sealed_bytes);
    part = hash > part ? hash : part;
    part = seal > part ? seal : part;
    shared = parts.take<uint8_t>(part);
    bytes = parts.used;
  }
};

bool accepts(const warp_fused_params *params, uint64_t length) {
  return params != nullptr && boundary_accepts(&params->boundary, length) &&
         (params->codec == WARP_CODEC_STORED || params->codec == WARP_CODEC_LZ4) &&
         (params->blake3_mode == WARP_BLAKE3_HASH || params->blake3_mode == WARP_BLAKE3_KEYED);
}

/* Cuts, offsets, ids. */
warp_status chunk_and_hash(warp_stream stream, const warp_fused_params *params,
                           const uint8_t *input, uint64_t length, uint64_t *raw_offsets,
                           uint8_t *ids, uint32_t *count, const FusedScratch &parts) {
  const Count n{parts.chunks, count};
  warp_status status =
      boundary_launch(stream, &params->boundary, input, length, params->is_last, parts.cuts,
                      (uint32_t)parts.chunks, count, parts.shared);
  if (status == WARP_OK)
    status = launch_threads(stream, RawOffsets{n, parts.cuts, raw_offsets}, parts.chunks + 1);
  Blake3Key key;
  if (status != WARP_OK || !blake3_key(params->blake3_mode, params->id_key, key)) return status;
  const uint64_t longest = params->boundary.max < length ? params->boundary.max : length;
  return blake3_queue(stream, key, input, raw_offsets, n, length, longest, ids, parts.shared);
}

/* Codecs, offsets, ciphertexts. */
warp_status compress_and_seal(warp_stream stream, const warp_fused_params *params,
                              const uint8_t *input, const uint64_t *raw_offsets, uint8_t *out,
                              uint64_t *out_offsets, uint8_t *codecs, const uint32_t *count,
                              const FusedScratch &parts) {
  const Count n{parts.chunks, count};
  const bool is_lz4 = params->codec == WARP_CODEC_LZ4;
  warp_status status = WARP_OK;
  if (is_lz4) {
    const Lz4Compress lz4{input, raw_offsets, n, parts.packed, raw_offsets, parts.packed_lengths,
                          1};
    status = launch_warps(stream, lz4, parts.chunks);
  }
  const SealedOffsets places{n, raw_offsets, is_lz4 ? parts.packed_lengths : nullptr, out_offsets,
                             codecs};
  if (status == WARP_OK) status = launch_blocks(stream, places, 1);
  Nonces nonces{n, {}, {}, parts.key, parts.nonces};
  memcpy(nonces.key, params->seal_key, KEY_BYTES);
  memcpy(nonces.nonce, params->nonce, NONCE_BYTES);
  if (status == WARP_OK) status = launch_threads(stream, nonces, parts.chunks);
  if (status != WARP_OK) return status;
  const AeadItems items{out_offsets, n,           TAG_BYTES,
                        input,       parts.packed, codecs,
                        raw_offsets, out,         out_offsets,
                        (const uint8_t *)parts.key, 0, (const uint8_t *)parts.nonces,
                        nullptr,     nullptr,     nullptr};
  return aead_queue(stream, items, parts.sealed_bytes, parts.shared);
}

} /* namespace */
} /* namespace kernels */

using namespace kernels;

size_t fused_scratch_bytes(const warp_fused_params *params, uint64_t length) {
  return accepts(params, length) ? FusedScratch(params, length, nullptr).bytes : 0;
}

warp_status fused_launch(warp_stream stream, const warp_fused_params *params, const uint8_t *input,
                         uint64_t length, uint8_t *out, uint64_t *raw_offsets,
                         uint64_t *out_offsets, uint8_t *ids, uint8_t *codecs, uint32_t *count,
                         void *scratch) {
  if (!accepts(params, length)) return WARP_EINVAL;
  const FusedScratch parts(params, length, scratch);
  const warp_status status =
      chunk_and_hash(stream, params, input, length, raw_offsets, ids, count, parts);
  if (status != WARP_OK) return status;
  return compress_and_seal(stream, params, input, raw_offsets, out, out_offsets, codecs, count,
                           parts);
}
