/* All schedulers of the process, by handle. */
#ifndef WARP_RUNTIME_SCHEDULERS_H
#define WARP_RUNTIME_SCHEDULERS_H
#include "scheduler.h"

namespace warp {

warp_status enter_scheduler(std::shared_ptr<Scheduler> scheduler, warp_scheduler *handle);
/* Null for a stale handle. */
std::shared_ptr<Scheduler> find_scheduler(warp_scheduler handle);
/* The handle is stale from now on. False when it already was. */
bool remove_scheduler(warp_scheduler handle);
/* Ends the schedulers of a context, each when its call is over. */
void close_schedulers(warp_context owner);

}  // namespace warp
#endif
