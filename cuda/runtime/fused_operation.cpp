#include "window.h"

namespace warp {
namespace {

constexpr uint64_t DIGEST_BYTES = 32;
constexpr uint64_t TAG_BYTES = 16;
enum { COUNT, RAW_OFFSETS, OUT_OFFSETS, IDS, CODECS };

/* Adds to the nonce's last 8 bytes, little-endian. */
void advance(uint8_t *nonce, uint64_t by) {
  uint64_t counter;
  memcpy(&counter, nonce + 4, 8);
  counter += by;
  memcpy(nonce + 4, &counter, 8);
}

class FusedOperation : public WindowOperation {
 public:
  FusedOperation(const FusedArguments &arguments, const WindowLimits &limits)
      : WindowOperation({arguments.input, arguments.length, arguments.params.is_last != 0,
                         arguments.params.boundary, arguments.params.capacity},
                        limits),
        of_(arguments) {}

  ~FusedOperation() override {
    memset(&of_.params, 0, sizeof of_.params);
    __asm__ __volatile__("" : : "r"(&of_.params) : "memory");
  }

  std::vector<Range> memory() const override {
    const uint64_t capacity = source_.capacity;
    const uint64_t chunks = std::min(capacity, chunks_most(source_.length));
    return {{source_.input, source_.length},        {of_.out, source_.length + TAG_BYTES * chunks},
            {of_.raw_offsets, 8 * (capacity + 1)},  {of_.out_offsets, 8 * (capacity + 1)},
            {of_.ids, DIGEST_BYTES * capacity},     {of_.codecs, capacity},
            {of_.count, 4}};
  }

  warp_status follow(Piece &piece, const Piece &before, const uint8_t *results) override {
    const uint32_t count = count_of(before, results);
    if (count > chunk_room(before)) return WARP_ENOSPC;
    piece.start = before.start + table_of(before, results, RAW_OFFSETS)[count];
    piece.before_count = before.before_count + count;
    piece.before_bytes = before.before_bytes + table_of(before, results, OUT_OFFSETS)[count];
    return WARP_OK;
  }

  warp_status place(const Piece &piece, const uint8_t *results,
                    std::vector<Segment> &output) override {
    const uint32_t count = count_of(piece, results);
    if (count > chunk_room(piece)) return WARP_ENOSPC;
    const uint64_t bytes = table_of(piece, results, OUT_OFFSETS)[count];
    output.push_back({0, of_.out + piece.before_bytes, bytes});
    return WARP_OK;
  }

  warp_status collect(const Piece &piece, const uint8_t *results) override {
    const uint32_t count = count_of(piece, results);
    const uint64_t first = piece.before_count;
    const uint64_t *raw = table_of(piece, results, RAW_OFFSETS);
    const uint64_t *out = table_of(piece, results, OUT_OFFSETS);
    for (uint32_t i = 0; i <= count; i++) {
      of_.raw_offsets[first + i] = piece.start + raw[i];
      of_.out_offsets[first + i] = piece.before_bytes + out[i];
    }
    if (count != 0) {
      memcpy(of_.ids + DIGEST_BYTES * first, results + piece.at[IDS], DIGEST_BYTES * count);
      memcpy(of_.codecs + first, results + piece.at[CODECS], count);
    }
    if (is_end(piece)) *of_.count = static_cast<uint32_t>(first + count);
    return WARP_OK;
  }

 protected:
  void size(Piece &piece, uint64_t bytes) const override {
    const uint64_t chunks = chunks_most(bytes);
    Layout results;
    piece.at[COUNT] = results.take(4);
    piece.at[RAW_OFFSETS] = results.take(8 * (chunks + 1));
    piece.at[OUT_OFFSETS] = results.take(8 * (chunks + 1));
    piece.at[IDS] = results.take(DIGEST_BYTES * chunks);
    piece.at[CODECS] = results.take(chunks);
    piece.results_bytes = results.bytes();
    piece.output_bytes = bytes + TAG_BYTES * chunks;
    warp_fused_params params = of_.params;
    params.capacity = static_cast<uint32_t>(chunks);
    piece.scratch_bytes = fused_scratch_bytes(&params, bytes);
  }

  int launch_window(const Piece &piece, uint64_t length, const View &view,
                    Stream stream) override {
    return warp::launch(stream, [this, piece, length, view](Stream on) {
      warp_fused_params params = of_.params;
      params.is_last = is_last(piece);
      params.capacity = chunk_room(piece);
      advance(params.nonce, piece.before_count);
      const auto table = [&](int which) {
        return reinterpret_cast<uint64_t *>(view.results + piece.at[which]);
      };
      return fused_launch(on, &params, view.work, length, view.output, table(RAW_OFFSETS),
                          table(OUT_OFFSETS), view.results + piece.at[IDS],
                          view.results + piece.at[CODECS],
                          reinterpret_cast<uint32_t *>(view.results + piece.at[COUNT]),
                          view.scratch);
    });
  }

 private:
  uint32_t chunk_room(const Piece &piece) const {
    return static_cast<uint32_t>(
        std::min<uint64_t>(room(piece), chunks_most(piece.work_bytes)));
  }
  static uint32_t count_of(const Piece &piece, const uint8_t *results) {
    return *reinterpret_cast<const uint32_t *>(results + piece.at[COUNT]);
  }
  static const uint64_t *table_of(const Piece &piece, const uint8_t *results, int which) {
    return reinterpret_cast<const uint64_t *>(results + piece.at[which]);
  }

  FusedArguments of_;
};

}  // namespace

OperationPtr fused_operation(const FusedArguments &arguments, const WindowLimits &limits) {
  return std::make_unique<FusedOperation>(arguments, limits);
}

}  // namespace warp
