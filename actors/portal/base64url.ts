/**
 * Bytes in JSON and in addresses: base64url without padding (RFC 4648 §5).
 *
 * @module
 */
import { base64urlnopad } from "@scure/base";
import type { Bytes } from "../base/bytes.ts";
import { WarpError } from "../base/errors.ts";

/** Browsers before 2025 lack the engine's own, which is three times as fast. */
const IS_NATIVE = "toBase64" in Uint8Array.prototype && "fromBase64" in Uint8Array;

export function toBase64Url(bytes: Bytes): string {
  if (IS_NATIVE) return bytes.toBase64({ alphabet: "base64url", omitPadding: true });
  return base64urlnopad.encode(new Uint8Array(bytes));
}

/** @throws {WarpError} E_PROTOCOL when `text` is not the one encoding of `length` bytes (of any number, without it) */
export function fromBase64Url(text: string, length?: number): Uint8Array<ArrayBuffer> {
  let bytes: Uint8Array | undefined;
  try {
    bytes = IS_NATIVE ? decodeStrictly(text) : base64urlnopad.decode(text);
  } catch {
    // Said below.
  }
  if (bytes === undefined || (length !== undefined && bytes.length !== length)) {
    throw new WarpError("E_PROTOCOL", "not base64url of the right length");
  }
  return bytes as Uint8Array<ArrayBuffer>;
}

/** No white space, no padding, no bits beyond the end: one text for the same bytes. */
function decodeStrictly(text: string): Uint8Array | undefined {
  if (!/^[\w-]*$/.test(text)) return undefined;
  const padded = text + "=".repeat(-text.length & 3);
  return Uint8Array.fromBase64(padded, { alphabet: "base64url", lastChunkHandling: "strict" });
}
