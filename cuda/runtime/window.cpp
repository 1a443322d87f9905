#include "window.h"

#include "slot.h"

namespace warp {

/* New bytes are from input[piece.first]; the tail of the window before, less than max, comes in
 * meta. */
void WindowOperation::describe(Piece &piece, uint64_t bytes) const {
  piece.first = next_;
  piece.count = 1;
  piece.start = next_;
  piece.input_bytes = std::min(bytes, source_.length - next_);
  piece.input = {{source_.input + next_, piece.input_bytes}};
  piece.meta_bytes = next_ == 0 ? 0 : std::min<uint64_t>(source_.params.max, next_);
  piece.work_bytes = piece.meta_bytes + piece.input_bytes;
  size(piece, piece.work_bytes);
}

bool WindowOperation::next(Piece &piece) {
  if (next_ == source_.length) return false;
  /* At least max, so that every window but the last has a chunk that ends. */
  const uint64_t least = source_.params.max;
  if (window_bytes_ == 0) window_bytes_ = std::max(least, limits_.piece_bytes);
  describe(piece, window_bytes_);
  while (window_bytes_ > least && Slot::device_bytes(piece) > limits_.slot_memory_bytes) {
    window_bytes_ = std::max(least, window_bytes_ / 2);
    describe(piece, window_bytes_);
  }
  next_ += piece.input_bytes;
  return true;
}

warp_status WindowOperation::fill(Piece &piece, uint8_t *meta) {
  const uint64_t tail = piece.first - piece.start;
  if (tail > piece.meta_bytes) return WARP_EDEVICE;
  if (tail != 0) memcpy(meta, source_.input + piece.start, tail);
  return WARP_OK;
}

int WindowOperation::launch(const Piece &piece, const View &view, Stream stream) {
  const uint64_t tail = piece.first - piece.start;
  int code = 0;
  if (tail != 0) code = copy_within(view.work, view.meta, tail, stream);
  if (code == 0) code = copy_within(view.work + tail, view.input, piece.input_bytes, stream);
  return code == 0 ? launch_window(piece, tail + piece.input_bytes, view, stream) : code;
}

}  // namespace warp
