import assert from "node:assert/strict";
import { encode } from "@std/msgpack";
import { concat, utf8 } from "../../../actors/base/bytes.ts";
import type { Entry, Extent, Meta } from "../../../actors/base/entry.ts";
import type { TablePage } from "../../../actors/archive/table_page.ts";
import { CODEC, KIND } from "../../../actors/cipher/record.ts";
import { beginArchive, buildArchive, kernels } from "../../support/memory_archive.ts";
import { recordsOf, sealAgain } from "../../support/mutate.ts";
import { expectWarp, warp, withTempDir } from "../../support/warp.ts";
import { Random } from "../../support/random.ts";

// Goal: an archive made by an enemy writes nothing outside its target, and ends with a typed error.
// Method: archives with authentic records that say what no honest writer says, through the command.

const meta: Meta = {
  mode: 0o644,
  mtimeS: 1,
  mtimeNs: 0,
  uid: 0,
  gid: 0,
  owner: "",
  group: "",
  xattrs: null,
};

/** An archive with these entries and no content, written without any of the writer's checks. */
async function archiveOf(entries: Entry[][], raw?: Partial<TablePage>): Promise<Uint8Array> {
  const { output, writer } = await beginArchive();
  for (const page of entries) {
    const body = { firstChunk: 0, chunkLengths: [], chunksPerBlock: [], entries: page, ...raw };
    writer.writeUnchecked(KIND.tablePage, body);
  }
  writer.finish();
  return output.bytes();
}

const file = (path: string, content: string): Entry => ({
  type: "file",
  path: utf8(path),
  meta,
  size: content.length,
  offset: 0,
  extents: [],
  inline: utf8(content),
});
const link = (path: string, target: string): Entry => ({
  type: "symlink",
  path: utf8(path),
  meta,
  target: utf8(target),
});
const big = (path: string, size: number, extents: Extent[]): Entry => ({
  type: "file",
  path: utf8(path),
  meta,
  size,
  offset: 0,
  extents,
  inline: null,
});

async function isRefused(bytes: Uint8Array, codes: number[] = [5]): Promise<void> {
  await withTempDir(async (dir) => {
    Deno.mkdirSync(`${dir}/in`);
    Deno.writeTextFileSync(`${dir}/outside`, "untouched");
    Deno.writeFileSync(`${dir}/evil.warp`, bytes);
    for (const more of [[], ["--salvage"], ["--force"]]) {
      const outcome = await warp(["extract", `${dir}/evil.warp`, "-C", `${dir}/in`, ...more]);
      assert.ok(codes.includes(outcome.code), `exit ${outcome.code} ${more}: ${outcome.stderr}`);
      assert.match(outcome.stderr, /warp: (error|warning): /);
      assert.deepEqual([...Deno.readDirSync(dir)].map(({ name }) => name).sort(), [
        "evil.warp",
        "in",
        "outside",
      ]);
      assert.equal(Deno.readTextFileSync(`${dir}/outside`), "untouched");
    }
  });
}

for (
  const path of [
    "../outside",
    "/tmp/outside",
    "a/../../outside",
    "a//b",
    "./a",
    "a/",
    "",
    "a\0b",
    "..",
  ]
) {
  Deno.test(`extract refuses the path ${JSON.stringify(path)}`, async () => {
    await isRefused(await archiveOf([[file(path, "evil")]]));
  });
}

Deno.test("extract does not follow a symlink that the archive made", async () => {
  const entries = [link("a", ".."), file("a/outside", "evil")];
  await isRefused(await archiveOf([entries]), [1, 5, 7]);
});

Deno.test("extract does not follow an absolute symlink that the archive made", async () => {
  await withTempDir(async (dir) => {
    const entries = [link("a", dir), file("a/outside", "evil")];
    await isRefused(await archiveOf([entries]), [1, 5, 7]);
    assert.deepEqual([...Deno.readDirSync(dir)], []);
  });
});

Deno.test("extract refuses a hard link out of the target", async () => {
  const hard: Entry = { type: "hardlink", path: utf8("z"), meta, first: utf8("../outside") };
  await isRefused(await archiveOf([[hard]]));
  const through = [
    link("a", "../outside"),
    { type: "hardlink", path: utf8("b"), meta, first: utf8("a") } as Entry,
  ];
  await isRefused(await archiveOf([through]), [1, 5, 7]);
});

Deno.test("extract refuses duplicate and unordered entries", async () => {
  await isRefused(await archiveOf([[file("a", "1"), file("a", "2")]]));
  await isRefused(await archiveOf([[file("b", "1")], [file("a", "2")]]));
});

Deno.test("extract refuses extents that no chunk backs", async () => {
  const extent = { length: 10, source: 0, first: 7, count: 1 };
  await isRefused(await archiveOf([[big("a", 10, [extent])]]), [5, 7]);
  await isRefused(await archiveOf([[big("a", 10, [{ ...extent, source: 3 }])]]), [3, 5, 7]);
  await isRefused(await archiveOf([[big("a", 99, [{ ...extent, count: 0 }])]]));
});

Deno.test("a file that claims to be huge is refused or sparse, and costs no memory", async () => {
  const size = 2 ** 50;
  const hole = { length: size, source: 0, first: 0, count: 0 };
  const bytes = await archiveOf([[big("a", size, [hole])]]);
  await withTempDir(async (dir) => {
    Deno.writeFileSync(`${dir}/x.warp`, bytes);
    const outcome = await warp(["extract", `${dir}/x.warp`, "-C", `${dir}/in`]);
    // Either the file system takes a sparse file of that size, or it says that it does not.
    assert.ok([0, 1].includes(outcome.code), outcome.stderr);
  });
});

Deno.test("absurd counts and lengths in pages are refused before anything is allocated", async () => {
  const extent = { length: 2 ** 50, source: 0, first: 0, count: 2 ** 50 };
  await isRefused(await archiveOf([[big("a", 2 ** 50, [extent])]]), [5, 7]);
  await isRefused(await archiveOf([[file("a", "x")]], { chunkLengths: [2 ** 40] }));
  await isRefused(await archiveOf([[file("a", "x")]], { chunksPerBlock: [2 ** 31] }));
});

Deno.test("a decompression bomb in a page or a block is refused", async () => {
  // A block whose head claims 1 KiB and whose zstd frame gives 64 MiB.
  const bomb = new Uint8Array(1 << 16);
  const zeros = new Uint8Array(64 << 20);
  const length = kernels.zstd.compress(zeros, bomb, 1);
  const { output, writer } = await beginArchive();
  writer.writeStored(KIND.tablePage, CODEC.zstd, 1024, bomb.subarray(0, length));
  writer.finish();
  await isRefused(output.bytes(), [5, 7]);
});

Deno.test("a search tree that leads into itself is refused", async () => {
  const random = new Random(3);
  const nodes = Array.from(
    { length: 3 },
    (_, i) => ({ path: `f${i}`, content: random.bytes(900) }),
  );
  const { bytes } = await buildArchive(nodes, {
    chunkAvg: 256,
    slabBytes: 1024,
    compression: { mode: "none" },
    pageCodec: { ...kernels.zstd, compress: () => 0 },
  });
  const records = recordsOf(bytes);
  const node = records.find(({ kind }) => kind === KIND.tableNode)!;
  const { codec } = await plainCodec(bytes);
  // All children of the node become the node itself; a longer key makes up the length.
  const child = (key: string) => [utf8(key), node.offset, node.length, node.ordinal];
  const short = encode([child("f0"), child("f0"), child("f0")]).length;
  const padding = "x".repeat(node.head.rawLength - short);
  const raw = encode([child("f0"), child("f0"), child(`f0${padding}`)]);
  assert.equal(raw.length, node.head.rawLength);
  const head = { kind: KIND.tableNode, codec: CODEC.stored, rawLength: raw.length };
  codec.write(head, node.ordinal, raw, bytes.subarray(node.offset, node.offset + node.length));
  sealAgain(bytes);
  await withTempDir(async (dir) => {
    Deno.writeFileSync(`${dir}/x.warp`, bytes);
    await expectWarp(5, ["list", `${dir}/x.warp`]);
    // Salvage does without the tree.
    await expectWarp(7, ["extract", `${dir}/x.warp`, "-C", `${dir}/in`, "--salvage"]);
    assert.deepEqual(Deno.readFileSync(`${dir}/in/f2`), nodes[2]!.content);
  });
});

async function plainCodec(bytes: Uint8Array) {
  const { MemoryInput } = await import("../../support/memory_archive.ts");
  const { readOpening, readPrologue } = await import("../../../actors/archive/reader.ts");
  const { RecordCodec } = await import("../../../actors/cipher/record.ts");
  const input = new MemoryInput(bytes);
  const { secrets } = readPrologue(input, kernels, readOpening(input, kernels), null);
  return { codec: new RecordCodec(kernels, secrets) };
}

Deno.test("setuid bits, and names that would steer a terminal, come out harmless", async () => {
  const evil = { ...file("a\x1b[2Jb", "x"), meta: { ...meta, mode: 0o6755 } } as Entry;
  const bytes = await archiveOf([[evil]]);
  await withTempDir(async (dir) => {
    Deno.writeFileSync(`${dir}/x.warp`, bytes);
    await expectWarp(0, ["extract", `${dir}/x.warp`, "-C", `${dir}/in`]);
    assert.equal(Deno.statSync(`${dir}/in/a\x1b[2Jb`).mode! & 0o7777, 0o755);
    const { stdout } = await expectWarp(0, ["list", `${dir}/x.warp`, "--json"]);
    assert.ok(!concat(stdout).includes(0x1b));
  });
});
