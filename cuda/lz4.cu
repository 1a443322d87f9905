/* LZ4 blocks of a batch, a warp per item. */
#include "lz4_compress.cuh"

namespace kernels {

/* Fills one slot from one block, exactly as kernels/lz4/decode.ts does: whatever the input, nothing
 * outside the item is read and nothing outside the slot is written. Every lane reads the lengths,
 * which are the same for all; bytes are copied by all lanes together. */
struct Lz4Decompress {
  static constexpr uint32_t WARPS = 4;
  using Shared = Nothing;
  /* Two offset bytes, a token and the last literals must follow literals that are not the last. */
  static constexpr uint64_t TAIL_LEAST = 3 + LZ4_LAST_LITERALS;
  const uint8_t *base;
  const uint64_t *offsets;
  uint8_t *out;
  const uint64_t *out_offsets;
  uint8_t *statuses;

  struct Cursor {
    const uint8_t *in;
    uint64_t in_length;
    uint8_t *out;
    uint64_t out_length;
    uint64_t read;
    uint64_t written;
  };

  WARP_FN void run(Warp &warp, uint64_t i, Shared &) const {
    Cursor c{base + offsets[i],         offsets[i + 1] - offsets[i],
             out + out_offsets[i],      out_offsets[i + 1] - out_offsets[i], 0, 0};
    const bool is_valid = decode(warp, c);
    warp.each([&](uint32_t lane) {
      if (lane == 0) statuses[i] = is_valid ? 0 : 1;
      if (!is_valid)
        for (uint64_t k = lane; k < c.out_length; k += LANES) c.out[k] = 0;
    });
  }

  WARP_FN static bool decode(Warp &warp, Cursor &c) {
#pragma unroll 1
    while (c.read < c.in_length) {
      const uint32_t token = c.in[c.read++];
      uint64_t literals = token >> 4;
      if (literals == 15 && !read_extra(c, literals)) return false;
      if (literals > c.in_length - c.read || literals > c.out_length - c.written) return false;
      copy_literals(warp, c, literals);
      if (c.read == c.in_length) return c.written == c.out_length;
      if (c.written + LZ4_FIND_LIMIT > c.out_length) return false;
      if (c.read + TAIL_LEAST > c.in_length) return false;

      const uint32_t offset = c.in[c.read] | (uint32_t)c.in[c.read + 1] << 8;
      c.read += 2;
      if (offset == 0 || offset > c.written) return false;
      uint64_t length = (token & 15) + LZ4_MATCH_LEAST;
      if (length == 15 + LZ4_MATCH_LEAST && !read_extra(c, length)) return false;
      if (length > c.out_length - LZ4_LAST_LITERALS - c.written) return false;
      copy_match(warp, c, offset, length);
    }
    return false;
  }

  /* Adds length bytes, the last of which is not 255. */
  WARP_FN static bool read_extra(Cursor &c, uint64_t &length) {
    uint32_t more;
#pragma unroll 1
    do {
      if (c.read >= c.in_length || length > c.out_length) return false;
      more = c.in[c.read++];
      length += more;
    } while (more == 255);
    return true;
  }

  WARP_FN static void copy_literals(Warp &warp, Cursor &c, uint64_t count) {
    const uint8_t *from = c.in + c.read;
    uint8_t *to = c.out + c.written;
    warp.each([&](uint32_t lane) {
      for (uint64_t k = lane; k < count; k += LANES) to[k] = from[k];
    });
    c.read += count;
    c.written += count;
  }

  /* An offset shorter than the match repeats what is there already. */
  WARP_FN static void copy_match(Warp &warp, Cursor &c, uint32_t offset, uint64_t count) {
    uint8_t *to = c.out + c.written;
    const uint8_t *from = to - offset;
    if (offset >= count) {
      warp.each([&](uint32_t lane) {
        for (uint64_t k = lane; k < count; k += LANES) to[k] = from[k];
      });
    } else {
      warp.each([&](uint32_t lane) {
        uint32_t at = lane % offset;
        const uint32_t step = LANES % offset;
        for (uint64_t k = lane; k < count; k += LANES) {
          to[k] = from[at];
          at += step;
          at = at >= offset ? at - offset : at;
        }
      });
    }
    c.written += count;
  }
};

} /* namespace kernels */

using namespace kernels;

size_t lz4_scratch_bytes(uint64_t) { return 0; }

warp_status lz4_compress_launch(warp_stream stream, const uint8_t *base, const uint64_t *offsets,
                                uint64_t n, uint8_t *out, const uint64_t *out_offsets,
                                uint32_t *lengths, void *) {
  const Lz4Compress kernel{base, offsets, {n, nullptr}, out, out_offsets, lengths, 0};
  return launch_warps(stream, kernel, n);
}

warp_status lz4_decompress_launch(warp_stream stream, const uint8_t *base, const uint64_t *offsets,
                                  uint64_t n, uint8_t *out, const uint64_t *out_offsets,
                                  uint8_t *statuses, void *) {
  return launch_warps(stream, Lz4Decompress{base, offsets, out, out_offsets, statuses}, n);
}
