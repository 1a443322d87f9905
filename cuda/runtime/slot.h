/* One piece's memory on its way through the device: pinned on the host, and on the device. */
#ifndef WARP_RUNTIME_SLOT_H
#define WARP_RUNTIME_SLOT_H
#include "block.h"
#include "operation.h"

namespace warp {

struct Streams {
  Stream in = nullptr, compute = nullptr, out = nullptr;

  int open();
  void close();
};

struct Slot {
  DeviceBlock device;
  /* Bulk data of callers whose memory is not pinned goes through `staged_in` and `staged_out`, half
   * after half. */
  PinnedBlock meta, results, moves, staged_in, staged_out;
  Event loaded = nullptr, computed = nullptr;
  Event half_in[2] = {}, half_out[2] = {};
  bool is_busy = false;

  int open();
  void close(Budget &budget, Stream stream);

  /* Device memory that the piece needs, and where its parts lie once `device` is large enough. */
  static uint64_t device_bytes(const Piece &piece);
  View view(const Piece &piece) const;
};

}  // namespace warp
#endif
