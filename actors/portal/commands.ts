/**
 * The portal commands: find out who is meant, do it, and tell what happened.
 *
 * @module
 */
import { equal, toHex } from "../base/bytes.ts";
import type { CommandIo } from "../base/command.ts";
import { isWarpError, WarpError } from "../base/errors.ts";
import { printableName, printableText } from "../base/terminal.ts";
import { formatBytes, MiB } from "../base/units.ts";
import { argon2id } from "../cipher/argon2.ts";
import { readPassphrase } from "../cipher/passphrase.ts";
import { createSigner, verifySignature } from "../cipher/signature.ts";
import { portalTree, withTree } from "../root.ts";
import { connect, type Connection, linkAccess, loginWithLink, ownAccess } from "./access_io.ts";
import { formatAccount, parseAccount } from "./account_id.ts";
import type { GrantInfo, RequestInfo } from "./api.ts";
import { bytes, signedJson } from "./api_fields.ts";
import { auditProblem } from "./audit.ts";
import { fromBase64Url, toBase64Url } from "./base64url.ts";
import { recipientsOf } from "./directory.ts";
import { wrapGroup } from "./groups.ts";
import { forgetLease, keepLease, keptLease } from "./leases_io.ts";
import { formatLink, LINK_ARGON2, linkKeys, looksLikeLink, parseLink } from "./link.ts";
import {
  changeSettings,
  createPortal,
  type Desk,
  deskOf,
  findPortal,
  grantPortal,
  type Group,
  listPortals,
  openGroup,
  requireWhole,
  revokeGrants,
} from "./operations.ts";
import type {
  CloseOptions,
  CreateOptions,
  DecideOptions,
  DeskOptions,
  ExtendOptions,
  GetOptions,
  GrantOptions,
  GroupOptions,
  LinkOptions,
  LogOptions,
  OneOptions,
  PutOptions,
  RequestOptions,
  RevokeOptions,
  ShowOptions,
} from "./options.ts";
import { encodeCondition } from "./policy/decode.ts";
import { parseDuration } from "./policy/duration.ts";
import { fromFlags, type PolicyFlags } from "./policy/flags.ts";
import { parseInstant } from "./policy/parse.ts";
import { openPortal } from "./portal.ts";
import {
  grantJson,
  grantLine,
  portalJson,
  portalLines,
  portalText,
  tell,
  timeText,
} from "./print.ts";
import type { HubAccess, PortalProtocol, PutRequest, PutResult } from "./protocol.ts";
import { signRecord } from "./records.ts";
import { openReason, sealReason } from "./reasons.ts";
import { noteOf } from "./versions.ts";
import { ageIdentity, sealName } from "./wrap.ts";

const EVENTS_WINDOW_BYTES = MiB;
const DAY_MS = 86_400_000;

/** The zone in which dates without one are meant. */
function localZone(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone;
}

interface OwnDesk extends Desk {
  connection: Connection;
}

async function openDesk(options: DeskOptions, io: CommandIo): Promise<OwnDesk> {
  const connection = connect(await ownAccess(options, options.hub, io), io.signal);
  const { client, directory, access, signer } = connection;
  const desk = deskOf({
    client,
    directory,
    key: signer,
    identities: access.identities,
    account: access.account!,
    verify: verifySignature,
  });
  return { ...desk, connection };
}

function policyOf(flags: PolicyFlags): string {
  return encodeCondition(fromFlags(flags, { nowMs: Date.now(), zone: localZone() }));
}

/** `24h` from now, or a date. @throws {WarpError} E_CONFIG */
function instantOf(text: string | undefined): number | null {
  if (text === undefined) return null;
  const seconds = parseDuration(text.trim());
  return seconds === undefined ? parseInstant(text, localZone()) : Date.now() + seconds * 1000;
}

// --- create, put, get

export async function create(options: CreateOptions, io: CommandIo): Promise<number> {
  const desk = await openDesk(options, io);
  const isTaken = (await listPortals(desk, () => {})).some(({ name, owner }) =>
    name === options.name && equal(owner, desk.account)
  );
  if (isTaken) {
    throw new WarpError("E_EXISTS", "you have a portal of this name already", {
      hint: "`warp portal put NAME PATH...` puts a new version into it",
    });
  }
  const id = await createPortal(desk, {
    name: options.name,
    policy: policyOf(options.policy),
    isOpen: !options.isPaused,
  });
  const portal = toBase64Url(id);
  if (options.sources.length > 0) {
    const { sources, excludes } = options;
    const done = await runPut(desk.connection.access, { portal, sources, excludes }, io);
    tellPut(options.name, portal, done, io);
    return exitOf(done);
  }
  tell(io, { message_type: "portal", portal, name: options.name }, [
    `portal ${printableText(options.name)} is made: ${portal}`,
  ]);
  return 0;
}

export async function put(options: PutOptions, io: CommandIo): Promise<number> {
  const desk = await openDesk(options, io);
  const { info, name } = await findPortal(desk, options.portal);
  const { sources, excludes } = options;
  const done = await runPut(desk.connection.access, { portal: info.portal, sources, excludes }, io);
  tellPut(name ?? info.portal, info.portal, done, io);
  return exitOf(done);
}

async function runPut(
  access: HubAccess,
  { portal, sources, excludes }: {
    portal: string;
    sources: readonly string[];
    excludes: readonly string[];
  },
  io: CommandIo,
): Promise<PutResult> {
  const request: PutRequest = {
    access,
    portal,
    sources: [...sources],
    excludes: [...excludes],
  };
  const ready = () => Promise.resolve(request);
  return await withTree(portalTree(true), false, io, ready, async (tree, message) => {
    const actor = tree.ref<PortalProtocol>("portal");
    const options = { windowBytes: EVENTS_WINDOW_BYTES, signal: io.signal };
    const stream = actor.stream("put", message, options);
    for await (const { phase, bytes, files, bytesSaved } of stream.items) {
      io.progress({
        phase,
        bytesDone: bytes,
        filesDone: files,
        detail: `${formatBytes(bytesSaved)} known`,
      });
    }
    return await stream.result;
  });
}

function tellPut(name: string, portal: string, done: PutResult, io: CommandIo): void {
  for (const { path, error } of done.problems) {
    io.warn(`${new TextDecoder().decode(path)}: ${error.message}`);
  }
  const what = done.isUnchanged
    ? `is as it was, version ${done.version}`
    : `has version ${done.version}: ${done.files} files, ${formatBytes(done.bytes)}, of it ` +
      `${formatBytes(done.bytesNew)} new, ${formatBytes(done.bytesSent)} sent`;
  tell(io, {
    message_type: "put",
    portal,
    version: done.version,
    unchanged: done.isUnchanged,
    files: done.files,
    bytes: done.bytes,
    bytes_new: done.bytesNew,
    bytes_sent: done.bytesSent,
    packs_sent: done.packsSent,
    problems: done.problems.length,
    seconds: done.seconds,
  }, [`portal ${printableText(name)} (${portal}) ${what}`]);
}

function exitOf({ problems }: { problems: readonly unknown[] }): number {
  return problems.length === 0 ? 0 : 7;
}

export async function get(options: GetOptions, io: CommandIo): Promise<number> {
  const { access, portal } = await resolve(options, io);
  const request = {
    access,
    portal,
    directory: options.directory,
    isForce: options.isForce,
    version: options.version,
    lease: keptLease(access.url, portal, options.version),
  };
  const ready = () => Promise.resolve(request);
  const done = await withTree(portalTree(false), false, io, ready, async (tree, message) => {
    const actor = tree.ref<PortalProtocol>("portal");
    const flow = { windowBytes: EVENTS_WINDOW_BYTES, signal: io.signal };
    const stream = actor.stream("get", message, flow);
    for await (const item of stream.items) {
      if (item.type === "lease") {
        keepLease(access.url, portal, item.lease, options.version);
        continue;
      }
      io.progress({
        phase: item.phase,
        bytesDone: item.bytes,
        filesDone: item.files,
        ...(item.bytesTotal === null ? {} : { bytesTotal: item.bytesTotal }),
        detail: `${formatBytes(item.bytesSaved)} here already`,
      });
    }
    return await stream.result;
  });
  forgetLease(access.url, portal, options.version);
  for (const { path, error } of done.problems) {
    io.warn(`${new TextDecoder().decode(path)}: ${error.message}`);
  }
  tell(io, {
    message_type: "got",
    portal,
    version: done.version,
    files: done.files,
    bytes: done.bytes,
    bytes_had: done.bytesHad,
    bytes_fetched: done.bytesFetched,
    problems: done.problems.length,
    seconds: done.seconds,
  }, [
    `version ${done.version}: ${done.files} files, ${formatBytes(done.bytes)}, of it ` +
    `${formatBytes(done.bytesHad)} here already, ${formatBytes(done.bytesFetched)} fetched`,
  ]);
  return exitOf(done);
}

/** Who a portal is asked for by: its link, or this machine's account. */
async function resolve(
  options: OneOptions & { passwordFile: string | undefined },
  io: CommandIo,
): Promise<{ access: HubAccess; portal: string; connection: Connection }> {
  if (looksLikeLink(options.portal)) {
    const link = parseLink(options.portal);
    const password = { passphraseFile: options.passwordFile };
    const access = await linkAccess(link, password, io);
    const connection = connect(access, io.signal);
    await loginWithLink(connection, link);
    return { access, portal: toBase64Url(link.portal), connection };
  }
  const desk = await openDesk(options, io);
  const { info } = await findPortal(desk, options.portal);
  const { access } = desk.connection;
  if (info.grant?.group != null) {
    const group = await groupOf(desk, bytes(info.grant.group, 32));
    const wider = { ...access, identities: [...access.identities, group.identity] };
    const connection = { ...desk.connection, access: wider };
    return { access: wider, portal: info.portal, connection };
  }
  return { access, portal: info.portal, connection: desk.connection };
}

// --- list, show, state

export async function list(options: DeskOptions, io: CommandIo): Promise<number> {
  const desk = await openDesk(options, io);
  const portals = await listPortals(desk, (info, error) => {
    io.warn(`portal ${info.portal}: ${error.message}`);
  });
  const nowMs = desk.client.nowMs;
  for (const portal of portals) io.json({ message_type: "portal", ...portalJson(portal) });
  if (!io.options.isJson) io.stdout.write(portalLines(portals, desk.account, nowMs));
  return 0;
}

export async function show(options: ShowOptions, io: CommandIo): Promise<number> {
  const { connection, portal: id } = await resolve(options, io);
  const { client, directory, access } = connection;
  const info = await client.call("GET /v1/portals/{portal}", { portal: id });
  const portal = await openPortal(info, access.identities, directory, verifySignature);
  const grants = info.grants?.map((grant) => ({ grant, note: noteOf(grant, portal.keys) })) ?? [];
  if (io.options.isJson) {
    io.json({ message_type: "portal", ...portalJson(portal), grants: grants.map(grantJson) });
  } else {
    const lines = grants.filter(({ grant }) => grant.level !== "owner").map(grantLine);
    io.stdout.write(portalText(portal, localZone()) + lines.join(""));
  }
  if (!options.isFiles) return 0;
  const { filesOf } = await import("./files_io.ts");
  for await (const entry of filesOf(connection, portal, io.signal)) {
    const size = entry.type === "file" ? entry.size : 0;
    tell(io, {
      message_type: "file",
      path: new TextDecoder().decode(entry.path),
      type: entry.type,
      size,
    }, [`${formatBytes(size).padStart(9)}  ${printableName(entry.path)}${suffixOf(entry.type)}`]);
  }
  return 0;
}

function suffixOf(type: string): string {
  return type === "dir" ? "/" : type === "symlink" ? "@" : "";
}

export async function setState(
  event: "open" | "pause" | "close",
  options: OneOptions,
  io: CommandIo,
): Promise<number> {
  const desk = await openDesk(options, io);
  const { info, name } = await findPortal(desk, options.portal);
  const { portal } = info;
  const { state } = await desk.client.call("POST /v1/portals/{portal}/state", { portal }, {
    event,
  });
  tell(io, { message_type: "state", portal, state }, [
    `portal ${printableText(name ?? portal)} is ${state}`,
  ]);
  return 0;
}

export async function close(options: CloseOptions, io: CommandIo): Promise<number> {
  if (!options.isArchive) return await setState("close", options, io);
  const desk = await openDesk(options, io);
  const { info, name } = await findPortal(desk, options.portal);
  await desk.client.call("DELETE /v1/portals/{portal}", { portal: info.portal });
  tell(io, { message_type: "state", portal: info.portal, state: "archived" }, [
    `portal ${printableText(name ?? info.portal)} is archived; its content is let go`,
  ]);
  return 0;
}

export async function extend(options: ExtendOptions, io: CommandIo): Promise<number> {
  const desk = await openDesk(options, io);
  const portal = await findPortal(desk, options.portal);
  await changeSettings(desk, portal, { policy: policyOf(options.policy) }, "extend");
  const again = await findPortal(desk, portal.info.portal);
  tell(io, { message_type: "portal", ...portalJson(again) }, [
    portalText(again, localZone()).trimEnd(),
  ]);
  return 0;
}

// --- grants and links

export async function grant(options: GrantOptions, io: CommandIo): Promise<number> {
  const desk = await openDesk(options, io);
  const portal = await findPortal(desk, options.portal);
  const isAccount = options.grantee.startsWith("portal1");
  const grantee = isAccount
    ? parseAccount(options.grantee)
    : (await groupNamed(desk, options.grantee)).id;
  const done = await grantPortal(desk, portal, {
    kind: isAccount ? "account" : "group",
    grantee,
    level: options.level,
    path: options.path ?? null,
    label: options.label ?? (isAccount ? "" : options.grantee),
    expiresMs: instantOf(options.expires),
    downloads: options.downloads ?? null,
  });
  await publish(desk.connection, portal.info.portal, done.needsVersion, io);
  tell(io, { message_type: "grant", portal: portal.info.portal, grant: toBase64Url(done.grant) }, [
    `granted: ${toBase64Url(done.grant)}`,
  ]);
  return 0;
}

const PUBLISH_DEADLINE_MS = 600_000;

/** A grant to a part of the tree, or to its list, has something to see at once. */
async function publish(
  { access }: Connection,
  portal: string,
  needsVersion: boolean,
  io: CommandIo,
): Promise<void> {
  if (!needsVersion) return;
  const ready = () => Promise.resolve({ access, portal });
  try {
    await withTree(portalTree(false), true, io, ready, async (tree, request) => {
      const options = { deadlineMs: PUBLISH_DEADLINE_MS, signal: io.signal };
      await tree.ref<PortalProtocol>("portal").call("publish", request, options);
    });
  } catch (error) {
    if (!isWarpError(error, "E_BUSY") && !isWarpError(error, "E_CONFIG")) throw error;
    io.warn("it has something to see from the next `warp portal put` on");
  }
}

export async function revoke(options: RevokeOptions, io: CommandIo): Promise<number> {
  const desk = await openDesk(options, io);
  const portal = await findPortal(desk, options.portal);
  const info = await desk.client.call("GET /v1/portals/{portal}", { portal: portal.info.portal });
  const live = (info.grants ?? []).filter((grant) =>
    grant.revokedMs === null && grant.level !== "owner"
  );
  const revoked = options.grants.flatMap((text) => {
    const found = live.filter((grant) => isMeant(grant, text));
    if (found.length > 0) return found;
    throw new WarpError("E_NOT_FOUND", `there is no such grant: ${text.slice(0, 80)}`, {
      hint: "`warp portal show` lists them",
    });
  });
  await revokeGrants(desk, portal, revoked.map((grant) => bytes(grant.grant, 16)));
  tell(io, {
    message_type: "revoked",
    portal: info.portal,
    grants: revoked.map((one) => one.grant),
  }, [
    `revoked ${revoked.length}; what is put from now on has a new key`,
  ]);
  return 0;
}

function isMeant(grant: GrantInfo, text: string): boolean {
  if (grant.grant === text) return true;
  if (text.startsWith("portal1")) {
    return grant.kind === "account" && grant.grantee === toBase64Url(parseAccount(text));
  }
  return false;
}

export async function link(options: LinkOptions, io: CommandIo): Promise<number> {
  const desk = await openDesk(options, io);
  const portal = await findPortal(desk, options.portal);
  requireWhole(portal.keys);
  const password = options.passwordFile === undefined ? undefined : await readPassphrase(
    { passphraseFile: options.passwordFile },
    io,
    { isNew: true, prompt: "password of the link: " },
  );
  const secret = { needsPassword: password !== undefined, bytes: desk.random(16) };
  const keys = await linkKeys(
    secret,
    password,
    (text, salt) => argon2id(text, salt, LINK_ARGON2),
  );
  password?.fill(0);
  const { identityToRecipient } = await import("age-encryption");
  const recipient = await identityToRecipient(keys.identity);
  const signer = createSigner(keys.authSeed);
  keys.authSeed.fill(0);
  const done = await grantPortal(desk, portal, {
    kind: "link",
    grantee: signer.publicKey,
    recipient,
    level: options.level,
    path: options.path ?? null,
    label: options.label ?? "",
    expiresMs: instantOf(options.expires),
    downloads: options.isOneTime ? 1 : options.downloads ?? null,
  });
  await publish(desk.connection, portal.info.portal, done.needsVersion, io);
  const address = formatLink({ hub: desk.client.url, portal: portal.id, secret });
  tell(io, {
    message_type: "link",
    portal: portal.info.portal,
    grant: toBase64Url(done.grant),
    link: address,
  }, [address]);
  return 0;
}

// --- re-entry

export async function request(options: RequestOptions, io: CommandIo): Promise<number> {
  const { connection, portal } = await resolve(options, io);
  const { client, directory } = connection;
  const info = await client.call("GET /v1/portals/{portal}", { portal });
  const owner = await directory.find(bytes(info.owner, 32));
  const reason = await sealReason(options.reason, fromBase64Url(portal, 16), recipientsOf(owner));
  const { request } = await client.call("POST /v1/portals/{portal}/requests", { portal }, {
    reason: toBase64Url(reason),
  });
  tell(io, { message_type: "request", portal, request }, [`asked: ${request}`]);
  return 0;
}

export async function requests(options: OneOptions, io: CommandIo): Promise<number> {
  const desk = await openDesk(options, io);
  const { id, info } = await findPortal(desk, options.portal);
  const answer = await desk.client.call("GET /v1/portals/{portal}/requests", {
    portal: info.portal,
  });
  for (const one of answer.requests) {
    const reason = await openReason(bytes(one.reason), id, desk.identities);
    tell(io, { message_type: "request", ...requestJson(one), reason: reason ?? null }, [
      `${one.request}  ${one.state}  ${timeText(one.createdMs, localZone())}  ` +
      printableText(reason ?? "(the reason cannot be read on this device)"),
    ]);
  }
  return 0;
}

function requestJson({ request, grant, key, state, createdMs, decidedMs }: RequestInfo) {
  return { request, grant, key, state, created_ms: createdMs, decided_ms: decidedMs };
}

export async function decide(
  isApproved: boolean,
  options: DecideOptions,
  io: CommandIo,
): Promise<number> {
  const desk = await openDesk(options, io);
  const { info } = await findPortal(desk, options.portal);
  const { portal } = info, { request } = options;
  const untilMs = instantOf(options.expires) ?? Date.now() + DAY_MS;
  await desk.client.call(
    "POST /v1/portals/{portal}/requests/{request}",
    { portal, request },
    isApproved
      ? { decision: "approve", untilMs, downloads: options.downloads ?? null }
      : { decision: "deny" },
  );
  const until = isApproved ? ` until ${timeText(untilMs, localZone())}` : "";
  tell(io, { message_type: "decision", portal, request, approved: isApproved }, [
    `${isApproved ? "approved" : "denied"}${until}`,
  ]);
  return 0;
}

// --- the log

export async function log(options: LogOptions, io: CommandIo): Promise<number> {
  const desk = await openDesk(options, io);
  const { info } = await findPortal(desk, options.portal);
  const entries: { text: string; hash: string }[] = [];
  let head: { hash: string; signature: string } | undefined;
  for (;;) {
    const answer = await desk.client.call(
      "GET /v1/portals/{portal}/log",
      { portal: info.portal },
      { after: String(entries.length) },
    );
    head = answer.head;
    entries.push(...answer.entries);
    if (answer.entries.length < 1000) break;
  }
  const problem = auditProblem(entries, head, desk.client.hubKey, verifySignature);
  if (problem !== undefined) throw new WarpError("E_INTEGRITY", problem);
  if (options.exportFile !== undefined) {
    const text = JSON.stringify({
      portal: info.portal,
      hub: toBase64Url(desk.client.hubKey),
      head,
      entries,
    });
    await Deno.writeTextFile(options.exportFile, text + "\n", { mode: 0o600 });
    io.note(`${entries.length} entries, whole and signed by the hub: ${options.exportFile}`);
    return 0;
  }
  for (const { text } of entries) {
    const entry = JSON.parse(text) as Record<string, unknown>;
    const { atMs, actor, action, entry: number, before: _, ...rest } = entry;
    const details = Object.entries(rest).map(([name, value]) => `${name}=${value}`).join(" ");
    tell(io, { message_type: "log", ...entry }, [
      `${number}  ${timeText(Number(atMs), localZone())}  ${action}  ${actor}  ${details}`
        .trimEnd(),
    ]);
  }
  return 0;
}

// --- groups

async function allGroups(desk: Desk): Promise<Group[]> {
  const { groups } = await desk.client.call("GET /v1/groups");
  const opened = await Promise.all(groups.map((info) => openGroup(desk, info)));
  return opened.filter((group) => group !== undefined);
}

async function groupNamed(desk: Desk, name: string): Promise<Group> {
  const found = (await allGroups(desk)).find((group) => group.name === name);
  if (found !== undefined) return found;
  throw new WarpError("E_NOT_FOUND", "there is no such account or group", {
    hint: "an account looks like portal1…; `warp portal group NAME --add portal1…` makes a group",
  });
}

async function groupOf(desk: Desk, id: Uint8Array): Promise<Group> {
  const found = (await allGroups(desk)).find((group) => equal(group.id, id));
  if (found !== undefined) return found;
  throw new WarpError("E_KEY_WRONG", "the keys of the group are not for this device");
}

export async function group(options: GroupOptions, io: CommandIo): Promise<number> {
  const desk = await openDesk(options, io);
  if (options.name === undefined) {
    for (const one of await allGroups(desk)) tellGroup(one, desk, io);
    return 0;
  }
  const { name } = options;
  const known = (await allGroups(desk)).find((one) => one.name === name);
  const isChange = options.add.length + options.remove.length > 0;
  if (!isChange) {
    tellGroup(known ?? await groupNamed(desk, name), desk, io);
    return 0;
  }
  const group = known ?? await newGroup(desk, name);
  if (!equal(group.owner, desk.account)) {
    throw new WarpError("E_ACCESS", "the group is another account's");
  }
  const members = new Map([desk.account, ...(group.members ?? [])].map((one) => [toHex(one), one]));
  for (const text of options.add) {
    const account = parseAccount(text);
    members.set(toHex(account), account);
  }
  for (const text of options.remove) {
    if (!members.delete(toHex(parseAccount(text)))) {
      throw new WarpError("E_NOT_FOUND", "the account is not in the group");
    }
  }
  const wrapped = [];
  for (const account of members.values()) {
    const recipients = recipientsOf(await desk.directory.find(account));
    const wrap = await wrapGroup(group.id, { identity: group.identity, name }, recipients);
    wrapped.push({ account: toBase64Url(account), wrap: toBase64Url(wrap) });
  }
  await desk.client.call("PUT /v1/groups/{group}", { group: toBase64Url(group.id) }, {
    members: wrapped,
  });
  tellGroup({ ...group, members: [...members.values()] }, desk, io);
  if (options.remove.length > 0) {
    io.warn("who left has the group's keys still: revoke its grants, and grant anew");
  }
  return 0;
}

async function newGroup(desk: Desk, name: string): Promise<Group> {
  const { identityToRecipient } = await import("age-encryption");
  const identity = ageIdentity(desk.random(32)), id = desk.random(32);
  const recipient = await identityToRecipient(identity);
  // Members learn the name with the keys; the record needs one of its own, for the owner's eyes.
  const sealedName = sealName(name, desk.random(32), id.subarray(0, 16), desk.random(12));
  const record = signRecord("group", {
    group: id,
    account: desk.account,
    recipient,
    sealedName,
    atMs: Math.round(desk.client.nowMs),
  }, desk.key.sign);
  await desk.client.call("POST /v1/groups", {}, { group: signedJson(record) });
  return { id, owner: desk.account, identity, recipient, name, members: [] };
}

function tellGroup({ id, name, owner, members }: Group, desk: Desk, io: CommandIo): void {
  const accounts = members?.map(formatAccount) ?? [];
  const isOwn = equal(owner, desk.account);
  tell(io, {
    message_type: "group",
    group: toBase64Url(id),
    name: name ?? null,
    owner: formatAccount(owner),
    members: accounts,
  }, [
    `group ${printableText(name ?? toBase64Url(id))}${isOwn ? "" : ` of ${formatAccount(owner)}`}`,
    ...accounts.map((account) => `  ${account}`),
  ]);
}
