/* How the items of a batch, of any lengths, are spread over threads without a first pass over them.
 *
 * Item i is cut into units of 2^shift bytes. Its units get the slots
 *
 *     start(i) = floor((offsets[i] - offsets[0]) / 2^shift) + i,  start(i) + 1, ...
 *
 * Since ceil(y) <= floor(x + y) - floor(x) + 1 they never reach start(i + 1), also when an item has
 * one unit for no bytes. There are at most floor(bytes / 2^shift) + n slots; some stay empty. */
#ifndef WARP_CUDA_BATCH_CUH
#define WARP_CUDA_BATCH_CUH
#include "portable.h"

namespace kernels {

/* A number that the host knows, or one that an earlier kernel writes, cut to `most`. */
struct Count {
  uint64_t most;
  const uint32_t *device;
  WARP_FN uint64_t get() const { return device == nullptr || *device > most ? most : *device; }
};

struct Place {
  uint64_t item;
  uint64_t unit;
};

struct Slots {
  const uint64_t *offsets;
  Count n;
  uint32_t shift;

  WARP_FN uint64_t start(uint64_t item) const {
    return ((offsets[item] - offsets[0]) >> shift) + item;
  }

  /* The item whose slots begin last at or before `slot`, and how far it is into them; false behind
   * the last. The unit may be one that the item does not have. */
  WARP_FN bool find(uint64_t slot, Place &place) const {
    const uint64_t count = n.get();
    if (count == 0) return false;
    const uint64_t units = (offsets[count] - offsets[0]) >> shift;
    if (slot >= units + count) return false;
    uint64_t low = slot > units ? slot - units : 0;
    uint64_t high = slot < count - 1 ? slot : count - 1;
    while (low < high) {
      const uint64_t middle = low + (high - low + 1) / 2;
      if (start(middle) <= slot) {
        low = middle;
      } else {
        high = middle - 1;
      }
    }
    place = {low, slot - start(low)};
    return true;
  }
};

/* Slots for n items of `bytes` in all. */
inline uint64_t slots_most(uint64_t n, uint64_t bytes, uint32_t shift) {
  return (bytes >> shift) + n;
}

/* Hands out the parts of a scratch buffer; without a buffer, measures them. */
struct Scratch {
  uint8_t *base;
  size_t used = 0;

  template <class T>
  T *take(uint64_t count) {
    T *part = base == nullptr ? nullptr : (T *)(base + used);
    used += ((size_t)count * sizeof(T) + 255) & ~(size_t)255;
    return part;
  }
};

} /* namespace kernels */
#endif
