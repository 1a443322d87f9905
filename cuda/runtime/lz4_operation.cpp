#include <cstring>

#include "operations.h"

namespace warp {
namespace {

enum { OFFSETS, OUT_OFFSETS };

/* The device's output has the caller's slots, one after another. */
class Lz4Operation : public Operation {
 public:
  Lz4Operation(const CodecArguments &arguments, uint64_t piece_bytes)
      : of_(arguments), piece_bytes_(piece_bytes) {}

  std::vector<Range> memory() const override {
    const uint64_t n = of_.batch.n;
    const Batch out = {of_.out, of_.out_offsets, n};
    const Range per_item = of_.is_decompress ? Range{of_.statuses, n} : Range{of_.lengths, 4 * n};
    return {of_.batch.data(), of_.batch.table(), out.data(), out.table(), per_item};
  }

  bool next(Piece &piece) override {
    if (next_ == of_.batch.n) return false;
    piece.first = next_;
    piece.count = piece_items(
        next_, of_.batch.n, piece_bytes_, [this](uint64_t i) { return of_.batch.length(i); },
        [this](uint64_t i) { return of_.out_offsets[i + 1] - of_.out_offsets[i]; });
    next_ += piece.count;
    piece.input = {of_.batch.range(piece.first, piece.count)};
    piece.input_bytes = piece.input[0].bytes;
    piece.output_bytes =
        of_.out_offsets[piece.first + piece.count] - of_.out_offsets[piece.first];
    Layout meta;
    piece.at[OFFSETS] = meta.take(8 * (piece.count + 1));
    piece.at[OUT_OFFSETS] = meta.take(8 * (piece.count + 1));
    piece.meta_bytes = meta.bytes();
    piece.results_bytes = of_.is_decompress ? piece.count : 4 * piece.count;
    piece.scratch_bytes = lz4_scratch_bytes(piece.count);
    return true;
  }

  warp_status fill(Piece &piece, uint8_t *meta) override {
    const bool is_valid =
        rebase(of_.batch.offsets + piece.first, piece.count, piece.input_bytes,
               reinterpret_cast<uint64_t *>(meta + piece.at[OFFSETS])) &&
        rebase(of_.out_offsets + piece.first, piece.count, piece.output_bytes,
               reinterpret_cast<uint64_t *>(meta + piece.at[OUT_OFFSETS]));
    return is_valid ? WARP_OK : WARP_EINVAL;
  }

  int launch(const Piece &piece, const View &view, Stream stream) override {
    const uint64_t *offsets = reinterpret_cast<const uint64_t *>(view.meta + piece.at[OFFSETS]);
    const uint64_t *slots = reinterpret_cast<const uint64_t *>(view.meta + piece.at[OUT_OFFSETS]);
    const uint64_t n = piece.count;
    return warp::launch(stream, [this, view, offsets, slots, n](Stream on) {
      if (of_.is_decompress) {
        return lz4_decompress_launch(on, view.input, offsets, n, view.output, slots, view.results,
                                     view.scratch);
      }
      uint32_t *lengths = reinterpret_cast<uint32_t *>(view.results);
      return lz4_compress_launch(on, view.input, offsets, n, view.output, slots, lengths,
                                 view.scratch);
    });
  }

  warp_status place(const Piece &piece, const uint8_t *results,
                    std::vector<Segment> &output) override {
    const uint64_t start = of_.out_offsets[piece.first];
    if (of_.is_decompress) {
      output.push_back({0, of_.out + start, piece.output_bytes});
      return WARP_OK;
    }
    const uint32_t *lengths = reinterpret_cast<const uint32_t *>(results);
    output.reserve(piece.count);
    for (uint64_t i = 0; i < piece.count; i++) {
      const uint64_t at = of_.out_offsets[piece.first + i];
      output.push_back({at - start, of_.out + at, lengths[i]});
    }
    return WARP_OK;
  }

  warp_status collect(const Piece &piece, const uint8_t *results) override {
    if (!of_.is_decompress) {
      memcpy(of_.lengths + piece.first, results, 4 * piece.count);
      return WARP_OK;
    }
    memcpy(of_.statuses + piece.first, results, piece.count);
    const bool is_wrong =
        std::any_of(results, results + piece.count, [](uint8_t status) { return status != 0; });
    return is_wrong ? WARP_EDATA : WARP_OK;
  }

 private:
  const CodecArguments of_;
  const uint64_t piece_bytes_;
  uint64_t next_ = 0;
};

}  // namespace

OperationPtr lz4_operation(const CodecArguments &arguments, uint64_t piece_bytes) {
  return std::make_unique<Lz4Operation>(arguments, piece_bytes);
}

}  // namespace warp
