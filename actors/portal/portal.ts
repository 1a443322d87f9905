/**
 * One portal as its client sees it: what the hub says, checked and opened with the keys at hand.
 *
 * @module
 */
import { type Bytes, equal } from "../base/bytes.ts";
import { WarpError } from "../base/errors.ts";
import type { AnswerOf, PortalInfo } from "./api.ts";
import { bytes, signedOf } from "./api_fields.ts";
import { type Directory, isKeyOf } from "./directory.ts";
import { isSignedBy, type Level, readRecord, type Records, type Verify } from "./records.ts";
import { openName, type PortalKeys, unwrapKeys } from "./wrap.ts";

export interface Portal {
  id: Uint8Array<ArrayBuffer>;
  owner: Uint8Array<ArrayBuffer>;
  /** Undefined where the keys at hand do not open it: those of a part of the tree. */
  name: string | undefined;
  settings: Records["settings"];
  level: Level;
  info: PortalInfo;
  keys: PortalKeys;
}

/**
 * Checks the records of a portal and opens its keys.
 *
 * @param identities age identities that may open the wrap
 * @throws {WarpError} E_SIGNATURE, E_KEY_WRONG, E_PROTOCOL
 */
export async function openPortal(
  info: PortalInfo,
  identities: readonly string[],
  directory: Directory,
  verify: Verify,
): Promise<Portal> {
  const id = bytes(info.portal, 16), owner = bytes(info.owner, 32);
  if (info.grant === null) throw new WarpError("E_PROTOCOL", "the hub gave no keys");
  const keys = await unwrapKeys(bytes(info.grant.wrap), identities, id);
  if (!equal(keys.owner, owner)) throw forged("the owner");
  const settings = readRecord("settings", signedOf(info.settings));
  const account = await directory.find(owner);
  const by = bytes(info.settingsKey, 32);
  if (!isSignedBy(signedOf(info.settings), by, verify)) throw forged("the settings");
  if (!equal(settings.portal, id) || settings.policy !== info.policy) throw forged("the settings");
  // Admins may change settings; that they are admins is for the hub to say. The name is sealed all the same.
  const record = readRecord("portal", signedOf(info.record));
  const isOwners = equal(record.portal, id) && equal(record.account, owner) &&
    [account.key, ...account.devices.map(({ key }) => key)]
      .some((key) => isSignedBy(signedOf(info.record), key, verify));
  if (!isOwners) throw forged("the record");
  return {
    id,
    owner,
    name: nameOf(keys, settings.sealedName),
    settings,
    level: info.level,
    info,
    keys,
  };
}

/** A text sealed for those who see the whole tree: under the key of one of the epochs. */
export function nameOf(keys: PortalKeys, sealed: Bytes): string | undefined {
  if (keys.view !== null) return undefined;
  for (const { key } of [...keys.epochs].reverse()) {
    const name = openName(sealed, key, keys.portal);
    if (name !== undefined) return name;
  }
  return undefined;
}

/** The key of the newest epoch at hand. */
export function newestKey({ epochs }: PortalKeys): { epoch: number; key: Bytes } {
  return epochs.at(-1)!;
}

/** @throws {WarpError} E_KEY_WRONG when the keys at hand are of other epochs */
export function keyOfEpoch({ epochs }: PortalKeys, epoch: number): Bytes {
  const found = epochs.find((one) => one.epoch === epoch);
  if (found === undefined) {
    throw new WarpError("E_KEY_WRONG", "the keys at hand are not of this version", {
      hint: "the owner's `warp portal put` makes one that you can read",
    });
  }
  return found.key;
}

/**
 * The head to begin with, of a version that its author signed and may have made.
 *
 * @throws {WarpError} E_SIGNATURE, E_PROTOCOL
 */
export async function openVersion(
  lease: AnswerOf<"POST /v1/portals/{portal}/leases">,
  keys: PortalKeys,
  directory: Directory,
  verify: Verify,
): Promise<{ version: Records["version"]; head: Bytes; bytes: Uint8Array<ArrayBuffer> }> {
  const signed = signedOf(lease.version), key = bytes(lease.versionKey, 32);
  const version = readRecord("version", signed);
  if (!isSignedBy(signed, key, verify) || !equal(version.portal, keys.portal)) {
    throw forged("the version");
  }
  const author = await directory.find(bytes(lease.author.account, 32));
  if (!isKeyOf(author, key)) throw forged("the version");
  if (!equal(author.key, keys.owner)) {
    await requireWriter(lease, author.key, keys, directory, verify);
  }
  const view = lease.view === null ? null : bytes(lease.view, 16);
  const isOurs = view === null ? keys.view === null : keys.view !== null && equal(view, keys.view);
  const head = version.heads.find((one) =>
    view === null ? one.view === null : one.view !== null && equal(one.view, view)
  );
  if (!isOurs || head === undefined) {
    throw new WarpError("E_NOT_FOUND", "this version has nothing for you", {
      hint: "the owner's next `warp portal put` may",
    });
  }
  return { version, head: head.head, bytes: signed.bytes };
}

/** The owner has let this account write. */
async function requireWriter(
  { author: { grant, grantKey } }: AnswerOf<"POST /v1/portals/{portal}/leases">,
  account: Bytes,
  keys: PortalKeys,
  directory: Directory,
  verify: Verify,
): Promise<void> {
  if (grant === null || grantKey === null) throw forged("the version");
  const signed = signedOf(grant), key = bytes(grantKey, 32);
  const record = readRecord("grant", signed);
  const isGranted = isKeyOf(await directory.find(keys.owner), key) &&
    isSignedBy(signed, key, verify) && equal(record.portal, keys.portal) &&
    record.kind === "account" && equal(record.grantee, account) &&
    (record.level === "write" || record.level === "admin");
  if (!isGranted) throw forged("the version");
}

function forged(what: string): WarpError {
  return new WarpError("E_SIGNATURE", `${what} of the portal is not signed by whom it should be`, {
    hint: "the hub, or someone between, has changed it",
  });
}
