/* What the exported functions share. */
#ifndef WARP_RUNTIME_ABI_H
#define WARP_RUNTIME_ABI_H
#include <new>
#include <system_error>

#include "contexts.h"

namespace warp {

/* No exception leaves the library: memory and threads are what can run out. */
template <class F>
warp_status guarded(F &&f) {
  try {
    return f();
  } catch (const std::bad_alloc &) {
    return WARP_ENOMEM;
  } catch (const std::system_error &) {
    return WARP_ENOMEM;
  } catch (...) {
    return WARP_EDEVICE;
  }
}

/* Runs `make(context)`'s operation as a job, or at once where `job` is null. The arguments are
 * checked by the caller: `is_valid`. */
template <class Make>
warp_status run(warp_context handle, bool is_valid, warp_job *job, Make &&make) {
  return guarded([&] {
    if (job != nullptr) *job = 0;
    const std::shared_ptr<Context> context = find_context(handle);
    if (context == nullptr || !is_valid) return static_cast<warp_status>(WARP_EINVAL);
    auto one = std::make_unique<Job>();
    one->operation = make(*context);
    return context->jobs.submit(std::move(one), job);
  });
}

}  // namespace warp
#endif
