/**
 * The key ring and the list of hubs on disk: `portal.key` and `hubs.json` beside the key file.
 *
 * @module
 */
import { dirname, join } from "node:path";
import { type Bytes, equal, utf8 } from "../base/bytes.ts";
import { WarpError } from "../base/errors.ts";
import type { Argon2Params } from "../cipher/argon2.ts";
import { defaultKeyFile } from "../cipher/key_file.ts";
import { isTaken, readConfigFile, replaceConfigFile, withLock } from "./config_file_io.ts";
import {
  formatHubLogins,
  HUB_LOGINS_BYTES_MAX,
  type HubLogins,
  NO_LOGINS,
  parseHubLogins,
} from "./hub_logins.ts";
import {
  encodeKeyRing,
  type KeyRing,
  openKeyRing,
  readRingFile,
  RING_BYTES_MAX,
  RING_MAGIC,
  RING_NONCE_BYTES,
  RING_SALT_BYTES,
  type RingFile,
} from "./key_ring.ts";

type Environment = (name: string) => string | undefined;

const RING = "the key ring";
const HUBS = "the list of hubs";

/** `$XDG_CONFIG_HOME/warp/portal.key`, or beside the key file's other places. */
export function defaultRingFile(environment: Environment = Deno.env.get): string {
  return join(dirname(defaultKeyFile(environment)), "portal.key");
}

/** `$XDG_CONFIG_HOME/warp/hubs.json`, or beside the key file's other places. */
export function defaultHubsFile(environment: Environment = Deno.env.get): string {
  return join(dirname(defaultKeyFile(environment)), "hubs.json");
}

export interface StoredRing extends RingFile {
  /** Where it lies. */
  path: string;
  /** True when other users of this machine may read it. */
  isExposed: boolean;
}

/**
 * The ring without its secrets; undefined when there is none.
 *
 * @throws {WarpError} E_INTEGRITY, E_VERSION, E_CONFIG, E_ACCESS, E_IO
 */
export function findRing(path: string = defaultRingFile()): StoredRing | undefined {
  const file = readConfigFile(path, RING, RING_BYTES_MAX);
  if (file === undefined) return undefined;
  return { ...readRingFile(file.bytes), path, isExposed: file.isExposed };
}

/** Whether a file there begins as a key ring does: then {@link readRing} has more to say about it. */
export function isRing(path: string): boolean {
  try {
    // A pipe, whose bytes can be read only once, is something else.
    if (!Deno.statSync(path).isFile) return false;
    using file = Deno.openSync(path);
    const start = new Uint8Array(RING_MAGIC.length);
    return file.readSync(start) === start.length && equal(start, RING_MAGIC);
  } catch {
    return false;
  }
}

/**
 * As {@link findRing}, for commands that need one.
 *
 * @throws {WarpError} E_KEY_NEEDED when there is none
 */
export function readRing(path: string = defaultRingFile()): StoredRing {
  const ring = findRing(path);
  if (ring !== undefined) return ring;
  throw new WarpError("E_KEY_NEEDED", `there is no key ring: ${path}`, {
    hint:
      "`warp key new --words` makes an account, `warp key recover` brings yours to this machine",
  });
}

/** How a ring is written. */
export interface RingWriting {
  /** UTF-8, NFC; undefined: not sealed. The caller wipes it. */
  passphrase: Bytes | undefined;
  /** Runs when nothing stands in the way any more, before the ring is written. */
  beforehand?: (() => void) | undefined;
  argon2?: Argon2Params | undefined;
}

/** To be asked before the user is asked for anything. @throws {WarpError} E_EXISTS */
export function checkNoRing(path: string): void {
  if (!isTaken(path)) return;
  throw new WarpError("E_EXISTS", `a key ring is already there: ${path}`, {
    hint: "move it away first; without its 24 words, what only it opens is lost",
  });
}

/** @throws {WarpError} E_EXISTS when something has that name: a ring is never overwritten here */
export async function createRing(path: string, ring: KeyRing, writing: RingWriting): Promise<void> {
  await withLock(path, RING, async () => {
    checkNoRing(path);
    const content = await encodeRing(ring, writing);
    writing.beforehand?.();
    replaceConfigFile(path, RING, content);
  });
}

/**
 * Reads, changes and writes a ring under its lock: another passphrase, other records, another device
 * number. `change` gets what the ring holds now and wipes no keys; both rings' keys are wiped here.
 *
 * @param passphrase of the ring as it is
 * @throws {WarpError} E_KEY_NEEDED, E_KEY_WRONG, E_LOCKED, as {@link findRing}
 */
export async function updateRing(
  path: string,
  passphrase: Bytes | undefined,
  writing: RingWriting,
  change: (ring: KeyRing) => Promise<KeyRing> | KeyRing,
): Promise<void> {
  await withLock(path, RING, async () => {
    const before = await openKeyRing(readRing(path), passphrase);
    let after: KeyRing | undefined;
    try {
      after = await change(before);
      const content = await encodeRing(after, writing);
      writing.beforehand?.();
      replaceConfigFile(path, RING, content);
    } finally {
      before.keys.wipe();
      after?.keys.wipe();
    }
  });
}

async function encodeRing(ring: KeyRing, { passphrase, argon2 }: RingWriting): Promise<Bytes> {
  if (passphrase === undefined) return await encodeKeyRing(ring, undefined);
  return await encodeKeyRing(ring, {
    passphrase,
    salt: crypto.getRandomValues(new Uint8Array(RING_SALT_BYTES)),
    nonce: crypto.getRandomValues(new Uint8Array(RING_NONCE_BYTES)),
    ...(argon2 === undefined ? {} : { argon2 }),
  });
}

/** @throws {WarpError} E_CONFIG, E_VERSION, E_ACCESS, E_IO */
export function readHubLogins(path: string = defaultHubsFile()): HubLogins {
  const file = readConfigFile(path, HUBS, HUB_LOGINS_BYTES_MAX);
  if (file === undefined) return NO_LOGINS;
  return parseHubLogins(new TextDecoder().decode(file.bytes));
}

/** @throws {WarpError} E_LOCKED, as {@link readHubLogins}, and what `change` throws */
export async function updateHubLogins(
  change: (logins: HubLogins) => HubLogins,
  path: string = defaultHubsFile(),
): Promise<HubLogins> {
  return await withLock(path, HUBS, () => {
    const logins = change(readHubLogins(path));
    replaceConfigFile(path, HUBS, utf8(formatHubLogins(logins)));
    return logins;
  });
}
