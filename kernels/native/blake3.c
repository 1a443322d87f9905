/* BLAKE3 of many inputs: trees of all inputs of a group grow level by level, so that SIMD lanes are
 * filled across inputs. Per input, 16 lanes would mostly idle on 64 KiB chunks. */
#include "blake3.h"

#include <string.h>

#include "dispatch.h"
#include "pool.h"
#include "run.h"

/* ---- scalar ------------------------------------------------------------------------------------ */

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

/* ---- lanes ------------------------------------------------------------------------------------- */

struct engine {
  blake3_run *run;
  int lanes;
  /* From this many nodes on, idle lanes cost less than scalar code. */
  int worth;
};

static struct engine choose_engine(void) {
  switch (warp_isa()) {
#if defined(__x86_64__)
    case WARP_ISA_AVX512: return (struct engine){blake3_run_avx512, 16, 3};
    case WARP_ISA_AVX2: return (struct engine){blake3_run_avx2, 8, 3};
#endif
    case WARP_ISA_VECTOR128: return (struct engine){blake3_run_vector128, 4, 2};
    default: return (struct engine){blake3_run_scalar, 1, 1};
  }
}

static void run_all(const struct engine *engine, const struct blake3_node *nodes, size_t count,
                    const uint32_t key[8], uint32_t flags) {
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

struct mode {
  struct engine engine;
  uint32_t key[8];
  uint32_t flags;
};

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
  for (uint32_t i = 0; i < count; i++) sorted[place[LEAF_BLOCKS - blocks_of(&nodes[i])]++] = nodes[i];
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

static void run_group(const struct mode *mode, struct group *group) {
  run_all(&mode->engine, group->full_node, group->full, mode->key, mode->flags);
  struct blake3_node *nodes = group->full_node;
  if (group->partial > (uint32_t)mode->engine.lanes) {
    sort_by_blocks(group->partial_node, group->partial, nodes);
    run_all(&mode->engine, nodes, group->partial, mode->key, mode->flags);
  } else {
    run_all(&mode->engine, group->partial_node, group->partial, mode->key, mode->flags);
  }
  for (give_out(group); group->trees > 0; give_out(group)) {
    const uint32_t count = add_parents(group, nodes);
    run_all(&mode->engine, nodes, count, mode->key, mode->flags | PARENT);
    end_level(group);
  }
  clear(group);
}

static void run_parent(const struct mode *mode, const uint8_t children[64], uint32_t last,
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

static void run_long(const struct mode *mode, struct group *group, const uint8_t *input,
                     uint64_t length, uint64_t counter, uint32_t last, uint8_t out[32]);

/* Values of the two subtrees of an input of more than one leaf. */
static void run_halves(const struct mode *mode, struct group *group, const uint8_t *input,
                       uint64_t length, uint64_t counter, uint8_t children[64]) {
  const uint64_t left = left_bytes(length);
  run_long(mode, group, input, left, counter, 0, children);
  run_long(mode, group, input + left, length - left, counter + left / LEAF_BYTES, 0, children + 32);
}

/* An input of any length, with an empty group. */
static void run_long(const struct mode *mode, struct group *group, const uint8_t *input,
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

static struct mode mode_of(uint32_t kind, const uint8_t *key) {
  struct mode mode = {choose_engine(), {0}, 0};
  const int is_keyed = kind == WARP_BLAKE3_KEYED || kind == WARP_BLAKE3_DERIVE;
  if (kind == WARP_BLAKE3_KEYED) mode.flags = KEYED_HASH;
  if (kind == WARP_BLAKE3_DERIVE) mode.flags = DERIVE_KEY_MATERIAL;
  if (kind == WARP_BLAKE3_CONTEXT) mode.flags = DERIVE_KEY_CONTEXT;
  memcpy(mode.key, is_keyed ? key : (const uint8_t *)BLAKE3_IV, 32);
  return mode;
}

static void hash_range(const struct mode *mode, const uint8_t *base, const uint64_t *offsets,
                       uint64_t n, uint8_t *out) {
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

/* Shares of about as many bytes each. */
#define SHARES_MAX 128u
#define SHARE_BYTES_LEAST ((uint64_t)128 * 1024)

struct shares {
  const struct mode *mode;
  const uint8_t *base;
  const uint64_t *offsets;
  uint8_t *out;
  uint64_t start[SHARES_MAX + 1];
};

static void hash_share(void *argument, uint32_t index) {
  const struct shares *s = argument;
  const uint64_t first = s->start[index], end = s->start[index + 1];
  hash_range(s->mode, s->base, s->offsets + first, end - first, s->out + 32 * first);
}

/* Where shares begin; returns how many there are. A share has at least one item. */
static uint32_t cut_shares(struct shares *s, uint64_t n) {
  /* An input costs a leaf even when it is short. */
  const uint64_t work = s->offsets[n] - s->offsets[0] + n * 256;
  uint64_t wanted = work / SHARE_BYTES_LEAST;
  const uint64_t most = warp_pool_width() * 4u < SHARES_MAX ? warp_pool_width() * 4u : SHARES_MAX;
  if (wanted > most) wanted = most;
  if (wanted > n) wanted = n;
  if (wanted < 1) wanted = 1;
  uint32_t count = 0;
  s->start[count++] = 0;
  for (uint64_t i = 1; i < n && count < wanted; i++) {
    const uint64_t done = s->offsets[i] - s->offsets[0] + i * 256;
    if (done * wanted >= work * count) s->start[count++] = i;
  }
  s->start[count] = n;
  return count;
}

void blake3_hash_many(uint32_t kind, const uint8_t *key, const uint8_t *base,
                      const uint64_t *offsets, uint64_t n, uint8_t *out, int is_parallel) {
  const struct mode mode = mode_of(kind, key);
  if (!is_parallel || n < 2) {
    hash_range(&mode, base, offsets, n, out);
    return;
  }
  struct shares shares = {&mode, base, offsets, out, {0}};
  warp_for(1, cut_shares(&shares, n), hash_share, &shares);
}

/* ---- interface --------------------------------------------------------------------------------- */

static int is_valid(uint32_t mode, const uint8_t *key) {
  const int is_keyed = mode == WARP_BLAKE3_KEYED || mode == WARP_BLAKE3_DERIVE;
  return mode <= WARP_BLAKE3_CONTEXT && (!is_keyed || key != NULL);
}

struct blake3_arguments {
  uint8_t key[32];
  const uint8_t *base;
  const uint64_t *offsets;
  uint8_t *out;
  uint64_t n;
  uint32_t mode;
};

static warp_status run_blake3(void *arguments, int is_parallel) {
  const struct blake3_arguments *a = arguments;
  blake3_hash_many(a->mode, a->key, a->base, a->offsets, a->n, a->out, is_parallel);
  return WARP_OK;
}

warp_status warp_blake3(warp_context context, uint32_t mode, const uint8_t *key,
                        const uint8_t *base, const uint64_t *offsets, uint64_t n, uint8_t *out,
                        warp_job *job) {
  if (!is_valid(mode, key)) return WARP_EINVAL;
  if (n != 0 && (offsets == NULL || out == NULL || !warp_ascend(offsets, n))) return WARP_EINVAL;
  if (n != 0 && base == NULL && offsets[n] != offsets[0]) return WARP_EINVAL;
  struct blake3_arguments a = {{0}, base, offsets, out, n, mode};
  if (key != NULL) memcpy(a.key, key, 32);
  return warp_run(context, run_blake3, &a, sizeof a, job);
}

/* Any length of output from the root of `input`. */
static void extend(const struct mode *mode, const uint8_t *input, uint64_t length, uint8_t *out,
                   uint64_t out_length) {
  struct group group;
  struct pending root;
  uint8_t children[64];
  clear(&group);
  if (length <= LEAF_BYTES) {
    const struct blake3_node leaf = {input, (uint32_t)length, ROOT, 0, NULL};
    pend_node(&leaf, mode->key, mode->flags, &root);
  } else {
    run_halves(mode, &group, input, length, 0, children);
    const struct blake3_node parent = {children, BLOCK_BYTES, ROOT, 0, NULL};
    pend_node(&parent, mode->key, mode->flags | PARENT, &root);
  }
  for (uint64_t at = 0, block = 0; at < out_length; at += 64, block++) {
    uint32_t words[16];
    compress(root.cv, root.block, block, root.length, root.flags, words);
    memcpy(out + at, words, out_length - at < 64 ? (size_t)(out_length - at) : 64);
  }
}

warp_status warp_blake3_xof(uint32_t mode, const uint8_t *key, const uint8_t *input,
                            uint64_t length, uint8_t *out, uint64_t out_length) {
  if (!is_valid(mode, key)) return WARP_EINVAL;
  if ((input == NULL && length != 0) || (out == NULL && out_length != 0)) return WARP_EINVAL;
  const struct mode own = mode_of(mode, key);
  extend(&own, input, length, out, out_length);
  return WARP_OK;
}

/* ---- Merkle levels ------------------------------------------------------------------------------- */

#define PAIRS_A_SHARE 4096u

struct level {
  const struct mode *mode;
  const uint8_t *nodes;
  uint8_t *out;
  uint64_t pairs;
};

static void hash_pairs(void *argument, uint32_t index) {
  const struct level *level = argument;
  const uint64_t first = (uint64_t)index * PAIRS_A_SHARE;
  const uint64_t left = level->pairs - first, n = left < PAIRS_A_SHARE ? left : PAIRS_A_SHARE;
  uint64_t offsets[257];
  for (uint64_t at = 0; at < n; at += 256) {
    const uint64_t count = n - at < 256 ? n - at : 256;
    for (uint64_t i = 0; i <= count; i++) offsets[i] = 64 * (first + at + i);
    hash_range(level->mode, level->nodes, offsets, count, level->out + 32 * (first + at));
  }
}

struct merkle_arguments {
  uint8_t key[32];
  const uint8_t *leaves;
  uint8_t *out;
  uint64_t n;
};

static warp_status run_merkle(void *arguments, int is_parallel) {
  const struct merkle_arguments *a = arguments;
  const struct mode mode = mode_of(WARP_BLAKE3_KEYED, a->key);
  const uint8_t *nodes = a->leaves;
  uint8_t *out = a->out;
  for (uint64_t n = a->n; n > 1; n = (n + 1) / 2) {
    struct level level = {&mode, nodes, out, n / 2};
    warp_for(is_parallel, (uint32_t)((level.pairs + PAIRS_A_SHARE - 1) / PAIRS_A_SHARE), hash_pairs,
             &level);
    if (n % 2 == 1) memcpy(out + 32 * level.pairs, nodes + 32 * (n - 1), 32);
    nodes = out;
    out += 32 * ((n + 1) / 2);
  }
  return WARP_OK;
}

warp_status warp_merkle(warp_context context, const uint8_t *key, const uint8_t *leaves,
                        uint64_t n, uint8_t *out, warp_job *job) {
  if (key == NULL || leaves == NULL || n == 0 || n > (uint64_t)1 << 40) return WARP_EINVAL;
  if (out == NULL && n > 1) return WARP_EINVAL;
  struct merkle_arguments a = {{0}, leaves, out, n};
  memcpy(a.key, key, 32);
  return warp_run(context, run_merkle, &a, sizeof a, job);
}
