/**
 * Networks and addresses as numbers.
 *
 * Every address is one of 128 bits: IPv4 is `::ffff:a.b.c.d`, whichever way it was written. So `0.0.0.0/0`
 * is all of IPv4, and `::/0` is everything.
 *
 * @module
 */

/** Bits of `::ffff:0:0/96` before those of the IPv4 address. */
const MAPPED = 0xffff_0000_0000n;
const ADDRESS_MAX = 64;

/** All addresses with these first bits. */
export interface Network {
  /** The bits after the prefix are zero. */
  readonly base: bigint;
  /** 0 to 128; of IPv4, 96 more than is written. */
  readonly prefix: number;
}

/** An address without port; the zone of `fe80::1%eth0` is left out. Undefined for anything else. */
export function parseAddress(text: string): bigint | undefined {
  if (text.length > ADDRESS_MAX) return undefined;
  const percent = text.indexOf("%");
  if (percent >= 0) {
    return text.includes(":") && percent < text.length - 1
      ? parseV6(text.slice(0, percent))
      : undefined;
  }
  return text.includes(":") ? parseV6(text) : parseV4(text);
}

/** `ADDRESS` or `ADDRESS/BITS`; "bits" where address bits stand after the prefix. */
export function parseNetwork(text: string): Network | "bits" | undefined {
  const slash = text.indexOf("/");
  const address = slash < 0 ? text : text.slice(0, slash);
  if (address.includes("%")) return undefined;
  const value = parseAddress(address);
  if (value === undefined) return undefined;
  if (slash < 0) return { base: value, prefix: 128 };
  const bits = text.slice(slash + 1);
  const isV4 = !address.includes(":");
  if (!/^(?:0|[1-9]\d{0,2})$/.test(bits) || Number(bits) > (isV4 ? 32 : 128)) return undefined;
  const prefix = Number(bits) + (isV4 ? 96 : 0);
  return masked(value, prefix) === value ? { base: value, prefix } : "bits";
}

/** The one way in which a network is written: prefix always there, IPv6 as RFC 5952 has it. */
export function formatNetwork({ base, prefix }: Network): string {
  return prefix >= 96 && base >> 32n === MAPPED >> 32n
    ? `${formatV4(base)}/${prefix - 96}`
    : `${formatV6(base)}/${prefix}`;
}

/** `10.0.0.0/8` where `10.1.2.3/8` was written: what was meant, for messages. */
export function suggestNetwork(text: string): string {
  const [address, bits] = text.split("/") as [string, string];
  const prefix = Number(bits) + (address.includes(":") ? 0 : 96);
  return formatNetwork({ base: masked(parseAddress(address)!, prefix), prefix });
}

export function isInNetwork(address: bigint, { base, prefix }: Network): boolean {
  return address >> BigInt(128 - prefix) === base >> BigInt(128 - prefix);
}

function masked(value: bigint, prefix: number): bigint {
  const rest = BigInt(128 - prefix);
  return value >> rest << rest;
}

function parseV4(text: string): bigint | undefined {
  const parts = text.split(".");
  // A leading zero is octal to some and decimal to others.
  if (parts.length !== 4 || !parts.every((part) => /^(?:0|[1-9]\d{0,2})$/.test(part))) {
    return undefined;
  }
  const numbers = parts.map(Number);
  if (numbers.some((number) => number > 255)) return undefined;
  return numbers.reduce((sum, number) => sum << 8n | BigInt(number), 0n) | MAPPED;
}

function parseV6(text: string): bigint | undefined {
  let hex = text;
  if (text.includes(".")) {
    const colon = text.lastIndexOf(":");
    const tail = parseV4(text.slice(colon + 1));
    if (tail === undefined) return undefined;
    const words = [tail >> 16n & 0xffffn, tail & 0xffffn].map((word) => word.toString(16));
    hex = `${text.slice(0, colon + 1)}${words.join(":")}`;
  }
  const halves = hex.split("::");
  if (halves.length > 2) return undefined;
  const [head, tail] = halves.map((half) => half === "" ? [] : half.split(":"));
  const missing = 8 - head!.length - (tail?.length ?? 0);
  if (tail === undefined ? missing !== 0 : missing < 1) return undefined;
  const words = [...head!, ...Array<string>(missing).fill("0"), ...tail ?? []];
  if (!words.every((word) => /^[0-9a-fA-F]{1,4}$/.test(word))) return undefined;
  return words.reduce((sum, word) => sum << 16n | BigInt(`0x${word}`), 0n);
}

function formatV4(value: bigint): string {
  return [24n, 16n, 8n, 0n].map((shift) => value >> shift & 0xffn).join(".");
}

function formatV6(value: bigint): string {
  const words = Array.from({ length: 8 }, (_, i) => value >> BigInt(112 - 16 * i) & 0xffffn);
  let start = 0, length = 1;
  for (let i = 0; i < 8; i++) {
    let run = 0;
    while (words[i + run] === 0n) run++;
    if (run > length) [start, length] = [i, run];
  }
  const hex = words.map((word) => word.toString(16));
  if (length < 2) return hex.join(":");
  return `${hex.slice(0, start).join(":")}::${hex.slice(start + length).join(":")}`;
}
