#include "reference.h"

#include <algorithm>
#include <cstring>

namespace {

uint32_t rotl(uint32_t x, int bits) {
  bits &= 31;
  return bits == 0 ? x : x << bits | x >> (32 - bits);
}

void quarter(uint32_t *x, int a, int b, int c, int d) {
  x[a] += x[b], x[d] = rotl(x[d] ^ x[a], 16);
  x[c] += x[d], x[b] = rotl(x[b] ^ x[c], 12);
  x[a] += x[b], x[d] = rotl(x[d] ^ x[a], 8);
  x[c] += x[d], x[b] = rotl(x[b] ^ x[c], 7);
}

void chacha20_block(const uint8_t *key, uint32_t counter, const uint8_t *nonce, uint8_t out[64]) {
  uint32_t start[16] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574}, x[16];
  memcpy(start + 4, key, 32);
  start[12] = counter;
  memcpy(start + 13, nonce, 12);
  memcpy(x, start, sizeof x);
  for (int round = 0; round < 10; round++) {
    for (int i = 0; i < 4; i++) quarter(x, i, 4 + i, 8 + i, 12 + i);
    for (int i = 0; i < 4; i++) quarter(x, i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4);
  }
  for (int i = 0; i < 16; i++) x[i] += start[i];
  memcpy(out, x, 64);
}

/* 130-bit numbers as five limbs of 26 bits. */
struct Poly1305 {
  uint64_t r[5], h[5] = {};
  uint8_t s[16];

  explicit Poly1305(const uint8_t key[32]) {
    uint8_t clamped[16];
    memcpy(clamped, key, 16);
    for (int i = 3; i < 16; i += 4) clamped[i] &= 15;
    for (int i = 4; i < 16; i += 4) clamped[i] &= 252;
    split(clamped, 0, r);
    memcpy(s, key + 16, 16);
  }
  static void split(const uint8_t *block, uint64_t high, uint64_t limbs[5]) {
    uint64_t low, next;
    memcpy(&low, block, 8);
    memcpy(&next, block + 8, 8);
    const uint64_t mask = 0x3ffffff;
    limbs[0] = low & mask;
    limbs[1] = low >> 26 & mask;
    limbs[2] = (low >> 52 | next << 12) & mask;
    limbs[3] = next >> 14 & mask;
    limbs[4] = next >> 40 | high << 24;
  }
  void carry(uint64_t *limbs) const {
    for (int turn = 0; turn < 2; turn++) {
      for (int i = 0; i < 5; i++) {
        const uint64_t over = limbs[i] >> 26;
        limbs[i] &= 0x3ffffff;
        if (i < 4) limbs[i + 1] += over;
        else limbs[0] += 5 * over;
      }
    }
  }
  void add(const uint8_t *block) {
    uint64_t m[5], product[5];
    split(block, 1, m);
    for (int i = 0; i < 5; i++) h[i] += m[i];
    for (int i = 0; i < 5; i++) {
      product[i] = 0;
      for (int j = 0; j < 5; j++) product[i] += h[j] * (j <= i ? r[i - j] : 5 * r[5 + i - j]);
    }
    carry(product);
    memcpy(h, product, sizeof h);
  }
  /* Zeros up to a multiple of 16. */
  void add_padded(const uint8_t *input, uint64_t length) {
    for (uint64_t at = 0; at < length; at += 16) {
      uint8_t block[16] = {};
      memcpy(block, input + at, std::min<uint64_t>(16, length - at));
      add(block);
    }
  }
  void finish(uint8_t tag[16]) {
    carry(h);
    uint64_t less[5], over = 5;
    for (int i = 0; i < 5; i++) {
      less[i] = h[i] + over;
      over = less[i] >> 26;
      less[i] &= 0x3ffffff;
    }
    /* h + 5 reaches 2^130 exactly when h >= p. */
    const uint64_t *x = over != 0 ? less : h;
    const uint64_t low = x[0] | x[1] << 26 | x[2] << 52;
    const uint64_t high = x[2] >> 12 | x[3] << 14 | x[4] << 40;
    unsigned __int128 sum, pad;
    memcpy(&pad, s, 16);
    sum = (static_cast<unsigned __int128>(high) << 64 | low) + pad;
    memcpy(tag, &sum, 16);
  }
};

uint32_t buzhash(const warp_boundary_params &params, const uint8_t *last) {
  uint32_t hash = 0;
  for (int k = 0; k < 48; k++) {
    const uint8_t byte = last[-k];
    hash ^= rotl(params.table[byte >> 4] ^ params.table[16 + (byte & 15)], k);
  }
  return hash;
}

uint64_t log2fix(uint64_t x) {
  if (x <= 1) return 0;
  const int whole = 63 - __builtin_clzll(x);
  uint64_t mantissa = whole > 25 ? x >> (whole - 25) : x << (25 - whole), fraction = 0;
  for (int bit = 0; bit < 16; bit++) {
    const uint64_t square = mantissa * mantissa, carry = square >> 51;
    fraction = 2 * fraction + carry;
    mantissa = square >> (25 + carry);
  }
  return static_cast<uint64_t>(whole) * 65536 + fraction;
}

/* More length bytes, after a nibble of 15. */
bool read_length(const Bytes &block, size_t &at, uint64_t &length) {
  if (length != 15) return true;
  for (uint8_t byte = 255; byte == 255; length += byte) {
    if (at == block.size()) return false;
    byte = block[at++];
  }
  return true;
}

}  // namespace

Bytes reference_seal(const uint8_t *key, const uint8_t *nonce, const Bytes &aad,
                     const uint8_t *input, uint64_t length) {
  Bytes out(length + 16);
  uint8_t block[64];
  chacha20_block(key, 0, nonce, block);
  Poly1305 poly(block);
  for (uint64_t at = 0; at < length; at += 64) {
    chacha20_block(key, static_cast<uint32_t>(1 + at / 64), nonce, block);
    for (uint64_t i = at; i < std::min(at + 64, length); i++) out[i] = input[i] ^ block[i - at];
  }
  uint64_t lengths[2] = {aad.size(), length};
  poly.add_padded(aad.data(), aad.size());
  poly.add_padded(out.data(), length);
  poly.add(reinterpret_cast<const uint8_t *>(lengths));
  poly.finish(out.data() + length);
  return out;
}

std::vector<uint32_t> reference_cuts(const warp_boundary_params &params, const uint8_t *input,
                                     uint64_t length, bool is_last) {
  const uint64_t average = uint64_t{1} << params.avg_bits;
  const uint32_t strict = (1u << (params.avg_bits + 2)) - 1;
  const uint32_t loose = (1u << (params.avg_bits - 2)) - 1;
  std::vector<uint32_t> cuts;
  uint64_t start = 0;
  for (uint64_t end = 1; end <= length; end++) {
    const uint64_t own = end - start;
    if (own < params.min) continue;
    const uint32_t mask = own < average ? strict : loose;
    if (own != params.max && (buzhash(params, input + end - 1) & mask) != mask) continue;
    cuts.push_back(static_cast<uint32_t>(end));
    start = end;
  }
  if (is_last && start != length) cuts.push_back(static_cast<uint32_t>(length));
  return cuts;
}

uint16_t reference_entropy(const uint8_t *input, uint64_t length) {
  if (length == 0) return 0;
  uint64_t counts[256] = {}, total = length * log2fix(length);
  for (uint64_t i = 0; i < length; i++) counts[input[i]]++;
  for (const uint64_t count : counts) total -= count * log2fix(count);
  return static_cast<uint16_t>(total / length * 1000 / 65536);
}

bool reference_lz4(const Bytes &block, uint8_t *out, uint64_t length) {
  uint64_t done = 0;
  for (size_t at = 0; at < block.size();) {
    const uint8_t token = block[at++];
    uint64_t literals = token >> 4, match = token & 15;
    if (!read_length(block, at, literals)) return false;
    if (literals > block.size() - at || literals > length - done) return false;
    if (literals != 0) memcpy(out + done, block.data() + at, literals);
    at += literals;
    done += literals;
    if (at == block.size()) return done == length;
    if (block.size() - at < 2) return false;
    const uint64_t offset = block[at] | block[at + 1] << 8;
    at += 2;
    if (!read_length(block, at, match)) return false;
    match += 4;
    if (offset == 0 || offset > done || match > length - done) return false;
    for (; match != 0; match--, done++) out[done] = out[done - offset];
  }
  return false;
}
