/**
 * The owner at this hub: portals with their names, requests, devices, and what changes.
 *
 * @module
 */
import { type Bytes, utf8 } from "../../actors/base/bytes.ts";
import { isWarpError } from "../../actors/base/errors.ts";
import { verifySignature } from "../../actors/cipher/signature.ts";
import { bytes } from "../../actors/portal/api_fields.ts";
import type { AnswerOf, PortalInfo } from "../../actors/portal/api.ts";
import { toBase64Url } from "../../actors/portal/base64url.ts";
import { type Account, Directory } from "../../actors/portal/directory.ts";
import { HubClient } from "../../actors/portal/hub_client.ts";
import { type KeyRing, openKeyRing, readRingFile } from "../../actors/portal/key_ring.ts";
import { openPortal, type Portal } from "../../actors/portal/portal.ts";
import { openReason } from "../../actors/portal/reasons.ts";
import { isAtLeast } from "../../actors/portal/records.ts";
import { noteOf } from "../../actors/portal/versions.ts";

export interface Reentry {
  id: string;
  /** What the owner noted about the grant. */
  from: string;
  /** Undefined: it was not sealed for this device. */
  reason: string | undefined;
  createdMs: number;
}

export interface ShownPortal {
  id: string;
  info: PortalInfo;
  /** Undefined where the keys at hand do not open it. */
  name: string | undefined;
  /** Whether state and requests are the user's to decide. */
  isManaged: boolean;
  requests: Reentry[];
}

export type StateEvent = "open" | "pause" | "close";
export type Usage = AnswerOf<"GET /v1/usage">;

export class OwnerSession {
  readonly ring: KeyRing;
  readonly #client: HubClient;
  readonly #directory: Directory;
  /** Opening a wrap takes a few milliseconds: once for each that is the same. */
  readonly #opened = new Map<string, { about: string; portal: Portal | undefined }>();

  private constructor(ring: KeyRing, client: HubClient, directory: Directory) {
    this.ring = ring;
    this.#client = client;
    this.#directory = directory;
  }

  /**
   * @param file a key ring, as `warp key` writes it
   * @throws {WarpError} E_INTEGRITY, E_KEY_NEEDED, E_KEY_WRONG, E_AUTH (not enrolled here) …
   */
  static async open(
    file: Bytes,
    passphrase: string,
    url: string,
    signal: AbortSignal,
  ): Promise<OwnerSession> {
    const read = readRingFile(file);
    const given = passphrase === "" ? undefined : utf8(passphrase.normalize("NFC"));
    const ring = await openKeyRing(read, given).finally(() => given?.fill(0));
    const client = new HubClient({
      url,
      hubKey: null,
      key: { publicKey: ring.device, sign: (message) => ring.keys.sign(message) },
      verify: verifySignature,
      signal,
    });
    try {
      await client.login();
    } catch (error) {
      ring.keys.wipe();
      throw error;
    }
    return new OwnerSession(ring, client, new Directory(client, verifySignature));
  }

  get nowMs(): number {
    return this.#client.nowMs;
  }

  /** The newest first. */
  async portals(): Promise<ShownPortal[]> {
    const { portals } = await this.#client.call("GET /v1/portals");
    const shown = await Promise.all(portals.map((info) => this.#show(info)));
    return shown.reverse();
  }

  /** Undefined when it is gone. */
  async portal(id: string): Promise<ShownPortal | undefined> {
    try {
      const info = await this.#client.call("GET /v1/portals/{portal}", { portal: id });
      return info.state === "archived" ? undefined : await this.#show(info);
    } catch (error) {
      if (isWarpError(error, "E_NOT_FOUND") || isWarpError(error, "E_GONE")) return undefined;
      throw error;
    }
  }

  usage(): Promise<Usage> {
    return this.#client.call("GET /v1/usage");
  }

  /** The own account, with its devices. Asked for anew each time: it changes. */
  account(): Promise<Account> {
    return new Directory(this.#client, verifySignature).find(this.ring.account);
  }

  async setState(portal: string, event: StateEvent): Promise<void> {
    await this.#client.call("POST /v1/portals/{portal}/state", { portal }, { event });
  }

  async approve(portal: string, request: string, hours: number): Promise<void> {
    const untilMs = Math.round(this.nowMs + hours * 3_600_000);
    await this.#client.call("POST /v1/portals/{portal}/requests/{request}", { portal, request }, {
      decision: "approve",
      untilMs,
      downloads: null,
    });
  }

  async deny(portal: string, request: string): Promise<void> {
    await this.#client.call("POST /v1/portals/{portal}/requests/{request}", { portal, request }, {
      decision: "deny",
    });
  }

  events(): AsyncGenerator<{ event: string; data: string }> {
    return this.#client.events();
  }

  /** Forgets the keys. */
  close(): void {
    this.ring.keys.wipe();
    this.#opened.clear();
  }

  async #show(info: PortalInfo): Promise<ShownPortal> {
    const portal = await this.#open(info);
    const isManaged = isAtLeast(info.level, "admin");
    return {
      id: info.portal,
      info,
      name: portal?.name,
      isManaged,
      requests: isManaged ? await this.#requests(info.portal, portal) : [],
    };
  }

  /** @throws {WarpError} E_SIGNATURE: a forged portal is not shown as a nameless one */
  async #open(info: PortalInfo): Promise<Portal | undefined> {
    const about = JSON.stringify([info.settings, info.grant?.wrap]);
    const known = this.#opened.get(info.portal);
    if (known?.about === about) return known.portal;
    let portal: Portal | undefined;
    try {
      const { identity } = this.ring.keys;
      portal = await openPortal(info, [identity], this.#directory, verifySignature);
    } catch (error) {
      // Keys of a group, or of before this device.
      if (!isWarpError(error, "E_KEY_WRONG") && !isWarpError(error, "E_PROTOCOL")) throw error;
    }
    this.#opened.set(info.portal, { about, portal });
    return portal;
  }

  async #requests(id: string, portal: Portal | undefined): Promise<Reentry[]> {
    const { requests } = await this.#client.call("GET /v1/portals/{portal}/requests", {
      portal: id,
    });
    const pending = requests.filter(({ state }) => state === "pending");
    if (pending.length === 0) return [];
    const names = await this.#grantNames(id, portal);
    const { identity } = this.ring.keys;
    return await Promise.all(pending.map(async (one) => ({
      id: one.request,
      from: names.get(one.grant) ?? "someone",
      reason: await openReason(bytes(one.reason), bytes(id, 16), [identity]),
      createdMs: one.createdMs,
    })));
  }

  async #grantNames(id: string, portal: Portal | undefined): Promise<Map<string, string>> {
    const names = new Map<string, string>();
    const { grants } = await this.#client.call("GET /v1/portals/{portal}", { portal: id });
    for (const grant of grants ?? []) {
      const note = portal === undefined ? undefined : noteOf(grant, portal.keys);
      const kind = grant.kind === "link"
        ? "a link"
        : grant.kind === "group"
        ? "a group"
        : "an account";
      names.set(
        grant.grant,
        note === undefined || note.label === "" ? kind : `${note.label} (${kind})`,
      );
    }
    return names;
  }
}

/** An account or device as people compare it. */
export function shortKey(key: Bytes): string {
  return `${toBase64Url(key).slice(0, 12)}…`;
}
