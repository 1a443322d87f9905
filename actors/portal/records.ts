/**
 * Signed records: what devices say and everyone can check (docs/portal.md §2). A record is kept and passed
 * on as the bytes that were signed.
 *
 * Runs in browsers too: signing and verifying are arguments.
 *
 * @module
 */
import { decode, encode } from "@std/msgpack";
import { type Bytes, concat, utf8 } from "../base/bytes.ts";
import { WarpError } from "../base/errors.ts";
import { isSoundMessage } from "../base/message_shape.ts";

const LABEL = utf8("portal/record/v1\0");
const RECORD_BYTES_MAX = 64 * 1024;
const RECORD_DEPTH_MAX = 6;
export const ID_BYTES = 16;
export const KEY_BYTES = 32;
export const POLICY_CHARACTERS_MAX = 16 * 1024;
const SEALED_BYTES_MAX = 4096;
const VIEWS_MAX = 1024;
const GRANTS_MAX = 4096;
/** The end of the year 9999. */
const TIME_MAX_MS = 253_402_300_799_999;

export const LEVELS = ["list", "read", "write", "admin", "owner"] as const;
export type Level = (typeof LEVELS)[number];
export const GRANTEES = ["account", "link", "group"] as const;
export type GranteeKind = (typeof GRANTEES)[number];

/** Times are milliseconds since 1970; ids have 16 bytes, keys 32. */
export interface Records {
  account: { account: Bytes; recipient: string; atMs: number };
  device: { account: Bytes; number: number; device: Bytes; recipient: string; atMs: number };
  retire: { account: Bytes; number: number; atMs: number };
  group: { group: Bytes; account: Bytes; recipient: string; sealedName: Bytes; atMs: number };
  portal: { portal: Bytes; account: Bytes; atMs: number };
  settings: { portal: Bytes; sequence: number; sealedName: Bytes; policy: string; atMs: number };
  grant: {
    portal: Bytes;
    grant: Bytes;
    kind: GranteeKind;
    grantee: Bytes;
    level: Level;
    view: Bytes | null;
    expiresMs: number | null;
    downloads: number | null;
    sealedNote: Bytes;
    atMs: number;
  };
  revoke: { portal: Bytes; grants: Bytes[]; epoch: number; atMs: number };
  version: {
    portal: Bytes;
    sequence: number;
    epoch: number;
    before: Bytes;
    heads: { view: Bytes | null; head: Bytes }[];
    packs: Bytes;
    atMs: number;
  };
}

export type RecordKind = keyof Records;

/** A record as it travels. */
export interface Signed {
  bytes: Uint8Array<ArrayBuffer>;
  signature: Uint8Array<ArrayBuffer>;
}

/** Checks a signature: `actors/cipher/signature.ts`, or noble's in a browser. */
export type Verify = (publicKey: Bytes, message: Bytes, signature: Bytes) => boolean;
/** Makes 64 bytes. */
export type Sign = (message: Bytes) => Uint8Array;

type Encoders = { [Kind in RecordKind]: (of: Records[Kind]) => unknown[] };
type Decoders = { [Kind in RecordKind]: (items: unknown[]) => Records[Kind] };

const ENCODERS: Encoders = {
  account: (r) => [r.account, r.recipient, r.atMs],
  device: (r) => [r.account, r.number, r.device, r.recipient, r.atMs],
  retire: (r) => [r.account, r.number, r.atMs],
  group: (r) => [r.group, r.account, r.recipient, r.sealedName, r.atMs],
  portal: (r) => [r.portal, r.account, r.atMs],
  settings: (r) => [r.portal, r.sequence, r.sealedName, r.policy, r.atMs],
  grant: (r) => [
    r.portal,
    r.grant,
    GRANTEES.indexOf(r.kind),
    r.grantee,
    LEVELS.indexOf(r.level),
    r.view,
    [r.expiresMs, r.downloads],
    r.sealedNote,
    r.atMs,
  ],
  revoke: (r) => [r.portal, r.grants, r.epoch, r.atMs],
  version: (r) => [
    r.portal,
    r.sequence,
    r.epoch,
    r.before,
    r.heads.map(({ view, head }) => [view, head]),
    r.packs,
    r.atMs,
  ],
};

const DECODERS: Decoders = {
  account: (items) => {
    const [account, address, atMs] = exactly(items, 3);
    return { account: key(account), recipient: recipient(address), atMs: time(atMs) };
  },
  device: (items) => {
    const [account, number, device, address, atMs] = exactly(items, 5);
    return {
      account: key(account),
      number: natural(number, 2 ** 31, 1),
      device: key(device),
      recipient: recipient(address),
      atMs: time(atMs),
    };
  },
  retire: (items) => {
    const [account, number, atMs] = exactly(items, 3);
    return { account: key(account), number: natural(number, 2 ** 31, 1), atMs: time(atMs) };
  },
  group: (items) => {
    const [group, account, address, sealedName, atMs] = exactly(items, 5);
    return {
      group: key(group),
      account: key(account),
      recipient: recipient(address),
      sealedName: sealed(sealedName),
      atMs: time(atMs),
    };
  },
  portal: (items) => {
    const [portal, account, atMs] = exactly(items, 3);
    return { portal: id(portal), account: key(account), atMs: time(atMs) };
  },
  settings: (items) => {
    const [portal, sequence, sealedName, policy, atMs] = exactly(items, 5);
    if (typeof policy !== "string" || policy.length > POLICY_CHARACTERS_MAX) throw malformed();
    return {
      portal: id(portal),
      sequence: natural(sequence),
      sealedName: sealed(sealedName),
      policy,
      atMs: time(atMs),
    };
  },
  grant: (items) => {
    const [portal, grant, kind, grantee, level, view, limits, note, atMs] = exactly(items, 9);
    const [expiresMs, downloads] = exactly(limits, 2);
    return {
      portal: id(portal),
      grant: id(grant),
      kind: GRANTEES[natural(kind, GRANTEES.length - 1)]!,
      grantee: key(grantee),
      level: LEVELS[natural(level, LEVELS.length - 1)]!,
      view: view === null ? null : id(view),
      expiresMs: expiresMs === null ? null : time(expiresMs),
      downloads: downloads === null ? null : natural(downloads, 2 ** 31),
      sealedNote: sealed(note),
      atMs: time(atMs),
    };
  },
  revoke: (items) => {
    const [portal, grants, epoch, atMs] = exactly(items, 4);
    return {
      portal: id(portal),
      grants: list(grants, GRANTS_MAX).map(id),
      epoch: natural(epoch, 2 ** 31, 1),
      atMs: time(atMs),
    };
  },
  version: (items) => {
    const [portal, sequence, epoch, before, heads, packs, atMs] = exactly(items, 7);
    return {
      portal: id(portal),
      sequence: natural(sequence, 2 ** 40, 1),
      epoch: natural(epoch, 2 ** 31, 1),
      before: key(before),
      heads: list(heads, VIEWS_MAX).map((item) => {
        const [view, head] = exactly(item, 2);
        return { view: view === null ? null : id(view), head: key(head) };
      }),
      packs: key(packs),
      atMs: time(atMs),
    };
  },
};

/** The bytes of a record, and its signature. */
export function signRecord<Kind extends RecordKind>(
  kind: Kind,
  record: Records[Kind],
  sign: Sign,
): Signed {
  const bytes = encode([kind, ...ENCODERS[kind](record)]);
  return { bytes, signature: new Uint8Array(sign(concat(LABEL, bytes))) };
}

/** Whether `key` signed these bytes as a record. */
export function isSignedBy(signed: Signed, key: Bytes, verify: Verify): boolean {
  return verify(key, concat(LABEL, signed.bytes), signed.signature);
}

/**
 * What a record says; who signed it is another question ({@link isSignedBy}).
 *
 * @throws {WarpError} E_PROTOCOL
 */
export function readRecord<Kind extends RecordKind>(
  kind: Kind,
  { bytes }: Pick<Signed, "bytes">,
): Records[Kind] {
  if (bytes.length > RECORD_BYTES_MAX || !isSoundMessage(bytes, RECORD_DEPTH_MAX)) {
    throw malformed();
  }
  let value: unknown;
  try {
    value = decode(bytes);
  } catch {
    throw malformed();
  }
  if (!Array.isArray(value) || value[0] !== kind) throw malformed();
  return DECODERS[kind](value.slice(1));
}

/** Whether `level` includes what `needed` may do. */
export function isAtLeast(level: Level, needed: Level): boolean {
  return LEVELS.indexOf(level) >= LEVELS.indexOf(needed);
}

function malformed(): WarpError {
  return new WarpError("E_PROTOCOL", "a signed record is malformed");
}

function exactly(value: unknown, count: number): unknown[] {
  if (!Array.isArray(value) || value.length !== count) throw malformed();
  return value;
}

function list(value: unknown, most: number): unknown[] {
  if (!Array.isArray(value) || value.length > most) throw malformed();
  return value;
}

function fixed(value: unknown, length: number): Bytes {
  if (!(value instanceof Uint8Array) || value.length !== length) throw malformed();
  return new Uint8Array(value);
}

const id = (value: unknown) => fixed(value, ID_BYTES);
const key = (value: unknown) => fixed(value, KEY_BYTES);

function sealed(value: unknown): Bytes {
  if (!(value instanceof Uint8Array) || value.length > SEALED_BYTES_MAX) throw malformed();
  return new Uint8Array(value);
}

function natural(value: unknown, most = Number.MAX_SAFE_INTEGER, least = 0): number {
  const isFit = typeof value === "number" && Number.isSafeInteger(value) && value >= least &&
    value <= most;
  if (!isFit) throw malformed();
  return value;
}

const time = (value: unknown) => natural(value, TIME_MAX_MS);

function recipient(value: unknown): string {
  if (typeof value !== "string" || !/^age1[02-9ac-hj-np-z]{58}$/.test(value)) throw malformed();
  return value;
}
