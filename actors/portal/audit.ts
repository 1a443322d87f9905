/**
 * The audit log, checked: each entry names the hash of the one before, and the hub has signed the last.
 *
 *     hash = SHA-256("portal/audit/v1" ‖ 0x00 ‖ text)
 *
 * @module
 */
import { sha256 } from "@noble/hashes/sha2.js";
import { type Bytes, concat, equal, toHex, utf8 } from "../base/bytes.ts";
import { fromBase64Url } from "./base64url.ts";
import type { Verify } from "./records.ts";

export interface AuditEntry {
  /** JSON with `entry` (from 1) and `before` (the hash of the entry before, hex; empty for the first). */
  text: string;
  hash: string;
}

/** What is wrong with a log; undefined: nothing. */
export function auditProblem(
  entries: readonly AuditEntry[],
  head: { hash: string; signature: string },
  hubKey: Bytes,
  verify: Verify,
): string | undefined {
  let before = "";
  let hash: Bytes = new Uint8Array(32);
  for (const [i, { text, hash: told }] of entries.entries()) {
    hash = auditHash(text);
    if (!equal(hash, fromBase64Url(told))) return `entry ${i + 1} of the log was changed`;
    const entry = fieldsOf(text);
    if (entry?.["entry"] !== i + 1 || entry["before"] !== before) {
      return `the log has a gap before entry ${i + 1}`;
    }
    before = toHex(hash);
  }
  if (!equal(hash, fromBase64Url(head.hash))) return "the end of the log is missing";
  return verify(hubKey, hash, fromBase64Url(head.signature))
    ? undefined
    : "the hub has not signed the log";
}

/** An entry's fields; undefined for what is none. */
export function fieldsOf(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    const isFit = typeof value === "object" && value !== null && !Array.isArray(value);
    return isFit ? value as Record<string, unknown> : undefined;
  } catch {
    return undefined;
  }
}

export function auditHash(text: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(sha256(concat(utf8("portal/audit/v1\0"), utf8(text))));
}
