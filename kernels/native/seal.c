/* Batches of ChaCha20-Poly1305. */
#include <string.h>

#include "aead.h"
#include "run.h"

struct seal_arguments {
  const uint8_t *base;
  const uint64_t *offsets;
  uint64_t n;
  const uint8_t *keys;
  uint32_t key_stride;
  const uint8_t *nonces, *aad;
  const uint64_t *aad_offsets;
  uint8_t *out;
  const uint64_t *out_offsets;
  uint8_t *statuses;
};

static const uint8_t *aad_of(const struct seal_arguments *a, uint64_t i, uint64_t *length) {
  *length = a->aad == NULL ? 0 : a->aad_offsets[i + 1] - a->aad_offsets[i];
  return a->aad == NULL ? NULL : a->aad + a->aad_offsets[i];
}

static void seal_items(void *argument, uint64_t first, uint64_t end) {
  const struct seal_arguments *a = argument;
  for (uint64_t i = first; i < end; i++) {
    uint64_t aad_length;
    const uint8_t *aad = aad_of(a, i, &aad_length);
    aead_seal(a->keys + i * a->key_stride, a->nonces + i * 12, aad, aad_length,
              a->base + a->offsets[i], a->offsets[i + 1] - a->offsets[i],
              a->out + a->out_offsets[i]);
  }
}

static void open_items(void *argument, uint64_t first, uint64_t end) {
  const struct seal_arguments *a = argument;
  for (uint64_t i = first; i < end; i++) {
    uint64_t aad_length;
    const uint8_t *aad = aad_of(a, i, &aad_length);
    a->statuses[i] = (uint8_t)aead_open(a->keys + i * a->key_stride, a->nonces + i * 12, aad,
                                        aad_length, a->base + a->offsets[i],
                                        a->offsets[i + 1] - a->offsets[i],
                                        a->out == NULL ? NULL : a->out + a->out_offsets[i]);
  }
}

static warp_status run_seal(void *arguments, int is_parallel) {
  const struct seal_arguments *a = arguments;
  warp_for_ranges(is_parallel, a->n, seal_items, arguments);
  return WARP_OK;
}

static warp_status run_open(void *arguments, int is_parallel) {
  const struct seal_arguments *a = arguments;
  warp_for_ranges(is_parallel, a->n, open_items, arguments);
  uint64_t wrong = 0;
  for (uint64_t i = 0; i < a->n; i++) wrong += a->statuses[i];
  if (wrong == 0) return WARP_OK;
  warp_note("open: %llu of %llu tags are wrong", (unsigned long long)wrong,
            (unsigned long long)a->n);
  return WARP_EAUTH;
}

static int is_valid(const struct seal_arguments *a) {
  if (a->n == 0) return 1;
  if (a->n > UINT32_MAX || a->offsets == NULL || a->keys == NULL || a->nonces == NULL ||
      a->out_offsets == NULL)
    return 0;
  if (a->key_stride != 0 && a->key_stride != 32) return 0;
  if (a->aad != NULL && a->aad_offsets == NULL) return 0;
  if (a->base == NULL && a->offsets[a->n] != 0) return 0;
  return warp_ascend(a->offsets, a->n) && (a->aad == NULL || warp_ascend(a->aad_offsets, a->n));
}

warp_status warp_seal(warp_context context, const uint8_t *base, const uint64_t *offsets,
                      uint64_t n, const uint8_t *keys, uint32_t key_stride, const uint8_t *nonces,
                      const uint8_t *aad, const uint64_t *aad_offsets, uint8_t *out,
                      const uint64_t *out_offsets, warp_job *job) {
  const struct seal_arguments a = {base, offsets, n, keys, key_stride, nonces,
                                   aad, aad_offsets, out, out_offsets, NULL};
  if (n != 0 && out == NULL) return WARP_EINVAL;
  return is_valid(&a) ? warp_run(context, run_seal, &a, sizeof a, job) : WARP_EINVAL;
}

/* Whether an item holds more than a tag. */
static int have_output(const uint64_t *offsets, uint64_t n) {
  for (uint64_t i = 0; i < n; i++)
    if (offsets[i + 1] - offsets[i] > 16) return 1;
  return 0;
}

warp_status warp_open(warp_context context, const uint8_t *base, const uint64_t *offsets,
                      uint64_t n, const uint8_t *keys, uint32_t key_stride, const uint8_t *nonces,
                      const uint8_t *aad, const uint64_t *aad_offsets, uint8_t *out,
                      const uint64_t *out_offsets, uint8_t *statuses, warp_job *job) {
  const struct seal_arguments a = {base, offsets, n, keys, key_stride, nonces,
                                   aad, aad_offsets, out, out_offsets, statuses};
  if (!is_valid(&a) || (n != 0 && statuses == NULL)) return WARP_EINVAL;
  if (out == NULL && have_output(offsets, n)) return WARP_EINVAL;
  return warp_run(context, run_open, &a, sizeof a, job);
}
