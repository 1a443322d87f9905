/* Memory from warp_buffer_alloc, of all contexts: pinned memory is known to every device, so a job
 * of one context may name a buffer of another. */
#ifndef WARP_RUNTIME_BUFFERS_H
#define WARP_RUNTIME_BUFFERS_H
#include <condition_variable>
#include <map>
#include <mutex>
#include <vector>

#include "device.h"

namespace warp {

struct Range {
  const void *start;
  uint64_t bytes;
};

class Buffers {
 public:
  static Buffers &all();

  /* `owner`: the context's handle. */
  int allocate(warp_context owner, uint64_t bytes, void **memory);
  /* WARP_EINVAL unless it is the start of a buffer of `owner`, WARP_EAGAIN while a job uses it. */
  warp_status release(warp_context owner, void *memory);
  /* All buffers of `owner`, each when no job uses it any longer. */
  void release_all(warp_context owner);

  /* Whether the range lies within one buffer. */
  bool contains(const void *start, uint64_t bytes);

  /* The buffers that the ranges touch are in use until let_go() of what this returns. */
  std::vector<uintptr_t> hold(const std::vector<Range> &ranges);
  void let_go(const std::vector<uintptr_t> &held);

 private:
  struct Buffer {
    warp_context owner;
    uint64_t bytes;
    uint64_t uses;
  };
  using Map = std::map<uintptr_t, Buffer>;

  /* The buffer that holds `address`, or the end. */
  Map::iterator find(uintptr_t address);

  std::mutex mutex_;
  std::condition_variable idle_;
  Map buffers_;
};

}  // namespace warp
#endif
