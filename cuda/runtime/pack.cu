#include "pack.h"

#include "../memory.cuh"

namespace warp {
namespace {

using namespace kernels;

/* Neighbouring lanes write neighbouring aligned words: whole packets on the bus to the host. */
WARP_FN void copy_lane(uint8_t *to, const uint8_t *from, uint64_t bytes, uint32_t lane) {
  uint64_t head = (4 - misalignment(to, 4)) % 4;
  if (head > bytes) head = bytes;
  if (lane < head) to[lane] = from[lane];
  const uint64_t words = (bytes - head) / 4;
  for (uint64_t word = lane; word < words; word += LANES) {
    store_aligned4(to + head + 4 * word, load4(from + head + 4 * word));
  }
  const uint64_t tail = head + 4 * words;
  if (tail + lane < bytes) to[tail + lane] = from[tail + lane];
}

struct MoveKernel {
  static constexpr uint32_t WARPS = 8;
  struct Shared {};
  const Move *moves;

  WARP_FN void run(Warp &warp, uint64_t index, Shared &) const {
    const Move move = moves[index];
    warp.each([&](uint32_t lane) { copy_lane(move.to, move.from, move.bytes, lane); });
  }
};

struct CopyKernel {
  static constexpr uint32_t WARPS = 8;
  struct Shared {};
  uint8_t *to;
  const uint8_t *from;
  uint64_t bytes;

  WARP_FN void run(Warp &warp, uint64_t index, Shared &) const {
    const uint64_t at = index * MOVE_BYTES_MOST;
    const uint64_t rest = bytes - at;
    const uint64_t own = rest < MOVE_BYTES_MOST ? rest : MOVE_BYTES_MOST;
    warp.each([&](uint32_t lane) { copy_lane(to + at, from + at, own, lane); });
  }
};

}  // namespace

warp_status moves_launch(Stream stream, const Move *moves, uint64_t n) {
  return launch_warps(stream, MoveKernel{moves}, n);
}

warp_status copy_launch(Stream stream, uint8_t *to, const uint8_t *from, uint64_t bytes) {
  const uint64_t count = (bytes + MOVE_BYTES_MOST - 1) / MOVE_BYTES_MOST;
  return launch_warps(stream, CopyKernel{to, from, bytes}, count);
}

}  // namespace warp
