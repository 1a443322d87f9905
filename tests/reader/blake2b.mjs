// BLAKE2b without a key, RFC 7693, for any digest length of 1..64 bytes.
// Argon2 needs lengths other than 64, which node:crypto does not offer. It hashes only a few KiB,
// so 64-bit words are plain BigInts here.

const IV = [
  0x6a09e667f3bcc908n,
  0xbb67ae8584caa73bn,
  0x3c6ef372fe94f82bn,
  0xa54ff53a5f1d36f1n,
  0x510e527fade682d1n,
  0x9b05688c2b3e6c1fn,
  0x1f83d9abfb41bd6bn,
  0x5be0cd19137e2179n,
];
// Which message word each round takes at each of its 16 places, one hexadecimal digit a place.
const SIGMA = [
  "0123456789abcdef",
  "ea489fd61c02b753",
  "b8c052fdae367194",
  "7931dcbe265a40f8",
  "905724afe1bc683d",
  "2c6a0b834d75fe19",
  "c51fed4a0763928b",
  "db7ec13950f4862a",
  "6fe9b308c2d714a5",
  "a2847615fb9e3cd0",
].map((row) => [...row].map((digit) => parseInt(digit, 16)));
const COLUMNS_AND_DIAGONALS = [
  [0, 4, 8, 12],
  [1, 5, 9, 13],
  [2, 6, 10, 14],
  [3, 7, 11, 15],
  [0, 5, 10, 15],
  [1, 6, 11, 12],
  [2, 7, 8, 13],
  [3, 4, 9, 14],
];

const u64 = (x) => BigInt.asUintN(64, x);
const rotate = (x, n) => (x >> n) | u64(x << (64n - n));

function compress(h, block, total, last) {
  const view = new DataView(block.buffer, block.byteOffset, 128);
  const m = Array.from({ length: 16 }, (_, i) => view.getBigUint64(8 * i, true));
  const v = [...h, ...IV];
  v[12] ^= BigInt(total);
  if (last) v[14] = u64(~v[14]);
  for (let round = 0; round < 12; round++) {
    const s = SIGMA[round % 10];
    COLUMNS_AND_DIAGONALS.forEach(([a, b, c, d], i) => {
      v[a] = u64(v[a] + v[b] + m[s[2 * i]]);
      v[d] = rotate(v[d] ^ v[a], 32n);
      v[c] = u64(v[c] + v[d]);
      v[b] = rotate(v[b] ^ v[c], 24n);
      v[a] = u64(v[a] + v[b] + m[s[2 * i + 1]]);
      v[d] = rotate(v[d] ^ v[a], 16n);
      v[c] = u64(v[c] + v[d]);
      v[b] = rotate(v[b] ^ v[c], 63n);
    });
  }
  for (let i = 0; i < 8; i++) h[i] ^= v[i] ^ v[i + 8];
}

export function blake2b(data, size = 64) {
  const h = [...IV];
  h[0] ^= BigInt(0x01010000 | size);
  let at = 0;
  for (; data.length - at > 128; at += 128) {
    compress(h, data.subarray(at, at + 128), at + 128, false);
  }
  const tail = new Uint8Array(128);
  tail.set(data.subarray(at));
  compress(h, tail, data.length, true);
  const out = new Uint8Array(64);
  const view = new DataView(out.buffer);
  h.forEach((word, i) => view.setBigUint64(8 * i, word, true));
  return out.subarray(0, size);
}
