/**
 * Who asks: challenges, tokens, and the proof with every request (docs/crypto.md §5).
 *
 * @module
 */
import { createHmac } from "node:crypto";
import { type Bytes, concat, constantTimeEqual, toHex } from "../actors/base/bytes.ts";
import { WarpError } from "../actors/base/errors.ts";
import { verifySignature } from "../actors/cipher/signature.ts";
import { isSmallOrder } from "../actors/cipher/public_keys.ts";
import { CHALLENGE_BYTES } from "../actors/portal/api.ts";
import { fromBase64Url, toBase64Url } from "../actors/portal/base64url.ts";
import {
  helloMessage,
  loginMessage,
  parseProof,
  requestMessage,
  SKEW_MS_MAX,
} from "../actors/portal/proof.ts";
import { bytesOf, type Hub, numberOf, sha256 } from "./hub.ts";

const CHALLENGE_MS = 60_000;
const CHALLENGE_NONCE_BYTES = 16;
const TOKEN_BYTES = 32;

/** Who a token stands for. */
export interface Principal {
  /** The key that the token is bound to: of a device, or of a link. */
  key: Uint8Array<ArrayBuffer>;
  /** Null: a link. */
  account: Uint8Array<ArrayBuffer> | null;
}

/**
 * A challenge that needs no memory: it carries its own time, and a tag of ours over it and the key.
 *
 *     nonce 16 ‖ expires u64, big-endian ‖ HMAC-SHA256 32
 */
export function makeChallenge(hub: Hub, key: Bytes): Uint8Array<ArrayBuffer> {
  const head = new Uint8Array(CHALLENGE_NONCE_BYTES + 8);
  head.set(hub.clock.random(CHALLENGE_NONCE_BYTES));
  const expires = BigInt(hub.clock.nowMs() + CHALLENGE_MS);
  new DataView(head.buffer).setBigUint64(CHALLENGE_NONCE_BYTES, expires);
  return concat(head, challengeTag(hub, head, key));
}

function challengeTag(hub: Hub, head: Bytes, key: Bytes): Uint8Array {
  return createHmac("sha256", hub.secrets.challengeKey).update(head).update(key).digest();
}

/**
 * A signed challenge for a token, once.
 *
 * @throws {WarpError} E_AUTH
 */
export async function login(
  hub: Hub,
  key: Bytes,
  challenge: Bytes,
  signature: Bytes,
): Promise<{ token: string; expiresMs: number; hello: Uint8Array; principal: Principal }> {
  const nowMs = hub.clock.nowMs();
  const head = challenge.subarray(0, CHALLENGE_NONCE_BYTES + 8);
  const tag = challenge.subarray(head.length);
  const isOurs = challenge.length === CHALLENGE_BYTES &&
    constantTimeEqual(tag, challengeTag(hub, head, key));
  if (!isOurs || isSmallOrder(key)) throw refused("the challenge is not for this key");
  const endsMs = Number(
    new DataView(head.buffer, head.byteOffset).getBigUint64(CHALLENGE_NONCE_BYTES),
  );
  if (endsMs < nowMs) throw refused("the challenge is too old");
  const hubKey = hub.secrets.signer.publicKey;
  if (!verifySignature(key, loginMessage(hubKey, challenge), signature)) {
    throw refused("the signature is wrong");
  }
  const account = await accountOf(hub, key);
  const token = hub.clock.random(TOKEN_BYTES);
  const expiresMs = nowMs + hub.limits.tokenMs;
  const isFirst = await hub.db.transaction(async (sql) => {
    const used = await sql.all(
      `INSERT INTO nonces (nonce, expires_ms) VALUES ($1, $2)
       ON CONFLICT (nonce) DO NOTHING RETURNING nonce`,
      head.slice(0, CHALLENGE_NONCE_BYTES),
      endsMs,
    );
    if (used.length === 0) return false;
    await sql.all(
      "INSERT INTO tokens (hash, key, account, expires_ms) VALUES ($1, $2, $3, $4)",
      sha256(token),
      new Uint8Array(key),
      account,
      expiresMs,
    );
    return true;
  });
  if (!isFirst) throw refused("the challenge was used already");
  const hello = hub.secrets.signer.sign(helloMessage(key, challenge));
  const principal = { key: new Uint8Array(key), account };
  return { token: toBase64Url(token), expiresMs, hello, principal };
}

/** The account of a device, or itself; null for the key of a link. @throws {WarpError} E_AUTH for any other key */
async function accountOf(hub: Hub, key: Bytes): Promise<Uint8Array<ArrayBuffer> | null> {
  const own = new Uint8Array(key);
  const [device] = await hub.db.all(
    "SELECT account, retired_ms FROM devices WHERE device = $1",
    own,
  );
  if (device !== undefined) {
    if (device["retired_ms"] !== null) throw refused("this device was retired");
    return bytesOf(device["account"]);
  }
  // With the words at hand, an account speaks for itself: to bring back a device, or its portals.
  const [account] = await hub.db.all("SELECT account FROM accounts WHERE account = $1", own);
  if (account !== undefined) return own;
  const [link] = await hub.db.all(
    "SELECT grantee FROM grants WHERE grantee = $1 AND kind = 1 AND revoked_ms IS NULL",
    own,
  );
  if (link === undefined) throw refused("the key is not known here");
  return null;
}

/** What of a request its proof covers. */
export interface SignedRequest {
  method: string;
  /** Path and query. */
  target: string;
  authorization: string | undefined;
  proof: string | undefined;
  /** The body, or empty where it is streamed; read when the token is known to be good. */
  body: () => Promise<Bytes>;
}

/**
 * Who made a request.
 *
 * @throws {WarpError} E_AUTH, E_CLOCK
 */
export async function authenticate(hub: Hub, request: SignedRequest): Promise<Principal> {
  const match = /^Portal ([\w-]{43})$/.exec(request.authorization ?? "");
  if (match === null) throw refused("the request carries no token");
  const tokenHash = sha256(fromBase64Url(match[1]!, TOKEN_BYTES));
  const proof = parseProof(request.proof ?? "");
  const nowMs = hub.clock.nowMs();
  const [row] = await hub.db.all(
    `SELECT tokens.key, tokens.account, tokens.expires_ms, devices.retired_ms
     FROM tokens LEFT JOIN devices ON devices.device = tokens.key WHERE tokens.hash = $1`,
    tokenHash,
  );
  if (row === undefined || numberOf(row["expires_ms"]) <= nowMs) throw refused("the token is over");
  if (typeof row["retired_ms"] === "number") throw refused("this device was retired");
  const key = bytesOf(row["key"]);
  const message = requestMessage({
    tokenHash,
    timeMs: proof.timeMs,
    nonce: proof.nonce,
    bodyHash: sha256(await request.body()),
    method: request.method,
    target: request.target,
  });
  if (!verifySignature(key, message, proof.signature)) throw refused("the proof is wrong");
  if (Math.abs(proof.timeMs - nowMs) > SKEW_MS_MAX) {
    throw new WarpError("E_CLOCK", "the clocks of hub and client are too far apart", {
      details: { hubTimeMs: nowMs },
    });
  }
  if (request.method !== "GET" && request.method !== "HEAD") {
    const seen = await hub.db.all(
      `INSERT INTO nonces (nonce, expires_ms) VALUES ($1, $2)
       ON CONFLICT (nonce) DO NOTHING RETURNING nonce`,
      concat(key, proof.nonce),
      nowMs + 2 * SKEW_MS_MAX,
    );
    if (seen.length === 0) throw refused("the request was made already");
  }
  return { key, account: row["account"] === null ? null : bytesOf(row["account"]) };
}

/** Whose bucket of requests a principal's are taken from. */
export function rateKey({ key }: Principal): string {
  return toHex(key);
}

function refused(why: string): WarpError {
  return new WarpError("E_AUTH", why);
}
