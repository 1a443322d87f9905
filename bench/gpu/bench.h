/* Benchmarks of one device. Rates are in GB/s (10^9 bytes of plaintext). */
#ifndef WARP_BENCH_BENCH_H
#define WARP_BENCH_BENCH_H
#include "../../cuda/runtime/device.h"
#include "support.h"

struct Sizes {
  uint64_t batch_bytes; /* of one call */
  uint64_t item_bytes;
  uint64_t batches;     /* of an end-to-end measurement */
  uint32_t repeats;     /* of a kernel */
  std::vector<uint64_t> chunks; /* of schedulers */
};

/* Rates of copies from and to pinned memory, and of both at once (the sum). */
struct Bus {
  double in, out, both;
};

/* What is promised. */
struct Target {
  std::string name;
  double measured, bound;
  bool is_least; /* else most */
  const char *unit;
};

using Targets = std::vector<Target>;

Bus bench_bus(const Sizes &sizes);
void bench_kernels(const Sizes &sizes);
void bench_calls(warp_context context, const Sizes &sizes, const Bus &bus, Targets &targets);
void bench_scheduler(warp_context context, const Sizes &sizes, Targets &targets);

/* Cuts of 64 KiB on average. */
warp_boundary_params bench_boundary();

/* Ends the program when a device call failed. */
void require_device(int code, const char *doing);

#endif
