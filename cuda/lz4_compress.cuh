/* LZ4 blocks, written by a warp: https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md
 *
 * The warp looks at 32 positions at once: each lane hashes the 4 bytes at its own and looks up
 * where that hash was seen last. Matches are then taken from the lowest lane on; lanes inside a
 * match are skipped. Literals and matches are measured and copied by all lanes together.
 *
 * The hash table is kept by maximum of position, not by last writer, and therefore so is what
 * comes out: always the same bytes. */
#ifndef WARP_CUDA_LZ4_COMPRESS_CUH
#define WARP_CUDA_LZ4_COMPRESS_CUH
#include "batch.cuh"
#include "memory.cuh"

namespace kernels {

constexpr uint32_t LZ4_MATCH_LEAST = 4;
constexpr uint32_t LZ4_LAST_LITERALS = 5;
constexpr uint32_t LZ4_FIND_LIMIT = 12; /* no match starts within this many bytes of the end */
constexpr uint32_t LZ4_OFFSET_MOST = 65535;
constexpr uint64_t LZ4_INPUT_MOST = 0x7e000000;

struct Lz4Compress {
  static constexpr uint32_t WARPS = 1;
  static constexpr uint32_t HASH_BITS = 12;
  struct Shared {
    uint32_t table[1 << HASH_BITS]; /* position + 1, or 0 */
  };
  const uint8_t *base;
  const uint64_t *offsets;
  Count n;
  uint8_t *out;
  const uint64_t *out_offsets;
  uint32_t *lengths;
  uint32_t spare; /* bytes at the end of each slot that may not be used */

  /* What is uniform over the warp. */
  struct Writer {
    const uint8_t *in;
    uint32_t length;
    uint8_t *out;
    uint64_t capacity;
    uint64_t used;
    uint32_t anchor; /* first byte not yet written */
  };

  WARP_FN void run(Warp &warp, uint64_t i, Shared &shared) const {
    if (i >= n.get()) return;
    const uint64_t length = offsets[i + 1] - offsets[i];
    const uint64_t slot = out_offsets[i + 1] - out_offsets[i];
    Writer w{base + offsets[i], (uint32_t)length, out + out_offsets[i],
             slot < spare ? 0 : slot - spare, 0, 0};
    bool fits = length <= LZ4_INPUT_MOST;
    if (fits && length > LZ4_FIND_LIMIT) fits = matches(warp, w, shared);
    fits = fits && last_literals(warp, w);
    warp.once([&] { lengths[i] = fits ? (uint32_t)w.used : 0; });
  }

  /* False when the output is full. */
  WARP_FN static bool matches(Warp &warp, Writer &w, Shared &shared) {
    warp.each([&](uint32_t lane) {
      for (uint32_t k = lane; k < 1 << HASH_BITS; k += LANES) shared.table[k] = 0;
    });
    const uint32_t last_start = w.length - LZ4_FIND_LIMIT;
    Lane<uint32_t> candidates, words, slots;
    Lane<bool> hits;
#pragma unroll 1
    for (uint32_t at = 0; at <= last_start;) {
      warp.each([&](uint32_t lane) {
        const uint32_t p = at + lane;
        if (p > last_start) return;
        words[lane] = load4(w.in + p);
        slots[lane] = words[lane] * 2654435761u >> (32 - HASH_BITS);
        candidates[lane] = shared.table[slots[lane]];
      });
      warp.each([&](uint32_t lane) {
        const uint32_t p = at + lane;
        hits[lane] = p <= last_start && is_match(w.in, p, candidates[lane], words[lane]);
        if (p <= last_start) atomic_max(&shared.table[slots[lane]], p + 1);
      });
      uint32_t mask = warp.ballot(hits);
#pragma unroll 1
      while (mask != 0) {
        const uint32_t lane = lowest_bit(mask), start = at + lane;
        const uint32_t offset = start - (warp.from(candidates, lane) - 1);
        const uint32_t length = measure(warp, w, start, offset);
        if (!sequence(warp, w, start, offset, length)) return false;
        const uint32_t next = w.anchor - at;
        mask = next >= LANES ? 0 : mask & ~0u << next;
      }
      at = at + LANES > w.anchor ? at + LANES : w.anchor;
    }
    return true;
  }

  WARP_FN static bool is_match(const uint8_t *in, uint32_t p, uint32_t candidate, uint32_t word) {
    if (candidate == 0 || p - (candidate - 1) > LZ4_OFFSET_MOST) return false;
    return load4(in + (candidate - 1)) == word;
  }

  /* Length of the match at `start`, which has 4 bytes at least; each lane compares 4 more at a
   * time. */
  WARP_FN static uint32_t measure(Warp &warp, const Writer &w, uint32_t start, uint32_t offset) {
    const uint32_t most = w.length - LZ4_LAST_LITERALS - start;
    uint32_t length = LZ4_MATCH_LEAST;
    Lane<uint32_t> equal;
    Lane<bool> ends;
#pragma unroll 1
    for (;;) {
      warp.each([&](uint32_t lane) {
        const uint32_t at = length + 4 * lane;
        uint32_t same = at >= most ? 0 : most - at < 4 ? most - at : 4;
        if (same != 0) {
          const uint32_t difference = load4(w.in + start + at) ^ load4(w.in + start + at - offset);
          const uint32_t agree = difference == 0 ? 4 : lowest_bit(difference) / 8;
          same = agree < same ? agree : same;
        }
        equal[lane] = same;
        ends[lane] = same < 4;
      });
      const uint32_t mask = warp.ballot(ends);
      if (mask != 0) {
        const uint32_t lane = lowest_bit(mask);
        return length + 4 * lane + warp.from(equal, lane);
      }
      length += 4 * LANES;
    }
  }

  /* Bytes that a length takes beyond its nibble of the token. */
  WARP_FN static uint32_t extra_bytes(uint32_t length) {
    return length < 15 ? 0 : (length - 15) / 255 + 1;
  }

  WARP_FN static void put_extra(uint8_t *to, uint32_t length, uint32_t lane) {
    const uint32_t count = extra_bytes(length);
    for (uint32_t k = lane; k < count; k += LANES)
      to[k] = k + 1 < count ? 255 : (uint8_t)((length - 15) % 255);
  }

  /* Literals up to `start`, then a match; `length` 0 for literals alone. */
  WARP_FN static bool sequence(Warp &warp, Writer &w, uint32_t start, uint32_t offset,
                               uint32_t length) {
    const uint32_t literals = start - w.anchor;
    const uint32_t more = length == 0 ? 0 : length - LZ4_MATCH_LEAST;
    const uint64_t literals_at = w.used + 1 + extra_bytes(literals);
    const uint64_t offset_at = literals_at + literals;
    const uint64_t end = length == 0 ? offset_at : offset_at + 2 + extra_bytes(more);
    if (end > w.capacity) return false;
    warp.each([&](uint32_t lane) {
      if (lane == 0)
        w.out[w.used] = (uint8_t)((literals < 15 ? literals : 15) << 4 | (more < 15 ? more : 15));
      put_extra(w.out + w.used + 1, literals, lane);
      for (uint32_t k = lane; k < literals; k += LANES) w.out[literals_at + k] = w.in[w.anchor + k];
      if (length == 0) return;
      if (lane < 2) w.out[offset_at + lane] = (uint8_t)(offset >> 8 * lane);
      put_extra(w.out + offset_at + 2, more, lane);
    });
    w.used = end;
    w.anchor = start + length;
    return true;
  }

  WARP_FN static bool last_literals(Warp &warp, Writer &w) {
    return sequence(warp, w, w.length, 0, 0);
  }
};

} /* namespace kernels */
#endif
