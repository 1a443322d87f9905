/**
 * The TCP carrier: every lane is a TLS 1.3 connection of its own.
 *
 * @module
 */
import type { Bytes } from "../base/bytes.ts";
import { asWarpError, WarpError } from "../base/errors.ts";
import { certificatePem, deviceHostname, privateKeyPem, trustAnchorPem } from "./certificate.ts";
import type { Dialer, Lane, LaneListener } from "./lane.ts";
import { type Endpoint, formatEndpoint } from "./peer_address.ts";
import { peerTimeoutMs } from "./liveness_io.ts";
import { tuneSocket } from "./socket_io.ts";

export const ALPN = "warp/1";
const DIAL_TIMEOUT_MS = 10_000;
const dialTimeoutMs = () => Math.min(DIAL_TIMEOUT_MS, peerTimeoutMs());
/** A TLS record holds 16 KiB; more at once saves calls. */
const WRITE_BYTES = 1 << 20;

/** A device's own key, as TLS takes it. */
export interface DeviceCertificate {
  cert: string;
  key: string;
}

export function deviceCertificate(
  publicKey: Bytes,
  seed: Bytes,
  sign: (message: Bytes) => Bytes,
  body: Bytes,
): DeviceCertificate {
  return { cert: certificatePem(publicKey, sign(body)), key: privateKeyPem(seed) };
}

class TlsLane implements Lane {
  readonly carrier = "tcp";
  readonly remote: string;
  readonly #conn: Deno.TlsConn;
  #isTuned: boolean;

  /** @param isTuned its socket is ours since before the handshake */
  constructor(conn: Deno.TlsConn, isTuned: boolean) {
    this.#conn = conn;
    this.#isTuned = isTuned;
    const { hostname, port } = conn.remoteAddr as Deno.NetAddr;
    this.remote = formatEndpoint({ host: hostname, port });
  }

  trusted(): void {
    if (!this.#isTuned) tuneSocket(this.#conn);
    this.#isTuned = true;
  }

  async read(into: Uint8Array): Promise<number | null> {
    try {
      return await this.#conn.read(into);
    } catch (cause) {
      throw laneError(cause);
    }
  }

  async write(bytes: Bytes): Promise<void> {
    try {
      for (let done = 0; done < bytes.length;) {
        const end = Math.min(bytes.length, done + WRITE_BYTES);
        done += await this.#conn.write(bytes.subarray(done, end) as Uint8Array);
      }
    } catch (cause) {
      throw laneError(cause);
    }
  }

  async closeWrite(): Promise<void> {
    try {
      await this.#conn.closeWrite();
    } catch (cause) {
      throw laneError(cause);
    }
  }

  close(): void {
    try {
      this.#conn.close();
    } catch {
      // It is closed already.
    }
  }
}

export class TlsDialer implements Dialer {
  readonly carrier = "tcp";
  readonly remote: string;
  readonly #endpoint: Endpoint;
  readonly #key: Bytes;

  constructor(endpoint: Endpoint, key: Bytes) {
    this.#endpoint = endpoint;
    this.#key = key;
    this.remote = formatEndpoint(endpoint);
  }

  /** @throws {WarpError} E_NETWORK (nobody answers), E_PEER_REFUSED (it is somebody else) */
  async openLane(signal: AbortSignal): Promise<Lane> {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(dialTimeoutMs())]);
    let socket: Deno.TcpConn | undefined, conn: Deno.TlsConn | undefined;
    const giveUp = () => {
      try {
        (conn ?? socket)?.close();
      } catch {
        // It is closed already.
      }
    };
    limit.addEventListener("abort", giveUp, { once: true });
    try {
      const { host: hostname, port } = this.#endpoint;
      socket = await Deno.connect({ hostname, port, signal: limit } as Deno.ConnectOptions);
      socket.setNoDelay(true);
      tuneSocket(socket);
      conn = await Deno.startTls(socket, {
        hostname: deviceHostname(this.#key),
        caCerts: [trustAnchorPem(this.#key)],
        alpnProtocols: [ALPN],
      });
      await conn.handshake();
      limit.throwIfAborted();
      return new TlsLane(conn, true);
    } catch (cause) {
      giveUp();
      signal.throwIfAborted();
      throw dialError(cause, this.remote, limit.aborted);
    } finally {
      limit.removeEventListener("abort", giveUp);
    }
  }

  close(): void {}
}

export class TlsListener implements LaneListener {
  readonly carrier = "tcp";
  readonly port: number;
  readonly #listener: Deno.TlsListener;

  private constructor(listener: Deno.TlsListener) {
    this.#listener = listener;
    this.port = (listener.addr as Deno.NetAddr).port;
  }

  /** @throws {WarpError} E_NETWORK when the port is taken */
  static open(hostname: string, port: number, own: DeviceCertificate): TlsListener {
    try {
      return new TlsListener(Deno.listenTls({ hostname, port, ...own, alpnProtocols: [ALPN] }));
    } catch (cause) {
      throw listenError(cause, hostname, port);
    }
  }

  /** Handshakes are done when a lane is first read, so that a slow one holds up nobody else. */
  async accept(): Promise<Lane> {
    for (;;) {
      try {
        const conn = await this.#listener.accept();
        return new TlsLane(conn, false);
      } catch (error) {
        if (error instanceof Deno.errors.BadResource || error instanceof Deno.errors.Interrupted) {
          throw new WarpError("E_CANCELLED", "no longer listening");
        }
        // One that went away while it was accepted, or no descriptor left: the next may be luckier.
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
  }

  close(): void {
    this.#listener.close();
  }
}

export function listenError(cause: unknown, hostname: string, port: number): WarpError {
  const where = formatEndpoint({ host: hostname, port });
  if (cause instanceof Deno.errors.AddrInUse) {
    return new WarpError("E_NETWORK", `the port is taken: ${where}`, {
      hint: "choose another with --port",
      cause,
    });
  }
  const reason = cause instanceof Error ? cause.message : "unknown reason";
  return new WarpError("E_NETWORK", `cannot listen on ${where}: ${reason}`, { cause });
}

export function dialError(cause: unknown, remote: string, isTimeout: boolean): WarpError {
  if (cause instanceof WarpError) return cause;
  const reason = cause instanceof Error ? cause.message : String(cause);
  if (/certificate|BadSignature|UnknownIssuer/i.test(reason)) {
    return new WarpError("E_PEER_REFUSED", `${remote} is not the device with this key`, {
      hint: "compare the key with `warp key show` on the other side",
      cause,
    });
  }
  const isSilent = isTimeout || /timed? ?out/i.test(reason);
  const text = isSilent ? "no answer" : reason.replace(/ \(os error.*/, "").toLowerCase();
  return new WarpError("E_NETWORK", `${remote} cannot be reached: ${text}`, { cause });
}

export function laneError(cause: unknown): WarpError {
  if (cause instanceof WarpError) return cause;
  const known = asWarpError(cause);
  return known.code === "E_INTERNAL" || known.code === "E_IO" || known.code === "E_PIPE_CLOSED"
    ? new WarpError("E_PEER_GONE", "the connection to the peer was cut", { cause })
    : known;
}
