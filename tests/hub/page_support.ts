/**
 * A hub in this process with an owner, portals with files, and links to them.
 *
 * @module
 */
import { utf8 } from "../../actors/base/bytes.ts";
import { argon2id } from "../../actors/cipher/argon2.ts";
import { createSigner, verifySignature } from "../../actors/cipher/signature.ts";
import { AccountSecrets } from "../../actors/portal/account_keys.ts";
import { signedJson } from "../../actors/portal/api_fields.ts";
import { toBase64Url } from "../../actors/portal/base64url.ts";
import { Directory } from "../../actors/portal/directory.ts";
import { HubClient } from "../../actors/portal/hub_client.ts";
import { HubStore } from "../../actors/portal/hub_store.ts";
import { encodeKeyRing, type KeyRing, newKeyRing } from "../../actors/portal/key_ring.ts";
import { formatLink, LINK_ARGON2, linkKeys } from "../../actors/portal/link.ts";
import {
  createPortal,
  type Desk,
  deskOf,
  findPortal,
  grantPortal,
} from "../../actors/portal/operations.ts";
import { encodeCondition } from "../../actors/portal/policy/decode.ts";
import { parseCondition } from "../../actors/portal/policy/parse.ts";
import { newestKey, type Portal } from "../../actors/portal/portal.ts";
import type { Level } from "../../actors/portal/records.ts";
import { addVersion, grantedViews } from "../../actors/portal/versions.ts";
import { openPages } from "../../hub/page/pages_io.ts";
import { SYSTEM_CLOCK } from "../../hub/hub.ts";
import { type RunningHub, startHub } from "../../hub/serve_io.ts";
import { put, withChunker } from "../actors/portal/content_support.ts";
import { Random } from "../support/random.ts";

export const PASSPHRASE = "correct horse";
/** Cheap: the browser derives the key with noble. */
const FAST = { memoryKiB: 64, passes: 1, lanes: 1 };

/** The pages of the sources as they are now, built once for a file of tests. */
const PAGES = Deno.makeTempDirSync({ prefix: "warp-pages-" });
addEventListener("unload", () => Deno.removeSync(PAGES, { recursive: true }));

export interface Scene {
  dir: string;
  hub: RunningHub;
  /** `http://127.0.0.1:PORT` */
  url: string;
  desk: Desk;
  ring: KeyRing;
  /** `portal.key`, sealed under {@link PASSPHRASE}. */
  ringFile: Uint8Array<ArrayBuffer>;
}

/** Starts a hub and enrols an owner; `use` is what happens then. The pages are those of the sources. */
export async function withScene(use: (scene: Scene) => Promise<void>): Promise<void> {
  const dir = Deno.makeTempDirSync({ prefix: "warp-page-" });
  await openPages(new URL(`file://${PAGES}/page/`));
  const hub = await startHub(
    {
      host: "127.0.0.1",
      port: 0,
      database: `${dir}/hub.db`,
      blobs: `${dir}/blobs`,
      isOpen: true,
      isBehindProxy: false,
      tls: null,
      limits: {},
    },
    SYSTEM_CLOCK,
    () => {},
  );
  try {
    const url = `http://127.0.0.1:${hub.port}`;
    const secrets = await AccountSecrets.fromEntropy(new Random(4711).bytes(32));
    const ring = await newKeyRing(secrets, 1, Date.now());
    const key = { publicKey: ring.device, sign: (text: Uint8Array) => ring.keys.sign(text) };
    const client = new HubClient({ url, hubKey: null, key, verify: verifySignature });
    await client.enrol("POST /v1/accounts", {
      key: toBase64Url(ring.account),
      account: signedJson(ring.accountRecord),
      device: signedJson(ring.deviceRecord),
    });
    const desk = deskOf({
      client,
      directory: new Directory(client, verifySignature),
      key,
      identities: [ring.keys.identity],
      account: ring.account,
      verify: verifySignature,
    });
    const ringFile = await encodeKeyRing(ring, {
      passphrase: utf8(PASSPHRASE),
      salt: new Random(1).bytes(16),
      nonce: new Random(2).bytes(12),
      argon2: FAST,
    });
    await use({ dir, hub, url, desk, ring, ringFile });
    ring.keys.wipe();
    secrets.wipe();
  } finally {
    await hub.stop();
    Deno.removeSync(dir, { recursive: true });
  }
}

/** A portal with this policy (docs/policy.md), and `source` in it. */
export async function makePortal(
  { desk }: Scene,
  options: { name: string; policy?: string; isOpen?: boolean },
): Promise<Portal> {
  const id = await createPortal(desk, {
    name: options.name,
    policy: encodeCondition(parseCondition(options.policy ?? "always")),
    isOpen: options.isOpen ?? true,
  });
  return await findPortal(desk, toBase64Url(id));
}

/** The first version of a portal: a directory. */
export async function putFiles(scene: Scene, portal: Portal, source: string): Promise<void> {
  const { desk } = scene;
  const info = await desk.client.call("GET /v1/portals/{portal}", { portal: portal.info.portal });
  const { epoch, key } = newestKey(portal.keys);
  await withChunker(async (chunker) => {
    const tree = await put(chunker, new HubStore(desk.client, portal.id, null), source, {
      domainSecret: scene.ring.keys.convergenceSecret,
      views: [
        { id: null, key, path: null, isList: false },
        ...grantedViews(info.grants ?? [], portal.keys),
      ],
      nonce: () => crypto.getRandomValues(new Uint8Array(16)),
      createdMs: Date.now(),
    });
    await addVersion(desk.client, desk.key, portal.id, {
      sequence: 1,
      epoch,
      before: new Uint8Array(32),
      heads: tree.heads,
    });
  });
}

/** A link to a portal, as `warp portal link` makes it. */
export async function makeLink(
  { desk, url }: Scene,
  portal: Portal,
  options: { password?: string; downloads?: number; level?: Level; label?: string } = {},
): Promise<{ address: string; secret: string }> {
  const { password } = options;
  const secret = {
    needsPassword: password !== undefined,
    bytes: crypto.getRandomValues(new Uint8Array(16)),
  };
  const keys = await linkKeys(
    secret,
    password === undefined ? undefined : utf8(password.normalize("NFC")),
    (text, salt) => argon2id(text, salt, LINK_ARGON2),
  );
  const { identityToRecipient } = await import("age-encryption");
  await grantPortal(desk, portal, {
    kind: "link",
    grantee: createSigner(keys.authSeed).publicKey,
    recipient: await identityToRecipient(keys.identity),
    level: options.level ?? "read",
    path: null,
    label: options.label ?? "",
    expiresMs: null,
    downloads: options.downloads ?? null,
  });
  const address = formatLink({ hub: url, portal: portal.id, secret });
  return { address, secret: address.split("#")[1]! };
}

/** Finds the file of a hub's blob directory that has the most bytes, and flips one of them. */
export function flipLargestBlob({ dir }: Scene): void {
  let path = "", size = 0;
  const look = (folder: string) => {
    for (const { name, isDirectory } of Deno.readDirSync(folder)) {
      const full = `${folder}/${name}`;
      if (isDirectory) look(full);
      else if (Deno.statSync(full).size > size) [path, size] = [full, Deno.statSync(full).size];
    }
  };
  look(`${dir}/blobs`);
  const bytes = Deno.readFileSync(path);
  bytes[bytes.length >> 1]! ^= 1;
  Deno.writeFileSync(path, bytes);
}
