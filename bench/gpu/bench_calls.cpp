/* Whole calls, from pinned host memory to pinned host memory, several jobs under way. */
#include "bench.h"

namespace {

constexpr uint32_t JOBS = 4;

/* One job's buffers. */
struct Lane {
  uint8_t *input, *output;
  std::vector<uint32_t> words;
  std::vector<uint64_t> raw, to;
  Bytes small, codecs;
  uint32_t count = 0;
};

class Calls {
 public:
  Calls(warp_context context, const Sizes &sizes)
      : context_(context), sizes_(sizes), n_(sizes.batch_bytes / sizes.item_bytes),
        room_(sizes.item_bytes + sizes.item_bytes / 255 + 32), lanes_(JOBS),
        offsets_(offsets_of(std::vector<uint64_t>(n_, sizes.item_bytes))),
        sealed_(offsets_of(std::vector<uint64_t>(n_, sizes.item_bytes + 16))),
        slots_(offsets_of(std::vector<uint64_t>(n_, room_))), key_(noise(32, 2)),
        nonces_(noise(12 * n_, 3)) {
    for (Lane &lane : lanes_) {
      lane.input = buffer();
      lane.output = buffer();
      fill_text(lane.input, sizes.batch_bytes, static_cast<uint64_t>(&lane - lanes_.data()));
      lane.small.resize(32 * n_ + 4096);
      lane.words.resize(n_ + 4096);
    }
  }

  /* GB/s of `batches` jobs, JOBS of them under way. */
  template <class Begin>
  double rate(const char *name, Begin begin) {
    pump(name, JOBS, begin);
    const double start = seconds();
    pump(name, sizes_.batches, begin);
    const double bytes = static_cast<double>(sizes_.batches * sizes_.batch_bytes);
    return bytes / (seconds() - start) / 1e9;
  }

  warp_status hash(Lane &of, warp_job *job) {
    return warp_blake3(context_, WARP_BLAKE3_HASH, nullptr, of.input, offsets_.data(), n_,
                       of.small.data(), job);
  }
  warp_status seal(Lane &of, warp_job *job) {
    return warp_seal(context_, of.input, offsets_.data(), n_, key_.data(), 0, nonces_.data(),
                     nullptr, nullptr, of.output, sealed_.data(), job);
  }
  warp_status open(Lane &of, warp_job *job) {
    return warp_open(context_, of.output, sealed_.data(), n_, key_.data(), 0, nonces_.data(),
                     nullptr, nullptr, of.input, offsets_.data(), of.small.data(), job);
  }
  warp_status compress(Lane &of, warp_job *job) {
    return warp_compress(context_, WARP_CODEC_LZ4, 1, nullptr, 0, of.input, offsets_.data(), n_,
                         of.output, slots_.data(), of.words.data(), job);
  }
  /* Blocks lie one after another in `output`: compact() first. */
  warp_status decompress(Lane &of, warp_job *job) {
    return warp_decompress(context_, WARP_CODEC_LZ4, nullptr, 0, of.output, of.to.data(), n_,
                           of.input, offsets_.data(), of.small.data(), job);
  }
  void compact() {
    for (Lane &lane : lanes_) {
      lane.to = {0};
      for (uint64_t i = 0; i < n_; i++) {
        memmove(lane.output + lane.to.back(), lane.output + slots_[i], lane.words[i]);
        lane.to.push_back(lane.to.back() + lane.words[i]);
      }
    }
  }
  warp_status boundary(Lane &of, warp_job *job) {
    const warp_boundary_params params = bench_boundary();
    return warp_boundary(context_, &params, of.input, sizes_.batch_bytes, 1, of.words.data(),
                         static_cast<uint32_t>(of.words.size()), &of.count, job);
  }
  warp_status fused(Lane &of, uint32_t codec, warp_job *job) {
    warp_fused_params params = {};
    params.size = sizeof params;
    params.is_last = 1;
    params.codec = codec;
    params.boundary = bench_boundary();
    const uint64_t most = sizes_.batch_bytes / params.boundary.min + 1;
    params.capacity = static_cast<uint32_t>(most);
    of.raw.resize(most + 1);
    of.to.resize(most + 1);
    of.small.resize(std::max<size_t>(of.small.size(), 32 * most));
    of.codecs.resize(most);
    return warp_fused(context_, &params, of.input, sizes_.batch_bytes, of.output, output_bytes(),
                      of.raw.data(), of.to.data(), of.small.data(), of.codecs.data(), &of.count,
                      job);
  }

 private:
  uint64_t output_bytes() const { return n_ * room_ + 65536; }

  uint8_t *buffer() {
    void *memory = nullptr;
    require(context_, warp_buffer_alloc(context_, output_bytes(), &memory), "warp_buffer_alloc");
    return static_cast<uint8_t *>(memory);
  }

  template <class Begin>
  void pump(const char *name, uint64_t jobs, Begin begin) {
    std::vector<warp_job> running(JOBS);
    uint64_t begun = 0;
    for (; begun < jobs && begun < JOBS; begun++) {
      require(context_, begin(lanes_[begun], &running[begun]), name);
    }
    for (uint64_t ended = 0; ended < jobs;) {
      warp_job done[JOBS];
      warp_status statuses[JOBS];
      uint32_t count = 0;
      require(context_, warp_wait(context_, 60000000), "warp_wait");
      require(context_, warp_poll(context_, done, statuses, JOBS, &count), "warp_poll");
      for (uint32_t i = 0; i < count; i++, ended++) {
        require(context_, statuses[i], name);
        if (begun == jobs) continue;
        for (uint32_t lane = 0; lane < JOBS; lane++) {
          if (running[lane] != done[i]) continue;
          require(context_, begin(lanes_[lane], &running[lane]), name);
          begun++;
          break;
        }
      }
    }
  }

  const warp_context context_;
  const Sizes &sizes_;
  const uint64_t n_, room_;
  std::vector<Lane> lanes_;
  const std::vector<uint64_t> offsets_, sealed_, slots_;
  const Bytes key_, nonces_;
};

}  // namespace

void bench_calls(warp_context context, const Sizes &sizes, const Bus &bus, Targets &targets) {
  Calls calls(context, sizes);
  const auto measure = [&](const char *name, auto begin) {
    const double rate = calls.rate(name, begin);
    printf("end to end       %-16s %9.2f GB/s   %5.1f %% of the bus\n", name, rate,
           100 * rate / bus.in);
    return rate;
  };
  measure("boundary", [&](Lane &of, warp_job *job) { return calls.boundary(of, job); });
  measure("blake3", [&](Lane &of, warp_job *job) { return calls.hash(of, job); });
  const double seal =
      measure("seal", [&](Lane &of, warp_job *job) { return calls.seal(of, job); });
  const double open =
      measure("open", [&](Lane &of, warp_job *job) { return calls.open(of, job); });
  const double compress =
      measure("lz4 compress", [&](Lane &of, warp_job *job) { return calls.compress(of, job); });
  calls.compact();
  const double decompress =
      measure("lz4 decompress", [&](Lane &of, warp_job *job) { return calls.decompress(of, job); });
  const double stored = measure("fused, stored", [&](Lane &of, warp_job *job) {
    return calls.fused(of, WARP_CODEC_STORED, job);
  });
  const double packed = measure("fused, lz4", [&](Lane &of, warp_job *job) {
    return calls.fused(of, WARP_CODEC_LZ4, job);
  });
  targets.push_back({"seal, end to end", seal, 20, true, "GB/s"});
  targets.push_back({"open, end to end", open, 20, true, "GB/s"});
  targets.push_back({"lz4 compress, end to end", compress, 15, true, "GB/s"});
  targets.push_back({"lz4 decompress, end to end", decompress, 15, true, "GB/s"});
  targets.push_back({"fused (chunk, hash, seal), end to end", stored, 20, true, "GB/s"});
  printf("                 fused with lz4: %.2f GB/s, no target\n", packed);
}
