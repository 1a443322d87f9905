#include <cstring>

#include "operations.h"

namespace warp {
namespace {

constexpr uint64_t DIGEST_BYTES = 32;
enum { OFFSETS };

/* A key that ends with the operation. */
struct Key {
  uint8_t bytes[32] = {};
  bool is_given = false;

  explicit Key(const uint8_t *key) {
    if (key == nullptr) return;
    memcpy(bytes, key, sizeof bytes);
    is_given = true;
  }
  ~Key() {
    memset(bytes, 0, sizeof bytes);
    __asm__ __volatile__("" : : "r"(bytes) : "memory");
  }
  const uint8_t *get() const { return is_given ? bytes : nullptr; }
};

class Blake3Operation : public Operation {
 public:
  Blake3Operation(uint32_t mode, const uint8_t *key, const Batch &batch, uint8_t *out,
                  uint64_t piece_bytes)
      : mode_(mode), key_(key), batch_(batch), out_(out), piece_bytes_(piece_bytes) {}

  std::vector<Range> memory() const override {
    return {batch_.data(), batch_.table(), {out_, DIGEST_BYTES * batch_.n}};
  }

  bool next(Piece &piece) override {
    if (next_ == batch_.n) return false;
    piece.first = next_;
    piece.count = piece_items(
        next_, batch_.n, piece_bytes_, [this](uint64_t i) { return batch_.length(i); },
        [](uint64_t) { return DIGEST_BYTES; });
    next_ += piece.count;
    piece.input = {batch_.range(piece.first, piece.count)};
    piece.input_bytes = piece.input[0].bytes;
    Layout meta;
    piece.at[OFFSETS] = meta.take(8 * (piece.count + 1));
    piece.meta_bytes = meta.bytes();
    piece.results_bytes = DIGEST_BYTES * piece.count;
    piece.scratch_bytes = blake3_scratch_bytes(piece.count, piece.input_bytes);
    return true;
  }

  warp_status fill(Piece &piece, uint8_t *meta) override {
    uint64_t *offsets = reinterpret_cast<uint64_t *>(meta + piece.at[OFFSETS]);
    if (!rebase(batch_.offsets + piece.first, piece.count, piece.input_bytes, offsets)) {
      return WARP_EINVAL;
    }
    uint64_t longest = 0;
    for (uint64_t i = 0; i < piece.count; i++) {
      longest = std::max(longest, offsets[i + 1] - offsets[i]);
    }
    longest_ = longest;
    return WARP_OK;
  }

  int launch(const Piece &piece, const View &view, Stream stream) override {
    const uint64_t *offsets = reinterpret_cast<const uint64_t *>(view.meta + piece.at[OFFSETS]);
    return warp::launch(stream, [this, view, offsets, n = piece.count, bytes = piece.input_bytes,
                                 longest = longest_](Stream on) {
      return blake3_launch(on, mode_, key_.get(), view.input, offsets, n, bytes, longest,
                           view.results, view.scratch);
    });
  }

  warp_status collect(const Piece &piece, const uint8_t *results) override {
    memcpy(out_ + DIGEST_BYTES * piece.first, results, piece.results_bytes);
    return WARP_OK;
  }

 private:
  const uint32_t mode_;
  const Key key_;
  const Batch batch_;
  uint8_t *const out_;
  const uint64_t piece_bytes_;
  uint64_t next_ = 0, longest_ = 0;
};

/* One piece: every level hangs on all leaves. */
class MerkleOperation : public Operation {
 public:
  MerkleOperation(const uint8_t *key, const uint8_t *leaves, uint64_t n, uint8_t *out)
      : key_(key), leaves_(leaves), n_(n), out_(out) {
    for (uint64_t level = n; level > 1; level = (level + 1) / 2) nodes_ += (level + 1) / 2;
  }

  std::vector<Range> memory() const override {
    return {{leaves_, DIGEST_BYTES * n_}, {out_, DIGEST_BYTES * nodes_}};
  }

  bool next(Piece &piece) override {
    if (is_begun_ || nodes_ == 0) return false;
    is_begun_ = true;
    piece.count = n_;
    piece.input = {{leaves_, DIGEST_BYTES * n_}};
    piece.input_bytes = DIGEST_BYTES * n_;
    piece.output_bytes = DIGEST_BYTES * nodes_;
    piece.scratch_bytes = merkle_scratch_bytes(n_);
    return true;
  }

  warp_status fill(Piece &, uint8_t *) override { return WARP_OK; }

  int launch(const Piece &, const View &view, Stream stream) override {
    return warp::launch(stream, [this, view](Stream on) {
      return merkle_launch(on, key_.get(), view.input, n_, view.output, view.scratch);
    });
  }

  warp_status place(const Piece &piece, const uint8_t *, std::vector<Segment> &output) override {
    output.push_back({0, out_, piece.output_bytes});
    return WARP_OK;
  }

  warp_status collect(const Piece &, const uint8_t *) override { return WARP_OK; }

 private:
  const Key key_;
  const uint8_t *const leaves_;
  const uint64_t n_;
  uint8_t *const out_;
  uint64_t nodes_ = 0;
  bool is_begun_ = false;
};

}  // namespace

OperationPtr blake3_operation(uint32_t mode, const uint8_t *key, const Batch &batch, uint8_t *out,
                              uint64_t piece_bytes) {
  return std::make_unique<Blake3Operation>(mode, key, batch, out, piece_bytes);
}

OperationPtr merkle_operation(const uint8_t *key, const uint8_t *leaves, uint64_t n, uint8_t *out) {
  return std::make_unique<MerkleOperation>(key, leaves, n, out);
}

}  // namespace warp
