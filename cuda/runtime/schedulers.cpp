#include "schedulers.h"

namespace warp {
namespace {

constexpr uint32_t SCHEDULERS_MOST = 1024;

struct Entry {
  uint32_t generation = 1;
  std::shared_ptr<Scheduler> scheduler;
};

struct Table {
  std::mutex mutex;
  std::vector<Entry> entries;
};

/* Never destroyed, like the contexts. */
Table &table() {
  static Table *const one = new Table;
  return *one;
}

/* The lock is held. */
Entry *find(Table &all, warp_scheduler handle) {
  const uint32_t index = static_cast<uint32_t>(handle);
  if (index >= all.entries.size()) return nullptr;
  Entry &entry = all.entries[index];
  const bool is_own = entry.scheduler != nullptr && entry.generation == handle >> 32;
  return is_own ? &entry : nullptr;
}

/* The lock is held. */
std::shared_ptr<Scheduler> take_out(Entry &entry) {
  /* Never 0: handle 0 is none. */
  if (++entry.generation == 0) entry.generation = 1;
  return std::move(entry.scheduler);
}

}  // namespace

warp_status enter_scheduler(std::shared_ptr<Scheduler> scheduler, warp_scheduler *handle) {
  Table &all = table();
  std::lock_guard<std::mutex> lock(all.mutex);
  uint32_t index = 0;
  while (index < all.entries.size() && all.entries[index].scheduler != nullptr) index++;
  if (index == SCHEDULERS_MOST) return WARP_ENOMEM;
  if (index == all.entries.size()) all.entries.emplace_back();
  all.entries[index].scheduler = std::move(scheduler);
  *handle = static_cast<uint64_t>(all.entries[index].generation) << 32 | index;
  return WARP_OK;
}

std::shared_ptr<Scheduler> find_scheduler(warp_scheduler handle) {
  Table &all = table();
  std::lock_guard<std::mutex> lock(all.mutex);
  Entry *entry = find(all, handle);
  return entry == nullptr ? nullptr : entry->scheduler;
}

bool remove_scheduler(warp_scheduler handle) {
  Table &all = table();
  std::lock_guard<std::mutex> lock(all.mutex);
  Entry *entry = find(all, handle);
  return entry != nullptr && take_out(*entry) != nullptr;
}

void close_schedulers(warp_context owner) {
  std::vector<std::shared_ptr<Scheduler>> own;
  {
    Table &all = table();
    std::lock_guard<std::mutex> lock(all.mutex);
    for (Entry &entry : all.entries) {
      if (entry.scheduler != nullptr && entry.scheduler->owner() == owner) {
        own.push_back(take_out(entry));
      }
    }
  }
  for (const auto &scheduler : own) {
    std::lock_guard<std::mutex> lock(scheduler->mutex());
    scheduler->close();
  }
}

}  // namespace warp
