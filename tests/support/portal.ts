/**
 * A hub as a process, people with machines of their own, and a wire between them that can be read and held.
 *
 * @module
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { connect, type Connection, deviceAccess } from "../../actors/portal/access_io.ts";
import { openKeyRing } from "../../actors/portal/key_ring.ts";
import { readRing } from "../../actors/portal/key_ring_io.ts";
import { text, warp, warpCommand } from "./warp.ts";

export type Json = Record<string, unknown>;

/** `warp hub serve`, and all that it writes. */
export class HubProcess {
  readonly data: string;
  readonly #args: string[];
  readonly #env: Record<string, string>;
  #child: Deno.ChildProcess | undefined;
  #outputs: Promise<void>[] = [];
  #port = 0;
  /** Standard output and standard error of all runs. */
  log = "";
  /** Without a slash at the end. */
  url = "";
  /** base64url */
  key = "";
  /** `URL/#KEY` and `URL/#KEY.INVITE` */
  address = "";
  invite = "";

  constructor(data: string, args: string[] = [], env: Record<string, string> = {}) {
    this.data = data;
    this.#args = args;
    this.#env = env;
  }

  /** Starts it, at the port it had before. @param port of another hub, to take its place */
  async start(port: number = this.#port): Promise<this> {
    const listen = ["--listen", `127.0.0.1:${port}`, "--data", this.data];
    const child = warpCommand(["hub", "serve", ...listen, ...this.#args, "--json"], {
      env: this.#env,
    }).spawn();
    this.#child = child;
    const listening = Promise.withResolvers<void>();
    const take = async (stream: ReadableStream<Uint8Array>) => {
      for await (const part of stream) {
        this.log += text(part);
        listening.resolve();
      }
    };
    this.#outputs = [take(child.stdout), take(child.stderr)];
    const end = Promise.all(this.#outputs).then(() => {});
    for (;;) {
      await Promise.race([listening.promise, end]);
      const line = this.log.split("\n").findLast((one) => one.includes('"listening"'));
      assert.ok(line !== undefined, `the hub does not start: ${this.log}`);
      const { url, key, address, invite } = JSON.parse(line) as Record<string, string>;
      this.url = url!;
      this.key = key!;
      this.address = address!;
      this.invite = invite!;
      this.#port = Number(new URL(url!).port);
      return this;
    }
  }

  get port(): number {
    return this.#port;
  }

  /** @returns its exit code */
  async stop(signal: Deno.Signal = "SIGTERM"): Promise<number> {
    const child = this.#child;
    if (child === undefined) return 0;
    this.#child = undefined;
    try {
      child.kill(signal);
    } catch {
      // It has ended.
    }
    const { code } = await child.status;
    await Promise.all(this.#outputs);
    return code;
  }
}

/** Someone with a key ring and a state of their own. */
export class Person {
  /** `portal1…`; empty for who has links alone. */
  account = "";
  words = "";

  private constructor(readonly dir: string, readonly env: Record<string, string>) {}

  /** Without an account: a visitor with a link. */
  static visitor(dir: string, env: Record<string, string> = {}): Person {
    Deno.mkdirSync(dir, { recursive: true });
    return new Person(dir, {
      XDG_CONFIG_HOME: `${dir}/config`,
      XDG_STATE_HOME: `${dir}/state`,
      HOME: dir,
      ...env,
    });
  }

  /** With an account, logged in at these addresses, the first of which becomes the default. */
  static async make(
    dir: string,
    addresses: readonly string[],
    options: { env?: Record<string, string>; flags?: string[] } = {},
  ): Promise<Person> {
    const person = Person.visitor(dir, options.env);
    const made = await person.one(["key", "new", "--words", ...options.flags ?? ["--unsealed"]]);
    person.account = String(made["account"]);
    person.words = String(made["words"]);
    for (const address of addresses) await person.one(["hub", "login", address]);
    return person;
  }

  /** Runs a command with `--json` and expects this exit code; its records on stdout. */
  async run(args: string[], code = 0): Promise<Json[]> {
    const outcome = await this.try(args);
    assert.equal(outcome.code, code, `warp ${args.join(" ")}\n${outcome.stderr}${outcome.out}`);
    return outcome.records;
  }

  /** The first record that is no warning. */
  async one(args: string[]): Promise<Json> {
    const records = await this.run(args);
    return records.find((record) => record["message_type"] !== "warning") ?? {};
  }

  /** Expects a failure with this exit code and error code; the message of the error. */
  async fails(exit: number, errorCode: string, args: string[]): Promise<string> {
    const { code, stderr, out } = await this.try(args);
    assert.equal(code, exit, `warp ${args.join(" ")}\n${stderr}${out}`);
    const line = stderr.split("\n").find((one) => one.includes('"exit_error"'));
    assert.ok(line !== undefined, stderr);
    const error = JSON.parse(line) as Json;
    assert.equal(error["code"], errorCode, `warp ${args.join(" ")}\n${stderr}`);
    assert.ok(!stderr.includes("    at "), `a stack is shown: ${stderr}`);
    return String(error["message"]);
  }

  async try(
    args: string[],
  ): Promise<{ code: number; records: Json[]; stderr: string; out: string }> {
    const { code, stdout, stderr } = await warp([...args.slice(0, 2), "--json", ...args.slice(2)], {
      env: this.env,
    });
    const out = text(stdout);
    const records = out.split("\n").filter((line) => line.startsWith("{")).map((line) =>
      JSON.parse(line) as Json
    );
    return { code, records, stderr, out };
  }

  /** Speaks to the hub as this person's device does, from within the test. The ring must be unsealed. */
  async connection(url: string, hubKey: Uint8Array | null = null): Promise<Connection> {
    const ring = await openKeyRing(readRing(`${this.dir}/config/warp/portal.key`), undefined);
    try {
      return connect(deviceAccess(ring, url, hubKey));
    } finally {
      ring.keys.wipe();
    }
  }
}

/** A forwarder to a port of this machine that keeps what went through, and can stop either way. */
export class Wire {
  readonly port: number;
  readonly #target: number;
  readonly #listener: Deno.TcpListener;
  readonly #open = new Set<Deno.TcpConn>();
  readonly #isKept: boolean;
  /** What clients said, and what was answered: in parts as they came, each connection apart. */
  readonly recorded: { up: Buffer[]; down: Buffer[] }[] = [];
  up = 0;
  down = 0;
  #hold: { side: "up" | "down"; bytes: number } | undefined;
  #held: PromiseWithResolvers<void> = Promise.withResolvers();
  #released: PromiseWithResolvers<void> = Promise.withResolvers();

  constructor(target: number, options: { isKept?: boolean } = {}) {
    this.#target = target;
    this.#isKept = options.isKept === true;
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.port = this.#listener.addr.port;
    void this.#accept();
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** This address of a hub, by way of the wire. */
  via(address: string): string {
    return address.replace(/^http:\/\/[^/]+/, this.url);
  }

  /** After so many bytes from now on, nothing goes that way any more. */
  hold(side: "up" | "down", bytes: number): void {
    this.#held = Promise.withResolvers();
    this.#released = Promise.withResolvers();
    this.#hold = { side, bytes: this[side] + bytes };
  }

  /** Until it has come so far. */
  async held(): Promise<void> {
    await this.#held.promise;
  }

  release(): void {
    this.#hold = undefined;
    this.#released.resolve();
  }

  close(): void {
    this.release();
    this.#listener.close();
    for (const conn of this.#open) closeQuietly(conn);
  }

  async #accept(): Promise<void> {
    try {
      for await (const near of this.#listener) void this.#serve(near);
    } catch {
      // Closed.
    }
  }

  async #serve(near: Deno.TcpConn): Promise<void> {
    this.#open.add(near);
    let far: Deno.TcpConn | undefined;
    try {
      far = await Deno.connect({ hostname: "127.0.0.1", port: this.#target });
      this.#open.add(far);
      near.setNoDelay(true);
      far.setNoDelay(true);
      const kept = { up: [], down: [] };
      if (this.#isKept) this.recorded.push(kept);
      await Promise.all([this.#pump(near, far, "up", kept), this.#pump(far, near, "down", kept)]);
    } catch {
      // One side went: so does the other.
    } finally {
      for (const conn of [near, far]) {
        if (conn === undefined) continue;
        this.#open.delete(conn);
        closeQuietly(conn);
      }
    }
  }

  async #pump(
    from: Deno.TcpConn,
    to: Deno.TcpConn,
    side: "up" | "down",
    kept: { up: Buffer[]; down: Buffer[] },
  ): Promise<void> {
    const buffer = Buffer.alloc(64 * 1024);
    for (;;) {
      const count = await from.read(buffer);
      if (count === null) return await to.closeWrite();
      const part = buffer.subarray(0, count);
      // Answers that are not compressed can be read.
      if (this.#isKept && side === "up") unaccept(part);
      this[side] += count;
      if (this.#isKept) kept[side].push(Buffer.from(part));
      if (this.#hold?.side === side && this[side] > this.#hold.bytes) {
        this.#held.resolve();
        await this.#released.promise;
      }
      for (let done = 0; done < count;) done += await to.write(part.subarray(done));
    }
  }
}

const ACCEPT = "accept-encoding:";

function unaccept(part: Buffer): void {
  for (let at = 0; (at = part.indexOf(ACCEPT, at)) >= 0; at++) part.write("x", at);
}

function closeQuietly(closer: { close(): void }): void {
  try {
    closer.close();
  } catch {
    // It is.
  }
}

/** Names, kinds, modes, times to the nanosecond, sizes, links and content of what is below a directory. */
export const TREE_LIST =
  `find . -mindepth 1 -printf '%P | %y %#m %T@ %l\\0' | LC_ALL=C sort -z | tr '\\0' '\\n'
   find . -type f -printf '%P | %s %n\\0' | LC_ALL=C sort -z | tr '\\0' '\\n'
   find . -type f -print0 | LC_ALL=C sort -z | xargs -0 -r sha256sum -z | tr '\\0' '\\n'`;
