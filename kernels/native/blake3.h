/* BLAKE3 internals shared by all instruction sets: https://github.com/BLAKE3-team/BLAKE3-specs */
#ifndef WARP_BLAKE3_H
#define WARP_BLAKE3_H
#include <stddef.h>
#include <stdint.h>

#define BLOCK_BYTES 64
#define LEAF_BYTES 1024
#define LEAF_BLOCKS 16

enum {
  CHUNK_START = 1,
  CHUNK_END = 2,
  PARENT = 4,
  ROOT = 8,
  KEYED_HASH = 16,
  DERIVE_KEY_CONTEXT = 32,
  DERIVE_KEY_MATERIAL = 64,
};

static const uint32_t BLAKE3_IV[8] = {0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A,
                                      0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19};

/* Which message word each of the seven rounds takes, in order of use. */
static const uint8_t BLAKE3_SCHEDULE[7][16] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
    {2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8},
    {3, 4, 10, 12, 13, 2, 7, 14, 6, 5, 9, 0, 11, 15, 8, 1},
    {10, 7, 12, 9, 14, 3, 13, 15, 4, 0, 11, 2, 5, 8, 1, 6},
    {12, 13, 9, 11, 15, 10, 14, 8, 7, 2, 5, 3, 0, 1, 6, 4},
    {9, 14, 11, 5, 8, 12, 15, 1, 13, 3, 0, 10, 2, 6, 4, 7},
    {11, 15, 5, 0, 1, 9, 8, 6, 14, 10, 2, 12, 3, 4, 7, 13}};

/* A leaf (up to 1024 bytes of one input) or a parent (two chaining values, 64 bytes). */
struct blake3_node {
  const uint8_t *input;
  uint32_t length;   /* 0..1024; 0 only for an empty input */
  uint32_t last;     /* flags for its last block: ROOT or 0 */
  uint64_t counter;  /* index of the leaf; 0 for a parent */
  uint32_t *out;     /* 8 words: chaining value, or digest when ROOT */
};

#define LANES_MOST 16

/* Compresses `count` nodes, 1..lanes of the instruction set. All are leaves, or all are parents.
 * `key` is 8 words; `flags` holds the mode, and PARENT for parents. Reads no byte beyond a node. */
typedef void blake3_run(const struct blake3_node *nodes, int count, const uint32_t key[8],
                        uint32_t flags);

blake3_run blake3_run_scalar, blake3_run_vector128, blake3_run_avx2, blake3_run_avx512;

/* Any length of output from one node that is a root. */
void blake3_expand(const struct blake3_node *node, const uint32_t key[8], uint32_t flags,
                   uint8_t *out, uint64_t out_length);

/* warp_blake3 without its checks. */
void blake3_hash_many(uint32_t kind, const uint8_t *key, const uint8_t *base,
                      const uint64_t *offsets, uint64_t n, uint8_t *out, int is_parallel);

#endif
