#include "bench.h"

namespace {

constexpr int COPIES = 16;

}  // namespace

Bus bench_bus(const Sizes &sizes) {
  const uint64_t bytes = sizes.batch_bytes;
  void *host[2], *device[2];
  warp::Stream streams[2];
  for (int i = 0; i < 2; i++) {
    require_device(warp::pinned_allocate(&host[i], bytes), "pinned_allocate");
    require_device(warp::device_allocate(&device[i], bytes), "device_allocate");
    require_device(warp::stream_create(&streams[i]), "stream_create");
    fill_noise(static_cast<uint8_t *>(host[i]), bytes, static_cast<uint64_t>(i));
  }
  const auto wait = [&] {
    for (warp::Stream stream : streams) require_device(warp::stream_synchronize(stream), "copying");
  };
  const auto rate = [&](bool has_in, bool has_out) {
    double start = 0;
    /* The first copies wake the bus up. */
    for (int i = -2; i < COPIES; i++) {
      if (i == 0) {
        wait();
        start = seconds();
      }
      if (has_in) require_device(warp::copy_in(device[0], host[0], bytes, streams[0]), "copy_in");
      if (!has_out) continue;
      require_device(warp::copy_out(host[1], device[1], bytes, streams[1]), "copy_out");
    }
    wait();
    return (has_in + has_out) * COPIES * static_cast<double>(bytes) / (seconds() - start) / 1e9;
  };
  const Bus bus = {rate(true, false), rate(false, true), rate(true, true)};
  for (int i = 0; i < 2; i++) {
    warp::stream_destroy(streams[i]);
    warp::device_release(device[i]);
    warp::pinned_release(host[i]);
  }
  printf("bus, pinned      to device %7.2f   from device %7.2f   both at once %7.2f GB/s\n", bus.in,
         bus.out, bus.both);
  return bus;
}
