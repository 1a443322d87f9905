/**
 * The hubs that a device has logged in to, with the keys that were seen then: `hubs.json`, beside the
 * key ring and apart from it, because nothing in it is secret.
 *
 * @module
 */
import { type Bytes, equal } from "../base/bytes.ts";
import { isWarpError, WarpError } from "../base/errors.ts";
import { fromBase64Url, toBase64Url } from "./base64url.ts";
import { KEY_BYTES } from "./records.ts";

export const HUB_LOGINS_BYTES_MAX = 256 * 1024;
const VERSION = 1;
const LOGINS_MAX = 256;
const URL_CHARACTERS_MAX = 512;

export interface HubLogin {
  /** As {@link hubUrl} writes it. */
  url: string;
  /** The hub's Ed25519 key, 32 bytes: pinned. */
  hubKey: Bytes;
}

export interface HubLogins {
  /** In the order of their logins. */
  hubs: readonly HubLogin[];
  /** The url of one of them; undefined only when there are none. */
  default: string | undefined;
}

export const NO_LOGINS: HubLogins = { hubs: [], default: undefined };

/**
 * A hub's address in its one form: scheme, host and port, without a slash at the end.
 *
 * @throws {WarpError} E_USAGE
 */
export function hubUrl(text: string): string {
  const url = text.length > URL_CHARACTERS_MAX ? null : URL.parse(text.trim());
  const isFit = url !== null && /^https?:$/.test(url.protocol) && url.username === "" &&
    url.password === "" && url.pathname === "/" && url.search === "" && url.hash === "";
  if (!isFit) {
    throw new WarpError("E_USAGE", "not the address of a hub", {
      hint: "it looks like https://hub.example, or http://127.0.0.1:8080",
    });
  }
  return url.origin;
}

/** What `warp hub serve` prints. */
export interface HubAddress {
  url: string;
  /** To be pinned; null: not said. */
  key: Bytes | null;
  invite: string | undefined;
}

/** `URL`, `URL#KEY` or `URL#KEY.INVITE`. @throws {WarpError} E_USAGE */
export function parseHubAddress(text: string): HubAddress {
  const [address = "", fragment = ""] = text.trim().split("#", 2);
  const url = hubUrl(address);
  const match = /^(?:([\w-]{43})(?:\.([\w-]{22}))?)?$/.exec(fragment);
  if (match === null) {
    throw new WarpError("E_USAGE", "the hub's address is damaged: copy it again, whole", {
      hint: "quote it, for shells take # as a comment",
    });
  }
  return {
    url,
    key: match[1] === undefined ? null : fromBase64Url(match[1], KEY_BYTES),
    invite: match[2],
  };
}

/**
 * The logins with this one in them, which becomes the default when it is the first or `isDefault`.
 *
 * @throws {WarpError} E_AUTH when the hub is known with another key, E_LIMIT, E_USAGE
 */
export function withLogin(logins: HubLogins, login: HubLogin, isDefault = false): HubLogins {
  const url = hubUrl(login.url);
  const known = logins.hubs.find((hub) => hub.url === url);
  if (known !== undefined && !equal(known.hubKey, login.hubKey)) {
    throw new WarpError("E_AUTH", `the key of ${url} is not the one it had`, {
      hint: "someone may stand between you and the hub; ask who runs it before you go on",
    });
  }
  const hubs = known === undefined
    ? [...logins.hubs, { url, hubKey: new Uint8Array(login.hubKey) }]
    : logins.hubs;
  if (hubs.length > LOGINS_MAX) throw new WarpError("E_LIMIT", "too many hubs");
  return { hubs, default: isDefault ? url : logins.default ?? url };
}

/** The logins without this one; the first that is left becomes the default where it was. */
export function withoutLogin(logins: HubLogins, address: string): HubLogins {
  const url = hubUrl(address);
  const hubs = logins.hubs.filter((hub) => hub.url !== url);
  return { hubs, default: logins.default === url ? hubs[0]?.url : logins.default };
}

/**
 * The login of this hub, or the default one.
 *
 * @throws {WarpError} E_AUTH when there is none, E_USAGE
 */
export function loginFor(logins: HubLogins, address: string | undefined): HubLogin {
  const url = address === undefined ? logins.default : hubUrl(address);
  const login = logins.hubs.find((hub) => hub.url === url);
  if (login !== undefined) return login;
  throw new WarpError("E_AUTH", url === undefined ? "no hub is known" : `not logged in to ${url}`);
}

export function formatHubLogins(logins: HubLogins): string {
  const hubs = logins.hubs.map(({ url, hubKey }) => ({ url, hub_key: toBase64Url(hubKey) }));
  const shown = { version: VERSION, default: logins.default ?? null, hubs };
  return JSON.stringify(shown, null, 2) + "\n";
}

/** @throws {WarpError} E_CONFIG, E_VERSION */
export function parseHubLogins(text: string): HubLogins {
  if (text.length > HUB_LOGINS_BYTES_MAX) throw malformed();
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw malformed();
  }
  if (!isFields(value)) throw malformed();
  if (typeof value["version"] === "number" && value["version"] > VERSION) {
    throw new WarpError("E_VERSION", "the list of hubs has a later version", {
      hint: "a newer warp wrote it: update this one",
    });
  }
  const list = value["hubs"];
  if (value["version"] !== VERSION || !Array.isArray(list) || list.length > LOGINS_MAX) {
    throw malformed();
  }
  const hubs = list.map(readLogin);
  const urls = new Set(hubs.map(({ url }) => url));
  const chosen = value["default"];
  const isChosenFit = hubs.length === 0
    ? chosen === null
    : typeof chosen === "string" && urls.has(chosen);
  if (urls.size !== hubs.length || !isChosenFit) throw malformed();
  return { hubs, default: chosen === null ? undefined : chosen as string };
}

function readLogin(value: unknown): HubLogin {
  if (!isFields(value)) throw malformed();
  const { url, hub_key: hubKey } = value;
  if (typeof url !== "string" || typeof hubKey !== "string") throw malformed();
  try {
    if (hubUrl(url) !== url) throw malformed();
    return { url, hubKey: fromBase64Url(hubKey, KEY_BYTES) };
  } catch (error) {
    if (isWarpError(error)) throw malformed();
    throw error;
  }
}

function isFields(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function malformed(): WarpError {
  return new WarpError("E_CONFIG", "the list of hubs is malformed", {
    hint: "remove hubs.json from the configuration folder and log in again",
  });
}
