// A strict MessagePack decoder for what the archive format uses: nil, booleans, integers, UTF-8
// text, binary, arrays and maps with text keys. Floating point numbers, extensions, integers
// beyond 2^53, repeated map keys and bytes after the value are errors.
// Maps become objects without a prototype; binary values are views of the input.

import { Buffer } from "node:buffer";

const MAX_DEPTH = 32;
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export function decode(bytes) {
  const data = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;

  function take(size) {
    if (size > data.length - at) throw new Error("MessagePack: the value is cut off");
    at += size;
    return data.subarray(at - size, at);
  }

  const unsigned = (size) =>
    size === 8 ? safe(take(8).readBigUInt64BE()) : take(size).readUIntBE(0, size);
  const signed = (size) =>
    size === 8 ? safe(take(8).readBigInt64BE()) : take(size).readIntBE(0, size);

  function safe(big) {
    const number = Number(big);
    if (!Number.isSafeInteger(number)) throw new Error("MessagePack: integer out of range");
    return number;
  }

  function array(length, depth) {
    if (length > data.length - at) throw new Error("MessagePack: the value is cut off");
    return Array.from({ length }, () => value(depth + 1));
  }

  function map(length, depth) {
    const result = Object.create(null);
    for (let i = 0; i < length; i++) {
      const key = value(depth + 1);
      if (typeof key !== "string" || key in result) throw new Error("MessagePack: bad map key");
      result[key] = value(depth + 1);
    }
    return result;
  }

  function value(depth) {
    if (depth > MAX_DEPTH) throw new Error("MessagePack: nested too deeply");
    const tag = take(1)[0];
    if (tag < 0x80) return tag;
    if (tag < 0x90) return map(tag & 15, depth);
    if (tag < 0xa0) return array(tag & 15, depth);
    if (tag < 0xc0) return utf8.decode(take(tag & 31));
    if (tag >= 0xe0) return tag - 256;
    switch (tag) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xc4:
      case 0xc5:
      case 0xc6:
        return take(unsigned(1 << (tag - 0xc4)));
      case 0xcc:
      case 0xcd:
      case 0xce:
      case 0xcf:
        return unsigned(1 << (tag - 0xcc));
      case 0xd0:
      case 0xd1:
      case 0xd2:
      case 0xd3:
        return signed(1 << (tag - 0xd0));
      case 0xd9:
      case 0xda:
      case 0xdb:
        return utf8.decode(take(unsigned(1 << (tag - 0xd9))));
      case 0xdc:
      case 0xdd:
        return array(unsigned(2 << (tag - 0xdc)), depth);
      case 0xde:
      case 0xdf:
        return map(unsigned(2 << (tag - 0xde)), depth);
    }
    throw new Error(`MessagePack: tag 0x${tag.toString(16)} is not used here`);
  }

  const result = value(0);
  if (at !== data.length) throw new Error("MessagePack: bytes after the value");
  return result;
}
