/* A batch of items to seal or open, as the kernels of aead.cu see it. */
#ifndef WARP_CUDA_AEAD_CUH
#define WARP_CUDA_AEAD_CUH
#include "batch.cuh"

namespace kernels {

constexpr uint32_t TAG_BYTES = 16;
constexpr uint32_t KEY_BYTES = 32;
constexpr uint32_t NONCE_BYTES = 12;

struct AeadItems {
  /* The texts' lengths are the differences of `offsets` less `overhead`. */
  const uint64_t *offsets;
  Count n;
  uint32_t overhead;
  /* Item i is read at (choice[i] != 0 ? other : base) + source[i]; choice may be null. */
  const uint8_t *base;
  const uint8_t *other;
  const uint8_t *choice;
  const uint64_t *source;
  uint8_t *out;
  const uint64_t *target;
  const uint8_t *keys;
  uint32_t key_stride;
  const uint8_t *nonces;
  const uint8_t *aad;
  const uint64_t *aad_offsets;
  uint8_t *statuses; /* of open; null for seal */

  WARP_FN bool is_open() const { return statuses != nullptr; }
  WARP_FN uint64_t text_bytes(uint64_t i) const {
    const uint64_t length = offsets[i + 1] - offsets[i];
    return length < overhead ? 0 : length - overhead;
  }
  WARP_FN const uint8_t *input(uint64_t i) const {
    return (choice != nullptr && choice[i] != 0 ? other : base) + source[i];
  }
  WARP_FN uint8_t *output(uint64_t i) const { return out + target[i]; }
  WARP_FN const uint8_t *ciphertext(uint64_t i) const { return is_open() ? input(i) : output(i); }
  WARP_FN const uint8_t *key(uint64_t i) const { return keys + (size_t)key_stride * i; }
  WARP_FN const uint8_t *nonce(uint64_t i) const { return nonces + NONCE_BYTES * i; }
};

/* Seals, or opens where `statuses` is set. `bytes` >= offsets[n] - offsets[0]; scratch as for
 * aead_scratch_bytes(n.most, bytes). */
warp_status aead_queue(warp_stream stream, const AeadItems &items, uint64_t bytes, void *scratch);

} /* namespace kernels */
#endif
