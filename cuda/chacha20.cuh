/* The ChaCha20 block function, for one thread: RFC 8439 section 2.3. */
#ifndef WARP_CUDA_CHACHA20_CUH
#define WARP_CUDA_CHACHA20_CUH
#include "memory.cuh"

namespace kernels {

constexpr uint32_t CHACHA_BLOCK_BYTES = 64;

WARP_FN void chacha_quarter(uint32_t &a, uint32_t &b, uint32_t &c, uint32_t &d) {
  a += b;
  d = rotl(d ^ a, 16);
  c += d;
  b = rotl(b ^ c, 12);
  a += b;
  d = rotl(d ^ a, 8);
  c += d;
  b = rotl(b ^ c, 7);
}

/* key: 32 bytes, nonce: 12, both aligned to 4. */
WARP_FN void chacha_block(uint32_t out[16], const uint8_t *key, const uint8_t *nonce,
                          uint32_t counter) {
  uint32_t start[16] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};
#pragma unroll
  for (int i = 0; i < 8; i++) start[4 + i] = load_aligned4(key + 4 * i);
  start[12] = counter;
#pragma unroll
  for (int i = 0; i < 3; i++) start[13 + i] = load_aligned4(nonce + 4 * i);
#pragma unroll
  for (int i = 0; i < 16; i++) out[i] = start[i];
#pragma unroll
  for (int round = 0; round < 10; round++) {
    chacha_quarter(out[0], out[4], out[8], out[12]);
    chacha_quarter(out[1], out[5], out[9], out[13]);
    chacha_quarter(out[2], out[6], out[10], out[14]);
    chacha_quarter(out[3], out[7], out[11], out[15]);
    chacha_quarter(out[0], out[5], out[10], out[15]);
    chacha_quarter(out[1], out[6], out[11], out[12]);
    chacha_quarter(out[2], out[7], out[8], out[13]);
    chacha_quarter(out[3], out[4], out[9], out[14]);
  }
#pragma unroll
  for (int i = 0; i < 16; i++) out[i] += start[i];
}

} /* namespace kernels */
#endif
