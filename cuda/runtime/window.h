/* One long input that is cut into chunks, window after window. A window begins where the last chunk
 * of the one before ended, which is known only when that is computed; but what it needs beyond the
 * tail of the one before is known at once, and is uploaded meanwhile. So the input goes over the
 * bus once, but for the tails. */
#ifndef WARP_RUNTIME_WINDOW_H
#define WARP_RUNTIME_WINDOW_H
#include <cstring>

#include "operations.h"

namespace warp {

class WindowOperation : public Operation {
 public:
  bool is_sequential() const override { return true; }
  bool next(Piece &piece) override;
  warp_status fill(Piece &piece, uint8_t *meta) override;
  int launch(const Piece &piece, const View &view, Stream stream) override;

 protected:
  struct Source {
    const uint8_t *input;
    uint64_t length;
    bool is_last;
    warp_boundary_params params;
    uint32_t capacity;
  };

  WindowOperation(const Source &source, const WindowLimits &limits)
      : source_(source), limits_(limits) {}

  /* Sets the sizes of results, output and scratch for a window of at most `bytes`. */
  virtual void size(Piece &piece, uint64_t bytes) const = 0;
  /* Queues kernels for `length` bytes at view.work. */
  virtual int launch_window(const Piece &piece, uint64_t length, const View &view,
                            Stream stream) = 0;

  /* From the input's byte piece.start to here the piece's window goes. */
  uint64_t end_of(const Piece &piece) const { return piece.first + piece.input_bytes; }
  bool is_end(const Piece &piece) const { return end_of(piece) == source_.length; }
  bool is_last(const Piece &piece) const { return source_.is_last && is_end(piece); }
  /* Chunks that a window of `bytes` can have. */
  uint64_t chunks_most(uint64_t bytes) const { return bytes / source_.params.min + 1; }
  /* Chunks that there is still room for. */
  uint32_t room(const Piece &piece) const {
    return source_.capacity - static_cast<uint32_t>(piece.before_count);
  }

  const Source source_;

 private:
  void describe(Piece &piece, uint64_t bytes) const;

  const WindowLimits limits_;
  uint64_t window_bytes_ = 0, next_ = 0;
};

}  // namespace warp
#endif
