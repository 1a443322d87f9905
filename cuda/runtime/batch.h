/* Batches: checks, and how they are cut into pieces. */
#ifndef WARP_RUNTIME_BATCH_H
#define WARP_RUNTIME_BATCH_H
#include <algorithm>

#include "operation.h"

namespace warp {

/* Sums of sizes stay far from overflow. */
constexpr uint64_t BYTES_MOST = uint64_t{1} << 48;
constexpr uint64_t ITEMS_MOST = uint64_t{1} << 40;
/* A piece has one item for so many bytes of a slot at most: what each item needs besides is
 * bounded. */
constexpr uint64_t BYTES_PER_ITEM = 64;

struct Batch {
  const uint8_t *base;
  const uint64_t *offsets;
  uint64_t n;

  uint64_t length(uint64_t i) const { return offsets[i + 1] - offsets[i]; }
  uint64_t bytes() const { return n == 0 ? 0 : offsets[n] - offsets[0]; }
  Range data() const { return range(0, n); }
  Range range(uint64_t first, uint64_t count) const {
    if (n == 0) return {nullptr, 0};
    return {base + offsets[first], offsets[first + count] - offsets[first]};
  }
  Range table() const { return {offsets, n == 0 ? 0 : 8 * (n + 1)}; }
};

/* Whether `n` + 1 offsets ascend and stay within bounds. */
inline bool are_offsets(const uint64_t *offsets, uint64_t n) {
  if (n == 0) return true;
  if (n > ITEMS_MOST || offsets == nullptr) return false;
  for (uint64_t i = 0; i < n; i++) {
    if (offsets[i] > offsets[i + 1]) return false;
  }
  return offsets[n] <= BYTES_MOST;
}

inline bool is_batch(const Batch &batch) {
  return are_offsets(batch.offsets, batch.n) && (batch.bytes() == 0 || batch.base != nullptr);
}

/* Copies `count` + 1 offsets so that they begin at 0. False where they no longer ascend or no
 * longer sum up to `bytes`: the device trusts them. */
inline bool rebase(const uint64_t *offsets, uint64_t count, uint64_t bytes, uint64_t *to) {
  const uint64_t start = offsets[0];
  uint64_t last = 0;
  for (uint64_t i = 0; i <= count; i++) {
    to[i] = offsets[i] - start;
    if (to[i] < last) return false;
    last = to[i];
  }
  return last == bytes;
}

/* How many items from `first` a piece of at most `piece_bytes` takes, both ways: at least one.
 * in(i), out(i): bytes of item i. */
template <class In, class Out>
uint64_t piece_items(uint64_t first, uint64_t n, uint64_t piece_bytes, In in, Out out) {
  const uint64_t most = std::min(n - first, std::max<uint64_t>(1, piece_bytes / BYTES_PER_ITEM));
  uint64_t count = 0, bytes_in = 0, bytes_out = 0;
  while (count < most) {
    bytes_in += in(first + count);
    bytes_out += out(first + count);
    if (count != 0 && (bytes_in > piece_bytes || bytes_out > piece_bytes)) break;
    count++;
  }
  return count;
}

}  // namespace warp
#endif
