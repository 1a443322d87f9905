/**
 * The client of a hub: logs in, proves each request, checks each answer. Runs in browsers too.
 *
 * @module
 */
import { sha256 } from "@noble/hashes/sha2.js";
import { type Bytes, equal, utf8 } from "../base/bytes.ts";
import { ERROR_CODES, type ErrorCode } from "../base/error_codes.ts";
import { isWarpError, WarpError } from "../base/errors.ts";
import { pause } from "../base/pause.ts";
import { type AnswerOf, API, type BodyOf, PACK_BYTES_MAX, type Route } from "./api.ts";
import { problem } from "./api_fields.ts";
import { fromBase64Url, toBase64Url } from "./base64url.ts";
import {
  formatProof,
  helloMessage,
  loginMessage,
  PROOF_NONCE_BYTES,
  requestMessage,
} from "./proof.ts";
import type { Sign, Verify } from "./records.ts";

const ANSWER_BYTES_MAX = 64 << 20;
const DEADLINE_MS = 60_000;
/** A token is renewed this long before its end. */
const RENEW_MS = 30_000;
const TRIES_MAX = 5;
const PAUSE_MS = 200;
const NOTHING = new Uint8Array(0);

/** The key that a client logs in with: a device's, an account's, or a link's. */
export interface ClientKey {
  publicKey: Bytes;
  sign: Sign;
}

export interface HubClientOptions {
  /** `http(s)://HOST[:PORT]` */
  url: string;
  /** The pinned key; null: whoever answers is believed, and {@link HubClient.hubKey} says who did. */
  hubKey: Bytes | null;
  key: ClientKey;
  verify: Verify;
  signal?: AbortSignal;
}

export type Params = Readonly<Record<string, string>>;

interface Sent {
  method: string;
  target: string;
  body: Bytes;
  type?: string;
  headers?: Record<string, string>;
  /** Of the body; of nothing where its address says what it is. */
  signedBody: Bytes;
}

export class HubClient {
  readonly url: string;
  readonly #o: HubClientOptions;
  #hubKey: Bytes | null;
  #token: { text: string; expiresMs: number } | undefined;
  #login: Promise<void> | undefined;
  /** How far the hub's clock is ahead of ours. */
  #aheadMs = 0;

  constructor(options: HubClientOptions) {
    this.#o = options;
    this.url = options.url;
    this.#hubKey = options.hubKey;
  }

  /** The hub's key: the pinned one, or after a login the one that signed it. */
  get hubKey(): Bytes {
    if (this.#hubKey === null) throw new WarpError("E_AUTH", "not logged in to a hub yet");
    return this.#hubKey;
  }

  /** The hub's time, as far as it is known. */
  get nowMs(): number {
    return Date.now() + this.#aheadMs;
  }

  /**
   * Calls a route of the table.
   *
   * @throws {WarpError} what the hub says; E_NETWORK, E_PROTOCOL, E_SIGNATURE (another hub), E_DEADLINE
   */
  async call<R extends Route>(
    route: R,
    ...args: BodyOf<R> extends undefined ? [params?: Params, query?: Params]
      : [params: Params, body: BodyOf<R>]
  ): Promise<AnswerOf<R>> {
    const [method, path] = route.split(" ") as [string, string];
    const [params = {}, rest] = args as [Params | undefined, unknown];
    const hasBody = "body" in API[route];
    const query = hasBody || rest === undefined ? "" : `?${new URLSearchParams(rest as Params)}`;
    const body = hasBody ? utf8(JSON.stringify(rest)) : NOTHING;
    const answer = await this.#request({
      method,
      target: fill(path, params) + query,
      body,
      signedBody: body,
      ...(hasBody ? { type: "application/json" } : {}),
    });
    return checked(route, await readJson(answer));
  }

  /** Uploads a pack. @throws {WarpError} as {@link call} */
  async putPack(address: Bytes, pack: Bytes): Promise<void> {
    const answer = await this.#request({
      method: "PUT",
      target: `/v1/packs/${toBase64Url(address)}`,
      body: pack,
      type: "application/octet-stream",
      signedBody: NOTHING,
    });
    checked("PUT /v1/packs/{address}", await readJson(answer));
  }

  /** Fetches a pack on a lease; whether its bytes are right is for the caller to check. */
  async getPack(
    portal: Bytes,
    lease: Bytes,
    address: Bytes,
    bytesMax = PACK_BYTES_MAX,
  ): Promise<Uint8Array<ArrayBuffer>> {
    const answer = await this.#request({
      method: "GET",
      target: `/v1/portals/${toBase64Url(portal)}/packs/${toBase64Url(address)}`,
      body: NOTHING,
      signedBody: NOTHING,
      headers: { "portal-lease": toBase64Url(lease) },
    });
    return await readBytes(answer, bytesMax);
  }

  /** Changes as they happen. Ends when the hub or the signal ends it. */
  async *events(): AsyncGenerator<{ event: string; data: string }> {
    const answer = await this.#request({
      method: "GET",
      target: "/v1/events",
      body: NOTHING,
      signedBody: NOTHING,
      headers: { accept: "text/event-stream" },
    }, false);
    yield* parseEvents(answer.body);
  }

  /** What the hub says of itself to anyone. */
  async about(): Promise<AnswerOf<"GET /v1/hub">> {
    const sent = { method: "GET", target: "/v1/hub", body: NOTHING, signedBody: NOTHING };
    const answer = await this.#send(sent, {}, true);
    return checked("GET /v1/hub", await readJson(await good(answer)));
  }

  /** Enrols by records that speak for themselves. */
  async enrol<R extends "POST /v1/accounts" | "POST /v1/devices">(
    route: R,
    body: BodyOf<R>,
  ): Promise<void> {
    const sent = this.#json("POST", route.split(" ")[1]!, body);
    await readJson(await good(await this.#send(sent, {}, true)));
  }

  /** Logs in, unless it is done. @throws {WarpError} E_AUTH, E_SIGNATURE (another hub) */
  async login(): Promise<void> {
    if (this.#token !== undefined && this.nowMs < this.#token.expiresMs - RENEW_MS) return;
    this.#login ??= this.#logIn().finally(() => this.#login = undefined);
    await this.#login;
  }

  async #logIn(): Promise<void> {
    const { key, verify } = this.#o;
    const name = toBase64Url(key.publicKey);
    const asked = await this.#send(this.#json("POST", "/v1/challenges", { key: name }), {}, true);
    const { challenge } = checked("POST /v1/challenges", await readJson(await good(asked)));
    // Whom we log in to is part of what we sign: no other hub can pass it on.
    let hubKey = this.#hubKey;
    if (hubKey === null) hubKey = fromBase64Url((await this.about()).hub, 32);
    const bytes = fromBase64Url(challenge);
    const signature = toBase64Url(key.sign(loginMessage(hubKey, bytes)));
    const sent = this.#json("POST", "/v1/tokens", { key: name, challenge, signature });
    const answer = await this.#send(sent, {}, true);
    // Another hub finds fault with our signature, which names the right one: say what is really wrong.
    if (answer.status === 401 && this.#hubKey !== null) {
      const told = await this.about().catch(() => undefined);
      if (told !== undefined && !equal(fromBase64Url(told.hub, 32), hubKey)) {
        await answer.body?.cancel();
        throw anotherHub();
      }
    }
    const token = checked("POST /v1/tokens", await readJson(await good(answer)));
    const isHub = equal(fromBase64Url(token.hub, 32), hubKey) &&
      verify(hubKey, helloMessage(key.publicKey, bytes), fromBase64Url(token.signature, 64));
    if (!isHub) throw anotherHub();
    this.#hubKey = hubKey;
    this.#token = { text: token.token, expiresMs: token.expiresMs };
  }

  #json(method: string, target: string, body: unknown): Sent {
    const bytes = utf8(JSON.stringify(body));
    return { method, target, body: bytes, signedBody: bytes, type: "application/json" };
  }

  /** One request with its proof; again after what passes by itself. */
  async #request(sent: Sent, isBounded = true): Promise<Response> {
    for (let tries = 1;; tries++) {
      try {
        await this.login();
        return await good(await this.#send(sent, this.#proof(sent), isBounded));
      } catch (error) {
        if (tries === TRIES_MAX || !isWarpError(error) || !this.#mayPass(error)) throw error;
        if (error.code !== "E_CLOCK" && error.code !== "E_AUTH") {
          await pause(PAUSE_MS * 2 ** (tries - 1), this.#o.signal);
        } else if (tries > 1) {
          throw error;
        }
      }
    }
  }

  /** Whether another try may go better; mends what can be mended. */
  #mayPass(error: WarpError): boolean {
    if (error.code === "E_CLOCK") {
      const hubTimeMs = error.details["hubTimeMs"];
      if (typeof hubTimeMs !== "number") return false;
      this.#aheadMs = hubTimeMs - Date.now();
      return true;
    }
    if (error.code === "E_AUTH" && this.#token !== undefined) {
      this.#token = undefined;
      return true;
    }
    return ["E_NETWORK", "E_RATE", "E_STORE", "E_DEADLINE"].includes(error.code);
  }

  #proof({ method, target, signedBody }: Sent): Record<string, string> {
    const token = this.#token!.text;
    const nonce = crypto.getRandomValues(new Uint8Array(PROOF_NONCE_BYTES));
    const timeMs = Math.max(0, Math.round(this.nowMs));
    const message = requestMessage({
      tokenHash: sha256(fromBase64Url(token)),
      timeMs,
      nonce,
      bodyHash: sha256(new Uint8Array(signedBody)),
      method,
      target,
    });
    return {
      authorization: `Portal ${token}`,
      "portal-proof": formatProof(timeMs, nonce, this.#o.key.sign(message)),
    };
  }

  async #send(
    { method, target, body, type, headers }: Sent,
    proof: Record<string, string>,
    isBounded: boolean,
  ): Promise<Response> {
    const signals = [
      ...(this.#o.signal === undefined ? [] : [this.#o.signal]),
      ...(isBounded ? [AbortSignal.timeout(DEADLINE_MS)] : []),
    ];
    try {
      return await fetch(this.url + target, {
        method,
        redirect: "error",
        headers: {
          ...headers,
          ...proof,
          ...(type === undefined ? {} : { "content-type": type }),
        },
        ...(type === undefined ? {} : { body: body as Uint8Array<ArrayBuffer> }),
        signal: AbortSignal.any(signals),
      });
    } catch (error) {
      if (this.#o.signal?.aborted) throw this.#o.signal.reason;
      const isLate = error instanceof DOMException && error.name === "TimeoutError";
      throw new WarpError(
        isLate ? "E_DEADLINE" : "E_NETWORK",
        isLate ? "the hub does not answer" : `the hub at ${this.url} cannot be reached`,
        { hint: "is it running, and is the address right?", cause: error },
      );
    }
  }
}

function anotherHub(): WarpError {
  return new WarpError("E_SIGNATURE", "the hub is not the one it should be", {
    hint: "someone may stand between you and the hub; ask who runs it before you go on",
  });
}

function fill(path: string, params: Params): string {
  return path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(params[name]!));
}

function checked<R extends Route>(route: R, value: unknown): AnswerOf<R> {
  const parsed = API[route].answer.safeParse(value);
  if (parsed.success) return parsed.data as AnswerOf<R>;
  throw new WarpError("E_PROTOCOL", "the hub gave an answer of another shape", {
    hint: "is it a hub of this version?",
  });
}

async function good(answer: Response): Promise<Response> {
  if (answer.ok) return answer;
  const type = answer.headers.get("content-type") ?? "";
  if (!type.startsWith("application/problem+json")) {
    await answer.body?.cancel();
    throw new WarpError("E_NETWORK", `the hub answered ${answer.status}`, {
      hint: "is it a hub, or something in between?",
    });
  }
  const parsed = problem.safeParse(await readJson(answer));
  if (!parsed.success || !Object.hasOwn(ERROR_CODES, parsed.data.code)) {
    throw new WarpError("E_PROTOCOL", `the hub answered ${answer.status}`);
  }
  const { code, detail, hint, type: _, title: __, status: ___, ...rest } = parsed.data;
  if (code === "E_DISK_FULL") {
    // Not ours, as the hub's own words would have it.
    throw new WarpError(code, "the hub's disk is full", { hint: "who runs it has to make space" });
  }
  const details: Record<string, string | number | boolean> = {};
  for (const [name, value] of Object.entries(rest)) {
    if (["string", "number", "boolean"].includes(typeof value)) details[name] = value as string;
  }
  throw new WarpError(code as ErrorCode, detail.slice(0, 500), {
    details,
    ...(hint === undefined ? {} : { hint: hint.slice(0, 500) }),
  });
}

async function readJson(answer: Response): Promise<unknown> {
  const bytes = await readBytes(answer, ANSWER_BYTES_MAX);
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    throw new WarpError("E_PROTOCOL", "the hub's answer is not JSON");
  }
}

async function readBytes(answer: Response, most: number): Promise<Uint8Array<ArrayBuffer>> {
  const told = Number(answer.headers.get("content-length") ?? 0);
  const tooLong = () => new WarpError("E_PROTOCOL", "the hub's answer is too long");
  if (told > most) {
    await answer.body?.cancel();
    throw tooLong();
  }
  let length = 0;
  const parts: Uint8Array[] = [];
  try {
    for await (const part of answer.body ?? []) {
      length += part.length;
      if (length > most) throw tooLong();
      parts.push(part);
    }
  } catch (cause) {
    if (isWarpError(cause)) throw cause;
    throw new WarpError("E_NETWORK", "the hub's answer was cut", { cause });
  }
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

const EVENT_CHARACTERS_MAX = 64 * 1024;

/** Server-sent events, as far as the hub uses them (WHATWG HTML, section 9.2.6). */
async function* parseEvents(
  body: ReadableStream<Uint8Array> | null,
): AsyncGenerator<{ event: string; data: string }> {
  let rest = "", event = "message", data: string[] = [];
  for await (const text of body?.pipeThrough(new TextDecoderStream() as never) ?? []) {
    rest += text as unknown as string;
    if (rest.length > EVENT_CHARACTERS_MAX) {
      throw new WarpError("E_PROTOCOL", "the hub sent an event that is too long");
    }
    const lines = rest.split(/\r?\n/);
    rest = lines.pop()!;
    for (const line of lines) {
      if (line === "") {
        if (data.length > 0) yield { event, data: data.join("\n") };
        event = "message";
        data = [];
      } else if (line.startsWith("event:")) event = line.slice(6).trim();
      else if (line.startsWith("data:")) data.push(line.slice(5).trimStart());
    }
  }
}
