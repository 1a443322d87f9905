import assert from "node:assert/strict";
import { Random } from "../support/random.ts";
import { TcpRelay, UdpRelay } from "../support/tcp_relay.ts";
import { listen, type Machine, makeMachine } from "../support/transfer.ts";
import { expectWarp, sh, text, warpCommand, withTempDir } from "../support/warp.ts";

// Goal: whatever happens to a transfer at any time, it ends complete and identical, by itself or by
// `warp resume`, and what was verified does not travel twice; or it ends with a typed error.
// Method: the real command on loopback, slowed down so that a fault strikes in the middle. Kinds take
// turns, and carrier, rate, tree and moment are random. WARP_SEED replays, WARP_FAULTS sets the number,
// WARP_FAULT_KIND and WARP_FAULT_INDEX choose.

const SEED = Number(Deno.env.get("WARP_SEED") ?? 20261121);
const FAULTS = Number(Deno.env.get("WARP_FAULTS") ?? 12);
const ONLY = Deno.env.get("WARP_FAULT_KIND");
const INDEX = Deno.env.get("WARP_FAULT_INDEX");
/** A chunk that is cut off at either end of what came; a run that was half written. */
const CHUNK_SLACK = 3 * 256 * 1024;
/** A transfer that takes longer hangs: the sender dials for 60 s at most. */
const HANG_MS = 60_000;

const KINDS = [
  "kill sender",
  "kill listener",
  "cut link",
  "freeze listener",
  "kill receiver",
  "disk full",
  "move address",
  "freeze link",
  "kill server",
  "freeze sender",
] as const;
type Kind = typeof KINDS[number];

/** A disk that is too small takes the right to mount one; root in a container may lack it. */
const mayMount = await (async () => {
  const dir = Deno.makeTempDirSync();
  const script = `mount -t tmpfs none '${dir}' && umount '${dir}' && echo yes || echo no`;
  const isDone = (await sh(script)).trim() === "yes";
  Deno.removeSync(dir);
  if (!isDone) console.log("SKIP: this user may not mount a small file system");
  return isDone;
})();
const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

type LogLine = Record<string, unknown>;

/** A warp whose `--json` records are read as they come. */
class Run {
  readonly child: Deno.ChildProcess;
  readonly records: LogLine[] = [];
  readonly #output: Promise<void>;
  readonly stderr: Promise<string>;
  #onRecord = () => {};

  constructor(args: string[], machine: Machine) {
    this.child = warpCommand([...args, "--json"], { env: machine.env }).spawn();
    this.stderr = new Response(this.child.stderr).text();
    this.#output = this.#read();
  }

  async #read(): Promise<void> {
    let rest = "";
    for await (const part of this.child.stdout.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + part).split("\n");
      rest = lines.pop()!;
      for (const line of lines) this.records.push(JSON.parse(line));
      this.#onRecord();
    }
  }

  /** The first record of this type. */
  async record(type: string): Promise<LogLine> {
    const ended = this.child.status.then(() => this.#output).then(() => true);
    for (;;) {
      const found = this.records.find(({ message_type }) => message_type === type);
      if (found !== undefined) return found;
      const next = new Promise<boolean>((resolve) => this.#onRecord = () => resolve(false));
      if (!await Promise.race([next, ended])) continue;
      const late = this.records.find(({ message_type }) => message_type === type);
      if (late !== undefined) return late;
      throw new Error(`no "${type}" in ${JSON.stringify(this.records)}\n${await this.stderr}`);
    }
  }

  kill(signal: Deno.Signal): void {
    try {
      this.child.kill(signal);
    } catch {
      // It has ended.
    }
  }

  /** The exit code; one that hangs is a failure of its own. */
  async ended(): Promise<number> {
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      this.kill("SIGKILL");
    }, HANG_MS);
    const { code } = await this.child.status;
    clearTimeout(timer);
    await this.#output;
    const stderr = await this.stderr;
    assert.ok(!isLate, `hangs: ${JSON.stringify(this.records.slice(-3))}\n${stderr}`);
    return code;
  }
}

async function makeTree(path: string, random: Random): Promise<void> {
  Deno.mkdirSync(`${path}/small/deep`, { recursive: true });
  Deno.writeFileSync(`${path}/large`, random.bytes(6 << 20));
  for (let i = 0; i < 200; i++) {
    const folder = i % 2 === 0 ? "small" : "small/deep";
    Deno.writeFileSync(`${path}/${folder}/${i}`, random.bytes(random.int(4000)));
  }
  // Holes between content, and at the end.
  for (const name of ["sparse", "tail"]) {
    Deno.writeFileSync(`${path}/${name}`, random.bytes(50_000));
  }
  await sh(
    `truncate -s 4M sparse; printf end >> sparse; truncate -s 1M tail; ln -s large to`,
    path,
  );
}

async function assertSame(a: string, b: string): Promise<void> {
  await sh(`diff -r --no-dereference '${a}' '${b}' >&2`);
  const list = `find . -printf '%p %y %m %s %T@ %l\\n' | sort`;
  assert.equal(await sh(list, a), await sh(list, b));
}

const BLOCK = 4096;

/** Bytes of files of `tree`, without holes, that do not stand in `copy` yet, finished or in work. */
function missingIn(tree: string, copy: string): number {
  const parts: Uint8Array[] = [];
  const walk = (path: string, visit: (path: string) => void) => {
    for (const { name, isDirectory, isFile } of Deno.readDirSync(path)) {
      if (isDirectory) walk(`${path}/${name}`, visit);
      else if (isFile) visit(`${path}/${name}`);
    }
  };
  const isThere = (path: string) => {
    try {
      return Deno.lstatSync(path).isFile;
    } catch {
      return false;
    }
  };
  if (!isThere(`${copy}/large`)) {
    try {
      walk(copy, (path) => {
        if (/\/\.warp-[^/]*$/.test(path)) parts.push(Deno.readFileSync(path));
      });
    } catch {
      // Nothing has come.
    }
  }
  let missing = 0;
  walk(tree, (path) => {
    if (isThere(copy + path.slice(tree.length))) return;
    const content = Deno.readFileSync(path);
    const least = parts.map((part) => {
      let wrong = 0;
      for (let at = 0; at < content.length; at += BLOCK) {
        const block = content.subarray(at, at + BLOCK);
        const own = part.subarray(at, at + BLOCK);
        if (block.some((byte, i) => byte !== own[i])) wrong += block.length;
      }
      return wrong;
    });
    let size = 0;
    for (let at = 0; at < content.length; at += BLOCK) {
      const block = content.subarray(at, at + BLOCK);
      if (block.some((byte) => byte !== 0)) size += block.length;
    }
    missing += Math.min(size, ...least);
  });
  return missing;
}

interface Fault {
  index: number;
  kind: Kind;
  carrier: "tcp" | "quic";
  /** Bytes a second. */
  limit: number;
  /** From the connection on. */
  delayMs: number;
  /** How long a cut or a freeze lasts. */
  pauseMs: number;
}

function planOf(index: number): { fault: Fault; random: Random } {
  const random = new Random(SEED + index);
  const kind = (ONLY ?? KINDS[(index + SEED) % KINDS.length]) as Kind;
  const either = random.pick(["tcp", "quic"] as const);
  const carrier = kind === "cut link" || kind === "freeze link"
    ? "tcp"
    : kind === "move address"
    ? "quic"
    : either;
  const limit = 3_000_000 + random.int(3_000_000);
  const delayMs = random.int(1300), pauseMs = 100 + random.int(700);
  return { fault: { index, kind, carrier, limit, delayMs, pauseMs }, random };
}

/** What a transfer with a fault came to, for the figures at the end. */
interface Result {
  /** How it ended: went on by itself, was resumed, or had ended before the fault. */
  outcome: "by itself" | "resumed" | "too late";
  moved: number;
  missing: number | undefined;
}

interface Scene {
  dir: string;
  a: Machine;
  b: Machine;
  fault: Fault;
}

/** The transfer that `machine` did not finish, by its list. */
async function unfinished(machine: Machine): Promise<string> {
  const { stdout } = await expectWarp(0, ["resume", "--json"], { env: machine.env });
  const records = text(stdout).trim().split("\n").filter(Boolean).map((line) => JSON.parse(line));
  const [record] = records.filter(({ message_type }) => message_type === "transfer");
  assert.ok(record !== undefined && records.length === 1, text(stdout));
  return record.id;
}

async function expectEnd(run: Run, type: "sent" | "received"): Promise<LogLine> {
  const code = await run.ended();
  assert.equal(code, 0, `exit ${code}\n${JSON.stringify(run.records)}\n${await run.stderr}`);
  return await run.record(type);
}

/** `warp send TREE LISTENER`, with a relay in between. */
async function pushWith({ dir, a, b, fault }: Scene): Promise<Result> {
  const { kind, carrier, limit, delayMs, pauseMs } = fault;
  const tree = `${dir}/tree`, copy = `${dir}/in/tree`;
  const serve = (port = 0) =>
    listen(b, ["--dir", `${dir}/in`, "--allow", a.key, "--carrier", carrier, "--port", `${port}`]);
  let server = await serve();
  const relay = carrier === "tcp" ? new TcpRelay(server.port) : new UdpRelay(server.port);
  const address = `127.0.0.1:${relay.port}#${b.key}`;
  const args = ["send", tree, address, "--carrier", carrier, "--limit", `${limit}`];
  const sender = new Run(args, a);
  const resume = async () => await expectEnd(new Run(["resume", await unfinished(a)], a), "sent");
  let missing: number | undefined;
  let isResumed = false;
  let sent: LogLine;
  try {
    await sender.record("connected");
    await sleep(delayMs);
    const isLate = sender.records.some(({ message_type }) => message_type === "sent");
    switch (kind) {
      case "kill sender": {
        sender.kill("SIGKILL");
        if (await sender.ended() === 0) break;
        missing = missingIn(tree, copy);
        sent = await resume();
        isResumed = true;
        break;
      }
      case "kill listener": {
        await server.warp.stop("SIGKILL");
        missing = missingIn(tree, copy);
        if (isLate) missing = undefined;
        server = await serve(server.port);
        if (carrier === "quic" && !isLate) {
          // Nothing tells a QUIC sender before its idle timeout: whoever waits less starts again.
          sender.kill("SIGKILL");
          if (await sender.ended() === 0) break;
          sent = await resume();
          isResumed = true;
        }
        break;
      }
      case "cut link": {
        assert.ok(relay instanceof TcpRelay);
        relay.cut();
        await sleep(pauseMs);
        if (!isLate) missing = missingIn(tree, copy);
        relay.restore();
        break;
      }
      case "freeze link": {
        assert.ok(relay instanceof TcpRelay);
        relay.freeze();
        await sleep(pauseMs);
        relay.restore();
        break;
      }
      case "freeze listener":
      case "freeze sender": {
        const frozen = kind === "freeze sender" ? sender.child : server.warp.child;
        if (isLate) break;
        frozen.kill("SIGSTOP");
        await sleep(pauseMs);
        frozen.kill("SIGCONT");
        break;
      }
      case "move address": {
        assert.ok(relay instanceof UdpRelay);
        for (let i = 0; i < 3; i++) {
          relay.move();
          await sleep(pauseMs / 3);
        }
        break;
      }
      default:
        throw new Error(`${kind} is not for a push`);
    }
    sent ??= await expectEnd(sender, "sent");
    const again = sender.records.filter(({ message_type }) => message_type === "reconnecting");
    if (kind.startsWith("freeze") || kind === "move address") {
      assert.equal(again.length, 0, `${kind}: ${JSON.stringify(again)}`);
    }
    assert.equal(await server.warp.stop(), 130, await server.warp.stderr);
    const moved = Number(sent["bytes_moved"]);
    const isTooLate = isLate || (isResumed ? false : missing !== undefined && again.length === 0);
    return {
      outcome: isTooLate ? "too late" : isResumed ? "resumed" : "by itself",
      moved,
      missing: isTooLate ? undefined : missing,
    };
  } finally {
    relay.close();
    sender.kill("SIGKILL");
    await server.warp.stop("SIGKILL");
  }
}

/** `warp send TREE` and `warp receive TICKET`; either is killed. */
async function pullWith({ dir, a, b, fault }: Scene): Promise<Result> {
  const { kind, carrier, limit, delayMs } = fault;
  const tree = `${dir}/tree`, copy = `${dir}/in/tree`;
  const sendArgs = [
    "send",
    tree,
    "--host",
    "127.0.0.1",
    "--limit",
    `${limit}`,
    "--carrier",
    carrier,
  ];
  let server = new Run(sendArgs, a);
  let receiver: Run | undefined;
  try {
    const { ticket } = await server.record("ticket");
    const args = ["receive", String(ticket), "-C", `${dir}/in`, "--carrier", carrier];
    receiver = new Run(args, b);
    await receiver.record("connected");
    await sleep(delayMs);
    let isResumed = false;
    let missing: number | undefined;
    const isLate = receiver.records.some(({ message_type }) => message_type === "received");
    if (!isLate && kind === "kill receiver") {
      receiver.kill("SIGKILL");
      isResumed = await receiver.ended() !== 0;
      missing = missingIn(tree, copy);
      if (isResumed) receiver = new Run(["resume", await unfinished(b)], b);
    } else if (!isLate) {
      server.kill("SIGKILL");
      if (await server.ended() !== 0) {
        missing = missingIn(tree, copy);
        server = new Run(["resume", await unfinished(a)], a);
        const { ticket: again } = await server.record("ticket");
        assert.equal(again, ticket, "a ticket that was given away stays good");
        if (carrier === "quic") {
          receiver.kill("SIGKILL");
          if (await receiver.ended() !== 0) {
            receiver = new Run(["resume", await unfinished(b)], b);
            isResumed = true;
          }
        }
      }
    }
    if (kind === "kill receiver" && isResumed && await receiver.ended() !== 0) {
      // It was killed after it had told the sender that all is there: there is nobody left to ask.
      assert.equal(await receiver.ended(), 6, await receiver.stderr);
      assert.equal(await server.ended(), 0, await server.stderr);
      return { outcome: "too late", moved: 0, missing: undefined };
    }
    const received = await expectEnd(receiver, "received");
    const isBack = receiver.records.some(({ message_type }) => message_type === "reconnecting");
    if (kind === "kill server" && !isLate && !isResumed && !isBack) {
      // It had everything when its server was killed, which cannot know: it serves on.
      return { outcome: "too late", moved: Number(received["bytes_moved"]), missing: undefined };
    }
    assert.equal(await server.ended(), 0, await server.stderr);
    const outcome = isLate ? "too late" : isResumed ? "resumed" : "by itself";
    return { outcome, moved: Number(received["bytes_moved"]), missing };
  } finally {
    server.kill("SIGKILL");
    receiver?.kill("SIGKILL");
  }
}

/** The receiver's disk is too small at first. */
async function fullDisk({ dir, a, b, fault: { carrier } }: Scene): Promise<Result> {
  const tree = `${dir}/tree`, inbox = `${dir}/in`, copy = `${inbox}/tree`;
  Deno.mkdirSync(inbox);
  await sh(`mount -t tmpfs -o size=3m warp-test '${inbox}'`);
  try {
    const server = await listen(b, ["--dir", inbox, "--allow", a.key, "--carrier", carrier]);
    const sender = new Run(["send", tree, server.address, "--carrier", carrier], a);
    const code = await sender.ended();
    const stderr = await sender.stderr;
    assert.equal(code, 1, stderr);
    assert.match(stderr, /E_DISK_FULL|no space|disk is full|full/i);
    // The listener lives, and says the same again.
    const again = new Run(["resume", await unfinished(a)], a);
    assert.equal(await again.ended(), 1, await again.stderr);
    const missing = missingIn(tree, copy);
    await sh(`mount -o remount,size=64m '${inbox}'`);
    const sent = await expectEnd(new Run(["resume", await unfinished(a)], a), "sent");
    assert.equal(await server.warp.stop(), 130);
    await assertSame(tree, copy);
    await sh(`test -z "$(find '${inbox}' -name '.warp-*')"`);
    return { outcome: "resumed", moved: Number(sent["bytes_moved"]), missing };
  } finally {
    await sh(`umount -l '${inbox}'`);
  }
}

async function strike(scene: Scene): Promise<Result> {
  const { kind } = scene.fault;
  if (kind === "disk full") return await fullDisk(scene);
  const isPull = kind === "kill receiver" || kind === "kill server";
  const result = await (isPull ? pullWith(scene) : pushWith(scene));
  await assertSame(`${scene.dir}/tree`, `${scene.dir}/in/tree`);
  await sh(`test -z "$(find '${scene.dir}/in' -name '.warp-*')"`);
  return result;
}

Deno.test(`${FAULTS} transfers survive what happens to them (seed ${SEED})`, async () => {
  await withTempDir(async (root) => {
    const [a, b] = await Promise.all([makeMachine(`${root}/a`), makeMachine(`${root}/b`)]);
    const all = Array.from({ length: FAULTS }, (_, i) => i);
    const indexes = (INDEX === undefined ? all : [Number(INDEX)])
      .filter((i) => mayMount || planOf(i).fault.kind !== "disk full");
    const results: string[] = [];
    const failures: string[] = [];
    const lane = async () => {
      for (let i = indexes.shift(); i !== undefined; i = indexes.shift()) {
        const { fault, random } = planOf(i);
        const dir = `${root}/${i}`;
        await makeTree(`${dir}/tree`, random);
        const own = (machine: Machine, name: string): Machine => ({
          ...machine,
          env: { ...machine.env, XDG_STATE_HOME: `${dir}/${name}` },
        });
        const what = JSON.stringify(fault);
        try {
          const result = await strike({ dir, a: own(a, "sa"), b: own(b, "sb"), fault });
          const { missing, moved } = result;
          if (missing !== undefined) {
            const most = missing * 1.01 + CHUNK_SLACK;
            assert.ok(moved <= most, `${moved} bytes moved, ${missing} were missing`);
          }
          results.push(`${what} ${JSON.stringify(result)}`);
        } catch (error) {
          failures.push(`seed ${SEED}: ${what}\n${error instanceof Error ? error.stack : error}`);
        }
        await sh(`rm -rf '${dir}'`);
      }
    };
    await Promise.all([lane(), lane()]);
    if (Deno.env.get("WARP_FAULTS") !== undefined) console.log(results.join("\n"));
    assert.equal(failures.length, 0, failures.join("\n\n"));
  });
});
