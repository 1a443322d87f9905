/* Entropy, boundaries, and everything fused. */
#include <algorithm>
#include <cstring>

#include "check.h"
#include "reference.h"

warp_boundary_params boundary_params(uint32_t avg_bits) {
  warp_boundary_params params = {};
  params.size = sizeof params;
  params.avg_bits = avg_bits;
  params.min = std::max(64u, (1u << avg_bits) / 4);
  params.max = 4u << avg_bits;
  fill_noise(reinterpret_cast<uint8_t *>(params.table), sizeof params.table, 11);
  return params;
}

void check_entropy(warp_context context, uint64_t scale) {
  Random random = {3};
  std::vector<uint64_t> lengths;
  for (uint64_t i = 0; i < 30 * scale; i++) {
    lengths.push_back(random.below(i % 2 == 0 ? 70000 : 20));
  }
  const auto offsets = offsets_of(lengths);
  const Bytes base = text(offsets.back(), 6);
  std::vector<uint16_t> out(lengths.size());
  for (const uint32_t sample : {0u, 4096u}) {
    require(context,
            warp_entropy(context, base.data(), offsets.data(), lengths.size(), sample, out.data(),
                         nullptr),
            "warp_entropy");
    for (size_t i = 0; i < lengths.size(); i++) {
      const uint64_t counted = sample == 0 ? lengths[i] : std::min<uint64_t>(lengths[i], sample);
      const uint8_t *middle = base.data() + offsets[i] + (lengths[i] - counted) / 2;
      CHECK(out[i] == reference_entropy(middle, counted));
    }
  }
  printf("ok   entropy\n");
}

void check_boundary(warp_context context, uint64_t scale) {
  for (const uint32_t avg_bits : {8u, 12u, 16u}) {
    const warp_boundary_params params = boundary_params(avg_bits);
    const Bytes input = avg_bits == 12 ? text(400000 * scale, 1) : noise(400001 * scale, 2);
    std::vector<uint32_t> cuts(input.size() / params.min + 1);
    for (const bool is_last : {true, false}) {
      uint32_t count = 0;
      require(context,
              warp_boundary(context, &params, input.data(), input.size(), is_last, cuts.data(),
                            static_cast<uint32_t>(cuts.size()), &count, nullptr),
              "warp_boundary");
      const auto want = reference_cuts(params, input.data(), input.size(), is_last);
      CHECK(std::vector<uint32_t>(cuts.begin(), cuts.begin() + count) == want);
    }
  }
  printf("ok   boundary\n");
}

void check_fused(warp_context context, uint64_t scale) {
  warp_fused_params params = {};
  params.size = sizeof params;
  params.is_last = 1;
  params.codec = WARP_CODEC_LZ4;
  params.blake3_mode = WARP_BLAKE3_KEYED;
  fill_noise(params.id_key, 32, 1);
  fill_noise(params.seal_key, 32, 2);
  fill_noise(params.nonce, 12, 3);
  params.boundary = boundary_params(13);
  Bytes input = text(400000 * scale, 4);
  fill_noise(input.data() + input.size() / 3, input.size() / 3, 5);
  const uint64_t chunks = input.size() / params.boundary.min + 1;
  params.capacity = static_cast<uint32_t>(chunks);
  Bytes out(input.size() + 16 * chunks), ids(32 * chunks), codecs(chunks);
  std::vector<uint64_t> raw(chunks + 1), to(chunks + 1);
  uint32_t count = 0;
  require(context,
          warp_fused(context, &params, input.data(), input.size(), out.data(), out.size(),
                     raw.data(), to.data(), ids.data(), codecs.data(), &count, nullptr),
          "warp_fused");
  const auto cuts = reference_cuts(params.boundary, input.data(), input.size(), true);
  CHECK(count == cuts.size());
  uint32_t packed = 0;
  for (uint32_t i = 0; i < count; i++) {
    CHECK(raw[i + 1] == cuts[i]);
    const uint8_t *chunk = input.data() + raw[i];
    const uint64_t length = raw[i + 1] - raw[i], sealed = to[i + 1] - to[i];
    uint8_t id[32], nonce[12];
    warp_blake3_xof(WARP_BLAKE3_KEYED, params.id_key, chunk, length, id, 32);
    CHECK(same(id, ids.data() + 32 * i, 32));
    memcpy(nonce, params.nonce, 12);
    uint64_t counter;
    memcpy(&counter, nonce + 4, 8);
    counter += i;
    memcpy(nonce + 4, &counter, 8);
    /* Sealing is its own inverse: what the ciphertext seals to is the payload. */
    const Bytes payload =
        reference_seal(params.seal_key, nonce, {}, out.data() + to[i], sealed - 16);
    const Bytes again = reference_seal(params.seal_key, nonce, {}, payload.data(), sealed - 16);
    CHECK(same(again.data(), out.data() + to[i], sealed));
    Bytes back(length);
    if (codecs[i] == WARP_CODEC_LZ4) {
      CHECK(reference_lz4(Bytes(payload.begin(), payload.end() - 16), back.data(), length));
      CHECK(sealed - 16 < length);
      packed++;
    } else {
      CHECK(sealed - 16 == length);
      memcpy(back.data(), payload.data(), length);
    }
    CHECK(same(back.data(), chunk, length));
  }
  CHECK(packed != 0 && packed != count);
  printf("ok   fused: %u chunks, %u of them compressed\n", count, packed);
}
