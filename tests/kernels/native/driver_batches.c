/* Sealing, compression, and what surrounds them: buffers, files, jobs that are canceled. */
#include "driver.h"

#include <stdio.h>
#include <unistd.h>

/* Where items of batch->n lengths begin that are `more` bytes longer. */
static uint64_t *places_of(const struct batch *batch, uint64_t more) {
  uint64_t *places = exactly((batch->n + 1) * sizeof *places);
  for (uint64_t i = 0; i <= batch->n; i++) places[i] = batch->offsets[i] + more * i;
  return places;
}

static void seal_batch(warp_context context, int as_job, uint64_t n, uint32_t most, uint32_t stride,
                       uint64_t *state) {
  warp_job job = 0;
  warp_status status;
  struct batch batch = some_batch(n, most, state), aad = some_batch(n, 100, state);
  uint64_t *places = places_of(&batch, 16);
  uint8_t *keys = some_bytes(stride == 0 ? 32 : 32 * n, state), *nonces = some_bytes(12 * n, state);
  uint8_t *sealed = exactly(places[n]), *opened = exactly(batch.offsets[n]), *marks = exactly(n);
  for (int with_aad = 0; with_aad < 2; with_aad++) {
    const uint8_t *extra = with_aad ? aad.base : NULL;
    EXPECT(CALL(warp_seal, batch.base, batch.offsets, n, keys, stride, nonces, extra, aad.offsets,
                sealed, places) == WARP_OK);
    EXPECT(CALL(warp_open, sealed, places, n, keys, stride, nonces, extra, aad.offsets, opened,
                batch.offsets, marks) == WARP_OK);
    EXPECT(memcmp(opened, batch.base, batch.offsets[n]) == 0);
  }
  sealed[places[n] - 1] ^= 1;
  EXPECT(CALL(warp_open, sealed, places, n, keys, stride, nonces, aad.base, aad.offsets, opened,
              batch.offsets, marks) == WARP_EAUTH);
  EXPECT(marks[n - 1] == 1 && (n == 1 || marks[0] == 0));
  free(places);
  free(keys);
  free(nonces);
  free(sealed);
  free(opened);
  free(marks);
  free_batch(&batch);
  free_batch(&aad);
}

static void open_short(warp_context context, int as_job, uint64_t *state) {
  warp_job job = 0;
  warp_status status;
  const uint64_t offsets[4] = {0, 0, 15, 31}, places[4] = {0, 0, 0, 0};
  uint8_t *key = some_bytes(32, state), *nonces = some_bytes(36, state);
  uint8_t *sealed = some_bytes(31, state), *marks = exactly(3);
  EXPECT(CALL(warp_open, sealed, offsets, 3, key, 0, nonces, NULL, NULL, NULL, places, marks) ==
         WARP_EAUTH);
  EXPECT(marks[0] == 1 && marks[1] == 1 && marks[2] == 1);
  free(key);
  free(nonces);
  free(sealed);
  free(marks);
}

void drive_seal(warp_context context, int as_job, uint64_t *state) {
  seal_batch(context, as_job, 1, 0, 0, state);
  seal_batch(context, as_job, 1, 70000, 32, state);
  seal_batch(context, as_job, 300, 2100, 32, state);
  seal_batch(context, as_job, 300, 300, 0, state);
  open_short(context, as_job, state);
}

/* ---- compression --------------------------------------------------------------------------------- */

static void pack_batch(warp_context context, int as_job, uint32_t codec, int32_t level,
                       const uint8_t *dictionary, uint64_t dictionary_length, uint64_t *state) {
  warp_job job = 0;
  warp_status status;
  struct batch batch = some_batch(60, 5000, state);
  const uint64_t n = batch.n;
  uint64_t *places = places_of(&batch, 100), *packed = exactly((n + 1) * sizeof *packed);
  uint8_t *room = exactly(places[n]), *marks = exactly(n), *back = exactly(batch.offsets[n]);
  uint32_t *lengths = exactly(n * sizeof *lengths);
  EXPECT(CALL(warp_compress, codec, level, dictionary, dictionary_length, batch.base, batch.offsets,
              n, room, places, lengths) == WARP_OK);
  packed[0] = 0;
  for (uint64_t i = 0; i < n; i++) {
    EXPECT(lengths[i] != 0);
    memmove(room + packed[i], room + places[i], lengths[i]);
    packed[i + 1] = packed[i] + lengths[i];
  }
  uint8_t *exact = exactly(packed[n]);
  memcpy(exact, room, packed[n]);
  EXPECT(CALL(warp_decompress, codec, dictionary, dictionary_length, exact, packed, n, back,
              batch.offsets, marks) == WARP_OK);
  EXPECT(memcmp(back, batch.base, batch.offsets[n]) == 0);
  for (uint64_t i = 0; i < packed[n]; i += 7) exact[i] ^= (uint8_t)(next_word(state) >> 50);
  EXPECT(CALL(warp_decompress, codec, dictionary, dictionary_length, exact, packed, n, back,
              batch.offsets, marks) == WARP_EDATA);
  /* Into slots as long as the items: some fit, most do not. */
  EXPECT(CALL(warp_compress, codec, level, dictionary, dictionary_length, batch.base, batch.offsets,
              n, back, batch.offsets, lengths) == WARP_OK);
  free(places);
  free(packed);
  free(room);
  free(marks);
  free(back);
  free(lengths);
  free(exact);
  free_batch(&batch);
}

void drive_codec(warp_context context, int as_job, uint64_t *state) {
  warp_info info = {.size = sizeof info};
  EXPECT(warp_probe(0, &info) == WARP_OK);
  if (info.capabilities & WARP_CAP_LZ4) pack_batch(context, as_job, WARP_CODEC_LZ4, 0, NULL, 0, state);
  if ((info.capabilities & WARP_CAP_ZSTD) == 0) return;
  uint8_t *first = some_bytes(3000, state), *second = some_bytes(8, state);
  pack_batch(context, as_job, WARP_CODEC_ZSTD, 1, NULL, 0, state);
  for (int32_t turn = 0; turn < 4; turn++)
    pack_batch(context, as_job, WARP_CODEC_ZSTD, turn - 1, turn % 2 == 0 ? first : second,
               turn % 2 == 0 ? 3000 : 8, state);
  free(first);
  free(second);
}

/* ---- contexts ------------------------------------------------------------------------------------ */

static void drive_buffers(warp_context context) {
  static const uint64_t sizes[] = {1, 4096, 4097, 3000000};
  for (int i = 0; i < 4; i++) {
    void *memory = NULL;
    EXPECT(warp_buffer_alloc(context, sizes[i], &memory) == WARP_OK);
    memset(memory, 1, sizes[i]);
    EXPECT(i % 2 == 0 || warp_buffer_free(context, memory) == WARP_OK);
  }
}

static void drive_reads(warp_context context, uint64_t *state) {
  FILE *file = tmpfile();
  EXPECT(file != NULL);
  uint8_t *content = some_bytes(10000, state), *memory = exactly(6000);
  EXPECT(fwrite(content, 1, 10000, file) == 10000 && fflush(file) == 0);
  uint64_t count = 0;
  warp_job job = 0;
  EXPECT(warp_read(context, fileno(file), 5000, memory, 6000, &count, NULL) == WARP_OK);
  EXPECT(count == 5000 && memcmp(memory, content + 5000, 5000) == 0);
  EXPECT(warp_read(context, fileno(file), 1, memory, 6000, &count, &job) == WARP_OK);
  EXPECT(finish_job(context, job) == WARP_OK && count == 6000);
  EXPECT(warp_read(context, 1000000, 0, memory, 6000, &count, &job) == WARP_OK);
  EXPECT(finish_job(context, job) == WARP_EIO && count == 0);
  char text[9];
  EXPECT(warp_last_error(context, text, sizeof text) == WARP_OK && text[8] == 0);
  fclose(file);
  free(content);
  free(memory);
}

/* Begins more jobs than there are slots, cancels some, and polls or leaves them to the closing. */
static void drive_jobs(warp_context context, int must_poll, uint64_t *state, uint8_t *input,
                       uint8_t out[32 * 8]) {
  static const uint64_t offsets[2] = {0, 200000};
  warp_job jobs[8] = {0};
  uint32_t begun = 0, done = 0;
  for (int i = 0; i < 8; i++) {
    const warp_status status =
        warp_blake3(context, 0, NULL, input, offsets, 1, out + 32 * i, &jobs[begun]);
    EXPECT(status == WARP_OK || (status == WARP_EAGAIN && begun >= 4));
    begun += status == WARP_OK;
  }
  EXPECT(warp_cancel(context, jobs[next_word(state) % begun]) == WARP_OK);
  EXPECT(warp_cancel(context, jobs[0] + 1) == WARP_EINVAL);
  while (must_poll && done < begun) {
    warp_job finished[3];
    warp_status statuses[3];
    uint32_t count;
    EXPECT(warp_wait(context, 60000000) == WARP_OK);
    EXPECT(warp_poll(context, finished, statuses, 3, &count) == WARP_OK);
    for (uint32_t i = 0; i < count; i++)
      EXPECT(statuses[i] == WARP_OK || statuses[i] == WARP_ECANCELED);
    done += count;
  }
}

void drive_contexts(uint64_t *state) {
  uint8_t *input = some_bytes(200000, state), *out = exactly(32 * 8);
  for (int round = 0; round < 4; round++) {
    warp_context context;
    EXPECT(warp_context_open(0, (uint32_t)(next_word(state) % 4), 4, &context) == WARP_OK);
    drive_buffers(context);
    drive_reads(context, state);
    drive_jobs(context, 1, state, input, out);
    EXPECT(warp_wait(context, 100) == WARP_EAGAIN);
    drive_jobs(context, 0, state, input, out);
    EXPECT(warp_context_close(context) == WARP_OK);
    EXPECT(warp_context_close(context) == WARP_EINVAL);
  }
  free(input);
  free(out);
}
