/* The device as the runtime uses it: a few calls, with two implementations.
 *
 *   device_cuda.cpp   the CUDA runtime
 *   device_host.cpp   the CPU: streams are threads, device memory is host memory; everything above
 *                     this line is so tested and sanitized on machines without a GPU
 *
 * Calls return 0 or the device's error code. The device is chosen per thread (device_use). */
#ifndef WARP_RUNTIME_DEVICE_H
#define WARP_RUNTIME_DEVICE_H
#include <functional>

#include "../kernels.h"

struct CUevent_st;

namespace warp {

/* cudaEvent_t, without its header. */
using Event = CUevent_st *;
using Stream = warp_stream;

/* Fills everything but `size`. WARP_ENODEV with the reason in info->detail. Makes no context. */
warp_status device_describe(uint32_t index, warp_info *info);

const char *device_error_text(int code);
bool device_is_out_of_memory(int code);

/* Once per context, before anything else: makes the device ready, or says that it is not. */
int device_open(uint32_t index);
int device_use(uint32_t index);
int device_free_bytes(uint64_t *bytes);

int device_allocate(void **memory, uint64_t bytes);
/* All work that uses the memory must be over. */
int device_release(void *memory);

/* Host memory that the device copies from and writes to directly, under the same address. */
int pinned_allocate(void **memory, uint64_t bytes);
int pinned_release(void *memory);

int stream_create(Stream *stream);
void stream_destroy(Stream stream);
int stream_wait(Stream stream, Event event);
int stream_synchronize(Stream stream);

int event_create(Event *event);
void event_destroy(Event event);
int event_record(Event event, Stream stream);
/* Blocks without spinning. An event that was never recorded is over. */
int event_synchronize(Event event);

/* Host memory must be pinned. */
int copy_in(void *device, const void *host, uint64_t bytes, Stream stream);
int copy_out(void *host, const void *device, uint64_t bytes, Stream stream);
int copy_within(void *to, const void *from, uint64_t bytes, Stream stream);
int fill(void *device, uint8_t value, uint64_t bytes, Stream stream);

/* Runs `kernels`, which queues kernels on the stream that it is given. It must own what it names:
 * with the CPU it runs later. A refusal (not WARP_OK) is the device's failure: the runtime has
 * checked its arguments. */
int launch(Stream stream, std::function<warp_status(Stream)> kernels);

}  // namespace warp
#endif
