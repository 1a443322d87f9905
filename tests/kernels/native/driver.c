/* `driver THREADS LEAST`: calls every function of the library on awkward sizes, in that many threads at
 * once, with every instruction set from LEAST on.
 * For builds with sanitizers: what it computes is compared only where that costs nothing. */
#include "driver.h"

#include <pthread.h>
#include <stdatomic.h>

#define THREADS_MOST 16

struct batch some_batch(uint64_t n, uint32_t most, uint64_t *state) {
  static const uint32_t awkward[] = {0,   1,   15,   16,   17,   63,   64,   65,
                                     127, 255, 1023, 1024, 1025, 2048, 4096, 65537};
  struct batch batch = {NULL, exactly((n + 1) * sizeof(uint64_t)), n};
  batch.offsets[0] = 0;
  for (uint64_t i = 0; i < n; i++) {
    uint32_t length = (uint32_t)(next_word(state) >> 32);
    length = length % 2 == 0 ? awkward[length / 2 % 16] : length % (most + 1);
    batch.offsets[i + 1] = batch.offsets[i] + (length < most ? length : most);
  }
  batch.base = some_bytes(batch.offsets[n], state);
  return batch;
}

void free_batch(struct batch *batch) {
  free(batch->base);
  free(batch->offsets);
}

warp_status finish_job(warp_context context, warp_job job) {
  warp_job done = 0;
  warp_status status = WARP_OK;
  uint32_t count = 0;
  while (count == 0) {
    EXPECT(warp_wait(context, 60000000) == WARP_OK);
    EXPECT(warp_poll(context, &done, &status, 1, &count) == WARP_OK);
  }
  EXPECT(done == job);
  return status;
}

static void drive(warp_context context, int as_job, uint64_t *state) {
  drive_boundary(context, as_job, state);
  drive_blake3(context, as_job, state);
  drive_seal(context, as_job, state);
  drive_codec(context, as_job, state);
  drive_entropy(context, as_job, state);
  drive_fused(context, as_job, state);
}

/* ---- jobs of one context, begun and polled by all threads ----------------------------------------- */

#define JOBS_A_THREAD 24
#define JOB_BYTES 50000

static warp_context shared;
static atomic_uint begun, done;
static const uint8_t zeros[JOB_BYTES];
static uint8_t digests[THREADS_MOST][JOBS_A_THREAD][32];
static uint64_t counts[THREADS_MOST][JOBS_A_THREAD];

/* Takes what is finished, whoever began it. */
static void take_some(void) {
  warp_job jobs[3];
  warp_status statuses[3];
  uint32_t count;
  const warp_status status = warp_wait(shared, 1000);
  EXPECT(status == WARP_OK || status == WARP_EAGAIN);
  EXPECT(warp_poll(shared, jobs, statuses, 3, &count) == WARP_OK);
  for (uint32_t i = 0; i < count; i++) EXPECT(statuses[i] == WARP_OK || statuses[i] == WARP_EIO);
  atomic_fetch_add(&done, count);
}

/* Every third one fails, with a text. */
static warp_status begin_one(unsigned thread, unsigned i) {
  static const uint64_t offsets[3] = {0, 1, JOB_BYTES};
  uint8_t *digest = digests[thread][i];
  warp_job job;
  return i % 3 == 0
             ? warp_read(shared, 1000000, 0, digest, 32, &counts[thread][i], &job)
             : warp_blake3(shared, WARP_BLAKE3_HASH, NULL, zeros, offsets + 1, 1, digest, &job);
}

static void drive_shared_jobs(unsigned thread) {
  for (unsigned i = 0; i < JOBS_A_THREAD; i++) {
    warp_status status;
    while (status = begin_one(thread, i), status == WARP_EAGAIN) take_some();
    EXPECT(status == WARP_OK);
    atomic_fetch_add(&begun, 1);
  }
}

/* ---- threads ------------------------------------------------------------------------------------- */

/* A context of its own for jobs, one that all threads use, and none. */
static void *drive_thread(void *argument) {
  uint64_t state = 0x9e3779b97f4a7c15u * (1 + (uint64_t)(uintptr_t)argument);
  warp_context own;
  EXPECT(warp_context_open(0, 3, 4, &own) == WARP_OK);
  drive(0, 0, &state);
  drive(own, 1, &state);
  drive(shared, 0, &state);
  drive_shared_jobs((unsigned)(uintptr_t)argument);
  drive_scheduler(shared, &state);
  drive_contexts(&state);
  EXPECT(warp_context_close(own) == WARP_OK);
  return NULL;
}

static void drive_threads(unsigned threads) {
  pthread_t thread[THREADS_MOST];
  for (unsigned i = 0; i < threads; i++)
    EXPECT(pthread_create(&thread[i], NULL, drive_thread, (void *)(uintptr_t)i) == 0);
  for (unsigned i = 0; i < threads; i++) EXPECT(pthread_join(thread[i], NULL) == 0);
  while (atomic_load(&done) < atomic_load(&begun)) take_some();
  char text[32];
  EXPECT(warp_last_error(shared, text, sizeof text) == WARP_OK && text[0] != 0);
}

int main(int count, char **arguments) {
  const unsigned threads = count == 3 ? (unsigned)atoi(arguments[1]) : 0;
  if (threads < 1 || threads > THREADS_MOST) return 2;
  EXPECT(warp_abi_version() == (WARP_ABI_MAJOR << 16 | WARP_ABI_MINOR));
  EXPECT(warp_context_open(0, 4, 8, &shared) == WARP_OK);
  int32_t before = -1;
  for (int32_t isa = atoi(arguments[2]); isa <= 3; isa++) {
    const int32_t now = warp_isa_limit(isa);
    if (now == before) continue;
    before = now;
    drive_threads(threads);
    printf("instruction set %d\n", now);
  }
  EXPECT(warp_context_close(shared) == WARP_OK);
  puts("done");
  return 0;
}
