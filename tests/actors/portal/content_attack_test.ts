/**
 * The statistic of "Chunking Attacks on File Backup Services using Content-Defined Chunking"
 * (https://eprint.iacr.org/2025/532): a store that sees the lengths of chunks tells which known file
 * somebody has.
 *
 * The fingerprint of a file is the sequence of lengths that the store sees of it. Here all files of a
 * set are known to the attacker, who is even told how content is cut; how many have a fingerprint
 * that no other has?
 *
 * @module
 */
import assert from "node:assert/strict";
import { toHex } from "../../../actors/base/bytes.ts";
import { KiB, MiB } from "../../../actors/base/units.ts";
import { ChunkSealer } from "../../../actors/portal/content/chunk_seal.ts";
import {
  boundaryParams,
  boundaryTable,
  PORTAL_CHUNKS,
} from "../../../actors/portal/content/content_keys.ts";
import { Packer } from "../../../actors/portal/content/packer.ts";
import { encodeBody, sealPage } from "../../../actors/portal/content/page_codec.ts";
import { PAGE_BYTES_MAX } from "../../../actors/transfer/manifest.ts";
import { anyMeta } from "../../support/pages.ts";
import { ROOT } from "../../support/warp.ts";
import { kernels, SECRET } from "./content_support.ts";

const FILES_LEAST = 200;
/** Of each folder, so that no one kind of file is all there is. */
const FILES_MOST = 250;
const BYTES_LEAST = 50 * KiB, BYTES_MOST = 10 * MiB;

/** Share of files that sizes of packs may identify. */
const UNIQUE_MOST = 0.05;

/** Files of this machine, different ones: this repository, headers, data, libraries. */
function* realFiles(): Generator<Uint8Array> {
  const seen = new Set<string>();
  const digest = new Uint8Array(32);
  for (const dir of [`${ROOT}tests`, "/usr/include", "/usr/share", "/usr/lib"]) {
    let count = 0;
    for (const path of filesBelow(dir, 0)) {
      if (count === FILES_MOST) break;
      let content: Uint8Array;
      try {
        content = Deno.readFileSync(path);
      } catch {
        continue; // not ours to read
      }
      kernels.blake3.hash(content, digest);
      const name = toHex(digest);
      if (seen.has(name)) continue;
      seen.add(name);
      count++;
      yield content;
    }
  }
}

function* filesBelow(dir: string, depth: number): Generator<string> {
  let entries: Deno.DirEntry[];
  try {
    entries = [...Deno.readDirSync(dir)].sort((a, b) => a.name < b.name ? -1 : 1);
  } catch {
    return;
  }
  for (const { name, isDirectory, isFile } of entries) {
    const path = `${dir}/${name}`;
    if (isDirectory && depth < 12) yield* filesBelow(path, depth + 1);
    if (!isFile) continue;
    const { size } = Deno.statSync(path);
    if (size >= BYTES_LEAST && size <= BYTES_MOST) yield path;
  }
}

/** Share of files with a fingerprint of their own, and the entropy of fingerprints in bits. */
function statistic(prints: readonly string[]): { unique: number; entropy: number; kinds: number } {
  const counts = new Map<string, number>();
  for (const print of prints) counts.set(print, (counts.get(print) ?? 0) + 1);
  let unique = 0, entropy = 0;
  for (const count of counts.values()) {
    if (count === 1) unique++;
    entropy -= count / prints.length * Math.log2(count / prints.length);
  }
  return { unique: unique / prints.length, entropy, kinds: counts.size };
}

/** Lengths of the packs of the pages, of at most 4 MiB of content each; a head has always 4 KiB. */
function pagePacks(offsets: Float64Array, digests: Uint8Array): number[] {
  const lengths = Array.from(offsets.subarray(1), (end, i) => end - offsets[i]!);
  const packs: number[] = [];
  for (let first = 0; first < lengths.length;) {
    let bytes = 0, end = first;
    while (end < lengths.length && bytes + lengths[end]! <= PAGE_BYTES_MAX) {
      bytes += lengths[end++]!;
    }
    const count = end - first;
    const body = encodeBody({
      batch: 0,
      entries: [{
        type: "file",
        path: new Uint8Array(20).fill(97),
        meta: anyMeta(),
        size: bytes,
        offset: 0,
        extents: [{ length: bytes, source: 0, first: 0, count }],
        inline: null,
      }],
      lengths: Uint32Array.from(lengths.slice(first, end)),
      ids: digests.subarray(32 * first, 32 * end),
    });
    const chunk = { pack: 0, offset: 0, length: 0, codec: 0, key: new Uint8Array(32) };
    packs.push(sealPage(kernels.aead, SECRET, 0, body, Array(count).fill(chunk)).length);
    first = end;
  }
  return packs;
}

Deno.test("what the hub sees of real files tells a few sizes apart, where chunks tell the files", () => {
  const params = boundaryParams(boundaryTable(SECRET));
  const chunked: string[] = [],
    contents: string[] = [],
    packed: string[] = [],
    totals: number[] = [];
  const sealer = new ChunkSealer(kernels, SECRET);
  for (const content of realFiles()) {
    const offsets = Float64Array.from([0, ...kernels.boundary.cuts(params, content, true)]);
    const count = offsets.length - 1;
    const digests = new Uint8Array(32 * count);
    kernels.blake3.hashMany(content, offsets, digests);
    const sealed = sealer.seal(
      content,
      offsets,
      digests,
      Array.from({ length: count }, (_, i) => i),
    );
    const ends = sealed.offsets;
    const lengths = Array.from({ length: count }, (_, k) => ends[k + 1]! - ends[k]!);
    const packer = new Packer(SECRET);
    const packs: number[] = [];
    for (let k = 0; k < count; k++) {
      const { full } = packer.add(sealed.bytes.subarray(ends[k], ends[k + 1]));
      if (full !== undefined) packs.push(full.length);
    }
    packs.push(packer.finish()!.length);
    contents.push(packs.join());
    chunked.push(lengths.join());
    packed.push(`${packs.join()} ${pagePacks(offsets, digests).join()}`);
    totals.push(ends[count]!);
    // By construction: full packs, and one that is a power of two. The numbers of both follow from the
    // total but for what a chunk that did not fit left empty.
    assert.ok(packs.slice(0, -1).every((length) => length === MiB));
    assert.ok(packs.length <= Math.ceil(ends[count]! / (MiB - PORTAL_CHUNKS.max - 16)));
    assert.ok(packs.length >= Math.ceil(ends[count]! / MiB));
  }
  const files = packed.length;
  if (files < FILES_LEAST) {
    console.log(`SKIP: only ${files} files of the right size on this machine`);
    assert.notEqual(Deno.env.get("WARP_REQUIRE"), "all");
    return;
  }
  const before = statistic(chunked), ours = statistic(packed);
  console.log(
    `${files} files: chunk lengths identify ${(100 * before.unique).toFixed(1)} % ` +
      `(${before.entropy.toFixed(2)} of ${Math.log2(files).toFixed(2)} bits), ` +
      `packs ${(100 * ours.unique).toFixed(1)} % (${
        ours.entropy.toFixed(2)
      } bits, ${ours.kinds} kinds)`,
  );
  // What is left by construction: the number of packs, and nine sizes of the last one.
  const largest = Math.max(...totals);
  const kindsMost = 9 * Math.ceil(largest / (MiB - PORTAL_CHUNKS.max - 16));
  assert.ok(new Set(contents).size <= kindsMost);
  // A fingerprint of one's own needs a rare size. That depends on the files,
  // so this bound is measured, not proved: 1 to 2 % of 626 files where it was written.
  assert.ok(ours.unique <= UNIQUE_MOST, `${ours.unique}`);
  assert.ok(ours.entropy < before.entropy / 2);
  assert.ok(before.unique > 0.9, "the attack works where lengths of chunks are seen");
  const unmixed = statistic(totals.map((total) => `${total}`));
  assert.ok(unmixed.unique > 0.8, "so do exact sizes: it is the padding that hides them");
});
