/**
 * Who we are, and who is meant by a ticket, an address or a name on the command line.
 *
 * @module
 */
import type { CommandIo } from "../base/command.ts";
import { isWarpError, WarpError } from "../base/errors.ts";
import { nodeCrypto } from "../base/node_crypto.ts";
import { printableText } from "../base/terminal.ts";
import { defaultKeyFile, newKeyFile, readKeyFile, writeKeyFile } from "../cipher/key_file.ts";
import type { DialTarget } from "./client_io.ts";
import { type Endpoint, parsePeerAddress } from "./peer_address.ts";
import { readPeers } from "./state_io.ts";
import { looksLikeTicket, parseTicket, type Ticket, type TicketPurpose } from "./ticket.ts";

/** `AGE-SECRET-KEY-1...` of this device; the default key file is made when there is none. */
export async function deviceIdentity(file: string | undefined, io: CommandIo): Promise<string> {
  const path = file ?? defaultKeyFile();
  try {
    return readKeyFile(path).identities[0]!;
  } catch (error) {
    if (file !== undefined || !isWarpError(error, "E_NOT_FOUND")) throw error;
  }
  const { text } = await newKeyFile(new Date());
  try {
    writeKeyFile(path, text);
    io.note(`made a device key: ${printableText(path)}`);
  } catch (error) {
    if (!isWarpError(error, "E_EXISTS")) throw error; // another warp made it just now
  }
  return readKeyFile(path).identities[0]!;
}

export const sha256 = (bytes: Uint8Array<ArrayBufferLike>): Uint8Array =>
  nodeCrypto().createHash("sha256").update(bytes).digest();

/** @throws {WarpError} E_USAGE, E_TICKET */
export function readTicket(text: string, purposes: readonly TicketPurpose[]): Ticket {
  const ticket = parseTicket(text, sha256);
  if (Date.now() / 1000 > ticket.expires) throw new WarpError("E_TICKET", "the ticket expired");
  if (!purposes.includes(ticket.purpose)) {
    const use = {
      receive: "`warp receive`",
      push: "`warp send`",
      "stream-receive": "`warp stream receive`",
      "stream-send": "`warp stream send`",
    }[ticket.purpose];
    throw new WarpError("E_USAGE", `this ticket is for ${use}`);
  }
  return ticket;
}

/** Undefined when `text` is neither ticket, address nor known name. */
export function findPeer(text: string, purposes: readonly TicketPurpose[]): DialTarget | undefined {
  if (looksLikeTicket(text)) {
    const { endpoints, key, secret } = readTicket(text, purposes);
    return { endpoints, key, secret };
  }
  const address = parsePeerAddress(text);
  if (address !== undefined) return { ...address, secret: null };
  const known = readPeers().find(({ name }) => name === text);
  if (known === undefined) return undefined;
  if (known.endpoints.length === 0) {
    throw new WarpError("E_NETWORK", `the peer "${text}" has no address`, {
      hint: "add HOST:PORT to its line in the peers file",
    });
  }
  return { endpoints: known.endpoints, key: known.key, secret: null };
}

/** @throws {WarpError} E_USAGE */
export function requirePeer(text: string, purposes: readonly TicketPurpose[]): DialTarget {
  const found = findPeer(text, purposes);
  if (found !== undefined) return found;
  throw new WarpError("E_USAGE", `"${printableText(text)}" is no ticket, address or known peer`, {
    hint: "a ticket begins with warp1, an address is HOST:PORT#KEY",
  });
}

/** This machine's addresses, for tickets: those of its network, or loopback where there is none. */
export function ownEndpoints(port: number): Endpoint[] {
  const all = Deno.networkInterfaces()
    .map(({ address }) => address)
    .filter((address) => !/^fe80:/i.test(address));
  const isLoopback = (address: string) => address.startsWith("127.") || address === "::1";
  const outside = all.filter((address) => !isLoopback(address));
  const v4first = outside.sort((a, b) => Number(a.includes(":")) - Number(b.includes(":")));
  const chosen = v4first.length > 0 ? v4first.slice(0, 6) : ["127.0.0.1"];
  return chosen.map((host) => ({ host, port }));
}
