/**
 * ChaCha20-Poly1305 items from vectors and the reference, and calls that seal or open a batch of them.
 *
 * @module
 */
import { chacha20 } from "@noble/ciphers/chacha.js";
import assert from "node:assert/strict";
import { type Bytes, concat, fromHex, utf8 } from "../../../actors/base/bytes.ts";
import type { Aead } from "../../../kernels/kernel.ts";
import { noise, randomWords, vector, vectorJson } from "../samples.ts";
import { type Call, type CpuKernels, offsetsOf, sameBytes, u64Bytes } from "./calls.ts";

export interface AeadItem {
  label: string;
  key: Bytes;
  nonce: Bytes;
  aad: Bytes;
  sealed: Bytes;
  /** Undefined: the tag is wrong. */
  plaintext: Bytes | undefined;
}

interface WycheproofGroup {
  ivSize: number;
  tests: Record<"key" | "iv" | "aad" | "msg" | "ct" | "tag" | "result", string>[];
}

/** Those with nonces of 96 bits. */
export function wycheproofItems(): AeadItem[] {
  const path = "wycheproof/chacha20_poly1305_test.json";
  const { testGroups } = vectorJson<{ testGroups: WycheproofGroup[] }>(path);
  return testGroups.filter(({ ivSize }) => ivSize === 96).flatMap(({ tests }) =>
    tests.map((one, i) => ({
      label: `Wycheproof ${i}`,
      key: fromHex(one.key),
      nonce: fromHex(one.iv),
      aad: fromHex(one.aad),
      sealed: fromHex(one.ct + one.tag),
      plaintext: one.result === "valid" ? fromHex(one.msg) : undefined,
    }))
  );
}

/** BoringSSL's list, which begins with RFC 8439 §2.8.2. */
export function boringSslItems(): AeadItem[] {
  const text = new TextDecoder().decode(vector("pyca-cryptography/chacha20poly1305_boringssl.txt"));
  const fields = [...text.matchAll(/^(KEY|NONCE|IN|AD|CT|TAG)\s*=\s*(.*)$/gm)].map(
    ([, name, value]) => {
      const isText = value!.startsWith('"');
      return [name!, isText ? utf8(value!.slice(1, -1)) : fromHex(value!)] as const;
    },
  );
  const items: AeadItem[] = [];
  for (let i = 0; i < fields.length; i += 6) {
    const one = Object.fromEntries(fields.slice(i, i + 6));
    items.push({
      label: `BoringSSL ${items.length}`,
      key: one["KEY"]!,
      nonce: one["NONCE"]!,
      aad: one["AD"]!,
      sealed: concat(one["CT"]!, one["TAG"]!),
      plaintext: one["IN"]!,
    });
  }
  return items;
}

/** Of the given lengths, sealed by the reference; `key` for all, or another one for each. */
export function sealedItems(aead: Aead, lengths: readonly number[], key?: Bytes): AeadItem[] {
  const next = randomWords(lengths.length);
  return lengths.map((length, i) => {
    const own = key ?? noise(32, next()), nonce = noise(12, next());
    const aad = noise(next() % 3 === 0 ? 0 : next() % 70, next());
    const plaintext = noise(length, next()), sealed = new Uint8Array(length + 16);
    aead.seal(own, nonce, aad, plaintext, sealed);
    return { label: `${length} bytes, ${i}`, key: own, nonce, aad, sealed, plaintext };
  });
}

/** 2^130 - 5. */
const MODULUS = 2n ** 130n - 5n;

/**
 * Two blocks whose polynomial is 0..7 modulo 2^130 - 5: lazy arithmetic ends there with the modulus
 * not yet subtracted, which a random message never does.
 */
export function wrappingItems(aead: Aead): AeadItem[] {
  return Array.from({ length: 8 }, (_, residue) => {
    const key = noise(32, residue), nonce = noise(12, residue);
    const stream = chacha20(key, nonce, new Uint8Array(128));
    const r = toNumber(stream.subarray(0, 16)) & 0x0ffffffc0ffffffc0ffffffc0fffffffn;
    const inverse = power(r, MODULUS - 2n), lengths = 2n ** 128n + (32n << 64n);
    for (let draw = 0n;; draw++) {
      const first = 2n ** 128n + draw;
      const rest = BigInt(residue) - lengths * r - first * power(r, 3n);
      const second = modulo(rest * inverse * inverse);
      if (second >> 128n !== 1n) continue;
      const ciphertext = concat(toBlock(first), toBlock(second));
      const plaintext = ciphertext.map((byte, i) => byte ^ stream[64 + i]!);
      const sealed = new Uint8Array(48), none = new Uint8Array();
      aead.seal(key, nonce, none, plaintext, sealed);
      return { label: `residue ${residue}`, key, nonce, aad: none, sealed, plaintext };
    }
  });
}

function modulo(x: bigint): bigint {
  return (x % MODULUS + MODULUS) % MODULUS;
}

function power(x: bigint, exponent: bigint): bigint {
  if (exponent === 0n) return 1n;
  const half = power(x * x % MODULUS, exponent >> 1n);
  return exponent % 2n === 0n ? half : half * x % MODULUS;
}

/** Little-endian. */
function toNumber(bytes: Bytes): bigint {
  return bytes.reduceRight((sum, byte) => sum << 8n | BigInt(byte), 0n);
}

/** The low 16 bytes. */
function toBlock(x: bigint): Bytes {
  return Uint8Array.from({ length: 16 }, (_, i) => Number(x >> BigInt(8 * i) & 255n));
}

/** How items lie: keys each, or one for all; where the first begins; room between outputs. */
export interface Layout {
  keyStride: 0 | 32;
  first: number;
  gap: number;
}

function batch(
  kernels: CpuKernels,
  name: "seal_launch" | "open_launch",
  items: readonly AeadItem[],
  inputs: readonly Bytes[],
  outputs: readonly number[],
  { keyStride, first, gap }: Layout,
): { call: Call; starts: number[] } {
  const offsets = offsetsOf(inputs.map((one) => one.length), first);
  const bytes = offsets.at(-1)! - first;
  const starts = offsetsOf(outputs.map((length) => length + gap), gap);
  const hasAad = items.some(({ aad }) => aad.length !== 0);
  const args = [
    concat(new Uint8Array(first), ...inputs),
    u64Bytes(offsets),
    items.length,
    bytes,
    keyStride === 0 ? items[0]!.key : concat(...items.map(({ key }) => key)),
    keyStride,
    concat(...items.map(({ nonce }) => nonce)),
    hasAad ? concat(...items.map(({ aad }) => aad)) : null,
    hasAad ? u64Bytes(offsetsOf(items.map(({ aad }) => aad.length))) : null,
    { size: starts.at(-1)! },
    u64Bytes(starts),
    ...(name === "open_launch" ? [{ size: items.length }] : []),
  ];
  const scratch = kernels.scratchBytes("aead_scratch_bytes", items.length, bytes);
  return { call: { name, args, scratch }, starts };
}

/** Seals the items that have a plaintext, opens all, and compares. */
export function checkAead(
  kernels: CpuKernels,
  outputsOf: (call: Call) => Bytes[],
  items: readonly AeadItem[],
  layout: Layout,
): void {
  const valid = items.filter(({ plaintext }) => plaintext !== undefined);
  const plaintexts = valid.map(({ plaintext }) => plaintext!);
  const lengths = valid.map(({ sealed }) => sealed.length);
  const sealing = batch(kernels, "seal_launch", valid, plaintexts, lengths, layout);
  const [sealed] = outputsOf(sealing.call);
  valid.forEach((one, i) => {
    const at = sealing.starts[i]!;
    sameBytes(sealed!.subarray(at, at + one.sealed.length), one.sealed, one.label);
  });

  const inputs = items.map((one) => one.sealed);
  const sizes = inputs.map((one) => Math.max(0, one.length - 16));
  const opening = batch(kernels, "open_launch", items, inputs, sizes, layout);
  const [opened, statuses] = outputsOf(opening.call);
  items.forEach((one, i) => {
    const at = opening.starts[i]!, expected = one.plaintext ?? new Uint8Array(sizes[i]!);
    assert.equal(statuses![i], one.plaintext === undefined ? 1 : 0, one.label);
    sameBytes(opened!.subarray(at, at + sizes[i]!), expected, one.label);
  });
}
