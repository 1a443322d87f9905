#include "contexts.h"

namespace warp {
namespace {

constexpr uint32_t CONTEXTS_MOST = 1024;

struct Entry {
  uint32_t generation = 1;
  bool is_taken = false;
  std::shared_ptr<Context> context; /* null while it is being opened */
};

struct Table {
  std::mutex mutex;
  std::vector<Entry> entries;
};

/* Never destroyed: a process may end with contexts open, whose threads then run on to its end. */
Table &table() {
  static Table *const one = new Table;
  return *one;
}

uint64_t handle_of(uint32_t generation, uint32_t index) {
  return static_cast<uint64_t>(generation) << 32 | index;
}

warp_status reserve(warp_context *handle) {
  Table &all = table();
  std::lock_guard<std::mutex> lock(all.mutex);
  uint32_t index = 0;
  while (index < all.entries.size() && all.entries[index].is_taken) index++;
  if (index == CONTEXTS_MOST) return WARP_ENOMEM;
  if (index == all.entries.size()) all.entries.emplace_back();
  all.entries[index].is_taken = true;
  *handle = handle_of(all.entries[index].generation, index);
  return WARP_OK;
}

/* The lock is held. */
Entry *find(Table &all, warp_context handle) {
  const uint32_t index = static_cast<uint32_t>(handle);
  if (index >= all.entries.size()) return nullptr;
  Entry &entry = all.entries[index];
  const bool is_own = entry.is_taken && handle_of(entry.generation, index) == handle;
  return is_own ? &entry : nullptr;
}

/* The handle is stale from now on. */
std::shared_ptr<Context> take_out(warp_context handle) {
  Table &all = table();
  std::lock_guard<std::mutex> lock(all.mutex);
  Entry *entry = find(all, handle);
  if (entry == nullptr) return nullptr;
  std::shared_ptr<Context> context = std::move(entry->context);
  entry->context.reset();
  entry->is_taken = false;
  /* Never 0: handle 0 is none. */
  if (++entry->generation == 0) entry->generation = 1;
  return context;
}

}  // namespace

std::shared_ptr<Context> find_context(warp_context handle) {
  Table &all = table();
  std::lock_guard<std::mutex> lock(all.mutex);
  Entry *entry = find(all, handle);
  return entry == nullptr ? nullptr : entry->context;
}

warp_status open_context(uint32_t device, uint32_t slots, warp_context *handle) {
  warp_context own = 0;
  warp_status status = reserve(&own);
  if (status != WARP_OK) return status;
  try {
    auto context = std::make_shared<Context>(device, slots, own);
    status = context->open();
    if (status == WARP_OK) {
      Table &all = table();
      std::lock_guard<std::mutex> lock(all.mutex);
      find(all, own)->context = std::move(context);
      *handle = own;
      return WARP_OK;
    }
  } catch (...) {
    take_out(own);
    throw;
  }
  take_out(own);
  return status;
}

warp_status close_context(warp_context handle) {
  const std::shared_ptr<Context> context = take_out(handle);
  if (context == nullptr) return WARP_EINVAL;
  context->close();
  return WARP_OK;
}

}  // namespace warp
