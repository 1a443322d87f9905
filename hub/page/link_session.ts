/**
 * One visit through a link: login, what the hub says of the portal, the lease, and the tree in it.
 *
 * @module
 */
import { type Bytes, equal, utf8 } from "../../actors/base/bytes.ts";
import { isWarpError, WarpError } from "../../actors/base/errors.ts";
import { argon2id } from "../../actors/cipher/argon2.ts";
import { createSigner, verifySignature } from "../../actors/cipher/signature.ts";
import { bytes } from "../../actors/portal/api_fields.ts";
import type { AnswerOf } from "../../actors/portal/api.ts";
import { toBase64Url } from "../../actors/portal/base64url.ts";
import { PackReader } from "../../actors/portal/content/pack_reader.ts";
import type { PackStore } from "../../actors/portal/content/pack_store.ts";
import { VersionReader } from "../../actors/portal/content/version_reader.ts";
import type { Head } from "../../actors/portal/content/head_codec.ts";
import { type Account, Directory, recipientsOf } from "../../actors/portal/directory.ts";
import { HubClient } from "../../actors/portal/hub_client.ts";
import { LINK_ARGON2, type LinkKeys, linkKeys, type PortalLink } from "../../actors/portal/link.ts";
import { keyOfEpoch, openPortal, openVersion, type Portal } from "../../actors/portal/portal.ts";
import { sealReason } from "../../actors/portal/reasons.ts";
import type { Records } from "../../actors/portal/records.ts";
import { FileTree } from "./file_tree.ts";
import { kernels, sha256 } from "./kernels.ts";

type Lease = AnswerOf<"POST /v1/portals/{portal}/leases">;

/** A lease is renewed when less than this is left of it: a download may take longer than one. */
const RENEW_MS = 10 * 60_000;
const PAUSE_MS = 2_000;
/** How long a download waits for the network to come back. */
const PATIENCE_MS = 15 * 60_000;

/** A version, read and checked to its end. */
export interface OpenVersion {
  record: Records["version"];
  head: Head;
  tree: FileTree;
}

export interface SessionNotes {
  /** Where the id of the lease is kept, so that loading the page again is no second download. */
  leases: Pick<Storage, "getItem" | "setItem">;
  /** The network is away, and comes back. */
  onWaiting(isWaiting: boolean): void;
}

export class LinkSession {
  readonly portal: Portal;
  readonly owner: Account;
  readonly #client: HubClient;
  readonly #directory: Directory;
  readonly #notes: SessionNotes;
  readonly #signal: AbortSignal;
  readonly #leaseName: string;
  #lease: { id: Uint8Array; expiresMs: number; record: string; number: number } | undefined;
  #renewal: Promise<void> | undefined;
  #newLeases = 0;

  private constructor(
    portal: Portal,
    owner: Account,
    client: HubClient,
    directory: Directory,
    notes: SessionNotes,
    signal: AbortSignal,
    leaseName: string,
  ) {
    this.portal = portal;
    this.owner = owner;
    this.#client = client;
    this.#directory = directory;
    this.#notes = notes;
    this.#signal = signal;
    this.#leaseName = leaseName;
  }

  /**
   * @param password undefined where the link has none
   * @throws {WarpError} E_AUTH (not a link of this hub, or a wrong password), E_SIGNATURE, E_NETWORK …
   */
  static async open(
    link: PortalLink,
    password: string | undefined,
    notes: SessionNotes,
    signal: AbortSignal,
  ): Promise<LinkSession> {
    const keys = await keysOf(link, password);
    const signer = createSigner(keys.authSeed);
    keys.authSeed.fill(0);
    const client = new HubClient({
      url: link.hub,
      hubKey: null,
      key: signer,
      verify: verifySignature,
      signal,
    });
    await client.login();
    const directory = new Directory(client, verifySignature);
    const id = toBase64Url(link.portal);
    const info = await client.call("GET /v1/portals/{portal}", { portal: id });
    const portal = await openPortal(info, [keys.identity], directory, verifySignature);
    if (!equal(portal.id, link.portal)) {
      throw new WarpError("E_SIGNATURE", "the hub gave another portal");
    }
    const owner = await directory.find(portal.owner);
    const leaseName = `portal-lease:${id}:${toBase64Url(signer.publicKey)}`;
    return new LinkSession(portal, owner, client, directory, notes, signal, leaseName);
  }

  get nowMs(): number {
    return this.#client.nowMs;
  }

  /** Downloads of this link, with those of this visit. */
  get downloads(): number {
    return (this.portal.info.grant?.downloads ?? 0) + this.#newLeases;
  }

  /** Whether a lease of an earlier look at this page is at hand: going on with it counts nothing. */
  get hasLease(): boolean {
    return this.#notes.leases.getItem(this.#leaseName) !== null;
  }

  /**
   * Begins a download, as far as the hub is concerned, and reads what there is.
   *
   * @throws {WarpError} E_CLOSED, E_GONE, E_NOT_FOUND, E_SIGNATURE, E_INTEGRITY …
   */
  async openNewest(onPage: (files: number) => void): Promise<OpenVersion> {
    const lease = await this.#takeLease(0, this.#notes.leases.getItem(this.#leaseName));
    const { keys } = this.portal;
    const { version, head } = await openVersion(lease, keys, this.#directory, verifySignature);
    this.#keep(lease, version.sequence);
    const reader = await VersionReader.open({
      store: this.#store,
      kernels,
      sha256,
      viewKey: keyOfEpoch(keys, version.epoch),
      head,
      signal: this.#signal,
    });
    try {
      const tree = new FileTree();
      for await (const stored of reader.pages()) {
        tree.add(stored);
        onPage(tree.files.length);
      }
      return { record: version, head: reader.head, tree };
    } finally {
      reader.close();
    }
  }

  /** For one download; the caller closes it. */
  packs(head: Head): PackReader {
    return new PackReader(this.#store, kernels.blake3, head.packs);
  }

  /** Asks the owner to be let in again. @throws {WarpError} E_LIMIT, E_RATE, E_GONE, E_NETWORK … */
  async askReentry(reason: string): Promise<void> {
    const sealed = await sealReason(reason, this.portal.id, recipientsOf(this.owner));
    await this.#client.call("POST /v1/portals/{portal}/requests", {
      portal: toBase64Url(this.portal.id),
    }, { reason: toBase64Url(sealed) });
  }

  readonly #store: PackStore = {
    missing: () => Promise.resolve(new Set()),
    put: () => Promise.reject(new WarpError("E_INTERNAL", "links cannot write")),
    get: (address) => this.#getPack(address),
  };

  /** A pack, with patience: a cut network comes back, a lease is renewed. */
  async #getPack(address: Bytes): Promise<Uint8Array> {
    const giveUpAt = performance.now() + PATIENCE_MS;
    let isWaiting = false, hasRenewed = false;
    try {
      while (true) {
        this.#signal.throwIfAborted();
        const lease = this.#lease!;
        try {
          if (lease.expiresMs - this.nowMs < RENEW_MS) await this.#renew();
          return await this.#client.getPack(this.portal.id, this.#lease!.id, address);
        } catch (error) {
          if (isWarpError(error, "E_GONE") && !hasRenewed) {
            hasRenewed = true;
            await this.#renew();
            continue;
          }
          const isCut = isWarpError(error) && WAITED.has(error.code);
          if (!isCut || performance.now() > giveUpAt) throw error;
          if (!isWaiting) this.#notes.onWaiting(isWaiting = true);
          await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
        }
      }
    } finally {
      if (isWaiting) this.#notes.onWaiting(false);
    }
  }

  /** Goes on with the lease: of the same version, or not at all. */
  #renew(): Promise<void> {
    this.#renewal ??= (async () => {
      const { id, record, number } = this.#lease!;
      const lease = await this.#takeLease(number, toBase64Url(id));
      if (lease.version.record !== record) {
        throw new WarpError("E_GONE", "the version is not there any more", {
          hint: "load the page again for the newest one",
        });
      }
      this.#keep(lease, number);
    })().finally(() => this.#renewal = undefined);
    return this.#renewal;
  }

  async #takeLease(version: number, lease: string | null): Promise<Lease> {
    const isId = lease !== null && /^[\w-]{22}$/.test(lease);
    return await this.#client.call("POST /v1/portals/{portal}/leases", {
      portal: toBase64Url(this.portal.id),
    }, { version, ...(isId ? { lease } : {}) });
  }

  #keep(lease: Lease, number: number): void {
    if (lease.isNew) this.#newLeases++;
    const id = bytes(lease.lease, 16);
    this.#lease = { id, expiresMs: lease.expiresMs, record: lease.version.record, number };
    this.#notes.leases.setItem(this.#leaseName, lease.lease);
  }
}

const WAITED = new Set<string>(["E_NETWORK", "E_DEADLINE", "E_STORE", "E_RATE"]);

async function keysOf(link: PortalLink, password: string | undefined): Promise<LinkKeys> {
  const given = password === undefined ? undefined : utf8(password.normalize("NFC"));
  try {
    return await linkKeys(
      link.secret,
      given,
      (text, salt) => argon2id(text, salt, LINK_ARGON2),
    );
  } finally {
    given?.fill(0);
  }
}
