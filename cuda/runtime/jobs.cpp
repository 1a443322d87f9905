#include "jobs.h"

#include <algorithm>
#include <chrono>

namespace warp {
namespace {

/* A job that no slot holds: its caller waits for it. */
constexpr uint32_t WAITED_FOR = UINT32_MAX;

}  // namespace

Jobs::Jobs(uint32_t slots) : entries_(slots) { finished_.reserve(slots); }

warp_status Jobs::enter(std::unique_ptr<Job> &job, warp_job *handle) {
  for (uint32_t index = 0; index < entries_.size(); index++) {
    if (entries_[index].job) continue;
    job->index = index;
    queue_of(*job).push_back(job.get());
    entries_[index].job = std::move(job);
    *handle = handle_of(index);
    return WARP_OK;
  }
  return WARP_EAGAIN;
}

warp_status Jobs::submit(std::unique_ptr<Job> job, warp_job *handle) {
  Job *const one = job.get();
  one->index = WAITED_FOR;
  if (one->operation) one->held = Buffers::all().hold(one->operation->memory());
  std::unique_lock<std::mutex> lock(mutex_);
  warp_status status = is_closing_ ? WARP_EINVAL : WARP_OK;
  if (status == WARP_OK && handle != nullptr) {
    status = enter(job, handle);
  } else if (status == WARP_OK) {
    queue_of(*one).push_back(one);
  }
  if (status != WARP_OK) {
    Buffers::all().let_go(one->held);
    return status;
  }
  pending_.notify_all();
  if (handle != nullptr) return WARP_OK;
  finished_changed_.wait(lock, [one] { return one->is_done; });
  return one->status();
}

Job *Jobs::take(Queue &queue) {
  std::unique_lock<std::mutex> lock(mutex_);
  pending_.wait(lock, [&] { return is_closing_ || !queue.empty(); });
  if (queue.empty()) return nullptr;
  Job *job = queue.front();
  queue.pop_front();
  return job;
}

void Jobs::done(Job *job) {
  std::lock_guard<std::mutex> lock(mutex_);
  finish(job);
}

/* The lock is held. */
void Jobs::finish(Job *job) {
  Buffers::all().let_go(job->held);
  job->held.clear();
  job->is_done = true;
  if (job->index != WAITED_FOR) finished_.push_back(job->index);
  finished_changed_.notify_all();
}

warp_status Jobs::poll(warp_job *jobs, warp_status *statuses, uint32_t capacity, uint32_t *count) {
  std::lock_guard<std::mutex> lock(mutex_);
  const uint32_t taken = std::min(capacity, static_cast<uint32_t>(finished_.size()));
  for (uint32_t i = 0; i < taken; i++) {
    Entry &entry = entries_[finished_[i]];
    jobs[i] = handle_of(finished_[i]);
    statuses[i] = entry.job->status();
    entry.job.reset();
    /* Never 0: handle 0 is none. */
    if (++entry.generation == 0) entry.generation = 1;
  }
  finished_.erase(finished_.begin(), finished_.begin() + taken);
  *count = taken;
  return WARP_OK;
}

warp_status Jobs::wait(uint32_t timeout_us) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::microseconds(timeout_us);
  std::unique_lock<std::mutex> lock(mutex_);
  const bool is_over = finished_changed_.wait_until(
      lock, until, [this] { return is_closing_ || !finished_.empty(); });
  if (!finished_.empty()) return WARP_OK;
  return is_over ? WARP_EINVAL : WARP_EAGAIN;
}

bool Jobs::remove_pending(Job *job) {
  Queue &queue = queue_of(*job);
  const auto found = std::find(queue.begin(), queue.end(), job);
  if (found == queue.end()) return false;
  queue.erase(found);
  return true;
}

warp_status Jobs::cancel(warp_job handle) {
  std::lock_guard<std::mutex> lock(mutex_);
  const uint32_t index = static_cast<uint32_t>(handle);
  if (index >= entries_.size() || !entries_[index].job || handle_of(index) != handle) {
    return WARP_EINVAL;
  }
  Job *job = entries_[index].job.get();
  if (job->is_done || !remove_pending(job)) return WARP_OK;
  job->report(WARP_ECANCELED);
  finish(job);
  return WARP_OK;
}

void Jobs::close() {
  std::lock_guard<std::mutex> lock(mutex_);
  is_closing_ = true;
  for (Queue *queue : {&operations_, &reads_}) {
    for (Job *job : *queue) {
      job->report(WARP_ECANCELED);
      finish(job);
    }
    queue->clear();
  }
  pending_.notify_all();
  finished_changed_.notify_all();
}

}  // namespace warp
