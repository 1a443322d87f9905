/**
 * Where a peer is and who it must be: `HOST:PORT#KEY`, as people type it.
 *
 * @module
 */
import { WarpError } from "../base/errors.ts";
import { formatSigner, parseSigner } from "../cipher/public_keys.ts";

export interface Endpoint {
  /** A name or an address; IPv6 without brackets. */
  host: string;
  port: number;
}

export interface PeerAddress {
  endpoints: Endpoint[];
  /** 32 bytes: the Ed25519 key that the peer must prove to hold. */
  key: Uint8Array<ArrayBuffer>;
}

/** `host:port`, `1.2.3.4:port` or `[::1]:port`. @throws {WarpError} E_USAGE */
export function parseEndpoint(text: string): Endpoint {
  const match = /^(?:\[([0-9a-fA-F:.%a-z]{2,64})\]|([^\s:/#[\]]{1,253})):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port < 1 || port > 65535) {
    throw new WarpError("E_USAGE", `"${text.slice(0, 80)}" is not HOST:PORT`, {
      hint: "such as 192.168.1.20:7433 or [fe80::1]:7433",
    });
  }
  return { host: match[1] ?? match[2]!, port };
}

export function formatEndpoint({ host, port }: Endpoint): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** `HOST:PORT#warpsig1...`; undefined when `text` has no `#`. @throws {WarpError} E_USAGE */
export function parsePeerAddress(text: string): PeerAddress | undefined {
  const hash = text.indexOf("#");
  if (hash < 0) return undefined;
  return {
    endpoints: [parseEndpoint(text.slice(0, hash))],
    key: parseSigner(text.slice(hash + 1)),
  };
}

export function formatPeerAddress(endpoint: Endpoint, key: Uint8Array): string {
  return `${formatEndpoint(endpoint)}#${formatSigner(key)}`;
}
