/**
 * The CUDA library through its C interface, compiled for the CPU: every operation against the portable
 * kernels, with batches that need many pieces, from pinned and from other memory.
 *
 * @module
 */
import assert from "node:assert/strict";
import { type Bytes, concat, isZero, utf8 } from "../../actors/base/bytes.ts";
import {
  BLAKE3_DERIVE,
  BLAKE3_HASH,
  BLAKE3_KEYED,
  CODEC_LZ4,
  CODEC_STORED,
  merkleBytes,
  offsetsFrom,
} from "../../kernels/cuda/calls.ts";
import type { CudaContext } from "../../kernels/cuda/context.ts";
import { EAUTH, EDATA, OK } from "../../kernels/cuda/status.ts";
import { tableFromBytes } from "../../kernels/boundary/spec.ts";
import { bound } from "../../kernels/lz4/spec.ts";
import { openPortable } from "./backends.ts";
import { openShim, type Settings, withContext } from "./cuda_support.ts";
import { awkwardSizes, noise, randomWords, text } from "./samples.ts";

const library = await openShim();
const blake3 = await openPortable("blake3");
const aead = await openPortable("aead");
const lz4 = await openPortable("lz4");
const entropy = await openPortable("entropy");
const boundary = await openPortable("boundary");

/** The smallest slots there are: batches go through many times, and items are larger than a slot. */
const TINY: Settings = { WARP_CUDA_SLOT_BYTES: 65536, WARP_CUDA_MEMORY_BYTES: 16 << 20 };

/** Where data lies: memory of Deno's, which is staged, or memory that a device reads directly. */
const PLACES: Record<string, (context: CudaContext, bytes: number) => Bytes> = {
  staged: (_, bytes) => new Uint8Array(bytes + 3).subarray(3),
  pinned: (context, bytes) => context.allocate(Math.max(1, bytes)).subarray(0, bytes),
};

function put(place: string, context: CudaContext, bytes: Bytes): Bytes {
  const memory = PLACES[place]!(context, bytes.length);
  memory.set(bytes);
  return memory;
}

/** Offsets of items of these lengths, from `start`. */
function offsetsOf(lengths: readonly number[], start = 0): number[] {
  const offsets = [start];
  for (const length of lengths) offsets.push(offsets.at(-1)! + length);
  return offsets;
}

/** Some empty, some short, one far above a tiny slot. */
const LENGTHS = [0, 1, 15, 16, 17, 5000, 64, 63, 65, 1024, 200_000, 0, 0, 1025, 70_000, 2049, 3];

if (library !== undefined) {
  for (const [size, settings] of Object.entries({ tiny: TINY, usual: {} as Settings })) {
    for (const place of Object.keys(PLACES)) {
      const suite = (name: string, body: (context: CudaContext) => void | Promise<void>) =>
        Deno.test(`cuda ${name}, ${place} memory, ${size} slots`, () =>
          withContext(library, { settings }, body));

      suite("blake3 equals portable", (context) => {
        const key = noise(32, 9);
        const many = Array.from({ length: 3000 }, (_, i) => i % 7 === 0 ? 64 : i % 90);
        for (const lengths of [[], [0], LENGTHS, awkwardSizes([64, 1024, 2048, 16_384]), many]) {
          const offsets = offsetsOf(lengths, 5);
          const base = put(place, context, noise(offsets.at(-1)!, 3));
          const out = PLACES[place]!(context, 32 * lengths.length), want = new Uint8Array(out);
          for (const hashKey of [undefined, key]) {
            const mode = hashKey === undefined ? BLAKE3_HASH : BLAKE3_KEYED;
            const request = { mode, base, offsets: offsetsFrom(offsets), out };
            const status = context.sync.blake3(
              hashKey === undefined ? request : { ...request, key: hashKey },
            );
            blake3.hashMany(base, offsets, want, hashKey);
            assert.equal(status, OK);
            assert.deepEqual(new Uint8Array(out), want);
          }
        }
      });

      suite("merkle equals hashing pairs", (context) => {
        const key = noise(32, 4);
        for (const n of [1, 2, 3, 5, 64, 65, 1000, 4097]) {
          const leaves = put(place, context, noise(32 * n, n));
          const out = PLACES[place]!(context, merkleBytes(n));
          assert.equal(context.sync.merkle({ key, leaves, out }), OK);
          assert.deepEqual(new Uint8Array(out), merkle(key, leaves), `${n} leaves`);
        }
      });

      suite("seal and open equal portable", (context) => {
        const offsets = offsetsOf(LENGTHS, 7), n = LENGTHS.length;
        const base = put(place, context, noise(offsets.at(-1)!, 2));
        const keys = noise(32 * n, 3), nonces = noise(12 * n, 4);
        const aadOffsets = offsetsOf(LENGTHS.map((_, i) => i * 5 % 37));
        const aad = { base: noise(aadOffsets.at(-1)!, 5), offsets: offsetsFrom(aadOffsets) };
        for (const [isOneKey, hasAad, gap] of CASES) {
          // Gaps between outputs must stay as they are.
          const sealedOffsets = offsetsOf(LENGTHS.map((length) => length + 16 + gap));
          const sealed = PLACES[place]!(context, sealedOffsets.at(-1)!).fill(0xee);
          const want = new Uint8Array(sealed.length).fill(0xee);
          for (let i = 0; i < n; i++) {
            aead.seal(
              keyOf(isOneKey, keys, i),
              nonces.subarray(12 * i, 12 * i + 12),
              hasAad ? aad.base.subarray(aadOffsets[i], aadOffsets[i + 1]) : new Uint8Array(),
              base.subarray(offsets[i], offsets[i + 1]),
              want.subarray(sealedOffsets[i]!, sealedOffsets[i]! + LENGTHS[i]! + 16),
            );
          }
          const common = { keys: isOneKey ? keys.subarray(0, 32) : keys, nonces };
          const data = hasAad ? { aad } : {};
          const status = context.sync.seal({
            ...common,
            ...data,
            base,
            offsets: offsetsFrom(offsets),
            out: sealed,
            outOffsets: offsetsFrom(sealedOffsets),
          });
          assert.equal(status, OK);
          assert.deepEqual(new Uint8Array(sealed), want);
          if (gap !== 0) continue;
          const statuses = new Uint8Array(n).fill(9);
          const opened = PLACES[place]!(context, base.length);
          const request = {
            ...common,
            ...data,
            base: sealed,
            offsets: offsetsFrom(sealedOffsets),
            out: opened,
            outOffsets: offsetsFrom(offsets),
            statuses,
          };
          assert.equal(context.sync.open(request), OK);
          assert.ok(isZero(statuses));
          assert.deepEqual(
            new Uint8Array(opened.subarray(offsets[0]!)),
            new Uint8Array(base.subarray(offsets[0]!)),
          );
        }
      });

      suite("open zeroes what has a wrong tag, and only that", (context) => {
        const n = 40, length = 5000;
        const offsets = offsetsOf(Array<number>(n).fill(length + 16));
        const base = put(place, context, noise(offsets.at(-1)!, 1));
        const key = noise(32, 2), nonces = noise(12 * n, 3);
        const plaintext = noise(n * length, 4);
        for (let i = 0; i < n; i++) {
          aead.seal(
            key,
            nonces.subarray(12 * i, 12 * i + 12),
            new Uint8Array(),
            plaintext.subarray(length * i, length * (i + 1)),
            base.subarray(offsets[i]!, offsets[i + 1]!),
          );
        }
        const bad = [0, 7, 8, 39];
        for (const i of bad) base[offsets[i]! + 17 * i]! ^= 4;
        const statuses = new Uint8Array(n);
        // In place: every item opens to where it was, its tag stays.
        const before = new Uint8Array(base);
        const outOffsets = offsetsFrom(offsets);
        const request = { base, offsets: outOffsets, keys: key, nonces, out: base, outOffsets };
        assert.equal(context.sync.open({ ...request, statuses }), EAUTH);
        for (let i = 0; i < n; i++) {
          const end = offsets[i]! + length;
          const opened = new Uint8Array(base.subarray(offsets[i]!, end));
          assert.equal(statuses[i], bad.includes(i) ? 1 : 0);
          const want = bad.includes(i)
            ? new Uint8Array(length)
            : plaintext.subarray(length * i, length * (i + 1));
          assert.deepEqual(opened, want);
          assert.deepEqual(
            new Uint8Array(base.subarray(end, end + 16)),
            before.subarray(end, end + 16),
          );
        }
        // Too short for a tag.
        const short = { ...request, offsets: offsetsFrom([0, 15]), outOffsets: offsetsFrom([0]) };
        assert.equal(context.sync.open({ ...short, statuses }), EAUTH);
        assert.equal(statuses[0], 1);
      });

      suite("lz4 goes both ways", (context) => {
        const inputs = [...LENGTHS.map((length, i) => (i % 2 === 0 ? text : noise)(length, i))];
        const offsets = offsetsOf(inputs.map((input) => input.length)), n = inputs.length;
        const base = put(place, context, concat(...inputs));
        // Room for the worst case, for some items none.
        const rooms = inputs.map((input, i) => i % 5 === 3 ? 2 : bound(input.length));
        const outOffsets = offsetsOf(rooms, 3);
        const out = PLACES[place]!(context, outOffsets.at(-1)!);
        const lengths = new Uint32Array(n);
        const status = context.sync.compress({
          codec: CODEC_LZ4,
          level: 1,
          base,
          offsets: offsetsFrom(offsets),
          out,
          outOffsets: offsetsFrom(outOffsets),
          lengths,
        });
        assert.equal(status, OK);
        const blocks: Bytes[] = [];
        inputs.forEach((input, i) => {
          const used = lengths[i]!;
          if (rooms[i] === 2) assert.ok(used === 0 || input.length <= 1, `${used}`);
          else assert.ok(used > 0 && used <= rooms[i]!);
          if (used === 0) return blocks.push(new Uint8Array());
          const block = out.slice(outOffsets[i]!, outOffsets[i]! + used);
          const back = new Uint8Array(input.length);
          assert.ok(lz4.decompress(block, back));
          assert.deepEqual(back, new Uint8Array(input));
          blocks.push(block);
        });
        assert.ok(lengths[10]! < 150_000, "200000 bytes of text shrink");

        const kept = blocks.map((_, i) => i).filter((i) => blocks[i]!.length > 0);
        const sealed = kept.map((i) => blocks[i]!);
        const broken = kept.length - 2;
        sealed[broken] = sealed[broken]!.subarray(0, sealed[broken]!.length - 1);
        const statuses = new Uint8Array(kept.length);
        const slots = offsetsOf(kept.map((i) => inputs[i]!.length));
        const back = PLACES[place]!(context, slots.at(-1)!).fill(0xee);
        const request = {
          codec: CODEC_LZ4,
          base: put(place, context, concat(...sealed)),
          offsets: offsetsFrom(offsetsOf(sealed.map((block) => block.length))),
          out: back,
          outOffsets: offsetsFrom(slots),
          statuses,
        };
        assert.equal(context.sync.decompress(request), EDATA);
        kept.forEach((item, i) => {
          assert.equal(statuses[i], i === broken ? 1 : 0, `item ${i}`);
          const want = i === broken ? new Uint8Array(inputs[item]!.length) : inputs[item]!;
          const got = new Uint8Array(back.subarray(slots[i]!, slots[i + 1]!));
          assert.deepEqual(got, new Uint8Array(want));
        });
      });

      suite("entropy equals portable", (context) => {
        const inputs = LENGTHS.map((length, i) => (i % 3 === 0 ? text : noise)(length, i));
        const offsets = offsetsOf(inputs.map((input) => input.length), 1);
        const base = put(place, context, concat(new Uint8Array(1), ...inputs));
        const out = new Uint16Array(inputs.length);
        for (const sample of [0, 1, 4096, 4097, 100_000]) {
          const request = { base, offsets: offsetsFrom(offsets), sample, out };
          assert.equal(context.sync.entropy(request), OK);
          const want = inputs.map((input) => {
            if (sample === 0 || input.length <= sample) return entropy.estimate(input);
            const from = Math.floor((input.length - sample) / 2);
            return entropy.estimate(input.subarray(from, from + sample));
          });
          assert.deepEqual([...out], want);
        }
      });

      suite("boundary equals portable", (context) => {
        const next = randomWords(6);
        for (const length of [0, 1, 63, 5000, 65_536, 700_000]) {
          const avgBits = 8 + next() % 4;
          const params = {
            avgBits,
            min: 64 + next() % (2 ** avgBits - 63),
            max: 2 ** avgBits * (1 + next() % 4),
            table: tableFromBytes(noise(128, next())),
          };
          const input = put(place, context, (length % 2 === 0 ? noise : text)(length, 8));
          for (const isLast of [true, false]) {
            const want = boundary.cuts(params, input, isLast);
            const cuts = new Uint32Array(want.length), count = new Uint32Array(1);
            const request = { params, input, isLast, cuts, count };
            assert.equal(context.sync.boundary(request), OK);
            assert.deepEqual([...cuts.subarray(0, count[0])], want);
            if (want.length === 0) continue;
            const short = { ...request, cuts: new Uint32Array(want.length - 1) };
            assert.throws(() => context.sync.boundary(short), /the output is too small/);
          }
        }
      });

      suite("fused equals its parts", (context) => {
        const params = { avgBits: 12, min: 1024, max: 16384, table: tableFromBytes(noise(128, 7)) };
        const idKey = noise(32, 1), sealKey = noise(32, 2);
        // Its counter wraps within the input.
        const nonce = new Uint8Array([1, 2, 3, 4, 250, 255, 255, 255, 255, 255, 255, 255]);
        const input = put(place, context, concat(text(150_000), noise(100_000), text(150_001)));
        for (const [isLast, isKeyed, codec] of FUSED_CASES) {
          const cuts = boundary.cuts(params, input, isLast), n = cuts.length;
          const out = PLACES[place]!(context, input.length + 16 * (n + 3));
          const fused = {
            rawOffsets: new BigUint64Array(n + 4),
            outOffsets: new BigUint64Array(n + 4),
            ids: new Uint8Array(32 * (n + 3)),
            codecs: new Uint8Array(n + 3),
            count: new Uint32Array(1),
          };
          const key = isKeyed ? { idKey } : {};
          const request = { params, codec, sealKey, nonce, input, isLast, out, ...key, ...fused };
          assert.equal(context.sync.fused(request), OK);
          assert.equal(fused.count[0], n);
          const raw = [...fused.rawOffsets.subarray(0, n + 1)].map(Number);
          assert.deepEqual(raw, [0, ...cuts]);
          const ids = new Uint8Array(32 * n);
          blake3.hashMany(input, raw, ids, isKeyed ? idKey : undefined);
          assert.deepEqual(fused.ids.subarray(0, 32 * n), ids);
          const used = new Set<number>();
          for (let i = 0; i < n; i++) {
            const start = Number(fused.outOffsets[i]), end = Number(fused.outOffsets[i + 1]);
            const opened = new Uint8Array(end - start - 16);
            assert.ok(aead.open(
              sealKey,
              nonceOf(nonce, i),
              new Uint8Array(),
              new Uint8Array(out.subarray(start, end)),
              opened,
            ));
            used.add(fused.codecs[i]!);
            const chunk = new Uint8Array(input.subarray(raw[i]!, raw[i + 1]!));
            if (fused.codecs[i] === CODEC_STORED) {
              assert.deepEqual(opened, chunk);
              continue;
            }
            const back = new Uint8Array(chunk.length);
            assert.ok(opened.length < chunk.length && lz4.decompress(opened, back));
            assert.deepEqual(back, chunk);
          }
          assert.deepEqual(
            used,
            new Set(codec === CODEC_LZ4 ? [CODEC_LZ4, CODEC_STORED] : [CODEC_STORED]),
          );
          const short = { ...request, ids: fused.ids, codecs: new Uint8Array(n - 1) };
          assert.throws(() => context.sync.fused(short), /the output is too small/);
        }
      });
    }
  }

  Deno.test("cuda blake3 derives keys, and xof gives any length", () =>
    withContext(library, {}, (context) => {
      const { symbols } = library;
      const label = utf8("tests/kernels/cuda_library_test.ts");
      const material = noise(100_000, 5);
      const contextKey = new Uint8Array(32);
      const modes = { keyed: 1, derive: 2, context: 3 };
      const length = BigInt(label.length);
      assert.equal(
        symbols.warp_blake3_xof(modes.context, null, label, length, contextKey, 32n),
        OK,
      );
      const want = blake3.deriveKey("tests/kernels/cuda_library_test.ts", material, 200);
      const out = new Uint8Array(200), bytes = BigInt(material.length);
      assert.equal(
        symbols.warp_blake3_xof(modes.derive, contextKey, material, bytes, out, 200n),
        OK,
      );
      assert.deepEqual(out, want);
      const digest = new Uint8Array(32);
      const offsets = offsetsFrom([0, material.length]);
      context.sync.blake3({
        mode: BLAKE3_DERIVE,
        key: contextKey,
        base: material,
        offsets,
        out: digest,
      });
      assert.deepEqual(digest, want.subarray(0, 32));
      for (const size of awkwardSizes([64, 1024, 2048, 3072])) {
        const input = noise(size, 2), hashed = new Uint8Array(32);
        blake3.hash(input, hashed, contextKey);
        symbols.warp_blake3_xof(modes.keyed, contextKey, input, BigInt(size), digest, 32n);
        assert.deepEqual(digest, hashed, `${size} bytes`);
      }
    }));
}

/** One key or many, additional data or none, bytes between outputs. */
const CASES = [[true, false, 0], [false, true, 0], [true, true, 5]] as const;
const FUSED_CASES = [[true, true, CODEC_LZ4], [false, false, CODEC_STORED]] as const;

function keyOf(isOneKey: boolean, keys: Bytes, i: number): Bytes {
  return isOneKey ? keys.subarray(0, 32) : keys.subarray(32 * i, 32 * i + 32);
}

function nonceOf(nonce: Bytes, chunk: number): Bytes {
  const out = new Uint8Array(nonce), view = new DataView(out.buffer);
  view.setBigUint64(4, view.getBigUint64(4, true) + BigInt(chunk), true);
  return out;
}

/** All levels above the leaves. */
function merkle(key: Bytes, leaves: Bytes): Bytes {
  const levels: Bytes[] = [];
  for (let level = leaves; level.length > 32; level = levels.at(-1)!) {
    const up = new Uint8Array(32 * Math.ceil(level.length / 64));
    for (let at = 0; at < level.length; at += 64) {
      const pair = level.subarray(at, at + 64), out = up.subarray(at / 2, at / 2 + 32);
      if (pair.length === 64) blake3.hash(pair, out, key);
      else out.set(pair);
    }
    levels.push(up);
  }
  return concat(...levels);
}
