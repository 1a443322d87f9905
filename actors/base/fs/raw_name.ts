/**
 * File names as strings of bytes: one code unit (0-255) per byte, whatever the encoding. They sort,
 * compare and serve as map keys like the bytes themselves, and cost less than byte arrays.
 *
 * @module
 */
import type { Bytes } from "../bytes.ts";

/** One code unit per byte. */
export type RawName = string;

const PIECE = 8192;
const encoder = new TextEncoder();
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const lossy = new TextDecoder("utf-8", { ignoreBOM: true });

export function rawFromBytes(bytes: Bytes): RawName {
  if (bytes.length <= PIECE) return String.fromCharCode.apply(null, bytes as unknown as number[]);
  let text = "";
  for (let at = 0; at < bytes.length; at += PIECE) {
    text += String.fromCharCode.apply(
      null,
      bytes.subarray(at, at + PIECE) as unknown as number[],
    );
  }
  return text;
}

/** Writes the bytes of `name` at `offset`; the caller has made sure that they fit. */
export function writeRaw(name: RawName, out: Bytes, offset: number): void {
  for (let i = 0; i < name.length; i++) out[offset + i] = name.charCodeAt(i);
}

export function bytesFromRaw(name: RawName): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(name.length);
  writeRaw(name, out, 0);
  return out;
}

export function rawFromText(text: string): RawName {
  return isAscii(text) ? text : rawFromBytes(encoder.encode(text));
}

/** The text of `name`, or undefined when it is not UTF-8. */
export function textFromRaw(name: RawName): string | undefined {
  if (isAscii(name)) return name;
  try {
    return strict.decode(bytesFromRaw(name));
  } catch {
    return undefined;
  }
}

/** For messages: bytes that are not UTF-8 show as U+FFFD. */
export function showRaw(name: RawName): string {
  return isAscii(name) ? name : lossy.decode(bytesFromRaw(name));
}

export function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0x7f) return false;
  return true;
}
