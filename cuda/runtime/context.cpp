#include "context.h"

#include <algorithm>
#include <cstdlib>

#include "schedulers.h"

namespace warp {
namespace {

constexpr uint32_t SLOTS_LEAST = 3;
constexpr uint32_t READERS = 2;
constexpr uint64_t MEMORY_CAP = uint64_t{2} << 30;
constexpr uint64_t PIECE_BYTES_LEAST = 64 * 1024;
constexpr uint64_t PIECE_BYTES_MOST = 64 << 20;
/* Device memory of a slot, in pieces: what goes in, what comes out, scratch, small items'
 * tables. */
constexpr uint64_t PIECES_PER_SLOT = 8;

/* A number from the environment, or 0. */
uint64_t setting(const char *name) {
  const char *text = getenv(name);
  return text == nullptr ? 0 : strtoull(text, nullptr, 10);
}

}  // namespace

Context::Context(uint32_t device, uint32_t slots, warp_context handle)
    : jobs(slots), device_(device), slots_(std::max(slots, SLOTS_LEAST)), handle_(handle) {}

Context::~Context() { close(); }

warp_status Context::measure(uint64_t &memory_cap) {
  uint64_t unused = 0;
  const warp_status status =
      failure.check(device_free_bytes(&unused), "asking for the device's memory");
  memory_cap = setting("WARP_CUDA_MEMORY_BYTES");
  if (memory_cap == 0) memory_cap = std::min(MEMORY_CAP, unused / 5 * 2);
  slot_memory_bytes_ = memory_cap / slots_;
  piece_bytes_ = setting("WARP_CUDA_SLOT_BYTES");
  if (piece_bytes_ == 0) piece_bytes_ = slot_memory_bytes_ / PIECES_PER_SLOT;
  piece_bytes_ = std::clamp(piece_bytes_, PIECE_BYTES_LEAST, PIECE_BYTES_MOST);
  return status;
}

warp_status Context::open() {
  warp_status status = failure.check(device_open(device_), "opening the device");
  uint64_t memory_cap = 0;
  if (status == WARP_OK) status = measure(memory_cap);
  if (status != WARP_OK) return status;
  const PipelineOptions options = {device_, slots_, piece_bytes_, memory_cap};
  pipeline_ = std::make_unique<Pipeline>(options, jobs, failure);
  status = pipeline_->open();
  for (uint32_t i = 0; i < READERS && status == WARP_OK; i++) {
    readers_.emplace_back([this] { read_all(); });
  }
  return status;
}

void Context::close() {
  jobs.close();
  pipeline_.reset();
  for (std::thread &reader : readers_) reader.join();
  readers_.clear();
  close_schedulers(handle_);
  device_use(device_);
  Buffers::all().release_all(handle_);
}

warp_status Context::use() {
  if (failure.is_dead()) return WARP_EDEVICE;
  return failure.check(device_use(device_), "choosing the device");
}

void Context::read_all() {
  while (Job *job = jobs.take_read()) {
    job->report(job->read());
    jobs.done(job);
  }
}

}  // namespace warp
