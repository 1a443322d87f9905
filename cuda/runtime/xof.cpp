/* BLAKE3 with any length of output, on the CPU: short inputs, for keys.
 *
 * https://github.com/BLAKE3-team/BLAKE3-specs/blob/master/blake3.pdf */
#include <algorithm>
#include <cstring>

#include "../warp_kernels.h"

namespace {

constexpr uint32_t CHUNK_START = 1, CHUNK_END = 2, PARENT = 4, ROOT = 8;
constexpr uint32_t KEYED_HASH = 16, DERIVE_CONTEXT = 32, DERIVE_MATERIAL = 64;
constexpr uint64_t CHUNK_BYTES = 1024, BLOCK_BYTES = 64;
constexpr uint32_t IV[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                            0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
constexpr uint8_t PERMUTATION[16] = {2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8};

uint32_t rotr(uint32_t x, int bits) { return x >> bits | x << (32 - bits); }

void mix(uint32_t *v, int a, int b, int c, int d, uint32_t x, uint32_t y) {
  v[a] += v[b] + x;
  v[d] = rotr(v[d] ^ v[a], 16);
  v[c] += v[d];
  v[b] = rotr(v[b] ^ v[c], 12);
  v[a] += v[b] + y;
  v[d] = rotr(v[d] ^ v[a], 8);
  v[c] += v[d];
  v[b] = rotr(v[b] ^ v[c], 7);
}

/* A compression that has not been done: its last block, and what it continues. */
struct Node {
  uint32_t chain[8];
  uint8_t block[BLOCK_BYTES];
  uint32_t length;
  uint64_t counter;
  uint32_t flags;

  void compress(uint64_t at, uint32_t more_flags, uint32_t out[16]) const {
    uint32_t m[16], v[16] = {chain[0], chain[1], chain[2], chain[3], chain[4], chain[5],
                             chain[6], chain[7], IV[0], IV[1], IV[2], IV[3],
                             static_cast<uint32_t>(at), static_cast<uint32_t>(at >> 32), length,
                             flags | more_flags};
    memcpy(m, block, sizeof m);
    for (int round = 0; round < 7; round++) {
      for (int i = 0; i < 4; i++) mix(v, i, i + 4, i + 8, i + 12, m[2 * i], m[2 * i + 1]);
      for (int i = 0; i < 4; i++) {
        mix(v, i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4, m[8 + 2 * i], m[9 + 2 * i]);
      }
      uint32_t permuted[16];
      for (int i = 0; i < 16; i++) permuted[i] = m[PERMUTATION[i]];
      memcpy(m, permuted, sizeof m);
    }
    for (int i = 0; i < 8; i++) {
      out[i] = v[i] ^ v[i + 8];
      out[i + 8] = v[i + 8] ^ chain[i];
    }
  }

  void chaining_value(uint32_t out[8]) const {
    uint32_t all[16];
    compress(counter, 0, all);
    memcpy(out, all, 32);
  }
};

struct Mode {
  uint32_t key[8];
  uint32_t flags;
};

Node chunk_node(const Mode &mode, const uint8_t *input, uint64_t length, uint64_t counter) {
  Node node = {};
  memcpy(node.chain, mode.key, sizeof node.chain);
  node.counter = counter;
  node.flags = mode.flags | CHUNK_START;
  for (uint64_t at = 0;;) {
    node.length = static_cast<uint32_t>(std::min(BLOCK_BYTES, length - at));
    memset(node.block, 0, sizeof node.block);
    if (node.length != 0) memcpy(node.block, input + at, node.length);
    at += node.length;
    if (at == length) break;
    node.chaining_value(node.chain);
    node.flags = mode.flags;
  }
  node.flags |= CHUNK_END;
  return node;
}

/* The left subtree has the largest power of two of chunks that leaves something for the right. */
Node tree_node(const Mode &mode, const uint8_t *input, uint64_t length, uint64_t counter) {
  if (length <= CHUNK_BYTES) return chunk_node(mode, input, length, counter);
  uint64_t left = CHUNK_BYTES;
  while (2 * left < length) left *= 2;
  Node node = {};
  uint32_t chains[16];
  tree_node(mode, input, left, counter).chaining_value(chains);
  tree_node(mode, input + left, length - left, counter + left / CHUNK_BYTES)
      .chaining_value(chains + 8);
  memcpy(node.chain, mode.key, sizeof node.chain);
  memcpy(node.block, chains, sizeof node.block);
  node.length = BLOCK_BYTES;
  node.flags = mode.flags | PARENT;
  return node;
}

}  // namespace

extern "C" warp_status warp_blake3_xof(uint32_t mode, const uint8_t *key, const uint8_t *input,
                                       uint64_t length, uint8_t *out, uint64_t out_length) {
  const bool takes_key = mode == WARP_BLAKE3_KEYED || mode == WARP_BLAKE3_DERIVE;
  if (mode > WARP_BLAKE3_CONTEXT || (takes_key && key == nullptr) ||
      (length != 0 && input == nullptr) || (out_length != 0 && out == nullptr) ||
      length > INT64_MAX) {
    return WARP_EINVAL;
  }
  constexpr uint32_t FLAGS[] = {0, KEYED_HASH, DERIVE_MATERIAL, DERIVE_CONTEXT};
  Mode of;
  memcpy(of.key, takes_key ? static_cast<const void *>(key) : IV, sizeof of.key);
  of.flags = FLAGS[mode];
  const Node root = tree_node(of, input, length, 0);
  for (uint64_t at = 0; at < out_length; at += BLOCK_BYTES) {
    uint32_t words[16];
    root.compress(at / BLOCK_BYTES, ROOT, words);
    memcpy(out + at, words, std::min(BLOCK_BYTES, out_length - at));
  }
  return WARP_OK;
}
