/**
 * How the GPU fails: it is not there, or it goes away.
 *
 * @module
 */
import { WarpError } from "../../actors/base/errors.ts";

/** No adapter that may be used. */
export function noAdapter(reason: string): WarpError {
  return new WarpError("E_BACKEND_UNAVAILABLE", `webgpu: ${reason}`, {
    hint: "choose another backend, or see `warp doctor`",
    details: { backend: "webgpu" },
  });
}

/**
 * The device was lost (driver reset, removal) or gave up (out of memory) under a call. Nothing of the
 * call's output is to be used; another backend gives the same bytes.
 */
export class DeviceLostError extends WarpError {
  constructor(reason: string, cause?: unknown) {
    super("E_BACKEND_UNAVAILABLE", `webgpu: the device was lost: ${reason}`, {
      hint: "repeat with another backend",
      details: { backend: "webgpu", isLost: true },
      cause,
    });
  }
}
