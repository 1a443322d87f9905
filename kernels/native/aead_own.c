/* ChaCha20-Poly1305 by our own code. */
#include <string.h>

#include "aead_engines.h"
#include "chacha20.h"
#include "dispatch.h"
#include "poly1305.h"

/* What goes through both steps at once: stays in the first cache. A multiple of 16 blocks of ChaCha20. */
#define TILE_BYTES ((uint64_t)8192)

static void wipe(void *memory, size_t size) {
  memset(memory, 0, size);
  __asm__ volatile("" : : "r"(memory) : "memory");
}

static uint32_t rotl(uint32_t x, int k) { return x << k | x >> (32 - k); }

#define QUARTER(a, b, c, d) \
  a += b;                   \
  d = rotl(d ^ a, 16);      \
  c += d;                   \
  b = rotl(b ^ c, 12);      \
  a += b;                   \
  d = rotl(d ^ a, 8);       \
  c += d;                   \
  b = rotl(b ^ c, 7);

static void one_block(const struct chacha20 *state, uint32_t out[16]) {
  uint32_t x[16];
  memcpy(x, state->words, sizeof x);
  for (int i = 0; i < 10; i++) {
    QUARTER(x[0], x[4], x[8], x[12])
    QUARTER(x[1], x[5], x[9], x[13])
    QUARTER(x[2], x[6], x[10], x[14])
    QUARTER(x[3], x[7], x[11], x[15])
    QUARTER(x[0], x[5], x[10], x[15])
    QUARTER(x[1], x[6], x[11], x[12])
    QUARTER(x[2], x[7], x[8], x[13])
    QUARTER(x[3], x[4], x[9], x[14])
  }
  for (int i = 0; i < 16; i++) out[i] = x[i] + state->words[i];
  wipe(x, sizeof x);
}

static void set_up(struct chacha20 *state, const uint8_t key[32], const uint8_t nonce[12]) {
  static const uint32_t constants[4] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};
  memcpy(state->words, constants, 16);
  memcpy(state->words + 4, key, 32);
  state->words[12] = 0;
  memcpy(state->words + 13, nonce, 12);
}

struct width {
  chacha20_run *run;
  uint64_t blocks;
};

static struct width best_width(void) {
  switch (warp_isa()) {
#if defined(__x86_64__)
    case WARP_ISA_AVX512: return (struct width){chacha20_run_avx512, 16};
    case WARP_ISA_AVX2: return (struct width){chacha20_run_avx2, 8};
#endif
    case WARP_ISA_VECTOR128: return (struct width){chacha20_run_vector128, 4};
    default: return (struct width){NULL, 0};
  }
}

/* From block state->words[12] on; a multiple of 64 bytes unless it is the end. */
static void crypt(struct chacha20 *state, const uint8_t *input, uint64_t length, uint8_t *out) {
  const struct width width = best_width();
  if (width.run != NULL) {
    const uint64_t groups = length / (64 * width.blocks), bytes = groups * 64 * width.blocks;
    width.run(state, input, out, groups);
    state->words[12] += (uint32_t)(groups * width.blocks);
    input += bytes;
    out += bytes;
    length -= bytes;
  }
  while (length > 0) {
    uint32_t block[16];
    uint8_t bytes[64];
    const uint64_t count = length < 64 ? length : 64;
    one_block(state, block);
    memcpy(bytes, block, 64);
    for (uint64_t i = 0; i < count; i++) out[i] = input[i] ^ bytes[i];
    wipe(bytes, sizeof bytes);
    wipe(block, sizeof block);
    state->words[12]++;
    input += count;
    out += count;
    length -= count;
  }
}

struct sealer {
  struct chacha20 state;
  struct poly1305 poly;
};

/* Block 0 gives the Poly1305 key; the text begins with block 1. */
static void begin(struct sealer *sealer, const uint8_t key[32], const uint8_t nonce[12],
                  const uint8_t *aad, uint64_t aad_length) {
  uint32_t block[16];
  uint8_t poly_key[32];
  set_up(&sealer->state, key, nonce);
  one_block(&sealer->state, block);
  memcpy(poly_key, block, 32);
  sealer->state.words[12] = 1;
  poly1305_begin(&sealer->poly, poly_key);
  poly1305_add(&sealer->poly, aad, aad_length);
  wipe(block, sizeof block);
  wipe(poly_key, sizeof poly_key);
}

static void end(struct sealer *sealer, uint64_t aad_length, uint64_t length, uint8_t tag[16]) {
  const uint64_t lengths[2] = {aad_length, length};
  poly1305_add(&sealer->poly, (const uint8_t *)lengths, 16);
  poly1305_end(&sealer->poly, tag);
  wipe(sealer, sizeof *sealer);
}

void own_seal(const uint8_t key[32], const uint8_t nonce[12], const uint8_t *aad,
              uint64_t aad_length, const uint8_t *plaintext, uint64_t length, uint8_t *out) {
  struct sealer sealer;
  begin(&sealer, key, nonce, aad, aad_length);
  for (uint64_t at = 0; at < length; at += TILE_BYTES) {
    const uint64_t count = length - at < TILE_BYTES ? length - at : TILE_BYTES;
    crypt(&sealer.state, plaintext + at, count, out + at);
    poly1305_add(&sealer.poly, out + at, count);
  }
  end(&sealer, aad_length, length, out + length);
}

static int is_equal(const uint8_t *a, const uint8_t *b) {
  uint8_t difference = 0;
  for (int i = 0; i < 16; i++) difference |= a[i] ^ b[i];
  return difference == 0;
}

int own_open(const uint8_t key[32], const uint8_t nonce[12], const uint8_t *aad,
             uint64_t aad_length, const uint8_t *sealed, uint64_t length, uint8_t *out) {
  struct sealer sealer;
  uint8_t tag[16], expected[16];
  memcpy(expected, sealed + length, 16);
  begin(&sealer, key, nonce, aad, aad_length);
  for (uint64_t at = 0; at < length; at += TILE_BYTES) {
    const uint64_t count = length - at < TILE_BYTES ? length - at : TILE_BYTES;
    poly1305_add(&sealer.poly, sealed + at, count);
    crypt(&sealer.state, sealed + at, count, out + at);
  }
  end(&sealer, aad_length, length, tag);
  if (is_equal(tag, expected)) return 0;
  if (length > 0) memset(out, 0, length);
  return 1;
}
