/**
 * A hub as a store of packs.
 *
 * @module
 */
import { type Bytes, concat } from "../base/bytes.ts";
import { WarpError } from "../base/errors.ts";
import { ADDRESSES_ASKED_MAX } from "./api.ts";
import { toBase64Url } from "./base64url.ts";
import type { PackStore } from "./content/pack_store.ts";
import type { HubClient } from "./hub_client.ts";

export class HubStore implements PackStore {
  readonly #client: HubClient;
  readonly #portal: Bytes;
  readonly #lease: Bytes | null;

  /** @param lease what lets one fetch packs; null: nothing is fetched */
  constructor(client: HubClient, portal: Bytes, lease: Bytes | null) {
    this.#client = client;
    this.#portal = portal;
    this.#lease = lease;
  }

  async missing(addresses: Bytes[]): Promise<ReadonlySet<number>> {
    const all = new Set<number>();
    for (let at = 0; at < addresses.length; at += ADDRESSES_ASKED_MAX) {
      const some = addresses.slice(at, at + ADDRESSES_ASKED_MAX);
      const { missing } = await this.#client.call("POST /v1/packs/missing", {}, {
        addresses: toBase64Url(concat(...some)),
      });
      for (const i of missing) all.add(at + i);
    }
    return all;
  }

  async put(address: Bytes, pack: Uint8Array): Promise<void> {
    await this.#client.putPack(address, pack);
  }

  async get(address: Bytes, bytesMax: number): Promise<Uint8Array> {
    if (this.#lease === null) throw new WarpError("E_INTERNAL", "a pack without a lease");
    return await this.#client.getPack(this.#portal, this.#lease, address, bytesMax);
  }
}
