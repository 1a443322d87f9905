/**
 * Contract suite of the ChaCha20-Poly1305 kernel, run by every backend.
 *
 * @module
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { type Bytes, fromHex, isZero, toHex, utf8 } from "../../actors/base/bytes.ts";
import type { Aead } from "../../kernels/kernel.ts";
import { openBackends, openPortable } from "./backends.ts";
import { awkwardSizes, noise, painted, placements, vector, vectorJson } from "./samples.ts";

interface WycheproofVectors {
  numberOfTests: number;
  testGroups: {
    ivSize: number;
    keySize: number;
    tagSize: number;
    tests: {
      tcId: number;
      comment: string;
      key: string;
      iv: string;
      aad: string;
      msg: string;
      ct: string;
      tag: string;
      result: "valid" | "invalid";
    }[];
  }[];
}

const wycheproof = vectorJson<WycheproofVectors>("wycheproof/chacha20_poly1305_test.json");
const backends = await openBackends("aead");
const portable = await openPortable("aead");

function seal(aead: Aead, key: Bytes, nonce: Bytes, aad: Bytes, plaintext: Bytes): string {
  const output = new Uint8Array(plaintext.length + 16);
  aead.seal(key, nonce, aad, plaintext, output);
  return toHex(output);
}

/** The plaintext in hex, or undefined; what was opened into must be zero when it fails. */
function open(aead: Aead, key: Bytes, nonce: Bytes, aad: Bytes, sealed: Bytes): string | undefined {
  const output = new Uint8Array(Math.max(0, sealed.length - 16)).fill(0xee);
  if (aead.open(key, nonce, aad, sealed, output)) return toHex(output);
  assert.ok(isZero(output), "output of a failed open must be zero");
  return undefined;
}

/** `NAME = value` lines; a blank line ends a case. Quoted values are text. */
function readCases(path: string): Record<string, Bytes>[] {
  const cases: Record<string, Bytes>[] = [];
  let current: Record<string, Bytes> = {};
  for (const line of [...new TextDecoder().decode(vector(path)).split("\n"), ""]) {
    const match = /^(\w+)\s*=\s*(.*)$/.exec(line);
    if (match !== null) {
      const value = match[2]!.trim();
      const isText = value.startsWith('"');
      current[match[1]!.toUpperCase()] = isText ? utf8(value.slice(1, -1)) : fromHex(value);
    } else if (line.trim() === "" && Object.keys(current).length > 0) {
      cases.push(current);
      current = {};
    }
  }
  return cases;
}

const key = painted(32), nonce = painted(12), aad = painted(20), none = new Uint8Array();

for (const { name, kernel, description } of backends) {
  Deno.test(`aead ${name} (${description}) passes Wycheproof`, () => {
    let count = 0;
    for (const { ivSize, keySize, tagSize, tests } of wycheproof.testGroups) {
      for (const one of tests) {
        count++;
        const label = `tcId ${one.tcId} ${one.comment}`;
        const iv = fromHex(one.iv), testKey = fromHex(one.key), testAad = fromHex(one.aad);
        const sealed = fromHex(one.ct + one.tag);
        if (ivSize !== 96 || keySize !== 256 || tagSize !== 128) {
          // Sizes that RFC 8439 does not have: a caller's bug, not a value.
          assert.throws(() => open(kernel, testKey, iv, testAad, sealed), /invariant/, label);
          continue;
        }
        const opened = open(kernel, testKey, iv, testAad, sealed);
        assert.equal(opened, one.result === "valid" ? one.msg : undefined, label);
        if (one.result === "valid") {
          assert.equal(seal(kernel, testKey, iv, testAad, fromHex(one.msg)), toHex(sealed), label);
        }
      }
    }
    assert.equal(count, 325);
  });

  Deno.test(`aead ${name} gives the BoringSSL vectors, RFC 8439 §2.8.2 first`, () => {
    const cases = readCases("pyca-cryptography/chacha20poly1305_boringssl.txt");
    for (const one of cases) {
      const sealed = new Uint8Array([...one["CT"]!, ...one["TAG"]!]);
      assert.equal(seal(kernel, one["KEY"]!, one["NONCE"]!, one["AD"]!, one["IN"]!), toHex(sealed));
      assert.equal(open(kernel, one["KEY"]!, one["NONCE"]!, one["AD"]!, sealed), toHex(one["IN"]!));
    }
    assert.equal(cases.length, 66);
  });

  Deno.test(`aead ${name} gives the OpenSSL vectors`, () => {
    const cases = readCases("pyca-cryptography/chacha20poly1305_openssl.txt");
    for (const one of cases) {
      const sealed = new Uint8Array([...one["CIPHERTEXT"]!, ...one["TAG"]!]);
      const opened = open(kernel, one["KEY"]!, one["IV"]!, one["AAD"]!, sealed);
      assert.equal(opened, "RESULT" in one ? undefined : toHex(one["PLAINTEXT"]!));
    }
    assert.equal(cases.length, 5);
  });

  Deno.test(`aead ${name} does not care where bytes lie`, () => {
    for (const size of [0, 1, 65, 5000]) {
      const sealed = seal(kernel, key, nonce, aad, painted(size));
      for (
        const [{ place, bytes: plaintext }, { bytes: placedKey }, { bytes: placedNonce }] of zip(
          placements(painted(size)),
          placements(key).toReversed(),
          placements(nonce),
        )
      ) {
        const output = placements(new Uint8Array(size + 16))
          .find((one) => one.place === place)!.bytes;
        kernel.seal(placedKey, placedNonce, aad, plaintext, output);
        assert.equal(toHex(output), sealed, `${size} bytes, ${place}`);
        plaintext.fill(0);
        assert.ok(kernel.open(placedKey, placedNonce, aad, output, plaintext));
        assert.equal(toHex(plaintext), toHex(painted(size)), `${size} bytes, ${place}`);
      }
    }
  });

  Deno.test(`aead ${name} seals and opens in place`, () => {
    for (const size of awkwardSizes([16, 64, 256, 1024])) {
      const sealed = seal(kernel, key, nonce, aad, painted(size));
      for (const { place, bytes: slab } of placements(new Uint8Array(size + 16))) {
        slab.set(painted(size));
        kernel.seal(key, nonce, aad, slab.subarray(0, size), slab);
        assert.equal(toHex(slab), sealed, `${size} bytes, ${place}`);
        assert.ok(kernel.open(key, nonce, aad, slab, slab.subarray(0, size)));
        assert.equal(toHex(slab.subarray(0, size)), toHex(painted(size)), place);
      }
    }
  });

  Deno.test(`aead ${name} refuses every flipped bit and leaves zeros, in place too`, () => {
    const sealed = fromHex(seal(kernel, key, nonce, aad, painted(70)));
    for (let bit = 0; bit < 8 * sealed.length; bit++) {
      const forged = sealed.slice();
      forged[bit >> 3]! ^= 1 << (bit & 7);
      assert.equal(open(kernel, key, nonce, aad, forged), undefined);
      assert.ok(!kernel.open(key, nonce, aad, forged, forged.subarray(0, 70)));
      assert.ok(isZero(forged.subarray(0, 70)));
    }
    for (let i = 0; i < 32; i++) {
      const flip = (bytes: Bytes) => bytes.map((byte, at) => at === i ? byte ^ 0x80 : byte);
      assert.equal(open(kernel, flip(key), nonce, aad, sealed), undefined);
      if (i < 12) assert.equal(open(kernel, key, flip(nonce), aad, sealed), undefined);
      if (i < 20) assert.equal(open(kernel, key, nonce, flip(aad), sealed), undefined);
    }
    assert.equal(open(kernel, key, nonce, none, sealed), undefined);
    assert.equal(open(kernel, key, nonce, aad, sealed), toHex(painted(70)), "and works afterwards");
  });

  Deno.test(`aead ${name} refuses inputs too short for a tag`, () => {
    for (let length = 0; length < 16; length++) {
      assert.ok(!kernel.open(key, nonce, aad, new Uint8Array(length), none));
    }
    const output = new Uint8Array(4).fill(1);
    assert.ok(!kernel.open(key, nonce, aad, new Uint8Array(3), output) && isZero(output));
  });

  Deno.test(`aead ${name} refuses wrong sizes as bugs`, () => {
    const room = new Uint8Array(26);
    const short = key.subarray(1);
    assert.throws(() => kernel.seal(short, nonce, aad, painted(10), room), /invariant/);
    assert.throws(() => kernel.seal(key, nonce.subarray(1), aad, painted(10), room), /invariant/);
    assert.throws(() => kernel.seal(key, nonce, aad, painted(11), room), /invariant/);
    assert.throws(() => kernel.open(key, nonce, aad, room, new Uint8Array(11)), /invariant/);
    assert.throws(() => kernel.open(key, nonce, aad, room, new Uint8Array(9)), /invariant/);
  });

  if (name === "portable") continue;
  Deno.test(`aead ${name} equals portable on random messages`, () => {
    fc.assert(
      fc.property(fc.nat(3000), fc.nat(100), fc.integer(), (size, aadSize, seed) => {
        const [k, n, a, p] = [
          noise(32, seed),
          noise(12, seed + 1),
          noise(aadSize, seed + 2),
          noise(size, seed + 3),
        ];
        const sealed = seal(portable, k, n, a, p);
        assert.equal(seal(kernel, k, n, a, p), sealed);
        assert.equal(open(kernel, k, n, a, fromHex(sealed)), toHex(p));
      }),
      { numRuns: 60 },
    );
  });
}

function zip<A, B, C>(a: A[], b: B[], c: C[]): [A, B, C][] {
  return a.map((one, i) => [one, b[i]!, c[i]!]);
}
