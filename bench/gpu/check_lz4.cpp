#include <cstring>

#include "check.h"
#include "reference.h"

namespace {

struct Compressed {
  std::vector<uint64_t> lengths;
  std::vector<Bytes> inputs, blocks;
};

Compressed compress(warp_context context, uint64_t scale) {
  Random random = {7};
  Compressed all;
  Bytes base;
  std::vector<uint64_t> rooms;
  for (uint64_t i = 0; i < 24 * scale; i++) {
    const uint64_t length = i % 4 == 0 ? 65536 : random.below(i % 4 == 1 ? 40 : 90000);
    const bool is_noise = i % 5 == 0, is_zero = i % 7 == 0;
    all.inputs.push_back(is_noise ? noise(length, i) : is_zero ? Bytes(length) : text(length, i));
    all.lengths.push_back(length);
    rooms.push_back(length + length / 255 + 16);
    base.insert(base.end(), all.inputs.back().begin(), all.inputs.back().end());
  }
  const auto offsets = offsets_of(all.lengths), slots = offsets_of(rooms);
  const uint64_t n = rooms.size();
  Bytes out(slots.back());
  std::vector<uint32_t> used(n);
  require(context,
          warp_compress(context, WARP_CODEC_LZ4, 1, nullptr, 0, base.data(), offsets.data(), n,
                        out.data(), slots.data(), used.data(), nullptr),
          "warp_compress");
  for (size_t i = 0; i < n; i++) {
    CHECK(used[i] != 0 && used[i] <= rooms[i]);
    all.blocks.emplace_back(out.begin() + static_cast<long>(slots[i]),
                            out.begin() + static_cast<long>(slots[i] + used[i]));
    Bytes back(all.lengths[i]);
    CHECK(reference_lz4(all.blocks[i], back.data(), back.size()));
    CHECK(back == all.inputs[i]);
  }
  return all;
}

/* What the device accepts must be what plain code gives; whole blocks must be accepted. */
void decompress(warp_context context, const Compressed &all, bool is_damaged) {
  Random random = {is_damaged};
  std::vector<Bytes> blocks = all.blocks;
  std::vector<uint64_t> sizes;
  Bytes base;
  for (Bytes &block : blocks) {
    if (is_damaged && !block.empty()) {
      block[random.below(block.size())] ^= static_cast<uint8_t>(1 << random.below(8));
    }
    sizes.push_back(block.size());
    base.insert(base.end(), block.begin(), block.end());
  }
  const auto offsets = offsets_of(sizes), slots = offsets_of(all.lengths);
  const uint64_t n = blocks.size();
  Bytes out(slots.back() + 1, 0xee), statuses(n);
  const warp_status status =
      warp_decompress(context, WARP_CODEC_LZ4, nullptr, 0, base.data(), offsets.data(), n,
                      out.data(), slots.data(), statuses.data(), nullptr);
  if (!is_damaged) require(context, status, "warp_decompress");
  else CHECK(status == WARP_EDATA);
  CHECK(out.back() == 0xee);
  for (size_t i = 0; i < n; i++) {
    Bytes want(all.lengths[i]);
    const bool is_whole = reference_lz4(blocks[i], want.data(), want.size());
    if (!is_damaged) CHECK(statuses[i] == 0);
    if (statuses[i] == 0) CHECK(is_whole && same(out.data() + slots[i], want.data(), want.size()));
  }
}

}  // namespace

void check_lz4(warp_context context, uint64_t scale) {
  const Compressed all = compress(context, scale);
  decompress(context, all, false);
  decompress(context, all, true);
  printf("ok   lz4: both ways, damaged blocks\n");
}
