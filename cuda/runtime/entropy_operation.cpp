#include <cstring>

#include "operations.h"

namespace warp {
namespace {

enum { OFFSETS };

/* Uploads only the bytes that count. */
class EntropyOperation : public Operation {
 public:
  EntropyOperation(const Batch &batch, uint32_t sample, uint16_t *out, uint64_t piece_bytes)
      : batch_(batch), sample_(sample), out_(out), piece_bytes_(piece_bytes) {}

  std::vector<Range> memory() const override {
    return {batch_.data(), batch_.table(), {out_, 2 * batch_.n}};
  }

  bool next(Piece &piece) override {
    if (next_ == batch_.n) return false;
    piece.first = next_;
    piece.count = piece_items(
        next_, batch_.n, piece_bytes_, [this](uint64_t i) { return counted(i).bytes; },
        [](uint64_t) { return sizeof(uint16_t); });
    next_ += piece.count;
    piece.input.reserve(piece.count);
    for (uint64_t i = 0; i < piece.count; i++) {
      const Range one = counted(piece.first + i);
      piece.input_bytes += one.bytes;
      if (!piece.input.empty()) {
        Range &last = piece.input.back();
        if (static_cast<const uint8_t *>(last.start) + last.bytes == one.start) {
          last.bytes += one.bytes;
          continue;
        }
      }
      piece.input.push_back(one);
    }
    Layout meta;
    piece.at[OFFSETS] = meta.take(8 * (piece.count + 1));
    piece.meta_bytes = meta.bytes();
    piece.results_bytes = sizeof(uint16_t) * piece.count;
    piece.scratch_bytes = entropy_scratch_bytes(piece.count);
    return true;
  }

  warp_status fill(Piece &piece, uint8_t *meta) override {
    uint64_t *offsets = reinterpret_cast<uint64_t *>(meta + piece.at[OFFSETS]);
    offsets[0] = 0;
    for (uint64_t i = 0; i < piece.count; i++) {
      offsets[i + 1] = offsets[i] + counted(piece.first + i).bytes;
    }
    return offsets[piece.count] == piece.input_bytes ? WARP_OK : WARP_EINVAL;
  }

  int launch(const Piece &piece, const View &view, Stream stream) override {
    const uint64_t *offsets = reinterpret_cast<const uint64_t *>(view.meta + piece.at[OFFSETS]);
    return warp::launch(stream, [view, offsets, n = piece.count](Stream on) {
      return entropy_launch(on, view.input, offsets, n, 0,
                            reinterpret_cast<uint16_t *>(view.results), view.scratch);
    });
  }

  warp_status collect(const Piece &piece, const uint8_t *results) override {
    memcpy(out_ + piece.first, results, piece.results_bytes);
    return WARP_OK;
  }

 private:
  Range counted(uint64_t i) const {
    const uint64_t length = batch_.length(i);
    if (length == 0) return {batch_.base, 0};
    const uint8_t *start = batch_.base + batch_.offsets[i];
    if (sample_ == 0 || length <= sample_) return {start, length};
    return {start + (length - sample_) / 2, sample_};
  }

  const Batch batch_;
  const uint32_t sample_;
  uint16_t *const out_;
  const uint64_t piece_bytes_;
  uint64_t next_ = 0;
};

}  // namespace

OperationPtr entropy_operation(const Batch &batch, uint32_t sample, uint16_t *out,
                               uint64_t piece_bytes) {
  return std::make_unique<EntropyOperation>(batch, sample, out, piece_bytes);
}

}  // namespace warp
