/**
 * A hub on a free port, people with keys from random entropy, and portals with packs of random bytes.
 *
 * Requests are signed here by hand, on the hub's own clock, so that a test may get each part of them wrong;
 * `clientOf` gives the real client.
 *
 * @module
 */
import assert from "node:assert/strict";
import { blake3 } from "@noble/hashes/blake3.js";
import { type Bytes, compare, concat, toHex, utf8 } from "../../actors/base/bytes.ts";
import { createSigner, type Signer, verifySignature } from "../../actors/cipher/signature.ts";
import { AccountSecrets } from "../../actors/portal/account_keys.ts";
import { signedJson } from "../../actors/portal/api_fields.ts";
import { fromBase64Url, toBase64Url } from "../../actors/portal/base64url.ts";
import { HubClient } from "../../actors/portal/hub_client.ts";
import { type KeyRing, newKeyRing } from "../../actors/portal/key_ring.ts";
import { ALWAYS, type Condition } from "../../actors/portal/policy/condition.ts";
import { encodeCondition } from "../../actors/portal/policy/decode.ts";
import { formatProof, loginMessage, requestMessage } from "../../actors/portal/proof.ts";
import { type GranteeKind, type Level, signRecord } from "../../actors/portal/records.ts";
import { type Clock, type Hub, sha256 } from "../../hub/hub.ts";
import type { HubOptions } from "../../hub/protocol.ts";
import { type RunningHub, startHub } from "../../hub/serve_io.ts";
import { loadKernels } from "../../kernels/load.ts";

// Its libraries are loaded once, and not by the first test that needs them.
await loadKernels();

export const random = (length: number): Uint8Array<ArrayBuffer> =>
  crypto.getRandomValues(new Uint8Array(length));
export const hashOf = (bytes: Bytes): Uint8Array<ArrayBuffer> =>
  new Uint8Array(blake3(new Uint8Array(bytes)));

/** A clock that stands still until it is moved. */
export class VirtualClock implements Clock {
  #nowMs: number;
  constructor(nowMs = Date.UTC(2026, 5, 1)) {
    this.#nowMs = nowMs;
  }
  nowMs = () => this.#nowMs;
  random = random;
  advance(ms: number): void {
    this.#nowMs += ms;
  }
}

export interface TestHub {
  running: RunningHub;
  hub: Hub;
  url: string;
  clock: Clock;
}

export interface TestHubOptions extends Partial<HubOptions> {
  clock?: Clock;
}

/** Runs `body` with a hub of its own, on SQLite and a folder unless `options` say otherwise. */
export async function withHub(
  options: TestHubOptions,
  body: (hub: TestHub) => Promise<void>,
): Promise<void> {
  const dir = Deno.makeTempDirSync({ dir: "/dev/shm", prefix: "warp-test-hub-" });
  const { clock = new VirtualClock(), ...rest } = options;
  let running: RunningHub | undefined;
  try {
    running = await startHub(
      {
        host: "127.0.0.1",
        port: 0,
        database: `${dir}/hub.db`,
        blobs: `${dir}/packs`,
        isOpen: true,
        isBehindProxy: false,
        tls: null,
        limits: {},
        ...rest,
      },
      clock,
      () => {},
    );
    const url = `http://127.0.0.1:${running.port}`;
    await body({ running, hub: running.hub, url, clock });
  } finally {
    await running?.stop();
    Deno.removeSync(dir, { recursive: true });
  }
}

export interface Answer {
  status: number;
  /** Of a problem; undefined: it went well. */
  code: string | undefined;
  type: string;
  json: Record<string, unknown>;
  bytes: Uint8Array<ArrayBuffer>;
  headers: Headers;
}

export async function readAnswer(response: Response): Promise<Answer> {
  const bytes = new Uint8Array(await response.arrayBuffer());
  const type = response.headers.get("content-type") ?? "";
  const json = /json/.test(type) ? JSON.parse(new TextDecoder().decode(bytes)) : {};
  const code = type.startsWith("application/problem+json") ? String(json.code) : undefined;
  return { status: response.status, code, type, json, bytes, headers: response.headers };
}

/** Sends something without token or proof. */
export async function anyone(
  { url }: Pick<TestHub, "url">,
  method: string,
  target: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const isBytes = body instanceof Uint8Array;
  return await readAnswer(
    await fetch(url + target, {
      method,
      headers: {
        ...(body === undefined || isBytes ? {} : { "content-type": "application/json" }),
        ...headers,
      },
      ...(body === undefined
        ? {}
        : { body: isBytes ? body as Uint8Array<ArrayBuffer> : JSON.stringify(body) }),
    }),
  );
}

export interface CallOptions {
  headers?: Record<string, string>;
  /** What the proof covers, where it is not what is sent. */
  signed?: { method?: string; target?: string; body?: Bytes; timeMs?: number; nonce?: Bytes };
  token?: string;
  signer?: Pick<Signer, "sign">;
  /** Sent in place of the body's JSON. */
  raw?: Uint8Array<ArrayBuffer>;
}

/** Whoever has a key that the hub knows: a device, an account, a link. */
export class Caller {
  token: string | undefined;

  constructor(
    readonly at: TestHub,
    readonly signer: Pick<Signer, "publicKey" | "sign">,
  ) {}

  get key(): string {
    return toBase64Url(this.signer.publicKey);
  }

  /** The same key at another replica, or with another token. */
  again(at: TestHub = this.at): Caller {
    return new Caller(at, this.signer);
  }

  async challenge(): Promise<string> {
    const { json } = await anyone(this.at, "POST", "/v1/challenges", { key: this.key });
    return json["challenge"] as string;
  }

  async tryLogin(): Promise<Answer> {
    const challenge = await this.challenge();
    return await this.tryToken(challenge);
  }

  async tryToken(challenge: string, hubKey = fromBase64Url(this.at.running.key)): Promise<Answer> {
    const message = loginMessage(hubKey, fromBase64Url(challenge));
    return await anyone(this.at, "POST", "/v1/tokens", {
      key: this.key,
      challenge,
      signature: toBase64Url(this.signer.sign(message)),
    });
  }

  async login(): Promise<this> {
    const answer = await this.tryLogin();
    assert.equal(answer.status, 200, JSON.stringify(answer.json));
    this.token = answer.json["token"] as string;
    return this;
  }

  /** Headers that prove a request. */
  proof(method: string, target: string, body: Bytes, options: CallOptions = {}) {
    const { signed = {} } = options;
    const token = options.token ?? this.token!;
    const timeMs = signed.timeMs ?? this.at.clock.nowMs(), nonce = signed.nonce ?? random(12);
    const message = requestMessage({
      tokenHash: sha256(fromBase64Url(token)),
      timeMs,
      nonce,
      bodyHash: sha256(signed.body ?? body),
      method: signed.method ?? method,
      target: signed.target ?? target,
    });
    return {
      authorization: `Portal ${token}`,
      "portal-proof": formatProof(timeMs, nonce, (options.signer ?? this.signer).sign(message)),
    };
  }

  async call(
    method: string,
    target: string,
    body?: unknown,
    options: CallOptions = {},
  ): Promise<Answer> {
    if (this.token === undefined && options.token === undefined) await this.login();
    const isStream = method === "PUT" && target.startsWith("/v1/packs/");
    const { raw } = options;
    const bytes = body === undefined || isStream ? new Uint8Array() : utf8(JSON.stringify(body));
    const headers = { ...this.proof(method, target, raw ?? bytes, options), ...options.headers };
    return await anyone(this.at, method, target, raw ?? body, headers);
  }

  /** {@link call} that must go well. */
  async do(method: string, target: string, body?: unknown, options: CallOptions = {}) {
    const answer = await this.call(method, target, body, options);
    assert.equal(answer.status, 200, `${method} ${target}: ${JSON.stringify(answer.json)}`);
    return answer.json;
  }

  async upload(bytes: Bytes): Promise<Uint8Array<ArrayBuffer>> {
    const address = hashOf(bytes);
    await this.do("PUT", `/v1/packs/${toBase64Url(address)}`, bytes);
    return address;
  }

  client(): HubClient {
    return new HubClient({
      url: this.at.url,
      hubKey: fromBase64Url(this.at.running.key),
      key: this.signer,
      verify: verifySignature,
    });
  }
}

/** An account with its first device. */
export class Person extends Caller {
  constructor(at: TestHub, readonly secrets: AccountSecrets, readonly ring: KeyRing) {
    super(at, { publicKey: ring.keys.publicKey, sign: (message) => ring.keys.sign(message) });
  }

  get account(): Uint8Array<ArrayBuffer> {
    return this.secrets.account;
  }

  override again(at: TestHub = this.at): Person {
    return new Person(at, this.secrets, this.ring);
  }

  /** Another device of the account, enrolled. */
  async device(number: number): Promise<Person> {
    const ring = await newKeyRing(this.secrets, number, this.at.clock.nowMs());
    const answer = await anyone(this.at, "POST", "/v1/devices", {
      account: toBase64Url(this.account),
      device: signedJson(ring.deviceRecord),
    });
    assert.equal(answer.status, 200, JSON.stringify(answer.json));
    return new Person(this.at, this.secrets, ring);
  }

  retireBody(number: number, signer: Pick<Signer, "sign"> = this.signer) {
    const record = { account: this.account, number, atMs: this.at.clock.nowMs() };
    return { retire: signedJson(signRecord("retire", record, (message) => signer.sign(message))) };
  }

  enrolBody(invite?: string) {
    return {
      key: toBase64Url(this.account),
      account: signedJson(this.ring.accountRecord),
      device: signedJson(this.ring.deviceRecord),
      ...(invite === undefined ? {} : { invite }),
    };
  }
}

/** Keys that no hub knows yet. */
export async function stranger(at: TestHub): Promise<Person> {
  const secrets = await AccountSecrets.fromEntropy(random(32));
  return new Person(at, secrets, await newKeyRing(secrets, 1, at.clock.nowMs()));
}

export async function enrol(at: TestHub): Promise<Person> {
  const person = await stranger(at);
  const answer = await anyone(at, "POST", "/v1/accounts", person.enrolBody());
  assert.equal(answer.status, 200, JSON.stringify(answer.json));
  return await person.login();
}

export interface GrantOptions {
  kind: GranteeKind;
  grantee: Bytes;
  level: Level;
  view?: Bytes | null;
  expiresMs?: number | null;
  downloads?: number | null;
}

export interface TestView {
  view: Bytes | null;
  /** The first is the head. */
  packs: Bytes[];
}

export class TestPortal {
  sequence = 0;
  epoch = 1;
  version = 0;
  before: Bytes = new Uint8Array(32);
  readonly id = random(16);
  readonly ownGrant = random(16);
  /** Grants that are live. */
  readonly grants = new Map<string, Bytes>();

  constructor(readonly owner: Person) {
    this.grants.set(toHex(this.ownGrant), this.ownGrant);
  }

  get text(): string {
    return toBase64Url(this.id);
  }

  get path(): string {
    return `/v1/portals/${this.text}`;
  }

  get #nowMs(): number {
    return this.owner.at.clock.nowMs();
  }

  settingsBody(policy: Condition | string, by: Caller = this.owner, sequence = this.sequence) {
    return signedJson(signRecord(
      "settings",
      {
        portal: this.id,
        sequence,
        sealedName: random(92),
        policy: typeof policy === "string" ? policy : encodeCondition(policy),
        atMs: this.#nowMs,
      },
      (message) => by.signer.sign(message),
    ));
  }

  createBody(policy: Condition | string, isOpen: boolean) {
    const { owner } = this;
    const record = { portal: this.id, account: owner.account, atMs: this.#nowMs };
    return {
      portal: signedJson(signRecord("portal", record, (message) => owner.signer.sign(message))),
      settings: this.settingsBody(policy),
      grant: this.grantBody(
        { kind: "account", grantee: owner.account, level: "owner" },
        owner,
        this.ownGrant,
      ),
      isOpen,
    };
  }

  grantBody(options: GrantOptions, by: Caller = this.owner, grant: Bytes = random(16)) {
    const { kind, grantee, level, view = null, expiresMs = null, downloads = null } = options;
    const record = {
      ...{ portal: this.id, grant, kind, grantee, level, view, expiresMs, downloads },
      sealedNote: random(92),
      atMs: this.#nowMs,
    };
    return {
      signed: signedJson(signRecord("grant", record, (message) => by.signer.sign(message))),
      wrap: toBase64Url(random(64)),
    };
  }

  /** @returns the grant's id */
  async grant(options: GrantOptions, by: Caller = this.owner): Promise<Uint8Array<ArrayBuffer>> {
    const grant = random(16);
    await by.do("POST", `${this.path}/grants`, this.grantBody(options, by, grant));
    this.grants.set(toHex(grant), grant);
    return grant;
  }

  async link(level: Level = "read", options: Partial<GrantOptions> = {}): Promise<Caller> {
    const link = new Caller(this.owner.at, createSigner(random(32)));
    await this.grant({ kind: "link", grantee: link.signer.publicKey, level, ...options });
    return link;
  }

  async person(level: Level, options: Partial<GrantOptions> = {}): Promise<Person> {
    const person = await enrol(this.owner.at);
    await this.grant({ kind: "account", grantee: person.account, level, ...options });
    return person;
  }

  revokeBody(gone: readonly Bytes[], by: Caller = this.owner, epoch = this.epoch + 1) {
    const record = { portal: this.id, grants: [...gone], epoch, atMs: this.#nowMs };
    const names = new Set(gone.map(toHex));
    return {
      revoke: signedJson(signRecord("revoke", record, (message) => by.signer.sign(message))),
      wraps: [...this.grants].filter(([name]) => !names.has(name)).map(([, grant]) => ({
        grant: toBase64Url(grant),
        wrap: toBase64Url(random(64)),
      })),
    };
  }

  async revoke(gone: readonly Bytes[], by: Caller = this.owner): Promise<void> {
    await by.do("POST", `${this.path}/revocations`, this.revokeBody(gone, by));
    this.epoch++;
    for (const grant of gone) this.grants.delete(toHex(grant));
  }

  versionBody(views: readonly TestView[], by: Caller = this.owner) {
    const all = new Map(views.flatMap(({ packs }) => packs.map((one) => [toHex(one), one])));
    const record = {
      portal: this.id,
      sequence: this.version + 1,
      epoch: this.epoch,
      before: this.before,
      heads: views.map(({ view, packs }) => ({ view, head: packs[0]! })),
      packs: hashOf(concat(...[...all.values()].sort(compare))),
      atMs: this.#nowMs,
    };
    const signed = signRecord("version", record, (message) => by.signer.sign(message));
    return {
      signed,
      body: {
        version: signedJson(signed),
        views: views.map(({ view, packs }) => ({
          view: view === null ? null : toBase64Url(view),
          packs: toBase64Url(concat(...packs)),
        })),
      },
    };
  }

  /** A version of these packs, which are there already. */
  async add(views: readonly TestView[], by: Caller = this.owner): Promise<void> {
    const { signed, body } = this.versionBody(views, by);
    await by.do("POST", `${this.path}/versions`, body);
    this.version++;
    this.before = hashOf(signed.bytes);
  }

  /** A version of so many random packs. */
  async put(count = 2, by: Caller = this.owner, length = 4096): Promise<Bytes[]> {
    const packs: Bytes[] = [];
    for (let i = 0; i < count; i++) packs.push(await by.upload(random(length)));
    await this.add([{ view: null, packs }], by);
    return packs;
  }

  async state(event: "open" | "pause" | "close", by: Caller = this.owner): Promise<void> {
    await by.do("POST", `${this.path}/state`, { event });
  }

  async settings(
    policy: Condition,
    event: "settings" | "extend" = "settings",
    by: Caller = this.owner,
  ): Promise<void> {
    const settings = this.settingsBody(policy, by, this.sequence + 1);
    await by.do("POST", `${this.path}/settings`, { settings, event });
    this.sequence++;
  }

  async archive(): Promise<void> {
    await this.owner.do("DELETE", this.path);
  }

  tryLease(by: Caller, body: Record<string, unknown> = {}): Promise<Answer> {
    return by.call("POST", `${this.path}/leases`, body);
  }

  async lease(by: Caller, body: Record<string, unknown> = {}): Promise<string> {
    const answer = await this.tryLease(by, body);
    assert.equal(answer.status, 200, JSON.stringify(answer.json));
    return answer.json["lease"] as string;
  }

  pack(by: Caller, lease: string, address: Bytes, headers = {}): Promise<Answer> {
    return by.call("GET", `${this.path}/packs/${toBase64Url(address)}`, undefined, {
      headers: { "portal-lease": lease, ...headers },
    });
  }
}

export async function makePortal(
  owner: Person,
  { policy = ALWAYS, isOpen = true }: { policy?: Condition | string; isOpen?: boolean } = {},
): Promise<TestPortal> {
  const portal = new TestPortal(owner);
  await owner.do("POST", "/v1/portals", portal.createBody(policy, isOpen));
  return portal;
}

/** A group of these accounts; its key. */
export async function makeGroup(owner: Person, members: readonly Bytes[]): Promise<Bytes> {
  const group = random(32);
  const record = {
    group,
    account: owner.account,
    recipient: owner.ring.deviceRecipient,
    sealedName: random(92),
    atMs: owner.at.clock.nowMs(),
  };
  const signed = signRecord("group", record, (message) => owner.signer.sign(message));
  await owner.do("POST", "/v1/groups", { group: signedJson(signed) });
  await setMembers(owner, group, members);
  return group;
}

export async function setMembers(owner: Person, group: Bytes, members: readonly Bytes[]) {
  await owner.do("PUT", `/v1/groups/${toBase64Url(group)}`, {
    members: members.map((account) => ({
      account: toBase64Url(account),
      wrap: toBase64Url(random(64)),
    })),
  });
}

/** That a request was refused with this code. */
export function assertCode(answer: Answer, code: string, about = ""): void {
  assert.equal(answer.code ?? answer.status, code, `${about} ${JSON.stringify(answer.json)}`);
}

/** Hears events of the hub as the real client does. */
export class Listener {
  readonly heard: { action: string; portal: string }[] = [];
  /** What came that is no change. */
  readonly others: string[] = [];
  isOver = false;
  readonly #stop = new AbortController();
  readonly #done: Promise<void>;
  #wake = () => {};

  private constructor(caller: Caller) {
    const client = new HubClient({
      url: caller.at.url,
      hubKey: fromBase64Url(caller.at.running.key),
      key: caller.signer,
      verify: verifySignature,
      signal: this.#stop.signal,
    });
    this.#done = (async () => {
      try {
        for await (const { event, data } of client.events()) {
          if (event === "change") this.heard.push(JSON.parse(data));
          else this.others.push(event);
          this.#wake();
        }
      } catch (error) {
        if (!this.#stop.signal.aborted) throw error;
      } finally {
        this.isOver = true;
        this.#wake();
      }
    })();
    this.#done.catch(() => {});
  }

  /** Subscribed when this returns. */
  static async of(caller: Caller): Promise<Listener> {
    const listener = new Listener(caller);
    await listener.until(() => listener.others.includes("beat"));
    return listener;
  }

  /** Waits until it is so; the test's own time limit ends it otherwise. */
  async until(isSo: () => boolean): Promise<void> {
    while (!isSo()) {
      if (this.isOver) {
        await this.#done;
        throw new Error(`the events ended after ${JSON.stringify(this.heard)}`);
      }
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }

  actions(portal: TestPortal): string[] {
    return this.heard.filter((one) => one.portal === portal.text).map(({ action }) => action);
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#done;
  }

  /** Until the hub ends it. */
  async end(): Promise<void> {
    await this.#done;
  }
}
