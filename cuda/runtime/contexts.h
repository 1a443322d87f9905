/* All contexts of the process, by handle. */
#ifndef WARP_RUNTIME_CONTEXTS_H
#define WARP_RUNTIME_CONTEXTS_H
#include "context.h"

namespace warp {

warp_status open_context(uint32_t device, uint32_t slots, warp_context *handle);
warp_status close_context(warp_context handle);

}  // namespace warp
#endif
