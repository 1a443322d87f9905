/* Memory that only grows, of a slot: on the device, or pinned. It may have held plaintext and keys
 * and is zeroed before it is given back. */
#ifndef WARP_RUNTIME_BLOCK_H
#define WARP_RUNTIME_BLOCK_H
#include "device.h"

namespace warp {

/* All device memory of a context. */
struct Budget {
  uint64_t cap = 0;
  uint64_t used = 0;
};

class DeviceBlock {
 public:
  uint8_t *data() const { return data_; }
  uint64_t bytes() const { return bytes_; }

  /* The block must be idle. The old content is lost. */
  int allocate(uint64_t bytes, Budget &budget) {
    void *memory = nullptr;
    const int code = device_allocate(&memory, bytes);
    if (code != 0) return code;
    data_ = static_cast<uint8_t *>(memory);
    bytes_ = bytes;
    budget.used += bytes;
    return 0;
  }

  /* The block must be idle. */
  int release(Budget &budget, Stream stream) {
    if (data_ == nullptr) return 0;
    int code = fill(data_, 0, bytes_, stream);
    if (code == 0) code = stream_synchronize(stream);
    const int freed = device_release(data_);
    budget.used -= bytes_;
    data_ = nullptr;
    bytes_ = 0;
    return code != 0 ? code : freed;
  }

 private:
  uint8_t *data_ = nullptr;
  uint64_t bytes_ = 0;
};

class PinnedBlock {
 public:
  uint8_t *data() const { return data_; }
  uint64_t bytes() const { return bytes_; }

  /* At least `bytes`; the old content is lost where it grows. The block must be idle. */
  int reserve(uint64_t bytes);
  void wipe(uint64_t bytes);
  void release();

 private:
  uint8_t *data_ = nullptr;
  uint64_t bytes_ = 0;
};

}  // namespace warp
#endif
