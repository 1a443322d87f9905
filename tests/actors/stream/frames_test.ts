import assert from "node:assert/strict";
import fc from "fast-check";
import { type Bytes, concat, equal } from "../../../actors/base/bytes.ts";
import { type ErrorCode, isWarpError, WarpError } from "../../../actors/base/errors.ts";
import { FRAME_OVERHEAD_BYTES } from "../../../actors/stream/frame.ts";
import { FrameOpener } from "../../../actors/stream/opener.ts";
import { Random } from "../../support/random.ts";
import { FRAME_BYTES, framesOf, kernels, KEY, openAll } from "./streams.ts";

// Goal: what an opener releases is a prefix of what was sealed, whatever was done to the frames, and it
// says so with a typed error unless nothing was done. Method: properties over drawn streams and
// damage. WARP_SEED repeats a run.

const seed = Number(Deno.env.get("WARP_SEED") ?? Date.now() % 1_000_000);
const RUNS = Number(Deno.env.get("WARP_RUNS") ?? 200);

const OTHER_KEY = new Uint8Array(32).fill(8);

function check(name: string, property: fc.IRawProperty<unknown>): void {
  Deno.test(name, () => {
    fc.assert(property, { seed, numRuns: RUNS });
  });
}

/** Pieces of random or compressible bytes, and the codec to use. */
const drawn = fc.record({
  data: fc.integer(),
  lengths: fc.array(fc.integer({ min: 1, max: 3 * FRAME_BYTES }), { minLength: 0, maxLength: 6 }),
  compression: fc.constantFrom(
    { mode: "none" } as const,
    { mode: "auto" } as const,
    { mode: "lz4" } as const,
    { mode: "zstd", level: 3 } as const,
  ),
  isText: fc.boolean(),
});
type Drawn = typeof drawn extends fc.Arbitrary<infer T> ? T : never;

const sizes = fc.array(fc.integer({ min: 1, max: 3 * FRAME_BYTES }), {
  minLength: 1,
  maxLength: 5,
});

function piecesOf({ data, lengths, isText }: Drawn): Uint8Array[] {
  const random = new Random(data);
  return lengths.map((length) => {
    const bytes = random.bytes(length);
    return isText ? bytes.map((byte) => byte & 3) : bytes;
  });
}

function prepare(stream: Drawn): { plaintext: Uint8Array; frames: Uint8Array[] } {
  const pieces = piecesOf(stream);
  return { plaintext: concat(...pieces), frames: framesOf(pieces, KEY, stream.compression) };
}

function expectPrefix(
  stream: Bytes,
  plaintext: Bytes,
  pieces: readonly number[],
  codes: readonly ErrorCode[],
  releasedMax = plaintext.length,
): void {
  const opened = openAll(stream, pieces);
  assert.ok(opened.plaintext.length <= releasedMax, "not more than comes before the damage");
  assert.ok(equal(opened.plaintext, plaintext.subarray(0, opened.plaintext.length)), "a prefix");
  assert.ok(isWarpError(opened.error), `an error of ours, not ${opened.error}`);
  assert.ok(codes.includes(opened.error.code), opened.error.code);
}

check(
  "frames give back what was sealed, in pieces of any size, with every codec",
  fc.property(drawn, sizes, (stream, pieces) => {
    const { plaintext, frames } = prepare(stream);
    const opened = openAll(concat(...frames), pieces);
    assert.equal(opened.error, undefined);
    assert.ok(equal(opened.plaintext, plaintext));
  }),
);

check(
  "cut anywhere, the stream is truncated and its beginning is released",
  fc.property(drawn, sizes, fc.nat(), (stream, pieces, where) => {
    const { plaintext, frames } = prepare(stream);
    const whole = concat(...frames);
    expectPrefix(whole.subarray(0, where % whole.length), plaintext, pieces, ["E_TRUNCATED"]);
  }),
);

Deno.test("cut at every frame boundary, all frames before it are released", () => {
  const pieces = [4096, 1, 100, 4096, 77].map((length) => new Random(length).bytes(length));
  const frames = framesOf(pieces);
  for (let count = 0; count < frames.length; count++) {
    const opened = openAll(concat(...frames.slice(0, count)), [1000]);
    assert.ok(isWarpError(opened.error, "E_TRUNCATED"));
    assert.ok(equal(opened.plaintext, concat(...pieces.slice(0, count))));
  }
});

check(
  "a dropped, repeated or moved frame is an error, and nothing after it is released",
  fc.property(
    drawn.filter(({ lengths }) => lengths.length > 1),
    sizes,
    fc.constantFrom("drop", "repeat", "swap"),
    fc.nat(),
    fc.nat(),
    (stream, pieces, deed, a, b) => {
      const { plaintext, frames } = prepare(stream);
      const i = a % frames.length;
      let j = b % frames.length;
      if (deed === "swap" && i === j) j = (i + 1) % frames.length;
      const changed = [...frames];
      if (deed === "drop") changed.splice(i, 1);
      else if (deed === "repeat") changed.splice(j, 0, frames[i]!);
      else [changed[i], changed[j]] = [frames[j]!, frames[i]!];
      // A frame repeated in its own place is the same as one repeated after it.
      expectPrefix(concat(...changed), plaintext, pieces, ["E_INTEGRITY", "E_TRUNCATED"]);
    },
  ),
);

check(
  "a frame of another stream in the same place is an error",
  fc.property(drawn, drawn, sizes, fc.nat(), (one, two, pieces, where) => {
    const { plaintext, frames } = prepare(one);
    const others = framesOf(piecesOf(two), OTHER_KEY, two.compression);
    const i = where % Math.min(frames.length, others.length);
    const changed = [...frames.slice(0, i), others[i]!, ...frames.slice(i + 1)];
    expectPrefix(concat(...changed), plaintext, pieces, ["E_INTEGRITY"]);
  }),
);

check(
  "a flipped bit is an error",
  fc.property(drawn, sizes, fc.nat(), (stream, pieces, where) => {
    const { plaintext, frames } = prepare(stream);
    const whole = concat(...frames);
    const bit = where % (8 * whole.length);
    whole[bit >> 3]! ^= 1 << (bit & 7);
    // A length that grew may reach past the end.
    expectPrefix(whole, plaintext, pieces, ["E_INTEGRITY", "E_TRUNCATED"]);
  }),
);

check(
  "bytes after the last frame are an error, wherever the pieces end",
  fc.property(
    drawn,
    sizes,
    fc.uint8Array({ minLength: 1, maxLength: 64 }),
    (stream, pieces, more) => {
      const { plaintext, frames } = prepare(stream);
      expectPrefix(concat(...frames, more), plaintext, pieces, ["E_INTEGRITY"]);
    },
  ),
);

check(
  "a wrong key opens nothing",
  fc.property(drawn, sizes, (stream, pieces) => {
    const opened = openAll(concat(...prepare(stream).frames), pieces, OTHER_KEY);
    assert.ok(isWarpError(opened.error, "E_INTEGRITY"));
    assert.equal(opened.plaintext.length, 0);
  }),
);

check(
  "noise, and noise spliced into a stream, gives errors of ours and no plaintext",
  fc.property(
    drawn,
    sizes,
    fc.uint8Array({ maxLength: 9000 }),
    fc.nat(),
    (stream, pieces, noise, where) => {
      const { plaintext, frames } = prepare(stream);
      const whole = concat(...frames);
      const at = where % whole.length;
      const opened = openAll(noise, pieces);
      assert.ok(opened.error instanceof WarpError);
      assert.equal(opened.plaintext.length, 0);
      const spliced = concat(whole.subarray(0, at), noise, whole.subarray(at + 1));
      const second = openAll(spliced, pieces);
      assert.ok(
        second.error === undefined ? equal(spliced, whole) : second.error instanceof WarpError,
      );
      assert.ok(equal(second.plaintext, plaintext.subarray(0, second.plaintext.length)));
    },
  ),
);

/** A frame with a right tag around any header and payload: what a hostile owner of the key can send. */
function forge(header: { length?: number; flags: number; payload: Uint8Array }): Uint8Array {
  const { payload, flags } = header;
  const frame = new Uint8Array(payload.length + FRAME_OVERHEAD_BYTES);
  const view = new DataView(frame.buffer);
  view.setUint32(8, header.length ?? payload.length, true);
  view.setUint32(12, flags, true);
  const aad = frame.subarray(0, 16);
  kernels.aead.seal(KEY, new Uint8Array(12), aad, payload, frame.subarray(16));
  return frame;
}

Deno.test("a sealed frame that the format does not allow is an error all the same", () => {
  const bomb = new Uint8Array(1 << 20);
  const packed = new Uint8Array(kernels.zstd.bound(bomb.length));
  const packedLength = kernels.zstd.compress(bomb, packed, 1);
  const withLength = (length: number) => {
    const prefix = new Uint8Array(4);
    new DataView(prefix.buffer).setUint32(0, length, true);
    return concat(prefix, packed.subarray(0, packedLength));
  };
  const cases: Record<string, Uint8Array> = {
    "more than a frame": forge({ flags: 1, payload: new Uint8Array(FRAME_BYTES + 1) }),
    "empty, and not the last": forge({ flags: 0, payload: new Uint8Array(0) }),
    "unknown flag": forge({ flags: 1 << 3, payload: new Uint8Array(1) }),
    "unknown codec": forge({ flags: 3 << 1, payload: new Uint8Array(9) }),
    "reserved field": forge({ flags: 1 << 16, payload: new Uint8Array(1) }),
    "codec without content": forge({ flags: 1 << 1, payload: new Uint8Array(4) }),
    "a bomb that says so": forge({ flags: 2 << 1, payload: withLength(bomb.length) }),
    "a bomb that lies": forge({ flags: 2 << 1, payload: withLength(FRAME_BYTES) }),
    "a length of zero": forge({ flags: 2 << 1, payload: withLength(0) }),
    "noise as LZ4": forge({ flags: 1 << 1, payload: withLength(100) }),
  };
  for (const [name, frame] of Object.entries(cases)) {
    const { plaintext, error } = openAll(frame, [frame.length]);
    assert.ok(isWarpError(error, "E_INTEGRITY"), `${name}: ${error}`);
    assert.equal(plaintext.length, 0, name);
  }
});

Deno.test("a frame that claims to be long is refused before it is waited for", () => {
  const opener = new FrameOpener(kernels, { streamKey: KEY, frameBytes: FRAME_BYTES });
  opener.push(forge({ flags: 0, payload: new Uint8Array(1), length: 0xffffffff }).subarray(0, 16));
  assert.throws(() => opener.open(new Uint8Array(FRAME_BYTES)), { code: "E_INTEGRITY" });
  assert.throws(() => opener.open(new Uint8Array(FRAME_BYTES)), { code: "E_INTEGRITY" });
  assert.throws(() => opener.end(), { code: "E_INTEGRITY" });
});

Deno.test("what does not shrink is stored", () => {
  const noise = new Random(1).bytes(FRAME_BYTES);
  for (const mode of ["auto", "lz4"] as const) {
    const [frame] = framesOf([noise], KEY, { mode });
    assert.equal(frame!.length, FRAME_BYTES + FRAME_OVERHEAD_BYTES);
    assert.equal(frame![12], 0);
  }
  const [text] = framesOf([new Uint8Array(FRAME_BYTES)], KEY, { mode: "auto" });
  assert.ok(text!.length < 200);
});
