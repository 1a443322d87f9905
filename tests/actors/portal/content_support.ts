/**
 * A hub's pack store in memory, a chunker, and trees to store.
 *
 * @module
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { type Bytes, toHex, utf8 } from "../../../actors/base/bytes.ts";
import { isWarpError } from "../../../actors/base/errors.ts";
import { chunker } from "../../../actors/chunker/actor.ts";
import type { ChunkerProtocol } from "../../../actors/chunker/protocol.ts";
import type { GetOptions, GetSums } from "../../../actors/portal/content/get_job.ts";
import { getTree } from "../../../actors/portal/content/get_job.ts";
import { damaged } from "../../../actors/portal/content/padded_seal.ts";
import type { PackStore } from "../../../actors/portal/content/pack_store.ts";
import {
  type PutOptions,
  type PutResult,
  putTree,
} from "../../../actors/portal/content/put_job.ts";
import type { View } from "../../../actors/portal/content/views.ts";
import type { ActorRef } from "../../../actors/runtime/actor_ref.ts";
import { startSupervisor } from "../../../actors/runtime/supervisor.ts";
import { ExtractTarget } from "../../../actors/target/target_io.ts";
import { noHoldings } from "../../../actors/transfer/holdings.ts";
import { Landing } from "../../../actors/transfer/landing.ts";
import { fsBackend } from "../../../actors/base/fs/choose.ts";
import { openSmallFiles } from "../../../kernels/native/files.ts";
import { loadKernels } from "../../../kernels/load.ts";
import { Random } from "../../support/random.ts";
import { blake3 } from "@noble/hashes/blake3.js";

export const kernels = await loadKernels();
export const sha256 = () => createHash("sha256");

/** Packs by address; like a hub it looks at nothing but addresses and lengths. */
export class MemoryStore implements PackStore {
  readonly packs = new Map<string, Uint8Array>();
  /** Addresses in the order in which they came. */
  readonly puts: string[] = [];
  readonly gets: string[] = [];
  inFlight = 0;
  inFlightMax = 0;

  async missing(addresses: Bytes[]): Promise<Set<number>> {
    await tick();
    return new Set(addresses.flatMap((address, i) => this.packs.has(toHex(address)) ? [] : [i]));
  }

  async put(address: Bytes, bytes: Uint8Array): Promise<void> {
    this.inFlightMax = Math.max(this.inFlightMax, ++this.inFlight);
    await tick();
    this.inFlight--;
    const name = toHex(address);
    assert.ok(Number.isInteger(Math.log2(bytes.length)) && bytes.length >= 4096);
    assert.equal(toHex(blake3(bytes.subarray(0))), name);
    this.puts.push(name);
    this.packs.set(name, bytes.slice());
  }

  async get(address: Bytes, bytesMax: number): Promise<Uint8Array> {
    await tick();
    const name = toHex(address);
    this.gets.push(name);
    const bytes = this.packs.get(name);
    assert.ok(bytes !== undefined);
    if (bytes.length > bytesMax) throw damaged();
    return bytes.slice();
  }
}

function tick(): Promise<void> {
  return new Promise((resolve) => queueMicrotask(resolve));
}

export async function withChunker(
  use: (ref: ActorRef<ChunkerProtocol>) => Promise<void>,
): Promise<void> {
  const tree = await startSupervisor({
    flags: { strategy: "one_for_one", restartsMax: 3, periodMs: 10_000 },
    children: [{
      id: "chunker",
      entry: new URL("../../../actors/chunker/worker.ts", import.meta.url),
      actor: () => Promise.resolve(quiet),
      init: null,
      restart: "permanent",
      shutdownMs: 2_000,
      heartbeatMs: 60_000,
      links: [],
    }],
    host: "thread",
  });
  try {
    await use(tree.ref<ChunkerProtocol>("chunker"));
  } finally {
    await tree.stop();
  }
}

let nonces = 0;
export const SECRET = new Random(1).bytes(32);

export function view(seed: number, changes: Partial<View> = {}): View {
  return {
    id: null,
    key: new Random(1000 + seed).bytes(32),
    path: null,
    isList: false,
    ...changes,
  };
}

export function put(
  ref: ActorRef<ChunkerProtocol>,
  store: PackStore,
  source: string,
  changes: Partial<PutOptions> = {},
): Promise<PutResult> {
  return putTree({
    chunker: ref,
    kernels,
    sha256,
    sources: [source],
    excludes: [],
    domainSecret: SECRET,
    views: [view(0)],
    store,
    nonce: () => new Random(77_000 + nonces++).bytes(16),
    createdMs: 1_700_000_000_000,
    signal: new AbortController().signal,
    ...changes,
  });
}

export interface Got {
  sums: GetSums;
  problems: number;
}

export async function get(
  store: PackStore,
  viewKey: Bytes,
  head: Bytes,
  dir: string,
  changes: Partial<GetOptions> = {},
): Promise<Got> {
  let landing: Landing | undefined;
  const { sums } = await getTree({
    store,
    kernels,
    sha256,
    viewKey,
    head,
    signal: new AbortController().signal,
    openLanding: (_, params) =>
      landing = new Landing({
        target: ExtractTarget.open(dir, { force: true }),
        holdings: noHoldings,
        blake3: kernels.blake3,
        boundary: kernels.boundary,
        params,
        transferId: new Uint8Array(16),
        isForce: true,
        isDryRun: changes.isDryRun === true,
        topName: null,
        onStored: () => {},
      }),
    ...changes,
  });
  return { sums, problems: landing!.problems.length };
}

/** Writes files; `null` makes a directory. */
export function writeTree(dir: string, files: Record<string, Uint8Array | string | null>): void {
  for (const [path, content] of Object.entries(files)) {
    const full = `${dir}/${path}`;
    Deno.mkdirSync(content === null ? full : full.replace(/\/[^/]*$/, ""), { recursive: true });
    if (content === null) continue;
    Deno.writeFileSync(full, typeof content === "string" ? utf8(content) : content);
  }
}

/** A tree with everything in it: small and large files, equal ones, links, holes. */
export function randomTree(dir: string, random: Random): void {
  Deno.mkdirSync(dir, { recursive: true });
  const words = (length: number) =>
    utf8(Array.from({ length: length >> 3 }, () => random.pick(WORDS)).join(""));
  const shared = random.bytes(300_000);
  for (let i = 0; i < 25; i++) {
    const folder = `${dir}/${random.pick(["a", "b", "b/c", "d-e"])}`;
    Deno.mkdirSync(folder, { recursive: true });
    const size = random.pick([0, 1, 512, 513, 5000, 70_000, 400_000]) + random.int(100);
    const path = `${folder}/file-${i}`;
    const kind = random.int(6);
    if (kind === 0) Deno.writeFileSync(path, shared);
    else if (kind === 1) Deno.writeFileSync(path, words(size));
    else Deno.writeFileSync(path, random.bytes(size));
    if (i % 7 === 0) Deno.symlinkSync(`file-${i}`, `${path}.link`);
    // One: describeTree names groups of links in the order of their inodes.
    if (i === 8) Deno.linkSync(path, `${path}.hard`);
    if (i % 5 === 0) Deno.chmodSync(path, 0o600);
  }
  Deno.writeFileSync(`${dir}/large`, random.bytes(6_000_000 + random.int(3_000_000)));
  const sparse = Deno.openSync(`${dir}/sparse`, { write: true, create: true });
  sparse.truncateSync(900_000);
  sparse.seekSync(500_000, Deno.SeekMode.Start);
  sparse.writeSync(random.bytes(50_000));
  sparse.close();
  Deno.utimeSync(`${dir}/large`, 1_600_000_000, 1_600_000_000.123);
}

const WORDS = ["portal  ", "common  ", "text    ", "shrinks ", "well,   ", "as here "];

export async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    return isWarpError(error) ? error.code : String(error);
  }
  return "no error";
}

// What the actor does at its start, once: a library that a test opens counts as a leak.
fsBackend.useSmallFiles(openSmallFiles());
const quiet = { ...chunker, init: () => ({ batcher: undefined }) };
