/**
 * Batches of sealed and of compressed items through the C interface.
 *
 * @module
 */
import assert from "node:assert/strict";
import { concat } from "../../../actors/base/bytes.ts";
import { bound as lz4Bound } from "../../../kernels/lz4/spec.ts";
import { bound as zstdBound } from "../../../kernels/zstd/spec.ts";
import { openPortable } from "../backends.ts";
import { awkwardSizes, noise, text } from "../samples.ts";
import { EAUTH, EDATA, Guarded, LZ4, OK, sums, u64s, ZSTD } from "./abi.ts";
import {
  compress,
  decompress,
  everyContext,
  type Library,
  NONE,
  sealingArguments,
} from "./abi_calls.ts";

const aead = await openPortable("aead");

export function testBatches({ abi, hasLz4, hasZstd }: Library): void {
  Deno.test("warp_seal and warp_open take a key and additional data for each item", () => {
    const sizes = [...awkwardSizes([16, 64, 256, 1024]), 70_000, 200_000], n = sizes.length;
    const items = sizes.map((size, i) => noise(size, i));
    const aads = sizes.map((_, i) => noise(i % 3 === 0 ? 0 : 7 * i, 100 + i));
    const keys = noise(32 * n, 1), nonces = noise(12 * n, 2);
    for (const stride of [0, 32]) {
      for (const aad of [null, aads]) {
        const want = items.map((item, i) => {
          const out = new Uint8Array(item.length + 16), at = i * stride;
          const nonce = nonces.subarray(12 * i, 12 * i + 12);
          aead.seal(keys.subarray(at, at + 32), nonce, aad?.[i] ?? NONE, item, out);
          return out;
        });
        const places = sums(want.map((item) => item.length)), total = places.at(-1)!;
        const common = { keys, stride, nonces, aad };
        everyContext(abi, (handle, place) => {
          const sealed = new Guarded(total);
          const given = sealingArguments({ items, ...common });
          assert.equal(abi.warp_seal(handle, ...given, sealed.bytes, u64s(places), null), OK);
          sealed.check("sealed");
          assert.deepEqual(sealed.bytes.slice(), concat(...want), place);

          // In place: item i begins where its sealed bytes do.
          const gaps = u64s(places), room = new Guarded(total);
          const starts = new Array<number>();
          items.forEach((item, i) => {
            room.bytes.set(item, places[i]);
            starts.push(places[i]!);
          });
          for (const [i, item] of items.entries()) {
            const offsets = u64s([starts[i]!, starts[i]! + item.length]);
            const own = aad === null ? null : aad[i]!.slice();
            const status = abi.warp_seal(
              handle,
              room.bytes,
              offsets,
              1n,
              keys.slice(i * stride),
              0,
              nonces.slice(12 * i),
              own,
              own === null ? null : u64s([0, own.length]),
              room.bytes,
              gaps.slice(i),
              null,
            );
            assert.equal(status, OK);
          }
          room.check("in place");
          assert.deepEqual(room.bytes.slice(), concat(...want), `${place}, in place`);

          for (const bad of [-1, 0, n >> 1, n - 1]) {
            const all = want.map((item) => item.slice());
            if (bad >= 0) all[bad]![all[bad]!.length >> 1]! ^= 4;
            const out = new Guarded(sums(sizes).at(-1)!), statuses = new Guarded(n);
            const status = abi.warp_open(
              handle,
              ...sealingArguments({ items: all, ...common }),
              out.bytes,
              u64s(sums(sizes)),
              statuses.bytes,
              null,
            );
            out.check("opened");
            statuses.check("statuses");
            assert.equal(status, bad < 0 ? OK : EAUTH);
            assert.deepEqual([...statuses.bytes], sizes.map((_, i) => Number(i === bad)));
            const plain = items.map((item, i) => i === bad ? new Uint8Array(item.length) : item);
            assert.deepEqual(out.bytes.slice(), concat(...plain), `${place}, ${bad}`);
          }
        });
      }
    }
  });

  Deno.test("warp_open counts an item without room for a tag as wrong", () => {
    const key = noise(32), nonces = noise(36), out = new Guarded(16), statuses = new Uint8Array(3);
    const sealed = new Uint8Array(32);
    aead.seal(key, nonces.subarray(24), NONE, noise(16, 3), sealed);
    const items = [noise(15), NONE, sealed];
    const given = sealingArguments({ items, keys: key, stride: 0, nonces, aad: null });
    assert.equal(abi.warp_open(0n, ...given, out.bytes, u64s([0, 0, 0]), statuses, null), EAUTH);
    out.check("opened");
    assert.deepEqual([...statuses], [1, 1, 0]);
    assert.deepEqual(out.bytes.slice(), noise(16, 3));
  });

  for (const [name, codec, has] of [["LZ4", LZ4, hasLz4], ["zstd", ZSTD, hasZstd]] as const) {
    Deno.test({
      name: `warp_compress and warp_decompress: batches of ${name}`,
      ignore: !has,
      fn() {
        const sizes = [0, 1, 5, 12, 13, 64, 1000, 65_536, 65_537, 300_000];
        const items = sizes.flatMap((
          size,
        ) => [text(size, size), noise(size, size), new Uint8Array(size)]);
        const bound = codec === LZ4 ? lz4Bound : zstdBound;
        const wide = items.map((item) => bound(item.length));
        const plain = items.map((item) => item.length);
        const packed = compress(abi, 0n, codec, 1, items, wide);
        everyContext(abi, (handle, place) => {
          assert.deepEqual(compress(abi, handle, codec, 1, items, wide), packed, place);
          assert.ok(packed.every((item) => item.length > 0), "every item fits its bound");
          const back = decompress(abi, handle, codec, packed, plain);
          assert.equal(back.status, OK);
          assert.deepEqual(back.items, items);

          // Exactly enough room, one byte too little, none at all.
          const exact = packed.map((item) => item.length);
          const tight = codec === LZ4 ? exact.map((size) => size - 1) : exact.map(() => 2);
          assert.ok(compress(abi, handle, codec, 1, items, tight).every((out) => out.length === 0));
          const empty = items.map(() => 0);
          assert.ok(compress(abi, handle, codec, 1, items, empty).every((out) => out.length === 0));

          // Items 3k are cut short, items 3k + 1 have slots that are too long or too short.
          const bad = packed.map((item, i) => i % 3 === 0 ? item.subarray(0, -1) : item);
          const slots = plain.map((size, i) =>
            i % 3 !== 1 ? size : size < 10 ? size + 1 : size - 1
          );
          const broken = decompress(abi, handle, codec, bad, slots);
          assert.equal(broken.status, EDATA);
          assert.deepEqual(broken.statuses, items.map((_, i) => Number(i % 3 !== 2)));
          items.forEach((item, i) => i % 3 !== 2 || assert.deepEqual(broken.items[i], item));

          const junk = Array.from({ length: 50 }, (_, i) => noise(i, i));
          const refused = decompress(abi, handle, codec, junk, junk.map((_, i) => 20 * i));
          assert.deepEqual(refused, { ...refused, status: EDATA, statuses: junk.map(() => 1) });
        });
      },
    });
  }

  Deno.test({
    name: "warp_compress and warp_decompress: zstd dictionaries, by turns",
    ignore: !hasZstd,
    fn() {
      const dictionaries = [text(20_000, 1), noise(9000, 2)];
      // Each is like one dictionary and unlike the other.
      const items = [text(20_000, 1).slice(5000, 9000), noise(9000, 2).slice(1000, 8000)];
      const slots = items.map((item) => zstdBound(item.length));
      const plain = items.map((item) => item.length);
      everyContext(abi, (handle, place) => {
        for (let turn = 0; turn < 12; turn++) {
          const which = turn % 2, dictionary = dictionaries[which]!, level = 1 + turn % 3;
          const packed = compress(abi, handle, ZSTD, level, items, slots, dictionary);
          assert.ok(packed[which]!.length < 200, `${place}: ${packed[which]!.length}`);
          const back = decompress(abi, handle, ZSTD, packed, plain, dictionary);
          assert.equal(back.status, OK);
          assert.deepEqual(back.items, items);
          const other = decompress(abi, handle, ZSTD, packed, plain, dictionaries[1 - which]);
          assert.ok(
            other.status === EDATA || !other.items.every((item, i) => equals(item, items[i]!)),
          );
          const none = decompress(abi, handle, ZSTD, packed, plain);
          assert.equal(none.status, EDATA);
          assert.equal(none.statuses[which], 1);
        }
      });
      // The same memory with other bytes in it is another dictionary.
      const memory = dictionaries[0]!.slice();
      const first = compress(abi, 0n, ZSTD, 3, items, slots, memory);
      memory.set(dictionaries[1]!);
      const second = compress(abi, 0n, ZSTD, 3, items, slots, memory);
      assert.ok(first[0]!.length < 200 && second[0]!.length > 200 && second[1]!.length < 200);
    },
  });
}

function equals(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
