/* Reading and writing small files in one call each (Linux). Not part of the kernel interface: kernels/native/files.ts
 * is its only caller. */
#ifndef WARP_FILES_H
#define WARP_FILES_H
#include <stdint.h>

#include "../../cuda/warp_kernels.h"

/* Not a regular file, with holes, or longer than the buffer: to be read by other means. */
#define WARP_FILE_OTHER (-100000)
#define WARP_FILE_HAS_XATTRS 1u
/* Its size, modification or change time moved while it was read. */
#define WARP_FILE_CHANGED 2u

/* Reads the whole of `name` (zero-terminated, in directory `dir`; symbolic links are not followed) into
 * `buffer`; returns its length, WARP_FILE_OTHER, or a negative errno. `statx_out` receives the 256
 * bytes of struct statx at opening, unless the file could not be opened. */
WARP_EXPORT int64_t warp_file_take(int32_t dir, const char *name, uint8_t *buffer,
                                   uint64_t capacity, void *statx_out, uint32_t *flags);

#define WARP_FILE_CHOWN 1u
#define WARP_FILE_REPLACE 2u

struct warp_new_file {
  uint64_t length;
  int64_t mtime_s;
  uint32_t mtime_ns, mode, uid, gid;
  uint32_t flags; /* WARP_FILE_CHOWN, WARP_FILE_REPLACE */
  uint32_t reserved;
};

/* Makes a regular file in directory `dir`: under the name `temporary` first, with mode 0600, then with
 * content, owner, mode and time, then renamed to `name`. 0, or a negative errno; then there is neither. */
WARP_EXPORT int32_t warp_file_put(int32_t dir, const char *temporary, const char *name,
                                  const struct warp_new_file *file, const uint8_t *data);

/* One of many: where its names begin among `names`, each zero-terminated, and its content in `data`. */
struct warp_put {
  struct warp_new_file file;
  uint64_t start;
  int32_t dir;
  uint32_t temporary, name;
  uint32_t reserved;
};

/* warp_file_put for each, in order; `results` has what each returned. */
WARP_EXPORT void warp_files_put(const struct warp_put *puts, uint32_t count, const char *names,
                                const uint8_t *data, int32_t *results);
#endif
