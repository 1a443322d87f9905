import assert from "node:assert/strict";
import { encode } from "@std/msgpack";
import fc from "fast-check";
import { isWarpError } from "../../../actors/base/errors.ts";
import { isSoundMessage } from "../../../actors/base/message_shape.ts";
import { createSigner, formatSigner } from "../../../actors/cipher/signature.ts";
import {
  CHUNK_HEAD_BYTES,
  CONTROL_BYTES_MAX,
  decodeBody,
  decodeFrameHead,
  encodeFrame,
  encodeFrameHead,
  FRAME,
  FRAME_HEAD_BYTES,
  type FrameType,
  HANDSHAKE_BYTES_MAX,
  RUN_BYTES_MAX,
} from "../../../actors/transfer/frames.ts";
import {
  decodeCaps,
  decodeChallenge,
  decodeHello,
  decodeProof,
  encodeCaps,
  encodeChallenge,
  encodeHello,
  encodeProof,
  type SessionRequest,
} from "../../../actors/transfer/handshake.ts";
import { decodePage, encodePage } from "../../../actors/transfer/manifest.ts";
import {
  formatPeerAddress,
  parseEndpoint,
  parsePeerAddress,
} from "../../../actors/transfer/peer_address.ts";
import { sha256 } from "../../../actors/transfer/peers_io.ts";
import { formatReceipt, parseReceipt, receiptMessage } from "../../../actors/transfer/receipt.ts";
import { formatTicket, parseTicket, type Ticket } from "../../../actors/transfer/ticket.ts";
import { damageBlindly } from "../../support/mutate.ts";
import { arbItems, paginate } from "../../support/pages.ts";
import { Random } from "../../support/random.ts";

// Goal: whatever a peer or a user sends, every decoder of the protocol ends with a value or a
// WarpError, in bounded time and memory; and what is encoded is decoded as it was.
// Method: round trips of generated values, arbitrary MessagePack, random bytes, and mutants of good
// messages. WARP_SEED replays, WARP_FUZZ sets the number of mutants.

const seed = Number(Deno.env.get("WARP_SEED") ?? 20261121);
const MUTANTS = Number(Deno.env.get("WARP_FUZZ") ?? 20_000);
const options = { seed, numRuns: 300 };

const bytesOf = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const arbKey = fc.uint8Array({ min: 1, minLength: 32, maxLength: 32 })
  .map((seed) => createSigner(seed).publicKey);
const plain = (value: Uint8Array) => new Uint8Array(value);

const arbRequest: fc.Arbitrary<SessionRequest> = fc.oneof(
  fc.record({
    want: fc.constant("push" as const),
    transferId: bytesOf(16),
    isDryRun: fc.boolean(),
    isForce: fc.boolean(),
  }),
  fc.record({ want: fc.constant("receive" as const), transferId: bytesOf(16) }),
  fc.record({
    want: fc.constant("fetch" as const),
    transferId: bytesOf(16),
    path: fc.string({ unit: "grapheme", maxLength: 300 }),
  }),
  fc.record({ want: fc.constantFrom("probe", "stream-send", "stream-receive") }),
) as fc.Arbitrary<SessionRequest>;

const arbProof = fc.record({
  signature: bytesOf(64),
  ticketMac: fc.option(bytesOf(32)),
  request: arbRequest,
});

const arbCaps = fc.record({
  token: bytesOf(32),
  lanesMax: fc.nat(16),
  window: fc.integer({ min: 1, max: 32 }),
  program: fc.string({ maxLength: 64 }),
});

const arbHost = fc.oneof(
  fc.ipV4(),
  fc.ipV6().filter((host) => !host.includes(".")),
  fc.domain().filter((host) => host.length < 200),
);
const arbEndpoint = fc.record({ host: arbHost, port: fc.integer({ min: 1, max: 65535 }) });

const arbTicket: fc.Arbitrary<Ticket> = fc.record({
  purpose: fc.constantFrom("receive", "push", "stream-receive", "stream-send"),
  expires: fc.integer({ min: 1_577_836_800, max: 1_577_836_800 + 2 ** 32 - 1 }),
  key: arbKey,
  secret: bytesOf(16).map(plain),
  endpoints: fc.array(arbEndpoint, { maxLength: 3 }),
}) as fc.Arbitrary<Ticket>;

/** What one says of an address whichever way it is written. */
function canonical(host: string): string {
  if (!host.includes(":")) return host;
  return new URL(`http://[${host}]/`).hostname;
}

/** @returns whether it was a value */
function survives(decode: () => unknown, what: string): boolean {
  try {
    decode();
    return true;
  } catch (error) {
    assert.ok(isWarpError(error), `${what}: ${error instanceof Error ? error.stack : error}`);
    assert.notEqual(error.code, "E_INTERNAL", what);
    return false;
  }
}

const throughWire = (body: unknown) => decodeBody(encode(body));

Deno.test("what the handshake encodes is decoded as it was", () => {
  fc.assert(
    fc.property(arbKey, bytesOf(32), arbProof, arbCaps, (key, nonce, proof, caps) => {
      assert.deepEqual(decodeHello(throughWire(encodeHello(key))), { version: 1, key });
      const challenge = decodeChallenge(throughWire(encodeChallenge(nonce)));
      assert.deepEqual(challenge, { version: 1, nonce: plain(nonce) });
      assert.deepEqual(
        encode(encodeProof(decodeProof(throughWire(encodeProof(proof))))),
        encode(encodeProof(proof)),
      );
      assert.deepEqual(
        encode(encodeCaps(decodeCaps(throughWire(encodeCaps(caps))))),
        encode(encodeCaps(caps)),
      );
    }),
    options,
  );
});

Deno.test("frames and pages are decoded as they were", () => {
  fc.assert(
    fc.property(arbItems, fc.nat(), (items, cut) => {
      for (const page of paginate(items, new Random(cut))) {
        const frame = encodeFrame(FRAME.manifest, encodePage(page));
        const head = decodeFrameHead(frame.subarray(0, FRAME_HEAD_BYTES), CONTROL_BYTES_MAX);
        assert.deepEqual(head, {
          type: FRAME.manifest,
          codec: 0,
          length: frame.length - FRAME_HEAD_BYTES,
        });
        const decoded = decodePage(decodeBody(frame.subarray(FRAME_HEAD_BYTES)));
        assert.deepEqual(encode(encodePage(decoded)), frame.subarray(FRAME_HEAD_BYTES));
        assert.equal(decoded.entries.length, page.entries.length);
      }
    }),
    options,
  );
});

Deno.test("a frame's head never allows more than the limit, and no codec but on content", () => {
  const runs: number[] = [FRAME.chunk, FRAME.sample, FRAME.piece];
  fc.assert(
    fc.property(
      bytesOf(8),
      fc.constantFrom(HANDSHAKE_BYTES_MAX, CONTROL_BYTES_MAX),
      (bytes, max) => {
        for (
          const head of [
            bytes,
            Uint8Array.of(1 + bytes[0]! % 19, bytes[1]! % 3, 0, 0, ...bytes.subarray(4)),
          ]
        ) {
          survives(() => {
            const { type, codec, length } = decodeFrameHead(head, max);
            const isRun = runs.includes(type);
            assert.ok(length <= max);
            assert.ok(codec === 0 || isRun);
            assert.ok(!isRun || length <= RUN_BYTES_MAX + CHUNK_HEAD_BYTES + 4);
          }, "head");
        }
      },
    ),
    { ...options, numRuns: 3000 },
  );
  for (const type of Object.values(FRAME) as FrameType[]) {
    const head = encodeFrameHead(type, 2 ** 32 - 1);
    assert.throws(() => decodeFrameHead(head, CONTROL_BYTES_MAX), { code: "E_PROTOCOL" });
    assert.equal(decodeFrameHead(encodeFrameHead(type, 100), HANDSHAKE_BYTES_MAX).length, 100);
  }
});

Deno.test("what MessagePack encodes has a sound shape; what claims more than it holds has not", () => {
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof(
      { depthSize: "small", withCrossShrink: true },
      fc.maxSafeInteger(),
      fc.double(),
      fc.boolean(),
      fc.constant(null),
      fc.string({ maxLength: 300 }),
      fc.uint8Array({ maxLength: 300 }),
      fc.array(tie("value"), { maxLength: 20 }),
      fc.dictionary(fc.string().filter((key) => key !== "__proto__"), tie("value"), {
        maxKeys: 20,
        noNullPrototype: true,
      }),
    ),
  }));
  fc.assert(
    fc.property(value, fc.nat(), (value, at) => {
      const bytes = encode(value, { maxDepth: 500 });
      assert.ok(isSoundMessage(bytes, 500));
      // Cut anywhere it is not whole any more.
      const cut = bytes.subarray(0, at % bytes.length);
      assert.ok(!isSoundMessage(cut, 500));
      survives(() => decodeBody(bytes), "value");
      survives(() => decodeBody(cut), "cut");
    }),
    options,
  );
  for (const head of [0xdd, 0xdf, 0xdb, 0xc6, 0xc9]) {
    // Nested a thousand deep, each level with tens of millions of items.
    const levels = Array.from({ length: 800 }, () => [head, 1, 0xff, 0xff, 0xff]).flat();
    const before = Deno.memoryUsage().rss;
    assert.throws(() => decodeBody(Uint8Array.from(levels)), { code: "E_PROTOCOL" });
    assert.ok(Deno.memoryUsage().rss - before < 64e6, `head ${head}`);
  }
  const deep = new Uint8Array(HANDSHAKE_BYTES_MAX).fill(0x91);
  assert.throws(() => decodeBody(deep), { code: "E_PROTOCOL" });
});

/** A good message of each kind, and who reads it. */
function corpus(
  random: Random,
): { what: string; bytes: Uint8Array; read(bytes: Uint8Array): void }[] {
  const [items] = fc.sample(arbItems, { seed: random.u32(), numRuns: 1 });
  const [page] = paginate(items!, random);
  const sample = <T>(arb: fc.Arbitrary<T>) =>
    fc.sample(arb, { seed: random.u32(), numRuns: 1 })[0]!;
  const ofBody = (what: string, body: unknown, decode: (body: unknown) => unknown) => ({
    what,
    bytes: encode(body),
    read: (bytes: Uint8Array) => void decode(decodeBody(bytes)),
  });
  return [
    ofBody("page", encodePage(page!), decodePage),
    ofBody("hello", encodeHello(random.bytes(32)), decodeHello),
    ofBody("challenge", encodeChallenge(random.bytes(32)), decodeChallenge),
    ofBody("proof", encodeProof(sample(arbProof)), decodeProof),
    ofBody("caps", encodeCaps(sample(arbCaps)), decodeCaps),
  ];
}

Deno.test("mutants of good messages end with a value or a WarpError", () => {
  const random = new Random(seed);
  const outcomes = new Map<string, number>();
  let kinds = corpus(random);
  for (let i = 0; i < MUTANTS; i++) {
    if (i % 500 === 499) kinds = corpus(random);
    const { what, bytes, read } = random.pick(kinds);
    let mutant = bytes;
    for (let n = random.int(3); n >= 0 && mutant.length > 0; n--) {
      mutant = damageBlindly(mutant, random);
    }
    const isValue = survives(() => read(mutant), `seed ${seed}, mutant ${i} of ${what}: ${mutant}`);
    outcomes.set(`${what} ${isValue}`, (outcomes.get(`${what} ${isValue}`) ?? 0) + 1);
  }
  // A generator that only makes what is refused at once tests little.
  for (const what of ["page", "hello", "proof", "caps"]) {
    assert.ok((outcomes.get(`${what} false`) ?? 0) > MUTANTS / 200, what);
    assert.ok((outcomes.get(`${what} true`) ?? 0) > MUTANTS / 200, what);
  }
});

Deno.test("any MessagePack at all is no reason to fall over", () => {
  const value = fc.anything({ withTypedArray: true, maxDepth: 4, maxKeys: 6 });
  const bodies = fc.array(fc.oneof(value, fc.uint8Array({ maxLength: 80 })), { maxLength: 7 });
  fc.assert(
    fc.property(fc.oneof(bodies, value), (body) => {
      for (const decode of [decodePage, decodeHello, decodeChallenge, decodeProof, decodeCaps]) {
        survives(() => decode(body), decode.name);
      }
    }),
    { ...options, numRuns: 2000 },
  );
});

Deno.test("tickets and addresses: round trips, and whatever a user pastes", () => {
  fc.assert(
    fc.property(arbTicket, fc.nat(), fc.nat(63), (ticket, at, letter) => {
      const text = formatTicket(ticket, sha256);
      const parsed = parseTicket(text, sha256);
      const { endpoints, ...rest } = ticket;
      const { endpoints: found, ...others } = parsed;
      assert.deepEqual(others, { ...rest, key: plain(rest.key) });
      assert.deepEqual(
        found.map(({ host, port }) => [canonical(host), port]),
        endpoints.map(({ host, port }) => [canonical(host), port]),
      );
      // One wrong letter anywhere is noticed.
      const place = 5 + at % (text.length - 5);
      const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
      const other = `${text.slice(0, place)}${letters[letter]}${text.slice(place + 1)}`;
      if (other === text) return;
      assert.equal(survives(() => parseTicket(other, sha256), other), false);
    }),
    options,
  );
  fc.assert(
    fc.property(arbEndpoint, arbKey, (endpoint, key) => {
      const parsed = parsePeerAddress(formatPeerAddress(endpoint, key));
      assert.deepEqual(parsed, { endpoints: [{ ...endpoint }], key });
    }),
    options,
  );
  const word = fc.oneof(
    fc.string({ unit: "binary", maxLength: 200 }),
    fc.base64String({ minLength: 60, maxLength: 400 }).map((text) => `warp1${text}`),
    arbEndpoint.map(({ host, port }) => `${host}:${port}#warpsig1qqq`),
  );
  fc.assert(
    fc.property(word, (text) => {
      survives(() => parseTicket(text, sha256), "ticket");
      survives(() => parsePeerAddress(text), "address");
      survives(() => parseEndpoint(text), "endpoint");
    }),
    { ...options, numRuns: 3000 },
  );
});

Deno.test("receipts: round trips, and every change is noticed", () => {
  const sender = createSigner(new Uint8Array(32).fill(1));
  const receiver = createSigner(new Uint8Array(32).fill(2));
  const arbDelivery = fc.record({
    transferId: bytesOf(16).map(plain),
    root: bytesOf(32).map(plain),
    files: fc.maxSafeNat(),
    bytes: fc.maxSafeNat(),
    time: fc.integer({ min: 0, max: 253_402_300_799 }),
    sender: fc.constant(sender.publicKey),
    receiver: fc.constant(receiver.publicKey),
  });
  const receiptOf = fc.sample(arbDelivery, { seed, numRuns: 50 }).map((delivery) => {
    const message = receiptMessage(delivery);
    return {
      ...delivery,
      senderSignature: sender.sign(message),
      receiverSignature: receiver.sign(message),
    };
  });
  const random = new Random(seed);
  for (const receipt of receiptOf) {
    const text = formatReceipt(receipt);
    assert.deepEqual(parseReceipt(text), receipt);
    for (let i = 0; i < 20; i++) {
      const mutant = new TextDecoder().decode(
        damageBlindly(new TextEncoder().encode(text), random),
      );
      survives(() => {
        // Only what is not signed may change: white space, a second field of the same name.
        assert.deepEqual(parseReceipt(mutant), receipt);
      }, mutant);
    }
  }
  const swapped = { ...receiptOf[0]!, sender: receiptOf[0]!.receiver };
  assert.throws(() => parseReceipt(formatReceipt(swapped)), { code: "E_SIGNATURE" });
  fc.assert(
    fc.property(fc.oneof(fc.json(), fc.string()), (text) => {
      survives(() => parseReceipt(text), text);
    }),
    options,
  );
  for (
    const text of [
      "null",
      "1",
      "[]",
      `{"type":"warp-receipt/1"}`,
      `{"type":"warp-receipt/1","time":null}`,
    ]
  ) {
    assert.throws(() => parseReceipt(text), { code: "E_INTEGRITY" });
  }
  assert.equal(formatSigner(sender.publicKey).slice(0, 8), "warpsig1");
});
