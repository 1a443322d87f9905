/* Copies by kernels instead of copy engines: many small ones at once, and small ones that must not
 * queue behind large ones. Targets may be pinned host memory. */
#ifndef WARP_RUNTIME_PACK_H
#define WARP_RUNTIME_PACK_H
#include "device.h"

namespace warp {

/* What one warp of threads copies. */
struct Move {
  const uint8_t *from; /* the 4-byte words that it touches are readable */
  uint8_t *to;
  uint64_t bytes;
};

constexpr uint64_t MOVE_BYTES_MOST = 16 * 1024;

/* `moves` must be readable by the device (pinned) and stay until the stream is there. */
warp_status moves_launch(Stream stream, const Move *moves, uint64_t n);

warp_status copy_launch(Stream stream, uint8_t *to, const uint8_t *from, uint64_t bytes);

}  // namespace warp
#endif
