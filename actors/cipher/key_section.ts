/**
 * The key section: one archive key wrapped for a passphrase and for age recipients
 * (docs/format.md §3).
 *
 * @module
 */
import { decode, encode } from "@std/msgpack";
import { type Bytes, concat, equal, utf8 } from "../base/bytes.ts";
import { invariant, WarpError } from "../base/errors.ts";
import {
  ARGON2_LANES_MAX,
  ARGON2_MEMORY_KIB_MAX,
  ARGON2_PASSES_MAX,
  KEY_SECTION_BYTES_MAX,
  KEY_STANZAS_MAX,
} from "../base/limits.ts";
import { nodeCrypto } from "../base/node_crypto.ts";
import { ageDecrypt, ageEncrypt } from "./age_file.ts";
import { ARCHIVE_ID_BYTES, ARCHIVE_KEY_BYTES, hkdfSha256 } from "./archive_keys.ts";
import { ARGON2_DEFAULT, argon2id, type Argon2Params } from "./argon2.ts";

const SALT_BYTES = 16;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const WRAPPED_BYTES = NONCE_BYTES + ARCHIVE_KEY_BYTES + TAG_BYTES;

const PASSPHRASE_INFO = utf8("warp/archive/v1/passphrase");
const WRAP_AAD = utf8("warp/archive/v1/wrap");
const AGE_PREFIX = utf8("warp/archive/v1/age");

/**
 * Sixty-four stanzas that are each within the limits could still keep a reader busy for hours, so
 * all passphrase stanzas together may cost no more than the dearest single one.
 */
const ARGON2_WORK_MAX = ARGON2_MEMORY_KIB_MAX * ARGON2_PASSES_MAX;

interface PassphraseStanza {
  kind: "argon2id";
  salt: Uint8Array;
  params: Argon2Params;
  wrapped: Uint8Array;
}

interface AgeStanza {
  kind: "age";
  file: Uint8Array;
}

type Stanza = PassphraseStanza | AgeStanza;

export interface KeySectionOptions {
  /** 32 bytes. */
  archiveKey: Bytes;
  /** 16 bytes. */
  archiveId: Bytes;
  /** UTF-8, NFC, not empty. */
  passphrase?: Bytes | undefined;
  /** `age1...` strings; all classical or all post-quantum. */
  recipients: readonly string[];
  argon2?: Argon2Params | undefined;
}

export interface OpeningKeys {
  /** UTF-8, NFC. */
  passphrase?: Bytes | undefined;
  /** `AGE-SECRET-KEY-1...` and `AGE-SECRET-KEY-PQ-1...` strings. */
  identities: readonly string[];
}

/** Which sorts of key a section takes: public, so a command knows whether to ask. */
export interface KeySorts {
  takesPassphrase: boolean;
  takesIdentity: boolean;
}

/**
 * Wraps the archive key for everyone who may open it.
 * @throws {WarpError} E_USAGE without any recipient, or for one that is not an age recipient;
 *   E_LIMIT when the section outgrows the format
 */
export async function buildKeySection(
  options: KeySectionOptions,
): Promise<Uint8Array<ArrayBuffer>> {
  const { archiveKey, archiveId, passphrase, recipients } = options;
  invariant(archiveKey.length === ARCHIVE_KEY_BYTES, "an archive key is 32 bytes");
  invariant(archiveId.length === ARCHIVE_ID_BYTES, "an archive id is 16 bytes");
  const stanzas: unknown[] = [];
  if (passphrase !== undefined) {
    invariant(passphrase.length > 0, "an empty passphrase protects nothing");
    const params = options.argon2 ?? ARGON2_DEFAULT;
    invariant(isAllowed(params), "argon2 parameters within the format's limits");
    const salt = crypto.getRandomValues(new Uint8Array(SALT_BYTES));
    const kek = await passphraseKek(passphrase, salt, params, archiveId);
    const wrapped = wrap(kek, archiveKey, archiveId);
    kek.fill(0);
    stanzas.push([
      "argon2id",
      salt,
      params.memoryKiB,
      params.passes,
      params.lanes,
      wrapped,
    ]);
  }
  if (recipients.length > 0) {
    const plaintext = concat(AGE_PREFIX, archiveId, archiveKey);
    stanzas.push(["age", await ageEncrypt(plaintext, recipients)]);
    plaintext.fill(0);
  }
  if (stanzas.length === 0) {
    throw new WarpError("E_USAGE", "an encrypted archive needs a passphrase or a recipient");
  }
  const section = new Uint8Array(encode(stanzas));
  if (section.length > KEY_SECTION_BYTES_MAX) {
    throw new WarpError("E_LIMIT", `${recipients.length} recipients do not fit in an archive`, {
      details: { bytes: section.length, bytesMax: KEY_SECTION_BYTES_MAX },
    });
  }
  return section;
}

/** @throws {WarpError} E_INTEGRITY when malformed */
export function keySorts(section: Bytes): KeySorts {
  const stanzas = decodeStanzas(section);
  return {
    takesPassphrase: stanzas.some((stanza) => stanza.kind === "argon2id"),
    takesIdentity: stanzas.some((stanza) => stanza.kind === "age"),
  };
}

/**
 * Finds the archive key with the keys at hand: identities first, since they cost nothing.
 * @returns the archive key, 32 bytes; the caller may wipe it
 * @throws {WarpError} E_INTEGRITY when malformed or asking for more than the limits, before any
 *   key derivation runs; E_KEY_NEEDED without any key; E_KEY_WRONG when none fits
 */
export async function openKeySection(
  section: Bytes,
  archiveId: Bytes,
  keys: OpeningKeys,
): Promise<Uint8Array<ArrayBuffer>> {
  invariant(archiveId.length === ARCHIVE_ID_BYTES, "an archive id is 16 bytes");
  const stanzas = decodeStanzas(section);
  if (keys.passphrase === undefined && keys.identities.length === 0) throw keyNeeded(stanzas);
  if (keys.identities.length > 0) {
    for (const stanza of stanzas) {
      if (stanza.kind !== "age") continue;
      const key = await openAge(stanza, archiveId, keys.identities);
      if (key !== undefined) return key;
    }
  }
  if (keys.passphrase !== undefined) {
    for (const stanza of stanzas) {
      if (stanza.kind !== "argon2id") continue;
      const kek = await passphraseKek(keys.passphrase, stanza.salt, stanza.params, archiveId);
      const key = unwrap(kek, stanza.wrapped, archiveId);
      kek.fill(0);
      if (key !== undefined) return key;
    }
  }
  throw new WarpError("E_KEY_WRONG", "no key given opens this archive", {
    hint: "check the passphrase or the identity file; `warp verify` shows whether the archive " +
      "itself is whole",
  });
}

function keyNeeded(stanzas: readonly Stanza[]): WarpError {
  const takesPassphrase = stanzas.some((stanza) => stanza.kind === "argon2id");
  const takesIdentity = stanzas.some((stanza) => stanza.kind === "age");
  const flags = [
    ...(takesPassphrase ? ["--passphrase-file FILE"] : []),
    ...(takesIdentity ? ["--identity FILE"] : []),
  ];
  const hint = flags.length > 0 ? `pass ${flags.join(" or ")}` : "a newer warp wrote its keys";
  return new WarpError("E_KEY_NEEDED", "this archive is encrypted", { hint });
}

/** Strict: anything docs/format.md §3 does not allow is an error; unknown kinds are skipped. */
function decodeStanzas(section: Bytes): Stanza[] {
  const malformed = (why: string) =>
    new WarpError("E_INTEGRITY", `the key section is malformed: ${why}`);
  if (section.length === 0 || section.length > KEY_SECTION_BYTES_MAX) {
    throw malformed(`${section.length} bytes`);
  }
  let decoded: unknown;
  try {
    decoded = decode(section, {
      maxStrLength: 1024,
      maxBinLength: KEY_SECTION_BYTES_MAX,
      maxArrayLength: KEY_STANZAS_MAX,
      maxMapLength: KEY_STANZAS_MAX,
      maxExtLength: 1024,
    });
  } catch {
    // The decoder throws RangeError and its own kinds for every sort of malformed input.
    throw malformed("not MessagePack");
  }
  if (!Array.isArray(decoded) || decoded.length === 0) throw malformed("no stanzas");
  const stanzas: Stanza[] = [];
  for (const item of decoded as unknown[]) {
    if (!Array.isArray(item) || typeof item[0] !== "string") throw malformed("not a stanza");
    const [kind, ...fields] = item as [string, ...unknown[]];
    if (kind === "argon2id") {
      const stanza = passphraseStanza(fields);
      if (stanza === undefined) throw malformed("a passphrase stanza");
      stanzas.push(stanza);
    } else if (kind === "age") {
      const file = fields[0];
      if (fields.length !== 1 || !(file instanceof Uint8Array)) throw malformed("an age stanza");
      stanzas.push({ kind, file });
    }
  }
  const work = stanzas.reduce(
    (sum, stanza) =>
      stanza.kind === "argon2id" ? sum + stanza.params.memoryKiB * stanza.params.passes : sum,
    0,
  );
  if (work > ARGON2_WORK_MAX) throw malformed("its passphrase stanzas ask for too much work");
  return stanzas;
}

function passphraseStanza(fields: readonly unknown[]): PassphraseStanza | undefined {
  if (fields.length !== 5) return undefined;
  const [salt, memoryKiB, passes, lanes, wrapped] = fields;
  if (!(salt instanceof Uint8Array) || salt.length !== SALT_BYTES) return undefined;
  if (!(wrapped instanceof Uint8Array) || wrapped.length !== WRAPPED_BYTES) return undefined;
  if (
    typeof memoryKiB !== "number" || typeof passes !== "number" || typeof lanes !== "number"
  ) return undefined;
  const params = { memoryKiB, passes, lanes };
  return isAllowed(params) ? { kind: "argon2id", salt, params, wrapped } : undefined;
}

function isAllowed({ memoryKiB, passes, lanes }: Argon2Params): boolean {
  return [memoryKiB, passes, lanes].every(Number.isInteger) &&
    lanes >= 1 && lanes <= ARGON2_LANES_MAX &&
    passes >= 1 && passes <= ARGON2_PASSES_MAX &&
    memoryKiB >= 8 * lanes && memoryKiB <= ARGON2_MEMORY_KIB_MAX;
}

async function passphraseKek(
  passphrase: Bytes,
  salt: Bytes,
  params: Argon2Params,
  archiveId: Bytes,
): Promise<Uint8Array<ArrayBuffer>> {
  const stretched = await argon2id(passphrase, salt, params);
  const kek = hkdfSha256(stretched, archiveId, PASSPHRASE_INFO, 32);
  stretched.fill(0);
  return kek;
}

function wrap(kek: Bytes, archiveKey: Bytes, archiveId: Bytes): Uint8Array<ArrayBuffer> {
  const nonce = crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
  const cipher = nodeCrypto().createCipheriv("chacha20-poly1305", kek, nonce, {
    authTagLength: TAG_BYTES,
  });
  cipher.setAAD(concat(WRAP_AAD, archiveId), { plaintextLength: ARCHIVE_KEY_BYTES });
  const sealed = concat(nonce, cipher.update(archiveKey), cipher.final());
  return concat(sealed, cipher.getAuthTag());
}

function unwrap(
  kek: Bytes,
  wrapped: Bytes,
  archiveId: Bytes,
): Uint8Array<ArrayBuffer> | undefined {
  const nonce = wrapped.subarray(0, NONCE_BYTES);
  const sealed = wrapped.subarray(NONCE_BYTES, NONCE_BYTES + ARCHIVE_KEY_BYTES);
  const cipher = nodeCrypto().createDecipheriv("chacha20-poly1305", kek, nonce, {
    authTagLength: TAG_BYTES,
  });
  cipher.setAAD(concat(WRAP_AAD, archiveId), { plaintextLength: ARCHIVE_KEY_BYTES });
  cipher.setAuthTag(wrapped.subarray(NONCE_BYTES + ARCHIVE_KEY_BYTES));
  const key = cipher.update(sealed);
  try {
    cipher.final();
  } catch {
    // A wrong tag; the unverified bytes go nowhere.
    key.fill(0);
    return undefined;
  }
  return new Uint8Array(key);
}

async function openAge(
  stanza: AgeStanza,
  archiveId: Bytes,
  identities: readonly string[],
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const plaintext = await ageDecrypt(stanza.file, identities);
  const prefix = concat(AGE_PREFIX, archiveId);
  if (
    plaintext === undefined || plaintext.length !== prefix.length + ARCHIVE_KEY_BYTES ||
    !equal(plaintext.subarray(0, prefix.length), prefix)
  ) return undefined;
  const key = new Uint8Array(plaintext.subarray(prefix.length));
  plaintext.fill(0);
  return key;
}
