/* Moves pieces through the device. Copies in, kernels and copies out have a stream each, and slots
 * go round: while one piece is computed, the next is copied in and the one before is copied out.
 *
 * The feeder takes jobs in order, cuts them into pieces, stages, and queues copies in and kernels;
 * the drainer waits for each piece, copies its results out and ends jobs. */
#ifndef WARP_RUNTIME_PIPELINE_H
#define WARP_RUNTIME_PIPELINE_H
#include <condition_variable>
#include <mutex>
#include <thread>

#include "failure.h"
#include "jobs.h"
#include "slot.h"

namespace warp {

struct PipelineOptions {
  uint32_t device = 0;
  uint32_t slots = 3;
  /* Staging memory of a slot, each way. */
  uint64_t staging_bytes = 0;
  /* All device memory. */
  uint64_t memory_cap = 0;
};

class Pipeline {
 public:
  Pipeline(const PipelineOptions &options, Jobs &jobs, Failure &failure);
  /* Jobs must be closed: waits for those that run. */
  ~Pipeline();

  /* WARP_OK, or why it cannot work: then only the destructor may follow. */
  warp_status open();

 private:
  /* A piece on its way, or the end of a job (slot null). */
  struct Entry {
    Job *job = nullptr;
    Slot *slot = nullptr;
    Piece piece;
    bool is_queued = false; /* kernels and results are on the streams */
  };

  void feed_all();
  void feed(Job &job);
  warp_status queue_piece(Slot &slot, Operation &operation, Piece &piece, const Entry &before);
  warp_status prepare(Slot &slot, const Piece &piece);
  Slot *acquire();
  bool is_idle() const;

  void push(Entry entry);
  bool pop(Entry &entry);
  void drain_all();
  void retire(Entry &entry);
  warp_status collect(Entry &entry);
  void settle();

  warp_status check(int code, const char *doing) { return failure_.check(code, doing); }

  const PipelineOptions options_;
  Jobs &jobs_;
  Failure &failure_;
  Streams streams_;
  Budget budget_;
  std::vector<Slot> slots_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Entry> entries_; /* a ring */
  uint64_t pushed_ = 0, popped_ = 0, acquired_ = 0;
  bool is_fed_ = false;
  std::thread feeder_, drainer_;
};

}  // namespace warp
#endif
