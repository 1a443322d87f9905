/* Kernels alone: data lies on the device. */
#include <algorithm>

#include "bench.h"

namespace {

using warp::Stream;

class Memory {
 public:
  ~Memory() {
    for (void *one : blocks_) warp::device_release(one);
  }
  template <class T = uint8_t>
  T *take(uint64_t count) {
    void *one = nullptr;
    require_device(warp::device_allocate(&one, count * sizeof(T) + 16), "device_allocate");
    blocks_.push_back(one);
    return static_cast<T *>(one);
  }
  template <class T>
  T *put(const std::vector<T> &from, Stream stream) {
    T *to = take<T>(from.size());
    void *host = nullptr;
    require_device(warp::pinned_allocate(&host, from.size() * sizeof(T)), "pinned_allocate");
    memcpy(host, from.data(), from.size() * sizeof(T));
    require_device(warp::copy_in(to, host, from.size() * sizeof(T), stream), "copy_in");
    require_device(warp::stream_synchronize(stream), "copying");
    warp::pinned_release(host);
    return to;
  }

 private:
  std::vector<void *> blocks_;
};

struct Bench {
  const Sizes &sizes;
  Stream stream;
  Memory memory;

  void run(const char *name, std::function<warp_status(Stream)> kernels) {
    require_device(warp::launch(stream, kernels), name);
    require_device(warp::stream_synchronize(stream), name);
    const double start = seconds();
    for (uint32_t i = 0; i < sizes.repeats; i++) {
      require_device(warp::launch(stream, kernels), name);
    }
    require_device(warp::stream_synchronize(stream), name);
    const double each = (seconds() - start) / sizes.repeats;
    printf("kernel           %-16s %9.2f GB/s   %9.3f ms\n", name,
           static_cast<double>(sizes.batch_bytes) / each / 1e9, 1e3 * each);
  }
};

std::vector<uint64_t> even(uint64_t n, uint64_t each) {
  return offsets_of(std::vector<uint64_t>(n, each));
}

void bench_lz4(Bench &bench, const uint8_t *input, const uint64_t *offsets, uint64_t n) {
  const uint64_t room = bench.sizes.item_bytes + bench.sizes.item_bytes / 255 + 16;
  uint8_t *out = bench.memory.take(n * room), *back = bench.memory.take(bench.sizes.batch_bytes);
  uint64_t *slots = bench.memory.put(even(n, room), bench.stream);
  uint32_t *lengths = bench.memory.take<uint32_t>(n);
  uint8_t *statuses = bench.memory.take(n), *scratch = bench.memory.take(lz4_scratch_bytes(n));
  bench.run("lz4 compress", [=](Stream on) {
    return lz4_compress_launch(on, input, offsets, n, out, slots, lengths, scratch);
  });
  /* Slots are read as if they were blocks, to the end of what was used: the same work. */
  std::vector<uint32_t> used(n);
  void *host = nullptr;
  require_device(warp::pinned_allocate(&host, 4 * n), "pinned_allocate");
  require_device(warp::copy_out(host, lengths, 4 * n, bench.stream), "copy_out");
  require_device(warp::stream_synchronize(bench.stream), "copying");
  memcpy(used.data(), host, 4 * n);
  warp::pinned_release(host);
  std::vector<uint64_t> packed = {0};
  for (const uint32_t length : used) packed.push_back(packed.back() + length);
  uint8_t *blocks = bench.memory.take(packed.back());
  for (uint64_t i = 0; i < n; i++) {
    require_device(warp::copy_within(blocks + packed[i], out + i * room, used[i], bench.stream),
                   "copy_within");
  }
  printf("                 lz4 ratio %.2f\n",
         static_cast<double>(bench.sizes.batch_bytes) / static_cast<double>(packed.back()));
  const uint64_t *from = bench.memory.put(packed, bench.stream);
  bench.run("lz4 decompress", [=](Stream on) {
    return lz4_decompress_launch(on, blocks, from, n, back, offsets, statuses, scratch);
  });
}

void bench_fused(Bench &bench, const uint8_t *input) {
  warp_fused_params params = {};
  params.size = sizeof params;
  params.is_last = 1;
  params.codec = WARP_CODEC_LZ4;
  params.boundary = bench_boundary();
  const uint64_t bytes = bench.sizes.batch_bytes, most = bytes / params.boundary.min + 1;
  params.capacity = static_cast<uint32_t>(most);
  Memory &memory = bench.memory;
  uint8_t *out = memory.take(bytes + 16 * most), *ids = memory.take(32 * most);
  uint64_t *raw = memory.take<uint64_t>(most + 1), *to = memory.take<uint64_t>(most + 1);
  uint8_t *codecs = memory.take(most), *scratch = memory.take(fused_scratch_bytes(&params, bytes));
  uint32_t *count = memory.take<uint32_t>(1);
  for (const uint32_t codec : {uint32_t{WARP_CODEC_STORED}, uint32_t{WARP_CODEC_LZ4}}) {
    params.codec = codec;
    bench.run(codec == WARP_CODEC_LZ4 ? "fused, lz4" : "fused, stored", [=](Stream on) {
      return fused_launch(on, &params, input, bytes, out, raw, to, ids, codecs, count, scratch);
    });
  }
}

}  // namespace

warp_boundary_params bench_boundary() {
  warp_boundary_params params = {};
  params.size = sizeof params;
  params.avg_bits = 16;
  params.min = 1 << 14;
  params.max = 1 << 18;
  fill_noise(reinterpret_cast<uint8_t *>(params.table), sizeof params.table, 11);
  return params;
}

void bench_kernels(const Sizes &sizes) {
  Bench bench = {sizes, nullptr, {}};
  require_device(warp::stream_create(&bench.stream), "stream_create");
  const Stream stream = bench.stream;
  const uint64_t n = sizes.batch_bytes / sizes.item_bytes, bytes = sizes.batch_bytes;
  Memory &memory = bench.memory;
  const uint8_t *input = memory.put(text(bytes, 1), stream);
  const uint64_t *offsets = memory.put(even(n, sizes.item_bytes), stream);
  const uint64_t *sealed_offsets = memory.put(even(n, sizes.item_bytes + 16), stream);
  const uint8_t *keys = memory.put(noise(32, 2), stream);
  const uint8_t *nonces = memory.put(noise(12 * n, 3), stream);
  uint8_t *sealed = memory.take(bytes + 16 * n), *opened = memory.take(bytes);
  uint8_t *digests = memory.take(32 * n), *statuses = memory.take(n);
  const uint64_t item = sizes.item_bytes;

  const warp_boundary_params params = bench_boundary();
  const uint32_t most = static_cast<uint32_t>(bytes / params.min + 1);
  uint32_t *cuts = memory.take<uint32_t>(most + 1);
  uint8_t *scratch = memory.take(std::max({boundary_scratch_bytes(bytes),
                                           blake3_scratch_bytes(n, bytes),
                                           aead_scratch_bytes(n, bytes + 16 * n),
                                           entropy_scratch_bytes(n)}));
  bench.run("boundary", [=](Stream on) {
    return boundary_launch(on, &params, input, bytes, 1, cuts, most, cuts + most, scratch);
  });
  bench.run("blake3", [=](Stream on) {
    return blake3_launch(on, WARP_BLAKE3_HASH, nullptr, input, offsets, n, bytes, item, digests,
                         scratch);
  });
  bench.run("seal", [=](Stream on) {
    return seal_launch(on, input, offsets, n, bytes, keys, 0, nonces, nullptr, nullptr, sealed,
                       sealed_offsets, scratch);
  });
  bench.run("open", [=](Stream on) {
    return open_launch(on, sealed, sealed_offsets, n, bytes + 16 * n, keys, 0, nonces, nullptr,
                       nullptr, opened, offsets, statuses, scratch);
  });
  bench.run("entropy", [=](Stream on) {
    return entropy_launch(on, input, offsets, n, 0, reinterpret_cast<uint16_t *>(digests), scratch);
  });
  bench_lz4(bench, input, offsets, n);
  bench_fused(bench, input);
  warp::stream_destroy(stream);
}
