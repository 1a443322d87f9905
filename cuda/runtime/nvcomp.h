/* nvCOMP, NVIDIA's compression library, which may be installed beside the driver. */
#ifndef WARP_RUNTIME_NVCOMP_H
#define WARP_RUNTIME_NVCOMP_H
#include <cstddef>

namespace warp {

/* Appends ", nvCOMP present" to a zero-terminated text when libnvcomp can be loaded. */
void nvcomp_note(char *detail, size_t capacity);

}  // namespace warp
#endif
