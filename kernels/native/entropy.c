/* Order-0 entropy in integers: kernels/entropy/spec.ts is the definition. */
#include <string.h>

#include "run.h"

#define FRACTION_BITS 16
#define MANTISSA_BITS 25
#define SAMPLE_BYTES_MAX ((uint64_t)64 * 1024 * 1024)
/* Counts up to this are looked up: samples are 4 KiB. */
#define TABLE_MAX 4096u

/* The binary logarithm with 16 fraction bits, truncated at each of 16 squarings; 0 for 0. */
static uint32_t log2_fixed(uint32_t x) {
  if (x <= 1) return 0;
  const uint32_t whole = 31 - (uint32_t)__builtin_clz(x);
  uint64_t mantissa =
      whole > MANTISSA_BITS ? x >> (whole - MANTISSA_BITS) : (uint64_t)x << (MANTISSA_BITS - whole);
  uint32_t fraction = 0;
  for (int bit = 0; bit < FRACTION_BITS; bit++) {
    const uint64_t square = mantissa * mantissa;
    const uint32_t carry = square >= (uint64_t)1 << (2 * MANTISSA_BITS + 1);
    fraction = 2 * fraction + carry;
    mantissa = square >> (MANTISSA_BITS + carry);
  }
  return (whole << FRACTION_BITS) + fraction;
}

static uint32_t table[TABLE_MAX + 1];

__attribute__((constructor)) static void fill_table(void) {
  for (uint32_t i = 0; i <= TABLE_MAX; i++) table[i] = log2_fixed(i);
}

static uint64_t weigh(uint32_t count) {
  return (uint64_t)count * (count <= TABLE_MAX ? table[count] : log2_fixed(count));
}

/* Four histograms: equal bytes in a row would otherwise wait for each other. */
static void count_bytes(const uint8_t *input, uint64_t length, uint32_t counts[256]) {
  uint32_t part[4][256];
  memset(part, 0, sizeof part);
  uint64_t i = 0;
  for (; i + 4 <= length; i += 4) {
    part[0][input[i]]++;
    part[1][input[i + 1]]++;
    part[2][input[i + 2]]++;
    part[3][input[i + 3]]++;
  }
  for (; i < length; i++) part[0][input[i]]++;
  for (int v = 0; v < 256; v++) counts[v] = part[0][v] + part[1][v] + part[2][v] + part[3][v];
}

static uint16_t estimate(const uint8_t *input, uint64_t length) {
  if (length == 0) return 0;
  uint32_t counts[256];
  count_bytes(input, length, counts);
  uint64_t total = weigh((uint32_t)length);
  for (int v = 0; v < 256; v++) total -= weigh(counts[v]);
  return (uint16_t)(total / length * 1000 >> FRACTION_BITS);
}

struct entropy_arguments {
  const uint8_t *base;
  const uint64_t *offsets;
  uint64_t n;
  uint32_t sample;
  uint16_t *out;
};

static void estimate_items(void *argument, uint64_t first, uint64_t end) {
  const struct entropy_arguments *a = argument;
  for (uint64_t i = first; i < end; i++) {
    uint64_t start = a->offsets[i], length = a->offsets[i + 1] - start;
    if (a->sample != 0 && length > a->sample) {
      start += (length - a->sample) / 2;
      length = a->sample;
    }
    a->out[i] = estimate(a->base + start, length);
  }
}

static warp_status run_entropy(void *arguments, int is_parallel) {
  const struct entropy_arguments *a = arguments;
  warp_for_ranges(is_parallel, a->n, estimate_items, arguments);
  return WARP_OK;
}

warp_status warp_entropy(warp_context context, const uint8_t *base, const uint64_t *offsets,
                         uint64_t n, uint32_t sample, uint16_t *out, warp_job *job) {
  if (n > UINT32_MAX || sample > SAMPLE_BYTES_MAX) return WARP_EINVAL;
  if (n != 0 && (offsets == NULL || out == NULL || !warp_ascend(offsets, n))) return WARP_EINVAL;
  if (n != 0 && base == NULL && offsets[n] != 0) return WARP_EINVAL;
  for (uint64_t i = 0; sample == 0 && i < n; i++)
    if (offsets[i + 1] - offsets[i] > SAMPLE_BYTES_MAX) return WARP_EINVAL;
  const struct entropy_arguments a = {base, offsets, n, sample, out};
  return warp_run(context, run_entropy, &a, sizeof a, job);
}
