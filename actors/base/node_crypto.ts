/**
 * `node:crypto`, loaded when it is first needed: that takes 25 ms, which most commands need not pay.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type * as NodeCrypto from "node:crypto";
import process from "node:process";
import type { Bytes } from "./bytes.ts";

export function nodeCrypto(): typeof NodeCrypto {
  return process.getBuiltinModule("node:crypto");
}

/** A view, not a copy: what `node:crypto` takes as DER. */
export function asBuffer(bytes: Bytes): Buffer {
  return Buffer.from(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.byteLength);
}
