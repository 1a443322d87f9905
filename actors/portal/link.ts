/**
 * Links: `http(s)://HUB/p/PORTAL#SECRET`. The secret stands in the fragment, which browsers do not send
 * (docs/crypto.md §4).
 *
 * @module
 */
import { type Bytes, concat, utf8 } from "../base/bytes.ts";
import { WarpError } from "../base/errors.ts";
import { fromBase64Url, toBase64Url } from "./base64url.ts";
import { ageIdentity, hkdf } from "./wrap.ts";
import { ID_BYTES } from "./records.ts";

const SECRET_BYTES = 16;
const PASSWORD_FLAG = 1;
export const LINK_ARGON2 = { memoryKiB: 64 * 1024, passes: 3, lanes: 1 } as const;

export interface PortalLink {
  /** `http(s)://HOST[:PORT]`, without a slash at the end. */
  hub: string;
  portal: Uint8Array<ArrayBuffer>;
  secret: LinkSecret;
}

export interface LinkSecret {
  needsPassword: boolean;
  bytes: Uint8Array<ArrayBuffer>;
}

/** The keys that a link's secret stands for; the caller wipes them. */
export interface LinkKeys {
  authSeed: Uint8Array<ArrayBuffer>;
  /** `AGE-SECRET-KEY-1…` */
  identity: string;
}

/** Argon2id over password and salt: 32 bytes. */
export type PasswordHash = (password: Bytes, salt: Bytes) => Promise<Bytes>;

export function formatLink({ hub, portal, secret }: PortalLink): string {
  return `${hub}/p/${toBase64Url(portal)}#${formatSecret(secret)}`;
}

export function formatSecret({ needsPassword, bytes }: LinkSecret): string {
  return toBase64Url(concat(Uint8Array.of(needsPassword ? PASSWORD_FLAG : 0), bytes));
}

/** Whether `text` looks like a link, rather than an id or a name. */
export function looksLikeLink(text: string): boolean {
  return /^https?:\/\//i.test(text);
}

/** @throws {WarpError} E_USAGE; no message repeats the secret */
export function parseLink(text: string): PortalLink {
  const match = /^(https?:\/\/[^/?#\s@]{1,255})\/p\/([\w-]{22})\/?#([\w-]{23})$/.exec(text.trim());
  if (match === null) {
    throw new WarpError("E_USAGE", "not a portal link", {
      hint: "it looks like https://HUB/p/ID#SECRET; quote it, for shells take # as a comment",
    });
  }
  try {
    const portal = fromBase64Url(match[2]!, ID_BYTES);
    return { hub: match[1]!, portal, secret: parseSecret(match[3]!) };
  } catch (cause) {
    throw new WarpError("E_USAGE", "the link is damaged: copy it again, whole", { cause });
  }
}

/** @throws {WarpError} E_PROTOCOL */
export function parseSecret(text: string): LinkSecret {
  const bytes = fromBase64Url(text, 1 + SECRET_BYTES);
  if (bytes[0]! > PASSWORD_FLAG) {
    throw new WarpError("E_PROTOCOL", "a link of a later version", { hint: "update warp" });
  }
  return { needsPassword: bytes[0] === PASSWORD_FLAG, bytes: bytes.slice(1) };
}

/** @throws {WarpError} E_KEY_NEEDED when there is a password to the link and none is given */
export async function linkKeys(
  secret: LinkSecret,
  password: Bytes | undefined,
  hash: PasswordHash,
): Promise<LinkKeys> {
  let root: Bytes = secret.bytes;
  if (secret.needsPassword) {
    if (password === undefined) {
      throw new WarpError("E_KEY_NEEDED", "the link has a password", {
        hint: "pass --password-file FILE",
      });
    }
    const hashed = await hash(password, secret.bytes);
    root = hkdf(concat(secret.bytes, hashed), utf8("portal/link/password/v1"), 32);
    hashed.fill(0);
  }
  const identitySeed = hkdf(root, utf8("portal/link/encryption/v1"), 32);
  const keys = {
    authSeed: hkdf(root, utf8("portal/link/auth/v1"), 32),
    identity: ageIdentity(identitySeed),
  };
  identitySeed.fill(0);
  return keys;
}
