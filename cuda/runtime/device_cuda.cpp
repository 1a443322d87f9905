#include <cuda_runtime.h>

#include <cstdio>
#include <cstring>

#include "device.h"

namespace warp {
namespace {

/* A refused launch; beyond the numbers of the CUDA runtime. */
constexpr int CODE_REFUSED = 10000;
/* The oldest architecture that the library is compiled for. */
constexpr int CAPABILITY_LEAST = 75;

warp_status no_device(warp_info *info, int code) {
  int driver = 0, runtime = 0;
  cudaDriverGetVersion(&driver);
  cudaRuntimeGetVersion(&runtime);
  if (driver == 0) {
    snprintf(info->detail, sizeof info->detail, "no driver");
  } else if (driver < runtime) {
    snprintf(info->detail, sizeof info->detail, "needs a newer driver: CUDA %d.%d, not %d.%d",
             runtime / 1000, runtime % 1000 / 10, driver / 1000, driver % 1000 / 10);
  } else {
    snprintf(info->detail, sizeof info->detail, "%s",
             code == 0 ? "no device" : cudaGetErrorString(static_cast<cudaError_t>(code)));
  }
  return WARP_ENODEV;
}

}  // namespace

warp_status device_describe(uint32_t index, warp_info *info) {
  int count = 0;
  cudaError_t code = cudaGetDeviceCount(&count);
  if (code != cudaSuccess) {
    cudaGetLastError();
    return no_device(info, code == cudaErrorNoDevice ? 0 : code);
  }
  if (index >= static_cast<uint32_t>(count)) return no_device(info, 0);
  cudaDeviceProp properties;
  code = cudaGetDeviceProperties(&properties, static_cast<int>(index));
  if (code != cudaSuccess) return no_device(info, code);
  int driver = 0, runtime = 0;
  cudaDriverGetVersion(&driver);
  cudaRuntimeGetVersion(&runtime);
  info->units = static_cast<uint32_t>(properties.multiProcessorCount);
  info->compute_capability = static_cast<uint32_t>(10 * properties.major + properties.minor);
  info->memory_bytes = properties.totalGlobalMem;
  snprintf(info->name, sizeof info->name, "%.63s", properties.name);
  if (info->compute_capability < CAPABILITY_LEAST) {
    snprintf(info->detail, sizeof info->detail, "compute capability %d.%d, needs 7.5",
             properties.major, properties.minor);
    return WARP_ENODEV;
  }
  snprintf(info->detail, sizeof info->detail, "driver CUDA %d.%d, runtime %d.%d", driver / 1000,
           driver % 1000 / 10, runtime / 1000, runtime % 1000 / 10);
  return WARP_OK;
}

const char *device_error_text(int code) {
  if (code == CODE_REFUSED) return "a kernel refused its arguments";
  return cudaGetErrorString(static_cast<cudaError_t>(code));
}

bool device_is_out_of_memory(int code) { return code == cudaErrorMemoryAllocation; }

int device_open(uint32_t index) {
  cudaError_t code = cudaSetDevice(static_cast<int>(index));
  /* Makes the context now, so that a device that cannot have one is refused when it is opened. */
  return code == cudaSuccess ? cudaFree(nullptr) : code;
}

int device_use(uint32_t index) { return cudaSetDevice(static_cast<int>(index)); }

int device_free_bytes(uint64_t *bytes) {
  size_t unused = 0, total = 0;
  cudaError_t code = cudaMemGetInfo(&unused, &total);
  *bytes = unused;
  return code;
}

/* An allocation that fails leaves its error behind for the next launch to find: it is taken
 * away. */
int device_allocate(void **memory, uint64_t bytes) {
  cudaError_t code = cudaMalloc(memory, bytes);
  if (code == cudaErrorMemoryAllocation) cudaGetLastError();
  return code;
}

int device_release(void *memory) { return cudaFree(memory); }

int pinned_allocate(void **memory, uint64_t bytes) {
  cudaError_t code = cudaHostAlloc(memory, bytes, cudaHostAllocPortable | cudaHostAllocMapped);
  if (code == cudaErrorMemoryAllocation) cudaGetLastError();
  return code;
}

int pinned_release(void *memory) { return cudaFreeHost(memory); }

int stream_create(Stream *stream) {
  return cudaStreamCreateWithFlags(stream, cudaStreamNonBlocking);
}

void stream_destroy(Stream stream) { cudaStreamDestroy(stream); }

int stream_wait(Stream stream, Event event) { return cudaStreamWaitEvent(stream, event, 0); }

int stream_synchronize(Stream stream) { return cudaStreamSynchronize(stream); }

int event_create(Event *event) {
  return cudaEventCreateWithFlags(event, cudaEventBlockingSync | cudaEventDisableTiming);
}

void event_destroy(Event event) { cudaEventDestroy(event); }

int event_record(Event event, Stream stream) { return cudaEventRecord(event, stream); }

int event_synchronize(Event event) { return cudaEventSynchronize(event); }

int copy_in(void *device, const void *host, uint64_t bytes, Stream stream) {
  return cudaMemcpyAsync(device, host, bytes, cudaMemcpyHostToDevice, stream);
}

int copy_out(void *host, const void *device, uint64_t bytes, Stream stream) {
  return cudaMemcpyAsync(host, device, bytes, cudaMemcpyDeviceToHost, stream);
}

int copy_within(void *to, const void *from, uint64_t bytes, Stream stream) {
  return cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream);
}

int fill(void *device, uint8_t value, uint64_t bytes, Stream stream) {
  return cudaMemsetAsync(device, value, bytes, stream);
}

int launch(Stream stream, std::function<warp_status(Stream)> kernels) {
  warp_status status = kernels(stream);
  cudaError_t code = cudaGetLastError();
  if (code != cudaSuccess) return code;
  return status == WARP_OK ? 0 : CODE_REFUSED;
}

}  // namespace warp
