/**
 * Leases of downloads that were begun, so that a run that was cut goes on without counting twice.
 *
 * @module
 */
import { join } from "node:path";
import { nodeCrypto } from "../base/node_crypto.ts";
import { stateFolder } from "../transfer/state_io.ts";

const LEASE = /^[\w-]{22}$/;

function leaseFile(hub: string, portal: string): string | undefined {
  const folder = stateFolder("leases");
  if (folder === undefined) return undefined;
  const name = nodeCrypto().createHash("sha256").update(`${hub}\n${portal}`).digest("hex");
  return join(folder, name.slice(0, 32));
}

/** base64url; null: none was kept. */
export function keptLease(hub: string, portal: string): string | null {
  const path = leaseFile(hub, portal);
  try {
    const text = path === undefined ? "" : Deno.readTextFileSync(path);
    return LEASE.test(text) ? text : null;
  } catch {
    return null;
  }
}

export function keepLease(hub: string, portal: string, lease: string): void {
  const path = leaseFile(hub, portal);
  try {
    if (path !== undefined) Deno.writeTextFileSync(path, lease, { mode: 0o600 });
  } catch {
    // Without it a download that is cut counts again.
  }
}

export function forgetLease(hub: string, portal: string): void {
  const path = leaseFile(hub, portal);
  try {
    if (path !== undefined) Deno.removeSync(path);
  } catch {
    // It was not there.
  }
}
