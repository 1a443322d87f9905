/* What the scheduler does once per edge: fold and prices. */
#include "scheduler.h"

static bool is_given_usable(const warp_edge *edge) {
  return edge->alive != 0 && edge->capacity != 0 && edge->cost <= COST_MOST;
}

void scheduler_fold(struct scheduler *s) {
  int32_t least = INT32_MAX;
  for (uint32_t e = 0; e < s->edges; e++) {
    if (!is_given_usable(&s->given[e])) continue;
    const int32_t sum = (int32_t)s->given[e].cost + s->prices[e];
    least = sum < least ? sum : least;
  }
  for (uint32_t e = 0; e < s->edges; e++) {
    const warp_edge *edge = &s->given[e];
    if (!is_given_usable(edge)) {
      if (s->words[e] != WORD_NONE) s->must_fail_over = true;
      s->words[e] = WORD_NONE;
      s->limits[e] = 0;
      continue;
    }
    const uint32_t above = (uint32_t)((int32_t)edge->cost + s->prices[e] - least);
    const uint32_t value = above < VALUE_MOST ? above : VALUE_MOST;
    s->words[e] = value << 13 | (edge->hash & 0xfff) << 1 | 1;
    s->limits[e] = edge->capacity;
  }
}

/* log2 with 8 fraction bits, linear between powers of two; x >= 1. */
static int32_t log2fix(uint64_t x) {
  const int whole = 63 - __builtin_clzll(x);
  const uint64_t mantissa = whole >= 8 ? x >> (whole - 8) : x << (8 - whole);
  return whole * 256 + (int32_t)(mantissa & 255);
}

static int32_t clamp(int32_t x, int32_t least, int32_t most) {
  return x < least ? least : x > most ? most : x;
}

static int32_t next_gain(int32_t gain, bool is_turning, int32_t eta) {
  const int32_t half = gain >> 1 > GAIN_LEAST ? gain >> 1 : GAIN_LEAST;
  const int32_t wanted = is_turning ? half : gain + (gain >> 3) + 1;
  return wanted < eta ? wanted : eta;
}

void scheduler_update_prices(struct scheduler *s, const uint64_t *loads) {
  uint64_t load_sum = 0, capacity_sum = 0;
  for (uint32_t e = 0; e < s->edges; e++) {
    if (s->words[e] == WORD_NONE) continue;
    load_sum += loads[e];
    capacity_sum += s->limits[e];
  }
  if (load_sum == 0) return;
  const int32_t excess = log2fix(load_sum + 1) - log2fix(capacity_sum + 1);
  const int32_t shift = excess > 0 ? excess : 0;
  for (uint32_t e = 0; e < s->edges; e++) {
    if (s->words[e] == WORD_NONE) continue;
    const int32_t above = log2fix(loads[e] + 1) - log2fix((uint64_t)s->limits[e] + 1) - shift;
    const int32_t step = above > STEP_LEAST ? above : STEP_LEAST;
    const bool is_turning = (step < 0 && s->lasts[e] > 0) || (step > 0 && s->lasts[e] < 0);
    const int32_t gain = s->gains[e] = next_gain(s->gains[e], is_turning, (int32_t)s->eta);
    s->lasts[e] = step;
    s->prices[e] = clamp(s->prices[e] + step * gain / 256, PRICE_LEAST, PRICE_MOST);
  }
}

void scheduler_reset_prices(struct scheduler *s) {
  int32_t most = 0;
  for (uint32_t e = 0; e < s->edges; e++) {
    const int32_t bits = log2fix((uint64_t)s->limits[e] + 1);
    most = bits > most ? bits : most;
  }
  for (uint32_t e = 0; e < s->edges; e++) {
    const int32_t below = most - log2fix((uint64_t)s->limits[e] + 1);
    s->prices[e] = s->words[e] == WORD_NONE ? 0 : below * 177 >> 8;
    s->gains[e] = (int32_t)s->eta;
    s->lasts[e] = 0;
  }
}
