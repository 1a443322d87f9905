/* Order-0 entropy in millibits per byte, a block per item: kernels/entropy/spec.ts. */
#include "batch.cuh"
#include "memory.cuh"
#include "sum.cuh"

namespace kernels {

/* floor(log2(x) * 65536), nearly; see log2fix of the definition. */
WARP_FN uint32_t entropy_log2(uint32_t x) {
  if (x <= 1) return 0;
  constexpr uint32_t MANTISSA_BITS = 25;
  const uint32_t whole = highest_bit(x);
  uint64_t mantissa = whole > MANTISSA_BITS ? x >> (whole - MANTISSA_BITS)
                                            : (uint64_t)x << (MANTISSA_BITS - whole);
  uint32_t fraction = 0;
#pragma unroll 1
  for (int bit = 0; bit < 16; bit++) {
    const uint64_t square = mantissa * mantissa;
    const uint32_t carry = (uint32_t)(square >> (2 * MANTISSA_BITS + 1));
    fraction = 2 * fraction + carry;
    mantissa = square >> (MANTISSA_BITS + carry);
  }
  return whole << 16 | fraction;
}

struct EntropyOf {
  static constexpr uint32_t THREADS = 256;
  static constexpr uint32_t VALUES = 256;
  static constexpr uint32_t HISTOGRAMS = 8; /* threads of a warp share one: fewer collisions */
  struct Shared {
    uint32_t counts[HISTOGRAMS][VALUES];
    SumShared<THREADS> sum;
  };
  const uint8_t *base;
  const uint64_t *offsets;
  uint32_t sample;
  uint16_t *out;

  WARP_FN void run(Block<THREADS> &block, uint64_t i, Shared &shared) const {
    uint64_t from = offsets[i];
    uint64_t length = offsets[i + 1] - from;
    if (sample != 0 && length > sample) {
      from += (length - sample) / 2;
      length = sample;
    }
    block.each([&](uint32_t thread) {
      for (uint32_t h = 0; h < HISTOGRAMS; h++) shared.counts[h][thread] = 0;
    });
    block.each([&](uint32_t thread) {
      uint32_t *counts = shared.counts[thread / LANES % HISTOGRAMS];
      for (uint64_t at = 16 * thread; at < length; at += 16 * THREADS) {
        const uint64_t rest = length - at;
        count_bytes(counts, base + from + at, rest < 16 ? (uint32_t)rest : 16);
      }
    });
    const uint64_t sum = block_sum(block, shared.sum, [&](uint32_t value) {
      uint32_t count = 0;
      for (uint32_t h = 0; h < HISTOGRAMS; h++) count += shared.counts[h][value];
      return (uint64_t)count * entropy_log2(count);
    });
    block.once([&] { out[i] = length == 0 ? 0 : result(sum, (uint32_t)length); });
  }

  WARP_FN static void count_bytes(uint32_t *counts, const uint8_t *at, uint32_t count) {
    const Word4 v = load16(at, count);
    const uint32_t words[4] = {v.x, v.y, v.z, v.w};
#pragma unroll
    for (uint32_t k = 0; k < 16; k++)
      if (k < count) atomic_add(&counts[words[k / 4] >> 8 * (k % 4) & 255], 1);
  }

  WARP_FN static uint16_t result(uint64_t sum, uint32_t length) {
    const uint64_t total = (uint64_t)length * entropy_log2(length) - sum;
    return (uint16_t)(total / length * 1000 >> 16);
  }
};

} /* namespace kernels */

size_t entropy_scratch_bytes(uint64_t) { return 0; }

warp_status entropy_launch(warp_stream stream, const uint8_t *base, const uint64_t *offsets,
                           uint64_t n, uint32_t sample, uint16_t *out, void *) {
  return kernels::launch_blocks(stream, kernels::EntropyOf{base, offsets, sample, out}, n);
}
