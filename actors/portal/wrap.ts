/**
 * Keys of a portal: what is derived from an epoch's key, and how keys come to grantees
 * (docs/crypto.md §3). Runs in browsers too.
 *
 * @module
 */
import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import { hkdf as nobleHkdf } from "@noble/hashes/hkdf.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { bech32 } from "@scure/base";
import { decode, encode } from "@std/msgpack";
import { Decrypter, Encrypter } from "age-encryption";
import { type Bytes, concat, equal, utf8 } from "../base/bytes.ts";
import { WarpError } from "../base/errors.ts";
import { isSoundMessage } from "../base/message_shape.ts";
import { ID_BYTES, KEY_BYTES } from "./records.ts";

const NONCE_BYTES = 12;
const NAME_STEP = 64;
export const NAME_BYTES_MAX = 1024;
const EPOCHS_MAX = 4096;
/** An age file of a few recipients over some epochs. */
export const WRAP_BYTES_MAX = 512 * 1024;
const RECIPIENTS_MAX = 1024;

export function hkdf(key: Bytes, info: Bytes, length: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(
    nobleHkdf(sha256, new Uint8Array(key), undefined, new Uint8Array(info), length),
  );
}

/** 32 bytes as `AGE-SECRET-KEY-1…` (the age format, X25519). */
export function ageIdentity(secret: Bytes): string {
  return bech32.encodeFromBytes("age-secret-key-", new Uint8Array(secret)).toUpperCase();
}

/** The key of a view in one epoch; the whole tree's is the epoch's. */
export function viewKey(epochKey: Bytes, view: Bytes | null): Uint8Array<ArrayBuffer> {
  if (view === null) return new Uint8Array(epochKey);
  return hkdf(epochKey, concat(utf8("portal/view/v1"), view), KEY_BYTES);
}

/** The domain of writers who are not of the owner's account. */
export function writerDomain(epochKey: Bytes): Uint8Array<ArrayBuffer> {
  return hkdf(epochKey, utf8("portal/convergence/v1"), KEY_BYTES);
}

/** @param nonce 12 random bytes. @throws {WarpError} E_LIMIT */
export function sealName(name: string, epochKey: Bytes, portal: Bytes, nonce: Bytes): Bytes {
  const text = utf8(name);
  if (text.length > NAME_BYTES_MAX) throw new WarpError("E_LIMIT", "the text is too long");
  const padded = new Uint8Array(Math.max(1, Math.ceil(text.length / NAME_STEP)) * NAME_STEP);
  padded.set(text);
  const key = hkdf(epochKey, utf8("portal/name/v1"), KEY_BYTES);
  return concat(
    nonce,
    chacha20poly1305(key, new Uint8Array(nonce), new Uint8Array(portal)).encrypt(padded),
  );
}

/** Undefined when it was not sealed with this key for this portal. */
export function openName(sealed: Bytes, epochKey: Bytes, portal: Bytes): string | undefined {
  const key = hkdf(epochKey, utf8("portal/name/v1"), KEY_BYTES);
  try {
    const nonce = new Uint8Array(sealed.subarray(0, NONCE_BYTES));
    const opened = chacha20poly1305(key, nonce, new Uint8Array(portal))
      .decrypt(new Uint8Array(sealed.subarray(NONCE_BYTES)));
    const end = opened.indexOf(0);
    return new TextDecoder("utf-8", { fatal: true })
      .decode(end < 0 ? opened : opened.subarray(0, end));
  } catch {
    return undefined;
  }
}

/** The keys that a wrap brings. */
export interface PortalKeys {
  portal: Bytes;
  grant: Bytes;
  /** The owner's account: whose devices sign, and say who else may. */
  owner: Bytes;
  view: Bytes | null;
  /** Ascending; the view's key of each epoch. */
  epochs: { epoch: number; key: Bytes }[];
}

/** @param recipients `age1…`, at least one */
export async function wrapKeys(keys: PortalKeys, recipients: readonly string[]): Promise<Bytes> {
  if (recipients.length === 0 || recipients.length > RECIPIENTS_MAX) {
    throw new WarpError("E_LIMIT", "a grant needs one to 1024 recipients");
  }
  const encrypter = new Encrypter();
  for (const recipient of recipients) encrypter.addRecipient(recipient);
  const epochs = keys.epochs.map(({ epoch, key }) => [epoch, key]);
  const text = encode(["portal/wrap/v1", keys.portal, keys.grant, keys.owner, keys.view, epochs]);
  const wrapped = await encrypter.encrypt(text);
  text.fill(0);
  return wrapped;
}

/**
 * @param portal which one it must be for: a hub might pass on another's
 * @throws {WarpError} E_KEY_WRONG, E_INTEGRITY
 */
export async function unwrapKeys(
  wrap: Bytes,
  identities: readonly string[],
  portal: Bytes,
): Promise<PortalKeys> {
  const decrypter = new Decrypter();
  for (const identity of identities) decrypter.addIdentity(identity);
  let opened: Uint8Array;
  try {
    if (wrap.length > WRAP_BYTES_MAX) throw new RangeError();
    opened = await decrypter.decrypt(new Uint8Array(wrap));
  } catch {
    throw new WarpError("E_KEY_WRONG", "the keys of this portal are not for this device", {
      hint: "was it enrolled after the grant? the owner's `warp portal grant` brings it in",
    });
  }
  const damaged = () => new WarpError("E_INTEGRITY", "the keys of the portal are damaged");
  if (!isSoundMessage(opened, 6)) throw damaged();
  const value: unknown = decode(opened);
  if (!Array.isArray(value) || value.length !== 6 || value[0] !== "portal/wrap/v1") throw damaged();
  const [, id, grant, owner, view, epochs] = value as unknown[];
  const isId = (one: unknown): one is Uint8Array =>
    one instanceof Uint8Array && one.length === ID_BYTES;
  const isOwner = owner instanceof Uint8Array && owner.length === KEY_BYTES;
  if (!isId(id) || !equal(id, portal) || !isId(grant) || !isOwner) throw damaged();
  if (view !== null && !isId(view)) throw damaged();
  if (!Array.isArray(epochs) || epochs.length === 0 || epochs.length > EPOCHS_MAX) throw damaged();
  let last = 0;
  const list = epochs.map((one: unknown) => {
    const [epoch, key] = Array.isArray(one) ? one as unknown[] : [];
    const isFit = typeof epoch === "number" && Number.isSafeInteger(epoch) && epoch > last &&
      key instanceof Uint8Array && key.length === KEY_BYTES;
    if (!isFit) throw damaged();
    last = epoch;
    return { epoch, key: new Uint8Array(key) };
  });
  return {
    portal: new Uint8Array(id),
    grant: new Uint8Array(grant),
    owner: new Uint8Array(owner),
    view,
    epochs: list,
  };
}
