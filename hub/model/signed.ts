/**
 * Records that come with requests: signed by the key that asks, and about what the request is about.
 *
 * @module
 */
import type { Bytes } from "../../actors/base/bytes.ts";
import { WarpError } from "../../actors/base/errors.ts";
import { verifySignature } from "../../actors/cipher/signature.ts";
import {
  isSignedBy,
  readRecord,
  type RecordKind,
  type Records,
  type Signed,
} from "../../actors/portal/records.ts";

/** How far a record's time may be from the hub's. */
const RECORD_SKEW_MS = 10 * 60_000;

/**
 * @param key who must have signed it
 * @throws {WarpError} E_SIGNATURE, E_PROTOCOL, E_CLOCK
 */
export function openSigned<Kind extends RecordKind>(
  kind: Kind,
  signed: Signed,
  key: Bytes,
): Records[Kind] {
  if (!isSignedBy(signed, key, verifySignature)) {
    throw new WarpError("E_SIGNATURE", `the signature of the ${kind} record is wrong`);
  }
  return readRecord(kind, signed);
}

/** A record made now, not kept back from another time. @throws {WarpError} E_CLOCK */
export function requireFresh(atMs: number, nowMs: number): void {
  if (Math.abs(atMs - nowMs) > RECORD_SKEW_MS) {
    throw new WarpError("E_CLOCK", "the record was made at another time", {
      details: { hubTimeMs: nowMs },
    });
  }
}

/** @throws {WarpError} E_PROTOCOL */
export function requireSame(what: string, a: Bytes, b: Bytes): void {
  const isSame = a.length === b.length && a.every((byte, i) => byte === b[i]);
  if (!isSame) throw new WarpError("E_PROTOCOL", `the record is about another ${what}`);
}
