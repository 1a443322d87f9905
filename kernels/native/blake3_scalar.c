/* BLAKE3 compression of one node at a time. */
#include <string.h>

#include "blake3.h"

static inline uint32_t rotr(uint32_t x, int n) { return x >> n | x << (32 - n); }

#define MIX(a, b, c, d, x, y) \
  a += b + (x);               \
  d = rotr(d ^ a, 16);        \
  c += d;                     \
  b = rotr(b ^ c, 12);        \
  a += b + (y);               \
  d = rotr(d ^ a, 8);         \
  c += d;                     \
  b = rotr(b ^ c, 7);

/* All 16 words of output; the first 8 are the chaining value. */
static void compress(const uint32_t cv[8], const uint8_t block[BLOCK_BYTES], uint64_t counter,
                     uint32_t length, uint32_t flags, uint32_t out[16]) {
  uint32_t m[16];
  memcpy(m, block, sizeof m);
  uint32_t s[16] = {cv[0], cv[1], cv[2], cv[3], cv[4], cv[5], cv[6], cv[7],
                    BLAKE3_IV[0], BLAKE3_IV[1], BLAKE3_IV[2], BLAKE3_IV[3],
                    (uint32_t)counter, (uint32_t)(counter >> 32), length, flags};
  for (int r = 0; r < 7; r++) {
    const uint8_t *w = BLAKE3_SCHEDULE[r];
    MIX(s[0], s[4], s[8], s[12], m[w[0]], m[w[1]])
    MIX(s[1], s[5], s[9], s[13], m[w[2]], m[w[3]])
    MIX(s[2], s[6], s[10], s[14], m[w[4]], m[w[5]])
    MIX(s[3], s[7], s[11], s[15], m[w[6]], m[w[7]])
    MIX(s[0], s[5], s[10], s[15], m[w[8]], m[w[9]])
    MIX(s[1], s[6], s[11], s[12], m[w[10]], m[w[11]])
    MIX(s[2], s[7], s[8], s[13], m[w[12]], m[w[13]])
    MIX(s[3], s[4], s[9], s[14], m[w[14]], m[w[15]])
  }
  for (int i = 0; i < 8; i++) {
    out[i] = s[i] ^ s[i + 8];
    out[i + 8] = s[i + 8] ^ cv[i];
  }
}

/* The last compression of a leaf or parent, not yet done: with ROOT it gives any length of output. */
struct pending {
  uint32_t cv[8];
  uint8_t block[BLOCK_BYTES];
  uint64_t counter;
  uint32_t length, flags;
};

static void pend_node(const struct blake3_node *node, const uint32_t key[8], uint32_t flags,
                      struct pending *last) {
  const int is_parent = (flags & PARENT) != 0;
  uint32_t at = 0, out[16];
  memcpy(last->cv, key, sizeof last->cv);
  last->flags = flags | (is_parent ? 0 : CHUNK_START);
  last->counter = node->counter;
  for (; node->length - at > BLOCK_BYTES; at += BLOCK_BYTES) {
    compress(last->cv, node->input + at, last->counter, BLOCK_BYTES, last->flags, out);
    memcpy(last->cv, out, sizeof last->cv);
    last->flags = flags;
  }
  last->length = node->length - at;
  memset(last->block, 0, BLOCK_BYTES);
  if (last->length != 0) memcpy(last->block, node->input + at, last->length);
  last->flags |= (is_parent ? 0 : CHUNK_END) | node->last;
}

void blake3_run_scalar(const struct blake3_node *nodes, int count, const uint32_t key[8],
                       uint32_t flags) {
  for (int i = 0; i < count; i++) {
    struct pending last;
    uint32_t out[16];
    pend_node(&nodes[i], key, flags, &last);
    compress(last.cv, last.block, last.counter, last.length, last.flags, out);
    memcpy(nodes[i].out, out, 32);
  }
}

void blake3_expand(const struct blake3_node *node, const uint32_t key[8], uint32_t flags,
                   uint8_t *out, uint64_t out_length) {
  struct pending root;
  pend_node(node, key, flags, &root);
  for (uint64_t at = 0, block = 0; at < out_length; at += 64, block++) {
    uint32_t words[16];
    compress(root.cv, root.block, block, root.length, root.flags, words);
    memcpy(out + at, words, out_length - at < 64 ? (size_t)(out_length - at) : 64);
  }
}
