/* A scheduler: its state lies on the device, and passes run there one after another. */
#ifndef WARP_RUNTIME_SCHEDULER_H
#define WARP_RUNTIME_SCHEDULER_H
#include <memory>

#include "context.h"

namespace warp {

struct SchedulerQueue {
  uint32_t limit;
  uint32_t *slots;
  uint16_t *edges;
  uint32_t *count;
};

class Scheduler {
 public:
  Scheduler(std::shared_ptr<Context> context, warp_context owner,
            const warp_scheduler_params &params)
      : owner_(owner), params_(params), context_(std::move(context)) {}
  ~Scheduler() { close(); }

  warp_status open();
  void close();

  warp_context owner() const { return owner_; }
  const warp_scheduler_params &params() const { return params_; }
  /* Held during a call. */
  std::mutex &mutex() { return mutex_; }
  /* Before a call: WARP_EINVAL when it was closed with its context. */
  warp_status use() { return stream_ == nullptr ? WARP_EINVAL : context_->use(); }

  /* Each returns when the work is done. Arguments are checked. */
  warp_status put(uint32_t first, uint32_t n, const uint16_t *candidates, const uint16_t *sizes,
                  const uint8_t *priorities);
  warp_status set_edges(uint32_t first, uint32_t n, const warp_edge *edges);
  warp_status set_prices(uint32_t first, uint32_t n, const int32_t *prices);
  warp_status reset_prices();
  bool are_events(uint32_t n, const uint32_t *slots, const uint8_t *kinds);
  warp_status apply(uint32_t n, const uint32_t *slots, const uint8_t *kinds, uint64_t *applied);
  warp_status fold();
  warp_status choose(uint32_t first, uint32_t n);
  warp_status choose_dirty(uint64_t *count);
  warp_status failover(uint64_t *count);
  warp_status update_prices(const uint64_t *loads);
  warp_status dispatch(uint32_t rounds, uint32_t first_edge, const SchedulerQueue &queue,
                       uint64_t *stats);
  warp_status tick(const warp_scheduler_tick_params &tick, uint32_t events, const uint32_t *slots,
                   const uint8_t *kinds, const SchedulerQueue &queue, uint64_t *stats);
  warp_status best(uint32_t n, const uint32_t *slots, uint16_t *out);
  warp_status read(uint32_t first, uint32_t n, uint16_t *assigned, uint8_t *states, uint8_t *tries);
  warp_status read_edges(uint32_t first, uint32_t n, uint32_t *words, int32_t *prices,
                         uint64_t *loads);
  warp_status digest(uint64_t *digest);

 private:
  /* What goes in and comes out with one pass: the same places on the host, pinned, and on the
   * device. */
  struct Desk {
    uint64_t stats, count, slots, kinds, edges, loads;
    uint64_t bytes;
  };
  using Pass = std::function<warp_status(Stream)>;

  warp_status check(int code) { return context_->failure.check(code, "scheduling"); }
  warp_status finish(int code);
  int pass(Pass pass) { return launch(stream_, std::move(pass)); }
  int desk(uint64_t slots);
  int scratch();
  int upload(uint64_t at, const void *from, uint64_t bytes);
  int write(void *column, const void *from, uint64_t bytes);
  int read_out(void *to, const void *column, uint64_t bytes);
  int clear_stats();
  int queue_events(uint32_t n, const uint32_t *slots, const uint8_t *kinds);
  int queue_dispatch(uint32_t rounds, uint32_t first_edge, uint32_t limit);
  warp_status counted(int code, int which, uint64_t *count);
  warp_status take_queue(int code, const SchedulerQueue &queue);
  template <class T>
  T *on_device(uint64_t at) const {
    return reinterpret_cast<T *>(desk_device_ + at);
  }
  uint64_t *stat(int which) const { return on_device<uint64_t>(desk_.stats) + which; }

  const warp_context owner_;
  const warp_scheduler_params params_;
  const std::shared_ptr<Context> context_;
  std::mutex mutex_;
  Stream stream_ = nullptr;
  void *state_ = nullptr, *scratch_ = nullptr;
  scheduler_columns columns_ = {};
  Desk desk_ = {};
  PinnedBlock desk_host_;
  uint8_t *desk_device_ = nullptr;
  uint64_t desk_slots_ = 0, tick_ = 0;
  std::vector<uint64_t> seen_; /* a bit for each slot; zero between calls */
};

}  // namespace warp
#endif
