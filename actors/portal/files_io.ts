/**
 * What a version holds, without fetching content: for grants to a list, and for a look beforehand.
 *
 * @module
 */
import { loadKernels } from "../../kernels/load.ts";
import type { FinalEntry } from "../base/entry.ts";
import { nodeCrypto } from "../base/node_crypto.ts";
import { verifySignature } from "../cipher/signature.ts";
import type { Connection } from "./access_io.ts";
import { bytes } from "./api_fields.ts";
import { VersionReader } from "./content/version_reader.ts";
import { HubStore } from "./hub_store.ts";
import { keepLease, keptLease } from "./leases_io.ts";
import { keyOfEpoch, openVersion, type Portal } from "./portal.ts";

/**
 * The entries of the newest version, in the order of their paths. For who may read, it begins a download,
 * which `portal get` goes on with.
 */
export async function* filesOf(
  { client, directory }: Connection,
  portal: Portal,
  signal: AbortSignal,
): AsyncGenerator<FinalEntry> {
  const kept = keptLease(client.url, portal.info.portal);
  const lease = await client.call("POST /v1/portals/{portal}/leases", {
    portal: portal.info.portal,
  }, kept === null ? {} : { lease: kept });
  keepLease(client.url, portal.info.portal, lease.lease);
  const { version, head } = await openVersion(lease, portal.keys, directory, verifySignature);
  const reader = await VersionReader.open({
    store: new HubStore(client, portal.id, bytes(lease.lease, 16)),
    kernels: await loadKernels(),
    sha256: () => nodeCrypto().createHash("sha256"),
    viewKey: keyOfEpoch(portal.keys, version.epoch),
    head,
    signal,
  });
  try {
    for await (const { page } of reader.pages()) {
      for (const entry of page.entries) if (entry.type !== "piece") yield entry;
    }
  } finally {
    reader.close();
  }
}
