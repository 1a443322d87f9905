import assert from "node:assert/strict";
import { equal, fromHex, toHex, utf8 } from "../../../actors/base/bytes.ts";
import { getTree } from "../../../actors/portal/content/get_job.ts";
import { type Head, openHead, sealHead } from "../../../actors/portal/content/head_codec.ts";
import {
  encodeBody,
  openPage,
  sealPage,
  type StoredPage,
} from "../../../actors/portal/content/page_codec.ts";
import { ManifestRoot } from "../../../actors/transfer/manifest.ts";
import { loadPrevious, type Previous, thinPacks } from "../../../actors/portal/content/previous.ts";
import { addressOf, type PackStore } from "../../../actors/portal/content/pack_store.ts";
import type { PutResult } from "../../../actors/portal/content/put_job.ts";
import { ChunkTable } from "../../../actors/portal/content/chunk_table.ts";
import { openChunk } from "../../../actors/portal/content/open_reference.ts";
import { VersionReader } from "../../../actors/portal/content/version_reader.ts";
import type { View } from "../../../actors/portal/content/views.ts";
import { Random } from "../../support/random.ts";
import { describeTree } from "../../support/tree.ts";
import { withTempDir } from "../../support/warp.ts";
import {
  codeOf,
  get,
  kernels,
  MemoryStore,
  put,
  randomTree,
  sha256,
  view,
  withChunker,
  writeTree,
} from "./content_support.ts";

// Goal: what is stored comes back, whatever happens on the way, and tells the hub nothing.
// Method: real trees, the real chunker and landing, a store in memory that fails on request.

const seed = Number(Deno.env.get("WARP_SEED") ?? 20261121);

/** The version that `result` made, as the next one needs it. */
function previousOf(store: PackStore, result: PutResult, key = view(0).key): Promise<Previous> {
  const { address: head } = result.heads[0]!;
  const signal = new AbortController().signal;
  return loadPrevious({ store, kernels, sha256, viewKey: key, head, signal });
}

const contentPacks = (store: MemoryStore, result: PutResult, from = 0) => {
  const pages = new Set(store.puts.slice(from));
  return result.packs.map(toHex).filter((name) => pages.has(name));
};

Deno.test("trees come back as they were: content, names, links, holes, times", async () => {
  await withChunker(async (ref) => {
    for (let round = 0; round < 3; round++) {
      await withTempDir(async (dir) => {
        const random = new Random(seed + round);
        randomTree(`${dir}/in/tree`, random);
        const store = new MemoryStore();
        const progress: number[] = [];
        const result = await put(ref, store, `${dir}/in/tree`, {
          onProgress: ({ bytes }) => progress.push(bytes),
        });
        assert.deepEqual(result.problems, []);
        assert.ok(store.inFlightMax > 2 && store.inFlightMax <= 8, `${store.inFlightMax}`);
        assert.ok(progress.length > 1 && progress.at(-1) === result.sums.bytes);
        assert.equal(result.sums.packsSent, store.puts.length);
        // What was read twice is stored once.
        assert.ok(result.sums.bytesNew < result.sums.bytes);
        const { address, packs } = result.heads[0]!;
        assert.deepEqual(packs.map(toHex), [...store.packs.keys()].sort());
        assert.deepEqual(packs, result.packs);
        const got = await get(store, view(0).key, address, `${dir}/out`);
        assert.equal(got.problems, 0);
        assert.equal(await describeTree(`${dir}/out`), await describeTree(`${dir}/in`));
        // Each pack once: the head, the pages and the rest.
        assert.deepEqual([...store.gets].sort(), [...store.packs.keys()].sort());
        assert.equal(
          got.sums.bytesFetched,
          [...store.packs.values()].reduce((a, b) => a + b.length, 0),
        );
        // All is here: nothing but head and pages is asked for.
        const again = await get(store, view(0).key, address, `${dir}/out`);
        assert.equal(again.sums.packsFetched, 0);
        const dry = await get(store, view(0).key, address, `${dir}/dry`, { isDryRun: true });
        assert.ok(dry.sums.bytesWanted > 0 && dry.sums.packsFetched === 0);
      });
    }
  });
});

Deno.test("an empty tree, and files of the sizes around borders", async () => {
  await withChunker(async (ref) => {
    await withTempDir(async (dir) => {
      const random = new Random(seed);
      writeTree(`${dir}/empty/tree`, { "none": null });
      const files: Record<string, Uint8Array> = {};
      for (
        const size of [0, 1, 511, 512, 513, 16_383, 16_384, 262_144, 262_145, 4_194_304, 4_194_305]
      ) {
        files[`size-${size}`] = random.bytes(size);
      }
      writeTree(`${dir}/sizes/tree`, files);
      for (const name of ["empty", "sizes"]) {
        const store = new MemoryStore();
        const result = await put(ref, store, `${dir}/${name}/tree`);
        await get(store, view(0).key, result.heads[0]!.address, `${dir}/out-${name}`);
        assert.equal(
          await describeTree(`${dir}/out-${name}`),
          await describeTree(`${dir}/${name}`),
        );
        const sizes = [...store.packs.values()].map(({ length }) => length);
        if (name === "empty") assert.deepEqual(sizes, [4096, 4096]);
      }
    });
  });
});

Deno.test("a run that is cut anywhere goes on where it was, and fetches only the rest", async () => {
  await withChunker(async (ref) => {
    await withTempDir(async (dir) => {
      const random = new Random(seed);
      randomTree(`${dir}/in/tree`, random);
      const store = new MemoryStore();
      const result = await put(ref, store, `${dir}/in/tree`);
      const { address } = result.heads[0]!;
      const content = store.packs.size;
      for (let round = 0; round < 6; round++) {
        const out = `${dir}/out-${round}`;
        const abort = new AbortController();
        let left = 2 + random.int(content - 2);
        const cutting: PackStore = {
          missing: (list) => store.missing(list),
          put: (a, b) => store.put(a, b),
          get: (a, most) => {
            if (--left === 0) abort.abort(new DOMException("stop", "AbortError"));
            return store.get(a, most);
          },
        };
        const first = await codeOf(
          get(cutting, view(0).key, address, out, { signal: abort.signal }),
        );
        assert.match(first, /AbortError|no error/);
        const { sums } = await get(store, view(0).key, address, out);
        assert.equal(await describeTree(out), await describeTree(`${dir}/in`));
        assert.equal(sums.bytesTotal, result.sums.bytes);
      }
      // Half of the large file: the packs of that half are not asked for again.
      const out = `${dir}/half`;
      let count = 0;
      const failing: PackStore = {
        ...cutOff(store),
        get: (a, most) => {
          if (++count > content / 2 + 4) return Promise.reject(new Error("gone"));
          return store.get(a, most);
        },
      };
      assert.match(await codeOf(get(failing, view(0).key, address, out)), /gone/);
      const { sums } = await get(store, view(0).key, address, out);
      assert.ok(sums.bytesHad > 0 && sums.packsFetched < content - 2, `${sums.packsFetched}`);
      assert.equal(await describeTree(out), await describeTree(`${dir}/in`));
    });
  });
});

const cutOff = (store: MemoryStore): PackStore => ({
  missing: (list) => store.missing(list),
  put: (a, b) => store.put(a, b),
  get: (a, most) => store.get(a, most),
});

Deno.test("a store that lies is found out: a flipped bit in any pack, another pack, a short one", async () => {
  await withChunker(async (ref) => {
    await withTempDir(async (dir) => {
      const random = new Random(seed);
      writeTree(`${dir}/in/tree`, { small: random.bytes(3000), large: random.bytes(3_000_000) });
      const store = new MemoryStore();
      const { heads } = await put(ref, store, `${dir}/in/tree`);
      const { address } = heads[0]!;
      let round = 0;
      for (const name of store.packs.keys()) {
        const lies: ((bytes: Uint8Array) => Uint8Array)[] = [
          (bytes) => (bytes[random.int(bytes.length)]! ^= 1 << random.int(8), bytes),
          // Mostly padding: only the address knows.
          (bytes) => (bytes[bytes.length - 1]! ^= 1, bytes),
          (bytes) => bytes.subarray(0, bytes.length / 2),
          () => store.packs.get([...store.packs.keys()].find((other) => other !== name)!)!.slice(),
        ];
        for (const lie of lies) {
          const lying: PackStore = {
            ...cutOff(store),
            get: async (a, most) => {
              const bytes = await store.get(a, most);
              return toHex(a) === name ? lie(bytes) : bytes;
            },
          };
          const out = `${dir}/out-${round++}`;
          assert.equal(await codeOf(get(lying, view(0).key, address, out)), "E_INTEGRITY", name);
        }
      }
      const wrongKey = get(store, view(9).key, address, `${dir}/none`);
      assert.equal(await codeOf(wrongKey), "E_INTEGRITY");
      // Files that were done before the lie stay, and none of them is wrong.
      const large = [...store.packs.entries()].filter(([, { length }]) => length === 2 ** 20);
      assert.ok(large.length >= 2);
    });
  });
});

Deno.test("packs show no name and no content, and no two versions share a head or page", async () => {
  await withChunker(async (ref) => {
    await withTempDir(async (dir) => {
      const marker = "MARKER-of-plaintext-that-compresses-0123456789";
      writeTree(`${dir}/in/secret-folder`, {
        "secret-name.txt": `${marker}${marker} inline`,
        "longer-secret-name.txt": marker.repeat(3000),
        "sub/secret-random": new Random(seed).bytes(200_000),
      });
      const store = new MemoryStore();
      const one = await put(ref, store, `${dir}/in/secret-folder`);
      const count = store.packs.size;
      const two = await put(ref, store, `${dir}/in/secret-folder`);
      // Content is the same; a head and a page are new.
      assert.equal(store.packs.size, count + 2);
      assert.ok(!equal(one.heads[0]!.address, two.heads[0]!.address));
      const secrets = [marker, "secret", "warp", "portal"].map(utf8);
      secrets.push(new Random(seed).bytes(64));
      for (const bytes of store.packs.values()) {
        const text = toHex(bytes);
        for (const secret of secrets) assert.ok(!text.includes(toHex(secret)));
      }
    });
  });
});

Deno.test("two devices make the same packs of the same tree; another secret makes others", async () => {
  await withChunker(async (ref) => {
    await withTempDir(async (dir) => {
      randomTree(`${dir}/in/tree`, new Random(seed));
      const packsOf = async (store: MemoryStore, domainSecret?: Uint8Array, key = 0) => {
        const result = await put(ref, store, `${dir}/in/tree`, {
          views: [view(key)],
          ...(domainSecret === undefined ? {} : { domainSecret }),
        });
        const previous = await previousOf(store, result, view(key).key);
        previous.chunks.wipe();
        return previous.packs.map(({ address }) => toHex(address));
      };
      const store = new MemoryStore();
      const one = await packsOf(store);
      const sent = store.puts.length;
      assert.deepEqual(await packsOf(store, undefined, 5), one);
      // The second device had nothing to send but its own head and pages.
      assert.ok(store.puts.slice(sent).every((name) => !one.includes(name)));
      const other = await packsOf(new MemoryStore(), new Random(4).bytes(32));
      assert.ok(other.length > 3 && other.every((name) => !one.includes(name)));
    });
  });
});

Deno.test("nothing changed: nothing is sent; a file changed: its packs are", async () => {
  await withChunker(async (ref) => {
    await withTempDir(async (dir) => {
      const random = new Random(seed);
      const tree = `${dir}/in/tree`;
      writeTree(tree, { a: random.bytes(9_000_000), b: random.bytes(2_000_000), "c/d": "small" });
      const store = new MemoryStore();
      const one = await put(ref, store, tree);
      const sent = store.puts.length;
      const same = await put(ref, store, tree, { previous: await previousOf(store, one) });
      assert.equal(same.isUnchanged, true);
      assert.deepEqual(same.heads, []);
      assert.equal(store.puts.length, sent);
      assert.ok(equal(same.root, one.root));
      // Forced: a head and pages, for a new view say.
      const forced = await put(ref, store, tree, {
        previous: await previousOf(store, one),
        isForced: true,
      });
      assert.equal(forced.isUnchanged, false);
      assert.equal(forced.sums.bytesNew, 0);
      assert.equal(forced.sums.packsNew, 0);
      // Modes are no content, but they are a change.
      Deno.chmodSync(`${tree}/a`, 0o700);
      const mode = await put(ref, store, tree, { previous: await previousOf(store, one) });
      assert.equal(mode.isUnchanged, false);
      assert.equal(mode.sums.bytesNew, 0);
      assert.ok(equal(mode.root, one.root));
      // One byte in the middle of a large file: one or two chunks.
      const content = Deno.readFileSync(`${tree}/a`);
      content[5_000_000]! ^= 1;
      Deno.writeFileSync(`${tree}/a`, content);
      const before = store.puts.length;
      const edit = await put(ref, store, tree, { previous: await previousOf(store, mode) });
      assert.ok(edit.sums.bytesNew > 0 && edit.sums.bytesNew <= 512 * 1024);
      assert.equal(edit.sums.packsNew, 1);
      // The new pack, three pages or four, a head.
      assert.ok(store.puts.length - before <= 6);
      assert.equal(contentPacks(store, edit, before).length, store.puts.length - before);
      await get(store, view(0).key, edit.heads[0]!.address, `${dir}/out`);
      assert.equal(await describeTree(`${dir}/out`), await describeTree(`${dir}/in`));
      // From the version before to this one, in place: the pack that changed is all that is fetched.
      await get(store, view(0).key, mode.heads[0]!.address, `${dir}/update`);
      const update = await get(store, view(0).key, edit.heads[0]!.address, `${dir}/update`);
      assert.equal(update.sums.packsFetched, 1);
      assert.equal(await describeTree(`${dir}/update`), await describeTree(`${dir}/in`));
      // An inline file: pages only.
      Deno.writeTextFileSync(`${tree}/c/d`, "other");
      const inline = await put(ref, store, tree, { previous: await previousOf(store, edit) });
      assert.deepEqual([inline.isUnchanged, inline.sums.packsNew], [false, 0]);
    });
  });
});

Deno.test("packs of which little is used are left behind; lonely small ones are put together", async () => {
  await withChunker(async (ref) => {
    await withTempDir(async (dir) => {
      const random = new Random(seed);
      const tree = `${dir}/in/tree`;
      // Many files in two packs; most of them go.
      const files: Record<string, Uint8Array> = {};
      for (let i = 0; i < 40; i++) files[`f${i}`] = random.bytes(50_000);
      writeTree(tree, files);
      const store = new MemoryStore();
      const one = await put(ref, store, tree);
      for (let i = 0; i < 40; i++) if (i % 5 > 0) Deno.removeSync(`${tree}/f${i}`);
      const two = await put(ref, store, tree, { previous: await previousOf(store, one) });
      // All of it is stored: the old packs are referred to.
      assert.equal(two.sums.packsNew, 0);
      const previous = await previousOf(store, two);
      assert.ok(previous.isThin.filter(Boolean).length >= 1);
      const old = previous.packs.filter((_, i) => previous.isThin[i]).map((p) => toHex(p.address));
      Deno.writeFileSync(`${tree}/new`, random.bytes(10_000));
      const three = await put(ref, store, tree, { previous });
      assert.equal(three.sums.packsNew, 1);
      assert.ok(three.packs.every((address) => !old.includes(toHex(address))));
      await get(store, view(0).key, three.heads[0]!.address, `${dir}/out`);
      assert.equal(await describeTree(`${dir}/out`), await describeTree(`${dir}/in`));
    });
  });
  const table = new ChunkTable();
  const packs = Array.from({ length: 40 }, () => ({ address: new Uint8Array(32), bytes: 8192 }));
  packs.forEach((_, pack) => {
    const key = new Uint8Array(32);
    table.set(new Random(pack).bytes(32), { pack, offset: 0, length: 5000, codec: 0, key });
  });
  assert.deepEqual(new Set(thinPacks(packs, table)), new Set([true]));
  assert.deepEqual(new Set(thinPacks(packs.slice(0, 20), table)), new Set([false]));
});

Deno.test("a view of a folder shows that folder, and opens its own chunks alone", async () => {
  await withChunker(async (ref) => {
    await withTempDir(async (dir) => {
      const random = new Random(seed);
      const tree = `${dir}/in/tree`;
      writeTree(tree, {
        "private/one": random.bytes(100_000),
        "private/name-nobody-sees": "inline",
        "shared/deep/two": random.bytes(120_000),
        "shared/deep/three": random.bytes(700),
        "shared/deep/inline": "here",
        "shared/four": random.bytes(90_000),
        "shared/deeper": random.bytes(60_000),
      });
      Deno.linkSync(`${tree}/private/one`, `${tree}/shared/deep/out`);
      Deno.linkSync(`${tree}/shared/deep/three`, `${tree}/shared/deep/within`);
      const whole = view(0);
      const part = view(1, { id: random.bytes(16), path: utf8("tree/shared/deep") });
      const list = view(2, { id: random.bytes(16), isList: true });
      const listOfPart = view(3, { path: utf8("tree/shared"), isList: true });
      const views: View[] = [whole, part, list, listOfPart];
      const store = new MemoryStore();
      const result = await put(ref, store, tree, { views });
      assert.deepEqual(result.heads.map((head) => head.view), views);
      // The link out of the shared folder is told, once.
      assert.deepEqual(
        result.problems.map(({ path, isStored }) => [new TextDecoder().decode(path), isStored]),
        [["tree/shared/deep/out", false]],
      );
      const [, partHead, listHead, listOfPartHead] = result.heads;
      await get(store, part.key, partHead!.address, `${dir}/part`);
      const shown = await describeTree(`${dir}/part`);
      await Deno.remove(`${tree}/private`, { recursive: true });
      for (const name of ["shared/four", "shared/deeper", "shared/deep/out"]) {
        Deno.removeSync(`${tree}/${name}`);
      }
      const times = (text: string) => text.replaceAll(/ \d{9,10}\.\d+/g, "");
      assert.equal(times(shown), times(await describeTree(`${dir}/in`)));
      // Every key of the view, tried on every place of every other chunk.
      const read = async (key: Uint8Array, head: Uint8Array) => {
        const signal = new AbortController().signal;
        const reader = await VersionReader.open({
          store,
          kernels,
          sha256,
          viewKey: key,
          head,
          signal,
        });
        const pages = await Array.fromAsync(reader.pages());
        reader.close();
        return { head: reader.head, pages };
      };
      const all = await read(whole.key as Uint8Array, result.heads[0]!.address);
      const own = await read(part.key as Uint8Array, partHead!.address);
      const rows = ({ head, pages }: typeof all) =>
        pages.flatMap(({ page, chunks }) =>
          chunks.map((chunk, i) => ({
            ...chunk,
            address: toHex(head.packs[chunk.pack]!.address),
            digest: page.ids.slice(32 * i, 32 * i + 32),
            raw: page.lengths[i]!,
          }))
        );
      const mine = rows(own),
        others = rows(all).filter(({ digest }) =>
          !mine.some((chunk) => equal(chunk.digest, digest))
        );
      assert.ok(mine.length >= 2 && others.length >= 3);
      // They lie in the same pack, so that this says something.
      assert.ok(others.some(({ address }) => mine.some((chunk) => chunk.address === address)));
      for (const { address, offset, length, codec, digest, raw } of others) {
        const sealed = store.packs.get(address)!.subarray(offset, offset + length);
        for (const { key } of mine) {
          assert.equal(openChunk({ key, codec, digest, length: raw }, sealed), undefined);
        }
      }
      const text = own.pages.map(({ body }) => toHex(body)).join();
      for (const hidden of ["private", "one", "nobody", "four", "deeper"]) {
        assert.ok(!text.includes(toHex(utf8(hidden))), hidden);
      }
      for (const { digest } of others) assert.ok(!text.includes(toHex(digest)));
      // Lists: names and sizes, no content, no packs of content.
      const names = await read(list.key as Uint8Array, listHead!.address);
      assert.equal(names.head.packs.length, 0);
      assert.equal(names.head.bytes, all.head.bytes);
      assert.equal(names.head.files, all.head.files);
      const listed = names.pages.flatMap(({ page }) => page.entries);
      assert.ok(listed.every((entry) => entry.type !== "file" || entry.inline === null));
      assert.ok(!names.pages.some(({ body }) => toHex(body).includes(toHex(utf8("here")))));
      assert.ok(names.pages.every(({ page }) => page.ids.length === 0));
      const some = await read(listOfPart.key as Uint8Array, listOfPartHead!.address);
      assert.equal(some.head.files, 5);
      assert.equal(
        await codeOf(get(store, list.key, listHead!.address, `${dir}/no`)),
        "E_ACCESS",
      );
      assert.equal(
        await codeOf(previousOf(store, { ...result, heads: [listHead!] }, list.key as Uint8Array)),
        "E_ACCESS",
      );
      // Keys of views do not open each other.
      assert.equal(
        await codeOf(read(part.key as Uint8Array, result.heads[0]!.address)),
        "E_INTEGRITY",
      );
    });
  });
});

Deno.test("what cannot be read is told, and the rest is stored", async () => {
  await withChunker(async (ref) => {
    await withTempDir(async (dir) => {
      const tree = `${dir}/in/tree`;
      writeTree(tree, {
        "a": new Random(1).bytes(2_000_000),
        "b": new Random(2).bytes(20_000_000),
      });
      const store = new MemoryStore();
      let isCut = false;
      const result = await put(ref, store, tree, {
        // After the first page the second file loses most of what it has.
        onProgress: () => {
          if (isCut) return;
          isCut = true;
          Deno.truncateSync(`${tree}/b`, 1000);
        },
      });
      assert.equal(result.problems.length, 1);
      assert.equal(new TextDecoder().decode(result.problems[0]!.path), "tree/b");
      await get(store, view(0).key, result.heads[0]!.address, `${dir}/out`);
      assert.ok(equal(Deno.readFileSync(`${dir}/out/tree/a`), Deno.readFileSync(`${tree}/a`)));
    });
  });
});

Deno.test("a store that fails ends the run; the next one sends the rest only", async () => {
  await withChunker(async (ref) => {
    await withTempDir(async (dir) => {
      const tree = `${dir}/in/tree`;
      randomTree(tree, new Random(seed));
      const store = new MemoryStore();
      let left = 4;
      const failing: PackStore = {
        ...cutOff(store),
        put: (a, b) => left-- > 0 ? store.put(a, b) : Promise.reject(new Error("full")),
      };
      assert.match(await codeOf(put(ref, failing, tree)), /full/);
      assert.equal(store.inFlight, 0);
      const sent = [...store.puts];
      assert.equal(sent.length, 4);
      const result = await put(ref, store, tree);
      assert.ok(store.puts.length === new Set(store.puts).size);
      await get(store, view(0).key, result.heads[0]!.address, `${dir}/out`);
      assert.equal(await describeTree(`${dir}/out`), await describeTree(`${dir}/in`));
      const abort = new AbortController();
      const stopped = put(ref, new MemoryStore(), tree, {
        signal: abort.signal,
        onProgress: () => abort.abort(new DOMException("stop", "AbortError")),
      });
      assert.match(await codeOf(stopped), /AbortError/);
      // A head that was never made cannot be opened.
      assert.match(
        await codeOf(getTree({
          store,
          kernels,
          sha256,
          viewKey: view(0).key,
          head: fromHex(sent[0]!),
          signal: new AbortController().signal,
          openLanding: () => assert.fail("no head"),
        })),
        /E_INTEGRITY/,
      );
    });
  });
});

Deno.test("an author who lies is found out too: wrong digests, sums, roots and page orders", async () => {
  await withChunker(async (ref) => {
    await withTempDir(async (dir) => {
      const random = new Random(seed);
      writeTree(`${dir}/in/tree`, { "a": random.bytes(9_000_000), "b": "inline" });
      const store = new MemoryStore();
      const { heads } = await put(ref, store, `${dir}/in/tree`);
      const { key } = view(0);
      const packOf = (address: Uint8Array) => store.packs.get(toHex(address))!;
      const opened = openHead(kernels.aead, key, packOf(heads[0]!.address));
      const { head, versionKey } = opened;
      const pages = head.pages.map((address, i) =>
        openPage(kernels.aead, versionKey, i, packOf(address), head.packs.length)
      );
      assert.ok(pages.length >= 3);
      const nonce = packOf(heads[0]!.address).subarray(0, 16);
      const keep = (pack: Uint8Array<ArrayBuffer>) => {
        const address = addressOf(kernels.blake3, pack);
        store.packs.set(toHex(address), pack);
        return address;
      };
      /** The version with other pages, its head as it should be but for `changes`. */
      const lie = (list: StoredPage[], changes: Partial<Head> = {}) => {
        const root = new ManifestRoot(sha256());
        const state = sha256();
        const addresses = list.map(({ page, chunks }) => {
          root.add(page);
          const body = encodeBody(page);
          state.update(body);
          return keep(sealPage(kernels.aead, versionKey, page.batch, body, chunks));
        });
        const honest = { root: root.digest(), state: new Uint8Array(state.digest()) };
        return keep(sealHead(kernels.aead, key, nonce, {
          ...head,
          ...honest,
          files: root.files,
          bytes: root.bytes,
          pages: addresses,
          ...changes,
        }));
      };
      let round = 0;
      const outcome = (address: Uint8Array) =>
        codeOf(get(store, key, address, `${dir}/out-${round++}`));
      assert.equal(await outcome(lie(pages)), "no error");
      const ids = pages[1]!.page.ids.slice();
      ids[40]! ^= 1;
      const wrongIds = pages.with(1, { ...pages[1]!, page: { ...pages[1]!.page, ids } });
      assert.equal(await outcome(lie(wrongIds)), "E_INTEGRITY");
      for (
        const changes of [
          { root: random.bytes(32) },
          { state: random.bytes(32) },
          { files: head.files + 1 },
          { bytes: head.bytes - 1 },
          { packs: head.packs.map((pack) => ({ ...pack, bytes: pack.bytes / 2 })) },
          { packs: head.packs.slice(1) },
        ]
      ) assert.equal(await outcome(lie(pages, changes)), "E_INTEGRITY", Object.keys(changes)[0]);
      // The second page comes first, under the number of the first.
      const swapped = [pages[1]!, pages[0]!, ...pages.slice(2)]
        .map((stored, batch) => ({ ...stored, page: { ...stored.page, batch } }));
      assert.equal(await outcome(lie(swapped)), "E_INTEGRITY");
    });
  });
});
