/**
 * Devices of an account at a hub: a new one brought in by the words, all of them listed, one retired.
 *
 * @module
 */
import { type Bytes, equal } from "../base/bytes.ts";
import type { CommandIo } from "../base/command.ts";
import { isWarpError, WarpError } from "../base/errors.ts";
import type { PassphraseSource } from "../cipher/passphrase.ts";
import { verifySignature } from "../cipher/signature.ts";
import { connect, ownAccess } from "./access_io.ts";
import type { AccountSecrets } from "./account_keys.ts";
import { bytes, signedJson } from "./api_fields.ts";
import { toBase64Url } from "./base64url.ts";
import { type Account, Directory, recipientsOf } from "./directory.ts";
import { wrapGroup } from "./groups.ts";
import { HubClient } from "./hub_client.ts";
import { type HubAddress, withLogin } from "./hub_logins.ts";
import type { PublicRing } from "./key_ring.ts";
import { updateHubLogins } from "./key_ring_io.ts";
import { type Desk, deskOf, listPortals, openGroup, revokeGrants } from "./operations.ts";
import { tell } from "./print.ts";
import { signRecord } from "./records.ts";
import { unwrapKeys, wrapKeys } from "./wrap.ts";

/** The account itself at a hub, for as long as its words are at hand. */
export interface AccountAtHub {
  desk: Desk;
  hub: HubAddress;
}

/**
 * Logs in with the account's own key.
 *
 * @throws {WarpError} E_NOT_FOUND when the hub does not know the account
 */
export async function loginAsAccount(
  secrets: AccountSecrets,
  hub: HubAddress,
  io: CommandIo,
): Promise<AccountAtHub> {
  const key = {
    publicKey: secrets.account,
    sign: (message: Bytes) => secrets.sign(message),
  };
  const client = new HubClient({
    url: hub.url,
    hubKey: hub.key,
    key,
    verify: verifySignature,
    signal: io.signal,
  });
  try {
    await client.login();
  } catch (error) {
    if (!isWarpError(error, "E_AUTH")) throw error;
    throw new WarpError("E_NOT_FOUND", "the hub does not know the account of these words", {
      hint: "are the words right, and is it the right hub? `warp hub login` enrols a new account",
    });
  }
  const desk = deskOf({
    client,
    directory: new Directory(client, verifySignature),
    key,
    identities: [secrets.identity],
    account: secrets.account,
    verify: verifySignature,
  });
  return { desk, hub };
}

/** A number that no device of the account has had. */
export async function nextDeviceNumber({ desk }: AccountAtHub): Promise<number> {
  const { devices } = await desk.directory.find(desk.account);
  return devices.reduce((most, { number }) => Math.max(most, number), 0) + 1;
}

export interface Recovered {
  portals: number;
  /** Of others' groups, whose keys only their owners can bring. */
  left: number;
}

/** Enrols a new device, and wraps for it the keys of all portals that the account has. */
export async function bringIn(at: AccountAtHub, ring: PublicRing): Promise<Recovered> {
  const { desk, hub } = at, { client } = desk;
  await client.enrol("POST /v1/devices", {
    account: toBase64Url(desk.account),
    device: signedJson(ring.deviceRecord),
  });
  // Asked for anew: it has one device more.
  const account = await new Directory(client, verifySignature).find(desk.account);
  await bringGroups(desk, account);
  const { portals } = await client.call("GET /v1/portals");
  const done: Recovered = { portals: 0, left: 0 };
  for (const { portal, grant } of portals) {
    if (grant === null || grant.group !== null) {
      done.left++;
      continue;
    }
    const id = bytes(portal, 16);
    const keys = await unwrapKeys(bytes(grant.wrap), desk.identities, id);
    const wrap = toBase64Url(await wrapKeys(keys, recipientsOf(account)));
    await client.call("PUT /v1/portals/{portal}/wraps", { portal }, {
      wraps: [{ grant: grant.grant, wrap }],
    });
    done.portals++;
  }
  await updateHubLogins((logins) =>
    withLogin(logins, { url: hub.url, hubKey: client.hubKey }, true)
  );
  return done;
}

/** The keys of the account's own groups, for its own new device. */
async function bringGroups(desk: Desk, account: Account): Promise<void> {
  const { groups } = await desk.client.call("GET /v1/groups");
  for (const info of groups) {
    const group = await openGroup(desk, info);
    if (group === undefined || !equal(group.owner, desk.account)) continue;
    const members = [];
    for (const member of group.members ?? []) {
      const found = equal(member, account.key) ? account : await desk.directory.find(member);
      const keys = { identity: group.identity, name: group.name ?? "" };
      const wrap = await wrapGroup(group.id, keys, recipientsOf(found));
      members.push({ account: toBase64Url(member), wrap: toBase64Url(wrap) });
    }
    await desk.client.call("PUT /v1/groups/{group}", { group: toBase64Url(group.id) }, { members });
  }
}

export interface HubSource extends PassphraseSource {
  hub: string | undefined;
}

async function ownDesk(source: HubSource, io: CommandIo): Promise<Desk> {
  const access = await ownAccess(source, source.hub, io);
  const { client, directory, signer } = connect(access, io.signal);
  return deskOf({
    client,
    directory,
    key: signer,
    identities: access.identities,
    account: access.account!,
    verify: verifySignature,
  });
}

/** All devices of the account, as its hub has them. */
export async function listDevices(source: HubSource, io: CommandIo): Promise<void> {
  const desk = await ownDesk(source, io);
  const { devices } = await desk.directory.find(desk.account);
  for (const { number, key, recipient, isRetired, atMs } of devices) {
    const isThis = equal(key, desk.key.publicKey);
    const about = `${isRetired ? ", retired" : ""}${isThis ? ", this one" : ""}`;
    tell(io, {
      message_type: "device",
      number,
      key: toBase64Url(key),
      recipient,
      retired: isRetired,
      this_one: isThis,
      enrolled: new Date(atMs).toISOString(),
    }, [
      `device ${number}${about}: ${recipient}, since ${new Date(atMs).toISOString().slice(0, 10)}`,
    ]);
  }
}

/**
 * Retires a device: the hub lets it in no more, and own portals get new keys for what comes.
 *
 * @throws {WarpError} E_NOT_FOUND, E_USAGE (this one)
 */
export async function retireDevice(
  number: number,
  source: HubSource,
  io: CommandIo,
): Promise<void> {
  const desk = await ownDesk(source, io);
  const { devices } = await desk.directory.find(desk.account);
  const device = devices.find((one) => one.number === number);
  if (device === undefined) throw new WarpError("E_NOT_FOUND", `there is no device ${number}`);
  if (equal(device.key, desk.key.publicKey)) {
    throw new WarpError("E_USAGE", "a device does not retire itself", {
      hint: "do it on another one; `warp key recover` makes one from the words",
    });
  }
  const record = signRecord("retire", {
    account: desk.account,
    number,
    atMs: Math.round(desk.client.nowMs),
  }, desk.key.sign);
  await desk.client.call("POST /v1/retirements", {}, { retire: signedJson(record) });
  // From here on recipients are asked for anew: without the device.
  const after = { ...desk, directory: new Directory(desk.client, verifySignature) };
  let count = 0;
  for (const portal of await listPortals(after, () => {})) {
    if (!equal(portal.owner, desk.account)) continue;
    await revokeGrants(after, portal, []);
    count++;
  }
  tell(io, { message_type: "retired", number, portals: count }, [
    `device ${number} is retired; ${count} portals have new keys`,
  ]);
}
