import { encode } from "@std/msgpack";
import { blake3 } from "@noble/hashes/blake3.js";
import assert from "node:assert/strict";
import fc from "fast-check";
import { type Bytes, concat, equal, fromHex, toHex, utf8 } from "../../../actors/base/bytes.ts";
import { isWarpError } from "../../../actors/base/errors.ts";
import { comparePaths } from "../../../actors/base/path_order.ts";
import { ChunkOpener, ChunkSealer } from "../../../actors/portal/content/chunk_seal.ts";
import { ChunkTable, type StoredChunk } from "../../../actors/portal/content/chunk_table.ts";
import {
  boundaryTable,
  PORTAL_CHUNKS,
  versionKey,
} from "../../../actors/portal/content/content_keys.ts";
import { type Head, openHead, sealHead } from "../../../actors/portal/content/head_codec.ts";
import {
  chunkDigest,
  chunkId,
  openChunk,
  packPadding,
  sealChunk,
} from "../../../actors/portal/content/open_reference.ts";
import { Packer, paddedLength } from "../../../actors/portal/content/packer.ts";
import { HEAD_NUMBER, openPadded, sealPadded } from "../../../actors/portal/content/padded_seal.ts";
import { encodeBody, openPage, sealPage } from "../../../actors/portal/content/page_codec.ts";
import { showPage } from "../../../actors/portal/content/views.ts";
import { ManifestRoot, type Page, PageOrder } from "../../../actors/transfer/manifest.ts";
import { arbItems, paginate } from "../../support/pages.ts";
import { Random } from "../../support/random.ts";
import { kernels, SECRET, sha256, view } from "./content_support.ts";

// Goal: the bytes are those of docs/crypto.md, and nothing but them is taken back.
// Method: vectors of tests/vectors/portal/content.py (no code of ours), the batch form against the
// plain one, properties.

const seed = Number(Deno.env.get("WARP_SEED") ?? 20261121);
const vectors = JSON.parse(
  Deno.readTextFileSync(new URL("../../vectors/portal/content.json", import.meta.url)),
);
const hex = (text: string) => fromHex(text);
const { aead } = kernels;

Deno.test("vectors: ids, keys, sealed chunks, a pack, a page and a head", () => {
  const secret = hex(vectors.domainSecret);
  const packer = new Packer(secret);
  for (const { content, frame, digest, id, key, codec, sealed } of vectors.chunks) {
    const chunk = hex(content);
    assert.equal(toHex(chunkDigest(chunk)), digest);
    assert.equal(toHex(chunkId(secret, hex(digest))), id);
    const own = sealChunk(secret, chunk, frame === null ? undefined : hex(frame));
    assert.deepEqual(
      [toHex(own.key), own.codec, toHex(own.sealed)],
      [key, codec, sealed],
    );
    const open = { key: hex(key), codec, length: chunk.length, digest: hex(digest) };
    assert.equal(toHex(openChunk(open, hex(sealed))!), content);
    const out = new Uint8Array(chunk.length);
    assert.ok(new ChunkOpener(kernels).open(hex(key), codec, hex(sealed), out));
    assert.equal(toHex(out), content);
    packer.add(own.sealed);
    if (frame !== null) continue;
    const { bytes, keys } = new ChunkSealer(
      { ...kernels, zstd: { ...kernels.zstd, compress: () => 0 } },
      secret,
    ).seal(chunk, [0, chunk.length], hex(digest), [0]);
    assert.deepEqual([toHex(bytes), toHex(keys)], [sealed, key]);
  }
  const pack = packer.finish()!;
  assert.equal(toHex(pack), vectors.pack.bytes);
  assert.equal(toHex(blake3(pack)), vectors.pack.address);
  assert.equal(toHex(boundaryTable(secret)), vectors.boundaryTable);
  const nonce = hex(vectors.nonce), content = hex(vectors.content);
  const key = versionKey(hex(vectors.viewKey), nonce);
  assert.equal(toHex(key), vectors.versionKey);
  assert.equal(toHex(sealPadded(aead, key, 7, content)), vectors.page7);
  assert.equal(toHex(sealPadded(aead, key, HEAD_NUMBER, content, nonce)), vectors.head);
  assert.equal(toHex(openPadded(aead, key, 7, hex(vectors.page7))), vectors.content);
});

/** Random, text, or nearly random: for both codecs and the border between them. */
function anyChunk(random: Random, length: number): Uint8Array {
  const chunk = random.bytes(length);
  const kind = random.int(3);
  if (kind === 1) { for (let i = 0; i < length; i++) chunk[i] = 97 + chunk[i]! % 6; }
  if (kind === 2) chunk.fill(7, 0, Math.floor(length * random.int(20) / 100));
  return chunk;
}

Deno.test("the batch form is the plain one, for every chunk and both codecs", () => {
  const codecs = new Set<number>();
  fc.assert(
    fc.property(fc.nat(), (seed) => {
      const random = new Random(seed);
      const chunks = Array.from(
        { length: 1 + random.int(12) },
        () => anyChunk(random, 1 + random.int(random.pick([50, 3000, 60_000]))),
      );
      const slab = concat(...chunks);
      const offsets = [0];
      for (const { length } of chunks) offsets.push(offsets.at(-1)! + length);
      const digests = concat(...chunks.map(chunkDigest));
      const chosen = chunks.map((_, i) => i).filter(() => random.int(4) > 0);
      const sealer = new ChunkSealer(kernels, SECRET);
      sealer.seal(slab, offsets, digests, chosen); // what a call leaves behind disturbs no other
      const sealed = sealer.seal(slab, offsets, digests, chosen);
      const opener = new ChunkOpener(kernels);
      for (const [k, i] of chosen.entries()) {
        const chunk = chunks[i]!, codec = sealed.codecs[k]!;
        codecs.add(codec);
        const bytes = sealed.bytes.subarray(sealed.offsets[k], sealed.offsets[k + 1]);
        const key = sealed.keys.subarray(32 * k, 32 * k + 32);
        const digest = chunkDigest(chunk);
        const open = { key, codec, length: chunk.length, digest };
        assert.ok(equal(openChunk(open, bytes)!, chunk));
        let frame: Uint8Array | undefined;
        if (codec === 1) {
          const room = new Uint8Array(kernels.zstd.bound(chunk.length));
          frame = room.slice(0, kernels.zstd.compress(chunk, room, 1));
          assert.ok(frame.length <= chunk.length * 15 / 16);
        }
        assert.deepEqual(
          sealChunk(SECRET, chunk, frame),
          { key: key.slice(), codec, sealed: bytes.slice() },
        );
        const out = new Uint8Array(chunk.length);
        assert.ok(opener.open(key, codec, bytes, out) && equal(out, chunk));
        const wrong = bytes.slice();
        wrong[random.int(wrong.length)]! ^= 1 << random.int(8);
        assert.equal(openChunk(open, wrong), undefined);
        assert.equal(opener.open(key, codec, wrong, out), false);
        assert.equal(openChunk({ ...open, codec: 1 - codec }, bytes), undefined);
        assert.equal(openChunk({ ...open, digest: random.bytes(32) }, bytes), undefined);
        assert.equal(openChunk({ ...open, length: chunk.length + 1 }, bytes), undefined);
        assert.equal(opener.open(key, codec, bytes, new Uint8Array(chunk.length + 1)), false);
      }
    }),
    { seed, numRuns: 60 },
  );
  assert.equal(codecs.size, 2);
});

Deno.test("another compressor's frame gets another key", () => {
  const random = new Random(seed);
  const chunk = utf8(Array.from({ length: 4000 }, () => `word${random.int(300)} `).join(""));
  const frames = [1, 19].map((level) => {
    const room = new Uint8Array(40_000);
    return room.slice(0, kernels.zstd.compress(chunk, room, level));
  });
  assert.ok(!equal(frames[0]!, frames[1]!));
  const [one, two] = frames.map((frame) => sealChunk(SECRET, chunk, frame));
  assert.ok(!equal(one!.key, two!.key));
  assert.ok(!equal(one!.key, sealChunk(SECRET, chunk).key));
});

Deno.test("packs: every chunk is where it is said to be, padding is the XOF, sizes say nothing", () => {
  fc.assert(
    fc.property(fc.nat(), fc.nat(12), (seed, count) => {
      const random = new Random(seed);
      const sealed = Array.from(
        { length: count },
        () => random.bytes(16 + random.int(PORTAL_CHUNKS.max)),
      );
      const pack = () => {
        const packer = new Packer(SECRET, 5);
        const packs: Uint8Array[] = [];
        const places = sealed.map((chunk) => {
          const { place, full } = packer.add(chunk);
          if (full !== undefined) packs.push(full);
          return place;
        });
        const last = packer.finish();
        if (last !== undefined) packs.push(last);
        return { packs, places };
      };
      const { packs, places } = pack();
      assert.deepEqual(pack(), { packs, places });
      let used = 0, tags: Uint8Array[] = [];
      for (const [i, { pack, offset, length }] of places.entries()) {
        const bytes = packs[pack - 5]!.subarray(offset, offset + length);
        assert.ok(equal(bytes, sealed[i]!));
        if (offset === 0) used = 0, tags = [];
        assert.equal(offset, used);
        used += length;
        tags.push(bytes.slice(-16));
        if (places[i + 1]?.pack === pack) continue;
        const rest = packs[pack - 5]!.subarray(used);
        assert.ok(equal(rest, packPadding(SECRET, concat(...tags), rest.length)));
        if (i + 1 < places.length) assert.ok(used + sealed[i + 1]!.length > 2 ** 20);
        else assert.equal(packs.at(-1)!.length, paddedLength(used));
      }
      packs.slice(0, -1).forEach((one) => assert.equal(one.length, 2 ** 20));
      assert.equal(packs.length, count === 0 ? 0 : places.at(-1)!.pack - 4);
    }),
    { seed, numRuns: 40 },
  );
});

Deno.test("the chunk table is a map, also when it grows and when entries are replaced", () => {
  const random = new Random(seed);
  const table = new ChunkTable();
  const model = new Map<string, StoredChunk>();
  for (let i = 0; i < 40_000; i++) {
    // Many begin alike, so that probing has something to do.
    const digest = random.bytes(32);
    if (random.int(3) === 0) digest.fill(0, 0, 3);
    const known = [...model.keys()][0];
    const name = i % 50 === 0 && known !== undefined ? known : toHex(digest);
    const chunk = {
      pack: random.u32(),
      offset: random.u32(),
      length: random.u32(),
      codec: random.int(2),
      key: random.bytes(32),
    };
    table.set(fromHex(name), chunk);
    model.set(name, chunk);
    if (i > 3000 && i % 50 === 0) break;
  }
  assert.equal(table.size, model.size);
  for (const [name, chunk] of model) {
    const found = table.get(fromHex(name))!;
    assert.deepEqual({ ...found, key: toHex(found.key) }, { ...chunk, key: toHex(chunk.key) });
    assert.equal(table.get(random.bytes(32)), undefined);
  }
  assert.equal([...table.chunks()].length, model.size);
  table.wipe();
  assert.equal(table.get(fromHex([...model.keys()][0]!)), undefined);
});

const KEY = new Random(3).bytes(32);

/** Chunks as they could be stored. */
function storedAs(page: Page, random: Random): StoredChunk[] {
  return Array.from(page.lengths, (length) => {
    const codec = length > 1 ? random.int(2) : 0;
    const sealed = codec === 0 ? length + 16 : 17 + random.int(length - 1);
    const offset = random.int(2 ** 20 - sealed);
    return { pack: random.int(9), offset, length: sealed, codec, key: random.bytes(32) };
  });
}

Deno.test("pages come back as they went, and damage is E_INTEGRITY", () => {
  fc.assert(
    fc.property(arbItems, fc.nat(), (items, seed) => {
      const random = new Random(seed);
      for (const page of paginate(items, random)) {
        const chunks = storedAs(page, random);
        const body = encodeBody(page);
        const sealed = sealPage(aead, KEY, page.batch, body, chunks);
        assert.ok(Number.isInteger(Math.log2(sealed.length)) && sealed.length >= 4096);
        const opened = openPage(aead, KEY, page.batch, sealed, 9);
        assert.ok(equal(opened.body, body));
        assert.ok(equal(encodeBody(opened.page), body));
        opened.chunks.forEach((chunk, i) => {
          assert.deepEqual({ ...chunk, key: toHex(chunk.key) }, {
            ...chunks[i]!,
            key: toHex(chunks[i]!.key),
          });
        });
        const fails = (open: () => unknown) =>
          assert.throws(open, (error) => isWarpError(error, "E_INTEGRITY"));
        const flipped = sealed.slice();
        flipped[random.int(flipped.length)]! ^= 1 << random.int(8);
        fails(() => openPage(aead, KEY, page.batch, flipped, 9));
        fails(() => openPage(aead, KEY, page.batch + 1, sealed, 9));
        fails(() => openPage(aead, random.bytes(32), page.batch, sealed, 9));
        fails(() => openPage(aead, KEY, page.batch, sealed.subarray(0, -1), 9));
        fails(() => openPage(aead, KEY, page.batch, sealed.subarray(0, 2048), 9));
        if (chunks.length === 0) continue;
        fails(() =>
          openPage(aead, KEY, page.batch, sealed, Math.max(...chunks.map((c) => c.pack)))
        );
        const { offset, length } = chunks[0]!;
        for (
          const wrong of [
            { codec: 2 },
            { length: page.lengths[0]! + 17 },
            { length: 15 },
            { offset: 2 ** 20 - length + 1 },
            { offset: 2 ** 32 - 1 - offset % 7 },
          ]
        ) {
          const list = [{ ...chunks[0]!, ...wrong }, ...chunks.slice(1)];
          fails(() =>
            openPage(aead, KEY, page.batch, sealPage(aead, KEY, page.batch, body, list), 9)
          );
        }
        fails(() =>
          openPage(aead, KEY, page.batch, sealPage(aead, KEY, page.batch, body, chunks.slice(1)), 9)
        );
      }
    }),
    { seed, numRuns: 100 },
  );
});

Deno.test("whatever an author of pages and heads seals, reading it ends in E_INTEGRITY", () => {
  const value = fc.oneof(fc.anything(), fc.uint8Array(), fc.integer(), fc.constant(null));
  fc.assert(
    fc.property(
      fc.array(value, { maxLength: 11 }),
      fc.uint8Array({ maxLength: 80 }),
      (list, raw) => {
        let message: Uint8Array;
        try {
          message = encode([1, ...list]);
        } catch {
          return; // no MessagePack
        }
        for (const content of [message, raw]) {
          const page = sealPadded(aead, KEY, 0, content);
          assert.throws(
            () => openPage(aead, KEY, 0, page, 1),
            (e) => isWarpError(e, "E_INTEGRITY"),
          );
          const nonce = new Uint8Array(16);
          const head = sealPadded(aead, versionKey(KEY, nonce), HEAD_NUMBER, content, nonce);
          assert.throws(() => openHead(aead, KEY, head), (e) => isWarpError(e, "E_INTEGRITY"));
        }
      },
    ),
    { seed, numRuns: 300 },
  );
  // Zeroes that are none, and a length beyond the end.
  for (const [at, value] of [[4000, 1], [3, 1]] as const) {
    const plain = new Uint8Array(4096 - 16);
    plain[at] = value;
    const pack = new Uint8Array(4096);
    aead.seal(KEY, new Uint8Array(12), utf8("page"), plain, pack);
    assert.throws(() => openPadded(aead, KEY, 0, pack), (e) => isWarpError(e, "E_INTEGRITY"));
  }
});

Deno.test("heads come back as they went; another key, a flipped bit and odd packs do not open", () => {
  const random = new Random(seed);
  const nonce = random.bytes(16);
  const head: Head = {
    isList: false,
    pages: [random.bytes(32), random.bytes(32)],
    packs: [{ address: random.bytes(32), bytes: 2 ** 20 }, {
      address: random.bytes(32),
      bytes: 4096,
    }],
    files: 3,
    bytes: 2 ** 40 + 1,
    root: random.bytes(32),
    state: random.bytes(32),
    table: random.bytes(128),
    createdMs: 1_700_000_000_123,
  };
  const pack = sealHead(aead, KEY, nonce, head);
  assert.ok(equal(pack.subarray(0, 16), nonce));
  assert.deepEqual(
    JSON.stringify(openHead(aead, KEY, pack).head),
    JSON.stringify(head),
  );
  const fails = (bytes: Uint8Array, key = KEY) =>
    assert.throws(() => openHead(aead, key, bytes), (e) => isWarpError(e, "E_INTEGRITY"));
  fails(pack, random.bytes(32));
  for (let i = 0; i < 50; i++) {
    const wrong = pack.slice();
    wrong[i < 16 ? i : random.int(wrong.length)]! ^= 1 << random.int(8);
    fails(wrong);
  }
  fails(pack.subarray(0, 10));
  fails(sealHead(aead, KEY, nonce, { ...head, isList: true }));
  fails(sealHead(aead, KEY, nonce, { ...head, table: null }));
  fails(sealHead(aead, KEY, nonce, { ...head, isList: true, table: null }));
  fails(sealHead(aead, KEY, nonce, { ...head, root: random.bytes(31) }));
  fails(sealHead(aead, KEY, nonce, { ...head, files: -1 }));
  fails(sealHead(aead, KEY, nonce, { ...head, bytes: 0.5 }));
});

const isBelow = (path: Bytes, top: Bytes) => `${toHex(path)}2f`.startsWith(`${toHex(top)}2f`);

Deno.test("a view's pages are well-formed, and show the entries of its path and nothing of others", () => {
  fc.assert(
    fc.property(arbItems, fc.nat(), fc.boolean(), (items, seed, isList) => {
      const random = new Random(seed);
      const path = items.length === 0 ? utf8("a") : random.pick(items).path;
      const shown = view(1, { path, isList });
      const order = new PageOrder();
      const root = new ManifestRoot(sha256());
      const chunks = new Set(
        items.filter((item) => comparePaths(item.path, path) === 0).flatMap((item) =>
          item.type === "file" ? item.parts.flatMap(({ id }) => id === null ? [] : [toHex(id)]) : []
        ),
      );
      let count = 0;
      for (const page of paginate(items, random)) {
        const own = showPage(page, shown, count);
        if (own.page.entries.length === 0) continue;
        count++;
        const body = encodeBody(own.page);
        const stored = own.chunks.map((): StoredChunk => ({
          pack: 0,
          offset: 0,
          length: 0,
          codec: 0,
          key: new Uint8Array(32),
        })).map((chunk, i) => ({ ...chunk, length: own.page.lengths[i]! + 16 }));
        const opened = openPage(
          aead,
          KEY,
          own.page.batch,
          sealPage(aead, KEY, own.page.batch, body, stored),
          1,
        );
        order.check(opened.page);
        root.add(opened.page);
        for (const entry of own.page.entries) {
          const isOwn = isBelow(entry.path, path);
          assert.ok(isOwn || entry.type === "dir" && isBelow(path, entry.path));
          if (entry.type === "file" && isList) assert.equal(entry.inline, null);
        }
        for (let i = 0; i < own.page.lengths.length; i++) {
          const id = toHex(own.page.ids.subarray(32 * i, 32 * i + 32));
          assert.ok(
            !isList && chunks.has(id) ||
              items.some((item) =>
                !isList && item.type === "file" && isBelow(item.path, path) &&
                item.parts.some((part) => part.id !== null && toHex(part.id) === id)
              ),
          );
        }
      }
      const target = items.find((item) => comparePaths(item.path, path) === 0);
      if (target?.type === "file") {
        assert.equal(root.files >= 1, true);
        const size = target.parts.reduce((sum, { length }) => sum + length, 0);
        assert.ok(root.bytes >= size);
      }
    }),
    { seed, numRuns: 200 },
  );
});
