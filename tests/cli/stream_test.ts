import assert from "node:assert/strict";
import { createDecipheriv, createHash, createHmac, hkdfSync } from "node:crypto";
import { decode } from "@std/msgpack";
import { concat, equal } from "../../actors/base/bytes.ts";
import { Random } from "../support/random.ts";
import {
  expectWarp,
  type Outcome,
  requirePart,
  ROOT,
  sh,
  text,
  warpCommand,
  withTempDir,
} from "../support/warp.ts";

// Goal: `warp stream encrypt | warp stream decrypt` gives back what went in, live, in flat memory; and
// whatever happens on the way is told with an error, after a true prefix at most.
// Method: the real commands, between files, pipes and slow ends. WARP_SEED repeats a run.

const seed = Number(Deno.env.get("WARP_SEED") ?? Date.now() % 1_000_000);
const MiB = 1 << 20;

/** For bash: `warp` is this checkout, and a pipe fails when any part of it does. */
const SHELL = `set -o pipefail
  warp() { '${Deno.execPath()}' run -A --quiet '${ROOT}cli.ts' "$@"; }
`;

async function withKey(use: (dir: string, key: string) => Promise<void>): Promise<void> {
  await withTempDir(async (dir) => {
    await expectWarp(0, ["key", "new", "-o", `${dir}/k.key`]);
    await use(dir, `${dir}/k.key`);
  });
}

/** As `warp` of tests/support, but reads while it writes: a filter may give before it has all. */
async function filter(
  args: string[],
  stdin: Uint8Array,
  env: Record<string, string> = {},
): Promise<Outcome> {
  const child = warpCommand(["stream", ...args], { stdin, env }).spawn();
  const feeding = new Blob([stdin as Uint8Array<ArrayBuffer>]).stream().pipeTo(child.stdin)
    .catch(() => {});
  const { code, stdout, stderr } = await child.output();
  await feeding;
  return { code, stdout, stderr: text(stderr) };
}

async function encrypt(key: string, stdin: Uint8Array): Promise<Uint8Array> {
  const { code, stdout, stderr } = await filter(["encrypt", "--key-file", key], stdin);
  assert.equal(code, 0, stderr);
  return stdout;
}

const decrypt = (key: string, stdin: Uint8Array) =>
  filter(["decrypt", "--json", "--key-file", key], stdin);

/** The code of the error that ended a run with --json. */
function codeOf({ stderr }: Outcome): string {
  const line = stderr.trim().split("\n").at(-1) ?? "";
  return line === "" ? "none" : (JSON.parse(line) as { code?: string }).code ?? "none";
}

// --- round trips

Deno.test("a tree through tar and back, for every kind of key", async () => {
  await withKey(async (dir, key) => {
    await sh(`mkdir '${dir}/src'; cp -r '${ROOT}actors' '${ROOT}docs' '${dir}/src'
      printf 'pass word\\n' > '${dir}/pw'; ln -s docs '${dir}/src/link'`);
    const recipient = /age1\w+/.exec(text((await expectWarp(0, ["key", "show", key])).stdout))![0];
    const kinds: [string, string][] = [
      [`--key-file '${key}'`, `--key-file '${key}'`],
      [`-r ${recipient} --compress zstd`, `-i '${key}'`],
      [`--passphrase-file '${dir}/pw' --compress auto --chunk 1M`, `--passphrase-file '${dir}/pw'`],
      [`--passphrase-fd 3 3<'${dir}/pw' --single-thread`, `--passphrase-fd 3 3<'${dir}/pw'`],
      [
        `-r ${recipient} --passphrase-file '${dir}/pw' --compress lz4`,
        `-i '${key}' --single-thread`,
      ],
    ];
    for (const [there, back] of kinds) {
      await sh(`${SHELL}
        rm -rf '${dir}/out'; mkdir '${dir}/out'
        tar c -C '${dir}/src' . | warp stream encrypt ${there} | warp stream decrypt ${back} |
          tar x -C '${dir}/out'
        diff -r --no-dereference '${dir}/src' '${dir}/out'`);
    }
    await sh(`${SHELL} export WARP_PASSPHRASE=secret
      [ "$(echo hello | warp stream encrypt | warp stream decrypt)" = hello ]`);
    // The user's own key file, where none is named.
    await sh(
      `${SHELL} export XDG_CONFIG_HOME='${dir}'; mkdir '${dir}/warp'; cp '${key}' '${dir}/warp/key.txt'
      [ "$(echo hello | warp stream encrypt --key-file '${key}' | warp stream decrypt)" = hello ]`,
    );
  });
});

Deno.test("lengths around a frame, without libc, in one thread: all come back", async () => {
  await withKey(async (_, key) => {
    const random = new Random(seed);
    for (const length of [0, 1, 65535, 65536, 65537, 300_000]) {
      const data = random.bytes(length);
      const flags = length % 2 === 0 ? ["--single-thread"] : [];
      const env: Record<string, string> = length > 65536 ? { WARP_FS: "portable" } : {};
      const sealed = await filter(["encrypt", "--key-file", key, ...flags], data, env);
      const opened = await filter(["decrypt", "--key-file", key, ...flags], sealed.stdout, env);
      assert.ok(equal(opened.stdout, data), `${length} bytes: ${sealed.stderr}${opened.stderr}`);
    }
  });
});

// --- a second reader, from docs/stream.md and node:crypto alone

const hkdf = (key: Uint8Array, salt: Uint8Array, info: Uint8Array | string) =>
  new Uint8Array(hkdfSync("sha256", key, salt, info, 32));

/** @param unwrap opens the age stanza of the key section */
function readStream(stream: Uint8Array, unwrap: (file: Uint8Array) => Uint8Array): Uint8Array {
  const view = new DataView(stream.buffer, stream.byteOffset, stream.length);
  assert.equal(text(stream.subarray(0, 8)), "WRPS\r\n\x1a\0");
  assert.equal(view.getUint16(8, true), 1);
  const frameSize = view.getUint32(12, true), sectionLength = view.getUint32(16, true);
  const salt = stream.subarray(32, 64), headerLength = 96 + sectionLength;
  const stanzas = decode(stream.subarray(64, 64 + sectionLength)) as [string, Uint8Array][];
  const wrapped = unwrap(stanzas.find(([kind]) => kind === "age")![1]);
  assert.equal(text(wrapped.subarray(0, -32)), "warp/archive/v1/agewarp/stream/v1\0\0");
  const fileKey = wrapped.subarray(-32);
  const macKey = hkdf(fileKey, salt, "warp/stream/v1/header");
  const mac = createHmac("sha256", macKey).update(stream.subarray(0, headerLength - 32)).digest();
  assert.ok(equal(mac, stream.subarray(headerLength - 32, headerLength)));
  const hash = createHash("sha256").update(stream.subarray(0, headerLength)).digest();
  const info = concat(new TextEncoder().encode("warp/stream/v1/frames"), hash);
  const key = hkdf(fileKey, salt, info);
  const plaintext: Uint8Array[] = [];
  let at = headerLength, isFinal = false;
  for (let sequence = 0n; !isFinal; sequence++) {
    const header = stream.subarray(at, at + 16);
    assert.equal(view.getBigUint64(at, true), sequence);
    const length = view.getUint32(at + 8, true), flags = view.getUint16(at + 12, true);
    assert.ok(length <= frameSize && flags <= 1 && view.getUint16(at + 14, true) === 0);
    isFinal = flags === 1;
    const nonce = new Uint8Array(12);
    nonce.set(stream.subarray(at, at + 8));
    const cipher = createDecipheriv("chacha20-poly1305", key, nonce, { authTagLength: 16 });
    cipher.setAAD(header, { plaintextLength: length });
    cipher.setAuthTag(stream.subarray(at + 16 + length, at + 32 + length));
    plaintext.push(new Uint8Array(cipher.update(stream.subarray(at + 16, at + 16 + length))));
    cipher.final();
    at += 32 + length;
  }
  assert.equal(at, stream.length);
  return concat(...plaintext);
}

Deno.test(
  "a second reader, written from docs/stream.md, reads the stream",
  { ignore: !requirePart("age", "an independent age") },
  async () => {
    await withKey(async (dir, key) => {
      const data = new Random(seed).bytes(500_000);
      const stream = await encrypt(key, data);
      const unwrap = (file: Uint8Array) => {
        Deno.writeFileSync(`${dir}/stanza`, file);
        const args = ["-d", "-i", key, `${dir}/stanza`];
        return new Deno.Command("age", { args }).outputSync().stdout;
      };
      assert.ok(equal(readStream(stream, unwrap), data));
    });
  },
);

// --- damage

interface Parts {
  header: Uint8Array;
  frames: Uint8Array[];
}

function partsOf(stream: Uint8Array): Parts {
  const view = new DataView(stream.buffer, stream.byteOffset, stream.length);
  let at = 96 + view.getUint32(16, true);
  const header = stream.subarray(0, at), frames: Uint8Array[] = [];
  while (at < stream.length) {
    const length = 32 + view.getUint32(at + 8, true);
    frames.push(stream.subarray(at, at + length));
    at += length;
  }
  return { header, frames };
}

Deno.test("damage of every kind: a typed error, and a prefix at most", async () => {
  await withKey(async (dir, key) => {
    const random = new Random(seed);
    const data = random.bytes(400_000);
    const one = partsOf(await encrypt(key, data));
    // The same key and content: only the session differs.
    const two = partsOf(await encrypt(key, data));
    const { header, frames } = one;
    assert.ok(frames.length >= 7 && two.frames.length >= 7);
    const join = (...pieces: (Uint8Array | Uint8Array[])[]) => concat(header, ...pieces.flat());
    const flip = (bit: number, bytes: Uint8Array) => {
      const flipped = bytes.slice();
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      return flipped;
    };
    const whole = join(frames);
    const inFrames = () => 8 * header.length + random.int(8 * (whole.length - header.length));
    const cases: [string, Uint8Array, string][] = [
      ["dropped", join(frames.slice(0, 2), frames.slice(3)), "E_INTEGRITY"],
      ["first dropped", join(frames.slice(1)), "E_INTEGRITY"],
      ["repeated", join(frames.slice(0, 3), frames.slice(2)), "E_INTEGRITY"],
      ["reordered", join(frames[0]!, frames[2]!, frames[1]!, frames.slice(3)), "E_INTEGRITY"],
      ["spliced", join(frames.slice(0, 2), two.frames.slice(2)), "E_INTEGRITY"],
      ["other session", concat(two.header, ...frames), "E_INTEGRITY"],
      ["last dropped", join(frames.slice(0, -1)), "E_TRUNCATED"],
      ["header only", header, "E_TRUNCATED"],
      ["within the header", header.subarray(0, 80), "E_TRUNCATED"],
      ["within a frame", whole.subarray(0, header.length + 70_000), "E_TRUNCATED"],
      ["more behind it", join(frames, Uint8Array.of(0)), "E_INTEGRITY"],
      ["two streams", concat(whole, whole), "E_INTEGRITY"],
      ["frame bit", flip(inFrames(), whole), "E_INTEGRITY"],
      ["salt bit", flip(8 * 32 + random.int(256), whole), "E_INTEGRITY"],
      ["MAC bit", flip(8 * (header.length - 32) + random.int(256), whole), "E_INTEGRITY"],
      ["key bit", flip(8 * (header.length - 33) + random.int(8), whole), "E_KEY_WRONG"],
      ["frame size", flip(8 * 12 + 17, whole), "E_INTEGRITY"],
      ["not a stream", data, "E_NOT_AN_ARCHIVE"],
      ["nothing", new Uint8Array(0), "E_TRUNCATED"],
    ];
    for (const [name, stream, code] of cases) {
      const outcome = await decrypt(key, stream);
      assert.equal(codeOf(outcome), code, `${name}, seed ${seed}: ${outcome.stderr}`);
      assert.ok(equal(outcome.stdout, data.subarray(0, outcome.stdout.length)), name);
    }
    // Not only a prefix, but all that came before the damage.
    const late = await decrypt(key, join(frames.slice(0, 5), frames.slice(6)));
    assert.equal(
      late.stdout.length,
      frames.slice(0, 5).reduce((n, { length }) => n + length - 32, 0),
    );

    await expectWarp(0, ["key", "new", "-o", `${dir}/other.key`]);
    const wrong = await decrypt(`${dir}/other.key`, whole);
    assert.deepEqual([wrong.code, codeOf(wrong), wrong.stdout.length], [4, "E_KEY_WRONG", 0]);
    const none = await filter(["decrypt", "--json"], whole, { XDG_CONFIG_HOME: dir });
    assert.deepEqual([none.code, codeOf(none)], [4, "E_KEY_NEEDED"]);
  });
});

// --- live ends

/** Encrypt and decrypt in a row, with both ends in our hands. */
function pipeline(key: string, flags: string[] = []) {
  const sealing = warpCommand(["stream", "encrypt", "--key-file", key, ...flags], {
    stdin: new Uint8Array(),
  }).spawn();
  const opening = warpCommand(["stream", "decrypt", "--key-file", key], {
    stdin: new Uint8Array(),
  }).spawn();
  const between = sealing.stdout.pipeTo(opening.stdin);
  return {
    writer: sealing.stdin.getWriter(),
    reader: opening.stdout.getReader(),
    async end() {
      await between;
      const ends = await Promise.all([sealing, opening].map(async (child) => {
        const [{ success }, stderr] = await Promise.all([
          child.status,
          new Response(child.stderr).text(),
        ]);
        return { success, stderr };
      }));
      for (const { success, stderr } of ends) assert.ok(success, stderr);
      return ends.map(({ stderr }) => stderr);
    },
  };
}

Deno.test("a slow producer: every line comes through at once", async () => {
  await withKey(async (_, key) => {
    const { writer, reader, end } = pipeline(key);
    const times: number[] = [];
    for (let i = 0; i < 20; i++) {
      const line = new TextEncoder().encode(`line ${i}\n`);
      const startedAt = performance.now();
      await writer.write(line);
      const { value } = await reader.read();
      times.push(performance.now() - startedAt);
      assert.deepEqual(value, line);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await writer.close();
    assert.ok((await reader.read()).done);
    await end();
    // The first one waits for both programs to start.
    const median = times.slice(1).sort((a, b) => a - b)[9]!;
    assert.ok(median < 50, `median ${median} ms`);
  });
});

Deno.test("--interval gathers small writes into one frame, and sends it when its time is over", async () => {
  await withKey(async (_, key) => {
    const { writer, reader, end } = pipeline(key, ["--interval", "300ms", "-v"]);
    // Waits until both have started.
    await writer.write(new TextEncoder().encode("x"));
    await reader.read();
    const startedAt = performance.now();
    for (const piece of ["a", "b", "c"]) {
      await writer.write(new TextEncoder().encode(piece));
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const { value } = await reader.read();
    assert.equal(text(value!), "abc");
    const tookMs = performance.now() - startedAt;
    assert.ok(tookMs > 250, `${tookMs} ms`);
    await writer.close();
    assert.ok((await reader.read()).done);
    assert.match((await end())[0]!, /, 3 frames,/);
  });
});

/** High-water mark of a process's memory, in MiB. */
function peakMiB(pid: number): number {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  return Number(/VmHWM:\s*(\d+)/.exec(status)![1]) / 1024;
}

Deno.test(
  "memory does not grow with the stream",
  { ignore: Deno.build.os !== "linux" },
  async () => {
    await withKey(async (_, key) => {
      for (const verb of ["encrypt", "decrypt"]) {
        const piece = new Random(seed).bytes(MiB);
        let stream: Uint8Array[] = [piece];
        if (verb === "decrypt") {
          const { header, frames } = partsOf(
            await encrypt(key, concat(...Array(96).fill(piece))),
          );
          stream = [header, ...frames];
        }
        const rounds = verb === "encrypt" ? 300 : 1;
        const child = warpCommand(["stream", verb, "--key-file", key], { stdin: new Uint8Array() })
          .spawn();
        const received = child.stdout.pipeTo(new WritableStream());
        const writer = child.stdin.getWriter();
        let sent = 0, early = 0;
        for (let round = 0; round < rounds; round++) {
          for (const part of stream) {
            await writer.write(part as Uint8Array<ArrayBuffer>);
            sent += part.length;
            if (sent > 32 * MiB && early === 0) early = peakMiB(child.pid);
          }
        }
        const late = peakMiB(child.pid);
        await writer.close();
        await received;
        const [{ success }, stderr] = await Promise.all([
          child.status,
          new Response(child.stderr).text(),
        ]);
        assert.ok(success, stderr);
        assert.ok(late - early < 24, `${verb}: ${early} MiB, then ${late} MiB`);
      }
    });
  },
);

Deno.test("a slow consumer makes the producer wait, and loses nothing", async () => {
  await withKey(async (_, key) => {
    for (const flags of [[], ["--single-thread"]]) {
      const { writer, reader, end } = pipeline(key, flags);
      const piece = new Random(seed).bytes(MiB / 4);
      let accepted = 0;
      const feeding = (async () => {
        for (let i = 0; i < 120; i++) {
          await writer.write(piece);
          accepted += piece.length;
        }
        await writer.close();
      })();
      let before = -1;
      // Until nothing moves for a while.
      while (before < accepted || accepted === 0) {
        before = accepted;
        await new Promise((resolve) => setTimeout(resolve, 500));
      }
      assert.ok(accepted < 16 * MiB, `${accepted} bytes are on the way`);
      let received = 0;
      for (;;) {
        const { value, done } = await reader.read();
        if (done) break;
        const at = received % piece.length;
        const expected = piece.subarray(at, at + value.length);
        assert.ok(equal(value.subarray(0, expected.length), expected));
        received += value.length;
      }
      await feeding;
      await end();
      assert.equal(received, 120 * piece.length);
    }
  });
});

Deno.test("downstream that closes early: decrypt ends quietly, encrypt says that data was lost", async () => {
  await withKey(async (dir, key) => {
    await sh(`${SHELL}
      head -c 8M /dev/zero | warp stream encrypt --key-file '${key}' > '${dir}/s.wrps'
      set +e; set +o pipefail
      warp stream decrypt --key-file '${key}' < '${dir}/s.wrps' 2> '${dir}/err' | head -c 10 > '${dir}/out'
      [ "\${PIPESTATUS[0]}" = 0 ] && [ ! -s '${dir}/err' ] && [ "$(stat -c %s '${dir}/out')" = 10 ] || exit 1
      head -c 8M /dev/zero | warp stream encrypt --key-file '${key}' 2> '${dir}/err' | head -c 10 > '${dir}/out'
      [ "\${PIPESTATUS[1]}" = 1 ] && grep -q 'reader of stdout has gone' '${dir}/err'`);
  });
});

Deno.test("a reader that goes away ends a stream whose input says nothing more", async () => {
  await withKey(async (_, key) => {
    const args = ["stream", "encrypt", "--json", "--key-file", key];
    const child = warpCommand(args, { stdin: new Uint8Array() }).spawn();
    const reader = child.stdout.getReader();
    await reader.read();
    await reader.cancel();
    const writer = child.stdin.getWriter();
    await writer.write(new Uint8Array(100));
    const { code } = await child.status;
    const stderr = await new Response(child.stderr).text();
    assert.deepEqual([code, codeOf({ code, stderr, stdout: new Uint8Array() })], [
      1,
      "E_PIPE_CLOSED",
    ]);
    await writer.close().catch(() => {});
  });
});

Deno.test("a full disk is told", { ignore: Deno.build.os !== "linux" }, async () => {
  await withKey(async (dir, key) => {
    await sh(`${SHELL}
      head -c 8M /dev/zero | warp stream encrypt --key-file '${key}' > '${dir}/s.wrps'
      set +e
      head -c 8M /dev/zero | warp stream encrypt --json --key-file '${key}' > /dev/full 2> '${dir}/e1'
      warp stream decrypt --json --key-file '${key}' < '${dir}/s.wrps' > /dev/full 2> '${dir}/e2'
      grep -q E_DISK_FULL '${dir}/e1' && grep -q E_DISK_FULL '${dir}/e2'`);
  });
});

Deno.test(
  "SIGINT ends a silent, a busy and a stuck stream with 130",
  { ignore: Deno.build.os === "windows" },
  async () => {
    await withKey(async (_, key) => {
      const cases = [
        ["silent", "encrypt", ""],
        ["silent", "encrypt --single-thread", ""],
        ["silent", "decrypt", ""],
        ["busy", "encrypt", "< /dev/zero > /dev/null"],
        ["busy", "encrypt --single-thread", "< /dev/zero > /dev/null"],
        ["stuck", "encrypt", "< /dev/zero"],
        ["stuck", "encrypt --single-thread", "< /dev/zero"],
      ];
      // One after another: several that are busy at once would only measure each other.
      for (const [name, verb, redirect] of cases) {
        const line = `'${Deno.execPath()}' run -A --quiet '${ROOT}cli.ts' stream ${verb}`;
        // Nobody writes to its stdin, and nobody reads its stdout.
        const child = new Deno.Command("bash", {
          args: ["-c", `exec ${line} --key-file '${key}' ${redirect}`],
          stdin: "piped",
          stdout: "piped",
          stderr: "piped",
        }).spawn();
        await new Promise((resolve) => setTimeout(resolve, 1_500));
        const startedAt = performance.now();
        child.kill("SIGINT");
        const { code } = await child.status;
        const tookMs = performance.now() - startedAt;
        const stderr = await new Response(child.stderr).text();
        await child.stdin.close();
        await child.stdout.cancel();
        assert.equal(code, 130, `${name} ${verb}: ${stderr}`);
        assert.ok(tookMs < 8_000, `${name} ${verb}: ${tookMs} ms`);
      }
    });
  },
);
