/* The operations of the ABI. Arguments are as the header says and already checked. `piece_bytes`:
 * what a piece carries, each way, unless one item is larger. */
#ifndef WARP_RUNTIME_OPERATIONS_H
#define WARP_RUNTIME_OPERATIONS_H
#include <memory>

#include "batch.h"

namespace warp {

using OperationPtr = std::unique_ptr<Operation>;

/* `key`: null, or 32 bytes that are copied. */
OperationPtr blake3_operation(uint32_t mode, const uint8_t *key, const Batch &batch, uint8_t *out,
                              uint64_t piece_bytes);
OperationPtr merkle_operation(const uint8_t *key, const uint8_t *leaves, uint64_t n, uint8_t *out);

struct AeadArguments {
  bool is_open;
  Batch batch;
  const uint8_t *keys;
  uint32_t key_stride;
  const uint8_t *nonces;
  Batch aad; /* n is 0 where there is none */
  uint8_t *out;
  const uint64_t *out_offsets;
  uint8_t *statuses;
};
OperationPtr aead_operation(const AeadArguments &arguments, uint64_t piece_bytes);

struct CodecArguments {
  bool is_decompress;
  Batch batch;
  uint8_t *out;
  const uint64_t *out_offsets;
  uint32_t *lengths;
  uint8_t *statuses;
};
OperationPtr lz4_operation(const CodecArguments &arguments, uint64_t piece_bytes);

OperationPtr entropy_operation(const Batch &batch, uint32_t sample, uint16_t *out,
                               uint64_t piece_bytes);

/* `slot_memory_bytes`: device memory that one window should stay below, if it can. */
struct WindowLimits {
  uint64_t piece_bytes;
  uint64_t slot_memory_bytes;
};

struct BoundaryArguments {
  warp_boundary_params params;
  const uint8_t *input;
  uint64_t length;
  bool is_last;
  uint32_t *cuts;
  uint32_t capacity;
  uint32_t *count;
};
OperationPtr boundary_operation(const BoundaryArguments &arguments, const WindowLimits &limits);

struct FusedArguments {
  warp_fused_params params;
  const uint8_t *input;
  uint64_t length;
  uint8_t *out;
  uint64_t *raw_offsets, *out_offsets;
  uint8_t *ids, *codecs;
  uint32_t *count;
};
OperationPtr fused_operation(const FusedArguments &arguments, const WindowLimits &limits);

}  // namespace warp
#endif
