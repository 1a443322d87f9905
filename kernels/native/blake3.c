/* BLAKE3's functions of the interface: batches, extendable output and Merkle levels. */
#include "blake3.h"

#include <string.h>

#include "blake3_tree.h"
#include "pool.h"
#include "run.h"

/* ---- many inputs --------------------------------------------------------------------------------- */

/* Shares of about as many bytes each. */
#define SHARES_MAX 128u
#define SHARE_BYTES_LEAST ((uint64_t)128 * 1024)

struct shares {
  const struct blake3_mode *mode;
  const uint8_t *base;
  const uint64_t *offsets;
  uint8_t *out;
  uint64_t start[SHARES_MAX + 1];
};

static void hash_share(void *argument, uint32_t index) {
  const struct shares *s = argument;
  const uint64_t first = s->start[index], end = s->start[index + 1];
  blake3_hash_range(s->mode, s->base, s->offsets + first, end - first, s->out + 32 * first);
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
  const struct blake3_mode mode = blake3_mode_of(kind, key);
  if (!is_parallel || n < 2) {
    blake3_hash_range(&mode, base, offsets, n, out);
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
  if (!is_valid(mode, key) || n > UINT32_MAX) return WARP_EINVAL;
  if (n != 0 && (offsets == NULL || out == NULL || !warp_ascend(offsets, n))) return WARP_EINVAL;
  if (n != 0 && base == NULL && offsets[n] != 0) return WARP_EINVAL;
  struct blake3_arguments a = {{0}, base, offsets, out, n, mode};
  if (key != NULL) memcpy(a.key, key, 32);
  return warp_run(context, run_blake3, &a, sizeof a, job);
}

warp_status warp_blake3_xof(uint32_t mode, const uint8_t *key, const uint8_t *input,
                            uint64_t length, uint8_t *out, uint64_t out_length) {
  if (!is_valid(mode, key)) return WARP_EINVAL;
  if ((input == NULL && length != 0) || (out == NULL && out_length != 0)) return WARP_EINVAL;
  const struct blake3_mode own = blake3_mode_of(mode, key);
  blake3_extend(&own, input, length, out, out_length);
  return WARP_OK;
}

/* ---- Merkle levels ------------------------------------------------------------------------------- */

#define PAIRS_A_SHARE 4096u

struct level {
  const struct blake3_mode *mode;
  const uint8_t *nodes;
  uint8_t *out;
  uint64_t pairs;
};

/* Of 64 bytes each: one block, no tree. */
#define PAIRS_AT_ONCE 128u

static void hash_some_pairs(const struct blake3_mode *mode, const uint8_t *pairs, uint32_t count,
                            uint8_t *out) {
  struct blake3_node nodes[PAIRS_AT_ONCE];
  uint32_t value[PAIRS_AT_ONCE][8];
  for (uint32_t i = 0; i < count; i++)
    nodes[i] = (struct blake3_node){pairs + BLOCK_BYTES * i, BLOCK_BYTES, ROOT, 0, value[i]};
  blake3_run_nodes(mode, nodes, count, mode->flags);
  memcpy(out, value, (size_t)32 * count);
}

static void hash_pairs(void *argument, uint32_t index) {
  const struct level *level = argument;
  const uint64_t first = (uint64_t)index * PAIRS_A_SHARE;
  const uint64_t left = level->pairs - first, n = left < PAIRS_A_SHARE ? left : PAIRS_A_SHARE;
  for (uint64_t at = 0; at < n; at += PAIRS_AT_ONCE) {
    const uint64_t count = n - at < PAIRS_AT_ONCE ? n - at : PAIRS_AT_ONCE;
    hash_some_pairs(level->mode, level->nodes + BLOCK_BYTES * (first + at), (uint32_t)count,
                    level->out + 32 * (first + at));
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
  const struct blake3_mode mode = blake3_mode_of(WARP_BLAKE3_KEYED, a->key);
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
