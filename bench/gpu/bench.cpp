/* bench [--small]: rates of device 0, and whether the targets are met. --small is for the CPU: it
 * shows that the benchmark works, and its figures say nothing. Ends with status 1 when a target is
 * missed. */
#include "bench.h"

void require_device(int code, const char *doing) {
  if (code == 0) return;
  printf("FAIL %s: %s\n", doing, warp::device_error_text(code));
  exit(1);
}

static bool report(const Targets &targets, bool is_small) {
  bool is_met = true;
  for (const Target &one : targets) {
    const bool is_good = one.is_least ? one.measured >= one.bound : one.measured <= one.bound;
    const char *verdict = is_small ? "----" : is_good ? "PASS" : "FAIL";
    printf("%s %-40s %9.2f %s (%s %.0f)\n", verdict, one.name.c_str(), one.measured, one.unit,
           one.is_least ? "at least" : "at most", one.bound);
    is_met = is_met && is_good;
  }
  return is_met || is_small;
}

int main(int count, char **arguments) {
  const bool is_small = count > 1 && std::string(arguments[1]) == "--small";
  setvbuf(stdout, nullptr, _IOLBF, 0);
  warp_info info = {};
  info.size = sizeof info;
  const warp_status probed = warp_probe(0, &info);
  printf("device: %s, compute capability %u, %u multiprocessors, %.1f GiB (%s)\n", info.name,
         info.compute_capability, info.units,
         static_cast<double>(info.memory_bytes) / (uint64_t{1} << 30), info.detail);
  if (probed != WARP_OK) return 1;
  const Sizes sizes =
      is_small ? Sizes{2 << 20, 65536, 6, 2, {20000}}
               : Sizes{64 << 20, 65536, 64, 20, {10000000, 100000000, 1000000000}};
  require_device(warp::device_open(0), "device_open");
  Targets targets;
  const Bus bus = bench_bus(sizes);
  Sizes large = sizes;
  /* Kernels alone get a batch that fills the device. */
  if (!is_small) large.batch_bytes = 512 << 20;
  bench_kernels(large);
  warp_context context = 0;
  require(0, warp_context_open(0, 0, 4, &context), "warp_context_open");
  bench_calls(context, sizes, bus, targets);
  bench_scheduler(context, sizes, targets);
  require(context, warp_context_close(context), "warp_context_close");
  return report(targets, is_small) ? 0 : 1;
}
