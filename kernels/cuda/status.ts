/**
 * Status codes of warp_kernels.h and what they mean to a caller in TypeScript.
 *
 * @module
 */
import { type ErrorCode, WarpError } from "../../actors/base/errors.ts";

export const OK = 0;
export const EAGAIN = -1;
export const EINVAL = -2;
export const ENOMEM = -3;
export const ENODEV = -4;
export const ENOTSUP = -5;
export const EAUTH = -6;
export const ENOSPC = -7;
export const EDEVICE = -8;
export const EIO = -9;
export const ECANCELED = -10;
export const EDATA = -11;

const CODES: Readonly<Record<number, readonly [ErrorCode, string]>> = {
  [EAGAIN]: ["E_BUSY", "all job slots are taken"],
  [ENOMEM]: ["E_LIMIT", "not enough memory on the device"],
  [ENODEV]: ["E_BACKEND_UNAVAILABLE", "no device"],
  [ENOTSUP]: ["E_BACKEND_UNAVAILABLE", "not in this library"],
  [ENOSPC]: ["E_LIMIT", "the output is too small"],
  [EDEVICE]: ["E_BACKEND_UNAVAILABLE", "the device failed"],
  [EIO]: ["E_IO", "reading a file failed"],
  [ECANCELED]: ["E_CANCELLED", "cancelled"],
};

/**
 * Throws unless `status` says that the call did its work: OK, or EAUTH or EDATA, which are about single
 * items. `detail` is asked for the library's own words where there is a failure.
 *
 * @throws {WarpError} with the code of the failure. WARP_EINVAL is a bug and throws a plain Error.
 */
export function checkStatus(status: number, call: string, detail?: () => string): void {
  if (status === OK || status === EAUTH || status === EDATA) return;
  const known = CODES[status];
  if (known === undefined) throw new Error(`invariant: ${call} gave ${status}`);
  const words = detail?.() ?? "";
  const message = `${call}: ${known[1]}${words === "" ? "" : ` (${words})`}`;
  throw new WarpError(known[0], message, { details: { status } });
}
