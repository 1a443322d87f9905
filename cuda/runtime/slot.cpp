#include "slot.h"

namespace warp {
namespace {

constexpr uint64_t ALIGNMENT = 256;
/* Kernels load 16 bytes at once. */
constexpr uint64_t READABLE_AFTER = 16;

uint64_t part(uint64_t bytes) {
  return (bytes + READABLE_AFTER + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

}  // namespace

int Streams::open() {
  int code = stream_create(&in);
  if (code == 0) code = stream_create(&compute);
  if (code == 0) code = stream_create(&out);
  return code;
}

void Streams::close() {
  for (Stream *stream : {&in, &compute, &out}) {
    if (*stream != nullptr) stream_destroy(*stream);
    *stream = nullptr;
  }
}

int Slot::open() {
  for (Event *event : {&loaded, &computed, &half_in[0], &half_in[1], &half_out[0], &half_out[1]}) {
    const int code = event_create(event);
    if (code != 0) return code;
  }
  return 0;
}

void Slot::close(Budget &budget, Stream stream) {
  device.release(budget, stream);
  for (PinnedBlock *block : {&meta, &results, &moves, &staged_in, &staged_out}) block->release();
  for (Event *event : {&loaded, &computed, &half_in[0], &half_in[1], &half_out[0], &half_out[1]}) {
    if (*event != nullptr) event_destroy(*event);
    *event = nullptr;
  }
}

uint64_t Slot::device_bytes(const Piece &piece) {
  return part(piece.input_bytes) + part(piece.meta_bytes) + part(piece.work_bytes) +
         part(piece.results_bytes) + part(piece.output_bytes) + part(piece.scratch_bytes);
}

View Slot::view(const Piece &piece) const {
  uint8_t *at = device.data();
  const auto take = [&at](uint64_t bytes) {
    uint8_t *start = at;
    at += part(bytes);
    return start;
  };
  View view;
  view.input = take(piece.input_bytes);
  view.meta = take(piece.meta_bytes);
  view.work = take(piece.work_bytes);
  view.results = take(piece.results_bytes);
  view.output = take(piece.output_bytes);
  view.scratch = take(piece.scratch_bytes);
  return view;
}

}  // namespace warp
