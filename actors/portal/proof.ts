/**
 * What client and hub sign for each other (docs/crypto.md §5): the login, the hub's answer, and a proof with
 * every request, so that a token alone is worth nothing.
 *
 * @module
 */
import { type Bytes, concat, utf8 } from "../base/bytes.ts";
import { WarpError } from "../base/errors.ts";
import { fromBase64Url, toBase64Url } from "./base64url.ts";

export const PROOF_NONCE_BYTES = 12;
/** How far clocks may be apart. */
export const SKEW_MS_MAX = 120_000;

/** What a client signs to get a token; only this hub can use it. */
export function loginMessage(hubKey: Bytes, challenge: Bytes): Uint8Array<ArrayBuffer> {
  return concat(utf8("portal/login/v1\0"), hubKey, challenge);
}

/** What the hub signs beside the token. */
export function helloMessage(clientKey: Bytes, challenge: Bytes): Uint8Array<ArrayBuffer> {
  return concat(utf8("portal/hello/v1\0"), clientKey, challenge);
}

export interface ProofParts {
  /** SHA-256 of the token. */
  tokenHash: Bytes;
  timeMs: number;
  nonce: Bytes;
  /** SHA-256 of the body; of nothing where the body is streamed. */
  bodyHash: Bytes;
  method: string;
  /** Path and query, as sent. */
  target: string;
}

export function requestMessage(parts: ProofParts): Uint8Array<ArrayBuffer> {
  const time = new Uint8Array(8);
  new DataView(time.buffer).setBigUint64(0, BigInt(parts.timeMs), true);
  return concat(
    utf8("portal/request/v1\0"),
    parts.tokenHash,
    time,
    parts.nonce,
    parts.bodyHash,
    utf8(`${parts.method} ${parts.target}`),
  );
}

/** `TIME.NONCE.SIGNATURE`: the header `Portal-Proof`. */
export function formatProof(timeMs: number, nonce: Bytes, signature: Bytes): string {
  return `${timeMs}.${toBase64Url(nonce)}.${toBase64Url(signature)}`;
}

/** @throws {WarpError} E_AUTH */
export function parseProof(text: string): {
  timeMs: number;
  nonce: Uint8Array<ArrayBuffer>;
  signature: Uint8Array<ArrayBuffer>;
} {
  const match = /^(\d{1,15})\.([\w-]{16})\.([\w-]{86})$/.exec(text);
  if (match === null) throw new WarpError("E_AUTH", "the request carries no proof");
  return {
    timeMs: Number(match[1]),
    nonce: fromBase64Url(match[2]!, PROOF_NONCE_BYTES),
    signature: fromBase64Url(match[3]!, 64),
  };
}
