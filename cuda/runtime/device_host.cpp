/* A device made of threads. A stream is a thread that takes its work in order, so copies and
 * kernels run beside the caller and beside each other exactly as far as the runtime's events allow:
 * what the runtime forgets to wait for is a race that the thread sanitizer sees.
 *
 * Environment, read when a context is opened:
 *   WARP_CUDA_SHIM_DEVICES  how many devices there are (1)
 *   WARP_CUDA_SHIM_MEMORY   bytes of memory of each (1 GiB)
 *   WARP_CUDA_SHIM_FAIL     the device is lost at this launch (1 is the first; 0 never)
 * */
#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <thread>

#include "device.h"

namespace {

constexpr int CODE_MEMORY = 2;
constexpr int CODE_LOST = 719;
constexpr int CODE_REFUSED = 10000;
constexpr uint32_t DEVICES_MAX = 16;
constexpr uint64_t PAGE_BYTES = 4096;

struct HostDevice {
  std::atomic<int> error{0};
  std::atomic<uint64_t> launches{0}, lost_at{0};
  std::mutex mutex;
  uint64_t memory_bytes = 0, used_bytes = 0;
  std::map<void *, uint64_t> blocks;
};

/* Never destroyed: streams of contexts left open run on while a process ends. */
HostDevice *const devices = new HostDevice[DEVICES_MAX];
thread_local HostDevice *current = devices;

uint64_t setting(const char *name, uint64_t otherwise) {
  const char *text = getenv(name);
  return text == nullptr || *text == 0 ? otherwise : strtoull(text, nullptr, 10);
}

uint64_t device_bytes() { return setting("WARP_CUDA_SHIM_MEMORY", uint64_t{1} << 30); }

}  // namespace

struct CUevent_st {
  std::mutex mutex;
  std::condition_variable changed;
  /* Records asked for and reached: a wait is for the last one asked for when it began. */
  uint64_t asked = 0, reached = 0;

  uint64_t ask() {
    std::lock_guard<std::mutex> lock(mutex);
    return ++asked;
  }
  uint64_t latest() {
    std::lock_guard<std::mutex> lock(mutex);
    return asked;
  }
  void reach(uint64_t record) {
    std::lock_guard<std::mutex> lock(mutex);
    if (reached < record) reached = record;
    changed.notify_all();
  }
  void wait(uint64_t record) {
    std::unique_lock<std::mutex> lock(mutex);
    changed.wait(lock, [&] { return reached >= record; });
  }
};

struct CUstream_st {
  HostDevice *device;
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<std::function<void()>> work;
  bool is_ending = false;
  std::thread thread;

  explicit CUstream_st(HostDevice *owner) : device(owner), thread([this] { run(); }) {}
  ~CUstream_st() {
    {
      std::lock_guard<std::mutex> lock(mutex);
      is_ending = true;
      changed.notify_all();
    }
    thread.join();
  }
  int add(std::function<void()> one) {
    std::lock_guard<std::mutex> lock(mutex);
    work.push_back(std::move(one));
    changed.notify_all();
    return device->error;
  }
  void run() {
    for (;;) {
      std::function<void()> one;
      {
        std::unique_lock<std::mutex> lock(mutex);
        changed.wait(lock, [&] { return is_ending || !work.empty(); });
        if (work.empty()) return;
        one = std::move(work.front());
        work.pop_front();
      }
      one();
    }
  }
};

namespace warp {

warp_status device_describe(uint32_t index, warp_info *info) {
  const uint64_t count = setting("WARP_CUDA_SHIM_DEVICES", 1);
  if (index >= count || index >= DEVICES_MAX) {
    snprintf(info->detail, sizeof info->detail, "no device");
    return WARP_ENODEV;
  }
  info->units = 1;
  info->memory_bytes = device_bytes();
  snprintf(info->name, sizeof info->name, "host shim");
  snprintf(info->detail, sizeof info->detail, "kernels compiled for the CPU, for tests");
  return WARP_OK;
}

const char *device_error_text(int code) {
  switch (code) {
    case CODE_MEMORY: return "out of memory";
    case CODE_LOST: return "the device was lost";
    case CODE_REFUSED: return "a kernel refused its arguments";
    default: return "unknown error";
  }
}

bool device_is_out_of_memory(int code) { return code == CODE_MEMORY; }

int device_open(uint32_t index) {
  device_use(index);
  current->error = 0;
  current->launches = 0;
  current->lost_at = setting("WARP_CUDA_SHIM_FAIL", 0);
  std::lock_guard<std::mutex> lock(current->mutex);
  current->memory_bytes = device_bytes();
  return 0;
}

int device_use(uint32_t index) {
  current = &devices[index % DEVICES_MAX];
  return 0;
}

int device_free_bytes(uint64_t *bytes) {
  std::lock_guard<std::mutex> lock(current->mutex);
  *bytes = current->memory_bytes - current->used_bytes;
  return current->error;
}

int device_allocate(void **memory, uint64_t bytes) {
  if (current->error != 0) return current->error;
  std::lock_guard<std::mutex> lock(current->mutex);
  if (bytes > current->memory_bytes - current->used_bytes) return CODE_MEMORY;
  /* Exactly `bytes`: an address sanitizer sees the first byte beyond. */
  if (posix_memalign(memory, 256, bytes) != 0) return CODE_MEMORY;
  memset(*memory, 0xdb, bytes);
  current->blocks[*memory] = bytes;
  current->used_bytes += bytes;
  return 0;
}

int device_release(void *memory) {
  std::lock_guard<std::mutex> lock(current->mutex);
  current->used_bytes -= current->blocks[memory];
  current->blocks.erase(memory);
  free(memory);
  return current->error;
}

int pinned_allocate(void **memory, uint64_t bytes) {
  if (current->error != 0) return current->error;
  return posix_memalign(memory, PAGE_BYTES, bytes) == 0 ? 0 : CODE_MEMORY;
}

int pinned_release(void *memory) {
  free(memory);
  return current->error;
}

int stream_create(Stream *stream) {
  *stream = new CUstream_st(current);
  return 0;
}

void stream_destroy(Stream stream) { delete stream; }

int stream_wait(Stream stream, Event event) {
  return stream->add([event, record = event->latest()] { event->wait(record); });
}

int stream_synchronize(Stream stream) {
  CUevent_st event;
  event_record(&event, stream);
  return event_synchronize(&event);
}

int event_create(Event *event) {
  *event = new CUevent_st;
  return 0;
}

void event_destroy(Event event) { delete event; }

int event_record(Event event, Stream stream) {
  return stream->add([event, record = event->ask()] { event->reach(record); });
}

int event_synchronize(Event event) {
  event->wait(event->latest());
  return current->error;
}

static int copy(void *to, const void *from, uint64_t bytes, Stream stream) {
  return stream->add([=] {
    if (stream->device->error == 0) memcpy(to, from, bytes);
  });
}

int copy_in(void *device, const void *host, uint64_t bytes, Stream stream) {
  return copy(device, host, bytes, stream);
}

int copy_out(void *host, const void *device, uint64_t bytes, Stream stream) {
  return copy(host, device, bytes, stream);
}

int copy_within(void *to, const void *from, uint64_t bytes, Stream stream) {
  return copy(to, from, bytes, stream);
}

int fill(void *device, uint8_t value, uint64_t bytes, Stream stream) {
  return stream->add([=] {
    if (stream->device->error == 0) memset(device, value, bytes);
  });
}

int launch(Stream stream, std::function<warp_status(Stream)> kernels) {
  return stream->add([stream, kernels = std::move(kernels)] {
    HostDevice *device = stream->device;
    if (device->error != 0) return;
    if (++device->launches == device->lost_at) {
      device->error = CODE_LOST;
    } else if (kernels(stream) != WARP_OK) {
      device->error = CODE_REFUSED;
    }
  });
}

}  // namespace warp
