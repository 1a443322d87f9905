/**
 * Gets a version of a portal into a directory: what is there already is not fetched.
 *
 * @module
 */
import type { KernelSet } from "../../kernels/kernel.ts";
import { nodeCrypto } from "../base/node_crypto.ts";
import { verifySignature } from "../cipher/signature.ts";
import { ExtractTarget } from "../target/target_io.ts";
import { noHoldings } from "../transfer/holdings.ts";
import { openHoldings } from "../transfer/holdings_io.ts";
import { Landing } from "../transfer/landing.ts";
import { connect } from "./access_io.ts";
import { bytes } from "./api_fields.ts";
import { getTree } from "./content/get_job.ts";
import { HubStore } from "./hub_store.ts";
import { keyOfEpoch, openPortal, openVersion } from "./portal.ts";
import type { GetRequest, GetResult, LeaseNote, PortalProgress } from "./protocol.ts";

export interface GetTools {
  kernels: KernelSet;
  signal: AbortSignal;
  onProgress(progress: PortalProgress): void;
  onLease(note: LeaseNote): void;
}

/** @throws {WarpError} */
export async function getFromPortal(request: GetRequest, tools: GetTools): Promise<GetResult> {
  const { kernels, signal, onProgress, onLease } = tools;
  const startedAt = performance.now();
  const { client, directory, access } = connect(request.access, signal);
  const { portal: id } = request;
  const info = await client.call("GET /v1/portals/{portal}", { portal: id });
  const portal = await openPortal(info, access.identities, directory, verifySignature);
  const lease = await client.call("POST /v1/portals/{portal}/leases", { portal: id }, {
    version: request.version,
    ...(request.lease === null ? {} : { lease: request.lease }),
  });
  const { version, head } = await openVersion(lease, portal.keys, directory, verifySignature);
  onLease({ type: "lease", lease: lease.lease, version: version.sequence });
  let landing: Landing | undefined;
  const { sums } = await getTree({
    store: new HubStore(client, portal.id, bytes(lease.lease, 16)),
    kernels,
    sha256: () => nodeCrypto().createHash("sha256"),
    viewKey: keyOfEpoch(portal.keys, version.epoch),
    head,
    signal,
    openLanding: (_head, params) =>
      landing = new Landing({
        target: ExtractTarget.open(request.directory, { force: request.isForce }),
        holdings: openHoldings(request.directory) ?? noHoldings,
        blake3: kernels.blake3,
        boundary: kernels.boundary,
        params,
        transferId: portal.id,
        isForce: request.isForce,
        isDryRun: false,
        topName: null,
        onStored: () => {},
      }),
    onProgress: (sums) =>
      onProgress({
        type: "progress",
        phase: "fetching",
        bytes: sums.bytesHad + sums.bytesCame,
        bytesTotal: sums.bytesTotal,
        bytesSaved: sums.bytesHad,
        bytesMoved: sums.bytesFetched,
        files: sums.files,
      }),
  });
  return {
    version: version.sequence,
    files: sums.files,
    bytes: sums.bytesTotal,
    bytesHad: sums.bytesHad,
    bytesFetched: sums.bytesFetched,
    problems: landing?.problems ?? [],
    seconds: (performance.now() - startedAt) / 1000,
  };
}
