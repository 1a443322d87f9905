/* The operations: arguments are checked here, then run as jobs. */
#include "abi.h"

using namespace warp;

namespace {

/* RFC 8439: a block counter of 32 bits that begins at 1. */
constexpr uint64_t AEAD_BYTES_MOST = (uint64_t{1} << 38) - 64;
constexpr uint64_t TAG_BYTES = 16;
constexpr uint64_t ENTROPY_BYTES_MOST = 64 << 20;
constexpr uint32_t CHUNK_BYTES_MOST = 64 << 20;

bool is_aead(const AeadArguments &of) {
  const uint64_t n = of.batch.n;
  if (!is_batch(of.batch)) return false;
  if (n == 0) return true;
  if (of.keys == nullptr || of.nonces == nullptr || of.out_offsets == nullptr ||
      (of.key_stride != 0 && of.key_stride != 32) || (of.is_open && of.statuses == nullptr)) {
    return false;
  }
  bool has_output = false;
  for (uint64_t i = 0; i < n; i++) {
    const uint64_t length = of.batch.length(i);
    if (of.out_offsets[i] > BYTES_MOST || length > AEAD_BYTES_MOST + TAG_BYTES) return false;
    if (!of.is_open && length > AEAD_BYTES_MOST) return false;
    has_output |= !of.is_open || length > TAG_BYTES;
  }
  return !has_output || of.out != nullptr;
}

warp_status run_aead(warp_context context, AeadArguments of, const uint8_t *aad,
                     const uint64_t *aad_offsets, warp_job *job) {
  bool is_valid = is_aead(of);
  if (aad_offsets != nullptr) {
    of.aad = {aad, aad_offsets, of.batch.n};
    is_valid = is_valid && is_batch(of.aad);
  } else {
    is_valid = is_valid && aad == nullptr;
  }
  return run(context, is_valid, job,
             [&](Context &on) { return aead_operation(of, on.piece_bytes()); });
}

bool is_boundary(const warp_boundary_params &params) {
  if (params.size < sizeof params || params.avg_bits < 8 || params.avg_bits > 24) return false;
  const uint32_t average = 1u << params.avg_bits;
  return params.min >= 64 && params.min <= average && average <= params.max &&
         params.max <= CHUNK_BYTES_MOST;
}

bool is_fused(const FusedArguments &of) {
  const warp_fused_params &params = of.params;
  const bool is_known =
      (params.codec == WARP_CODEC_STORED || params.codec == WARP_CODEC_LZ4) &&
      (params.blake3_mode == WARP_BLAKE3_HASH || params.blake3_mode == WARP_BLAKE3_KEYED);
  const bool has_arrays = of.raw_offsets != nullptr && of.out_offsets != nullptr &&
                          of.count != nullptr &&
                          (params.capacity == 0 || (of.ids != nullptr && of.codecs != nullptr));
  const bool has_data = of.length == 0 || (of.input != nullptr && of.out != nullptr);
  return is_known && has_arrays && has_data && of.length <= BYTES_MOST &&
         is_boundary(params.boundary);
}

/* WARP_OK for codecs that this library has. */
warp_status check_codec(uint32_t codec, const uint8_t *dictionary, uint64_t dictionary_length) {
  if (codec == WARP_CODEC_ZSTD) return WARP_ENOTSUP;
  const bool has_dictionary = dictionary != nullptr || dictionary_length != 0;
  return codec == WARP_CODEC_LZ4 && !has_dictionary ? WARP_OK : WARP_EINVAL;
}

warp_status run_codec(warp_context context, uint32_t codec, const uint8_t *dictionary,
                      uint64_t dictionary_length, const CodecArguments &of, bool has_results,
                      warp_job *job) {
  const warp_status status = check_codec(codec, dictionary, dictionary_length);
  if (status == WARP_ENOTSUP) return status;
  const uint64_t n = of.batch.n;
  const bool is_valid = status == WARP_OK && is_batch(of.batch) &&
                        is_batch({of.out, of.out_offsets, n}) && (n == 0 || has_results);
  return run(context, is_valid, job,
             [&](Context &on) { return lz4_operation(of, on.piece_bytes()); });
}

}  // namespace

extern "C" {

warp_status warp_boundary(warp_context context, const warp_boundary_params *params,
                          const uint8_t *input, uint64_t length, uint32_t is_last, uint32_t *cuts,
                          uint32_t capacity, uint32_t *count, warp_job *job) {
  const bool is_valid = params != nullptr && is_boundary(*params) && length <= UINT32_MAX &&
                        (length == 0 || input != nullptr) && (capacity == 0 || cuts != nullptr) &&
                        count != nullptr;
  if (count != nullptr) *count = 0;
  return run(context, is_valid, job, [&](Context &on) {
    return boundary_operation({*params, input, length, is_last != 0, cuts, capacity, count},
                              on.window_limits());
  });
}

warp_status warp_blake3(warp_context context, uint32_t mode, const uint8_t *key,
                        const uint8_t *base, const uint64_t *offsets, uint64_t n, uint8_t *out,
                        warp_job *job) {
  const Batch batch = {base, offsets, n};
  const bool takes_key = mode == WARP_BLAKE3_KEYED || mode == WARP_BLAKE3_DERIVE;
  const bool is_valid = mode <= WARP_BLAKE3_CONTEXT && (!takes_key || key != nullptr) &&
                        is_batch(batch) && (n == 0 || out != nullptr);
  return run(context, is_valid, job, [&](Context &on) {
    return blake3_operation(mode, takes_key ? key : nullptr, batch, out, on.piece_bytes());
  });
}

warp_status warp_merkle(warp_context context, const uint8_t *key, const uint8_t *leaves, uint64_t n,
                        uint8_t *out, warp_job *job) {
  const bool is_valid = key != nullptr && n != 0 && n <= ITEMS_MOST && leaves != nullptr &&
                        (n == 1 || out != nullptr);
  return run(context, is_valid, job,
             [&](Context &) { return merkle_operation(key, leaves, n, out); });
}

warp_status warp_seal(warp_context context, const uint8_t *base, const uint64_t *offsets,
                      uint64_t n, const uint8_t *keys, uint32_t key_stride, const uint8_t *nonces,
                      const uint8_t *aad, const uint64_t *aad_offsets, uint8_t *out,
                      const uint64_t *out_offsets, warp_job *job) {
  const Batch batch = {base, offsets, n};
  return run_aead(context,
                  {false, batch, keys, key_stride, nonces, {}, out, out_offsets, nullptr}, aad,
                  aad_offsets, job);
}

warp_status warp_open(warp_context context, const uint8_t *base, const uint64_t *offsets,
                      uint64_t n, const uint8_t *keys, uint32_t key_stride, const uint8_t *nonces,
                      const uint8_t *aad, const uint64_t *aad_offsets, uint8_t *out,
                      const uint64_t *out_offsets, uint8_t *statuses, warp_job *job) {
  const Batch batch = {base, offsets, n};
  return run_aead(context,
                  {true, batch, keys, key_stride, nonces, {}, out, out_offsets, statuses}, aad,
                  aad_offsets, job);
}

warp_status warp_compress(warp_context context, uint32_t codec, int32_t, const uint8_t *dictionary,
                          uint64_t dictionary_length, const uint8_t *base, const uint64_t *offsets,
                          uint64_t n, uint8_t *out, const uint64_t *out_offsets, uint32_t *lengths,
                          warp_job *job) {
  return run_codec(context, codec, dictionary, dictionary_length,
                   {false, {base, offsets, n}, out, out_offsets, lengths, nullptr},
                   lengths != nullptr, job);
}

warp_status warp_decompress(warp_context context, uint32_t codec, const uint8_t *dictionary,
                            uint64_t dictionary_length, const uint8_t *base,
                            const uint64_t *offsets, uint64_t n, uint8_t *out,
                            const uint64_t *out_offsets, uint8_t *statuses, warp_job *job) {
  return run_codec(context, codec, dictionary, dictionary_length,
                   {true, {base, offsets, n}, out, out_offsets, nullptr, statuses},
                   statuses != nullptr, job);
}

warp_status warp_entropy(warp_context context, const uint8_t *base, const uint64_t *offsets,
                         uint64_t n, uint32_t sample, uint16_t *out, warp_job *job) {
  const Batch batch = {base, offsets, n};
  bool is_valid = is_batch(batch) && (n == 0 || out != nullptr);
  for (uint64_t i = 0; is_valid && i < n; i++) {
    const uint64_t length = batch.length(i);
    is_valid = (sample == 0 ? length : std::min<uint64_t>(length, sample)) <= ENTROPY_BYTES_MOST;
  }
  return run(context, is_valid, job, [&](Context &on) {
    return entropy_operation(batch, sample, out, on.piece_bytes());
  });
}

warp_status warp_fused(warp_context context, const warp_fused_params *params, const uint8_t *input,
                       uint64_t length, uint8_t *out, uint64_t out_capacity, uint64_t *raw_offsets,
                       uint64_t *out_offsets, uint8_t *ids, uint8_t *codecs, uint32_t *count,
                       warp_job *job) {
  if (params == nullptr || params->size < sizeof *params) return WARP_EINVAL;
  const FusedArguments of = {*params, input, length, out, raw_offsets, out_offsets,
                             ids,     codecs, count};
  const bool is_valid = is_fused(of);
  if (is_valid) {
    const uint64_t chunks =
        std::min<uint64_t>(params->capacity, length / params->boundary.min + 1);
    if (length != 0 && out_capacity < length + TAG_BYTES * chunks) return WARP_ENOSPC;
    *count = 0;
    raw_offsets[0] = out_offsets[0] = 0;
  }
  return run(context, is_valid, job,
             [&](Context &on) { return fused_operation(of, on.window_limits()); });
}

}  // extern "C"
