/* What a job does, cut into pieces that fit a slot. The pipeline (pipeline.h) moves the bytes; an
 * operation says which, and queues the kernels.
 *
 * Two threads call an operation: the feeder next() .. launch(), piece after piece, and the drainer
 * place(), collect() and discard(), in the same order but later. They share only what does not change after
 * construction, and the piece. */
#ifndef WARP_RUNTIME_OPERATION_H
#define WARP_RUNTIME_OPERATION_H
#include <vector>

#include "buffers.h"

namespace warp {

struct Piece {
  /* Items of a batch, or the window's number and 1. */
  uint64_t first = 0, count = 0;
  /* Host memory, uploaded one range after another. */
  std::vector<Range> input;
  uint64_t input_bytes = 0;
  /* Device memory besides: small arguments, anything else, small results, bulk results, scratch. */
  uint64_t meta_bytes = 0, work_bytes = 0, results_bytes = 0, output_bytes = 0, scratch_bytes = 0;
  /* Places in meta and in results; each operation names its own. */
  uint64_t at[8] = {};
  /* Of windows: where in the whole this piece's work begins, and what was done before it. */
  uint64_t start = 0, before_count = 0, before_bytes = 0;
};

/* A piece's device memory: aligned to 256, with 16 readable bytes after each part. */
struct View {
  uint8_t *input, *meta, *work, *results, *output, *scratch;
};

/* Bytes of the device's output, from `from`, that belong at `to`. */
struct Segment {
  uint64_t from;
  uint8_t *to;
  uint64_t bytes;
};

/* Places things one after another. */
class Layout {
 public:
  uint64_t take(uint64_t bytes) {
    const uint64_t at = end_;
    end_ = (end_ + bytes + 15) / 16 * 16;
    return at;
  }
  uint64_t bytes() const { return end_; }

 private:
  uint64_t end_ = 0;
};

class Operation {
 public:
  virtual ~Operation() = default;

  /* All host memory that the call named: buffers among it are in use. */
  virtual std::vector<Range> memory() const = 0;

  /* Describes the next piece; false when there is none. */
  virtual bool next(Piece &piece) = 0;

  /* Whether a piece begins where its predecessor's results say: then follow() is called between
   * next() and fill(), for all but the first. */
  virtual bool is_sequential() const { return false; }
  virtual warp_status follow(Piece &piece, const Piece &before, const uint8_t *results) {
    (void)piece, (void)before, (void)results;
    return WARP_OK;
  }

  /* Writes meta_bytes bytes. WARP_EINVAL where the caller has changed its arguments since. */
  virtual warp_status fill(Piece &piece, uint8_t *meta) = 0;

  /* Queues the kernels; 0 or the device's error. */
  virtual int launch(const Piece &piece, const View &view, Stream stream) = 0;

  /* Says where the output belongs. */
  virtual warp_status place(const Piece &piece, const uint8_t *results,
                            std::vector<Segment> &output) {
    (void)piece, (void)results, (void)output;
    return WARP_OK;
  }

  /* Hands out the results, when the output is where it belongs. WARP_EAUTH and WARP_EDATA do not
   * end the job. */
  virtual warp_status collect(const Piece &piece, const uint8_t *results) = 0;

  /* Takes back the part of the output that had arrived when the device was lost. */
  virtual void discard(const Piece &piece) { (void)piece; }
};

}  // namespace warp
#endif
