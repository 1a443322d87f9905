#include <cstring>

#include "check.h"

namespace {

const char *const CONTEXT = "BLAKE3 2019-12-27 16:29:52 test vectors context";
const char *const KEY = "whats the Elvish word for friend";

Bytes painted(uint64_t bytes) {
  Bytes out(bytes);
  for (uint64_t i = 0; i < bytes; i++) out[i] = static_cast<uint8_t>(i % 251);
  return out;
}

/* All inputs of the official vectors as one batch, in each mode. */
void check_vectors(warp_context context, const std::string &json) {
  const char *const names[] = {"hash", "keyed_hash", "derive_key"};
  uint8_t context_key[32];
  warp_blake3_xof(WARP_BLAKE3_CONTEXT, nullptr, reinterpret_cast<const uint8_t *>(CONTEXT),
                  strlen(CONTEXT), context_key, 32);
  const uint8_t *const keys[] = {nullptr, reinterpret_cast<const uint8_t *>(KEY), context_key};
  for (uint32_t mode = 0; mode < 3; mode++) {
    std::vector<uint64_t> lengths;
    Bytes base, want;
    size_t at = json.find("\"cases\"");
    std::string value;
    while ((at = json.find("\"input_len\": ", at)) != std::string::npos) {
      at += strlen("\"input_len\": ");
      lengths.push_back(strtoull(json.c_str() + at, nullptr, 10));
      const Bytes input = painted(lengths.back());
      base.insert(base.end(), input.begin(), input.end());
      CHECK(next_value(json, names[mode], at, value));
      const Bytes output = from_hex(value);
      want.insert(want.end(), output.begin(), output.begin() + 32);
      Bytes extended(output.size());
      warp_blake3_xof(mode, keys[mode], input.data(), input.size(), extended.data(),
                      extended.size());
      CHECK(extended == output);
    }
    CHECK(lengths.size() == 35);
    Bytes out(32 * lengths.size());
    require(context,
            warp_blake3(context, mode, keys[mode], base.data(), offsets_of(lengths).data(),
                        lengths.size(), out.data(), nullptr),
            "warp_blake3");
    CHECK(out == want);
  }
}

void check_random(warp_context context, uint64_t scale) {
  Random random = {1};
  const uint64_t most[] = {100, 5000, 200000, 1000};
  for (const uint64_t longest : most) {
    std::vector<uint64_t> lengths(20 * scale);
    for (uint64_t &length : lengths) length = random.below(longest);
    const std::vector<uint64_t> offsets = offsets_of(lengths);
    const Bytes base = noise(offsets.back(), longest), key = noise(32, longest);
    Bytes out(32 * lengths.size()), want(32);
    require(context,
            warp_blake3(context, WARP_BLAKE3_KEYED, key.data(), base.data(), offsets.data(),
                        lengths.size(), out.data(), nullptr),
            "warp_blake3");
    for (size_t i = 0; i < lengths.size(); i++) {
      warp_blake3_xof(WARP_BLAKE3_KEYED, key.data(), base.data() + offsets[i], lengths[i],
                      want.data(), 32);
      CHECK(same(want.data(), out.data() + 32 * i, 32));
    }
  }
}

void check_merkle(warp_context context, uint64_t scale) {
  const Bytes key = noise(32, 5);
  const uint64_t counts[] = {1, 2, 3, 255, 1000 * scale + 1};
  for (const uint64_t n : counts) {
    const Bytes leaves = noise(32 * n, n);
    Bytes want, level = leaves;
    while (level.size() > 32) {
      Bytes up((level.size() + 63) / 64 * 32);
      for (size_t at = 0; at < level.size(); at += 64) {
        const uint8_t *pair = level.data() + at;
        uint8_t *to = up.data() + at / 2;
        if (level.size() - at < 64) memcpy(to, pair, 32);
        else warp_blake3_xof(WARP_BLAKE3_KEYED, key.data(), pair, 64, to, 32);
      }
      want.insert(want.end(), up.begin(), up.end());
      level = up;
    }
    Bytes out(want.size() + 1, 0xee);
    require(context, warp_merkle(context, key.data(), leaves.data(), n, out.data(), nullptr),
            "warp_merkle");
    CHECK(same(out.data(), want.data(), want.size()) && out.back() == 0xee);
  }
}

}  // namespace

void check_blake3(warp_context context, const std::string &vectors, uint64_t scale) {
  check_vectors(context, read_text(vectors + "/blake3/test_vectors.json"));
  check_random(context, scale);
  check_merkle(context, scale);
  printf("ok   blake3: 35 vectors in 3 modes, random batches, merkle\n");
}
