/* One call for all that is done to a small file when it is read, and when it is written. Through libc
 * one by one these calls cost more than the work they do. Linux only. */
#if defined(__linux__)
#define _GNU_SOURCE
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

static int describe(int fd, struct statx *out) {
  return statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, out);
}

static int is_same_moment(const struct statx_timestamp *a, const struct statx_timestamp *b) {
  return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static int is_unchanged(const struct statx *a, const struct statx *b) {
  return a->stx_size == b->stx_size && is_same_moment(&a->stx_mtime, &b->stx_mtime) &&
         is_same_moment(&a->stx_ctime, &b->stx_ctime);
}

/* Bytes read, up to `length`; negative errno. */
static int64_t read_fully(int fd, uint8_t *buffer, uint64_t length) {
  uint64_t done = 0;
  while (done < length) {
    const ssize_t count = pread(fd, buffer + done, length - done, (off_t)done);
    if (count == 0) break;
    if (count > 0)
      done += (uint64_t)count;
    else if (errno != EINTR)
      return -(int64_t)errno;
  }
  return (int64_t)done;
}

static int64_t take_open(int fd, uint8_t *buffer, uint64_t capacity, struct statx *about,
                         uint32_t *flags) {
  struct statx after;
  if (describe(fd, about) != 0) return -(int64_t)errno;
  if (!S_ISREG(about->stx_mode) || about->stx_size > capacity) return WARP_FILE_OTHER;
  /* Holes are found by another way. */
  if (about->stx_blocks * 512 < about->stx_size) return WARP_FILE_OTHER;
  *flags = flistxattr(fd, NULL, 0) > 0 ? WARP_FILE_HAS_XATTRS : 0;
  const int64_t length = read_fully(fd, buffer, about->stx_size);
  if (length < 0) return length;
  if (describe(fd, &after) != 0) return -(int64_t)errno;
  if ((uint64_t)length != about->stx_size || !is_unchanged(about, &after))
    *flags |= WARP_FILE_CHANGED;
  return length;
}

int64_t warp_file_take(int32_t dir, const char *name, uint8_t *buffer, uint64_t capacity,
                       void *statx_out, uint32_t *flags) {
  int fd;
  do fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  while (fd < 0 && errno == EINTR);
  if (fd < 0) return -(int64_t)errno;
  struct statx about;
  const int64_t result = take_open(fd, buffer, capacity, &about, flags);
  close(fd);
  memcpy(statx_out, &about, sizeof about);
  return result;
}

static int write_fully(int fd, const uint8_t *data, uint64_t length) {
  while (length > 0) {
    const ssize_t count = write(fd, data, length);
    if (count > 0) {
      data += count;
      length -= (uint64_t)count;
    } else if (errno != EINTR) {
      return -1;
    }
  }
  return 0;
}

static int fill_new(int fd, const struct warp_new_file *file, const uint8_t *data) {
  const struct timespec times[2] = {{0, UTIME_OMIT}, {file->mtime_s, file->mtime_ns}};
  if (write_fully(fd, data, file->length) != 0) return -1;
  if ((file->flags & WARP_FILE_CHOWN) && fchown(fd, file->uid, file->gid) != 0) return -1;
  if (fchmod(fd, file->mode) != 0) return -1;
  return futimens(fd, times);
}

int32_t warp_file_put(int32_t dir, const char *temporary, const char *name,
                      const struct warp_new_file *file, const uint8_t *data) {
  const int fd = openat(dir, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0) return -errno;
  int error = fill_new(fd, file, data) == 0 ? 0 : errno;
  close(fd);
  if (error == 0) {
    const unsigned flags = (file->flags & WARP_FILE_REPLACE) ? 0 : RENAME_NOREPLACE;
    if (renameat2(dir, temporary, dir, name, flags) != 0) error = errno;
  }
  if (error != 0) unlinkat(dir, temporary, 0);
  return -error;
}

void warp_files_put(const struct warp_put *puts, uint32_t count, const char *names,
                    const uint8_t *data, int32_t *results) {
  for (uint32_t i = 0; i < count; i++) {
    const struct warp_put *p = &puts[i];
    results[i] =
        warp_file_put(p->dir, names + p->temporary, names + p->name, &p->file, data + p->start);
  }
}
#endif
