/**
 * Bytes in JSON and in addresses: base64url without padding (RFC 4648 §5).
 *
 * @module
 */
import { base64urlnopad } from "@scure/base";
import type { Bytes } from "../base/bytes.ts";
import { WarpError } from "../base/errors.ts";

export function toBase64Url(bytes: Bytes): string {
  return base64urlnopad.encode(new Uint8Array(bytes));
}

/** @throws {WarpError} E_PROTOCOL when `text` is not the one encoding of `length` bytes (of any number, without it) */
export function fromBase64Url(text: string, length?: number): Uint8Array<ArrayBuffer> {
  let bytes: Uint8Array | undefined;
  try {
    bytes = base64urlnopad.decode(text);
  } catch {
    // Said below.
  }
  if (bytes === undefined || (length !== undefined && bytes.length !== length)) {
    throw new WarpError("E_PROTOCOL", "not base64url of the right length");
  }
  return new Uint8Array(bytes);
}
