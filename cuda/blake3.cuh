/* The BLAKE3 compression function, for one thread:
 * https://github.com/BLAKE3-team/BLAKE3-specs/blob/master/blake3.pdf section 2.2. */
#ifndef WARP_CUDA_BLAKE3_CUH
#define WARP_CUDA_BLAKE3_CUH
#include "batch.cuh"
#include "memory.cuh"

namespace kernels {

constexpr uint32_t BLAKE3_BLOCK_BYTES = 64;
constexpr uint32_t BLAKE3_LEAF_SHIFT = 10;
constexpr uint32_t BLAKE3_LEAF_BYTES = 1 << BLAKE3_LEAF_SHIFT;

enum : uint32_t {
  BLAKE3_START = 1,
  BLAKE3_END = 2,
  BLAKE3_PARENT = 4,
  BLAKE3_ROOT = 8,
  BLAKE3_FLAG_KEYED = 16,
  BLAKE3_FLAG_CONTEXT = 32,
  BLAKE3_FLAG_MATERIAL = 64
};

constexpr uint32_t BLAKE3_IV0 = 0x6a09e667, BLAKE3_IV1 = 0xbb67ae85, BLAKE3_IV2 = 0x3c6ef372,
                   BLAKE3_IV3 = 0xa54ff53a;

/* What a mode starts every leaf and parent from. */
struct Blake3Key {
  uint32_t words[8];
  uint32_t flags;
};

WARP_FN void blake3_quarter(uint32_t &a, uint32_t &b, uint32_t &c, uint32_t &d, uint32_t x,
                            uint32_t y) {
  a += b + x;
  d = rotl(d ^ a, 16);
  c += d;
  b = rotl(b ^ c, 20);
  a += b + y;
  d = rotl(d ^ a, 24);
  c += d;
  b = rotl(b ^ c, 25);
}

/* cv becomes the first half of the output. Rounds are unrolled, so that permuting the message costs
 * nothing and all of it stays in registers. */
WARP_FN void blake3_compress(uint32_t cv[8], const uint32_t message[16], uint64_t counter,
                             uint32_t length, uint32_t flags) {
  uint32_t m[16];
#pragma unroll
  for (int i = 0; i < 16; i++) m[i] = message[i];
  uint32_t s[16] = {cv[0],      cv[1],      cv[2],      cv[3],
                    cv[4],      cv[5],      cv[6],      cv[7],
                    BLAKE3_IV0, BLAKE3_IV1, BLAKE3_IV2, BLAKE3_IV3,
                    (uint32_t)counter, (uint32_t)(counter >> 32), length, flags};
#pragma unroll
  for (int round = 0; round < 7; round++) {
    blake3_quarter(s[0], s[4], s[8], s[12], m[0], m[1]);
    blake3_quarter(s[1], s[5], s[9], s[13], m[2], m[3]);
    blake3_quarter(s[2], s[6], s[10], s[14], m[4], m[5]);
    blake3_quarter(s[3], s[7], s[11], s[15], m[6], m[7]);
    blake3_quarter(s[0], s[5], s[10], s[15], m[8], m[9]);
    blake3_quarter(s[1], s[6], s[11], s[12], m[10], m[11]);
    blake3_quarter(s[2], s[7], s[8], s[13], m[12], m[13]);
    blake3_quarter(s[3], s[4], s[9], s[14], m[14], m[15]);
    const uint32_t p[16] = {m[2], m[6],  m[3],  m[10], m[7], m[0],  m[4],  m[13],
                            m[1], m[11], m[12], m[5],  m[9], m[14], m[15], m[8]};
#pragma unroll
    for (int i = 0; i < 16; i++) m[i] = p[i];
  }
#pragma unroll
  for (int i = 0; i < 8; i++) cv[i] = s[i] ^ s[i + 8];
}

WARP_FN void blake3_begin(uint32_t cv[8], const Blake3Key &key) {
#pragma unroll
  for (int i = 0; i < 8; i++) cv[i] = key.words[i];
}

/* The parent of two nodes; flags: ROOT or 0. */
WARP_FN void blake3_parent(uint32_t cv[8], const Blake3Key &key, const uint32_t children[16],
                           uint32_t flags) {
  blake3_begin(cv, key);
  blake3_compress(cv, children, 0, BLAKE3_BLOCK_BYTES, key.flags | BLAKE3_PARENT | flags);
}

/* Nodes in device memory are 32 bytes, aligned to 16. */
WARP_FN void load_node(uint32_t words[8], const uint8_t *at) {
  const Word4 a = load_aligned16(at), b = load_aligned16(at + 16);
  words[0] = a.x, words[1] = a.y, words[2] = a.z, words[3] = a.w;
  words[4] = b.x, words[5] = b.y, words[6] = b.z, words[7] = b.w;
}

WARP_FN void store_node(uint8_t *at, const uint32_t words[8]) {
  store_aligned16(at, {words[0], words[1], words[2], words[3]});
  store_aligned16(at + 16, {words[4], words[5], words[6], words[7]});
}

/* False for a mode that does not exist or lacks its key. */
bool blake3_key(uint32_t mode, const uint8_t *key, Blake3Key &out);

/* blake3_launch for a number of items that is known on the device. */
warp_status blake3_queue(warp_stream stream, const Blake3Key &key, const uint8_t *base,
                         const uint64_t *offsets, Count n, uint64_t bytes, uint64_t longest,
                         uint8_t *out, void *scratch);

} /* namespace kernels */
#endif
