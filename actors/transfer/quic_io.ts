/**
 * The QUIC carrier: one connection, a bidirectional stream per lane. It goes on when the address of
 * either side changes, and where packets are lost its streams do not wait for each other.
 *
 * @module
 */
import type { Bytes } from "../base/bytes.ts";
import { WarpError } from "../base/errors.ts";
import { deviceHostname, trustAnchorPem } from "./certificate.ts";
import type { Dialer, Lane, LaneListener } from "./lane.ts";
import { type Endpoint, formatEndpoint } from "./peer_address.ts";
import { tuneDatagrams } from "./socket_io.ts";
import { ALPN, type DeviceCertificate, dialError, laneError, listenError } from "./tls_io.ts";

const DIAL_TIMEOUT_MS = 5_000;
/** BBR, in Deno's words; "throughput" is CUBIC. */
const OPTIONS = {
  congestionControl: "low-latency",
  keepAliveInterval: 3_000,
  maxIdleTimeout: 12_000,
  maxConcurrentBidirectionalStreams: 64,
} as const;

class QuicLane implements Lane {
  readonly carrier = "quic";
  readonly remote: string;
  readonly #stream: Deno.QuicBidirectionalStream;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  #rest: Uint8Array = new Uint8Array();

  constructor(stream: Deno.QuicBidirectionalStream, remote: string) {
    this.remote = remote;
    this.#stream = stream;
    this.#reader = stream.readable.getReader() as ReadableStreamDefaultReader<Uint8Array>;
    this.#writer = stream.writable.getWriter();
    this.#reader.closed.catch(() => {});
    this.#writer.closed.catch(() => {});
  }

  /** The connection uses BBR from its start. */
  trusted(): void {}

  async read(into: Uint8Array): Promise<number | null> {
    try {
      while (this.#rest.length === 0) {
        const { value, done } = await this.#reader.read();
        if (done) return null;
        this.#rest = value;
      }
    } catch (cause) {
      throw laneError(cause);
    }
    const count = Math.min(into.length, this.#rest.length);
    into.set(this.#rest.subarray(0, count));
    this.#rest = this.#rest.subarray(count);
    return count;
  }

  async write(bytes: Bytes): Promise<void> {
    try {
      // Shared memory is not for streams.
      const own = bytes.buffer instanceof SharedArrayBuffer ? new Uint8Array(bytes) : bytes;
      await this.#writer.write(own as Uint8Array<ArrayBuffer>);
    } catch (cause) {
      throw laneError(cause);
    }
  }

  async closeWrite(): Promise<void> {
    try {
      await this.#writer.close();
    } catch (cause) {
      throw laneError(cause);
    }
  }

  close(): void {
    this.#reader.cancel().catch(() => {});
    this.#writer.abort().catch(() => {});
    void this.#stream;
  }
}

export class QuicDialer implements Dialer {
  readonly carrier = "quic";
  readonly remote: string;
  readonly #endpoint: Endpoint;
  readonly #key: Bytes;
  #connection: Promise<Deno.QuicConn> | undefined;
  #socket: Deno.QuicEndpoint | undefined;

  constructor(endpoint: Endpoint, key: Bytes) {
    this.#endpoint = endpoint;
    this.#key = key;
    this.remote = formatEndpoint(endpoint);
  }

  /** @throws {WarpError} E_NETWORK, E_PEER_REFUSED */
  async openLane(signal: AbortSignal): Promise<Lane> {
    this.#connection ??= this.#connect();
    try {
      const conn = await abortable(this.#connection, signal);
      const stream = await abortable(
        Promise.resolve(conn.createBidirectionalStream({ waitUntilAvailable: true })),
        AbortSignal.any([signal, AbortSignal.timeout(DIAL_TIMEOUT_MS)]),
      );
      return new QuicLane(stream, this.remote);
    } catch (cause) {
      signal.throwIfAborted();
      throw dialError(cause, this.remote, /timed out/.test(String(cause)));
    }
  }

  close(): void {
    this.#socket?.close({ closeCode: 0, reason: "" });
  }

  async #connect(): Promise<Deno.QuicConn> {
    if (Deno.connectQuic === undefined) {
      throw new WarpError("E_NETWORK", "this Deno has no QUIC", {
        hint: "run with --unstable-net",
      });
    }
    const { host: hostname, port } = this.#endpoint;
    const endpoint = this.#socket = new Deno.QuicEndpoint();
    tuneDatagrams(endpoint.addr.port);
    const conn = await abortable(
      Promise.resolve(Deno.connectQuic({
        hostname,
        port,
        endpoint,
        serverName: deviceHostname(this.#key),
        caCerts: [trustAnchorPem(this.#key)],
        alpnProtocols: [ALPN],
        ...OPTIONS,
      })),
      AbortSignal.timeout(DIAL_TIMEOUT_MS),
    );
    conn.closed.catch(() => {});
    return conn;
  }
}

/** Rejects as soon as `signal` aborts; the promise itself cannot be stopped. */
async function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  promise.catch(() => {});
  signal.throwIfAborted();
  const aborted = Promise.withResolvers<never>();
  const onAbort = () => aborted.reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", onAbort);
    aborted.promise.catch(() => {});
  }
}

const WAITING_LANES_MAX = 256;

export class QuicListener implements LaneListener {
  readonly carrier = "quic";
  readonly port: number;
  readonly #endpoint: Deno.QuicEndpoint;
  readonly #lanes: Lane[] = [];
  #wake = () => {};
  #isClosed = false;

  private constructor(endpoint: Deno.QuicEndpoint, listener: Deno.QuicListener) {
    this.#endpoint = endpoint;
    this.port = endpoint.addr.port;
    tuneDatagrams(this.port);
    void this.#acceptAll(listener);
  }

  /** @throws {WarpError} E_NETWORK when the port is taken, or this Deno has no QUIC */
  static open(hostname: string, port: number, own: DeviceCertificate): QuicListener {
    try {
      const endpoint = new Deno.QuicEndpoint({ hostname, port });
      const listener = endpoint.listen({ ...own, alpnProtocols: [ALPN], ...OPTIONS });
      return new QuicListener(endpoint, listener);
    } catch (cause) {
      throw listenError(cause, hostname, port);
    }
  }

  async accept(): Promise<Lane> {
    for (;;) {
      const lane = this.#lanes.shift();
      if (lane !== undefined) return lane;
      if (this.#isClosed) throw new WarpError("E_CANCELLED", "no longer listening");
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#endpoint.close({ closeCode: 0, reason: "" });
    this.#wake();
  }

  async #acceptAll(listener: Deno.QuicListener): Promise<void> {
    while (!this.#isClosed) {
      try {
        const incoming = await listener.incoming();
        void this.#streamsOf(incoming);
      } catch {
        if (this.#isClosed) return;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
  }

  /** Whatever one connection does, the others never notice. */
  async #streamsOf(incoming: Deno.QuicIncoming): Promise<void> {
    try {
      const conn = await incoming.accept();
      conn.closed.catch(() => {});
      const { hostname, port } = conn.remoteAddr;
      const remote = formatEndpoint({ host: hostname, port });
      for await (const stream of conn.incomingBidirectionalStreams) {
        if (this.#lanes.length >= WAITING_LANES_MAX) {
          conn.close({ closeCode: 1, reason: "busy" });
          return;
        }
        this.#lanes.push(new QuicLane(stream, remote));
        this.#wake();
      }
    } catch {
      // The handshake failed, or the connection ended.
    }
  }
}
