/**
 * A bad network on loopback: relays that a test can cut, freeze, restore and move.
 *
 * @module
 */

/** Closes what may be closed already. */
function close(closer: { close(): void }): void {
  try {
    closer.close();
  } catch {
    // It is.
  }
}

/** Forwards TCP connections to a port of this machine, byte for byte. */
export class TcpRelay {
  readonly port: number;
  readonly #target: number;
  readonly #listener: Deno.TcpListener;
  readonly #open = new Set<Deno.TcpConn>();
  #isCut = false;
  #thaw: PromiseWithResolvers<void> | undefined;
  /** Bytes towards the target. */
  bytes = 0;
  connections = 0;

  constructor(target: number) {
    this.#target = target;
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.port = this.#listener.addr.port;
    void this.#acceptAll();
  }

  /** Ends all connections, and every new one until it is restored. */
  cut(): void {
    this.#isCut = true;
    for (const conn of this.#open) close(conn);
    this.#open.clear();
  }

  /** Nothing moves any more, and nobody is told. */
  freeze(): void {
    this.#thaw ??= Promise.withResolvers();
  }

  restore(): void {
    this.#isCut = false;
    this.#thaw?.resolve();
    this.#thaw = undefined;
  }

  close(): void {
    this.cut();
    this.restore();
    this.#isCut = true;
    close(this.#listener);
  }

  async #acceptAll(): Promise<void> {
    try {
      for await (const near of this.#listener) void this.#serve(near);
    } catch {
      // Closed.
    }
  }

  async #serve(near: Deno.TcpConn): Promise<void> {
    this.connections++;
    this.#open.add(near);
    let far: Deno.TcpConn | undefined;
    try {
      if (this.#isCut) return;
      far = await Deno.connect({ hostname: "127.0.0.1", port: this.#target });
      near.setNoDelay(true);
      far.setNoDelay(true);
      this.#open.add(far);
      if (this.#isCut) return;
      await Promise.all([this.#pump(near, far, true), this.#pump(far, near, false)]);
    } catch {
      // One side went: so does the other.
    } finally {
      for (const conn of [near, far]) {
        if (conn === undefined) continue;
        this.#open.delete(conn);
        close(conn);
      }
    }
  }

  async #pump(from: Deno.TcpConn, to: Deno.TcpConn, isForth: boolean): Promise<void> {
    const buffer = new Uint8Array(64 * 1024);
    for (;;) {
      const count = await from.read(buffer);
      while (this.#thaw !== undefined) await this.#thaw.promise;
      if (count === null) return await to.closeWrite();
      if (isForth) this.bytes += count;
      for (let done = 0; done < count;) done += await to.write(buffer.subarray(done, count));
    }
  }
}

/** Forwards the datagrams of one client to a port of this machine, from an address that may change. */
export class UdpRelay {
  readonly port: number;
  readonly #target: Deno.NetAddr;
  readonly #near: Deno.DatagramConn;
  #far: Deno.DatagramConn;
  #client: Deno.Addr | undefined;
  #isClosed = false;

  constructor(target: number) {
    this.#target = { transport: "udp", hostname: "127.0.0.1", port: target };
    this.#near = this.#socket();
    this.port = (this.#near.addr as Deno.NetAddr).port;
    this.#far = this.#socket();
    void this.#pump(this.#near, (data, from) => {
      this.#client = from;
      return this.#far.send(data, this.#target);
    });
    void this.#back(this.#far);
  }

  /** The client comes from another port from now on; what is on its way back to the old one is lost. */
  move(): void {
    const old = this.#far;
    this.#far = this.#socket();
    void this.#back(this.#far);
    close(old);
  }

  close(): void {
    this.#isClosed = true;
    close(this.#near);
    close(this.#far);
  }

  #socket(): Deno.DatagramConn {
    return Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  }

  #back(far: Deno.DatagramConn): Promise<void> {
    return this.#pump(far, (data) => {
      return this.#client === undefined ? undefined : this.#near.send(data, this.#client);
    });
  }

  async #pump(
    from: Deno.DatagramConn,
    send: (data: Uint8Array, from: Deno.Addr) => Promise<number> | undefined,
  ): Promise<void> {
    const buffer = new Uint8Array(64 * 1024);
    while (!this.#isClosed) {
      try {
        const [data, address] = await from.receive(buffer);
        await send(data, address);
      } catch (error) {
        if (error instanceof Deno.errors.BadResource || this.#isClosed) return;
        // A refused datagram is a lost one.
        if (error instanceof Deno.errors.Interrupted) return;
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    }
  }
}
