/* What this library and this CPU can do. */
#define _GNU_SOURCE
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "aead.h"
#include "codec.h"
#include "dispatch.h"
#include "pool.h"

static const char *isa_name(void) {
  static const char *const names[] = {"scalar", "128-bit", "AVX2", "AVX-512"};
  return names[warp_isa()];
}

static void cpu_name(char *out, size_t capacity) {
  snprintf(out, capacity, "CPU");
  FILE *file = fopen("/proc/cpuinfo", "re");
  if (file == NULL) return;
  char line[256];
  while (fgets(line, sizeof line, file) != NULL) {
    const char *colon = strchr(line, ':');
    if (strncmp(line, "model name", 10) != 0 || colon == NULL) continue;
    snprintf(out, capacity, "%.*s", (int)strcspn(colon + 2, "\n"), colon + 2);
    break;
  }
  fclose(file);
}

/* Appends ", libx 1.2.3" for version 10203. */
static void add_library(char *out, size_t capacity, const char *title, int version) {
  const size_t used = strlen(out);
  if (version != 0)
    snprintf(out + used, capacity - used, ", %s %d.%d.%d", title, version / 10000,
             version / 100 % 100, version % 100);
}

static void describe(char *out, size_t capacity) {
  snprintf(out, capacity, "%s, %s", isa_name(), aead_engine());
  add_library(out, capacity, "libzstd", zstd_version());
  add_library(out, capacity, "liblz4", lz4_version());
}

/* Callers compiled with another header have a shorter or longer struct. */
static void give(const warp_info *info, warp_info *to) {
  const uint32_t size = to->size;
  memcpy(to, info, size < sizeof *info ? size : sizeof *info);
  to->size = size;
}

warp_status warp_probe(uint32_t index, warp_info *to) {
  if (to == NULL || to->size < offsetof(warp_info, name)) return WARP_EINVAL;
  if (index != 0) return WARP_ENODEV;
  warp_info info = {.backend = WARP_BACKEND_CPU,
                    .capabilities = WARP_CAP_BOUNDARY | WARP_CAP_BLAKE3 | WARP_CAP_AEAD |
                                    WARP_CAP_ENTROPY | WARP_CAP_FUSED | WARP_CAP_SCHEDULER};
  if (lz4_version() != 0) info.capabilities |= WARP_CAP_LZ4;
  if (zstd_version() != 0) info.capabilities |= WARP_CAP_ZSTD;
  info.units = warp_pool_width();
  info.memory_bytes = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
  info.batch_bytes_max = UINT32_MAX;
  cpu_name(info.name, sizeof info.name);
  describe(info.detail, sizeof info.detail);
  give(&info, to);
  return WARP_OK;
}
