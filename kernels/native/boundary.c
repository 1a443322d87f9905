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
  boundary_find *find;
  uint32_t avg_bits, min, max;
};

/* End of the chunk that starts at `start`, or 0 when it is not complete. */
static size_t chunk_end(const struct cutter *cutter, size_t start) {
  const size_t length = cutter->scan.length, most = start + cutter->max;
  if (length - start < cutter->min) return 0;
  const size_t turn = start + ((size_t)1 << cutter->avg_bits) - 1;
  const size_t limit = most < length ? most : length;
  const size_t end = cutter->find(&cutter->scan, start + cutter->min - 1, turn, limit);
  return end == 0 && most <= length ? most : end;
}

struct cuts {
  uint32_t *ends;
  uint32_t capacity, count;
};

static int add_cut(struct cuts *cuts, size_t end) {
  if (cuts->count == cuts->capacity) return 0;
  cuts->ends[cuts->count++] = (uint32_t)end;
  return 1;
}

/* Cuts from *start on until a chunk starts at `limit` or beyond, or is not complete; *start becomes the
 * start of that one. 0 when there is no more room. */
static int cut_until(const struct cutter *cutter, size_t *start, size_t limit, struct cuts *cuts) {
  while (*start < limit) {
    const size_t end = chunk_end(cutter, *start);
    if (end == 0) return 1;
    if (!add_cut(cuts, end)) return 0;
    *start = end;
  }
  return 1;
}

/* ---- parallel ------------------------------------------------------------------------------------
 *
 * Where a chunk ends depends on where it starts, but cutting from a wrong start soon comes upon a right
 * cut, and is right from there on. So segments are cut side by side as if a chunk started at each, and
 * joined: where the right cuts leave a segment's own, chunks are cut one by one until both agree. */

#define SEGMENT_BYTES_LEAST ((size_t)512 * 1024)
#define SEGMENT_CHUNKS 64

struct segment {
  struct cuts cuts;
  size_t start;
};

struct segments {
  const struct cutter *cutter;
  struct segment *segment;
  size_t bytes;
};

/* A multiple of the longest chunk: where there is nothing but longest chunks, segments agree at once. */
static size_t segment_bytes(const struct cutter *cutter) {
  const size_t wanted = (size_t)SEGMENT_CHUNKS << cutter->avg_bits, max = cutter->max;
  const size_t least = wanted > SEGMENT_BYTES_LEAST ? wanted : SEGMENT_BYTES_LEAST;
  return (least + max - 1) / max * max;
}

static void cut_segment(void *argument, uint32_t index) {
  const struct segments *segments = argument;
  struct segment *segment = &segments->segment[index];
  size_t start = segment->start;
  /* There is room: no chunk is below the least, and one may end beyond the segment. */
  (void)cut_until(segments->cutter, &start, segment->start + segments->bytes, &segment->cuts);
}

/* Whether a chunk starts at `at` among the segment's own; *next becomes the first end after it. */
static int agrees(const struct segment *segment, size_t at, uint32_t *next) {
  const struct cuts *own = &segment->cuts;
  while (*next < own->count && own->ends[*next] <= at) (*next)++;
  return at == segment->start || (*next > 0 && own->ends[*next - 1] == at);
}

/* Cuts from *start to the segment's end; 0 without room. */
static int join_segment(const struct segments *segments, const struct segment *segment,
                        size_t *start, struct cuts *cuts) {
  const size_t limit = segment->start + segments->bytes;
  uint32_t next = 0;
  while (*start < limit && !agrees(segment, *start, &next)) {
    const size_t before = *start;
    if (!cut_until(segments->cutter, start, before + 1, cuts)) return 0;
    if (*start == before) return 1;
  }
  if (*start >= limit) return 1;
  for (; next < segment->cuts.count; next++) {
    if (!add_cut(cuts, segment->cuts.ends[next])) return 0;
    *start = segment->cuts.ends[next];
  }
  return 1;
}

/* 0 without memory; otherwise *has_room says whether all cuts fit. */
static int cut_in_parallel(const struct cutter *cutter, size_t *start, struct cuts *cuts,
                           int *has_room) {
  const size_t length = cutter->scan.length, bytes = segment_bytes(cutter);
  const uint32_t count = (uint32_t)((length + bytes - 1) / bytes);
  const size_t room = bytes / cutter->min + 1;
  struct segment *segment = malloc(count * (sizeof *segment + room * sizeof(uint32_t)));
  if (segment == NULL) return 0;
  uint32_t *ends = (uint32_t *)(segment + count);
  for (uint32_t i = 0; i < count; i++)
    segment[i] = (struct segment){{ends + i * room, (uint32_t)room, 0}, i * bytes};
  struct segments segments = {cutter, segment, bytes};
  warp_for(1, count, cut_segment, &segments);
  *has_room = 1;
  for (uint32_t i = 0; i < count && *has_room; i++)
    *has_room = join_segment(&segments, &segment[i], start, cuts);
  free(segment);
  return 1;
}

/* ---- interface ----------------------------------------------------------------------------------- */

int boundary_are_valid(const warp_boundary_params *params) {
  if (params == NULL || params->size < sizeof *params) return 0;
  if (params->avg_bits < 8 || params->avg_bits > 24) return 0;
  const uint32_t avg = 1u << params->avg_bits;
  return params->min >= 64 && params->min <= avg && params->max >= avg && params->max <= 1u << 26;
}

warp_status boundary_cut(const warp_boundary_params *params, const uint8_t *input, uint64_t length,
                         uint32_t is_last, int is_parallel, uint32_t *ends, uint32_t capacity,
                         uint32_t *count) {
  const uint32_t *table = params->table, avg_bits = params->avg_bits;
  struct cutter cutter = {.find = best_find(), .avg_bits = avg_bits, .min = params->min,
                          .max = params->max};
  for (int byte = 0; byte < 256; byte++) {
    cutter.enter[byte] = table[byte >> 4] ^ table[16 + (byte & 15)];
    cutter.leave[byte] = boundary_rotl(cutter.enter[byte], WINDOW % 32);
  }
  cutter.scan = (struct boundary_scan){input, length, table, cutter.enter, cutter.leave,
                                       (1u << (avg_bits + 2)) - 1, (1u << (avg_bits - 2)) - 1};
  struct cuts cuts = {ends, capacity, 0};
  size_t start = 0;
  int has_room = 1;
  const int is_worth =
      is_parallel && warp_pool_width() > 1 && length >= 2 * segment_bytes(&cutter);
  if (!is_worth || !cut_in_parallel(&cutter, &start, &cuts, &has_room))
    has_room = cut_until(&cutter, &start, length, &cuts);
  if (has_room && is_last != 0 && start < length) has_room = add_cut(&cuts, length);
  *count = cuts.count;
  return has_room ? WARP_OK : WARP_ENOSPC;
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
