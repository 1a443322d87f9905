import assert from "node:assert/strict";
import type { FinalEntry } from "../../../actors/base/entry.ts";
import { equal, toHex } from "../../../actors/base/bytes.ts";
import { isWarpError, WarpError } from "../../../actors/base/errors.ts";
import { KIND } from "../../../actors/cipher/record.ts";
import { readContent } from "../../../actors/archive/list.ts";
import type { OpenedArchive } from "../../../actors/archive/open_archive.ts";
import { readOpening, readPrologue } from "../../../actors/archive/reader.ts";
import { SalvageReader } from "../../../actors/archive/salvage.ts";
import { RecordScanner } from "../../../actors/archive/scanner.ts";
import { SourceSet } from "../../../actors/archive/bases.ts";
import { RecordCodec } from "../../../actors/cipher/record.ts";
import { decodeTablePage } from "../../../actors/archive/table_page.ts";
import { verifyStored } from "../../../actors/archive/verify.ts";
import { createSigner } from "../../../actors/cipher/signature.ts";
import {
  buildArchive,
  type Built,
  kernels,
  localCiphers,
  MemoryInput,
  type SourceNode,
} from "../../support/memory_archive.ts";
import { Random } from "../../support/random.ts";

const random = new Random(7);
const signal = new AbortController().signal;
const progress = () => ({ phase: "", bytes: 0, files: 0, stored: 0 });

const SMALL: SourceNode[] = [
  { path: "d", dir: true },
  { path: "d/empty", content: new Uint8Array() },
  { path: "d/inline", content: random.bytes(40) },
  { path: "d/stored", content: random.bytes(1500) },
  { path: "d/text", content: new TextEncoder().encode("all work and no play ".repeat(60)) },
  { path: "link", target: "d/text" },
];

async function verifyBytes(bytes: Uint8Array): Promise<void> {
  const input = new MemoryInput(bytes);
  await verifyStored(input, kernels, localCiphers(), progress(), signal);
}

async function everyBitFlipIsCaught(built: Built): Promise<void> {
  const { bytes } = built;
  await verifyBytes(bytes);
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    bytes[bit >> 3]! ^= 1 << (bit & 7);
    let caught: unknown;
    await verifyBytes(bytes).catch((error) => caught = error);
    bytes[bit >> 3]! ^= 1 << (bit & 7);
    assert.ok(isWarpError(caught), `bit ${bit} of ${bytes.length * 8} was not caught: ${caught}`);
    assert.equal(caught.exitCode, 5, `bit ${bit}: ${caught.message}`);
  }
}

Deno.test("verify catches every single-bit flip of a plain archive", async () => {
  await everyBitFlipIsCaught(await buildArchive(SMALL));
});

Deno.test("verify catches every single-bit flip of an encrypted, signed archive", async () => {
  const signer = createSigner(random.bytes(32));
  await everyBitFlipIsCaught(await buildArchive(SMALL, { passphrase: "p", signer }));
});

const TREE: SourceNode[] = [
  { path: "a", dir: true },
  ...Array.from({ length: 12 }, (_, i): SourceNode => ({
    path: `a/${String.fromCharCode(97 + i)}`,
    content: i % 3 === 0 ? random.bytes(300) : random.bytes(2000 + 900 * i),
  })),
  { path: "b", content: random.bytes(60_000) },
  { path: "c", content: random.bytes(700) },
];

/** What must be recoverable from the first `length` bytes: by record positions, from a whole archive. */
function recoverable(built: Built, length: number): Set<string> {
  const input = new MemoryInput(built.bytes);
  const opening = readOpening(input, kernels);
  const { secrets, bodyStart } = readPrologue(input, kernels, opening, built.archiveKey);
  const scanner = new RecordScanner(
    input,
    new RecordCodec(kernels, secrets),
    bodyStart,
    input.size,
  );
  const chunksThere = new Set<number>();
  const files = new Set<string>();
  for (let record = scanner.peek(); record !== undefined; record = scanner.peek()) {
    scanner.advance(record);
    if (record.kind !== KIND.tablePage || scanner.offset > length) continue;
    const page = decodeTablePage(scanner.open(record, scanner.readStored(record)!)!);
    let chunk = page.firstChunk;
    for (const count of page.chunksPerBlock) {
      const block = scanner.peek()!;
      scanner.advance(block);
      if (scanner.offset <= length) { for (let i = 0; i < count; i++) chunksThere.add(chunk + i); }
      chunk += count;
    }
    for (const entry of page.entries) {
      if (entry.type !== "file" || entry.offset > 0) continue;
      const isThere = entry.extents.every(({ first, count }) =>
        Array.from({ length: count }, (_, i) => first + i).every((n) => chunksThere.has(n))
      );
      if (isThere) files.add(toHex(entry.path));
    }
  }
  return files;
}

async function salvaged(
  bytes: Uint8Array,
  key: Uint8Array | null,
): Promise<Map<string, Uint8Array>> {
  const input = new MemoryInput(bytes);
  const reader = new SalvageReader(input, kernels, readOpening(input, kernels), key);
  const sources = new SourceSet(kernels, reader, reader.prologue, { own: "", bases: [] });
  const opened = { sources } as OpenedArchive;
  const files = new Map<string, Uint8Array>();
  for (const entry of reader.entries() as Iterable<FinalEntry>) {
    if (entry.type !== "file") continue;
    const parts: Uint8Array[] = [];
    try {
      for await (const part of readContent(opened, entry, localCiphers(), signal)) parts.push(part);
      files.set(toHex(entry.path), Uint8Array.from(parts.flatMap((part) => [...part])));
    } catch (error) {
      assert.ok(isWarpError(error), String(error));
    }
  }
  return files;
}

for (const passphrase of [undefined, "p"]) {
  const kind = passphrase === undefined ? "plain" : "encrypted";
  Deno.test(`a ${kind} archive cut at any byte is refused, and salvage gives what is whole`, async () => {
    const options = { chunkAvg: 1024, slabBytes: 1 << 14, compression: { mode: "none" } as const };
    const built = await buildArchive(TREE, { ...options, ...(passphrase && { passphrase }) });
    const contents = new Map(
      TREE.flatMap((node) =>
        "content" in node ? [[toHex(new TextEncoder().encode(node.path)), node.content]] : []
      ),
    );
    for (let length = 0; length < built.bytes.length; length += length < 1500 ? 1 : 97) {
      const cut = built.bytes.subarray(0, length);
      await assert.rejects(
        () => verifyBytes(cut),
        (error) => error instanceof WarpError && error.exitCode === 5,
        `cut at ${length}`,
      );
      let found = new Map<string, Uint8Array>();
      try {
        found = await salvaged(cut, built.archiveKey);
      } catch (error) {
        assert.ok(isWarpError(error), `cut at ${length}: ${error}`);
      }
      const expected = recoverable(built, length);
      for (const path of expected) assert.ok(found.has(path), `cut at ${length}: ${path} is lost`);
      for (const [path, bytes] of found) {
        const wanted = contents.get(path)!;
        assert.ok(equal(bytes, wanted), `cut at ${length}: ${path} is wrong`);
      }
    }
    assert.equal((await salvaged(built.bytes, built.archiveKey)).size, contents.size);
  });
}
