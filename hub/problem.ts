/**
 * Errors as `application/problem+json` (RFC 9457).
 *
 * @module
 */
import type { Context } from "hono";
import { ERROR_CODES, type ErrorCode } from "../actors/base/error_codes.ts";
import { asWarpError, type WarpError } from "../actors/base/errors.ts";

/** What differs from the table, which is for errors of commands: here the client is at fault. */
const STATUS: Partial<Record<ErrorCode, number>> = {
  E_PROTOCOL: 400,
  E_BUSY: 409,
  E_DEADLINE: 408,
  E_KEY_WRONG: 400,
  E_LIMIT: 413,
};

export function statusOf(code: ErrorCode): number {
  return STATUS[code] ?? ERROR_CODES[code].http;
}

export function problem(c: Context, error: unknown): Response {
  const known = asWarpError(error);
  const status = statusOf(known.code);
  return c.body(JSON.stringify(problemBody(known, status)), status as 400, {
    "content-type": "application/problem+json",
    "cache-control": "no-store",
    ...(known.code === "E_RATE" ? { "retry-after": "1" } : {}),
  });
}

function problemBody(error: WarpError, status: number): Record<string, unknown> {
  const isOurs = status >= 500 && error.code === "E_INTERNAL";
  // Paths and the like are nobody's business but of who runs the hub.
  const details = status >= 500 ? {} : error.details;
  return {
    type: "about:blank",
    title: error.code,
    status,
    code: error.code,
    // What went wrong inside is for the log, not for strangers.
    detail: isOurs ? "the hub failed" : error.message,
    ...(error.hint === undefined || isOurs ? {} : { hint: error.hint }),
    ...details,
  };
}
