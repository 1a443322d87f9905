import assert from "node:assert/strict";
import { isWarpError, type WarpError } from "../../../actors/base/errors.ts";
import type { ActorRef } from "../../../actors/runtime/actor_ref.ts";
import type { ChildSpec } from "../../../actors/runtime/child_spec.ts";
import { startSupervisor, type Supervisor } from "../../../actors/runtime/supervisor.ts";
import { echo, type EchoProtocol } from "./fixtures/echo.ts";

// One suite for both hosts; what only a Worker can do (vanish, spin) comes after it.

const spec = (id: string, links: string[] = [], more: Partial<ChildSpec> = {}): ChildSpec => ({
  id,
  entry: new URL("./fixtures/echo_worker.ts", import.meta.url),
  actor: () => Promise.resolve(echo),
  init: null,
  restart: "permanent",
  shutdownMs: 500,
  heartbeatMs: 10_000,
  links,
  ...more,
});

const flags = { strategy: "one_for_one", restartsMax: 3, periodMs: 10_000 } as const;

async function withTree(
  host: "worker" | "thread",
  children: ChildSpec[],
  use: (tree: Supervisor, echo: ActorRef<EchoProtocol>) => Promise<void>,
): Promise<void> {
  const tree = await startSupervisor({ flags, children, host });
  try {
    await use(tree, tree.ref<EchoProtocol>("echo"));
  } finally {
    await tree.stop();
  }
}

const soon = { deadlineMs: 5000 };

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    return isWarpError(error) ? error.code : String(error);
  }
  return "no error";
}

/** Waits until `holds` gives true; its errors count as false. */
async function until(holds: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 200; i++) {
    if (await holds().catch(() => false)) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.fail("it did not come about");
}

/** Never run: each line must not compile. */
export function misuse(ref: ActorRef<EchoProtocol>): void {
  // @ts-expect-error no such call
  void ref.call("ecko", "x", soon);
  // @ts-expect-error wrong body
  void ref.call("echo", 1, soon);
  // @ts-expect-error a call names its deadline
  void ref.call("echo", "x", {});
  // @ts-expect-error a cast is not a call
  void ref.call("note", "x", soon);
  // @ts-expect-error wrong reply type
  void (ref.call("echo", "x", soon) satisfies Promise<number>);
  // @ts-expect-error a stream names its window
  ref.stream("count", { to: 1, bytes: 1 }, {});
}

for (const host of ["worker", "thread"] as const) {
  Deno.test(`${host}: calls, casts and errors cross`, async () => {
    await withTree(host, [spec("echo")], async (_, ref) => {
      assert.equal(await ref.call("echo", "hi", soon), "hi");
      ref.cast("note", "one");
      ref.cast("note", "two");
      assert.deepEqual(await ref.call("noted", null, soon), ["one", "two"]);
      const error = await ref.call("fail", "expected", soon).catch((error) => error) as WarpError;
      assert.equal(error.code, "E_LIMIT");
      assert.equal(error.hint, "less");
      assert.equal(error.details.actor, "echo");
      assert.equal(await codeOf(ref.call("unclonable", null, soon)), "E_MESSAGE_NOT_CLONEABLE");
      const bad = (() => {}) as unknown as string;
      assert.equal(await codeOf(ref.call("echo", bad, soon)), "E_MESSAGE_NOT_CLONEABLE");
      assert.equal(await ref.call("echo", "still here", soon), "still here");
    });
  });

  Deno.test(`${host}: shared memory passes by reference`, async () => {
    await withTree(host, [spec("echo")], async (_, ref) => {
      const buffer = new SharedArrayBuffer(100);
      new Uint8Array(buffer).fill(1);
      assert.equal(await ref.call("sum", buffer, soon), 100);
      assert.equal(new Uint8Array(buffer)[99], 7);
    });
  });

  Deno.test(`${host}: a deadline ends a call, and the handler hears of it`, async () => {
    await withTree(host, [spec("echo")], async (_, ref) => {
      assert.equal(await codeOf(ref.call("wait", 10_000, { deadlineMs: 50 })), "E_DEADLINE");
      // The next call is handled: the handler before was aborted, not left waiting.
      assert.equal(await ref.call("echo", "next", { deadlineMs: 1000 }), "next");
    });
  });

  Deno.test(`${host}: a cancelled call is aborted, a queued one never handled`, async () => {
    await withTree(host, [spec("echo")], async (_, ref) => {
      const abort = new AbortController();
      const first = ref.call("wait", 10_000, { ...soon, signal: abort.signal });
      const second = ref.call("wait", 10_000, { ...soon, signal: abort.signal });
      abort.abort(new Error("enough"));
      assert.equal(await codeOf(first), "Error: enough");
      assert.equal(await codeOf(second), "Error: enough");
      assert.equal(await ref.call("echo", "next", { deadlineMs: 1000 }), "next");
    });
  });

  Deno.test(`${host}: a stream yields all items and a result; credit holds the producer back`, async () => {
    await withTree(host, [spec("echo")], async (_, ref) => {
      const stream = ref.stream("count", { to: 500, bytes: 0 }, { windowBytes: 10_000 });
      const items = stream.items[Symbol.asyncIterator]();
      assert.equal((await items.next()).value, 0);
      await new Promise((resolve) => setTimeout(resolve, 100));
      // Each item costs 1,000: at most the window of 10 and one more were made.
      const [note] = await ref.call("noted", null, soon);
      assert.ok(Number(note!.split(" ")[1]) <= 12, note);
      let count = 1;
      for (let next = await items.next(); !next.done; next = await items.next()) count++;
      assert.equal(count, 500);
      assert.equal(await stream.result, "counted to 500");
    });
  });

  Deno.test(`${host}: leaving a stream early stops its producer`, async () => {
    await withTree(host, [spec("echo")], async (_, ref) => {
      const stream = ref.stream("count", { to: 1e9, bytes: 0 }, { windowBytes: 5000 });
      for await (const item of stream.items) if (item === 3) break;
      assert.equal(await codeOf(stream.result), "E_CANCELLED");
      const [before] = await ref.call("noted", null, soon);
      await new Promise((resolve) => setTimeout(resolve, 50));
      assert.deepEqual(await ref.call("noted", null, soon), [before]);
    });
  });

  Deno.test(`${host}: actors talk to each other, and a crash is survived by references`, async () => {
    await withTree(host, [spec("echo"), spec("asker", ["echo"])], async (tree, ref) => {
      const asker = tree.ref<EchoProtocol>("asker");
      assert.equal(await asker.call("ask", "through", soon), "through");
      assert.equal(await ref.call("generation", null, soon), 0);
      assert.equal(await codeOf(ref.call("fail", "bug", soon)), "E_INTERNAL");
      // A call that was under way when the actor died fails; the next one waits for the successor.
      await until(async () => await ref.call("generation", null, soon) === 1);
      await until(async () => await asker.call("ask", "again", soon) === "again");
      assert.equal(tree.reports[0]!.kind, "crash");
      assert.ok(tree.reports[0]!.recent.some(({ op }) => op === "fail"));
    });
  });

  Deno.test(`${host}: too many crashes escalate`, async () => {
    await withTree(host, [spec("echo")], async (tree, ref) => {
      let isOver = false;
      tree.failed.catch(() => isOver = true);
      await until(async () => {
        await codeOf(ref.call("fail", "bug", { deadlineMs: 500 }));
        return isOver;
      });
      assert.equal(tree.reports.length, flags.restartsMax + 1);
      assert.equal(await codeOf(ref.call("echo", "x", soon)), "E_ACTOR_DOWN");
    });
  });

  Deno.test(`${host}: a child that cannot start fails the start`, async () => {
    const children = [spec("echo", [], { init: { failInit: true } })];
    assert.equal(await codeOf(startSupervisor({ flags, children, host })), "E_CONFIG");
  });

  Deno.test(`${host}: a full mailbox refuses calls and drops casts`, async () => {
    await withTree(host, [spec("echo")], async (_, ref) => {
      const abort = new AbortController();
      const blocked = ref.call("wait", 5000, { ...soon, signal: abort.signal });
      const calls = Array.from({ length: 1100 }, (_, i) => ref.call("echo", String(i), soon));
      const codes = Promise.all(calls.map(codeOf));
      setTimeout(() => abort.abort(new Error("go on")), 200);
      await codeOf(blocked);
      const busy = (await codes).filter((code) => code === "E_BUSY").length;
      assert.ok(busy >= 50 && busy <= 80, `${busy} were refused`);
    });
  });
}

Deno.test("a Worker that ends without a word is found by its heartbeat and replaced", async () => {
  const child = spec("echo", [], { heartbeatMs: 50 });
  await withTree("worker", [child], async (tree, ref) => {
    assert.equal(await codeOf(ref.call("vanish", null, soon)), "E_ACTOR_DOWN");
    await until(async () => await ref.call("generation", null, soon) === 1);
    assert.equal(tree.reports[0]!.kind, "hang");
  });
});

Deno.test("a busy Worker is quarantined, a successor answers, and the process still ends", async () => {
  // A process of its own: the busy Worker burns a core for as long as it lives.
  const script = `
    import { startSupervisor } from "${new URL(
    "../../../actors/runtime/supervisor.ts",
    import.meta.url,
  )}";
    const tree = await startSupervisor({
      flags: ${JSON.stringify(flags)},
      children: [{ id: "echo", entry: new URL("${new URL(
    "./fixtures/echo_worker.ts",
    import.meta.url,
  )}"),
        actor: () => Promise.reject(), init: null, restart: "permanent", shutdownMs: 200, heartbeatMs: 100, links: [] }],
    });
    const ref = tree.ref("echo");
    const code = await ref.call("spin", null, { deadlineMs: 5000 }).catch((error) => error.code);
    const generation = await ref.call("generation", null, { deadlineMs: 5000 });
    console.log(code, generation, tree.reports[0].kind, tree.reports[0].quarantined);
    await tree.stop();
    Deno.exit(0);`;
  const { stdout, success } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--quiet", script],
    stdout: "piped",
  }).output();
  assert.ok(success);
  assert.equal(new TextDecoder().decode(stdout).trim(), "E_ACTOR_DOWN 1 hang 1");
});
