/**
 * What owners and admins do with portals: each is a signed record or two, sent to the hub.
 *
 * @module
 */
import { type Bytes, equal, toHex } from "../base/bytes.ts";
import { isWarpError, WarpError } from "../base/errors.ts";
import type { GrantInfo, GroupInfo, PortalInfo } from "./api.ts";
import { bytes, signedJson, signedOf } from "./api_fields.ts";
import { toBase64Url } from "./base64url.ts";
import { type Directory, isKeyOf, recipientsOf } from "./directory.ts";
import type { ClientKey, HubClient } from "./hub_client.ts";
import { newestKey, openPortal, type Portal } from "./portal.ts";
import {
  type GranteeKind,
  isSignedBy,
  type Level,
  readRecord,
  type Records,
  signRecord,
  type Verify,
} from "./records.ts";
import { formatNote, type GrantNote, noteOf } from "./versions.ts";
import { type PortalKeys, sealName, viewKey, wrapKeys } from "./wrap.ts";

const KEY_BYTES = 32;

/** What operations work with. */
export interface Desk {
  client: HubClient;
  directory: Directory;
  key: ClientKey;
  identities: readonly string[];
  /** The own account. */
  account: Bytes;
  verify: Verify;
  random(length: number): Uint8Array<ArrayBuffer>;
}

export function deskOf(parts: Omit<Desk, "random">): Desk {
  const { sign, publicKey } = parts.key;
  return {
    ...parts,
    key: { publicKey, sign: (message) => sign(message) },
    random: (length) => crypto.getRandomValues(new Uint8Array(length)),
  };
}

/** 16 bytes whose text does not begin with "-": on a command line it would be taken for an option. */
function newId(random: Desk["random"]): Uint8Array<ArrayBuffer> {
  const id = random(16);
  if (toBase64Url(id).startsWith("-")) id[0]! ^= 0x80;
  return id;
}

/** Ids are drawn here: where one is taken, an earlier try went through and its answer was lost. */
async function entered(call: Promise<unknown>): Promise<void> {
  try {
    await call;
  } catch (error) {
    if (!isWarpError(error, "E_EXISTS")) throw error;
  }
}

/** @throws {WarpError} E_LIMIT, E_CONFIG (the policy), E_NETWORK */
export async function createPortal(
  desk: Desk,
  options: { name: string; policy: string; isOpen: boolean },
): Promise<Uint8Array<ArrayBuffer>> {
  const { client, account, key, random } = desk;
  const id = newId(random), epochKey = random(KEY_BYTES), atMs = Math.round(client.nowMs);
  const record = signRecord("portal", { portal: id, account, atMs }, key.sign);
  const sealedName = sealName(options.name, epochKey, id, random(12));
  const settings = signRecord("settings", {
    portal: id,
    sequence: 0,
    sealedName,
    policy: options.policy,
    atMs,
  }, key.sign);
  const grant = await makeGrant(desk, {
    keys: {
      portal: id,
      grant: newId(random),
      owner: account,
      view: null,
      epochs: [{ epoch: 1, key: epochKey }],
    },
    kind: "account",
    grantee: account,
    level: "owner",
    note: { label: "", path: null, isList: false, recipient: null },
    noteKey: epochKey,
    recipients: recipientsOf(await desk.directory.find(account)),
    expiresMs: null,
    downloads: null,
  });
  await entered(client.call("POST /v1/portals", {}, {
    portal: signedJson(record),
    settings: signedJson(settings),
    grant,
    isOpen: options.isOpen,
  }));
  return id;
}

/** All portals that the account sees; those that cannot be opened are passed to `refused`. */
export async function listPortals(
  desk: Desk,
  refused: (info: PortalInfo, error: WarpError) => void,
): Promise<Portal[]> {
  const { portals } = await desk.client.call("GET /v1/portals");
  const opened: Portal[] = [];
  for (const info of portals) {
    try {
      opened.push(await open(desk, info));
    } catch (error) {
      if (!isWarpError(error)) throw error;
      refused(info, error);
    }
  }
  return opened;
}

/**
 * A portal by its name or id.
 *
 * @throws {WarpError} E_NOT_FOUND, E_CONFIG (several have the name)
 */
export async function findPortal(desk: Desk, text: string): Promise<Portal> {
  if (/^[\w-]{22}$/.test(text)) {
    try {
      const info = await desk.client.call("GET /v1/portals/{portal}", { portal: text });
      return await open(desk, info);
    } catch (error) {
      if (!isWarpError(error, "E_NOT_FOUND")) throw error;
    }
  }
  const found = (await listPortals(desk, () => {})).filter(({ name }) => name === text);
  if (found.length > 1) {
    throw new WarpError("E_CONFIG", "several portals have this name", {
      hint: `name one by its id: ${found.map(({ info }) => info.portal).join(", ")}`,
    });
  }
  if (found.length === 0) {
    throw new WarpError("E_NOT_FOUND", "there is no such portal", {
      hint: "`warp portal list` names them",
    });
  }
  return found[0]!;
}

/** With the identities of groups, where the grant is to one. */
async function open(desk: Desk, info: PortalInfo): Promise<Portal> {
  const { identities, directory, verify } = desk;
  const group = info.grant?.group ?? null;
  const all = group === null ? identities : await groupIdentities(desk, bytes(group, KEY_BYTES));
  return await openPortal(info, all, directory, verify);
}

async function groupIdentities(desk: Desk, group: Bytes): Promise<string[]> {
  const { groups } = await desk.client.call("GET /v1/groups");
  for (const info of groups) {
    const found = await openGroup(desk, info);
    if (found !== undefined && equal(found.id, group)) return [found.identity];
  }
  throw new WarpError("E_KEY_WRONG", "the keys of the group are not for this device");
}

export interface Group {
  id: Uint8Array<ArrayBuffer>;
  owner: Bytes;
  /** `AGE-SECRET-KEY-1…`: what is granted to the group is wrapped for it. */
  identity: string;
  recipient: string;
  name: string | undefined;
  members: Bytes[] | null;
}

/** Undefined for a group whose keys are not at hand. @throws {WarpError} E_SIGNATURE */
export async function openGroup(desk: Desk, info: GroupInfo): Promise<Group | undefined> {
  const record = await readGroup(desk, info);
  if (info.wrap === null) return undefined;
  const { unwrapGroup } = await import("./groups.ts");
  const opened = await unwrapGroup(bytes(info.wrap), desk.identities, record.group);
  return opened === undefined ? undefined : {
    id: new Uint8Array(record.group),
    owner: record.account,
    identity: opened.identity,
    recipient: record.recipient,
    name: opened.name,
    members: info.members?.map((member) => bytes(member, KEY_BYTES)) ?? null,
  };
}

async function readGroup(
  { directory, verify }: Desk,
  info: Pick<GroupInfo, "group" | "groupKey" | "owner">,
): Promise<Records["group"]> {
  const signed = signedOf(info.group), key = bytes(info.groupKey, KEY_BYTES);
  const record = readRecord("group", signed);
  const owner = await directory.find(record.account);
  if (!isSignedBy(signed, key, verify) || !isKeyOf(owner, key)) {
    throw new WarpError("E_SIGNATURE", "the group is not signed by its owner");
  }
  return record;
}

export interface GrantOptions {
  kind: GranteeKind;
  grantee: Bytes;
  /** `age1…` of a link; of others it is looked up. */
  recipient?: string;
  level: Level;
  path: string | null;
  label: string;
  expiresMs: number | null;
  downloads: number | null;
}

/**
 * Grants a portal. Who sees only a part of it sees it from the next version on.
 *
 * @returns the grant's id, and whether a version with its view is still to be made
 * @throws {WarpError} E_NOT_FOUND (the grantee), E_ACCESS, E_SIGNATURE
 */
export async function grantPortal(
  desk: Desk,
  portal: Portal,
  options: GrantOptions,
): Promise<{ grant: Uint8Array<ArrayBuffer>; needsVersion: boolean }> {
  const { keys } = portal, { random } = desk;
  requireWhole(keys);
  const isList = options.level === "list";
  const view = options.path === null && !isList ? null : await viewFor(desk, portal, options);
  const grant = newId(random);
  const made = await makeGrant(desk, {
    keys: {
      ...keys,
      grant,
      view,
      epochs: keys.epochs.map(({ epoch, key }) => ({ epoch, key: viewKey(key, view) })),
    },
    kind: options.kind,
    grantee: options.grantee,
    level: options.level,
    note: {
      label: options.label,
      path: options.path,
      isList,
      recipient: options.recipient ?? null,
    },
    noteKey: newestKey(keys).key,
    recipients: await recipientsFor(desk, options),
    expiresMs: options.expiresMs,
    downloads: options.downloads,
  });
  await entered(
    desk.client.call("POST /v1/portals/{portal}/grants", { portal: portal.info.portal }, made),
  );
  return { grant, needsVersion: view !== null && portal.info.version > 0 };
}

/** The view of an earlier grant that shows the same, or a new one. */
async function viewFor(desk: Desk, portal: Portal, options: GrantOptions): Promise<Bytes> {
  const info = await desk.client.call("GET /v1/portals/{portal}", { portal: portal.info.portal });
  for (const grant of info.grants ?? []) {
    const { view } = readRecord("grant", signedOf(grant.signed));
    if (view === null || grant.revokedMs !== null) continue;
    const note = noteOf(grant, portal.keys);
    if (note?.path === options.path && note.isList === (options.level === "list")) return view;
  }
  return desk.random(16);
}

async function recipientsFor(desk: Desk, options: GrantOptions): Promise<string[]> {
  switch (options.kind) {
    case "link":
      return [options.recipient!];
    case "account":
      return recipientsOf(await desk.directory.find(options.grantee));
    case "group": {
      const group = toBase64Url(options.grantee);
      const info = await desk.client.call("GET /v1/groups/{group}", { group });
      const record = await readGroup(desk, info);
      if (!equal(record.group, options.grantee)) {
        throw new WarpError("E_SIGNATURE", "the hub gave another group");
      }
      return [record.recipient];
    }
  }
}

interface MadeGrant {
  keys: PortalKeys;
  kind: GranteeKind;
  grantee: Bytes;
  level: Level;
  note: GrantNote;
  noteKey: Bytes;
  recipients: readonly string[];
  expiresMs: number | null;
  downloads: number | null;
}

async function makeGrant({ key, client, random }: Desk, made: MadeGrant) {
  const { keys } = made;
  const signed = signRecord("grant", {
    portal: keys.portal,
    grant: keys.grant,
    kind: made.kind,
    grantee: made.grantee,
    level: made.level,
    view: keys.view,
    expiresMs: made.expiresMs,
    downloads: made.downloads,
    sealedNote: sealName(formatNote(made.note), made.noteKey, keys.portal, random(12)),
    atMs: Math.round(client.nowMs),
  }, key.sign);
  return {
    signed: signedJson(signed),
    wrap: toBase64Url(await wrapKeys(keys, made.recipients)),
  };
}

/**
 * Ends grants and begins an epoch: what is put from now on is sealed with a key that they do not have.
 *
 * @throws {WarpError} E_BUSY, E_ACCESS
 */
export async function revokeGrants(
  desk: Desk,
  portal: Portal,
  revoked: readonly Bytes[],
): Promise<void> {
  const { client, key, random } = desk, { keys } = portal;
  requireWhole(keys);
  const info = await client.call("GET /v1/portals/{portal}", { portal: portal.info.portal });
  const gone = new Set(revoked.map(toHex));
  const epoch = info.epoch + 1;
  const epochs = [...keys.epochs, { epoch, key: random(KEY_BYTES) }];
  const stay = (info.grants ?? []).filter((grant) =>
    grant.revokedMs === null && !gone.has(toHex(bytes(grant.grant)))
  );
  const wraps = [];
  for (const grant of stay) {
    const wrap = await rewrap(desk, grant, { ...keys, epochs });
    wraps.push({ grant: grant.grant, wrap: toBase64Url(wrap) });
  }
  const record = signRecord("revoke", {
    portal: portal.id,
    grants: [...revoked],
    epoch,
    atMs: Math.round(client.nowMs),
  }, key.sign);
  await client.call("POST /v1/portals/{portal}/revocations", { portal: info.portal }, {
    revoke: signedJson(record),
    wraps,
  });
}

/** The keys of a grant, wrapped anew for whoever its grantee now is. */
export async function rewrap(desk: Desk, grant: GrantInfo, keys: PortalKeys): Promise<Bytes> {
  const record = readRecord("grant", signedOf(grant.signed));
  const recipients = record.kind === "link"
    ? [linkRecipient(grant, keys)]
    : await recipientsFor(desk, { ...record, path: null, label: "" });
  return await wrapKeys({
    ...keys,
    grant: record.grant,
    view: record.view,
    epochs: keys.epochs.map(({ epoch, key }) => ({ epoch, key: viewKey(key, record.view) })),
  }, recipients);
}

/** A link's recipient stands, sealed, in the note of its grant. */
function linkRecipient(grant: GrantInfo, keys: PortalKeys): string {
  const recipient = noteOf(grant, keys)?.recipient;
  if (recipient == null) throw new WarpError("E_INTEGRITY", "the note of a link cannot be read");
  return recipient;
}

/** @throws {WarpError} E_ACCESS when the keys are those of a part */
export function requireWhole(keys: PortalKeys): void {
  if (keys.view !== null) {
    throw new WarpError("E_ACCESS", "this needs the whole tree, and you have a part of it");
  }
}

/** New name or policy. @throws {WarpError} E_BUSY, E_CONFIG */
export async function changeSettings(
  { client, key, random }: Desk,
  portal: Portal,
  change: { name?: string; policy?: string },
  event: "settings" | "extend",
): Promise<void> {
  const { settings, keys, info } = portal;
  requireWhole(keys);
  const sealedName = change.name === undefined
    ? settings.sealedName
    : sealName(change.name, newestKey(keys).key, portal.id, random(12));
  const record = signRecord("settings", {
    portal: portal.id,
    sequence: settings.sequence + 1,
    sealedName,
    policy: change.policy ?? settings.policy,
    atMs: Math.round(client.nowMs),
  }, key.sign);
  await client.call("POST /v1/portals/{portal}/settings", { portal: info.portal }, {
    settings: signedJson(record),
    event,
  });
}
