/* Bulk bytes between the caller's memory and a slot's device memory, directly where the caller's
 * memory is pinned, else through the slot's staging memory, half after half. */
#ifndef WARP_RUNTIME_TRANSFER_H
#define WARP_RUNTIME_TRANSFER_H
#include "slot.h"

namespace warp {

/* Queues the upload of the ranges, one after another, to `to`. The caller's memory may still be
 * read until the stream is there. `staging_bytes`: how large staging memory may grow. */
int upload(Slot &slot, const std::vector<Range> &input, uint8_t *to, uint64_t staging_bytes,
           Stream stream);

/* Copies segments of `output`, on the device, to where they belong, and waits for it. */
int deliver(Slot &slot, std::vector<Segment> segments, const uint8_t *output,
            uint64_t staging_bytes, Stream stream);

}  // namespace warp
#endif
