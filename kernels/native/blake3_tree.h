/* Trees of BLAKE3 nodes. */
#ifndef WARP_BLAKE3_TREE_H
#define WARP_BLAKE3_TREE_H
#include <stddef.h>
#include <stdint.h>

#include "blake3.h"

struct blake3_engine {
  blake3_run *run;
  int lanes;
  /* From this many nodes on, idle lanes cost less than scalar code. */
  int worth;
};

/* How to hash, and with what. */
struct blake3_mode {
  struct blake3_engine engine;
  uint32_t key[8];
  uint32_t flags;
};

/* Of WARP_BLAKE3_*; a null key is one of a mode without. */
struct blake3_mode blake3_mode_of(uint32_t kind, const uint8_t *key);

/* Any number of nodes that do not depend on each other: all leaves, or all parents. */
void blake3_run_nodes(const struct blake3_mode *mode, const struct blake3_node *nodes, size_t count,
                      uint32_t flags);

/* Digests of n inputs, in the calling thread. */
void blake3_hash_range(const struct blake3_mode *mode, const uint8_t *base,
                       const uint64_t *offsets, uint64_t n, uint8_t *out);

/* Any length of output from the root of one input. */
void blake3_extend(const struct blake3_mode *mode, const uint8_t *input, uint64_t length,
                   uint8_t *out, uint64_t out_length);

#endif
