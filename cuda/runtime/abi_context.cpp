/* What there is, contexts, memory, jobs. */
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <unistd.h>

#include "abi.h"
#include "nvcomp.h"

using namespace warp;

namespace {

constexpr uint32_t SLOTS_MOST = 64;
constexpr uint32_t CAPABILITIES = WARP_CAP_BOUNDARY | WARP_CAP_BLAKE3 | WARP_CAP_AEAD |
                                  WARP_CAP_LZ4 | WARP_CAP_ENTROPY | WARP_CAP_FUSED |
                                  WARP_CAP_SCHEDULER | WARP_CAP_PINNED;
/* Of the device's memory: what one item is sure to fit in, with its output and scratch. */
constexpr uint64_t BATCH_SHARE = 16;
constexpr uint64_t BATCH_BYTES_MOST = uint64_t{256} << 20;

/* Callers compiled with another header have a shorter or longer struct. */
void give(const warp_info &info, warp_info *to) {
  const uint32_t size = to->size;
  memcpy(to, &info, size < sizeof info ? size : sizeof info);
  to->size = size;
}

warp_status read_file(int32_t fd, uint64_t offset, uint8_t *memory, uint64_t length,
                      uint64_t *count, Failure &failure) {
  uint64_t done = 0;
  while (done < length) {
    const ssize_t some =
        pread(fd, memory + done, length - done, static_cast<off_t>(offset + done));
    if (some < 0 && errno == EINTR) continue;
    if (some < 0) {
      char text[64];
      snprintf(text, sizeof text, "pread: errno %d", errno);
      failure.note(text);
      return WARP_EIO;
    }
    if (some == 0) break;
    done += static_cast<uint64_t>(some);
  }
  *count = done;
  return WARP_OK;
}

}  // namespace

extern "C" {

uint32_t warp_abi_version(void) { return WARP_ABI_MAJOR << 16 | WARP_ABI_MINOR; }

warp_status warp_probe(uint32_t index, warp_info *to) {
  if (to == nullptr || to->size < offsetof(warp_info, name)) return WARP_EINVAL;
  warp_info info = {};
  info.backend = WARP_BACKEND_CUDA;
  const warp_status status = device_describe(index, &info);
  if (status == WARP_OK) {
    info.capabilities = CAPABILITIES;
    info.batch_bytes_max = std::min(BATCH_BYTES_MOST, info.memory_bytes / BATCH_SHARE);
    nvcomp_note(info.detail, sizeof info.detail);
  }
  give(info, to);
  return status;
}

int32_t warp_isa_limit(int32_t) { return WARP_ENOTSUP; }

warp_status warp_context_open(uint32_t index, uint32_t, uint32_t slots, warp_context *context) {
  if (context == nullptr || slots < 1 || slots > SLOTS_MOST) return WARP_EINVAL;
  *context = 0;
  return guarded([&] {
    warp_info info = {};
    const warp_status status = device_describe(index, &info);
    return status == WARP_OK ? open_context(index, slots, context) : status;
  });
}

warp_status warp_context_close(warp_context context) {
  return guarded([&] { return close_context(context); });
}

warp_status warp_last_error(warp_context handle, char *text, uint32_t capacity) {
  return guarded([&]() -> warp_status {
    const auto context = find_context(handle);
    if (context == nullptr || text == nullptr || capacity == 0) return WARP_EINVAL;
    const std::string last = context->failure.text();
    const size_t length = std::min<size_t>(last.size(), capacity - 1);
    memcpy(text, last.data(), length);
    text[length] = 0;
    return WARP_OK;
  });
}

warp_status warp_buffer_alloc(warp_context handle, uint64_t bytes, void **memory) {
  return guarded([&]() -> warp_status {
    const auto context = find_context(handle);
    if (context == nullptr || memory == nullptr || bytes == 0 || bytes > BYTES_MOST) {
      return WARP_EINVAL;
    }
    *memory = nullptr;
    const warp_status status = context->use();
    if (status != WARP_OK) return status;
    return context->failure.check(Buffers::all().allocate(handle, bytes, memory),
                                  "allocating pinned memory");
  });
}

warp_status warp_buffer_free(warp_context handle, void *memory) {
  return guarded([&]() -> warp_status {
    const auto context = find_context(handle);
    if (context == nullptr) return WARP_EINVAL;
    device_use(context->device());
    return Buffers::all().release(handle, memory);
  });
}

warp_status warp_read(warp_context handle, int32_t fd, uint64_t offset, void *memory,
                      uint64_t length, uint64_t *count, warp_job *job) {
  return guarded([&]() -> warp_status {
    if (job != nullptr) *job = 0;
    const auto context = find_context(handle);
    if (context == nullptr || count == nullptr || (memory == nullptr && length != 0) || fd < 0 ||
        offset > INT64_MAX || length > INT64_MAX - offset) {
      return WARP_EINVAL;
    }
    *count = 0;
    uint8_t *const to = static_cast<uint8_t *>(memory);
    Failure &failure = context->failure;
    auto one = std::make_unique<Job>();
    one->read = [=, &failure] { return read_file(fd, offset, to, length, count, failure); };
    one->held = Buffers::all().hold({{memory, length}, {count, sizeof *count}});
    return context->jobs.submit(std::move(one), job);
  });
}

warp_status warp_poll(warp_context handle, warp_job *jobs, warp_status *statuses, uint32_t capacity,
                      uint32_t *count) {
  return guarded([&]() -> warp_status {
    const auto context = find_context(handle);
    if (context == nullptr || count == nullptr ||
        (capacity != 0 && (jobs == nullptr || statuses == nullptr))) {
      return WARP_EINVAL;
    }
    return context->jobs.poll(jobs, statuses, capacity, count);
  });
}

warp_status warp_wait(warp_context handle, uint32_t timeout_us) {
  return guarded([&]() -> warp_status {
    const auto context = find_context(handle);
    return context == nullptr ? WARP_EINVAL : context->jobs.wait(timeout_us);
  });
}

warp_status warp_cancel(warp_context handle, warp_job job) {
  return guarded([&]() -> warp_status {
    const auto context = find_context(handle);
    return context == nullptr ? WARP_EINVAL : context->jobs.cancel(job);
  });
}

}  // extern "C"
