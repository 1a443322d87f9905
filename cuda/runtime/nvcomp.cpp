#include "nvcomp.h"

#include <dlfcn.h>

#include <cstdio>
#include <cstring>

namespace warp {
namespace {

constexpr const char *NAMES[] = {"libnvcomp.so.5", "libnvcomp.so.4", "libnvcomp.so"};

/* Loaded once and kept: unloading a library with threads of its own is not safe. */
bool is_present() {
  static const bool is_found = [] {
    for (const char *name : NAMES) {
      if (dlopen(name, RTLD_LAZY | RTLD_LOCAL) != nullptr) return true;
    }
    return false;
  }();
  return is_found;
}

}  // namespace

void nvcomp_note(char *detail, size_t capacity) {
  const size_t used = strlen(detail);
  if (is_present()) snprintf(detail + used, capacity - used, ", nvCOMP present");
}

}  // namespace warp
