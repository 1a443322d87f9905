/* BLAKE3 of many inputs: trees of all inputs of a group grow level by level, so that SIMD lanes are
 * filled across inputs. Per input, 16 lanes would mostly idle on 64 KiB chunks. */
#include "blake3_tree.h"

#include <string.h>

#include "dispatch.h"

/* ---- lanes ------------------------------------------------------------------------------------- */

static struct blake3_engine choose_engine(void) {
  switch (warp_isa()) {
#if defined(__x86_64__)
    case WARP_ISA_AVX512: return (struct blake3_engine){blake3_run_avx512, 16, 3};
    case WARP_ISA_AVX2: return (struct blake3_engine){blake3_run_avx2, 8, 3};
#endif
    case WARP_ISA_VECTOR128: return (struct blake3_engine){blake3_run_vector128, 4, 2};
    default: return (struct blake3_engine){blake3_run_scalar, 1, 1};
  }
}

void blake3_run_nodes(const struct blake3_mode *mode, const struct blake3_node *nodes, size_t count,
                      uint32_t flags) {
  const struct blake3_engine *engine = &mode->engine;
  const uint32_t *key = mode->key;
  size_t i = 0;
  for (; count - i >= (size_t)engine->lanes; i += (size_t)engine->lanes)
    engine->run(nodes + i, engine->lanes, key, flags);
  const int rest = (int)(count - i);
  if (rest >= engine->worth)
    engine->run(nodes + i, rest, key, flags);
  else if (rest > 0)
    blake3_run_scalar(nodes + i, rest, key, flags);
}

/* ---- trees ------------------------------------------------------------------------------------- */

/* Leaves of one group: enough to fill lanes, few enough for a thread's stack (70 KiB). Longer inputs
 * are split into complete subtrees of this size. */
#define GROUP_LEAVES 512

/* The tree of one input, or of a part of a long one. */
struct tree {
  uint32_t first; /* index of its first value */
  uint32_t count; /* nodes of the current level */
  uint32_t last;  /* ROOT, or 0 for a part */
  uint8_t *out;   /* 32 bytes */
};

struct group {
  uint32_t trees, full, partial, values;
  struct tree tree[GROUP_LEAVES];
  struct blake3_node full_node[GROUP_LEAVES];
  struct blake3_node partial_node[GROUP_LEAVES];
  /* Chaining values; each level overwrites the one below. */
  uint32_t value[GROUP_LEAVES][8];
};

static void clear(struct group *group) {
  group->trees = group->full = group->partial = group->values = 0;
}

static uint64_t leaf_count(uint64_t length) {
  return length == 0 ? 1 : (length - 1) / LEAF_BYTES + 1;
}

/* The input must fit: leaf_count(length) more values. */
static void add_tree(struct group *group, const uint8_t *input, uint64_t length, uint64_t counter,
                     uint32_t last, uint8_t *out) {
  const uint32_t count = (uint32_t)leaf_count(length);
  group->tree[group->trees++] = (struct tree){group->values, count, last, out};
  for (uint32_t i = 0; i < count; i++) {
    const uint64_t at = (uint64_t)i * LEAF_BYTES, left = length - at;
    const struct blake3_node node = {input + at, left < LEAF_BYTES ? (uint32_t)left : LEAF_BYTES,
                                     count == 1 ? last : 0, counter + i,
                                     group->value[group->values++]};
    if (node.length == LEAF_BYTES)
      group->full_node[group->full++] = node;
    else
      group->partial_node[group->partial++] = node;
  }
}

static uint32_t blocks_of(const struct blake3_node *node) {
  return (node->length + BLOCK_BYTES - 1) / BLOCK_BYTES;
}

/* Longest first, by counting: lanes that end together waste least. `sorted` has as much room. */
static void sort_by_blocks(const struct blake3_node *nodes, uint32_t count,
                           struct blake3_node *sorted) {
  uint32_t place[LEAF_BLOCKS + 2] = {0};
  for (uint32_t i = 0; i < count; i++) place[LEAF_BLOCKS - blocks_of(&nodes[i]) + 1]++;
  for (int b = 1; b <= LEAF_BLOCKS; b++) place[b] += place[b - 1];
  for (uint32_t i = 0; i < count; i++)
    sorted[place[LEAF_BLOCKS - blocks_of(&nodes[i])]++] = nodes[i];
}

/* Adds the parents of one level to `nodes`; they overwrite the first half of their children, which
 * have been read by then: node i reads values 2i and 2i + 1 and writes value i. */
static uint32_t add_parents(struct group *group, struct blake3_node *nodes) {
  uint32_t added = 0;
  for (uint32_t t = 0; t < group->trees; t++) {
    const struct tree *tree = &group->tree[t];
    for (uint32_t i = 0; i < tree->count / 2; i++)
      nodes[added++] = (struct blake3_node){(const uint8_t *)group->value[tree->first + 2 * i],
                                            BLOCK_BYTES, tree->count == 2 ? tree->last : 0, 0,
                                            group->value[tree->first + i]};
  }
  return added;
}

/* Moves the value without a sibling up. */
static void end_level(struct group *group) {
  for (uint32_t t = 0; t < group->trees; t++) {
    struct tree *tree = &group->tree[t];
    const uint32_t pairs = tree->count / 2;
    if (tree->count > 1 && tree->count % 2 == 1)
      memmove(group->value[tree->first + pairs], group->value[tree->first + tree->count - 1], 32);
    tree->count -= pairs;
  }
}

/* Hands out what is ready; keeps the other trees. */
static void give_out(struct group *group) {
  uint32_t kept = 0;
  for (uint32_t t = 0; t < group->trees; t++) {
    const struct tree *tree = &group->tree[t];
    if (tree->count == 1)
      memcpy(tree->out, group->value[tree->first], 32);
    else
      group->tree[kept++] = *tree;
  }
  group->trees = kept;
}

static void run_group(const struct blake3_mode *mode, struct group *group) {
  blake3_run_nodes(mode, group->full_node, group->full, mode->flags);
  struct blake3_node *nodes = group->full_node;
  if (group->partial > (uint32_t)mode->engine.lanes) {
    sort_by_blocks(group->partial_node, group->partial, nodes);
    blake3_run_nodes(mode, nodes, group->partial, mode->flags);
  } else {
    blake3_run_nodes(mode, group->partial_node, group->partial, mode->flags);
  }
  for (give_out(group); group->trees > 0; give_out(group)) {
    const uint32_t count = add_parents(group, nodes);
    blake3_run_nodes(mode, nodes, count, mode->flags | PARENT);
    end_level(group);
  }
  clear(group);
}

static void run_parent(const struct blake3_mode *mode, const uint8_t children[64], uint32_t last,
                       uint32_t out[8]) {
  const struct blake3_node node = {children, BLOCK_BYTES, last, 0, out};
  blake3_run_scalar(&node, 1, mode->key, mode->flags | PARENT);
}

/* Bytes of the left subtree: the largest power of two of leaves that leaves something over. */
static uint64_t left_bytes(uint64_t length) {
  uint64_t leaves = 1;
  while (2 * leaves < leaf_count(length)) leaves *= 2;
  return leaves * LEAF_BYTES;
}

static void run_long(const struct blake3_mode *mode, struct group *group, const uint8_t *input,
                     uint64_t length, uint64_t counter, uint32_t last, uint8_t out[32]);

/* Values of the two subtrees of an input of more than one leaf. */
static void run_halves(const struct blake3_mode *mode, struct group *group, const uint8_t *input,
                       uint64_t length, uint64_t counter, uint8_t children[64]) {
  const uint64_t left = left_bytes(length);
  run_long(mode, group, input, left, counter, 0, children);
  run_long(mode, group, input + left, length - left, counter + left / LEAF_BYTES, 0, children + 32);
}

/* An input of any length, with an empty group. */
static void run_long(const struct blake3_mode *mode, struct group *group, const uint8_t *input,
                     uint64_t length, uint64_t counter, uint32_t last, uint8_t out[32]) {
  if (leaf_count(length) <= GROUP_LEAVES) {
    add_tree(group, input, length, counter, last, out);
    run_group(mode, group);
    return;
  }
  uint8_t children[64];
  uint32_t value[8];
  run_halves(mode, group, input, length, counter, children);
  run_parent(mode, children, last, value);
  memcpy(out, value, 32);
}

/* ---- many inputs --------------------------------------------------------------------------------- */

struct blake3_mode blake3_mode_of(uint32_t kind, const uint8_t *key) {
  struct blake3_mode mode = {choose_engine(), {0}, 0};
  const int is_keyed = kind == WARP_BLAKE3_KEYED || kind == WARP_BLAKE3_DERIVE;
  if (kind == WARP_BLAKE3_KEYED) mode.flags = KEYED_HASH;
  if (kind == WARP_BLAKE3_DERIVE) mode.flags = DERIVE_KEY_MATERIAL;
  if (kind == WARP_BLAKE3_CONTEXT) mode.flags = DERIVE_KEY_CONTEXT;
  memcpy(mode.key, is_keyed ? key : (const uint8_t *)BLAKE3_IV, 32);
  return mode;
}

void blake3_hash_range(const struct blake3_mode *mode, const uint8_t *base,
                       const uint64_t *offsets, uint64_t n, uint8_t *out) {
  struct group group;
  clear(&group);
  for (uint64_t i = 0; i < n; i++) {
    const uint64_t length = offsets[i + 1] - offsets[i], leaves = leaf_count(length);
    const uint8_t *input = base + offsets[i];
    if (group.values + leaves > GROUP_LEAVES && group.values > 0) run_group(mode, &group);
    if (leaves > GROUP_LEAVES)
      run_long(mode, &group, input, length, 0, ROOT, out + 32 * i);
    else
      add_tree(&group, input, length, 0, ROOT, out + 32 * i);
  }
  if (group.values > 0) run_group(mode, &group);
}

void blake3_extend(const struct blake3_mode *mode, const uint8_t *input, uint64_t length,
                   uint8_t *out, uint64_t out_length) {
  if (length <= LEAF_BYTES) {
    const struct blake3_node leaf = {input, (uint32_t)length, ROOT, 0, NULL};
    blake3_expand(&leaf, mode->key, mode->flags, out, out_length);
    return;
  }
  struct group group;
  uint8_t children[64];
  clear(&group);
  run_halves(mode, &group, input, length, 0, children);
  const struct blake3_node parent = {children, BLOCK_BYTES, ROOT, 0, NULL};
  blake3_expand(&parent, mode->key, mode->flags | PARENT, out, out_length);
}
