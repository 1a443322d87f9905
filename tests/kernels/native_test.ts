/**
 * Our C library at every instruction set, and what happens when it is missing, foreign or damaged.
 *
 * The 512-bit code is built for AVX2 here, so that its logic runs on any x86-64 machine with AVX2.
 *
 * @module
 */
import assert from "node:assert/strict";
import { type Bytes, fromHex } from "../../actors/base/bytes.ts";
import { isWarpError } from "../../actors/base/errors.ts";
import { NativeBlake3 } from "../../kernels/blake3/native.ts";
import { NativeBoundary } from "../../kernels/boundary/native.ts";
import { tableFromBytes } from "../../kernels/boundary/spec.ts";
import { buildNative } from "../../kernels/native/build.ts";
import {
  ISA_NAMES,
  NATIVE_SYMBOLS,
  type NativeLibrary,
  openAt,
} from "../../kernels/native/library.ts";
import { selfTest } from "../../kernels/self_test.ts";
import { openPortable } from "./backends.ts";
import { awkwardSizes, noise, randomWords, text } from "./samples.ts";

const folder = await Deno.makeTempDir();
globalThis.addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));

const hash = await openPortable("blake3");
const boundary = await openPortable("boundary");
const built = await build();
const foreign = built && await buildNative({
  output: `${folder}/foreign.so`,
  flags: ["-DWARP_ABI_MAJOR=999u", "-O0"],
});
const damaged = built && openAt(damage(built.path, `${folder}/damaged.so`));

async function build(): Promise<{ path: string; library: NativeLibrary } | undefined> {
  try {
    const path = await buildNative({ output: `${folder}/emulated.so`, isEmulated: true });
    return { path, library: openAt(path) };
  } catch (error) {
    if (
      !isWarpError(error, "E_BACKEND_UNAVAILABLE") || !error.message.startsWith("no C compiler")
    ) {
      throw error;
    }
    console.log(`SKIP native at every instruction set: ${error.message}`);
    if (Deno.env.get("WARP_REQUIRE") === "all") throw error;
    return undefined;
  }
}

/** Flips one bit in each copy of BLAKE3's first initial word. */
function damage(source: string, target: string): string {
  const image = Deno.readFileSync(source), word = fromHex("67e6096a");
  let count = 0;
  for (let at = 0; at + 4 <= image.length; at++) {
    if (!word.every((byte, i) => image[at + i] === byte)) continue;
    image[at]! ^= 1;
    count++;
  }
  assert.ok(count > 0);
  Deno.writeFileSync(target, image, { mode: 0o755 });
  return target;
}

function many(
  kernel: Pick<NativeBlake3, "hashMany">,
  base: Bytes,
  offsets: number[],
  key?: Bytes,
): Bytes {
  const out = new Uint8Array(32 * (offsets.length - 1));
  kernel.hashMany(base, offsets, out, key);
  return out;
}

if (built !== undefined && damaged !== undefined && foreign !== undefined) {
  const { symbols } = built.library;
  const native = new NativeBlake3(symbols), cutter = new NativeBoundary(symbols);

  ISA_NAMES.forEach((isa, level) => {
    const hasIsa = symbols.warp_isa_limit(level) === level;
    if (!hasIsa) console.log(`SKIP native ${isa}: this CPU does not have it`);

    Deno.test({
      name: `native ${isa} hashes as portable does`,
      ignore: !hasIsa,
      fn() {
        assert.equal(symbols.warp_isa_limit(level), level);
        const next = randomWords(level), key = noise(32, 5);
        const sizes = awkwardSizes([64, 128, 1024, 2048, 3072, 16_384]);
        for (let run = 0; run < 6; run++) {
          const lengths = run === 0
            ? sizes
            : Array.from({ length: 1 + next() % 40 }, () =>
              next() % 3 === 0 ? 64 : next() % (run % 2 === 0 ? 3000 : 300));
          const offsets = [next() % 9];
          for (const length of lengths) offsets.push(offsets.at(-1)! + length);
          const base = noise(offsets.at(-1)!, run);
          for (const hashKey of [undefined, key]) {
            assert.deepEqual(
              many(native, base, offsets, hashKey),
              many(hash, base, offsets, hashKey),
            );
          }
        }
        assert.equal(selfTest("blake3", native), undefined);
      },
    });

    Deno.test({
      name: `native ${isa} cuts as portable does`,
      ignore: !hasIsa,
      fn() {
        assert.equal(symbols.warp_isa_limit(level), level);
        const next = randomWords(level + 50);
        for (let run = 0; run < 80; run++) {
          const avgBits = 8 + next() % 5, avg = 2 ** avgBits;
          const params = {
            avgBits,
            min: 64 + next() % (avg - 63),
            max: avg + next() % (4 * avg),
            table: tableFromBytes(noise(128, next())),
          };
          const input = (run % 4 === 0 ? text : noise)(next() % 40_000, next());
          for (const isLast of [true, false]) {
            assert.deepEqual(
              cutter.cuts(params, input, isLast),
              boundary.cuts(params, input, isLast),
            );
          }
        }
        assert.equal(selfTest("boundary", cutter), undefined);
      },
    });
  });

  Deno.test("native hashes inputs of many groups of leaves", () => {
    symbols.warp_isa_limit(ISA_NAMES.length - 1);
    // A group has 512 leaves; trees above it are joined by another path.
    const base = noise(1_700_000, 3);
    for (const length of [512 * 1024, 512 * 1024 + 1, 1024 * 1024, 1_700_000]) {
      assert.deepEqual(many(native, base, [0, length]), many(hash, base, [0, length]), `${length}`);
    }
    const offsets = [0, 600_000, 600_064, 1_100_000, 1_100_000, 1_700_000];
    assert.deepEqual(many(native, base, offsets), many(hash, base, offsets));
    const derived = native.deriveKey("tests/kernels/native_test.ts", base.subarray(0, 900_000), 99);
    assert.deepEqual(
      derived,
      hash.deriveKey("tests/kernels/native_test.ts", base.subarray(0, 900_000), 99),
    );
  });

  Deno.test("openAt() refuses another interface version", () => {
    assert.throws(
      () => openAt(foreign),
      (error) =>
        isWarpError(error, "E_BACKEND_UNAVAILABLE") &&
        error.message.endsWith("has interface version 999, not 2"),
    );
  });

  Deno.test("selfTest() refuses a library in which one bit of a constant was flipped", () => {
    assert.notEqual(selfTest("blake3", new NativeBlake3(damaged.symbols)), undefined);
    assert.equal(selfTest("boundary", new NativeBoundary(damaged.symbols)), undefined);
  });
}

Deno.test("openAt() says when there is no library, and when a file is not one", () => {
  const unavailable = (path: string, text: RegExp) =>
    assert.throws(
      () => openAt(path),
      (error) => isWarpError(error, "E_BACKEND_UNAVAILABLE") && text.test(error.message),
    );
  unavailable(`${folder}/none.so`, /^not built/);
  Deno.writeTextFileSync(`${folder}/text.so`, "not a library");
  unavailable(`${folder}/text.so`, /text\.so/);
});

Deno.test("library.ts declares functions as warp_kernels.h does", () => {
  const path = new URL("../../cuda/warp_kernels.h", import.meta.url);
  const header = Deno.readTextFileSync(path);
  const declared = new Map(
    [...header.matchAll(/^WARP_EXPORT \w+ (\w+)\(([^;]*)\);/gms)].map((match) => [
      match[1]!,
      match[2] === "void" ? 0 : match[2]!.split(",").length,
    ]),
  );
  for (const [key, symbol] of Object.entries(NATIVE_SYMBOLS)) {
    const name = "name" in symbol ? symbol.name : key;
    assert.equal(declared.get(name), symbol.parameters.length, name);
  }
});
