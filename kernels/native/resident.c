/* Keeps the library loaded until the process ends: its threads run in it, and threads that used it run
 * its destructors when they end, whoever closes it before. */
#define _GNU_SOURCE
#include <dlfcn.h>

__attribute__((constructor)) static void stay(void) {
  Dl_info info;
  if (dladdr((void *)stay, &info) != 0 && info.dli_fname != 0)
    (void)dlopen(info.dli_fname, RTLD_NOW | RTLD_NODELETE);
}
