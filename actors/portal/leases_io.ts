/**
 * Leases of downloads that were begun, so that a run that was cut goes on without counting twice.
 *
 * @module
 */
import { join } from "node:path";
import { nodeCrypto } from "../base/node_crypto.ts";
import { stateFolder } from "../transfer/state_io.ts";

const LEASE = /^[\w-]{22}$/;

/** @param version as asked for: a download of the newest does not go on with one of an older, nor the other way */
function leaseFile(hub: string, portal: string, version: number): string | undefined {
  const folder = stateFolder("leases");
  if (folder === undefined) return undefined;
  const what = `${hub}\n${portal}${version === 0 ? "" : `\n${version}`}`;
  const name = nodeCrypto().createHash("sha256").update(what).digest("hex");
  return join(folder, name.slice(0, 32));
}

/** base64url; null: none was kept. @param version 0: the newest */
export function keptLease(hub: string, portal: string, version = 0): string | null {
  const path = leaseFile(hub, portal, version);
  try {
    const text = path === undefined ? "" : Deno.readTextFileSync(path);
    return LEASE.test(text) ? text : null;
  } catch {
    return null;
  }
}

export function keepLease(hub: string, portal: string, lease: string, version = 0): void {
  const path = leaseFile(hub, portal, version);
  try {
    if (path !== undefined) Deno.writeTextFileSync(path, lease, { mode: 0o600 });
  } catch {
    // Without it a download that is cut counts again.
  }
}

export function forgetLease(hub: string, portal: string, version = 0): void {
  const path = leaseFile(hub, portal, version);
  try {
    if (path !== undefined) Deno.removeSync(path);
  } catch {
    // It was not there.
  }
}
