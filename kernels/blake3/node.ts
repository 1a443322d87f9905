/**
 * BLAKE3 by the reference Rust crate, compiled for N-API (`@napi-rs/blake-hash`): SIMD, one thread.
 *
 * @module
 */
import { type Bytes, equal } from "../../actors/base/bytes.ts";
import { WarpError } from "../../actors/base/errors.ts";
import type { Backend, Blake3 } from "../kernel.ts";
import { deriveKey as derivePortable } from "./portable.ts";
import { checkBatch, checkHash, DIGEST_BYTES, KEY_BYTES } from "./spec.ts";

type Addon = typeof import("@napi-rs/blake-hash");
type Hasher = InstanceType<Addon["Blake3Hasher"]>;

/** Making a keyed hasher costs 18 µs, resetting one 0.5 µs; an archive uses six keys. */
const HASHERS_KEPT = 8;

/** @throws {WarpError} E_BACKEND_UNAVAILABLE where the package has no binary for this platform. */
export async function open(): Promise<Backend<Blake3>> {
  let addon: Addon;
  try {
    addon = await import("@napi-rs/blake-hash");
  } catch (cause) {
    const message = cause instanceof Error ? cause.message.split("\n", 1)[0] : String(cause);
    throw new WarpError("E_BACKEND_UNAVAILABLE", `@napi-rs/blake-hash: ${message}`, { cause });
  }
  return { kernel: new NodeBlake3(addon), description: "@napi-rs/blake-hash" };
}

class NodeBlake3 implements Blake3 {
  readonly #addon: Addon;
  readonly #hashers: { key: Uint8Array; hasher: Hasher }[] = [];

  constructor(addon: Addon) {
    this.#addon = addon;
  }

  hash(input: Bytes, out: Bytes, key?: Bytes): void {
    checkHash(out, key);
    out.set(this.#digest(input, this.#hasher(key)));
  }

  hashMany(base: Bytes, offsets: ArrayLike<number>, out: Bytes, key?: Bytes): void {
    const count = checkBatch(base, offsets, out, key);
    const hasher = this.#hasher(key);
    for (let i = 0; i < count; i++) {
      const input = base.subarray(offsets[i], offsets[i + 1]);
      out.set(this.#digest(input, hasher), DIGEST_BYTES * i);
    }
  }

  deriveKey(context: string, material: Bytes, length = DIGEST_BYTES): Uint8Array<ArrayBuffer> {
    // The addon has no extended output.
    if (length > DIGEST_BYTES) return derivePortable(context, material, length);
    const hasher = this.#addon.Blake3Hasher.newDeriveKey(context).update(buffer(material));
    return new Uint8Array(hasher.digestBuffer()).slice(0, length);
  }

  #digest(input: Bytes, hasher: Hasher | undefined): Uint8Array {
    if (hasher === undefined) return this.#addon.blake3(buffer(input));
    const digest = hasher.update(buffer(input)).digestBuffer();
    hasher.reset();
    return digest;
  }

  /** The hasher of `key`, from a short list with the last used first. */
  #hasher(key: Bytes | undefined): Hasher | undefined {
    if (key === undefined) return undefined;
    const list = this.#hashers;
    for (let i = 0; i < list.length; i++) {
      const entry = list[i]!;
      if (!equal(entry.key, key)) continue;
      if (i > 0) {
        list.splice(i, 1);
        list.unshift(entry);
      }
      return entry.hasher;
    }
    const copy = new Uint8Array(KEY_BYTES);
    copy.set(key);
    const hasher = this.#addon.Blake3Hasher.newKeyed(buffer(copy));
    list.unshift({ key: copy, hasher });
    if (list.length > HASHERS_KEPT) list.pop()!.key.fill(0);
    return hasher;
  }
}

/** The addon takes any Uint8Array, shared memory too; only its types ask for a Buffer. */
function buffer(bytes: Bytes): Parameters<Addon["Blake3Hasher"]["newKeyed"]>[0] {
  return bytes as Parameters<Addon["Blake3Hasher"]["newKeyed"]>[0];
}
