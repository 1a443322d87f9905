/**
 * A key ring: what one device holds of an account. Never the seed, never the account's own keys.
 *
 * The file, integers little-endian:
 *
 *     magic "portalkr" · version u16 = 1 · sealing u16 · memory KiB u32 · passes u32 · lanes u32
 *     salt 16 · nonce 12 · length P u32
 *     public part, P bytes: MessagePack [account record, its signature, device record, its signature]
 *     secret part: signing seed 32 ‖ age secret 32 ‖ convergence secret 32, sealed (112 bytes) or not (96)
 *     SHA-256 of everything before it
 *
 * Sealing 1 is ChaCha20-Poly1305 under `HKDF(Argon2id(passphrase, salt), "portal/ring/v1", 32)` with all
 * that stands before the secret part as associated data. Sealing 0 has no passphrase, and zeroes in place
 * of parameters, salt and nonce. The digest tells damage from a wrong passphrase; it proves nothing more.
 *
 * @module
 */
import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { decode, encode } from "@std/msgpack";
import { type Bytes, concat, constantTimeEqual, equal, isZero, utf8 } from "../base/bytes.ts";
import { invariant, WarpError } from "../base/errors.ts";
import { ARGON2_LANES_MAX, ARGON2_MEMORY_KIB_MAX, ARGON2_PASSES_MAX } from "../base/limits.ts";
import { isSoundMessage } from "../base/message_shape.ts";
import { ARGON2_DEFAULT, argon2id, type Argon2Params } from "../cipher/argon2.ts";
import { SIGNATURE_BYTES, verifySignature } from "../cipher/signature.ts";
import {
  type AccountSecrets,
  DeviceKeys,
  type DeviceSecrets,
  wipeSecrets,
} from "./account_keys.ts";
import { isSignedBy, KEY_BYTES, readRecord, type Signed, signRecord } from "./records.ts";
import { hkdf } from "./wrap.ts";

/** The first bytes of every ring's file. */
export const RING_MAGIC = utf8("portalkr");
export const RING_SALT_BYTES = 16;
export const RING_NONCE_BYTES = 12;

const VERSION = 1;
const UNSEALED = 0, SEALED = 1;
const SEALING_AT = 10, PARAMS_AT = 12, SALT_AT = 24, NONCE_AT = 40, LENGTH_AT = 52;
const HEADER_BYTES = 56;
const SECRET_BYTES = 3 * KEY_BYTES;
const TAG_BYTES = 16;
const DIGEST_BYTES = 32;
/** Two records of some 150 bytes; the same records may grow in later versions. */
const PUBLIC_BYTES_MAX = 16 * 1024;
const KEY_INFO = utf8("portal/ring/v1");

export const RING_BYTES_MAX = HEADER_BYTES + PUBLIC_BYTES_MAX + SECRET_BYTES + TAG_BYTES +
  DIGEST_BYTES;

/** What anyone may know of a ring. Keys have 32 bytes, recipients are `age1…`. */
export interface PublicRing {
  account: Bytes;
  accountRecipient: string;
  deviceNumber: number;
  device: Bytes;
  deviceRecipient: string;
  /** Signed by the account's key, as a hub takes them. */
  accountRecord: Signed;
  deviceRecord: Signed;
}

export interface KeyRing extends PublicRing {
  /** Whoever opened or made the ring wipes them. */
  keys: DeviceKeys;
}

/** How a ring's secret part is protected. Salt and nonce are drawn anew for every writing. */
export interface RingSealing {
  /** UTF-8, NFC, not empty. */
  passphrase: Bytes;
  /** 16 random bytes. */
  salt: Bytes;
  /** 12 random bytes. */
  nonce: Bytes;
  argon2?: Argon2Params;
}

/** A ring's file, read but not opened. */
export interface RingFile {
  isSealed: boolean;
  about: PublicRing;
  /** The file's bytes: {@link openKeyRing} takes them. */
  bytes: Bytes;
}

/**
 * The ring of device `deviceNumber` (1 to 2^31) of an account, with fresh records.
 *
 * @param atMs the time that the records bear: milliseconds since 1970
 */
export async function newKeyRing(
  secrets: AccountSecrets,
  deviceNumber: number,
  atMs: number,
): Promise<KeyRing> {
  const keys = await secrets.device(deviceNumber);
  const { account, recipient } = secrets;
  const sign = (text: Bytes) => secrets.sign(text);
  const accountRecord = signRecord("account", { account, recipient, atMs }, sign);
  const deviceRecord = signRecord("device", {
    account,
    number: deviceNumber,
    device: keys.publicKey,
    recipient: keys.recipient,
    atMs,
  }, sign);
  return {
    account,
    accountRecipient: recipient,
    deviceNumber,
    device: keys.publicKey,
    deviceRecipient: keys.recipient,
    accountRecord,
    deviceRecord,
    keys,
  };
}

/** The bytes of a ring's file. @param sealing undefined: anyone who reads the file has the keys */
export async function encodeKeyRing(
  ring: KeyRing,
  sealing: RingSealing | undefined,
): Promise<Uint8Array<ArrayBuffer>> {
  const { accountRecord, deviceRecord } = ring;
  const about = encode([
    accountRecord.bytes,
    accountRecord.signature,
    deviceRecord.bytes,
    deviceRecord.signature,
  ]);
  invariant(about.length <= PUBLIC_BYTES_MAX, "records are small");
  const front = concat(encodeHeader(about.length, sealing), about);
  const secrets = ring.keys.copySecrets();
  const plain = concat(secrets.signingSeed, secrets.identitySecret, secrets.convergenceSecret);
  wipeSecrets(secrets);
  try {
    const body = concat(front, sealing === undefined ? plain : await seal(plain, front, sealing));
    return concat(body, sha256(body));
  } finally {
    plain.fill(0);
  }
}

function encodeHeader(length: number, sealing: RingSealing | undefined): Uint8Array<ArrayBuffer> {
  const header = new Uint8Array(HEADER_BYTES);
  const view = new DataView(header.buffer);
  header.set(RING_MAGIC);
  view.setUint16(RING_MAGIC.length, VERSION, true);
  view.setUint32(LENGTH_AT, length, true);
  if (sealing === undefined) return header;
  const { passphrase, salt, nonce, argon2 = ARGON2_DEFAULT } = sealing;
  invariant(passphrase.length > 0, "an empty passphrase protects nothing");
  invariant(salt.length === RING_SALT_BYTES && nonce.length === RING_NONCE_BYTES, "salt and nonce");
  invariant(isAllowed(argon2), "argon2 parameters within the limits");
  view.setUint16(SEALING_AT, SEALED, true);
  view.setUint32(PARAMS_AT, argon2.memoryKiB, true);
  view.setUint32(PARAMS_AT + 4, argon2.passes, true);
  view.setUint32(PARAMS_AT + 8, argon2.lanes, true);
  header.set(salt, SALT_AT);
  header.set(nonce, NONCE_AT);
  return header;
}

/**
 * The public half of a ring's file; needs no passphrase. Its records are checked, the secret part is not.
 *
 * @throws {WarpError} E_INTEGRITY for anything that is not a whole ring, E_VERSION for a later one's
 */
export function readRingFile(bytes: Bytes): RingFile {
  const end = bytes.length - DIGEST_BYTES;
  if (end < HEADER_BYTES || bytes.length > RING_BYTES_MAX) throw damaged();
  const isWhole = equal(sha256(new Uint8Array(bytes.subarray(0, end))), bytes.subarray(end));
  if (!isWhole || !equal(bytes.subarray(0, RING_MAGIC.length), RING_MAGIC)) throw damaged();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const version = view.getUint16(RING_MAGIC.length, true);
  if (version !== VERSION) {
    throw new WarpError("E_VERSION", `the key ring has version ${version}`, {
      hint: "a newer warp wrote it: update this one",
    });
  }
  const sealing = view.getUint16(SEALING_AT, true);
  if (sealing !== SEALED && sealing !== UNSEALED) throw damaged();
  const isSealed = sealing === SEALED;
  const isHeaderFit = isSealed
    ? isAllowed(paramsOf(view))
    : isZero(bytes.subarray(PARAMS_AT, LENGTH_AT));
  const secretAt = HEADER_BYTES + view.getUint32(LENGTH_AT, true);
  const length = secretAt + SECRET_BYTES + (isSealed ? TAG_BYTES : 0);
  if (!isHeaderFit || length !== end) throw damaged();
  return { isSealed, about: readPublicPart(bytes.subarray(HEADER_BYTES, secretAt)), bytes };
}

function readPublicPart(part: Bytes): PublicRing {
  if (!isSoundMessage(part, 1)) throw damaged();
  let items: unknown;
  try {
    items = decode(part);
  } catch {
    throw damaged();
  }
  if (!Array.isArray(items) || items.length !== 4) throw damaged();
  const isBytes = items.every((item) => item instanceof Uint8Array);
  if (!isBytes) throw damaged();
  const [account, accountSignature, device, deviceSignature] = items as Uint8Array[];
  const accountRecord = signed(account!, accountSignature!);
  const deviceRecord = signed(device!, deviceSignature!);
  try {
    const of = readRecord("account", accountRecord);
    const one = readRecord("device", deviceRecord);
    const isFit = equal(of.account, one.account) &&
      isSignedBy(accountRecord, of.account, verifySignature) &&
      isSignedBy(deviceRecord, of.account, verifySignature);
    if (!isFit) throw damaged();
    return {
      account: of.account,
      accountRecipient: of.recipient,
      deviceNumber: one.number,
      device: one.device,
      deviceRecipient: one.recipient,
      accountRecord,
      deviceRecord,
    };
  } catch (cause) {
    throw damaged(cause);
  }
}

function signed(bytes: Bytes, signature: Bytes): Signed {
  if (signature.length !== SIGNATURE_BYTES) throw damaged();
  return { bytes: new Uint8Array(bytes), signature: new Uint8Array(signature) };
}

/**
 * @param passphrase UTF-8, NFC; not looked at when the ring is not sealed
 * @throws {WarpError} E_KEY_NEEDED without a passphrase, E_KEY_WRONG when it does not fit, E_INTEGRITY
 *   when the secrets are not those of the ring's device
 */
export async function openKeyRing(
  { isSealed, about, bytes }: RingFile,
  passphrase: Bytes | undefined,
): Promise<KeyRing> {
  const secretAt = HEADER_BYTES +
    new DataView(bytes.buffer, bytes.byteOffset).getUint32(LENGTH_AT, true);
  const front = bytes.subarray(0, secretAt);
  const stored = bytes.subarray(secretAt, bytes.length - DIGEST_BYTES);
  const plain = isSealed ? await unseal(stored, front, passphrase) : new Uint8Array(stored);
  const secrets = secretsIn(plain);
  try {
    const keys = await DeviceKeys.create(secrets);
    const isFit = constantTimeEqual(keys.publicKey, about.device) &&
      keys.recipient === about.deviceRecipient;
    if (isFit) return { ...about, keys };
    keys.wipe();
    throw damaged();
  } finally {
    plain.fill(0);
  }
}

/** Views, not copies. */
function secretsIn(plain: Uint8Array): DeviceSecrets {
  const part = (index: number) => plain.subarray(index * KEY_BYTES, (index + 1) * KEY_BYTES);
  return { signingSeed: part(0), identitySecret: part(1), convergenceSecret: part(2) };
}

async function seal(plain: Bytes, front: Bytes, sealing: RingSealing): Promise<Uint8Array> {
  const { passphrase, salt, nonce, argon2 = ARGON2_DEFAULT } = sealing;
  const key = await ringKey(passphrase, salt, argon2);
  try {
    return chacha20poly1305(key, new Uint8Array(nonce), new Uint8Array(front))
      .encrypt(new Uint8Array(plain));
  } finally {
    key.fill(0);
  }
}

async function unseal(
  stored: Bytes,
  front: Bytes,
  passphrase: Bytes | undefined,
): Promise<Uint8Array> {
  if (passphrase === undefined) {
    throw new WarpError("E_KEY_NEEDED", "the key ring is sealed with a passphrase", {
      hint: "pass --passphrase-file FILE",
    });
  }
  const params = paramsOf(new DataView(front.buffer, front.byteOffset, front.length));
  const key = await ringKey(passphrase, front.subarray(SALT_AT, NONCE_AT), params);
  try {
    const nonce = new Uint8Array(front.subarray(NONCE_AT, LENGTH_AT));
    return chacha20poly1305(key, nonce, new Uint8Array(front)).decrypt(new Uint8Array(stored));
  } catch {
    throw new WarpError("E_KEY_WRONG", "the passphrase does not open the key ring", {
      hint: "`warp key recover` makes a new ring from the 24 words, under another passphrase",
    });
  } finally {
    key.fill(0);
  }
}

async function ringKey(
  passphrase: Bytes,
  salt: Bytes,
  params: Argon2Params,
): Promise<Uint8Array<ArrayBuffer>> {
  const stretched = await argon2id(passphrase, salt, params);
  const key = hkdf(stretched, KEY_INFO, KEY_BYTES);
  stretched.fill(0);
  return key;
}

function paramsOf(view: DataView): Argon2Params {
  return {
    memoryKiB: view.getUint32(PARAMS_AT, true),
    passes: view.getUint32(PARAMS_AT + 4, true),
    lanes: view.getUint32(PARAMS_AT + 8, true),
  };
}

function isAllowed({ memoryKiB, passes, lanes }: Argon2Params): boolean {
  return lanes >= 1 && lanes <= ARGON2_LANES_MAX && passes >= 1 && passes <= ARGON2_PASSES_MAX &&
    memoryKiB >= 8 * lanes && memoryKiB <= ARGON2_MEMORY_KIB_MAX;
}

function damaged(cause?: unknown): WarpError {
  return new WarpError("E_INTEGRITY", "the key ring is damaged, or is not one", {
    hint: "`warp key recover` makes a new one from the 24 words",
    ...(cause === undefined ? {} : { cause }),
  });
}
