/**
 * Tickets: one word that lets its holder do one transfer with one device (docs/protocol.md §6).
 *
 * `warp1` + base64url of
 *
 *     version u8 = 1 | purpose u8 | expiry u32, seconds since 2020-01-01 | device key 32 | secret 16 |
 *     count u8 | count × (kind u8: 4, 6 or n = length of a name + 16 | address | port u16) |
 *     first 4 bytes of SHA-256 of all this
 *
 * Integers are big-endian. The checksum is against typing errors, the secret against everyone else.
 *
 * @module
 */
import { base64urlnopad } from "@scure/base";
import { type Bytes, concat, equal, utf8 } from "../base/bytes.ts";
import { WarpError } from "../base/errors.ts";
import { isSmallOrder } from "../cipher/public_keys.ts";
import type { Endpoint } from "./peer_address.ts";

/** What the holder may do. */
export type TicketPurpose = "receive" | "push" | "stream-receive" | "stream-send";

const PURPOSES: readonly TicketPurpose[] = ["receive", "push", "stream-receive", "stream-send"];

export interface Ticket {
  purpose: TicketPurpose;
  /** Seconds since the epoch. */
  expires: number;
  /** 32 bytes: the device that issued it. */
  key: Uint8Array<ArrayBuffer>;
  /** 16 bytes. */
  secret: Uint8Array<ArrayBuffer>;
  endpoints: Endpoint[];
}

export const TICKET_SECRET_BYTES = 16;
const PREFIX = "warp1";
const VERSION = 1;
const EPOCH_2020_S = 1_577_836_800;
const ENDPOINTS_MAX = 16;
const CHARACTERS_MAX = 1024;
const FIXED_BYTES = 1 + 1 + 4 + 32 + TICKET_SECRET_BYTES + 1;
const CHECKSUM_BYTES = 4;
const NAME_KIND = 16;
const NAME = /^[A-Za-z0-9._-]+$/;

/** SHA-256 of the bytes: given by the caller, because hashing is a matter of the platform. */
export type Digest = (bytes: Bytes) => Bytes;

export function looksLikeTicket(text: string): boolean {
  return /^warp1[A-Za-z0-9_-]{60,}$/.test(text);
}

/** @throws {WarpError} E_USAGE for an address that no ticket can hold */
export function formatTicket(ticket: Ticket, sha256: Digest): string {
  const head = new Uint8Array(6);
  const view = new DataView(head.buffer);
  head[0] = VERSION;
  head[1] = PURPOSES.indexOf(ticket.purpose);
  view.setUint32(2, ticket.expires - EPOCH_2020_S);
  const endpoints = ticket.endpoints.slice(0, ENDPOINTS_MAX);
  const body = concat(
    head,
    ticket.key,
    ticket.secret,
    Uint8Array.of(endpoints.length),
    ...endpoints.map(encodeEndpoint),
  );
  const checksum = sha256(body).subarray(0, CHECKSUM_BYTES);
  const text = PREFIX + base64urlnopad.encode(concat(body, checksum));
  if (text.length > CHARACTERS_MAX) {
    throw new WarpError("E_USAGE", "these are too many addresses for a ticket");
  }
  return text;
}

/** @throws {WarpError} E_USAGE for anything that is no intact ticket */
export function parseTicket(text: string, sha256: Digest): Ticket {
  if (!looksLikeTicket(text) || text.length > CHARACTERS_MAX) throw notATicket();
  let bytes: Uint8Array;
  try {
    bytes = base64urlnopad.decode(text.slice(PREFIX.length));
  } catch {
    throw notATicket();
  }
  if (bytes.length < FIXED_BYTES + CHECKSUM_BYTES) throw notATicket();
  const body = bytes.subarray(0, bytes.length - CHECKSUM_BYTES);
  if (!equal(sha256(body).subarray(0, CHECKSUM_BYTES), bytes.subarray(body.length))) {
    throw notATicket("a character is wrong or missing: copy it again");
  }
  if (body[0] !== VERSION) throw notATicket("a newer warp made it");
  const purpose = PURPOSES[body[1]!];
  const view = new DataView(body.buffer, body.byteOffset, body.length);
  const key = body.slice(6, 38);
  if (purpose === undefined || isSmallOrder(key)) throw notATicket();
  const count = body[FIXED_BYTES - 1]!;
  if (count > ENDPOINTS_MAX) throw notATicket();
  const endpoints: Endpoint[] = [];
  let at = FIXED_BYTES;
  for (let i = 0; i < count; i++) {
    const kind = body[at] ?? 0;
    const length = kind === 4 ? 4 : kind === 6 ? 16 : kind > NAME_KIND ? kind - NAME_KIND : 0;
    if (length === 0 || at + 1 + length + 2 > body.length) throw notATicket();
    const host = decodeHost(kind, body.subarray(at + 1, at + 1 + length));
    endpoints.push({ host, port: view.getUint16(at + 1 + length) });
    at += 1 + length + 2;
  }
  if (at !== body.length) throw notATicket();
  const secret = body.slice(38, 38 + TICKET_SECRET_BYTES);
  return { purpose, expires: view.getUint32(2) + EPOCH_2020_S, key, secret, endpoints };
}

function encodeEndpoint({ host, port }: Endpoint): Uint8Array<ArrayBuffer> {
  const tail = Uint8Array.of(port >> 8, port & 0xff);
  if (/^\d{1,3}(\.\d{1,3}){3}$/.test(host)) {
    const numbers = host.split(".").map(Number);
    if (numbers.some((number) => number > 255)) throw notForTickets(host);
    return concat(Uint8Array.of(4, ...numbers), tail);
  }
  const v6 = host.includes(":") ? parseIpv6(host) : undefined;
  if (v6 !== undefined) return concat(Uint8Array.of(6), v6, tail);
  const name = utf8(host);
  if (!NAME.test(host) || name.length > 255 - NAME_KIND) throw notForTickets(host);
  return concat(Uint8Array.of(NAME_KIND + name.length), name, tail);
}

function decodeHost(kind: number, bytes: Bytes): string {
  if (kind === 4) return bytes.join(".");
  if (kind === 6) {
    const words = Array.from({ length: 8 }, (_, i) => (bytes[2 * i]! << 8 | bytes[2 * i + 1]!));
    return words.map((word) => word.toString(16)).join(":");
  }
  const host = new TextDecoder().decode(new Uint8Array(bytes));
  if (!NAME.test(host)) throw notATicket();
  return host;
}

/** 16 bytes; undefined for what is no address, or has a zone. */
export function parseIpv6(text: string): Uint8Array<ArrayBuffer> | undefined {
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const words = halves.map((half) => half === "" ? [] : half.split(":"));
  const missing = 8 - words.flat().length;
  if (halves.length === 1 ? missing !== 0 : missing < 0) return undefined;
  const all = halves.length === 1
    ? words[0]!
    : [...words[0]!, ...Array<string>(missing).fill("0"), ...words[1]!];
  if (!all.every((word) => /^[0-9a-fA-F]{1,4}$/.test(word))) return undefined;
  const out = new Uint8Array(16);
  all.forEach((word, i) => {
    out[2 * i] = parseInt(word, 16) >> 8;
    out[2 * i + 1] = parseInt(word, 16) & 0xff;
  });
  return out;
}

function notATicket(hint = "it is one word that begins with warp1"): WarpError {
  return new WarpError("E_USAGE", "this is not a ticket", { hint });
}

function notForTickets(host: string): WarpError {
  return new WarpError("E_USAGE", `a ticket cannot hold the address "${host.slice(0, 80)}"`, {
    hint: "an IP address without a zone, or a name in ASCII",
  });
}
