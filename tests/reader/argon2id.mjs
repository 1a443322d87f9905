// Argon2id version 1.3, RFC 9106.
// A 64-bit word is two elements of an Int32Array, the low half first. Lanes are filled one after
// another: segments of one slice do not depend on each other, so the result is the same.

import { Buffer } from "node:buffer";
import { blake2b } from "./blake2b.mjs";

const WORDS = 256; // 32-bit words of a 1024-byte block
const ADDRESSES = 128; // pseudo-random words that one address block gives
const VERSION = 0x13, ARGON2ID = 2;

const u32 = (...values) => Buffer.from(Uint32Array.from(values).buffer);

/** H' of section 3.3: BLAKE2b with an output of any length. */
function longHash(input, size) {
  let digest = Buffer.concat([u32(size), input]);
  if (size <= 64) return blake2b(digest, size);
  const parts = [];
  let left = size;
  for (; left > 64; left -= 32) {
    digest = blake2b(digest, 64);
    parts.push(digest.subarray(0, 32));
  }
  parts.push(blake2b(digest, left));
  return Buffer.concat(parts);
}

/** One step of G_B: w[a] += w[b] + 2 * low(w[a]) * low(w[b]); w[d] = rotate(w[d] ^ w[a], n). */
function multiplyAdd(w, a, b) {
  const x = w[a], y = w[b];
  const xl = x & 0xffff, xh = x >>> 16, yl = y & 0xffff, yh = y >>> 16;
  const cross = xh * yl + ((xl * yl) >>> 16);
  const cross2 = xl * yh + (cross & 0xffff);
  const high = xh * yh + Math.floor(cross / 0x10000) + (cross2 >>> 16);
  const low = Math.imul(x, y);
  const sum = (x >>> 0) + (y >>> 0) + ((low << 1) >>> 0);
  w[a + 1] = w[a + 1] + w[b + 1] + ((high << 1) | (low >>> 31)) + Math.floor(sum / 2 ** 32);
  w[a] = sum;
}

function g(w, a, b, c, d) {
  let low, high;
  multiplyAdd(w, a, b);
  low = w[d] ^ w[a];
  high = w[d + 1] ^ w[a + 1];
  w[d] = high; // by 32
  w[d + 1] = low;
  multiplyAdd(w, c, d);
  low = w[b] ^ w[c];
  high = w[b + 1] ^ w[c + 1];
  w[b] = (low >>> 24) | (high << 8);
  w[b + 1] = (high >>> 24) | (low << 8);
  multiplyAdd(w, a, b);
  low = w[d] ^ w[a];
  high = w[d + 1] ^ w[a + 1];
  w[d] = (low >>> 16) | (high << 16);
  w[d + 1] = (high >>> 16) | (low << 16);
  multiplyAdd(w, c, d);
  low = w[b] ^ w[c];
  high = w[b + 1] ^ w[c + 1];
  w[b] = (high >>> 31) | (low << 1); // by 63
  w[b + 1] = (low >>> 31) | (high << 1);
}

/** P of section 3.6 on eight 16-byte pairs: the first at `at`, then every `step` elements. */
function permute(w, at, step) {
  const p1 = at + step, p2 = p1 + step, p3 = p2 + step;
  const p4 = p3 + step, p5 = p4 + step, p6 = p5 + step, p7 = p6 + step;
  g(w, at, p2, p4, p6);
  g(w, at + 2, p2 + 2, p4 + 2, p6 + 2);
  g(w, p1, p3, p5, p7);
  g(w, p1 + 2, p3 + 2, p5 + 2, p7 + 2);
  g(w, at, p2 + 2, p5, p7 + 2);
  g(w, at + 2, p3, p5 + 2, p6);
  g(w, p1, p3 + 2, p4, p6 + 2);
  g(w, p1 + 2, p2, p4 + 2, p7);
}

const mixed = new Int32Array(WORDS);
const work = new Int32Array(WORDS);

/** The compression function G: out = G(x, y), or out ^ G(x, y) when `xor`. Positions are words. */
function compress(memory, x, y, out, xor) {
  for (let i = 0; i < WORDS; i++) {
    const word = memory[x + i] ^ memory[y + i];
    work[i] = word;
    mixed[i] = xor ? word ^ memory[out + i] : word;
  }
  for (let row = 0; row < 8; row++) permute(work, 32 * row, 4);
  for (let column = 0; column < 8; column++) permute(work, 4 * column, 32);
  for (let i = 0; i < WORDS; i++) memory[out + i] = mixed[i] ^ work[i];
}

/**
 * @param {Uint8Array} password
 * @param {Uint8Array} salt
 * @param {{ memory: number, passes: number, lanes: number, size?: number,
 *   secret?: Uint8Array, data?: Uint8Array }} options memory is in KiB
 */
export function argon2id(password, salt, options) {
  const { memory: kib, passes, lanes, size = 32 } = options;
  const { secret = new Uint8Array(), data = new Uint8Array() } = options;
  if (lanes < 1 || passes < 1 || kib < 8 * lanes) throw new Error("bad Argon2 parameters");
  const fields = [password, salt, secret, data].flatMap((field) => [u32(field.length), field]);
  const start = blake2b(
    Buffer.concat([u32(lanes, size, kib, passes, VERSION, ARGON2ID), ...fields]),
  );

  const segment = Math.floor(kib / (4 * lanes));
  const columns = 4 * segment;
  const memory = new Int32Array(lanes * columns * WORDS);
  const blockAt = (lane, column) => (lane * columns + column) * WORDS;
  for (let lane = 0; lane < lanes; lane++) {
    for (let column = 0; column < 2; column++) {
      const bytes = longHash(Buffer.concat([start, u32(column, lane)]), 1024);
      for (let i = 0; i < WORDS; i++) {
        memory[blockAt(lane, column) + i] = bytes.readInt32LE(4 * i);
      }
    }
  }

  const scratch = new Int32Array(3 * WORDS); // zero block, address input, address block
  function nextAddresses() {
    scratch[WORDS + 12]++; // the counter: word 6 of the input
    compress(scratch, 0, WORDS, 2 * WORDS, false);
    compress(scratch, 0, 2 * WORDS, 2 * WORDS, false);
  }

  function fillSegment(pass, slice, lane) {
    const independent = pass === 0 && slice < 2;
    if (independent) {
      scratch.fill(0, WORDS);
      [pass, lane, slice, lanes * columns, passes, ARGON2ID].forEach((value, i) => {
        scratch[WORDS + 2 * i] = value;
      });
    }
    for (let i = 0; i < segment; i++) {
      if (independent && i % ADDRESSES === 0) nextAddresses();
      if (pass === 0 && slice === 0 && i < 2) continue;
      const column = slice * segment + i;
      const previous = blockAt(lane, (column + columns - 1) % columns);
      const [source, at] = independent
        ? [scratch, 2 * WORDS + 2 * (i % ADDRESSES)]
        : [memory, previous];
      const j1 = source[at] >>> 0, j2 = source[at + 1] >>> 0;

      // Section 3.4: the reference set W, then the block in it.
      const other = pass === 0 && slice === 0 ? lane : j2 % lanes;
      const finished = pass === 0 ? slice * segment : columns - segment;
      const area = other === lane ? finished + i - 1 : finished - (i === 0 ? 1 : 0);
      const square = Number((BigInt(j1) * BigInt(j1)) >> 32n);
      const back = Number((BigInt(area) * BigInt(square)) >> 32n);
      const first = pass === 0 ? 0 : (slice + 1) * segment;
      const reference = blockAt(other, (first + area - 1 - back) % columns);
      compress(memory, previous, reference, blockAt(lane, column), pass > 0);
    }
  }

  for (let pass = 0; pass < passes; pass++) {
    for (let slice = 0; slice < 4; slice++) {
      for (let lane = 0; lane < lanes; lane++) fillSegment(pass, slice, lane);
    }
  }

  const final = memory.slice(blockAt(0, columns - 1), blockAt(0, columns));
  for (let lane = 1; lane < lanes; lane++) {
    const last = blockAt(lane, columns - 1);
    for (let i = 0; i < WORDS; i++) final[i] ^= memory[last + i];
  }
  return longHash(Buffer.from(final.buffer), size);
}
