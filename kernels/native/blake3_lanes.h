/* BLAKE3 compression of LANES independent nodes at once, one per 32-bit lane.
 *
 * The including file defines LANES, RUN (the function's name), the vector type `words` (LANES of
 * u32), and rotate_right(x, n) and transpose(words m[16], const uint8_t *const from[LANES]), which
 * loads 64 bytes per lane and turns them into 16 vectors of message words. */
#include <string.h>

#include "blake3.h"

/* What an idle lane reads. */
static const uint8_t nothing[BLOCK_BYTES] __attribute__((aligned(64)));

OPERATION words all(uint32_t x) { return x - (words){}; }

/* What waits longest, b, is added last. */
#define MIX(a, b, c, d, x, y)      \
  a = a + (x) + b;                 \
  d = rotate_right(d ^ a, 16);     \
  c += d;                          \
  b = rotate_right(b ^ c, 12);     \
  a = a + (y) + b;                 \
  d = rotate_right(d ^ a, 8);      \
  c += d;                          \
  b = rotate_right(b ^ c, 7);

OPERATION void rounds(words s[16], const words m[16]) {
#pragma GCC unroll 7
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
}

/* One block of every lane into its chaining value. */
OPERATION void compress(words cv[8], const words m[16], words counter_low, words counter_high,
                        words length, words flags) {
  words s[16] = {cv[0], cv[1], cv[2], cv[3], cv[4], cv[5], cv[6], cv[7],
                 all(BLAKE3_IV[0]), all(BLAKE3_IV[1]), all(BLAKE3_IV[2]), all(BLAKE3_IV[3]),
                 counter_low, counter_high, length, flags};
  rounds(s, m);
  for (int i = 0; i < 8; i++) cv[i] = s[i] ^ s[i + 8];
}

OPERATION void store(const struct blake3_node *nodes, int count, const words cv[8]) {
  uint32_t rows[8][LANES];
  memcpy(rows, cv, sizeof rows);
  for (int lane = 0; lane < count; lane++)
    for (int i = 0; i < 8; i++) nodes[lane].out[i] = rows[i][lane];
}

/* Blocks to fetch ahead: of the same leaf, then of the leaf that this lane likely takes next. */
#define AHEAD 4

/* Every lane has 16 full blocks: no masks. */
static void run_full(const struct blake3_node *nodes, const uint32_t key[8], uint32_t flags) {
  uint32_t low[LANES], high[LANES], last[LANES];
  for (int lane = 0; lane < LANES; lane++) {
    low[lane] = (uint32_t)nodes[lane].counter;
    high[lane] = (uint32_t)(nodes[lane].counter >> 32);
    last[lane] = nodes[lane].last;
  }
  words counter_low, counter_high, last_flags, cv[8];
  memcpy(&counter_low, low, sizeof low);
  memcpy(&counter_high, high, sizeof high);
  memcpy(&last_flags, last, sizeof last);
  for (int i = 0; i < 8; i++) cv[i] = all(key[i]);
  const size_t next_block = AHEAD * BLOCK_BYTES;
  const size_t next_leaf = next_block + (LANES - 1) * LEAF_BYTES;
  for (int block = 0; block < LEAF_BLOCKS; block++) {
    const uint8_t *from[LANES];
    for (int lane = 0; lane < LANES; lane++) {
      from[lane] = nodes[lane].input + BLOCK_BYTES * block;
      __builtin_prefetch(from[lane] + (block < LEAF_BLOCKS - AHEAD ? next_block : next_leaf));
    }
    words m[16];
    transpose(m, from);
    words block_flags = all(flags | (block == 0 ? CHUNK_START : 0));
    if (block == LEAF_BLOCKS - 1) block_flags |= CHUNK_END | last_flags;
    compress(cv, m, counter_low, counter_high, all(BLOCK_BYTES), block_flags);
  }
  store(nodes, LANES, cv);
}

/* Leaves of any length, and idle lanes: finished lanes keep their chaining value. */
static void run_mixed(const struct blake3_node *nodes, int count, const uint32_t key[8],
                      uint32_t flags) {
  uint32_t low[LANES] = {0}, high[LANES] = {0};
  uint32_t blocks_most = 0;
  for (int lane = 0; lane < count; lane++) {
    low[lane] = (uint32_t)nodes[lane].counter;
    high[lane] = (uint32_t)(nodes[lane].counter >> 32);
    const uint32_t blocks = (nodes[lane].length + BLOCK_BYTES - 1) / BLOCK_BYTES;
    if (blocks > blocks_most) blocks_most = blocks;
  }
  if (blocks_most == 0) blocks_most = 1;
  words counter_low, counter_high, cv[8];
  memcpy(&counter_low, low, sizeof low);
  memcpy(&counter_high, high, sizeof high);
  for (int i = 0; i < 8; i++) cv[i] = all(key[i]);
  uint8_t padded[LANES][BLOCK_BYTES];
  for (uint32_t block = 0; block < blocks_most; block++) {
    const uint32_t at = block * BLOCK_BYTES;
    const uint8_t *from[LANES];
    uint32_t length[LANES], flag[LANES], active[LANES];
    for (int lane = 0; lane < LANES; lane++) {
      from[lane] = nothing;
      length[lane] = flag[lane] = active[lane] = 0;
      if (lane >= count) continue;
      const struct blake3_node *node = &nodes[lane];
      if (at >= node->length && !(at == 0 && node->length == 0)) continue;
      const uint32_t left = node->length - at;
      active[lane] = ~0u;
      length[lane] = left < BLOCK_BYTES ? left : BLOCK_BYTES;
      flag[lane] = flags | (block == 0 ? CHUNK_START : 0);
      if (left <= BLOCK_BYTES) flag[lane] |= CHUNK_END | node->last;
      if (left >= BLOCK_BYTES) {
        from[lane] = node->input + at;
      } else if (left > 0) {
        memset(padded[lane], 0, BLOCK_BYTES);
        memcpy(padded[lane], node->input + at, left);
        from[lane] = padded[lane];
      }
    }
    words m[16], lengths, all_flags, is_active, next[8];
    transpose(m, from);
    memcpy(&lengths, length, sizeof length);
    memcpy(&all_flags, flag, sizeof flag);
    memcpy(&is_active, active, sizeof active);
    memcpy(next, cv, sizeof next);
    compress(next, m, counter_low, counter_high, lengths, all_flags);
    for (int i = 0; i < 8; i++) cv[i] = (next[i] & is_active) | (cv[i] & ~is_active);
  }
  store(nodes, count, cv);
}

/* Lanes of one full block that is all there is, and idle ones. */
static void run_blocks(const struct blake3_node *nodes, int count, const uint32_t key[8],
                        uint32_t flags) {
  const uint8_t *from[LANES];
  uint32_t last[LANES];
  for (int lane = 0; lane < LANES; lane++) {
    from[lane] = lane < count ? nodes[lane].input : nothing;
    last[lane] = lane < count ? nodes[lane].last : 0;
  }
  words m[16], last_flags, cv[8];
  transpose(m, from);
  memcpy(&last_flags, last, sizeof last);
  for (int i = 0; i < 8; i++) cv[i] = all(key[i]);
  compress(cv, m, all(0), all(0), all(BLOCK_BYTES), all(flags) | last_flags);
  store(nodes, count, cv);
}

static int are_blocks(const struct blake3_node *nodes, int count) {
  for (int lane = 0; lane < count; lane++)
    if (nodes[lane].length != BLOCK_BYTES || nodes[lane].counter != 0) return 0;
  return 1;
}

static int are_leaves(const struct blake3_node *nodes, int count) {
  for (int lane = 0; lane < count; lane++)
    if (nodes[lane].length != LEAF_BYTES) return 0;
  return count == LANES;
}

void RUN(const struct blake3_node *nodes, int count, const uint32_t key[8], uint32_t flags) {
  if ((flags & PARENT) != 0)
    run_blocks(nodes, count, key, flags);
  else if (are_leaves(nodes, count))
    run_full(nodes, key, flags);
  else if (are_blocks(nodes, count))
    run_blocks(nodes, count, key, flags | CHUNK_START | CHUNK_END);
  else
    run_mixed(nodes, count, key, flags);
}
