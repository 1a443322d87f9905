/**
 * Puts a tree into a portal: reads it, uploads what the hub has not, and adds a version.
 *
 * @module
 */
import type { KernelSet } from "../../kernels/kernel.ts";
import { equal } from "../base/bytes.ts";
import { isWarpError, WarpError } from "../base/errors.ts";
import { nodeCrypto } from "../base/node_crypto.ts";
import type { ChunkerProtocol } from "../chunker/protocol.ts";
import { verifySignature } from "../cipher/signature.ts";
import type { ActorRef } from "../runtime/actor_ref.ts";
import { connect, type Connection } from "./access_io.ts";
import { bytes } from "./api_fields.ts";
import { toBase64Url } from "./base64url.ts";
import { deriveViews } from "./content/derive_views.ts";
import { loadPrevious, type Previous } from "./content/previous.ts";
import { type PutResult as TreeResult, putTree } from "./content/put_job.ts";
import type { View } from "./content/views.ts";
import { HubStore } from "./hub_store.ts";
import { keyOfEpoch, newestKey, openPortal, openVersion, type Portal } from "./portal.ts";
import type { PortalProgress, PublishRequest, PutRequest, PutResult } from "./protocol.ts";
import { addVersion, grantedViews } from "./versions.ts";
import { writerDomain } from "./wrap.ts";

/** Someone else may put a version at the same time: then all begins again, and little of it is left. */
const TRIES_MAX = 5;
const NO_ADDRESS = new Uint8Array(32);

export interface PutTools {
  kernels: KernelSet;
  chunker: ActorRef<ChunkerProtocol>;
  signal: AbortSignal;
  onProgress(progress: PortalProgress): void;
}

/** @throws {WarpError} */
export async function putIntoPortal(request: PutRequest, tools: PutTools): Promise<PutResult> {
  const connection = connect(request.access, tools.signal);
  const startedAt = performance.now();
  for (let tries = 1;; tries++) {
    try {
      const done = await putOnce(connection, request, tools);
      return { ...done, seconds: (performance.now() - startedAt) / 1000 };
    } catch (error) {
      if (!isWarpError(error, "E_BUSY") || tries === TRIES_MAX) throw error;
    }
  }
}

async function putOnce(
  connection: Connection,
  request: PutRequest,
  { kernels, chunker, signal, onProgress }: PutTools,
): Promise<Omit<PutResult, "seconds">> {
  const { client, directory, access, signer } = connection;
  const info = await client.call("GET /v1/portals/{portal}", { portal: request.portal });
  const portal = await openPortal(info, access.identities, directory, verifySignature);
  const { epoch, key } = newestKey(portal.keys);
  if (portal.keys.view !== null || epoch !== info.epoch) {
    throw new WarpError("E_ACCESS", "this needs the right to write");
  }
  const before = await versionBefore(connection, portal, kernels, signal);
  const views: View[] = [
    { id: null, key, path: null, isList: false },
    ...grantedViews(info.grants ?? [], portal.keys),
  ];
  const isForced = before !== null && !hasViews(before.views, views);
  const domainSecret = domainOf(connection, portal, key);
  let tree: TreeResult;
  try {
    tree = await putTree({
      chunker,
      kernels,
      sha256: () => nodeCrypto().createHash("sha256"),
      sources: request.sources,
      excludes: request.excludes,
      domainSecret,
      views,
      ...(before === null ? {} : { previous: before.previous }),
      isForced,
      store: new HubStore(client, portal.id, null),
      nonce: () => crypto.getRandomValues(new Uint8Array(16)),
      createdMs: Math.round(client.nowMs),
      signal,
      onProgress: (sums) =>
        onProgress({
          type: "progress",
          phase: "sending",
          bytes: sums.bytes,
          bytesTotal: null,
          bytesSaved: sums.bytes - sums.bytesNew,
          bytesMoved: sums.bytesSent,
          files: sums.files,
        }),
    });
  } finally {
    domainSecret.fill(0);
  }
  const { sums, isUnchanged, problems } = tree;
  const version = isUnchanged ? info.version : await addVersion(client, signer, portal.id, {
    sequence: info.version + 1,
    epoch,
    before: before === null ? NO_ADDRESS : before.hash,
    heads: tree.heads,
  });
  return {
    version,
    isUnchanged,
    files: sums.files,
    bytes: sums.bytes,
    bytesNew: sums.bytesNew,
    packsSent: sums.packsSent,
    bytesSent: sums.bytesSent,
    problems,
  };
}

/**
 * Makes a version of the newest tree with the views of all grants: for grants that came after it.
 *
 * @returns its number; that of the newest one where it has them all
 */
export async function publishViews(
  request: PublishRequest,
  kernels: KernelSet,
  signal: AbortSignal,
): Promise<number> {
  const connection = connect(request.access, signal);
  const { client, directory, access, signer } = connection;
  const info = await client.call("GET /v1/portals/{portal}", { portal: request.portal });
  const portal = await openPortal(info, access.identities, directory, verifySignature);
  const views = grantedViews(info.grants ?? [], portal.keys);
  const lease = await client.call("POST /v1/portals/{portal}/leases", {
    portal: request.portal,
  }, {});
  const newest = await openVersion(lease, portal.keys, directory, verifySignature);
  const had = newest.version.heads.map(({ view }) => view);
  if (hasViews(had, views)) return info.version;
  const { epoch } = newest.version;
  if (epoch !== info.epoch) {
    throw new WarpError("E_CONFIG", "the keys have changed since the newest version", {
      hint: "`warp portal put` makes a version under the new ones",
    });
  }
  const heads = await deriveViews({
    store: new HubStore(client, portal.id, bytes(lease.lease, 16)),
    kernels,
    sha256: () => nodeCrypto().createHash("sha256"),
    viewKey: keyOfEpoch(portal.keys, epoch),
    head: newest.head,
    views,
    nonce: () => crypto.getRandomValues(new Uint8Array(16)),
    createdMs: Math.round(client.nowMs),
    signal,
  });
  const before = new Uint8Array(32);
  kernels.blake3.hash(newest.bytes, before);
  const sequence = info.version + 1;
  return await addVersion(client, signer, portal.id, { sequence, epoch, before, heads });
}

interface Before {
  previous: Previous;
  /** BLAKE3 of the version's record. */
  hash: Uint8Array;
  views: (Uint8Array | null)[];
}

/** What the portal holds already; null: nothing. */
async function versionBefore(
  { client, directory }: Connection,
  portal: Portal,
  kernels: KernelSet,
  signal: AbortSignal,
): Promise<Before | null> {
  if (portal.info.version === 0) return null;
  const id = toBase64Url(portal.id);
  const lease = await client.call("POST /v1/portals/{portal}/leases", { portal: id }, {});
  const { version, head, bytes: record } = await openVersion(
    lease,
    portal.keys,
    directory,
    verifySignature,
  );
  const hash = new Uint8Array(32);
  kernels.blake3.hash(record, hash);
  const previous = await loadPrevious({
    store: new HubStore(client, portal.id, bytes(lease.lease, 16)),
    kernels,
    sha256: () => nodeCrypto().createHash("sha256"),
    viewKey: keyOfEpoch(portal.keys, version.epoch),
    head,
    signal,
  });
  return { previous, hash, views: version.heads.map(({ view }) => view) };
}

function hasViews(had: readonly (Uint8Array | null)[], views: readonly View[]): boolean {
  return views.every(({ id }) =>
    had.some((one) => id === null ? one === null : one !== null && equal(one, id))
  );
}

/** Whoever is of the owner's account deduplicates in its domain, others in the portal's. */
function domainOf({ access }: Connection, portal: Portal, key: Uint8Array): Uint8Array {
  const isOwners = access.account !== null && equal(access.account, portal.owner);
  return isOwners && access.convergenceSecret !== null
    ? new Uint8Array(access.convergenceSecret)
    : writerDomain(key);
}
