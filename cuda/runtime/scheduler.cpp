#include "scheduler.h"

#include <algorithm>
#include <cstring>

namespace warp {
namespace {

/* Slots that go through the desk at once. */
constexpr uint64_t DESK_SLOTS_LEAST = 4096;
constexpr uint64_t PART_SLOTS = 1 << 18;
constexpr uint64_t CANDIDATES_BYTES = 16;
constexpr uint64_t BEST_BYTES = 3 * sizeof(uint16_t);
constexpr int32_t PRICE_LEAST = -2048, PRICE_MOST = (1 << 18) - 1;
constexpr uint32_t EVENT_KINDS = 4;

}  // namespace

warp_status Scheduler::open() {
  int code = device_use(context_->device());
  if (code == 0) code = stream_create(&stream_);
  if (code == 0) code = device_allocate(&state_, scheduler_state_bytes(&params_));
  if (code == 0) code = desk(DESK_SLOTS_LEAST);
  if (code != 0) return check(code);
  scheduler_columns_at(&params_, state_, &columns_);
  return finish(pass([this](Stream on) { return scheduler_clear_launch(on, &params_, state_); }));
}

void Scheduler::close() {
  device_use(context_->device());
  if (stream_ != nullptr) stream_synchronize(stream_);
  for (void *memory : {state_, scratch_, static_cast<void *>(desk_device_)}) {
    if (memory != nullptr) device_release(memory);
  }
  state_ = scratch_ = nullptr;
  desk_device_ = nullptr;
  desk_host_.release();
  if (stream_ != nullptr) stream_destroy(stream_);
  stream_ = nullptr;
}

/* What was queued is done, or the context is dead. */
warp_status Scheduler::finish(int code) {
  if (code == 0) code = stream_synchronize(stream_);
  return check(code);
}

/* ---- memory ---------------------------------------------------------------------------------- */

/* Makes the desk large enough for so many slots: events, or entries of a dispatch. Nothing is
 * queued. */
int Scheduler::desk(uint64_t slots) {
  if (slots <= desk_slots_) return 0;
  Layout layout;
  desk_.stats = layout.take(WARP_STATS * sizeof(uint64_t));
  desk_.count = layout.take(sizeof(uint32_t));
  desk_.loads = layout.take(params_.edges * sizeof(uint64_t));
  desk_.slots = layout.take(slots * CANDIDATES_BYTES);
  desk_.edges = layout.take(slots * BEST_BYTES);
  desk_.kinds = layout.take(slots);
  desk_.bytes = layout.bytes();
  if (desk_device_ != nullptr) device_release(desk_device_);
  desk_device_ = nullptr;
  desk_slots_ = 0;
  void *memory = nullptr;
  int code = device_allocate(&memory, desk_.bytes + CANDIDATES_BYTES);
  if (code != 0) return code;
  desk_device_ = static_cast<uint8_t *>(memory);
  code = desk_host_.reserve(desk_.bytes);
  if (code == 0) desk_slots_ = slots;
  return code;
}

int Scheduler::scratch() {
  if (scratch_ != nullptr) return 0;
  return device_allocate(&scratch_, scheduler_scratch_bytes(&params_));
}

int Scheduler::upload(uint64_t at, const void *from, uint64_t bytes) {
  if (bytes == 0) return 0;
  memcpy(desk_host_.data() + at, from, bytes);
  return copy_in(desk_device_ + at, desk_host_.data() + at, bytes, stream_);
}

/* Overwrites part of a column, through the desk. */
int Scheduler::write(void *column, const void *from, uint64_t bytes) {
  if (bytes == 0) return 0;
  memcpy(desk_host_.data() + desk_.slots, from, bytes);
  return copy_in(column, desk_host_.data() + desk_.slots, bytes, stream_);
}

/* Copies part of a column out and waits for it. */
int Scheduler::read_out(void *to, const void *column, uint64_t bytes) {
  uint8_t *const staged = desk_host_.data() + desk_.slots;
  const uint64_t most = desk_slots_ * CANDIDATES_BYTES;
  for (uint64_t at = 0; at < bytes;) {
    const uint64_t some = std::min(most, bytes - at);
    int code = copy_out(staged, static_cast<const uint8_t *>(column) + at, some, stream_);
    if (code == 0) code = stream_synchronize(stream_);
    if (code != 0) return code;
    memcpy(static_cast<uint8_t *>(to) + at, staged, some);
    at += some;
  }
  return 0;
}

int Scheduler::clear_stats() {
  return fill(desk_device_ + desk_.stats, 0, WARP_STATS * sizeof(uint64_t), stream_);
}

/* ---- what comes in --------------------------------------------------------------------------- */

warp_status Scheduler::put(uint32_t first, uint32_t n, const uint16_t *candidates,
                           const uint16_t *sizes, const uint8_t *priorities) {
  warp_status status = check(desk(std::min<uint64_t>(n, PART_SLOTS)));
  for (uint64_t at = 0; at < n && status == WARP_OK; at += desk_slots_) {
    const uint32_t some = static_cast<uint32_t>(std::min(desk_slots_, n - at));
    const uint32_t slot = static_cast<uint32_t>(first + at);
    int code = upload(desk_.slots, candidates + 8 * at, CANDIDATES_BYTES * some);
    if (code == 0) code = upload(desk_.edges, sizes + at, sizeof(uint16_t) * some);
    if (code == 0) code = upload(desk_.kinds, priorities + at, some);
    if (code == 0) {
      code = pass([this, slot, some](Stream on) {
        return scheduler_put_launch(on, &params_, state_, slot, some,
                                    on_device<uint16_t>(desk_.slots),
                                    on_device<uint16_t>(desk_.edges),
                                    on_device<uint8_t>(desk_.kinds));
      });
    }
    status = finish(code);
  }
  return status;
}

warp_status Scheduler::set_edges(uint32_t first, uint32_t n, const warp_edge *edges) {
  return finish(write(columns_.given + first, edges, n * sizeof *edges));
}

warp_status Scheduler::set_prices(uint32_t first, uint32_t n, const int32_t *prices) {
  std::vector<int32_t> clamped(prices, prices + n);
  for (int32_t &price : clamped) price = std::clamp(price, PRICE_LEAST, PRICE_MOST);
  return finish(write(columns_.prices + first, clamped.data(), n * sizeof(int32_t)));
}

warp_status Scheduler::reset_prices() {
  return finish(
      pass([this](Stream on) { return scheduler_reset_prices_launch(on, &params_, state_); }));
}

/* Kinds are known, slots in range and each there once. */
bool Scheduler::are_events(uint32_t n, const uint32_t *slots, const uint8_t *kinds) {
  seen_.resize(params_.chunks / 64 + 1);
  uint32_t good = 0;
  for (; good < n; good++) {
    const uint32_t slot = slots[good];
    if (slot >= params_.chunks || kinds[good] < 1 || kinds[good] > EVENT_KINDS) break;
    const uint64_t bit = uint64_t{1} << (slot % 64);
    if ((seen_[slot / 64] & bit) != 0) break;
    seen_[slot / 64] |= bit;
  }
  for (uint32_t i = 0; i < good; i++) seen_[slots[i] / 64] = 0;
  return good == n;
}

int Scheduler::queue_events(uint32_t n, const uint32_t *slots, const uint8_t *kinds) {
  if (n == 0) return 0;
  int code = upload(desk_.slots, slots, sizeof *slots * n);
  if (code == 0) code = upload(desk_.kinds, kinds, n);
  if (code != 0) return code;
  return pass([this, n](Stream on) {
    return scheduler_events_launch(on, &params_, state_, n, on_device<uint32_t>(desk_.slots),
                                   on_device<uint8_t>(desk_.kinds), stat(WARP_STAT_EVENTS));
  });
}

warp_status Scheduler::apply(uint32_t n, const uint32_t *slots, const uint8_t *kinds,
                             uint64_t *applied) {
  int code = desk(n);
  if (code == 0) code = clear_stats();
  if (code == 0) code = queue_events(n, slots, kinds);
  return counted(code, WARP_STAT_EVENTS, applied);
}

/* ---- passes ---------------------------------------------------------------------------------- */

warp_status Scheduler::fold() {
  return finish(pass([this](Stream on) { return scheduler_fold_launch(on, &params_, state_); }));
}

warp_status Scheduler::choose(uint32_t first, uint32_t n) {
  return finish(pass([this, first, n](Stream on) {
    return scheduler_choose_launch(on, &params_, state_, first, n);
  }));
}

/* The end of a pass that counts into a statistic. */
warp_status Scheduler::counted(int code, int which, uint64_t *count) {
  uint64_t number = 0;
  if (code == 0) code = read_out(&number, stat(which), sizeof number);
  const warp_status status = finish(code);
  if (status == WARP_OK && count != nullptr) *count = number;
  return status;
}

warp_status Scheduler::choose_dirty(uint64_t *count) {
  int code = clear_stats();
  if (code == 0) {
    code = pass([this](Stream on) {
      return scheduler_choose_dirty_launch(on, &params_, state_, stat(WARP_STAT_DIRTY));
    });
  }
  return counted(code, WARP_STAT_DIRTY, count);
}

warp_status Scheduler::failover(uint64_t *count) {
  int code = clear_stats();
  if (code == 0) {
    code = pass([this](Stream on) {
      return scheduler_failover_launch(on, &params_, state_, stat(WARP_STAT_FAILED_OVER));
    });
  }
  return counted(code, WARP_STAT_FAILED_OVER, count);
}

warp_status Scheduler::update_prices(const uint64_t *loads) {
  int code = 0;
  if (loads != nullptr) code = upload(desk_.loads, loads, params_.edges * sizeof *loads);
  if (code == 0) {
    const uint64_t *given = loads == nullptr ? nullptr : on_device<uint64_t>(desk_.loads);
    code = pass([this, given](Stream on) {
      return scheduler_prices_launch(on, &params_, state_, given);
    });
  }
  return finish(code);
}

int Scheduler::queue_dispatch(uint32_t rounds, uint32_t first_edge, uint32_t limit) {
  return pass([=](Stream on) {
    return scheduler_dispatch_launch(on, &params_, state_, rounds, first_edge, limit,
                                     on_device<uint32_t>(desk_.slots),
                                     on_device<uint16_t>(desk_.edges),
                                     on_device<uint32_t>(desk_.count), stat(0), scratch_);
  });
}

/* Statistics and number first: they say how much of the queue there is. */
warp_status Scheduler::take_queue(int code, const SchedulerQueue &queue) {
  uint8_t *const host = desk_host_.data();
  if (code == 0) {
    const uint64_t bytes = desk_.count + sizeof(uint32_t) - desk_.stats;
    code = copy_out(host + desk_.stats, desk_device_ + desk_.stats, bytes, stream_);
  }
  if (code == 0) code = stream_synchronize(stream_);
  if (code != 0) return check(code);
  uint32_t count;
  memcpy(&count, host + desk_.count, sizeof count);
  count = std::min(count, queue.limit);
  if (count != 0) {
    code = copy_out(host + desk_.slots, on_device<uint32_t>(desk_.slots), 4 * uint64_t{count},
                    stream_);
    if (code == 0) {
      code = copy_out(host + desk_.edges, on_device<uint16_t>(desk_.edges), 2 * uint64_t{count},
                      stream_);
    }
    const warp_status status = finish(code);
    if (status != WARP_OK) return status;
    memcpy(queue.slots, host + desk_.slots, 4 * uint64_t{count});
    memcpy(queue.edges, host + desk_.edges, 2 * uint64_t{count});
  }
  *queue.count = count;
  return WARP_OK;
}

warp_status Scheduler::dispatch(uint32_t rounds, uint32_t first_edge, const SchedulerQueue &queue,
                                uint64_t *stats) {
  const uint32_t limit = std::min(queue.limit, params_.chunks);
  int code = scratch();
  if (code == 0) code = desk(limit);
  if (code == 0) code = clear_stats();
  if (code == 0) code = queue_dispatch(rounds, first_edge, limit);
  const warp_status status = take_queue(code, queue);
  if (status != WARP_OK || stats == nullptr) return status;
  uint64_t all[WARP_STATS];
  memcpy(all, desk_host_.data() + desk_.stats, sizeof all);
  for (const int which : {WARP_STAT_PENDING, WARP_STAT_IN_FLIGHT}) stats[which] = all[which];
  for (int which = WARP_STAT_WINDOW; which < WARP_STATS; which++) stats[which] = all[which];
  return WARP_OK;
}

warp_status Scheduler::tick(const warp_scheduler_tick_params &tick, uint32_t events,
                            const uint32_t *slots, const uint8_t *kinds,
                            const SchedulerQueue &queue, uint64_t *stats) {
  const uint32_t limit = std::min(queue.limit, params_.chunks);
  const bool is_full = tick.full_every > 0 && tick_ % tick.full_every == 0;
  const uint32_t iterations = is_full ? tick.iterations : 0;
  int code = scratch();
  if (code == 0) code = desk(std::max(limit, events));
  if (code == 0) code = clear_stats();
  if (code == 0) code = queue_events(events, slots, kinds);
  if (code == 0) {
    code = pass([this, iterations](Stream on) {
      warp_status status = scheduler_fold_launch(on, &params_, state_);
      if (status == WARP_OK) {
        status = scheduler_failover_launch(on, &params_, state_, stat(WARP_STAT_FAILED_OVER));
      }
      if (status == WARP_OK) {
        status = scheduler_choose_dirty_launch(on, &params_, state_, stat(WARP_STAT_DIRTY));
      }
      for (uint32_t i = 0; i < iterations && status == WARP_OK; i++) {
        status = scheduler_prices_launch(on, &params_, state_, nullptr);
        if (status == WARP_OK) status = scheduler_fold_launch(on, &params_, state_);
        if (status != WARP_OK) break;
        status = scheduler_choose_launch(on, &params_, state_, 0, params_.chunks);
      }
      return status;
    });
  }
  const uint32_t first_edge = static_cast<uint32_t>(tick_ % params_.edges);
  if (code == 0) code = queue_dispatch(tick.rounds, first_edge, limit);
  const warp_status status = take_queue(code, queue);
  if (status != WARP_OK) return status;
  memcpy(stats, desk_host_.data() + desk_.stats, WARP_STATS * sizeof *stats);
  stats[WARP_STAT_TICK] = tick_++;
  stats[WARP_STAT_ITERATIONS] = iterations;
  return WARP_OK;
}

/* ---- what goes out --------------------------------------------------------------------------- */

warp_status Scheduler::best(uint32_t n, const uint32_t *slots, uint16_t *out) {
  warp_status status = check(desk(std::min<uint64_t>(n, PART_SLOTS)));
  for (uint64_t at = 0; at < n && status == WARP_OK; at += desk_slots_) {
    const uint32_t some = static_cast<uint32_t>(std::min(desk_slots_, n - at));
    int code = upload(desk_.slots, slots + at, sizeof *slots * some);
    if (code == 0) {
      code = pass([this, some](Stream on) {
        return scheduler_best_launch(on, &params_, state_, some, on_device<uint32_t>(desk_.slots),
                                     on_device<uint16_t>(desk_.edges));
      });
    }
    const uint16_t *const found = on_device<uint16_t>(desk_.edges);
    if (code == 0) code = read_out(out + 3 * at, found, BEST_BYTES * some);
    status = finish(code);
  }
  return status;
}

warp_status Scheduler::read(uint32_t first, uint32_t n, uint16_t *assigned, uint8_t *states,
                            uint8_t *tries) {
  int code = 0;
  if (assigned != nullptr) code = read_out(assigned, columns_.assigned + first, 2 * uint64_t{n});
  if (code == 0 && states != nullptr) code = read_out(states, columns_.states + first, n);
  if (code == 0 && tries != nullptr) code = read_out(tries, columns_.tries + first, n);
  return check(code);
}

warp_status Scheduler::read_edges(uint32_t first, uint32_t n, uint32_t *words, int32_t *prices,
                                  uint64_t *loads) {
  const uint64_t count = n;
  int code = 0;
  if (words != nullptr) code = read_out(words, columns_.words + first, 4 * count);
  if (code == 0 && prices != nullptr) code = read_out(prices, columns_.prices + first, 4 * count);
  if (code == 0 && loads != nullptr) code = read_out(loads, columns_.loads + first, 8 * count);
  return check(code);
}

warp_status Scheduler::digest(uint64_t *digest) {
  int code = clear_stats();
  if (code == 0) {
    code = pass([this](Stream on) {
      return scheduler_digest_launch(on, &params_, state_, stat(0));
    });
  }
  return counted(code, 0, digest);
}

}  // namespace warp
