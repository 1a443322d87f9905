/**
 * The hub commands: run one, log in to one, ask one how it is.
 *
 * @module
 */
import { join, resolve } from "node:path";
import type { CommandIo } from "../actors/base/command.ts";
import { fromSystemError, isWarpError, WarpError } from "../actors/base/errors.ts";
import { printableText } from "../actors/base/terminal.ts";
import { formatBytes } from "../actors/base/units.ts";
import { connect, deviceAccess, ownAccess } from "../actors/portal/access_io.ts";
import { openRing } from "../actors/portal/open_ring_io.ts";
import { formatAccount } from "../actors/portal/account_id.ts";
import { signedJson } from "../actors/portal/api_fields.ts";
import { toBase64Url } from "../actors/portal/base64url.ts";
import { hubUrl, parseHubAddress, withLogin } from "../actors/portal/hub_logins.ts";
import { readHubLogins, updateHubLogins } from "../actors/portal/key_ring_io.ts";
import { tell } from "../actors/portal/print.ts";
import { hubTree, withTree } from "../actors/root.ts";
import type { LoginOptions, ServeOptions, StatusOptions } from "./cli.ts";
import type { HubAddress, HubOptions, HubProtocol } from "./protocol.ts";

const QUOTA_DEFAULT = 100e9;

export async function serve(options: ServeOptions, io: CommandIo): Promise<number> {
  const request = hubOptions(options);
  const ready = () => Promise.resolve(null);
  await withTree(hubTree(request), false, io, ready, async (tree) => {
    const address = await tree.ref<HubProtocol>("hub").call("address", null, {
      deadlineMs: 30_000,
      signal: io.signal,
    });
    show(options, address, io);
    await new Promise<void>((resolve) => {
      if (io.signal.aborted) resolve();
      io.signal.addEventListener("abort", () => resolve(), { once: true });
    });
  });
  return 0;
}

function show(options: ServeOptions, { host, port, key, invite }: HubAddress, io: CommandIo): void {
  const scheme = options.tlsCert === undefined ? "http" : "https";
  const shown = host === "0.0.0.0" || host === "::" ? "127.0.0.1" : host;
  const url = options.url === undefined
    ? `${scheme}://${shown.includes(":") ? `[${shown}]` : shown}:${port}`
    : hubUrl(options.url);
  tell(io, {
    message_type: "listening",
    url,
    key,
    address: `${url}/#${key}`,
    invite: `${url}/#${key}.${invite}`,
  }, [`address: ${url}/#${key}`, `invite:  ${url}/#${key}.${invite}`]);
}

/** @throws {WarpError} E_USAGE, E_CONFIG, E_NOT_FOUND */
function hubOptions(options: ServeOptions): HubOptions {
  const match = /^(?:\[([0-9a-f:]+)\]|([^:[\]]*)):(\d{1,5})$/i.exec(options.listen);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535) {
    throw new WarpError("E_USAGE", `"${options.listen}" is not an address`, {
      hint: "write --listen 127.0.0.1:8787",
    });
  }
  if ((options.tlsCert === undefined) !== (options.tlsKey === undefined)) {
    throw new WarpError("E_USAGE", "--tls-cert and --tls-key go together");
  }
  const database = options.database ?? (Deno.env.get("WARP_HUB_DATABASE") || undefined);
  const needsData = database === undefined || options.blobs === undefined;
  const data = needsData ? dataFolder(options.data) : "";
  return {
    host: match[1] ?? (match[2] || "127.0.0.1"),
    port,
    database: database ?? join(data, "hub.sqlite"),
    blobs: options.blobs ?? join(data, "blobs"),
    isOpen: options.isOpen,
    isBehindProxy: options.isBehindProxy,
    tls: options.tlsCert === undefined
      ? null
      : { cert: readPem(options.tlsCert), key: readPem(options.tlsKey!) },
    limits: { quotaBytes: options.quota ?? QUOTA_DEFAULT },
  };
}

function dataFolder(data: string | undefined): string {
  const home = Deno.env.get("HOME");
  const base = Deno.env.get("XDG_DATA_HOME") || (home ? join(home, ".local", "share") : undefined);
  const folder = data ?? (base === undefined ? undefined : join(base, "warp", "hub"));
  if (folder === undefined) {
    throw new WarpError("E_CONFIG", "no home directory is set", { hint: "pass --data DIR" });
  }
  try {
    Deno.mkdirSync(folder, { recursive: true, mode: 0o700 });
  } catch (error) {
    const known = fromSystemError(error);
    throw new WarpError(known?.code ?? "E_IO", `cannot make the directory ${folder}`, {
      cause: error,
    });
  }
  return resolve(folder);
}

function readPem(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    const known = fromSystemError(error);
    throw new WarpError(known?.code ?? "E_IO", `cannot read ${path}`, { cause: error });
  }
}

/** Enrols this device at a hub, and remembers the hub and its key. */
export async function login(options: LoginOptions, io: CommandIo): Promise<number> {
  const { url, key, invite } = parseHubAddress(options.url);
  const known = readHubLogins().hubs.find((hub) => hub.url === url);
  const pinned = key ?? (known === undefined ? null : new Uint8Array(known.hubKey));
  const ring = await openRing(options, io);
  try {
    const { client } = connect(deviceAccess(ring, url, pinned), io.signal);
    try {
      await client.login();
    } catch (error) {
      if (!isWarpError(error, "E_AUTH")) throw error;
      // Not enrolled yet; if it is refused for another reason, logging in says so again.
      await client.enrol("POST /v1/accounts", {
        key: toBase64Url(ring.account),
        account: signedJson(ring.accountRecord),
        device: signedJson(ring.deviceRecord),
        ...(invite === undefined ? {} : { invite }),
      });
      await client.login();
    }
    if (pinned === null) {
      io.warn(`the hub's key is believed, and kept: ${toBase64Url(client.hubKey)}`);
    }
    await updateHubLogins((logins) =>
      withLogin(logins, { url, hubKey: client.hubKey }, options.isDefault)
    );
    tell(io, {
      message_type: "login",
      url,
      hub: toBase64Url(client.hubKey),
      account: formatAccount(ring.account),
      device: ring.deviceNumber,
    }, [`logged in to ${url} as device ${ring.deviceNumber} of ${formatAccount(ring.account)}`]);
    return 0;
  } finally {
    ring.keys.wipe();
  }
}

export async function status(options: StatusOptions, io: CommandIo): Promise<number> {
  const { client, access } = connect(await ownAccess(options, options.hub, io), io.signal);
  const startedAt = performance.now();
  const about = await client.about();
  const rttMs = performance.now() - startedAt;
  const { bytes, packs, quotaBytes } = await client.call("GET /v1/usage");
  const skewMs = Math.round(about.timeMs - Date.now());
  tell(io, {
    message_type: "hub",
    url: access.url,
    version: about.version,
    rtt_ms: rttMs,
    clock_ahead_ms: skewMs,
    bytes,
    packs,
    quota_bytes: quotaBytes,
  }, [
    `${printableText(access.url)}: version ${printableText(about.version)}, ${rttMs.toFixed(1)} ms`,
    `stored: ${formatBytes(bytes)} of ${formatBytes(quotaBytes)} in ${packs} packs`,
  ]);
  return 0;
}
