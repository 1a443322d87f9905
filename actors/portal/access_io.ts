/**
 * Keys and hubs of this machine, as what the portal actor and the commands speak to a hub with.
 *
 * @module
 */
import { loginFor } from "./hub_logins.ts";
import { asWarpError, WarpError } from "../base/errors.ts";
import type { CommandIo } from "../base/command.ts";
import { argon2id } from "../cipher/argon2.ts";
import { type PassphraseSource, readPassphrase } from "../cipher/passphrase.ts";
import { createSigner, type Signer, verifySignature } from "../cipher/signature.ts";
import { openRing } from "./open_ring_io.ts";
import { Directory } from "./directory.ts";
import { HubClient } from "./hub_client.ts";
import type { KeyRing } from "./key_ring.ts";
import { readHubLogins } from "./key_ring_io.ts";
import { LINK_ARGON2, linkKeys, type PortalLink } from "./link.ts";
import type { HubAccess } from "./protocol.ts";

/** A client that is ready to log in, and what it opens. */
export interface Connection {
  client: HubClient;
  directory: Directory;
  access: HubAccess;
  signer: Signer;
}

export function connect(access: HubAccess, signal?: AbortSignal): Connection {
  const signer = createSigner(access.signingSeed);
  const client = new HubClient({
    url: access.url,
    hubKey: access.hubKey,
    key: { publicKey: signer.publicKey, sign: (message) => signer.sign(message) },
    verify: verifySignature,
    ...(signal === undefined ? {} : { signal }),
  });
  return { client, directory: new Directory(client, verifySignature), access, signer };
}

/** What a device of an account speaks to a hub with; the ring's keys are copied. */
export function deviceAccess(ring: KeyRing, url: string, hubKey: Uint8Array | null): HubAccess {
  const secrets = ring.keys.copySecrets();
  secrets.identitySecret.fill(0);
  return {
    url,
    hubKey,
    signingSeed: new Uint8Array(secrets.signingSeed),
    identities: [ring.keys.identity],
    account: new Uint8Array(ring.account),
    convergenceSecret: new Uint8Array(secrets.convergenceSecret),
  };
}

/**
 * The key ring of this machine and the hub that is meant.
 *
 * @param hub its address; undefined: the default one
 * @throws {WarpError} E_KEY_NEEDED, E_KEY_WRONG, E_AUTH (no such login)
 */
export async function ownAccess(
  source: PassphraseSource,
  hub: string | undefined,
  io: CommandIo,
): Promise<HubAccess> {
  const login = loginFor(readHubLogins(), hub);
  const ring = await openRing(source, io);
  try {
    return deviceAccess(ring, login.url, new Uint8Array(login.hubKey));
  } finally {
    ring.keys.wipe();
  }
}

/** @throws {WarpError} E_KEY_NEEDED (a password), E_USAGE */
export async function linkAccess(
  link: PortalLink,
  password: PassphraseSource,
  io: CommandIo,
): Promise<HubAccess> {
  const text = link.secret.needsPassword
    ? await readPassphrase(password, io, { isNew: false, prompt: "password of the link: " })
    : undefined;
  try {
    const keys = await linkKeys(
      link.secret,
      text,
      (password, salt) => argon2id(password, salt, LINK_ARGON2),
    );
    return {
      url: link.hub,
      hubKey: null,
      signingSeed: keys.authSeed,
      identities: [keys.identity],
      account: null,
      convergenceSecret: null,
    };
  } finally {
    text?.fill(0);
  }
}

/** A link's key that the hub does not know is a wrong password, or a link that is no more. */
export async function loginWithLink({ client }: Connection, link: PortalLink): Promise<void> {
  try {
    await client.login();
  } catch (error) {
    const known = asWarpError(error);
    if (known.code !== "E_AUTH") throw error;
    throw link.secret.needsPassword
      ? new WarpError("E_KEY_WRONG", "the password is wrong, or the link was revoked")
      : new WarpError("E_GONE", "the link was revoked, or is not of this hub");
  }
}
