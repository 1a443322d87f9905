/**
 * The one error type that users and other actors see, and how it crosses a port.
 *
 * Expected trouble (users, disks, networks, other people's bytes) is a {@link WarpError}.
 * A broken invariant is a bug: it throws a plain `Error`, the actor crashes, the supervisor reports.
 *
 * @module
 */
import { ERROR_CODES, type ErrorCode } from "./error_codes.ts";

export type { ErrorCode };

export type ErrorDetails = Readonly<Record<string, string | number | boolean>>;

export interface WarpErrorOptions {
  /** What to do next, as a command where possible. Default: the code's own hint. */
  hint?: string;
  /** Plain facts for `--json`. Never a secret, never plaintext. */
  details?: ErrorDetails;
  cause?: unknown;
}

/** An expected failure: what happened (message), what to do (hint), and its exit code. */
export class WarpError extends Error {
  override readonly name = "WarpError";
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly details: ErrorDetails;

  constructor(code: ErrorCode, message: string, options: WarpErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint ?? ERROR_CODES[code].hint;
    this.details = options.details ?? {};
  }

  /** The process exit code for this error (spec §1). */
  get exitCode(): number {
    return ERROR_CODES[this.code].exit;
  }
}

/** The form in which an error crosses a port: structured clone drops subclasses and `code`. */
export interface WireError {
  code: ErrorCode;
  message: string;
  hint?: string;
  details?: ErrorDetails;
  stack?: string;
}

export function isWarpError(error: unknown, code?: ErrorCode): error is WarpError {
  return error instanceof WarpError && (code === undefined || error.code === code);
}

/** Turns anything thrown into a plain record. Unknown errors become `E_INTERNAL`. */
export function toWireError(error: unknown): WireError {
  if (error instanceof WarpError) {
    const wire: WireError = { code: error.code, message: error.message, details: error.details };
    if (error.hint !== undefined) wire.hint = error.hint;
    if (error.stack !== undefined) wire.stack = error.stack;
    return wire;
  }
  const known = fromSystemError(error);
  if (known !== undefined) return toWireError(known);
  const wire: WireError = {
    code: "E_INTERNAL",
    message: error instanceof Error ? `${error.name}: ${error.message}` : String(error),
  };
  if (error instanceof Error && error.stack !== undefined) wire.stack = error.stack;
  return wire;
}

export function fromWireError(wire: WireError): WarpError {
  const options: WarpErrorOptions = {};
  if (wire.hint !== undefined) options.hint = wire.hint;
  if (wire.details !== undefined) options.details = wire.details;
  const error = new WarpError(wire.code, wire.message, options);
  if (wire.stack !== undefined) error.stack = wire.stack;
  return error;
}

/** Any thrown value as a `WarpError`: itself, a known system error, or `E_INTERNAL`. */
export function asWarpError(error: unknown): WarpError {
  return error instanceof WarpError ? error : fromWireError(toWireError(error));
}

/** Operating system errors that users cause or can mend. */
export function fromSystemError(error: unknown): WarpError | undefined {
  if (!(error instanceof Error)) return undefined;
  const code = (error as Error & { code?: string }).code;
  const message = error.message;
  const make = (known: ErrorCode) => new WarpError(known, message, { cause: error });
  if (code === "ENOSPC" || /No space left on device|os error 28\b/.test(message)) {
    return make("E_DISK_FULL");
  }
  if (code === "EDQUOT" || /os error 122\b/.test(message)) return make("E_DISK_FULL");
  if (error instanceof Deno.errors.NotFound || code === "ENOENT") return make("E_NOT_FOUND");
  if (error instanceof Deno.errors.AlreadyExists || code === "EEXIST") return make("E_EXISTS");
  if (error instanceof Deno.errors.PermissionDenied || code === "EACCES" || code === "EPERM") {
    return make("E_ACCESS");
  }
  if (error instanceof Deno.errors.BrokenPipe || code === "EPIPE") return make("E_PIPE_CLOSED");
  if (code !== undefined && /^E[A-Z0-9]+$/.test(code) || /\(os error \d+\)/.test(message)) {
    return make("E_IO");
  }
  return undefined;
}

/** Fails with a bug report, not a user error, when `condition` does not hold. */
export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`invariant: ${message}`);
}
