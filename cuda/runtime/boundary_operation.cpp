#include "window.h"

namespace warp {
namespace {

enum { COUNT, CUTS };

class BoundaryOperation : public WindowOperation {
 public:
  BoundaryOperation(const BoundaryArguments &arguments, const WindowLimits &limits)
      : WindowOperation({arguments.input, arguments.length, arguments.is_last, arguments.params,
                         arguments.capacity},
                        limits),
        cuts_(arguments.cuts), count_(arguments.count) {}

  std::vector<Range> memory() const override {
    return {{source_.input, source_.length}, {cuts_, 4 * uint64_t{source_.capacity}}, {count_, 4}};
  }

  warp_status follow(Piece &piece, const Piece &before, const uint8_t *results) override {
    const uint32_t count = count_of(before, results);
    if (count > cuts_room(before)) return WARP_ENOSPC;
    piece.start = before.start;
    if (count != 0) piece.start += cuts_of(before, results)[count - 1];
    piece.before_count = before.before_count + count;
    return WARP_OK;
  }

  warp_status collect(const Piece &piece, const uint8_t *results) override {
    const uint32_t count = count_of(piece, results);
    if (count > cuts_room(piece)) return WARP_ENOSPC;
    const uint32_t *cuts = cuts_of(piece, results);
    for (uint32_t i = 0; i < count; i++) {
      cuts_[piece.before_count + i] = static_cast<uint32_t>(piece.start + cuts[i]);
    }
    if (is_end(piece)) *count_ = static_cast<uint32_t>(piece.before_count + count);
    return WARP_OK;
  }

 protected:
  void size(Piece &piece, uint64_t bytes) const override {
    Layout results;
    piece.at[COUNT] = results.take(4);
    piece.at[CUTS] = results.take(4 * chunks_most(bytes));
    piece.results_bytes = results.bytes();
    piece.scratch_bytes = boundary_scratch_bytes(bytes);
  }

  int launch_window(const Piece &piece, uint64_t length, const View &view,
                    Stream stream) override {
    return warp::launch(stream, [this, piece, length, view](Stream on) {
      return boundary_launch(on, &source_.params, view.work, length, is_last(piece),
                             reinterpret_cast<uint32_t *>(view.results + piece.at[CUTS]),
                             cuts_room(piece),
                             reinterpret_cast<uint32_t *>(view.results + piece.at[COUNT]),
                             view.scratch);
    });
  }

 private:
  uint32_t cuts_room(const Piece &piece) const {
    return static_cast<uint32_t>(
        std::min<uint64_t>(room(piece), chunks_most(piece.work_bytes)));
  }
  static uint32_t count_of(const Piece &piece, const uint8_t *results) {
    return *reinterpret_cast<const uint32_t *>(results + piece.at[COUNT]);
  }
  static const uint32_t *cuts_of(const Piece &piece, const uint8_t *results) {
    return reinterpret_cast<const uint32_t *>(results + piece.at[CUTS]);
  }

  uint32_t *const cuts_, *const count_;
};

}  // namespace

OperationPtr boundary_operation(const BoundaryArguments &arguments, const WindowLimits &limits) {
  return std::make_unique<BoundaryOperation>(arguments, limits);
}

}  // namespace warp
