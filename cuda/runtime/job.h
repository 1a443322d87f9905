/* One call under way. */
#ifndef WARP_RUNTIME_JOB_H
#define WARP_RUNTIME_JOB_H
#include <atomic>
#include <functional>
#include <memory>

#include "operation.h"

namespace warp {

/* Either an operation of the pipeline or work for a reader thread. */
struct Job {
  std::unique_ptr<Operation> operation;
  std::function<warp_status()> read;
  std::vector<uintptr_t> held;

  /* The status so far. What ends the job goes before what concerns single items, and of two alike
   * the first stays. */
  void report(warp_status status) {
    if (status == WARP_OK) return;
    warp_status known = status_;
    while (known == WARP_OK || (!is_end(known) && is_end(status))) {
      if (status_.compare_exchange_weak(known, status)) return;
    }
  }
  warp_status status() const { return status_; }
  bool is_stopped() const { return is_end(status_); }

  /* Of jobs.h. */
  uint32_t index = 0;
  bool is_done = false;

 private:
  static bool is_end(warp_status status) {
    return status != WARP_OK && status != WARP_EAUTH && status != WARP_EDATA;
  }

  std::atomic<warp_status> status_{WARP_OK};
};

}  // namespace warp
#endif
