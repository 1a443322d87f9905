/**
 * Account ids as text: `portal1…`, bech32 of the account's public signing key (docs/portal.md §1).
 *
 * @module
 */
import { bech32 } from "@scure/base";
import type { Bytes } from "../base/bytes.ts";
import { invariant, WarpError } from "../base/errors.ts";
import { isSmallOrder } from "../cipher/public_keys.ts";
import { KEY_BYTES } from "./records.ts";

const PREFIX = "portal";
/** An id has 65 characters; more is not looked at. */
const CHARACTERS_MAX = 128;

/** 32 bytes → `portal1…`. */
export function formatAccount(account: Bytes): string {
  invariant(account.length === KEY_BYTES, "an account's key is 32 bytes");
  return bech32.encodeFromBytes(PREFIX, new Uint8Array(account));
}

/** `portal1…` → 32 bytes. @throws {WarpError} E_USAGE */
export function parseAccount(text: string): Uint8Array<ArrayBuffer> {
  const decoded = text.length > CHARACTERS_MAX ? undefined : bech32.decodeUnsafe(text);
  const bytes = decoded === undefined ? undefined : bech32.fromWordsUnsafe(decoded.words);
  if (
    decoded?.prefix !== PREFIX || !(bytes instanceof Uint8Array) ||
    bytes.length !== KEY_BYTES || isSmallOrder(bytes)
  ) {
    throw new WarpError("E_USAGE", `"${text.slice(0, 80)}" is not an account`, {
      hint: "it looks like portal1…; `warp key show` prints yours",
    });
  }
  return new Uint8Array(bytes);
}
