/**
 * Keys of devices as text: 32 bytes in hex or base64url. Policies keep the latter.
 *
 * @module
 */
import { base64urlnopad } from "@scure/base";
import { fromHex } from "../../base/bytes.ts";

/** 43 characters of base64url; undefined for what is no key. */
export function normalDeviceKey(text: string): string | undefined {
  if (/^[0-9a-fA-F]{64}$/.test(text)) return base64urlnopad.encode(fromHex(text));
  if (!/^[A-Za-z0-9_-]{43}$/.test(text)) return undefined;
  try {
    // Bits beyond the 32 bytes must be zero, or one key could be written in several ways.
    base64urlnopad.decode(text);
    return text;
  } catch {
    return undefined;
  }
}
