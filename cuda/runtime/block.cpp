#include "block.h"

#include <cstring>

namespace warp {
namespace {

constexpr uint64_t PINNED_BYTES_LEAST = 64 * 1024;

/* Doubling, so that growing pieces do not allocate each time. */
uint64_t rounded(uint64_t bytes) {
  uint64_t size = PINNED_BYTES_LEAST;
  while (size < bytes) size *= 2;
  return size;
}

}  // namespace

int PinnedBlock::reserve(uint64_t bytes) {
  if (bytes <= bytes_) return 0;
  release();
  void *memory = nullptr;
  const int code = pinned_allocate(&memory, rounded(bytes));
  if (code != 0) return code;
  data_ = static_cast<uint8_t *>(memory);
  bytes_ = rounded(bytes);
  return 0;
}

void PinnedBlock::wipe(uint64_t bytes) {
  if (data_ == nullptr) return;
  memset(data_, 0, bytes < bytes_ ? bytes : bytes_);
  /* The memory is dead to the compiler where it is freed next; this makes it read. */
  __asm__ __volatile__("" : : "r"(data_) : "memory");
}

void PinnedBlock::release() {
  if (data_ == nullptr) return;
  wipe(bytes_);
  pinned_release(data_);
  data_ = nullptr;
  bytes_ = 0;
}

}  // namespace warp
