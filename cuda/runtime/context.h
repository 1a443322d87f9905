/* A context: one device with its pipeline, jobs, readers and buffers. */
#ifndef WARP_RUNTIME_CONTEXT_H
#define WARP_RUNTIME_CONTEXT_H
#include <memory>

#include "operations.h"
#include "pipeline.h"

namespace warp {

class Context {
 public:
  /* `handle` is the context's own: its buffers are known by it. */
  Context(uint32_t device, uint32_t slots, warp_context handle);
  ~Context();

  warp_status open();
  /* Cancels what has not begun, waits for the rest, frees everything. */
  void close();

  /* Fails unless the calling thread can use the device. */
  warp_status use();

  uint32_t device() const { return device_; }
  uint64_t piece_bytes() const { return piece_bytes_; }
  WindowLimits window_limits() const { return {piece_bytes_, slot_memory_bytes_}; }

  Jobs jobs;
  Failure failure;

 private:
  warp_status measure(uint64_t &memory_cap);
  void read_all();

  const uint32_t device_;
  const uint32_t slots_;
  const warp_context handle_;
  uint64_t piece_bytes_ = 0, slot_memory_bytes_ = 0;
  std::unique_ptr<Pipeline> pipeline_;
  std::vector<std::thread> readers_;
};

/* The context of a handle, kept alive by the pointer; null for a stale one. */
std::shared_ptr<Context> find_context(warp_context handle);

}  // namespace warp
#endif
