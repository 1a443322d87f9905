/* Why a context died or a call failed: a status and a text for warp_last_error. */
#ifndef WARP_RUNTIME_FAILURE_H
#define WARP_RUNTIME_FAILURE_H
#include <atomic>
#include <mutex>
#include <string>

#include "device.h"

namespace warp {

class Failure {
 public:
  /* The status of a device call. Anything but a lack of memory is the end of the context. */
  warp_status check(int code, const char *doing) {
    if (code == 0) return WARP_OK;
    const bool is_memory = device_is_out_of_memory(code);
    note(std::string(doing) + ": " + device_error_text(code));
    if (is_memory) return WARP_ENOMEM;
    dead_ = true;
    return WARP_EDEVICE;
  }

  /* The first text of a dead context stays: what follows is its consequence. */
  void note(const std::string &text) {
    std::lock_guard<std::mutex> lock(mutex_);
    if (!dead_ || text_.empty()) text_ = text;
  }

  std::string text() {
    std::lock_guard<std::mutex> lock(mutex_);
    return text_;
  }

  bool is_dead() const { return dead_; }

 private:
  std::mutex mutex_;
  std::string text_;
  std::atomic<bool> dead_{false};
};

}  // namespace warp
#endif
