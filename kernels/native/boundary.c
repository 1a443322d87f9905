/* Chunk boundaries: kernels/boundary/spec.ts is the definition.
 *
 * Chunk after chunk, the first min - 48 bytes are skipped and the rest is scanned for a match. The
 * scan is rolling (scalar) or by doubling (SIMD, boundary_lanes.h); both give the same hashes. */
#include "boundary.h"

#include <stdlib.h>

#include "dispatch.h"
#include "pool.h"
#include "run.h"

/* Rolls the hash; leaves no dependency but one rotate and one xor per byte. */
static size_t roll(const struct boundary_scan *scan, size_t from, size_t to, uint32_t mask,
                   uint32_t *state) {
  const uint8_t *input = scan->input;
  const uint32_t *enter = scan->enter, *leave = scan->leave;
  uint32_t hash = *state;
  for (size_t i = from; i < to; i++) {
    hash = boundary_rotl(hash, 1) ^ (enter[input[i]] ^ leave[input[i - WINDOW]]);
    if ((hash & mask) == mask) return i + 1;
  }
  *state = hash;
  return 0;
}

size_t boundary_find_scalar(const struct boundary_scan *scan, size_t first, size_t turn,
                            size_t limit) {
  if (first >= limit) return 0;
  uint32_t hash = boundary_hash(scan, first);
  uint32_t mask = first < turn ? scan->strict : scan->loose;
  if ((hash & mask) == mask) return first + 1;
  size_t at = first + 1, end = 0;
  if (at < turn) {
    size_t to = turn < limit ? turn : limit;
    end = roll(scan, at, to, scan->strict, &hash);
    at = to;
  }
  return end != 0 ? end : roll(scan, at, limit, scan->loose, &hash);
}

static boundary_find *best_find(void) {
#if defined(__x86_64__)
  int isa = warp_isa();
  if (isa >= WARP_ISA_AVX512) return boundary_find_avx512;
  if (isa >= WARP_ISA_AVX2) return boundary_find_avx2;
#endif
  return boundary_find_scalar;
}

/* ---- serial -------------------------------------------------------------------------------------- */

struct cutter {
  struct boundary_scan scan;
  uint32_t enter[256], leave[256];
  uint32_t avg_bits, min, max, is_last;
  uint32_t *cuts;
  uint32_t capacity, count;
};

static int add_cut(struct cutter *cutter, size_t end) {
  if (cutter->count == cutter->capacity) return 0;
  cutter->cuts[cutter->count++] = (uint32_t)end;
  return 1;
}

static warp_status finish(struct cutter *cutter, size_t start) {
  const size_t length = cutter->scan.length;
  if (cutter->is_last == 0 || start == length) return WARP_OK;
  return add_cut(cutter, length) ? WARP_OK : WARP_ENOSPC;
}

static warp_status cut_serially(struct cutter *cutter) {
  const size_t length = cutter->scan.length, avg = (size_t)1 << cutter->avg_bits;
  boundary_find *find = best_find();
  size_t start = 0;
  while (length - start >= cutter->min) {
    const size_t most = start + cutter->max, limit = most < length ? most : length;
    size_t end = find(&cutter->scan, start + cutter->min - 1, start + avg - 1, limit);
    if (end == 0 && most <= length) end = most;
    if (end == 0) break;
    if (!add_cut(cutter, end)) return WARP_ENOSPC;
    start = end;
  }
  return finish(cutter, start);
}

/* ---- parallel ------------------------------------------------------------------------------------
 *
 * Whether a position may end a chunk depends on the 48 bytes before it, not on where chunks start. So
 * segments are searched side by side for positions that match the loose mask, and cuts are then picked
 * from that short list. Small chunks have too many matches for this to pay. */

#define PARALLEL_AVG_BITS_LEAST 12
#define SEGMENT_BYTES ((size_t)512 * 1024)

struct segment {
  uint32_t *matches; /* ends of possible chunks; the top bit of `strict` is set where strict matches */
  uint8_t *strict;
  uint32_t count, room;
  int is_full;
};

struct search {
  const struct boundary_scan *scan;
  boundary_find *find;
  struct segment *segments;
  size_t first; /* of all segments */
};

static void search_segment(void *argument, uint32_t index) {
  const struct search *search = argument;
  const struct boundary_scan *scan = search->scan;
  struct segment *segment = &search->segments[index];
  size_t at = search->first + index * SEGMENT_BYTES;
  size_t limit = at + SEGMENT_BYTES;
  if (limit > scan->length) limit = scan->length;
  while (at < limit) {
    const size_t end = search->find(scan, at, at, limit);
    if (end == 0) break;
    if (segment->count == segment->room) {
      segment->is_full = 1;
      return;
    }
    segment->strict[segment->count] = (boundary_hash(scan, end - 1) & scan->strict) == scan->strict;
    segment->matches[segment->count++] = (uint32_t)end;
    at = end;
  }
}

/* The next match from position `from` (an end) on, over all segments. */
struct cursor {
  const struct segment *segments;
  uint32_t count, segment, match;
};

static const uint32_t *peek(struct cursor *cursor) {
  while (cursor->segment < cursor->count &&
         cursor->match == cursor->segments[cursor->segment].count) {
    cursor->segment++;
    cursor->match = 0;
  }
  return cursor->segment == cursor->count
             ? NULL
             : &cursor->segments[cursor->segment].matches[cursor->match];
}

static int is_strict(const struct cursor *cursor) {
  return cursor->segments[cursor->segment].strict[cursor->match];
}

static warp_status pick_cuts(struct cutter *cutter, struct segment *segments, uint32_t count) {
  const size_t length = cutter->scan.length, avg = (size_t)1 << cutter->avg_bits;
  struct cursor cursor = {segments, count, 0, 0};
  size_t start = 0;
  while (length - start >= cutter->min) {
    const size_t most = start + cutter->max, limit = most < length ? most : length;
    size_t end = 0;
    for (const uint32_t *match = peek(&cursor); match != NULL && *match <= limit;
         cursor.match++, match = peek(&cursor)) {
      const size_t size = *match - start;
      if (*match < start + cutter->min || (size < avg && !is_strict(&cursor))) continue;
      end = *match;
      break;
    }
    if (end == 0 && most <= length) end = most;
    if (end == 0) break;
    if (!add_cut(cutter, end)) return WARP_ENOSPC;
    start = end;
  }
  return finish(cutter, start);
}

static warp_status cut_in_parallel(struct cutter *cutter) {
  const size_t first = WINDOW - 1, length = cutter->scan.length;
  const uint32_t count = (uint32_t)((length - first + SEGMENT_BYTES - 1) / SEGMENT_BYTES);
  const uint32_t room = (uint32_t)(SEGMENT_BYTES >> (cutter->avg_bits - 2)) * 4 + 64;
  struct segment *segments = calloc(count, sizeof *segments + room * 5);
  if (segments == NULL) return cut_serially(cutter);
  uint32_t *matches = (uint32_t *)(segments + count);
  uint8_t *strict = (uint8_t *)(matches + (size_t)count * room);
  for (uint32_t i = 0; i < count; i++)
    segments[i] =
        (struct segment){matches + (size_t)i * room, strict + (size_t)i * room, 0, room, 0};
  struct search search = {&cutter->scan, best_find(), segments, first};
  warp_for(1, count, search_segment, &search);
  int is_full = 0;
  for (uint32_t i = 0; i < count; i++) is_full |= segments[i].is_full;
  /* Hostile or degenerate input matches everywhere. */
  const warp_status status =
      is_full ? cut_serially(cutter) : pick_cuts(cutter, segments, count);
  free(segments);
  return status;
}

/* ---- interface ----------------------------------------------------------------------------------- */

int boundary_are_valid(const warp_boundary_params *params) {
  if (params == NULL || params->size < sizeof *params) return 0;
  if (params->avg_bits < 8 || params->avg_bits > 24) return 0;
  const uint32_t avg = 1u << params->avg_bits;
  return params->min >= 64 && params->min <= avg && params->max >= avg && params->max <= 1u << 26;
}

warp_status boundary_cut(const warp_boundary_params *params, const uint8_t *input, uint64_t length,
                         uint32_t is_last, int is_parallel, uint32_t *cuts, uint32_t capacity,
                         uint32_t *count) {
  const uint32_t *table = params->table, avg_bits = params->avg_bits;
  struct cutter cutter = {.avg_bits = avg_bits, .min = params->min, .max = params->max,
                          .is_last = is_last, .cuts = cuts, .capacity = capacity};
  for (int byte = 0; byte < 256; byte++) {
    cutter.enter[byte] = table[byte >> 4] ^ table[16 + (byte & 15)];
    cutter.leave[byte] = boundary_rotl(cutter.enter[byte], WINDOW % 32);
  }
  cutter.scan = (struct boundary_scan){input, length, table, cutter.enter, cutter.leave,
                                       (1u << (avg_bits + 2)) - 1, (1u << (avg_bits - 2)) - 1};
  const int is_worth = is_parallel && avg_bits >= PARALLEL_AVG_BITS_LEAST &&
                       length >= 2 * SEGMENT_BYTES && warp_pool_width() > 1;
  const warp_status status = is_worth ? cut_in_parallel(&cutter) : cut_serially(&cutter);
  *count = cutter.count;
  return status;
}

struct boundary_arguments {
  warp_boundary_params params;
  const uint8_t *input;
  uint64_t length;
  uint32_t is_last, capacity;
  uint32_t *cuts, *count;
};

static warp_status run_boundary(void *arguments, int is_parallel) {
  const struct boundary_arguments *a = arguments;
  return boundary_cut(&a->params, a->input, a->length, a->is_last, is_parallel, a->cuts,
                      a->capacity, a->count);
}

warp_status warp_boundary(warp_context context, const warp_boundary_params *params,
                          const uint8_t *input, uint64_t length, uint32_t is_last, uint32_t *cuts,
                          uint32_t capacity, uint32_t *count, warp_job *job) {
  if (!boundary_are_valid(params) || count == NULL || length > UINT32_MAX) return WARP_EINVAL;
  if ((cuts == NULL && capacity != 0) || (input == NULL && length != 0)) return WARP_EINVAL;
  *count = 0;
  const struct boundary_arguments a = {*params, input, length, is_last, capacity, cuts, count};
  return warp_run(context, run_boundary, &a, sizeof a, job);
}
