#include "pipeline.h"

#include <new>

#include "pack.h"
#include "transfer.h"

namespace warp {

Pipeline::Pipeline(const PipelineOptions &options, Jobs &jobs, Failure &failure)
    : options_(options), jobs_(jobs), failure_(failure), slots_(options.slots),
      entries_(2 * options.slots) {
  budget_.cap = options.memory_cap;
}

warp_status Pipeline::open() {
  int code = streams_.open();
  for (Slot &slot : slots_) {
    if (code == 0) code = slot.open();
  }
  if (code != 0) return check(code, "opening streams");
  feeder_ = std::thread([this] { feed_all(); });
  drainer_ = std::thread([this] { drain_all(); });
  return WARP_OK;
}

Pipeline::~Pipeline() {
  if (feeder_.joinable()) feeder_.join();
  {
    /* Also where the drainer's thread could not be had. */
    std::lock_guard<std::mutex> lock(mutex_);
    is_fed_ = true;
    changed_.notify_all();
  }
  if (drainer_.joinable()) drainer_.join();
  device_use(options_.device);
  for (Slot &slot : slots_) slot.close(budget_, streams_.in);
  streams_.close();
}

/* ---- feeder ---------------------------------------------------------------------------------- */

void Pipeline::feed_all() {
  check(device_use(options_.device), "choosing the device");
  while (Job *job = jobs_.take_operation()) {
    try {
      feed(*job);
    } catch (const std::bad_alloc &) {
      job->report(WARP_ENOMEM);
    }
    push({job, nullptr, {}, false});
  }
  std::lock_guard<std::mutex> lock(mutex_);
  is_fed_ = true;
  changed_.notify_all();
}

void Pipeline::feed(Job &job) {
  Entry before;
  for (;;) {
    if (failure_.is_dead()) job.report(WARP_EDEVICE);
    if (job.is_stopped()) return;
    Entry entry;
    entry.job = &job;
    if (!job.operation->next(entry.piece)) return;
    entry.slot = acquire();
    try {
      const warp_status status = queue_piece(*entry.slot, *job.operation, entry.piece, before);
      entry.is_queued = status == WARP_OK;
      job.report(status);
    } catch (const std::bad_alloc &) {
      job.report(WARP_ENOMEM);
    }
    /* Also where it failed: the drainer waits for what was queued, and frees the slot. */
    if (job.operation->is_sequential()) before = entry;
    push(std::move(entry));
  }
}

warp_status Pipeline::queue_piece(Slot &slot, Operation &operation, Piece &piece,
                                  const Entry &before) {
  warp_status status = prepare(slot, piece);
  if (status != WARP_OK) return status;
  const View view = slot.view(piece);
  status = check(upload(slot, piece.input, view.input, options_.staging_bytes, streams_.in),
                 "copying to the device");
  if (status != WARP_OK) return status;
  if (before.slot != nullptr) {
    status = check(event_synchronize(before.slot->computed), "computing");
    if (status == WARP_OK) {
      status = operation.follow(piece, before.piece, before.slot->results.data());
    }
    if (status != WARP_OK) return status;
  }
  status = operation.fill(piece, slot.meta.data());
  if (status != WARP_OK) return status;
  int code = 0;
  if (piece.meta_bytes != 0) {
    code = copy_in(view.meta, slot.meta.data(), piece.meta_bytes, streams_.in);
  }
  if (code == 0) code = event_record(slot.loaded, streams_.in);
  if (code == 0) code = stream_wait(streams_.compute, slot.loaded);
  if (code == 0) code = operation.launch(piece, view, streams_.compute);
  if (code == 0 && piece.results_bytes != 0) {
    /* Not by a copy engine, where it would wait behind the output of the piece before. */
    uint8_t *const results = slot.results.data();
    code = launch(streams_.compute, [results, view, bytes = piece.results_bytes](Stream on) {
      return copy_launch(on, results, view.results, bytes);
    });
  }
  if (code == 0) code = event_record(slot.computed, streams_.compute);
  return check(code, "computing");
}

/* Makes the slot's memory large enough. Device memory of all slots goes before the cap is
 * broken. */
warp_status Pipeline::prepare(Slot &slot, const Piece &piece) {
  int code = slot.meta.reserve(piece.meta_bytes);
  if (code == 0) code = slot.results.reserve(piece.results_bytes);
  if (code != 0) return check(code, "allocating pinned memory");
  const uint64_t bytes = Slot::device_bytes(piece);
  if (bytes <= slot.device.bytes()) return WARP_OK;
  if (bytes > budget_.cap) {
    failure_.note("one item needs more device memory than the cap (WARP_CUDA_MEMORY_BYTES)");
    return WARP_ENOMEM;
  }
  code = slot.device.release(budget_, streams_.in);
  if (code != 0) return check(code, "freeing device memory");
  if (bytes > budget_.cap - budget_.used) {
    {
      std::unique_lock<std::mutex> lock(mutex_);
      slot.is_busy = false;
      changed_.wait(lock, [this] { return is_idle(); });
      slot.is_busy = true;
    }
    for (Slot &other : slots_) {
      code = other.device.release(budget_, streams_.in);
      if (code != 0) return check(code, "freeing device memory");
    }
  }
  return check(slot.device.allocate(bytes, budget_), "allocating device memory");
}

Slot *Pipeline::acquire() {
  Slot *slot = &slots_[acquired_++ % slots_.size()];
  std::unique_lock<std::mutex> lock(mutex_);
  changed_.wait(lock, [slot] { return !slot->is_busy; });
  slot->is_busy = true;
  return slot;
}

bool Pipeline::is_idle() const {
  for (const Slot &slot : slots_) {
    if (slot.is_busy) return false;
  }
  return true;
}

void Pipeline::push(Entry entry) {
  std::unique_lock<std::mutex> lock(mutex_);
  changed_.wait(lock, [this] { return pushed_ - popped_ < entries_.size(); });
  entries_[pushed_++ % entries_.size()] = std::move(entry);
  changed_.notify_all();
}

/* ---- drainer --------------------------------------------------------------------------------- */

bool Pipeline::pop(Entry &entry) {
  std::unique_lock<std::mutex> lock(mutex_);
  changed_.wait(lock, [this] { return is_fed_ || pushed_ != popped_; });
  if (pushed_ == popped_) return false;
  entry = std::move(entries_[popped_++ % entries_.size()]);
  changed_.notify_all();
  return true;
}

void Pipeline::drain_all() {
  check(device_use(options_.device), "choosing the device");
  Entry entry;
  while (pop(entry)) {
    if (entry.slot == nullptr) {
      jobs_.done(entry.job);
      continue;
    }
    retire(entry);
    std::lock_guard<std::mutex> lock(mutex_);
    entry.slot->is_busy = false;
    changed_.notify_all();
  }
}

void Pipeline::retire(Entry &entry) {
  warp_status status = WARP_OK;
  if (entry.is_queued) {
    try {
      status = collect(entry);
    } catch (const std::bad_alloc &) {
      status = WARP_ENOMEM;
    }
  }
  entry.job->report(status);
  if (!entry.is_queued || entry.job->is_stopped()) settle();
  /* Keys went through it. */
  entry.slot->meta.wipe(entry.piece.meta_bytes);
}

warp_status Pipeline::collect(Entry &entry) {
  Slot &slot = *entry.slot;
  warp_status status = check(event_synchronize(slot.computed), "computing");
  if (status != WARP_OK || entry.job->is_stopped()) return status;
  Operation &operation = *entry.job->operation;
  const uint8_t *const results = slot.results.data();
  std::vector<Segment> output;
  status = operation.place(entry.piece, results, output);
  if (status != WARP_OK) return status;
  status = check(deliver(slot, std::move(output), slot.view(entry.piece).output,
                         options_.staging_bytes, streams_.out),
                 "copying from the device");
  if (status == WARP_OK) return operation.collect(entry.piece, results);
  settle();
  operation.discard(entry.piece);
  return status;
}

/* Waits for whatever is queued: what failed must not be reused while copies still run. */
void Pipeline::settle() {
  for (Stream stream : {streams_.in, streams_.compute, streams_.out}) {
    check(stream_synchronize(stream), "waiting for the device");
  }
}

}  // namespace warp
