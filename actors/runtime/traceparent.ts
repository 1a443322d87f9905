/**
 * W3C traceparent (https://www.w3.org/TR/trace-context/): one id from the command to every message.
 *
 * @module
 */

function randomHex(bytes: number): string {
  return crypto.getRandomValues(new Uint8Array(bytes)).toHex();
}

export function newTrace(): string {
  return `00-${randomHex(16)}-${randomHex(8)}-01`;
}

/** Same trace, a span of its own; "" stays "". */
export function childTrace(parent: string): string {
  return parent === "" ? "" : `${parent.slice(0, 36)}${randomHex(8)}-01`;
}
