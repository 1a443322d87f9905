import assert from "node:assert/strict";
import { concat, utf8 } from "../../../actors/base/bytes.ts";
import type { Entry } from "../../../actors/base/entry.ts";
import type { ErrorCode } from "../../../actors/base/error_codes.ts";
import { isWarpError } from "../../../actors/base/errors.ts";
import { nodeCrypto } from "../../../actors/base/node_crypto.ts";
import { createSigner, formatSigner, parseSigner } from "../../../actors/cipher/signature.ts";
import { certificateBody } from "../../../actors/transfer/certificate.ts";
import { FrameLane } from "../../../actors/transfer/frame_lane.ts";
import { encodeFrame, encodeFrameHead, FRAME } from "../../../actors/transfer/frames.ts";
import {
  type Caps,
  clientProof,
  decodeCaps,
  decodeChallenge,
  encodeCaps,
  encodeChallenge,
  encodeHello,
  encodeProof,
  type SessionRequest,
} from "../../../actors/transfer/handshake.ts";
import { encodePage, ManifestRoot, type Page } from "../../../actors/transfer/manifest.ts";
import { deviceCertificate, TlsDialer, TlsListener } from "../../../actors/transfer/tls_io.ts";
import { loadKernels } from "../../../kernels/load.ts";
import { anyMeta } from "../../support/pages.ts";
import { Random } from "../../support/random.ts";
import { listen, makeMachine } from "../../support/transfer.ts";
import { expectWarp, sh, warp, withTempDir } from "../../support/warp.ts";

// Goal: nothing that a peer sends makes warp write outside its directory, keep what was not announced,
// take much memory, hang for others, or die; strangers get nothing at all.
// Method: the wire protocol by hand, against a real `warp listen` process, and as a lying server against
// real `warp fetch` and `warp send` processes.

const random = new Random(Number(Deno.env.get("WARP_SEED") ?? 20261121));
const { blake3 } = await loadKernels();
const never = new AbortController().signal;
const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** Peak memory of the listener: it holds its runtime, and 32 pages and 8 MiB of runs a session. */
const LISTENER_BYTES_MAX = 400e6;

function idOf(content: Uint8Array): Uint8Array {
  const id = new Uint8Array(32);
  blake3.hash(content, id);
  return id;
}

const entryOf = {
  file: (path: string, length: number, first: number, count = 1): Entry => ({
    type: "file",
    path: utf8(path),
    meta: anyMeta(),
    size: length,
    offset: 0,
    extents: [{ length, source: 0, first, count }],
    inline: null,
  }),
  small: (path: string, content: string): Entry => ({
    type: "file",
    path: utf8(path),
    meta: anyMeta(),
    size: utf8(content).length,
    offset: 0,
    extents: [],
    inline: utf8(content),
  }),
  link: (path: string, target: string): Entry => ({
    type: "symlink",
    path: utf8(path),
    meta: anyMeta({ mode: 0o777 }),
    target: utf8(target),
  }),
  hard: (path: string, first: string): Entry => ({
    type: "hardlink",
    path: utf8(path),
    meta: anyMeta(),
    first: utf8(first),
  }),
  dir: (path: string): Entry => ({ type: "dir", path: utf8(path), meta: anyMeta({ mode: 0o755 }) }),
};

function pageOf(batch: number, entries: Entry[], contents: Uint8Array[] = []): Page {
  return {
    batch,
    entries,
    lengths: Uint32Array.from(contents, ({ length }) => length),
    ids: concat(...contents.map(idOf)),
  };
}

/** A page that announces one file of one chunk. */
const oneFile = (batch: number, path: string, content: Uint8Array) =>
  pageOf(batch, [entryOf.file(path, content.length, 0)], [content]);

async function sendPage(lane: FrameLane, page: Page): Promise<void> {
  await lane.send(FRAME.manifest, encodePage(page));
}

async function sendRun(
  lane: FrameLane,
  batch: number,
  first: number,
  content: Uint8Array,
  codec = 0,
): Promise<void> {
  const place = new Uint8Array(8);
  new DataView(place.buffer).setUint32(0, batch, true);
  new DataView(place.buffer).setUint32(4, first, true);
  await lane.sendRun(FRAME.chunk, codec, place, content);
}

/** Reads until the other side says what went wrong; undefined: it just left. */
async function complaint(lane: FrameLane, withinMs = 8000): Promise<ErrorCode | undefined> {
  const timer = setTimeout(() => lane.close(), withinMs);
  const startedAt = performance.now();
  try {
    for (;;) {
      const head = await lane.head();
      if (head === undefined) return undefined;
      const body = await lane.body(head);
      if (head.type === FRAME.error) return (body as [ErrorCode])[0];
    }
  } catch (error) {
    assert.ok(isWarpError(error, "E_PEER_GONE"), String(error));
    assert.ok(performance.now() - startedAt < withinMs - 100, "it neither answers nor hangs up");
    return undefined;
  } finally {
    clearTimeout(timer);
    lane.close();
  }
}

type Signer = ReturnType<typeof createSigner>;

/** Someone who speaks the protocol, and lies. */
class Attacker {
  constructor(readonly port: number, readonly serverKey: Uint8Array, readonly signer: Signer) {}

  async lane(): Promise<FrameLane> {
    const dialer = new TlsDialer({ host: "127.0.0.1", port: this.port }, this.serverKey);
    return new FrameLane(await dialer.openLane(never));
  }

  proof(nonce: Uint8Array, request: SessionRequest, serverKey = this.serverKey): unknown {
    const signature = this.signer.sign(clientProof(nonce, serverKey, this.signer.publicKey));
    return encodeProof({ signature, ticketMac: null, request });
  }

  async session(request: SessionRequest): Promise<{ lane: FrameLane; caps: Caps }> {
    const lane = await this.lane();
    await lane.send(FRAME.hello, encodeHello(this.signer.publicKey));
    const { nonce } = decodeChallenge(await lane.expect(FRAME.challenge));
    await lane.send(FRAME.proof, this.proof(nonce, request));
    const caps = decodeCaps(await lane.expect(FRAME.caps));
    lane.trust();
    return { lane, caps };
  }

  push(changes: Partial<SessionRequest & { want: "push" }> = {}) {
    const transferId = random.bytes(16);
    return this.session({ want: "push", transferId, isDryRun: false, isForce: false, ...changes });
  }
}

interface Scene {
  dir: string;
  port: number;
  key: Uint8Array;
  /** A device that the listener allows. */
  insider: Attacker;
  stranger: Attacker;
  /** An honest transfer, which must go through promptly. */
  honest(): Promise<void>;
}

async function statusOf(pid: number): Promise<{ now: number; peak: number }> {
  const status = await Deno.readTextFile(`/proc/${pid}/status`);
  const of = (name: string) => 1024 * Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(status)?.[1]);
  return { now: of("VmRSS"), peak: of("VmHWM") };
}

/** Ends with: the listener lives, serves, took little memory, and wrote only where it may. */
async function withListener(use: (scene: Scene) => Promise<void>): Promise<void> {
  await withTempDir(async (dir) => {
    const [a, b] = await Promise.all([makeMachine(`${dir}/a`), makeMachine(`${dir}/b`)]);
    const insider = createSigner(random.bytes(32)), stranger = createSigner(random.bytes(32));
    Deno.mkdirSync(`${dir}/outside`);
    Deno.mkdirSync(`${dir}/in`);
    Deno.symlinkSync(`${dir}/outside`, `${dir}/in/way-out`);
    const allow = ["--allow", a.key, "--allow", formatSigner(insider.publicKey)];
    const server = await listen(b, ["--dir", `${dir}/in`, "--carrier", "tcp", ...allow]);
    const key = parseSigner(b.key);
    let turn = 0;
    const honest = async () => {
      const path = `${dir}/honest${turn++}`;
      Deno.mkdirSync(path);
      Deno.writeFileSync(`${path}/f`, random.bytes(2 << 20));
      const startedAt = performance.now();
      await expectWarp(0, ["send", path, server.address, "--carrier", "tcp"], { env: a.env });
      assert.ok(performance.now() - startedAt < 10_000, "an honest peer waits too long");
      await sh(`cmp '${path}/f' '${dir}/in/${path.split("/").pop()}/f'`);
    };
    const { pid } = server.warp.child;
    try {
      await use({
        dir,
        port: server.port,
        key,
        insider: new Attacker(server.port, key, insider),
        stranger: new Attacker(server.port, key, stranger),
        honest,
      });
      await honest();
      const { peak } = await statusOf(pid);
      assert.ok(peak < LISTENER_BYTES_MAX, `the listener took ${Math.round(peak / 1e6)} MB`);
      if (Deno.env.get("WARP_FIGURES")) {
        console.log(`listener's peak: ${Math.round(peak / 1e6)} MB`);
      }
      assert.deepEqual([...Deno.readDirSync(`${dir}/outside`)], []);
      const there = [...Deno.readDirSync(dir)].map(({ name }) => name)
        .filter((name) => !/^(a|b|in|outside|honest\d+)$/.test(name));
      assert.deepEqual(there, []);
      assert.equal(await server.warp.stop(), 130, await server.warp.stderr);
    } finally {
      await server.warp.stop("SIGKILL");
    }
  });
}

/** What is at `path` under the listener's directory. */
const isThere = (path: string): boolean => {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
};

/** Heads of arrays in arrays, tens of millions of items each: gigabytes, if anybody believed them. */
function nestedArrays(bytes: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length: bytes }, (_, i) => [0xdd, 1, 0xff, 0xff, 0xff][i % 5]!);
}

const framed = (type: typeof FRAME[keyof typeof FRAME], payload: Uint8Array) =>
  concat(encodeFrameHead(type, payload.length), payload);

/** Lanes end in every way there is here, and libc stays loaded. */
const UNTIDY = { sanitizeResources: false };

Deno.test("strangers: malformed frames, claimed gigabytes, false proofs", UNTIDY, async () => {
  await withListener(async ({ key, stranger, insider, honest }) => {
    const hello = encodeFrame(FRAME.hello, encodeHello(stranger.signer.publicKey));
    const beginnings: Uint8Array[] = [
      encodeFrameHead(FRAME.hello, 2 ** 32 - 1),
      encodeFrameHead(FRAME.chunk, 2 ** 32 - 1),
      encodeFrameHead(FRAME.hello, 4097),
      encodeFrameHead(FRAME.join, 4 << 20),
      framed(FRAME.hello, nestedArrays(4000)),
      framed(FRAME.join, nestedArrays(4000)),
      framed(FRAME.hello, new Uint8Array(4096).fill(0x91)),
      framed(FRAME.hello, new Uint8Array()),
      encodeFrame(FRAME.hello, [1]),
      encodeFrame(FRAME.hello, [2, new Uint8Array(32)]),
      encodeFrame(FRAME.hello, [1, new Uint8Array(31)]),
      encodeFrame(FRAME.hello, { 0: 1, 1: 2, length: 2 }),
      encodeFrame(FRAME.proof, []),
      encodeFrame(FRAME.manifest, encodePage(oneFile(0, "x", random.bytes(9)))),
      encodeFrame(FRAME.ping, [1]),
      encodeFrame(FRAME.caps, []),
      Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0),
      Uint8Array.of(1, 0, 1, 0, 0, 0, 0, 0),
      Uint8Array.of(1, 2, 0, 0, 0, 0, 0, 0),
      Uint8Array.of(200, 0, 0, 0, 0, 0, 0, 0),
      utf8("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
      // The right beginning, and then something else than a proof.
      concat(hello, encodeFrame(FRAME.join, [random.bytes(32)])),
      concat(hello, hello),
      concat(hello, framed(FRAME.proof, nestedArrays(4000))),
      concat(hello, encodeFrameHead(FRAME.proof, 2 ** 32 - 1)),
      ...Array.from({ length: 10 }, () => random.bytes(8 + random.int(400))),
    ];
    const seen = await Promise.all(beginnings.map(async (bytes, i) => {
      const lane = await stranger.lane();
      await lane.write(bytes);
      // What is not even as long as it says never comes: its sender hangs up.
      if (i >= beginnings.length - 10) await lane.lane.closeWrite().catch(() => {});
      return await complaint(lane, 12_000);
    }));
    for (const [i, code] of seen.entries()) {
      assert.ok(
        code === undefined || code === "E_PROTOCOL" || code === "E_PEER_REFUSED",
        `case ${i}: ${code}`,
      );
    }
    assert.ok(seen.filter((code) => code === "E_PROTOCOL").length >= 20, seen.join(" "));

    // A session is nobody's who has not proved a key that is allowed.
    const request: SessionRequest = {
      want: "push",
      transferId: random.bytes(16),
      isDryRun: false,
      isForce: false,
    };
    const attempt = async (
      claimed: Uint8Array,
      proofOf: (nonce: Uint8Array) => unknown,
    ): Promise<unknown> => {
      const lane = await stranger.lane();
      await lane.send(FRAME.hello, encodeHello(claimed));
      const { nonce } = decodeChallenge(await lane.expect(FRAME.challenge));
      await lane.send(FRAME.proof, proofOf(nonce));
      return await complaint(lane);
    };
    const own = stranger.signer.publicKey, allowed = insider.signer.publicKey;
    assert.equal(await attempt(own, (nonce) => stranger.proof(nonce, request)), "E_PEER_REFUSED");
    // In somebody else's name.
    assert.equal(
      await attempt(allowed, (nonce) => stranger.proof(nonce, request)),
      "E_PEER_REFUSED",
    );
    // A proof of the right device, but of another connection.
    const before = await insider.lane();
    await before.send(FRAME.hello, encodeHello(allowed));
    const { nonce: old } = decodeChallenge(await before.expect(FRAME.challenge));
    const captured = insider.proof(old, request);
    before.close();
    assert.equal(await attempt(allowed, () => captured), "E_PEER_REFUSED");
    // Of this connection, but made for another server: what one in the middle would pass on.
    const other = createSigner(random.bytes(32)).publicKey;
    assert.equal(
      await attempt(allowed, (nonce) => insider.proof(nonce, request, other)),
      "E_PEER_REFUSED",
    );
    // A key under which anybody can sign.
    const small = new Uint8Array(32);
    small[0] = 1;
    const forged = () =>
      encodeProof({ signature: concat(small, new Uint8Array(32)), ticketMac: null, request });
    assert.equal(await attempt(small, forged), "E_PEER_REFUSED");
    // Tickets: there is none, and guessing one is no better.
    const guessed = (nonce: Uint8Array) => {
      const signature = stranger.signer.sign(clientProof(nonce, key, own));
      return encodeProof({ signature, ticketMac: random.bytes(32), request });
    };
    assert.equal(await attempt(own, guessed), "E_TICKET");
    // A lane of nobody's session.
    const { lane: mine, caps } = await insider.push();
    const lane = await stranger.lane();
    await lane.send(FRAME.join, [random.bytes(32)]);
    assert.equal(await complaint(lane), undefined);
    mine.close();
    // A session that has ended lets nobody in any more.
    await honest();
    const late = await stranger.lane();
    await late.send(FRAME.join, [caps.token]);
    assert.equal(await complaint(late), undefined);
    // Somebody who is allowed may still not do everything.
    for (const want of ["receive", "stream-send", "stream-receive"] as const) {
      const wanted = { want, transferId: random.bytes(16) } as SessionRequest;
      await assert.rejects(insider.session(wanted), { code: "E_PEER_REFUSED" });
    }
    const forced = await insider.push({ isForce: true });
    assert.equal(await complaint(forced.lane), "E_PEER_REFUSED");
    for (
      const path of ["..", "../a", "way-out", "../../../etc/passwd", "/etc", "a\0b", "nothing"]
    ) {
      const { lane } = await insider.session({ want: "fetch", transferId: random.bytes(16), path });
      assert.equal(await complaint(lane), "E_NOT_FOUND", path);
    }
  });
});

/** What an allowed device tries in one session, and how the listener must end it. */
interface Lie {
  name: string;
  codes: (ErrorCode | undefined)[];
  act(lane: FrameLane, attacker: Attacker, caps: Caps, dir: string): Promise<void>;
}

const content = random.bytes(50_000);
const other = random.bytes(50_000);
const wantOf = (lane: FrameLane) => lane.expect(FRAME.want);

const LIES: Lie[] = [
  {
    name: "pages out of order",
    codes: ["E_PROTOCOL"],
    act: (lane) => sendPage(lane, oneFile(1, "order", content)),
  },
  {
    name: "the same page twice",
    codes: ["E_PROTOCOL"],
    act: async (lane) => {
      await sendPage(lane, oneFile(0, "twice", content));
      await sendPage(lane, oneFile(0, "twice", content));
    },
  },
  {
    name: "entries out of order",
    codes: ["E_PROTOCOL"],
    act: (lane) => sendPage(lane, pageOf(0, [entryOf.small("b", "x"), entryOf.small("a", "x")])),
  },
  {
    name: "a page of tens of millions of entries",
    codes: ["E_PROTOCOL"],
    act: (lane) => lane.write(framed(FRAME.manifest, nestedArrays(4 << 20))),
  },
  {
    name: "a page of 4 GiB",
    codes: ["E_PROTOCOL"],
    act: (lane) => lane.write(encodeFrameHead(FRAME.manifest, 2 ** 32 - 1)),
  },
  {
    name: "a run of 4 GiB",
    codes: ["E_PROTOCOL"],
    act: (lane) => lane.write(encodeFrameHead(FRAME.chunk, 2 ** 32 - 1)),
  },
  ...["../out", "/out", "a/../../out", "./out", "a//out", ""].map((path): Lie => ({
    name: `the path "${path}"`,
    codes: ["E_UNSAFE_PATH"],
    act: (lane) => sendPage(lane, pageOf(0, [entryOf.small(path, "out")])),
  })),
  {
    name: "a hard link to what is outside",
    codes: ["E_INTEGRITY", "E_UNSAFE_PATH"],
    act: (lane) => sendPage(lane, pageOf(0, [entryOf.hard("hard", "../outside")])),
  },
  {
    name: "chunks that were never announced",
    codes: ["E_PROTOCOL"],
    act: (lane) => sendRun(lane, 0, 0, content),
  },
  {
    name: "chunks of a page that is not open",
    codes: ["E_PROTOCOL"],
    act: async (lane) => {
      await sendPage(lane, oneFile(0, "closed", content));
      await wantOf(lane);
      await sendRun(lane, 7, 0, content);
    },
  },
  {
    name: "a chunk twice",
    codes: ["E_PROTOCOL"],
    act: async (lane) => {
      await sendPage(
        lane,
        pageOf(0, [entryOf.file("double", 100_000, 0, 2)], [content, other]),
      );
      await wantOf(lane);
      await sendRun(lane, 0, 0, content);
      await sendRun(lane, 0, 0, content);
    },
  },
  {
    name: "content that is not what was announced",
    codes: ["E_INTEGRITY"],
    act: async (lane) => {
      await sendPage(lane, oneFile(0, "lie", content));
      await wantOf(lane);
      await sendRun(lane, 0, 0, other);
    },
  },
  {
    name: "less content than was announced",
    codes: ["E_PROTOCOL"],
    act: async (lane) => {
      await sendPage(lane, oneFile(0, "less", content));
      await wantOf(lane);
      await sendRun(lane, 0, 0, content.subarray(1));
    },
  },
  {
    name: "more content than was announced",
    codes: ["E_PROTOCOL"],
    act: async (lane) => {
      await sendPage(lane, oneFile(0, "more", content));
      await wantOf(lane);
      await sendRun(lane, 0, 0, concat(content, Uint8Array.of(0)));
    },
  },
  ...([[1, 0xffffffff], [1, 50_000], [2, 50_000]] as const).map(([codec, size]): Lie => ({
    name: `compressed content (${codec}) that unpacks to ${size} bytes, or so it says`,
    codes: ["E_PROTOCOL"],
    act: async (lane) => {
      await sendPage(lane, oneFile(0, "packed", content));
      await wantOf(lane);
      const packed = random.bytes(200);
      new DataView(packed.buffer).setUint32(0, size, true);
      await sendRun(lane, 0, 0, packed, codec);
    },
  })),
  {
    name: "more pages than the window",
    codes: ["E_PROTOCOL"],
    act: async (lane, _, { window }) => {
      for (let batch = 0; batch <= window; batch++) {
        const name = `window${String(batch).padStart(4, "0")}`;
        await sendPage(lane, oneFile(batch, name, random.bytes(100)));
      }
    },
  },
  {
    name: "another root than that of the pages",
    codes: ["E_INTEGRITY"],
    act: async (lane) => {
      await sendPage(lane, pageOf(0, [entryOf.small("root", "x")]));
      await wantOf(lane);
      await lane.send(FRAME.done, [1, random.bytes(32), 1, 1]);
    },
  },
  {
    name: "fewer pages than were sent",
    codes: ["E_PROTOCOL"],
    act: async (lane) => {
      await sendPage(lane, pageOf(0, [entryOf.small("fewer", "x")]));
      await wantOf(lane);
      await lane.send(FRAME.done, [0, random.bytes(32), 1, 1]);
    },
  },
  {
    name: "pages after the end",
    codes: ["E_PROTOCOL"],
    act: async (lane) => {
      await lane.send(FRAME.done, [9, random.bytes(32), 1, 1]);
      await sendPage(lane, oneFile(0, "after", content));
    },
  },
  {
    name: "a receipt that is not signed",
    codes: ["E_SIGNATURE"],
    act: async (lane) => {
      const page = pageOf(0, [entryOf.small("receipt", "x")]);
      const root = new ManifestRoot(nodeCrypto().createHash("sha256"));
      root.add(page);
      await sendPage(lane, page);
      await wantOf(lane);
      await lane.send(FRAME.done, [1, root.digest(), 1, 1]);
      await lane.expect(FRAME.stored);
      await lane.expect(FRAME.verify);
      await lane.send(FRAME.receipt, [random.bytes(64)]);
    },
  },
  {
    name: "pages on a lane that only carries content",
    codes: ["E_PROTOCOL"],
    act: async (_, attacker, caps) => {
      const more = await attacker.lane();
      await more.send(FRAME.join, [caps.token]);
      await sendPage(more, oneFile(0, "wrong-lane", content));
    },
  },
  {
    name: "frames that only a server sends",
    codes: ["E_PROTOCOL"],
    act: (lane) => lane.send(FRAME.want, [0, new Uint8Array(1)]),
  },
  {
    name: "a file through a link of the same page",
    codes: ["E_EXISTS", "E_UNSAFE_PATH", undefined],
    act: async (lane, _, __, dir) => {
      const entries = [
        entryOf.link("s1", `${dir}/outside`),
        entryOf.file("s1/planted", content.length, 0),
      ];
      await sendPage(lane, pageOf(0, entries, [content]));
      await wantOf(lane);
      await sendRun(lane, 0, 0, content);
      await lane.send(FRAME.done, [1, random.bytes(32), 1, 1]);
    },
  },
  {
    name: "small files, directories and links through a link of an earlier page",
    codes: ["E_EXISTS", "E_UNSAFE_PATH", "E_INTEGRITY"],
    act: async (lane, _, __, dir) => {
      await sendPage(lane, pageOf(0, [entryOf.link("s2", "../outside")]));
      await sendPage(lane, pageOf(1, [entryOf.small("s2/planted", "x")]));
      await sendPage(lane, pageOf(2, [entryOf.dir("s2/planted-dir")]));
      await sendPage(lane, pageOf(3, [entryOf.link("s2/planted-link", "/etc/passwd")]));
      await sendPage(lane, pageOf(4, [entryOf.small("way-out/planted", dir)]));
      await lane.send(FRAME.done, [5, random.bytes(32), 1, 1]);
    },
  },
];

Deno.test(
  "an allowed device that lies: each session ends with the right error, and nothing is left",
  UNTIDY,
  async () => {
    await withListener(async ({ dir, insider }) => {
      const run = async ({ name, codes, act }: Lie) => {
        const { lane, caps } = await insider.push();
        await act(lane, insider, caps, dir).catch((error) => {
          // It may hang up, or complain, while we still talk.
          assert.ok(
            isWarpError(error, "E_PEER_GONE") || isWarpError(error) && codes.includes(error.code),
            `${name}: ${error}`,
          );
          if (!isWarpError(error, "E_PEER_GONE")) lane.close();
        });
        let code: ErrorCode | undefined;
        try {
          code = await complaint(lane);
        } catch (error) {
          throw new Error(`${name}: ${error}`);
        }
        assert.ok(codes.includes(code) || code === undefined, `${name}: ${code}`);
        return code !== undefined || codes.includes(undefined);
      };
      let told = 0;
      for (let i = 0; i < LIES.length; i += 8) {
        const answers = await Promise.all(LIES.slice(i, i + 8).map(run));
        told += answers.filter(Boolean).length;
      }
      assert.ok(told >= LIES.length - 4, `only ${told} of ${LIES.length} were told what is wrong`);
      // Files of lies never got a name.
      for (const name of ["lie", "less", "more", "packed", "closed", "order", "out", "double"]) {
        assert.ok(!isThere(`${dir}/in/${name}`), name);
      }
      assert.ok(!isThere(`${dir}/out`));
    });
  },
);

Deno.test("slow and silent connections by the hundred keep nobody else out", UNTIDY, async () => {
  await withListener(async ({ port, stranger, honest }) => {
    const connect = () => Deno.connect({ hostname: "127.0.0.1", port });
    const silent: Deno.TcpConn[] = [];
    for (let i = 0; i < 1000; i += 50) {
      silent.push(...await Promise.all(Array.from({ length: 50 }, connect)));
    }
    // Half a TLS hello and no more.
    for (const conn of silent.slice(0, 300)) {
      await conn.write(Uint8Array.of(0x16, 3, 1, 2, 0, 1)).catch(() => {});
    }
    const startedAt = performance.now();
    const hello = encodeFrame(FRAME.hello, encodeHello(stranger.signer.publicKey));
    const slow = Array.from({ length: 20 }, async () => {
      const lane = await stranger.lane();
      try {
        for (const byte of hello) {
          await lane.write(Uint8Array.of(byte));
          await sleep(1000);
        }
        return Infinity;
      } catch {
        return performance.now() - startedAt;
      } finally {
        lane.close();
      }
    });
    await honest();
    // A byte a second is no reason to wait longer than for anybody else.
    for (const ms of await Promise.all(slow)) assert.ok(ms < 20_000, `held for ${ms} ms`);
    await honest();
    for (const conn of silent) conn.close();
  });
});

/** Answers one lane as a server, with the right key and whatever comes after. */
async function asServer(
  lane: FrameLane,
  lie: (name: string, lane: FrameLane) => Promise<void>,
  capsOf: (name: string) => Partial<Caps>,
): Promise<void> {
  const head = await lane.head();
  if (head === undefined || head.type !== FRAME.hello) return lane.close();
  await lane.body(head);
  await lane.send(FRAME.challenge, encodeChallenge(random.bytes(32)));
  const [, , request] = await lane.expect(FRAME.proof) as [unknown, unknown, unknown[]];
  const name = typeof request[2] === "string" ? request[2] : "";
  const caps = {
    token: random.bytes(32),
    lanesMax: 4,
    window: 32,
    program: "warp",
    ...capsOf(name),
  };
  await lane.send(FRAME.caps, encodeCaps(caps));
  lane.trust();
  await lie(name, lane);
  // Until the client has gone.
  while (await lane.head() !== undefined) { /* nothing of it matters */ }
}

/** A server of its own that lies; the client dials its address. */
async function withLyingServer(
  lie: (name: string, lane: FrameLane) => Promise<void>,
  capsOf: (name: string) => Partial<Caps>,
  use: (address: string) => Promise<void>,
): Promise<void> {
  const seed = random.bytes(32);
  const signer = createSigner(seed);
  const { publicKey } = signer;
  const body = certificateBody(publicKey);
  const own = deviceCertificate(publicKey, seed, (message) => signer.sign(message), body);
  const listener = TlsListener.open("127.0.0.1", 0, own);
  const lanes: FrameLane[] = [];
  const accepting = (async () => {
    for (;;) {
      const lane = new FrameLane(await listener.accept());
      lanes.push(lane);
      asServer(lane, lie, capsOf).catch(() => {}).finally(() => lane.close());
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

Deno.test(
  "a server that lies to `warp fetch`: typed errors, and nothing is left",
  UNTIDY,
  async () => {
    await withTempDir(async (dir) => {
      const a = await makeMachine(`${dir}/a`);
      Deno.mkdirSync(`${dir}/outside`);
      const escape = "\x1b[2J\x1b]0;owned\x07 \u{202e}";
      /** By the path that is fetched: what the server does, and the exit code and error expected. */
      const lies: Record<string, [(lane: FrameLane) => Promise<void>, number]> = {
        dots: [(lane) => sendPage(lane, pageOf(0, [entryOf.small("../planted", "x")])), 5],
        root: [(lane) => sendPage(lane, pageOf(0, [entryOf.small("/planted", "x")])), 5],
        link: [async (lane) => {
          const entries = [
            entryOf.link("link", `${dir}/outside`),
            entryOf.small("link/planted", "x"),
          ];
          await sendPage(lane, pageOf(0, entries));
          await lane.send(FRAME.done, [1, random.bytes(32), 1, 1]);
        }, 5],
        other: [(lane) => sendPage(lane, pageOf(0, [entryOf.small(".bashrc", "x")])), 5],
        lie: [async (lane) => {
          await sendPage(lane, oneFile(0, "lie", content));
          await sendRun(lane, 0, 0, other);
        }, 5],
        unasked: [(lane) => sendRun(lane, 3, 0, content), 6],
        huge: [(lane) => lane.write(encodeFrameHead(FRAME.manifest, 2 ** 32 - 1)), 6],
        nested: [(lane) => lane.write(framed(FRAME.manifest, nestedArrays(1 << 20))), 6],
        window: [async (lane) => {
          for (let batch = 0; batch < 40; batch++) {
            await sendPage(lane, oneFile(batch, `window/w${100 + batch}`, random.bytes(100)));
          }
        }, 6],
        credit: [() => Promise.resolve(), 6],
        escape: [(lane) => lane.send(FRAME.error, ["E_BUSY-", escape]), 6],
        known: [(lane) => lane.send(FRAME.error, ["E_ACCESS", escape]), 1],
        turn: [(lane) => lane.send(FRAME.challenge, [1, random.bytes(32)]), 6],
      };
      const capsOf = (name: string): Partial<Caps> => name === "credit" ? { window: 4096 } : {};
      await withLyingServer(
        async (name, lane) => await lies[name]![0](lane),
        capsOf,
        async (address) => {
          const names = Object.keys(lies);
          const next = async (): Promise<void> => {
            for (let name = names.shift(); name !== undefined; name = names.shift()) {
              const out = `${dir}/out/${name}`;
              const args = ["fetch", `${address}/${name}`, out, "--carrier", "tcp", "--retry", "0"];
              const { code, stderr } = await warp(args, { env: a.env });
              assert.equal(code, lies[name]![1], `${name}: ${stderr}`);
              assert.match(stderr, /^warp: error: /m, name);
              assert.doesNotMatch(stderr, /\n {4}at /, `${name}: a stack is shown`);
              assert.doesNotMatch(
                stderr,
                /[^\P{Cc}\n]|\u{202e}/u,
                `${name}: reaches the terminal`,
              );
              const left = isThere(out) ? [...Deno.readDirSync(out)].map(({ name }) => name) : [];
              // The link itself may be made, and a directory for what did not come.
              const visible = left.filter((entry) =>
                !entry.startsWith(".warp-") && entry !== "link" && entry !== "window"
              );
              assert.deepEqual(visible, [], name);
            }
          };
          await Promise.all([next(), next()]);
        },
      );
      assert.deepEqual([...Deno.readDirSync(`${dir}/outside`)], []);
      assert.ok(
        !isThere(`${dir}/planted`) && !isThere(`${dir}/out/planted`) && !isThere("/planted"),
      );
    });
  },
);

Deno.test("a receiver that lies to `warp send`: typed errors, and no receipt", UNTIDY, async () => {
  await withTempDir(async (dir) => {
    const a = await makeMachine(`${dir}/a`);
    Deno.writeFileSync(`${dir}/file`, random.bytes(300_000));
    /** Settles all pages; gives the fields of the sender's last word. */
    const settle = async (lane: FrameLane): Promise<unknown[]> => {
      for (;;) {
        const head = await lane.head();
        if (head === undefined) throw new Error("the sender left");
        const body = await lane.body(head).catch(() => null) as unknown[];
        if (head.type === FRAME.done) return body;
        if (head.type !== FRAME.manifest) continue;
        const bits = new Uint8Array(Math.ceil((body[2] as unknown[]).length / 8));
        await lane.send(FRAME.want, [body[0], bits]);
        await lane.send(FRAME.stored, [body[0]]);
      }
    };
    const verified = async (lane: FrameLane, changes: Record<number, unknown>) => {
      const [, root, files, bytes] = await settle(lane);
      const verify = [root, files, bytes, 1_900_000_000, random.bytes(64), 0];
      await lane.send(FRAME.verify, verify.map((value, i) => i in changes ? changes[i] : value));
    };
    const lies: [string, number, (lane: FrameLane) => Promise<void>][] = [
      ["another root", 5, (lane) => verified(lane, { 0: random.bytes(32) })],
      ["more files", 5, (lane) => verified(lane, { 1: 2 })],
      ["a time that no receipt can say", 6, (lane) => verified(lane, { 3: 2 ** 53 - 1 })],
      ["half a signature", 6, (lane) => verified(lane, { 4: new Uint8Array(32) })],
      ["a forged signature", 4, (lane) => verified(lane, {})],
      ["no signature", 4, (lane) => verified(lane, { 4: new Uint8Array(64) })],
      [
        "a page that was never offered",
        6,
        (lane) => lane.send(FRAME.want, [99, new Uint8Array(1)]),
      ],
      ["a page settled twice", 6, async (lane) => {
        await settle(lane);
        await lane.send(FRAME.stored, [0]);
      }],
      ["gigabytes", 6, (lane) => lane.write(encodeFrameHead(FRAME.want, 2 ** 32 - 1))],
    ];
    let current = lies[0]!;
    await withLyingServer(
      async (_, lane) => await current[2](lane),
      () => ({}),
      async (address) => {
        for (const lie of lies) {
          current = lie;
          const args = [
            "send",
            `${dir}/file`,
            address,
            "--carrier",
            "tcp",
            "--retry",
            "0",
            "--json",
          ];
          const { code, stderr, stdout } = await warp(args, { env: a.env });
          assert.equal(code, lie[1], `${lie[0]}: ${stderr}`);
          assert.doesNotMatch(new TextDecoder().decode(stdout), /"sent"/, lie[0]);
        }
      },
    );
    const receipts = `${a.env["XDG_STATE_HOME"]}/warp/receipts`;
    assert.ok(!isThere(receipts) || [...Deno.readDirSync(receipts)].length === 0);
  });
});
