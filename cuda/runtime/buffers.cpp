#include "buffers.h"

#include <algorithm>
#include <cstring>

namespace warp {
namespace {

constexpr uint64_t PAGE_BYTES = 4096;

uint64_t whole_pages(uint64_t bytes) { return (bytes + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES; }

}  // namespace

Buffers &Buffers::all() {
  /* Never destroyed: a process may end with contexts open. */
  static Buffers *const buffers = new Buffers;
  return *buffers;
}

int Buffers::allocate(warp_context owner, uint64_t bytes, void **memory) {
  void *start = nullptr;
  const int code = pinned_allocate(&start, whole_pages(bytes));
  if (code != 0) return code;
  /* Never another program's, or another job's, bytes. */
  memset(start, 0, whole_pages(bytes));
  std::lock_guard<std::mutex> lock(mutex_);
  buffers_[reinterpret_cast<uintptr_t>(start)] = {owner, whole_pages(bytes), 0};
  *memory = start;
  return 0;
}

warp_status Buffers::release(warp_context owner, void *memory) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    const auto found = buffers_.find(reinterpret_cast<uintptr_t>(memory));
    if (found == buffers_.end() || found->second.owner != owner) return WARP_EINVAL;
    if (found->second.uses != 0) return WARP_EAGAIN;
    buffers_.erase(found);
  }
  pinned_release(memory);
  return WARP_OK;
}

void Buffers::release_all(warp_context owner) {
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    const auto found = std::find_if(buffers_.begin(), buffers_.end(), [&](const auto &one) {
      return one.second.owner == owner;
    });
    if (found == buffers_.end()) return;
    const uintptr_t start = found->first;
    if (found->second.uses != 0) {
      idle_.wait(lock);
      continue;
    }
    buffers_.erase(found);
    lock.unlock();
    pinned_release(reinterpret_cast<void *>(start));
    lock.lock();
  }
}

Buffers::Map::iterator Buffers::find(uintptr_t address) {
  auto after = buffers_.upper_bound(address);
  if (after == buffers_.begin()) return buffers_.end();
  --after;
  return address - after->first < after->second.bytes ? after : buffers_.end();
}

bool Buffers::contains(const void *start, uint64_t bytes) {
  std::lock_guard<std::mutex> lock(mutex_);
  const uintptr_t address = reinterpret_cast<uintptr_t>(start);
  const auto found = find(address);
  return found != buffers_.end() && bytes <= found->second.bytes - (address - found->first);
}

std::vector<uintptr_t> Buffers::hold(const std::vector<Range> &ranges) {
  std::vector<uintptr_t> held;
  std::lock_guard<std::mutex> lock(mutex_);
  for (const Range &range : ranges) {
    if (range.bytes == 0) continue;
    const uintptr_t start = reinterpret_cast<uintptr_t>(range.start);
    auto one = find(start);
    if (one == buffers_.end()) one = buffers_.lower_bound(start);
    for (; one != buffers_.end() && one->first < start + range.bytes; ++one) {
      held.push_back(one->first);
    }
  }
  for (const uintptr_t start : held) buffers_.at(start).uses++;
  return held;
}

void Buffers::let_go(const std::vector<uintptr_t> &held) {
  if (held.empty()) return;
  std::lock_guard<std::mutex> lock(mutex_);
  for (const uintptr_t start : held) buffers_.at(start).uses--;
  idle_.notify_all();
}

}  // namespace warp
