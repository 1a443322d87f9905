#include <cstring>

#include "operations.h"

namespace warp {
namespace {

constexpr uint64_t KEY_BYTES = 32;
constexpr uint64_t NONCE_BYTES = 12;
constexpr uint64_t TAG_BYTES = 16;
enum { OFFSETS, OUT_OFFSETS, KEYS, NONCES, AAD_OFFSETS, AAD };

class AeadOperation : public Operation {
 public:
  AeadOperation(const AeadArguments &arguments, uint64_t piece_bytes)
      : of_(arguments), piece_bytes_(piece_bytes) {}

  std::vector<Range> memory() const override {
    const uint64_t n = of_.batch.n;
    std::vector<Range> ranges = {of_.batch.data(), of_.batch.table(), of_.aad.data(),
                                 of_.aad.table(), {of_.keys, KEY_BYTES * keys(n)},
                                 {of_.nonces, NONCE_BYTES * n}, {of_.out_offsets, 8 * n}};
    if (of_.is_open) ranges.push_back({of_.statuses, n});
    uint64_t least = UINT64_MAX, most = 0;
    for (uint64_t i = 0; i < n; i++) {
      least = std::min(least, of_.out_offsets[i]);
      most = std::max(most, of_.out_offsets[i] + out_length(i));
    }
    ranges.push_back({of_.out + least, most - least});
    return ranges;
  }

  bool next(Piece &piece) override {
    if (next_ == of_.batch.n) return false;
    piece.first = next_;
    piece.count = piece_items(
        next_, of_.batch.n, piece_bytes_,
        [this](uint64_t i) { return of_.batch.length(i) + aad_length(i); },
        [this](uint64_t i) { return out_length(i); });
    next_ += piece.count;
    piece.input = {of_.batch.range(piece.first, piece.count)};
    piece.input_bytes = piece.input[0].bytes;
    for (uint64_t i = 0; i < piece.count; i++) piece.output_bytes += out_length(piece.first + i);
    Layout meta;
    piece.at[OFFSETS] = meta.take(8 * (piece.count + 1));
    piece.at[OUT_OFFSETS] = meta.take(8 * (piece.count + 1));
    piece.at[KEYS] = meta.take(KEY_BYTES * keys(piece.count));
    piece.at[NONCES] = meta.take(NONCE_BYTES * piece.count);
    if (has_aad()) {
      piece.at[AAD_OFFSETS] = meta.take(8 * (piece.count + 1));
      /* Last: kernels may read some bytes on. */
      piece.at[AAD] = meta.take(of_.aad.range(piece.first, piece.count).bytes);
    }
    piece.meta_bytes = meta.bytes();
    if (of_.is_open) piece.results_bytes = piece.count;
    piece.scratch_bytes = aead_scratch_bytes(piece.count, piece.input_bytes);
    return true;
  }

  warp_status fill(Piece &piece, uint8_t *meta) override {
    uint64_t *offsets = reinterpret_cast<uint64_t *>(meta + piece.at[OFFSETS]);
    uint64_t *out_offsets = reinterpret_cast<uint64_t *>(meta + piece.at[OUT_OFFSETS]);
    if (!rebase(of_.batch.offsets + piece.first, piece.count, piece.input_bytes, offsets)) {
      return WARP_EINVAL;
    }
    out_offsets[0] = 0;
    for (uint64_t i = 0; i < piece.count; i++) {
      out_offsets[i + 1] = out_offsets[i] + out_length_of(offsets[i + 1] - offsets[i]);
    }
    if (out_offsets[piece.count] != piece.output_bytes) return WARP_EINVAL;
    const uint64_t key = of_.key_stride == 0 ? 0 : piece.first;
    memcpy(meta + piece.at[KEYS], of_.keys + KEY_BYTES * key, KEY_BYTES * keys(piece.count));
    memcpy(meta + piece.at[NONCES], of_.nonces + NONCE_BYTES * piece.first,
           NONCE_BYTES * piece.count);
    return has_aad() ? fill_aad(piece, meta) : WARP_OK;
  }

  int launch(const Piece &piece, const View &view, Stream stream) override {
    return warp::launch(stream, [this, view, piece](Stream on) { return queue(piece, view, on); });
  }

  warp_status place(const Piece &piece, const uint8_t *, std::vector<Segment> &output) override {
    uint64_t from = 0;
    output.reserve(piece.count);
    for (uint64_t i = 0; i < piece.count; i++) {
      const uint64_t bytes = out_length(piece.first + i);
      output.push_back({from, of_.out + of_.out_offsets[piece.first + i], bytes});
      from += bytes;
    }
    return WARP_OK;
  }

  warp_status collect(const Piece &piece, const uint8_t *results) override {
    if (!of_.is_open) return WARP_OK;
    memcpy(of_.statuses + piece.first, results, piece.count);
    const bool is_wrong =
        std::any_of(results, results + piece.count, [](uint8_t status) { return status != 0; });
    return is_wrong ? WARP_EAUTH : WARP_OK;
  }

  /* In place, zeroes would take the ciphertext too, of which the caller may need what is left. */
  void discard(const Piece &piece) override {
    const Range input = of_.batch.data();
    const uint8_t *const start = static_cast<const uint8_t *>(input.start);
    const uint8_t *const end = start + input.bytes;
    for (uint64_t i = piece.first; of_.is_open && i < piece.first + piece.count; i++) {
      uint8_t *const out = of_.out + of_.out_offsets[i];
      if (out + out_length(i) <= start || end <= out) memset(out, 0, out_length(i));
    }
  }

 private:
  bool has_aad() const { return of_.aad.n != 0; }
  uint64_t aad_length(uint64_t i) const { return has_aad() ? of_.aad.length(i) : 0; }
  uint64_t keys(uint64_t count) const { return of_.key_stride == 0 ? 1 : count; }
  uint64_t out_length(uint64_t i) const { return out_length_of(of_.batch.length(i)); }
  uint64_t out_length_of(uint64_t length) const {
    if (!of_.is_open) return length + TAG_BYTES;
    return length < TAG_BYTES ? 0 : length - TAG_BYTES;
  }

  warp_status fill_aad(const Piece &piece, uint8_t *meta) const {
    const Range aad = of_.aad.range(piece.first, piece.count);
    uint64_t *offsets = reinterpret_cast<uint64_t *>(meta + piece.at[AAD_OFFSETS]);
    /* Changed offsets must not write beyond the room that next() took. */
    if (piece.at[AAD] + aad.bytes > piece.meta_bytes ||
        !rebase(of_.aad.offsets + piece.first, piece.count, aad.bytes, offsets)) {
      return WARP_EINVAL;
    }
    if (aad.bytes != 0) memcpy(meta + piece.at[AAD], aad.start, aad.bytes);
    return WARP_OK;
  }

  warp_status queue(const Piece &piece, const View &view, Stream on) const {
    const auto table = [&](int which) {
      return reinterpret_cast<const uint64_t *>(view.meta + piece.at[which]);
    };
    const uint8_t *keys = view.meta + piece.at[KEYS], *nonces = view.meta + piece.at[NONCES];
    const uint8_t *aad = has_aad() ? view.meta + piece.at[AAD] : nullptr;
    const uint64_t *aad_offsets = has_aad() ? table(AAD_OFFSETS) : nullptr;
    if (of_.is_open) {
      return open_launch(on, view.input, table(OFFSETS), piece.count, piece.input_bytes, keys,
                         of_.key_stride, nonces, aad, aad_offsets, view.output, table(OUT_OFFSETS),
                         view.results, view.scratch);
    }
    return seal_launch(on, view.input, table(OFFSETS), piece.count, piece.input_bytes, keys,
                       of_.key_stride, nonces, aad, aad_offsets, view.output, table(OUT_OFFSETS),
                       view.scratch);
  }

  const AeadArguments of_;
  const uint64_t piece_bytes_;
  uint64_t next_ = 0;
};

}  // namespace

OperationPtr aead_operation(const AeadArguments &arguments, uint64_t piece_bytes) {
  return std::make_unique<AeadOperation>(arguments, piece_bytes);
}

}  // namespace warp
