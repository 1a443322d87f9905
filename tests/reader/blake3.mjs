// BLAKE3: hash, keyed hash and key derivation, written from the BLAKE3 paper, section 2.
// The input is cut into 1024-byte chunks, each a chain of compressions of 64-byte blocks; a binary
// tree of further compressions joins them. Every subtree on the left is a full power of two.

const IV = Int32Array.of(
  0x6a09e667,
  0xbb67ae85,
  0x3c6ef372,
  0xa54ff53a,
  0x510e527f,
  0x9b05688c,
  0x1f83d9ab,
  0x5be0cd19,
);
const CHUNK = 1024, BLOCK = 64;
const CHUNK_START = 1, CHUNK_END = 2, PARENT = 4, ROOT = 8;
const KEYED = 16, DERIVE_CONTEXT = 32, DERIVE_MATERIAL = 64;

// Which message word each of the 7 rounds takes at each of its 16 places.
const PERMUTATION = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8];
const SCHEDULE = new Uint8Array(7 * 16);
for (let i = 0; i < 16; i++) SCHEDULE[i] = i;
for (let i = 16; i < SCHEDULE.length; i++) {
  SCHEDULE[i] = SCHEDULE[i - i % 16 - 16 + PERMUTATION[i % 16]];
}

const v = new Int32Array(16);

function mix(a, b, c, d, x, y) {
  let va = v[a], vb = v[b], vc = v[c], vd = v[d];
  va = (va + vb + x) | 0;
  vd ^= va;
  vd = (vd >>> 16) | (vd << 16);
  vc = (vc + vd) | 0;
  vb ^= vc;
  vb = (vb >>> 12) | (vb << 20);
  va = (va + vb + y) | 0;
  vd ^= va;
  v[d] = vd = (vd >>> 8) | (vd << 24);
  v[c] = vc = (vc + vd) | 0;
  vb ^= vc;
  v[b] = (vb >>> 7) | (vb << 25);
  v[a] = va;
}

/** Runs the compression function; its 16 words of state are left in `v`. */
function compress(cv, words, counter, length, flags) {
  v.set(cv);
  for (let i = 0; i < 4; i++) v[8 + i] = IV[i];
  v[12] = counter;
  v[13] = Math.floor(counter / 2 ** 32);
  v[14] = length;
  v[15] = flags;
  for (let s = 0; s < SCHEDULE.length; s += 16) {
    mix(0, 4, 8, 12, words[SCHEDULE[s]], words[SCHEDULE[s + 1]]);
    mix(1, 5, 9, 13, words[SCHEDULE[s + 2]], words[SCHEDULE[s + 3]]);
    mix(2, 6, 10, 14, words[SCHEDULE[s + 4]], words[SCHEDULE[s + 5]]);
    mix(3, 7, 11, 15, words[SCHEDULE[s + 6]], words[SCHEDULE[s + 7]]);
    mix(0, 5, 10, 15, words[SCHEDULE[s + 8]], words[SCHEDULE[s + 9]]);
    mix(1, 6, 11, 12, words[SCHEDULE[s + 10]], words[SCHEDULE[s + 11]]);
    mix(2, 7, 8, 13, words[SCHEDULE[s + 12]], words[SCHEDULE[s + 13]]);
    mix(3, 4, 9, 14, words[SCHEDULE[s + 14]], words[SCHEDULE[s + 15]]);
  }
  for (let i = 0; i < 8; i++) {
    v[i] ^= v[i + 8];
    v[i + 8] ^= cv[i];
  }
}

function loadWords(data, start, end, words) {
  if (end - start === BLOCK) {
    for (let i = 0, at = start; i < 16; i++, at += 4) {
      words[i] = data[at] | (data[at + 1] << 8) | (data[at + 2] << 16) | (data[at + 3] << 24);
    }
    return;
  }
  words.fill(0);
  for (let at = start; at < end; at++) {
    words[(at - start) >> 2] |= data[at] << (8 * ((at - start) & 3));
  }
}

/** The last, not yet computed compression of data[start, end), which begins at chunk `counter`. */
function subtree(key, flags, data, start, end, counter) {
  const words = new Int32Array(16);
  if (end - start <= CHUNK) {
    const cv = Int32Array.from(key);
    let mark = CHUNK_START, at = start;
    for (; end - at > BLOCK; at += BLOCK, mark = 0) {
      loadWords(data, at, at + BLOCK, words);
      compress(cv, words, counter, BLOCK, flags | mark);
      for (let i = 0; i < 8; i++) cv[i] = v[i];
    }
    loadWords(data, at, end, words);
    return { cv, words, counter, length: end - at, flags: flags | mark | CHUNK_END };
  }
  let left = CHUNK;
  while (2 * left < end - start) left *= 2;
  words.set(chain(subtree(key, flags, data, start, start + left, counter)));
  words.set(chain(subtree(key, flags, data, start + left, end, counter + left / CHUNK)), 8);
  return { cv: key, words, counter: 0, length: BLOCK, flags: flags | PARENT };
}

function chain(node) {
  compress(node.cv, node.words, node.counter, node.length, node.flags);
  return v.subarray(0, 8);
}

function run(key, flags, data, size) {
  const root = subtree(key, flags, data, 0, data.length, 0);
  const out = new Uint8Array(size);
  for (let at = 0; at < size; at += BLOCK) {
    compress(root.cv, root.words, at / BLOCK, root.length, root.flags | ROOT);
    for (let i = 0; i < BLOCK && at + i < size; i++) out[at + i] = v[i >> 2] >>> (8 * (i & 3));
  }
  return out;
}

function keyWords(key) {
  if (key.length !== 32) throw new Error("a BLAKE3 key has 32 bytes");
  const words = new Int32Array(16);
  loadWords(key, 0, 32, words);
  return words.slice(0, 8);
}

export function hash(data, size = 32) {
  return run(IV, 0, data, size);
}

export function keyed(key, data, size = 32) {
  return run(keyWords(key), KEYED, data, size);
}

export function deriveKey(context, material, size = 32) {
  const contextKey = run(IV, DERIVE_CONTEXT, new TextEncoder().encode(context), 32);
  return run(keyWords(contextKey), DERIVE_MATERIAL, material, size);
}
