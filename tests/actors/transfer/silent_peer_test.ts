import assert from "node:assert/strict";
import { createSigner, formatSigner } from "../../../actors/cipher/signature.ts";
import { certificateBody } from "../../../actors/transfer/certificate.ts";
import { FrameLane } from "../../../actors/transfer/frame_lane.ts";
import { ALIVE_FRAME, FRAME } from "../../../actors/transfer/frames.ts";
import { encodeCaps, encodeChallenge } from "../../../actors/transfer/handshake.ts";
import { deviceCertificate, TlsDialer, TlsListener } from "../../../actors/transfer/tls_io.ts";
import { Random } from "../../support/random.ts";
import { makeMachine } from "../../support/transfer.ts";
import { warp, withTempDir } from "../../support/warp.ts";

// Goal: nobody is waited for who says nothing, at whatever point; whoever only works long is waited for;
// and warp itself shows life while it has nothing to say. And: sockets of peers that have proved who they
// are send with BBR, those of strangers are left alone.
// Method: a server written by hand, against real `warp` processes that wait for two seconds.

const random = new Random(Number(Deno.env.get("WARP_SEED") ?? 20261121));
const LIMIT_MS = 2000;
const UNTIDY = { sanitizeOps: false, sanitizeResources: false };

function ownCertificate() {
  const seed = random.bytes(32);
  const signer = createSigner(seed);
  const body = certificateBody(signer.publicKey);
  const own = deviceCertificate(signer.publicKey, seed, (bytes) => signer.sign(bytes), body);
  return { publicKey: signer.publicKey, own };
}

/** A server that does what `behave` says with each lane, under its own key. */
async function withServer(
  behave: (lane: FrameLane) => Promise<void>,
  use: (address: string) => Promise<void>,
): Promise<void> {
  const { publicKey, own } = ownCertificate();
  const listener = TlsListener.open("127.0.0.1", 0, own);
  const lanes: FrameLane[] = [];
  const accepting = (async () => {
    for (;;) {
      const lane = new FrameLane(await listener.accept());
      lanes.push(lane);
      behave(lane).catch(() => lane.close());
    }
  })().catch(() => {});
  try {
    await use(`127.0.0.1:${listener.port}#${formatSigner(publicKey)}`);
  } finally {
    listener.close();
    for (const lane of lanes) lane.close();
    await accepting;
  }
}

/** The beginning of a session, as a server. */
async function admit(lane: FrameLane): Promise<void> {
  await lane.expect(FRAME.hello);
  await lane.send(FRAME.challenge, encodeChallenge(random.bytes(32)));
  await lane.expect(FRAME.proof);
  const caps = { token: random.bytes(32), lanesMax: 1, window: 32, program: "warp" };
  await lane.send(FRAME.caps, encodeCaps(caps));
}

const never = new Promise<never>(() => {});

Deno.test("a peer that falls silent is given up at every point, by name", UNTIDY, async () => {
  await withTempDir(async (dir) => {
    const a = await makeMachine(`${dir}/a`);
    Deno.writeFileSync(`${dir}/file`, random.bytes(300_000));
    const env = { ...a.env, WARP_PEER_TIMEOUT_MS: `${LIMIT_MS}` };
    const tail = ["--carrier", "tcp", "--retry", "0", "--json"];
    const points: [string, (lane: FrameLane) => Promise<void>][] = [
      ["after HELLO", async (lane) => void await lane.head()],
      ["after PROOF", async (lane) => {
        await lane.expect(FRAME.hello);
        await lane.send(FRAME.challenge, encodeChallenge(random.bytes(32)));
      }],
      ["after CAPS", admit],
      ["in the middle of a frame", async (lane) => {
        await admit(lane);
        await lane.write(Uint8Array.of(FRAME.want, 0, 0, 0, 200, 0, 0, 0, 1, 2, 3));
      }],
    ];
    for (const [name, act] of points) {
      await withServer(
        async (lane) => {
          await act(lane);
          await never;
        },
        async (address) => {
          const commands = [["send", `${dir}/file`, address], ["fetch", `${address}/x`, dir]];
          await Promise.all(commands.map(async (command) => {
            const { code, stderr } = await warp([...command, ...tail], { env });
            assert.equal(code, 6, `${name}: ${stderr}`);
            const error = JSON.parse(stderr.trim().split("\n").at(-1)!);
            assert.equal(error.code, "E_PEER_GONE", name);
            assert.match(error.hint, /warp resume/, name);
          }));
        },
      );
    }
    // Not even a TLS handshake.
    const mute = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const held: Deno.Conn[] = [];
    const accepting = (async () => {
      for await (const conn of mute) held.push(conn);
    })().catch(() => {});
    const { publicKey } = ownCertificate();
    const address = `127.0.0.1:${mute.addr.port}#${formatSigner(publicKey)}`;
    const { code, stderr } = await warp(["send", `${dir}/file`, address, ...tail], { env });
    assert.equal(code, 6, stderr);
    for (const conn of held) conn.close();
    mute.close();
    await accepting;
  });
});

Deno.test("a peer that works long is waited for, and hears that we are there", UNTIDY, async () => {
  await withTempDir(async (dir) => {
    const a = await makeMachine(`${dir}/a`);
    Deno.writeFileSync(`${dir}/file`, random.bytes(300_000));
    const env = { ...a.env, WARP_PEER_TIMEOUT_MS: `${LIMIT_MS}` };
    let signsOfLife = 0;
    await withServer(
      async (lane) => {
        await admit(lane);
        let batch = 0;
        // This lane trusts nobody, so it shows the frames that are skipped otherwise.
        for (let seen = 0; seen < 2;) {
          const head = (await lane.head())!;
          const body = await lane.body(head);
          if (head.type === FRAME.total) continue;
          assert.ok(head.type === FRAME.manifest || head.type === FRAME.done);
          if (head.type === FRAME.manifest) batch = (body as number[])[0]!;
          seen++;
        }
        // Everything is said, and it is our turn: several times the limit goes by.
        for (let i = 0; i < 12; i++) {
          await lane.write(ALIVE_FRAME);
          await new Promise((resolve) => setTimeout(resolve, LIMIT_MS / 4));
        }
        await lane.send(FRAME.want, [batch + 1, new Uint8Array(1)]);
        for (let head = await lane.head(); head !== undefined; head = await lane.head()) {
          await lane.body(head);
          if (head.type === FRAME.alive) signsOfLife++;
        }
      },
      async (address) => {
        const args = ["send", `${dir}/file`, address, "--carrier", "tcp", "--retry", "0"];
        const { code, stderr } = await warp(args, { env });
        // It heard the lie that came after the silence.
        assert.match(stderr, /asked for twice/);
        assert.equal(code, 6);
      },
    );
    assert.ok(signsOfLife >= 2, `${signsOfLife}`);
  });
});

const LIBC = {
  getsockopt: { parameters: ["i32", "i32", "i32", "buffer", "buffer"], result: "i32" },
  setsockopt: { parameters: ["i32", "i32", "i32", "buffer", "u32"], result: "i32" },
  getsockname: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
} as const;

/** Whether this machine lets us use BBR. */
function mayUseBbr(): boolean {
  try {
    const path = "/proc/sys/net/ipv4/tcp_available_congestion_control";
    if (Deno.readTextFileSync(path).split(/\s+/).includes("bbr")) return true;
  } catch {
    // Not Linux.
  }
  console.log("SKIP: this kernel offers no BBR");
  return false;
}

Deno.test("an accepted socket sends with BBR once its peer is trusted", UNTIDY, async () => {
  if (!mayUseBbr()) return;
  const libc = Deno.dlopen("libc.so.6", LIBC);
  /** Descriptors bound to `port`. */
  const boundTo = (port: number): number[] =>
    [...Deno.readDirSync("/proc/self/fd")].map(({ name }) => Number(name)).filter((fd) => {
      const address = new Uint8Array(128);
      const length = new Uint8Array(Uint32Array.of(128).buffer);
      if (libc.symbols.getsockname(fd, address, length) !== 0) return false;
      return (address[2]! << 8 | address[3]!) === port;
    });
  const controlOf = (fd: number): string => {
    const value = new Uint8Array(16);
    libc.symbols.getsockopt(fd, 6, 13, value, new Uint8Array(Uint32Array.of(16).buffer));
    return new TextDecoder().decode(value).replace(/\0.*$/, "");
  };
  const { publicKey, own } = ownCertificate();
  const listener = TlsListener.open("127.0.0.1", 0, own);
  // Where BBR is the default, what is accepted would have it anyway.
  const [listening] = boundTo(listener.port);
  assert.equal(libc.symbols.setsockopt(listening!, 6, 13, new TextEncoder().encode("reno"), 4), 0);
  const signal = new AbortController().signal;
  const dialer = new TlsDialer({ host: "127.0.0.1", port: listener.port }, publicKey);
  const pairs = [];
  for (let i = 0; i < 2; i++) {
    const accepted = listener.accept();
    const dialled = dialer.openLane(signal);
    const far = new FrameLane(await accepted);
    const first = far.head();
    const near = new FrameLane(await dialled);
    await near.send(FRAME.hello, []);
    await first;
    pairs.push({ near, far });
  }
  const accepted = boundTo(listener.port).filter((fd) => fd !== listening);
  assert.deepEqual(accepted.map(controlOf), ["reno", "reno"]);
  pairs[1]!.far.trust();
  assert.deepEqual(accepted.map(controlOf).sort(), ["bbr", "reno"], "the trusted one, no other");
  for (const { near, far } of pairs) {
    near.close();
    far.close();
  }
  listener.close();
  libc.close();
});
