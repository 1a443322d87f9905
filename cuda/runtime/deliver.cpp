#include <algorithm>
#include <cstring>

#include "pack.h"
#include "transfer.h"

namespace warp {
namespace {

/* Up to this many segments go to the copy engine one by one. */
constexpr size_t COPIES_MOST = 8;

/* Neighbours on both sides become one. */
void join(std::vector<Segment> &segments) {
  size_t kept = 0;
  for (const Segment &one : segments) {
    if (one.bytes == 0) continue;
    if (kept != 0) {
      Segment &last = segments[kept - 1];
      if (last.from + last.bytes == one.from && last.to + last.bytes == one.to) {
        last.bytes += one.bytes;
        continue;
      }
    }
    segments[kept++] = one;
  }
  segments.resize(kept);
}

uint64_t moves_of(const Segment &one) {
  return (one.bytes + MOVE_BYTES_MOST - 1) / MOVE_BYTES_MOST;
}

/* Room for the moves of all segments, cut once more at every boundary between halves. */
int reserve_moves(Slot &slot, const std::vector<Segment> &segments, uint64_t parts) {
  uint64_t moves = 2 * parts;
  for (const Segment &one : segments) moves += moves_of(one);
  return slot.moves.reserve(moves * sizeof(Move));
}

/* Queues the copies of some segments. Moves are appended after the `used` ones. */
int copy_all(Slot &slot, const std::vector<Segment> &segments, const uint8_t *output,
             uint64_t &used, Stream stream) {
  if (segments.size() <= COPIES_MOST) {
    for (const Segment &one : segments) {
      const int code = copy_out(one.to, output + one.from, one.bytes, stream);
      if (code != 0) return code;
    }
    return 0;
  }
  Move *const moves = reinterpret_cast<Move *>(slot.moves.data()) + used;
  uint64_t n = 0;
  for (const Segment &one : segments) {
    for (uint64_t at = 0; at < one.bytes; at += MOVE_BYTES_MOST) {
      moves[n++] = {output + one.from + at, one.to + at, std::min(MOVE_BYTES_MOST, one.bytes - at)};
    }
  }
  used += n;
  return launch(stream, [moves, n](Stream on) { return moves_launch(on, moves, n); });
}

bool are_pinned(const std::vector<Segment> &segments) {
  const uint8_t *least = segments[0].to, *most = least;
  for (const Segment &one : segments) {
    least = std::min<const uint8_t *>(least, one.to);
    most = std::max<const uint8_t *>(most, one.to + one.bytes);
  }
  return Buffers::all().contains(least, static_cast<uint64_t>(most - least));
}

/* Segments in parts of at most one half of the staging memory. */
class Parts {
 public:
  Parts(const std::vector<Segment> &segments, uint64_t most) : segments_(segments), most_(most) {}

  /* Empty at the end. */
  std::vector<Segment> next() {
    std::vector<Segment> part;
    for (uint64_t room = most_; room != 0 && at_ < segments_.size();) {
      const Segment &one = segments_[at_];
      const uint64_t some = std::min(room, one.bytes - done_);
      part.push_back({one.from + done_, one.to + done_, some});
      room -= some;
      done_ += some;
      if (done_ != one.bytes) continue;
      at_++;
      done_ = 0;
    }
    return part;
  }

 private:
  const std::vector<Segment> &segments_;
  uint64_t most_, done_ = 0;
  size_t at_ = 0;
};

/* A part on its way: packed in one half of the staging memory. */
struct Packed {
  std::vector<Segment> targets;
  uint8_t *half;

  int begin(Slot &slot, const uint8_t *output, uint64_t &used, Event event, Stream stream) const {
    std::vector<Segment> staged = targets;
    uint64_t at = 0;
    for (Segment &one : staged) {
      one.to = half + at;
      at += one.bytes;
    }
    join(staged);
    const int code = copy_all(slot, staged, output, used, stream);
    return code == 0 ? event_record(event, stream) : code;
  }

  void unpack() const {
    const uint8_t *from = half;
    for (const Segment &one : targets) {
      memcpy(one.to, from, one.bytes);
      from += one.bytes;
    }
  }
};

}  // namespace

int deliver(Slot &slot, std::vector<Segment> segments, const uint8_t *output,
            uint64_t staging_bytes, Stream stream) {
  join(segments);
  if (segments.empty()) return 0;
  uint64_t bytes = 0, used = 0;
  for (const Segment &one : segments) bytes += one.bytes;
  if (are_pinned(segments)) {
    int code = reserve_moves(slot, segments, 0);
    if (code == 0) code = copy_all(slot, segments, output, used, stream);
    return code == 0 ? stream_synchronize(stream) : code;
  }
  int code = slot.staged_out.reserve(std::min(bytes, staging_bytes));
  if (code != 0) return code;
  const uint64_t half_bytes = slot.staged_out.bytes() / 2;
  code = reserve_moves(slot, segments, bytes / half_bytes + 1);
  Parts parts(segments, half_bytes);
  /* The device fills one half while the other one is unpacked. */
  Packed packed[2];
  for (uint64_t turn = 0; code == 0; turn++) {
    Packed &now = packed[turn % 2], &before = packed[(turn + 1) % 2];
    now = {parts.next(), slot.staged_out.data() + turn % 2 * half_bytes};
    if (!now.targets.empty()) {
      code = now.begin(slot, output, used, slot.half_out[turn % 2], stream);
    }
    if (code == 0 && !before.targets.empty()) {
      code = event_synchronize(slot.half_out[(turn + 1) % 2]);
      if (code == 0) before.unpack();
    }
    if (now.targets.empty()) break;
  }
  return code;
}

}  // namespace warp
