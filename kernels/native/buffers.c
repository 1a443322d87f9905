/* Memory of a context, and files read into memory. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "context.h"

#if !defined(MAP_ANONYMOUS)
#define MAP_ANONYMOUS MAP_ANON
#endif

#define BYTES_MAX ((uint64_t)1 << 47)

/* ---- buffers ------------------------------------------------------------------------------------- */

static struct buffer *new_buffer(uint64_t bytes) {
  struct buffer *buffer = malloc(sizeof *buffer);
  if (buffer == NULL) return NULL;
  buffer->bytes = bytes;
  buffer->memory =
      mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (buffer->memory != MAP_FAILED) {
#if defined(MADV_HUGEPAGE)
    (void)madvise(buffer->memory, bytes, MADV_HUGEPAGE);
#endif
    return buffer;
  }
  free(buffer);
  return NULL;
}

static void free_buffer(struct buffer *buffer) {
  munmap(buffer->memory, buffer->bytes);
  free(buffer);
}

void warp_free_buffers(struct context *context) {
  while (context->buffers != NULL) {
    struct buffer *buffer = context->buffers;
    context->buffers = buffer->link;
    free_buffer(buffer);
  }
}

warp_status warp_buffer_alloc(warp_context handle, uint64_t bytes, void **memory) {
  if (memory == NULL || bytes == 0) return WARP_EINVAL;
  *memory = NULL;
  struct buffer *buffer = bytes > BYTES_MAX ? NULL : new_buffer(bytes);
  pthread_mutex_lock(&warp_lock);
  struct context *context = warp_find(handle);
  if (context != NULL && buffer != NULL) {
    buffer->link = context->buffers;
    context->buffers = buffer;
    *memory = buffer->memory;
  }
  pthread_mutex_unlock(&warp_lock);
  if (context == NULL && buffer != NULL) free_buffer(buffer);
  return context == NULL ? WARP_EINVAL : buffer == NULL ? WARP_ENOMEM : WARP_OK;
}

/* Any of a job's arguments that could point there counts. One too many keeps memory for longer; every
 * pointer is among them. */
static int uses(const struct job *job, const struct buffer *buffer) {
  const uint64_t start = (uint64_t)(uintptr_t)buffer->memory;
  for (size_t at = 0; at + 8 <= job->size; at += 8) {
    uint64_t word;
    memcpy(&word, job->arguments + at, 8);
    if (word - start < buffer->bytes) return 1;
  }
  return 0;
}

static int is_used(const struct context *context, const struct buffer *buffer) {
  for (uint32_t i = 0; i < context->slots; i++) {
    const struct job *job = &context->jobs[i];
    if ((job->state == QUEUED || job->state == RUNNING) && uses(job, buffer)) return 1;
  }
  return 0;
}

warp_status warp_buffer_free(warp_context handle, void *memory) {
  warp_status status = WARP_EINVAL;
  struct buffer *buffer = NULL;
  pthread_mutex_lock(&warp_lock);
  struct context *context = warp_find(handle);
  struct buffer **place = context == NULL ? NULL : &context->buffers;
  while (place != NULL && *place != NULL && (*place)->memory != memory) place = &(*place)->link;
  if (place != NULL && *place != NULL) {
    status = is_used(context, *place) ? WARP_EAGAIN : WARP_OK;
    if (status == WARP_OK) {
      buffer = *place;
      *place = buffer->link;
    }
  }
  pthread_mutex_unlock(&warp_lock);
  if (buffer != NULL) free_buffer(buffer);
  return status;
}

/* ---- reading ------------------------------------------------------------------------------------- */

struct read_arguments {
  uint64_t offset, length;
  uint8_t *memory;
  uint64_t *count;
  int32_t fd;
};

static warp_status run_read(void *arguments, int is_parallel) {
  (void)is_parallel;
  const struct read_arguments *a = arguments;
  uint64_t done = 0;
  while (done < a->length) {
    const ssize_t count =
        pread(a->fd, a->memory + done, a->length - done, (off_t)(a->offset + done));
    if (count == 0) break;
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      warp_note("pread: errno %d", errno);
      return WARP_EIO;
    }
    done += (uint64_t)count;
  }
  *a->count = done;
  return WARP_OK;
}

warp_status warp_read(warp_context context, int32_t fd, uint64_t offset, void *memory,
                      uint64_t length, uint64_t *count, warp_job *job) {
  if (count == NULL || (memory == NULL && length != 0) || fd < 0) return WARP_EINVAL;
  if (offset > INT64_MAX || length > INT64_MAX - offset) return WARP_EINVAL;
  *count = 0;
  const struct read_arguments a = {offset, length, memory, count, fd};
  return warp_run(context, run_read, &a, sizeof a, job);
}
