/**
 * What transfers keep between runs, under `$XDG_STATE_HOME/warp`: unfinished transfers, receipts, and
 * what directories hold. And under `$XDG_CONFIG_HOME/warp`: the peers that are known by name.
 *
 * @module
 */
import { dirname, join } from "node:path";
import { defaultKeyFile } from "../cipher/key_file.ts";
import { parseSigner } from "../cipher/public_keys.ts";
import { asWarpError, WarpError } from "../base/errors.ts";
import { type Endpoint, parseEndpoint } from "./peer_address.ts";

/** Made when it is missing; undefined without a home. */
export function stateFolder(
  kind: "holdings" | "transfers" | "receipts" | "carriers" | "work" | "leases",
): string | undefined {
  const home = Deno.env.get("HOME");
  const base = Deno.env.get("XDG_STATE_HOME") ||
    (home ? join(home, ".local", "state") : Deno.env.get("LOCALAPPDATA"));
  if (base === undefined || base === "") return undefined;
  const folder = join(base, "warp", kind);
  try {
    Deno.mkdirSync(folder, { recursive: true, mode: 0o700 });
    return folder;
  } catch {
    return undefined;
  }
}

/** A transfer that was begun: enough to go on with it. */
export interface TransferRecord {
  id: string;
  /** ISO 8601. */
  started: string;
  kind: "send" | "serve" | "receive" | "fetch";
  /** What `warp resume ID` starts from: the parsed options of the command, as JSON. */
  options: Record<string, unknown>;
  /** For people: what goes where. */
  summary: string;
  /** Of a served ticket: the key of the first receiver, in hex. */
  boundTo?: string;
}

const ID = /^[0-9a-f]{32}$/;

export function saveTransfer(record: TransferRecord): void {
  const folder = stateFolder("transfers");
  if (folder === undefined) return;
  // Tickets are in it: nobody else may read it.
  const path = join(folder, `${record.id}.json`);
  const temporary = `${path}.tmp`;
  try {
    Deno.writeTextFileSync(temporary, JSON.stringify(record), { mode: 0o600 });
    Deno.renameSync(temporary, path);
  } catch {
    // Without it the transfer works, and cannot be resumed by name.
  }
}

export function dropTransfer(id: string): void {
  const folder = stateFolder("transfers");
  if (folder === undefined || !ID.test(id)) return;
  try {
    Deno.removeSync(join(folder, `${id}.json`));
  } catch {
    // It was never kept.
  }
}

export function listTransfers(): TransferRecord[] {
  const folder = stateFolder("transfers");
  if (folder === undefined) return [];
  const records: TransferRecord[] = [];
  for (const { name } of Deno.readDirSync(folder)) {
    if (!name.endsWith(".json")) continue;
    try {
      const record = JSON.parse(Deno.readTextFileSync(join(folder, name))) as TransferRecord;
      if (ID.test(record.id)) records.push(record);
    } catch {
      // Half-written, or not ours.
    }
  }
  return records.sort((a, b) => a.started < b.started ? -1 : 1);
}

/** @param prefix enough of the id to be unique @throws {WarpError} E_NOT_FOUND, E_USAGE */
export function findTransfer(prefix: string): TransferRecord {
  const found = listTransfers().filter(({ id }) => id.startsWith(prefix));
  if (found.length === 1) return found[0]!;
  if (found.length === 0) {
    throw new WarpError("E_NOT_FOUND", `no transfer "${prefix}" was interrupted`, {
      hint: "`warp resume` lists them",
    });
  }
  throw new WarpError("E_USAGE", `"${prefix}" is the beginning of several transfers`);
}

/** Keeps a receipt under its transfer; where it is, or undefined. */
export function saveReceipt(id: string, text: string): string | undefined {
  const folder = stateFolder("receipts");
  if (folder === undefined) return undefined;
  const path = join(folder, `${id}.json`);
  try {
    Deno.writeTextFileSync(path, text, { mode: 0o600 });
    return path;
  } catch {
    return undefined;
  }
}

export interface KnownPeer {
  name: string;
  key: Uint8Array<ArrayBuffer>;
  endpoints: Endpoint[];
}

/** `peers` beside the key file: one peer a line, `NAME KEY [HOST:PORT]...`; `#` begins a comment. */
export function peersFile(): string {
  return join(dirname(defaultKeyFile()), "peers");
}

/** @throws {WarpError} E_CONFIG for a line that is wrong */
export function readPeers(): KnownPeer[] {
  const path = peersFile();
  let text: string;
  try {
    text = Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw asWarpError(error);
  }
  const peers: KnownPeer[] = [];
  for (const [i, line] of text.split("\n").entries()) {
    const words = line.replace(/(^|\s)#.*$/, "").trim().split(/\s+/);
    if (words[0] === "" || words[0] === undefined) continue;
    const [name, key, ...places] = words;
    try {
      peers.push({ name, key: parseSigner(key ?? ""), endpoints: places.map(parseEndpoint) });
    } catch (cause) {
      throw new WarpError("E_CONFIG", `${path}: line ${i + 1} is not NAME KEY [HOST:PORT]...`, {
        cause,
      });
    }
  }
  return peers;
}
