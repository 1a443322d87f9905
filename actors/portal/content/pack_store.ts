/**
 * Where packs go to and come from: what the content layer asks of a hub.
 *
 * @module
 */
import type { Blake3 } from "../../../kernels/kernel.ts";
import { type Bytes, compare, equal } from "../../base/bytes.ts";
import { damaged } from "./padded_seal.ts";

export interface PackStore {
  /** Which of these have to be sent, by number. */
  missing(addresses: Bytes[]): Promise<ReadonlySet<number>>;
  /** Sends a pack; harmless when it is there. The bytes are not used again. */
  put(address: Bytes, bytes: Uint8Array): Promise<void>;
  /** A whole pack; more than `bytesMax` is refused before it is read: E_INTEGRITY. */
  get(address: Bytes, bytesMax: number): Promise<Uint8Array>;
}

/** BLAKE3 of a pack's bytes. */
export function addressOf(blake3: Blake3, pack: Bytes): Uint8Array<ArrayBuffer> {
  const address = new Uint8Array(32);
  blake3.hash(pack, address);
  return address;
}

/** A pack that is what its address says. @throws {WarpError} E_INTEGRITY and what the store throws */
export async function getPack(
  store: PackStore,
  blake3: Blake3,
  address: Bytes,
  bytesMax: number,
): Promise<Uint8Array> {
  const pack = await store.get(address, bytesMax);
  if (pack.length > bytesMax || !equal(addressOf(blake3, pack), address)) throw damaged();
  return pack;
}

/** Addresses in order, each once. */
export function sortedSet(addresses: readonly Uint8Array[]): Uint8Array[] {
  const sorted = [...addresses].sort(compare);
  return sorted.filter((address, i) => i === 0 || !equal(address, sorted[i - 1]!));
}
