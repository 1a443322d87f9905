/* The boundary scan in SIMD, for vectors of PARTS 128-bit parts.
 *
 *     hash(i) = XOR over k < 48 of rotl(T[byte(i - k)], k)
 *     T[b] = table[b >> 4] ^ table[16 + (b & 15)]
 *
 * A match needs all bits of a mask, and the lowest nine already rule out 511 of 512 positions. So
 * only those are computed for every position, and the few that pass are hashed from the definition.
 * With D(x)(i) = x(i - 1) and R = rotl by 1, bits 0 to 8 are those of
 *
 *     (1 + R D)(1 + R^2 D^2)(1 + R^4 D^4) G
 *     G = (1 + R^8 D^8)(1 + R^16 D^16 + R^32 D^32) T
 *
 * Rotations by 8 cost nothing when a word is kept as four planes of a byte each: here bits 1..8,
 * -7..0, -15..-8 and -23..-16, modulo 32. Bits 0 to 8 of the hash need bits -7 to 8 of G only, a
 * 16-bit lane, in which rotl is a plain shift: what is lost at the low end was not asked for.
 *
 * Every part reads a stretch of its own, so that moving by bytes never crosses parts. A tile of
 * PARTS neighbouring stretches gives one bit per position, in order.
 *
 * The including file defines PARTS, FIND (the function's name), OPERATION (inline), the vector
 * types `bytes` and `pairs` (u16), and the operations load_parts, look_up, shift_in,
 * interleave_low, interleave_high and store_hits on them. */
#include <string.h>

#include "boundary.h"

#define PART 16
#define PLANES 4
#define FILTER 0x1ffu
#define WARM_UP (WINDOW / PART)
/* Steps done together share the tables' way into registers. */
#define TOGETHER 4
#define STEP_BYTES ((size_t)PARTS * PART)
#define TILE_LEAST (TOGETHER * STEP_BYTES)
#define TILE_MOST ((size_t)4096)

struct tables {
  bytes low[PLANES], high[PLANES];
  bytes ignored; /* ones in the bits of a lane that no match needs */
};

/* Byte tables from 16 words: the bytes of a word rotated right by 1 are planes 0, 3, 2 and 1. */
OPERATION void shuffle_tables(const uint32_t table[16], bytes planes[PLANES]) {
  uint32_t rotated[16];
  uint8_t every[sizeof rotated], part[PLANES][PART];
  for (int i = 0; i < 16; i++) rotated[i] = boundary_rotl(table[i], 31);
  memcpy(every, rotated, sizeof rotated);
  for (int i = 0; i < 16; i++)
    for (int p = 0; p < PLANES; p++) part[p][i] = every[4 * i + (PLANES - p) % PLANES];
  for (int p = 0; p < PLANES; p++) planes[p] = load_parts(part[p], 0);
}

/* What a step needs of those before. */
struct history {
  bytes plane[2][PLANES]; /* T of the last two steps, latest last */
  bytes far[PLANES - 1];  /* (1 + R^16 D^16 + R^32 D^32) T, which nothing needs of the last plane */
  bytes by8, by4, by2;    /* upper halves of the lanes: G, (1 + R^4 D^4) G, and then that by 2 */
};

/* x + R^count D^count x for the two halves of a step's lanes. */
OPERATION void double_lanes(bytes x[2], bytes *before, const int count) {
  const bytes upper = x[1];
  x[1] ^= (bytes)((pairs)shift_in(x[1], x[0], 2 * count) << count);
  x[0] ^= (bytes)((pairs)shift_in(x[0], *before, 2 * count) << count);
  *before = upper;
}

/* Lanes of `count` steps, in two halves: those of the first eight positions in each part and those
 * of the others. */
OPERATION void step(const struct tables *tables, struct history *before, const uint8_t *from,
                    size_t stretch, const int count, bytes x[][2]) {
  bytes low[TOGETHER], high[TOGETHER], plane[TOGETHER + 2][PLANES], far[TOGETHER + 1][PLANES - 1];
  for (int p = 0; p < PLANES; p++) {
    plane[0][p] = before->plane[0][p];
    plane[1][p] = before->plane[1][p];
  }
  for (int p = 0; p < PLANES - 1; p++) far[0][p] = before->far[p];
  for (int i = 0; i < count; i++) {
    const bytes data = load_parts(from + PART * i, stretch);
    /* There is no shift of bytes: shift pairs and drop what came in. */
    low[i] = data & 15;
    high[i] = (bytes)((pairs)data >> 4) & 15;
  }
  for (int p = 0; p < PLANES; p++)
    for (int i = 0; i < count; i++)
      plane[i + 2][p] = look_up(tables->low[p], low[i]) ^ look_up(tables->high[p], high[i]);
  for (int i = 0; i < count; i++) {
    for (int p = 0; p < PLANES - 1; p++)
      far[i + 1][p] = plane[i + 2][p] ^ plane[i + 1][(p + 2) % PLANES] ^ plane[i][p];
    const bytes upper = far[i + 1][0] ^ shift_in(far[i + 1][1], far[i][1], 8);
    const bytes lower = far[i + 1][1] ^ shift_in(far[i + 1][2], far[i][2], 8);
    x[i][0] = interleave_low(lower, upper);
    x[i][1] = interleave_high(lower, upper);
  }
  for (int i = 0; i < count; i++) {
    double_lanes(x[i], &before->by8, 4);
    double_lanes(x[i], &before->by4, 2);
    double_lanes(x[i], &before->by2, 1);
  }
  for (int p = 0; p < PLANES; p++) {
    before->plane[0][p] = plane[count][p];
    before->plane[1][p] = plane[count + 1][p];
  }
  for (int p = 0; p < PLANES - 1; p++) before->far[p] = far[count][p];
}

/* One bit for each of `tile` positions from from[48] on: may it match? */
OPERATION void filter(const struct tables *tables, const uint8_t *from, size_t tile,
                      uint16_t *hits) {
  struct history before = {0};
  bytes x[TOGETHER][2];
  const size_t stretch = tile / PARTS, steps = tile / STEP_BYTES;
#pragma GCC unroll 3
  for (size_t i = 0; i < WARM_UP; i++) step(tables, &before, from + PART * i, stretch, 1, x);
  from += WINDOW;
  for (size_t i = 0; i < steps; i += TOGETHER, from += TOGETHER * PART) {
    /* Stretches are too short for the hardware to see. */
    for (size_t j = 0; j < PARTS; j++) __builtin_prefetch(from + tile + stretch * j);
    step(tables, &before, from, stretch, TOGETHER, x);
    for (int j = 0; j < TOGETHER; j++)
      store_hits(x[j][0] | tables->ignored, x[j][1] | tables->ignored, hits + i + j, steps);
  }
}

/* The hash last computed. */
struct hashed {
  size_t at;
  uint32_t hash;
};

/* From its definition; four chains, since one would wait for itself. */
static uint32_t hash_at(const struct boundary_scan *scan, size_t at) {
  const uint8_t *from = scan->input + at + 1 - WINDOW;
  uint32_t chain[4] = {0};
  for (int i = 0; i < WINDOW / 4; i++)
    for (int j = 0; j < 4; j++)
      chain[j] = boundary_rotl(chain[j], 1) ^ scan->enter[from[WINDOW / 4 * j + i]];
  return boundary_rotl(chain[0], 4) ^ boundary_rotl(chain[1], 24) ^ boundary_rotl(chain[2], 12) ^
         chain[3];
}

/* Rolls when the last one is near: however hostile the input, that is a step per byte. */
static int is_match(const struct boundary_scan *scan, struct hashed *last, size_t at,
                    uint32_t mask) {
  if (at - last->at < WINDOW / 2) {
    for (size_t i = last->at + 1; i <= at; i++)
      last->hash = boundary_rotl(last->hash, 1) ^ scan->enter[scan->input[i]] ^
                   scan->leave[scan->input[i - WINDOW]];
  } else {
    last->hash = hash_at(scan, at);
  }
  last->at = at;
  return (last->hash & mask) == mask;
}

/* The first position from `at` on that is a hit and a match, or `limit`. */
static size_t first_match(const struct boundary_scan *scan, struct hashed *last, size_t at,
                          size_t tile, size_t turn, size_t limit, const uint16_t *hits) {
  for (size_t i = 0; i < tile; i += 64) {
    uint64_t word;
    memcpy(&word, hits + i / 16, sizeof word);
    for (; word != 0; word &= word - 1) {
      const size_t position = at + i + (size_t)__builtin_ctzll(word);
      if (position >= limit) return limit;
      if (is_match(scan, last, position, position < turn ? scan->strict : scan->loose))
        return position;
    }
  }
  return limit;
}

/* A tile is much smaller than a chunk: what it holds beyond the match was for nothing. */
static size_t tile_bytes(const struct boundary_scan *scan) {
  const size_t tile = ((size_t)scan->loose + 1) / 4 / TILE_LEAST * TILE_LEAST;
  return tile < TILE_LEAST ? TILE_LEAST : tile > TILE_MOST ? TILE_MOST : tile;
}

size_t FIND(const struct boundary_scan *scan, size_t first, size_t turn, size_t limit) {
  if (first >= limit) return 0;
  /* A tile has 48 bytes before it, `first` maybe but 47. */
  struct hashed last = {first, hash_at(scan, first)};
  const uint32_t mask = first < turn ? scan->strict : scan->loose;
  if ((last.hash & mask) == mask) return first + 1;

  struct tables tables;
  shuffle_tables(scan->table, tables.high);
  shuffle_tables(scan->table + 16, tables.low);
  tables.ignored = (bytes)((pairs){} + (uint16_t) ~((scan->loose & FILTER) << 7));
  size_t tile = tile_bytes(scan);
  uint16_t hits[TILE_MOST / 16];
  uint8_t padded[WINDOW + TILE_MOST];
  for (size_t at = first + 1; at < limit; at += tile) {
    const size_t rest = (limit - at + TILE_LEAST - 1) / TILE_LEAST * TILE_LEAST;
    if (tile > rest) tile = rest;
    const uint8_t *from = scan->input + at - WINDOW;
    const size_t left = scan->length - at;
    if (left < tile) {
      memcpy(padded, from, WINDOW + left);
      memset(padded + WINDOW + left, 0, tile - left);
      from = padded;
    }
    filter(&tables, from, tile, hits);
    const size_t match = first_match(scan, &last, at, tile, turn, limit, hits);
    if (match < limit) return match + 1;
  }
  return 0;
}
