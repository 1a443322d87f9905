/* The jobs of a context: handles, the queues that its threads take from, and who waits for what. */
#ifndef WARP_RUNTIME_JOBS_H
#define WARP_RUNTIME_JOBS_H
#include <condition_variable>
#include <deque>
#include <mutex>

#include "job.h"

namespace warp {

class Jobs {
 public:
  explicit Jobs(uint32_t slots);

  /* With `handle`: queues the job, WARP_EAGAIN where all slots are taken. Else waits for its
   * status. */
  warp_status submit(std::unique_ptr<Job> job, warp_job *handle);

  /* The next job that is an operation, or a read; null when the context is closing. Blocks. */
  Job *take_operation() { return take(operations_); }
  Job *take_read() { return take(reads_); }
  void done(Job *job);

  warp_status poll(warp_job *jobs, warp_status *statuses, uint32_t capacity, uint32_t *count);
  warp_status wait(uint32_t timeout_us);
  warp_status cancel(warp_job handle);

  /* Cancels what has not begun; take() gives null from now on, and submit() WARP_EINVAL. */
  void close();

 private:
  struct Entry {
    uint32_t generation = 1;
    std::unique_ptr<Job> job;
  };
  using Queue = std::deque<Job *>;

  Job *take(Queue &queue);
  Queue &queue_of(const Job &job) { return job.operation ? operations_ : reads_; }
  warp_job handle_of(uint32_t index) const {
    return static_cast<uint64_t>(entries_[index].generation) << 32 | index;
  }
  warp_status enter(std::unique_ptr<Job> &job, warp_job *handle);
  void finish(Job *job);
  bool remove_pending(Job *job);

  std::mutex mutex_;
  std::condition_variable pending_, finished_changed_;
  std::vector<Entry> entries_;
  std::vector<uint32_t> finished_;
  Queue operations_, reads_;
  bool is_closing_ = false;
};

}  // namespace warp
#endif
