/* ChaCha20-Poly1305 of a batch (RFC 8439 section 2.8).
 *
 * Four kernels: one-time keys (a thread per item); ChaCha20 (a warp per 2 KiB of text); Poly1305
 * of segments of 16 KiB of ciphertext (a warp each); tags from the segments' sums (a warp per
 * item). To open, ChaCha20 comes last, and writes zeros where the tag is wrong. */
#include "aead.cuh"

#include "chacha20.cuh"
#include "poly1305.cuh"

namespace kernels {

static constexpr uint32_t TILE_SHIFT = 11; /* a ChaCha20 block for each lane */
static constexpr uint32_t TILE_BYTES = 1 << TILE_SHIFT;
static constexpr uint32_t SEGMENT_SHIFT = 14;
static constexpr uint32_t SEGMENT_BYTES = 1 << SEGMENT_SHIFT;
static constexpr uint32_t POLY_BLOCK_BYTES = 16;

/* Block 0 of each item's keystream: r and s of its Poly1305. */
struct OneTimeKeys {
  static constexpr uint32_t THREADS = 128;
  AeadItems items;
  uint8_t *one_time;

  WARP_FN void run(uint64_t i) const {
    if (i >= items.n.get()) return;
    uint32_t block[16];
    chacha_block(block, items.key(i), items.nonce(i), 0);
    store_aligned16(one_time + 32 * i, {block[0], block[1], block[2], block[3]});
    store_aligned16(one_time + 32 * i + 16, {block[4], block[5], block[6], block[7]});
  }
};

/* XORs 2 KiB with the keystream. Each lane makes one block; through shared memory it gets from
 * blocks to lanes that read and write neighbouring words. */
struct Cipher {
  static constexpr uint32_t WARPS = 4;
  static constexpr uint32_t STRIDE = CHACHA_BLOCK_BYTES / 4 + 1; /* odd: no bank conflicts */
  struct Shared {
    uint32_t stream[LANES * STRIDE];
  };
  AeadItems items;
  Slots tiles;

  WARP_FN void run(Warp &warp, uint64_t slot, Shared &shared) const {
    Place place;
    if (!tiles.find(slot, place)) return;
    const uint64_t i = place.item, text = items.text_bytes(i), from = place.unit << TILE_SHIFT;
    if (from >= text) return;
    const uint32_t length = text - from < TILE_BYTES ? (uint32_t)(text - from) : TILE_BYTES;
    const uint8_t *in = items.input(i) + from;
    uint8_t *out = items.output(i) + from;
    if (items.is_open() && items.statuses[i] != 0) {
      warp.each([&](uint32_t lane) {
        for (uint32_t at = lane; at < length; at += LANES) out[at] = 0;
      });
      return;
    }
    warp.each([&](uint32_t lane) {
      if (lane * CHACHA_BLOCK_BYTES >= length) return;
      uint32_t block[16];
      chacha_block(block, items.key(i), items.nonce(i),
                   (uint32_t)(place.unit * LANES) + lane + 1);
#pragma unroll
      for (uint32_t k = 0; k < 16; k++) shared.stream[lane * STRIDE + k] = block[k];
    });
    const bool is_whole = length == TILE_BYTES;
    if (is_whole && misalignment(in, 16) == 0 && misalignment(out, 16) == 0) {
      warp.each([&](uint32_t lane) { xor_aligned(in, out, lane, shared); });
    } else {
      warp.each([&](uint32_t lane) { xor_any(in, out, length, lane, shared); });
    }
  }

  WARP_FN static uint32_t stream_word(const Shared &shared, uint32_t k) {
    return shared.stream[(k >> 4) * STRIDE + (k & 15)];
  }

  WARP_FN static void xor_aligned(const uint8_t *in, uint8_t *out, uint32_t lane,
                                  const Shared &shared) {
#pragma unroll 4
    for (uint32_t k = 4 * lane; k < TILE_BYTES / 4; k += 4 * LANES) {
      Word4 v = load_aligned16(in + 4 * k);
      v.x ^= stream_word(shared, k);
      v.y ^= stream_word(shared, k + 1);
      v.z ^= stream_word(shared, k + 2);
      v.w ^= stream_word(shared, k + 3);
      store_aligned16(out + 4 * k, v);
    }
  }

  /* Words that are aligned in the output; bytes before the first and after the last of them. */
  WARP_FN static void xor_any(const uint8_t *in, uint8_t *out, uint32_t length, uint32_t lane,
                              const Shared &shared) {
    const uint32_t to_word = (4 - misalignment(out, 4)) & 3;
    const uint32_t head = to_word < length ? to_word : length;
    const uint32_t tail = head + ((length - head) & ~3u);
#pragma unroll 4
    for (uint32_t at = head + 4 * lane; at < tail; at += 4 * LANES) {
      const uint32_t low = stream_word(shared, at / 4);
      const uint32_t word =
          head == 0 ? low : funnel_right(low, stream_word(shared, at / 4 + 1), 8 * (at & 3));
      store_aligned4(out + at, load4(in + at) ^ word);
    }
    const uint32_t odd = lane < head ? lane : tail + lane - head;
    if (odd < length && (lane < head || odd >= tail))
      out[odd] = in[odd] ^ (uint8_t)(stream_word(shared, odd / 4) >> 8 * (odd & 3));
  }
};

/* The sum of one segment of ciphertext, as if it were a message of its own. */
struct Segments {
  static constexpr uint32_t WARPS = 4;
  using Shared = PolyShared;
  AeadItems items;
  Slots segments;
  const uint8_t *one_time;
  Poly *sums;

  WARP_FN void run(Warp &warp, uint64_t slot, Shared &shared) const {
    Place place;
    if (!segments.find(slot, place)) return;
    const uint64_t text = items.text_bytes(place.item), from = place.unit << SEGMENT_SHIFT;
    if (from >= text) return;
    const uint32_t length = text - from < SEGMENT_BYTES ? (uint32_t)(text - from) : SEGMENT_BYTES;
    const uint8_t *at = items.ciphertext(place.item) + from;
    poly_powers(warp, shared, poly_clamped(load_aligned16(one_time + 32 * place.item)));
    const uint32_t blocks = (length + POLY_BLOCK_BYTES - 1) / POLY_BLOCK_BYTES;
    const Poly sum = poly_sum(warp, shared, blocks, [&](uint32_t block) {
      const uint32_t start = block * POLY_BLOCK_BYTES, rest = length - start;
      return poly_from_words(
          load16(at + start, rest < POLY_BLOCK_BYTES ? rest : POLY_BLOCK_BYTES), true);
    });
    warp.once([&] { sums[slot] = sum; });
  }
};

/* Tags: written, or compared. */
struct Tags {
  static constexpr uint32_t WARPS = 4;
  using Shared = PolyShared;
  AeadItems items;
  Slots segments;
  const uint8_t *one_time;
  const Poly *sums;

  WARP_FN void run(Warp &warp, uint64_t i, Shared &shared) const {
    if (i >= items.n.get()) return;
    const uint64_t text = items.text_bytes(i);
    if (items.is_open() && items.offsets[i + 1] - items.offsets[i] < TAG_BYTES) {
      warp.once([&] { items.statuses[i] = 1; });
      return;
    }
    const Poly r = poly_clamped(load_aligned16(one_time + 32 * i));
    Poly total = aad_sum(r, i, text);
    if (text != 0) total = poly_add(total, text_sum(warp, shared, r, i, text));
    warp.once([&] { finish(poly_multiply(add_lengths(total, i, text), r), i, text); });
  }

  WARP_FN uint64_t aad_bytes(uint64_t i) const {
    return items.aad == nullptr ? 0 : items.aad_offsets[i + 1] - items.aad_offsets[i];
  }

  /* Sum of the additional data, times r^(blocks of text). */
  WARP_FN Poly aad_sum(const Poly &r, uint64_t i, uint64_t text) const {
    Poly sum = poly_zero();
    const uint64_t length = aad_bytes(i);
    if (length == 0) return sum;
    const uint8_t *aad = items.aad + items.aad_offsets[i];
#pragma unroll 1
    for (uint64_t at = 0; at < length; at += POLY_BLOCK_BYTES) {
      const uint64_t rest = length - at;
      const Word4 w = load16(aad + at, rest < POLY_BLOCK_BYTES ? (uint32_t)rest : POLY_BLOCK_BYTES);
      sum = poly_multiply(poly_add(sum, poly_from_words(w, true)), r);
    }
    const uint64_t blocks = (text + POLY_BLOCK_BYTES - 1) / POLY_BLOCK_BYTES;
    return blocks == 0 ? sum : poly_multiply(sum, poly_power(r, blocks));
  }

  /* Full segments are terms of a polynomial in r^1024; the last one stands alone. */
  WARP_FN Poly text_sum(Warp &warp, Shared &shared, const Poly &r, uint64_t i,
                        uint64_t text) const {
    const uint64_t first = segments.start(i), full = (text - 1) >> SEGMENT_SHIFT;
    const Poly last = sums[first + full];
    if (full == 0) return last;
    const uint64_t rest = text - (full << SEGMENT_SHIFT);
    poly_powers(warp, shared, poly_power(r, SEGMENT_BYTES / POLY_BLOCK_BYTES));
    /* poly_sum's last factor is one power too high: the last full segment is added without it. */
    Poly sum = sums[first + full - 1];
    if (full > 1) {
      const Poly before = poly_sum(warp, shared, (uint32_t)(full - 1),
                                   [&](uint32_t k) { return sums[first + k]; });
      sum = poly_add(before, sum);
    }
    const Poly lift = poly_power(r, (rest + POLY_BLOCK_BYTES - 1) / POLY_BLOCK_BYTES);
    return poly_add(poly_multiply(sum, lift), last);
  }

  WARP_FN Poly add_lengths(const Poly &sum, uint64_t i, uint64_t text) const {
    const uint64_t aad = aad_bytes(i);
    const Word4 w = {(uint32_t)aad, (uint32_t)(aad >> 32), (uint32_t)text, (uint32_t)(text >> 32)};
    return poly_add(sum, poly_from_words(w, true));
  }

  /* The comparison takes the same time for every tag. */
  WARP_FN void finish(const Poly &sum, uint64_t i, uint64_t text) const {
    const Word4 tag = poly_tag(sum, load_aligned16(one_time + 32 * i + 16));
    const uint32_t words[4] = {tag.x, tag.y, tag.z, tag.w};
    uint32_t difference = 0;
#pragma unroll
    for (uint32_t k = 0; k < TAG_BYTES; k++) {
      const uint8_t byte = (uint8_t)(words[k / 4] >> 8 * (k % 4));
      if (items.is_open()) {
        difference |= (uint32_t)(items.input(i)[text + k] ^ byte);
      } else {
        items.output(i)[text + k] = byte;
      }
    }
    if (items.is_open()) items.statuses[i] = difference != 0 ? 1 : 0;
  }
};

namespace {

struct AeadScratch {
  uint8_t *one_time;
  Poly *sums;
  size_t bytes;

  AeadScratch(void *scratch, uint64_t n, uint64_t bytes_most) {
    Scratch parts{(uint8_t *)scratch};
    one_time = parts.take<uint8_t>(2 * POLY_BLOCK_BYTES * n);
    sums = parts.take<Poly>(slots_most(n, bytes_most, SEGMENT_SHIFT));
    bytes = parts.used;
  }
};

} /* namespace */

warp_status aead_queue(warp_stream stream, const AeadItems &items, uint64_t bytes, void *scratch) {
  const AeadScratch parts(scratch, items.n.most, bytes);
  const Slots tiles{items.offsets, items.n, TILE_SHIFT};
  const Slots segments{items.offsets, items.n, SEGMENT_SHIFT};
  const uint64_t n = items.n.most;
  const bool is_open = items.statuses != nullptr;
  const auto cipher = [&] {
    return launch_warps(stream, Cipher{items, tiles}, slots_most(n, bytes, TILE_SHIFT));
  };
  warp_status status = launch_threads(stream, OneTimeKeys{items, parts.one_time}, n);
  if (status == WARP_OK && !is_open) status = cipher();
  if (status == WARP_OK)
    status = launch_warps(stream, Segments{items, segments, parts.one_time, parts.sums},
                          slots_most(n, bytes, SEGMENT_SHIFT));
  if (status == WARP_OK)
    status = launch_warps(stream, Tags{items, segments, parts.one_time, parts.sums}, n);
  if (status == WARP_OK && is_open) status = cipher();
  return status;
}

} /* namespace kernels */

using namespace kernels;

size_t aead_scratch_bytes(uint64_t n, uint64_t bytes) {
  return AeadScratch(nullptr, n, bytes).bytes;
}

warp_status seal_launch(warp_stream stream, const uint8_t *base, const uint64_t *offsets,
                        uint64_t n, uint64_t bytes, const uint8_t *keys, uint32_t key_stride,
                        const uint8_t *nonces, const uint8_t *aad, const uint64_t *aad_offsets,
                        uint8_t *out, const uint64_t *out_offsets, void *scratch) {
  if (key_stride != 0 && key_stride != KEY_BYTES) return WARP_EINVAL;
  const AeadItems items{offsets, {n, nullptr}, 0,   base, nullptr, nullptr, offsets, out,
                        out_offsets, keys, key_stride, nonces, aad, aad_offsets, nullptr};
  return n == 0 ? WARP_OK : aead_queue(stream, items, bytes, scratch);
}

warp_status open_launch(warp_stream stream, const uint8_t *base, const uint64_t *offsets,
                        uint64_t n, uint64_t bytes, const uint8_t *keys, uint32_t key_stride,
                        const uint8_t *nonces, const uint8_t *aad, const uint64_t *aad_offsets,
                        uint8_t *out, const uint64_t *out_offsets, uint8_t *statuses,
                        void *scratch) {
  if ((key_stride != 0 && key_stride != KEY_BYTES) || statuses == nullptr) return WARP_EINVAL;
  const AeadItems items{offsets, {n, nullptr}, TAG_BYTES, base, nullptr, nullptr, offsets, out,
                        out_offsets, keys, key_stride, nonces, aad, aad_offsets, statuses};
  return n == 0 ? WARP_OK : aead_queue(stream, items, bytes, scratch);
}
