/**
 * Two machines on one: each with its own key, state and directories; and a listener in between.
 *
 * @module
 */
import assert from "node:assert/strict";
import { expectWarp, text, warpCommand } from "./warp.ts";

export interface Machine {
  dir: string;
  env: Record<string, string>;
  /** `warpsig1...`. */
  key: string;
}

export async function makeMachine(dir: string): Promise<Machine> {
  Deno.mkdirSync(dir, { recursive: true });
  const env = { XDG_CONFIG_HOME: `${dir}/config`, XDG_STATE_HOME: `${dir}/state` };
  await expectWarp(0, ["key", "new"], { env });
  const { stdout } = await expectWarp(0, ["key", "show", "--json"], { env });
  return { dir, env, key: JSON.parse(text(stdout)).signer };
}

/** A warp that runs in the background and prints lines. */
export class Background {
  readonly child: Deno.ChildProcess;
  readonly stderr: Promise<string>;
  readonly #lines: AsyncIterator<string>;

  constructor(args: string[], env: Record<string, string>) {
    this.child = warpCommand(args, { env }).spawn();
    this.stderr = new Response(this.child.stderr).text();
    this.#lines = linesOf(this.child.stdout);
  }

  async line(): Promise<string> {
    const { value, done } = await this.#lines.next();
    if (done) throw new Error(`warp ended early:\n${await this.stderr}`);
    return value;
  }

  /** Ends it and gives its exit code. */
  async stop(signal: Deno.Signal = "SIGTERM"): Promise<number> {
    try {
      this.child.kill(signal);
    } catch {
      // It has ended.
    }
    return await this.ended();
  }

  async ended(): Promise<number> {
    const drained = (async () => {
      while (!(await this.#lines.next()).done);
    })();
    const { code } = await this.child.status;
    await drained;
    await this.stderr;
    return code;
  }
}

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string, void> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const bytes of stream) {
    rest += decoder.decode(bytes, { stream: true });
    const lines = rest.split("\n");
    rest = lines.pop()!;
    yield* lines;
  }
}

/** `warp listen` on loopback; its address is `HOST:PORT#KEY`. */
export async function listen(
  machine: Machine,
  args: string[],
): Promise<{ warp: Background; address: string; port: number }> {
  const warp = new Background(
    ["listen", "--host", "127.0.0.1", ...(args.includes("--port") ? [] : ["--port", "0"]), ...args],
    machine.env,
  );
  const address = await warp.line();
  const port = Number(/:(\d+)#/.exec(address)?.[1]);
  assert.ok(port > 0, address);
  return { warp, address, port };
}
