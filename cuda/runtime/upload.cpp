#include <algorithm>
#include <cstring>

#include "transfer.h"

namespace warp {
namespace {

/* Copies begin when this much is staged: the device copies while the host stages more. */
constexpr uint64_t PART_BYTES = 4 << 20;

/* Fills the halves of staging memory in turn; a half is filled again when its copies are over. */
class Stager {
 public:
  Stager(Slot &slot, uint8_t *to, Stream stream)
      : slot_(slot), half_bytes_(slot.staged_in.bytes() / 2), to_(to), stream_(stream) {}

  int add(const uint8_t *from, uint64_t bytes) {
    while (bytes != 0) {
      if (filled_ == 0 && turn_ >= 2) {
        const int code = event_synchronize(slot_.half_in[turn_ % 2]);
        if (code != 0) return code;
      }
      const uint64_t some = std::min({bytes, half_bytes_ - filled_, PART_BYTES});
      memcpy(half() + filled_, from, some);
      filled_ += some;
      from += some;
      bytes -= some;
      if (filled_ - sent_ < PART_BYTES && filled_ != half_bytes_) continue;
      const int code = send();
      if (code != 0) return code;
    }
    return 0;
  }

  int send() {
    const uint64_t bytes = filled_ - sent_;
    if (bytes == 0) return 0;
    int code = copy_in(to_, half() + sent_, bytes, stream_);
    to_ += bytes;
    sent_ = filled_;
    if (code == 0 && filled_ == half_bytes_) {
      code = event_record(slot_.half_in[turn_ % 2], stream_);
      turn_++;
      filled_ = sent_ = 0;
    }
    return code;
  }

  uint8_t *to() const { return to_; }
  void skip(uint64_t bytes) { to_ += bytes; }

 private:
  uint8_t *half() const { return slot_.staged_in.data() + turn_ % 2 * half_bytes_; }

  Slot &slot_;
  uint64_t half_bytes_, filled_ = 0, sent_ = 0, turn_ = 0;
  uint8_t *to_;
  Stream stream_;
};

}  // namespace

int upload(Slot &slot, const std::vector<Range> &input, uint8_t *to, uint64_t staging_bytes,
           Stream stream) {
  uint64_t staged = 0;
  std::vector<bool> is_pinned(input.size());
  for (size_t i = 0; i < input.size(); i++) {
    is_pinned[i] = Buffers::all().contains(input[i].start, input[i].bytes);
    if (!is_pinned[i]) staged += input[i].bytes;
  }
  int code = slot.staged_in.reserve(std::min(staged, staging_bytes));
  if (code != 0) return code;
  Stager stager(slot, to, stream);
  for (size_t i = 0; i < input.size() && code == 0; i++) {
    const uint8_t *from = static_cast<const uint8_t *>(input[i].start);
    const uint64_t bytes = input[i].bytes;
    if (bytes == 0) continue;
    if (!is_pinned[i]) {
      code = stager.add(from, bytes);
      continue;
    }
    code = stager.send();
    if (code == 0) code = copy_in(stager.to(), from, bytes, stream);
    stager.skip(bytes);
  }
  return code == 0 ? stager.send() : code;
}

}  // namespace warp
