// A decoder of one Zstandard frame, RFC 8878, without dictionaries.
// Frame -> blocks -> literals (raw, repeated byte or Huffman coded) and sequences (FSE coded
// triples of literal length, match length and offset). Section numbers are those of the RFC.

const MAX_BLOCK = 128 * 1024;
const fail = (what) => {
  throw new Error(`zstd: ${what}`);
};

// ---- bit readers ----

/** Bits from the first byte on, low bits first: the FSE table descriptions. */
class ForwardBits {
  constructor(data) {
    this.data = data;
    this.at = 0; // in bits
  }
  read(count) {
    let value = 0;
    for (let i = 0; i < count; i++, this.at++) {
      if (this.at >> 3 >= this.data.length) fail("a table description is cut off");
      value |= ((this.data[this.at >> 3] >> (this.at & 7)) & 1) << i;
    }
    return value;
  }
  get bytes() {
    return (this.at + 7) >> 3;
  }
}

/** Bits from the last byte back; its highest set bit only marks the end. */
class BackwardBits {
  constructor(data) {
    const last = data.length === 0 ? 0 : data[data.length - 1];
    if (last === 0) fail("a bit stream has no end mark");
    this.data = data;
    this.left = 8 * data.length - 8 + 31 - Math.clz32(last); // below zero: read past the start
  }
  /** The next `count` (at most 24) bits; zeros follow the start of the stream. */
  peek(count) {
    let at = this.left - count, pad = 0;
    if (at < 0) {
      pad = -at;
      if (pad >= count) return 0;
      at = 0;
    }
    const { data } = this, byte = at >> 3;
    const word = data[byte] | (data[byte + 1] << 8) | (data[byte + 2] << 16) |
      (data[byte + 3] << 24);
    return ((word >>> (at & 7)) & ((1 << (count - pad)) - 1)) << pad;
  }
  read(count) {
    const value = this.peek(count);
    this.left -= count;
    return value;
  }
}

// ---- FSE, section 4.1 ----

/** Reads symbol probabilities; -1 stands for "less than one". */
function readDistribution(data, maxLog, maxSymbol) {
  const bits = new ForwardBits(data);
  const log = bits.read(4) + 5;
  if (log > maxLog) fail("an FSE table is too large");
  const probabilities = [];
  for (let left = 1 << log; left > 0;) {
    const width = 32 - Math.clz32(left + 1);
    const spare = (1 << width) - 1 - (left + 1); // this many values take one bit less
    let value = bits.read(width - 1);
    if (value >= spare) {
      value |= bits.read(1) << (width - 1);
      if (value >= 1 << (width - 1)) value -= spare;
    }
    const probability = value - 1;
    left -= Math.abs(probability);
    probabilities.push(probability);
    if (probability === 0) {
      for (let zeros = 3; zeros === 3;) {
        zeros = bits.read(2);
        for (let i = 0; i < zeros; i++) probabilities.push(0);
      }
    }
    if (probabilities.length > maxSymbol + 1) fail("an FSE table has too many symbols");
  }
  return { table: fseTable(probabilities, log), bytes: bits.bytes };
}

function fseTable(probabilities, log) {
  const size = 1 << log;
  const symbols = new Uint8Array(size), widths = new Uint8Array(size);
  const bases = new Uint16Array(size);
  let high = size;
  probabilities.forEach((probability, symbol) => {
    if (probability === -1) symbols[--high] = symbol;
  });
  const step = (size >> 1) + (size >> 3) + 3;
  let at = 0;
  probabilities.forEach((probability, symbol) => {
    for (let i = 0; i < probability; i++) {
      symbols[at] = symbol;
      do at = (at + step) & (size - 1); while (at >= high);
    }
  });
  const next = probabilities.map((probability) => Math.abs(probability));
  for (let state = 0; state < size; state++) {
    const x = next[symbols[state]]++;
    widths[state] = log - (31 - Math.clz32(x));
    bases[state] = (x << widths[state]) - size;
  }
  return { log, symbols, widths, bases };
}

const rleTable = (symbol) => ({
  log: 0,
  symbols: Uint8Array.of(symbol),
  widths: Uint8Array.of(0),
  bases: Uint16Array.of(0),
});

// ---- Huffman, section 4.2 ----

/** Reads the tree description at the start of data. */
function readHuffman(data) {
  if (data.length < 1) fail("a Huffman tree is cut off");
  const header = data[0];
  const bytes = 1 + (header < 128 ? header : (header - 126) >> 1);
  if (bytes > data.length) fail("a Huffman tree is cut off");
  let weights = [];
  if (header < 128) weights = readFseWeights(data.subarray(1, bytes));
  else {
    for (let i = 0; i < header - 127; i++) {
      const pair = data[1 + (i >> 1)];
      weights.push(i % 2 === 0 ? pair >> 4 : pair & 15);
    }
  }

  let sum = 0;
  for (const weight of weights) {
    if (weight > 11) fail("a Huffman code is too long");
    if (weight > 0) sum += 1 << (weight - 1);
  }
  if (sum === 0) fail("a Huffman tree is empty");
  const log = 32 - Math.clz32(sum); // the longest code
  if (log > 11) fail("a Huffman code is too long");
  const rest = (1 << log) - sum;
  if ((rest & (rest - 1)) !== 0) fail("a Huffman tree is not complete");
  weights.push(32 - Math.clz32(rest)); // the last symbol's weight is not stored

  const symbols = new Uint8Array(1 << log), widths = new Uint8Array(1 << log);
  let at = 0;
  for (let weight = 1; weight <= log; weight++) {
    for (let symbol = 0; symbol < weights.length; symbol++) {
      if (weights[symbol] !== weight) continue;
      const end = at + (1 << (weight - 1));
      symbols.fill(symbol, at, end);
      widths.fill(log + 1 - weight, at, end);
      at = end;
    }
  }
  return { tree: { log, symbols, widths }, bytes };
}

/** Two states take turns until the bits run out; the other one then has a last symbol. */
function readFseWeights(data) {
  const { table, bytes } = readDistribution(data, 6, 255);
  const bits = new BackwardBits(data.subarray(bytes));
  const states = [bits.read(table.log), bits.read(table.log)];
  if (bits.left < 0) fail("Huffman weights are cut off");
  const weights = [];
  for (let turn = 0;; turn ^= 1) {
    const state = states[turn];
    weights.push(table.symbols[state]);
    if (weights.length > 254) fail("a Huffman tree has too many symbols");
    states[turn] = table.bases[state] + bits.read(table.widths[state]);
    if (bits.left < 0) {
      weights.push(table.symbols[states[turn ^ 1]]);
      return weights;
    }
  }
}

function huffmanDecode(tree, data, out, from, to) {
  const bits = new BackwardBits(data);
  for (let i = from; i < to; i++) {
    const code = bits.peek(tree.log);
    out[i] = tree.symbols[code];
    bits.left -= tree.widths[code];
  }
  if (bits.left !== 0) fail("a Huffman stream does not end where it should");
}

// ---- literals, section 3.1.1.3.1 ----

function readLiterals(data, state) {
  const byte = (i) => i < data.length ? data[i] : fail("literals are cut off");
  const type = byte(0) & 3, format = (byte(0) >> 2) & 3;
  if (type < 2) { // raw, or one byte repeated
    const head = format === 1 ? 2 : format === 3 ? 3 : 1;
    const size = head === 1
      ? byte(0) >> 3
      : (byte(0) >> 4) | (byte(1) << 4) | (head === 3 ? byte(2) << 12 : 0);
    if (size > MAX_BLOCK) fail("too many literals");
    if (type === 1) return { literals: new Uint8Array(size).fill(byte(head)), bytes: head + 1 };
    if (head + size > data.length) fail("literals are cut off");
    return { literals: data.subarray(head, head + size), bytes: head + size };
  }

  const head = format < 2 ? 3 : format + 2;
  const width = format < 2 ? 10 : format === 2 ? 14 : 18; // bits of each of two sizes
  const fields = new ForwardBits(data.subarray(0, head));
  fields.read(4);
  const size = fields.read(width), stored = fields.read(width);
  if (size > MAX_BLOCK) fail("too many literals");
  if (head + stored > data.length) fail("literals are cut off");
  let coded = data.subarray(head, head + stored);
  if (type === 2) {
    const { tree, bytes } = readHuffman(coded);
    state.tree = tree;
    coded = coded.subarray(bytes);
  } else if (!state.tree) fail("no Huffman tree to use again");
  const literals = new Uint8Array(size);
  if (format === 0) {
    if (size === 0) fail("an empty Huffman stream");
    huffmanDecode(state.tree, coded, literals, 0, size);
  } else {
    if (size < 6 || coded.length < 6) fail("four Huffman streams are too short");
    const quarter = (size + 3) >> 2;
    let at = 6;
    for (let i = 0; i < 4; i++) {
      const end = i === 3 ? coded.length : at + (coded[2 * i] | (coded[2 * i + 1] << 8));
      if (end > coded.length) fail("a Huffman stream is cut off");
      const to = i === 3 ? size : (i + 1) * quarter;
      huffmanDecode(state.tree, coded.subarray(at, end), literals, i * quarter, to);
      at = end;
    }
  }
  return { literals, bytes: head + stored };
}

// ---- sequences, section 3.1.1.3.2 ----

/** Codes below `direct` mean themselves (+ first); the others add as many bits as listed. */
function lengthCodes(first, direct, extraBits) {
  const bases = [], extra = [];
  for (let code = 0; code < direct; code++) {
    bases.push(first + code);
    extra.push(0);
  }
  let base = first + direct;
  for (const bits of extraBits) {
    bases.push(base);
    extra.push(bits);
    base += 1 << bits;
  }
  return { bases, extra };
}
const LITERAL_LENGTHS = lengthCodes(0, 16, [
  ...[1, 1, 1, 1, 2, 2, 3, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16],
]);
const MATCH_LENGTHS = lengthCodes(3, 32, [
  ...[1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16],
]);

/** Appendix A gives these as tables of states, section 3.1.1.3.2.2 as probabilities. */
const repeat = (times, value) => Array(times).fill(value);
const KINDS = {
  literalLength: {
    maxLog: 9,
    maxSymbol: 35,
    standard: fseTable([
      ...[4, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1],
      ...[2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 2, 1, 1, 1, 1, 1],
      ...repeat(4, -1),
    ], 6),
  },
  offset: {
    maxLog: 8,
    maxSymbol: 31,
    standard: fseTable([
      ...[1, 1, 1, 1, 1, 1, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1],
      ...repeat(5, -1),
    ], 5),
  },
  matchLength: {
    maxLog: 9,
    maxSymbol: 52,
    standard: fseTable([1, 4, 3, 2, 2, 2, 2, 2, 2, ...repeat(37, 1), ...repeat(7, -1)], 6),
  },
};

function readSequences(data, state, literals, output) {
  const byte = (i) => i < data.length ? data[i] : fail("sequences are cut off");
  let at = 1, count = byte(0);
  if (count === 255) {
    count = 0x7f00 + byte(1) + (byte(2) << 8);
    at = 3;
  } else if (count > 127) {
    count = ((count - 128) << 8) + byte(1);
    at = 2;
  }
  if (count === 0) {
    if (at !== data.length) fail("bytes after an empty list of sequences");
    return output.append(literals);
  }

  const modes = byte(at++);
  if ((modes & 3) !== 0) fail("reserved bits are set");
  Object.entries(KINDS).forEach(([name, kind], i) => {
    const mode = (modes >> (6 - 2 * i)) & 3;
    if (mode === 0) state[name] = kind.standard;
    else if (mode === 1) {
      const symbol = byte(at++);
      if (symbol > kind.maxSymbol) fail("a repeated code is out of range");
      state[name] = rleTable(symbol);
    } else if (mode === 2) {
      const { table, bytes } = readDistribution(data.subarray(at), kind.maxLog, kind.maxSymbol);
      state[name] = table;
      at += bytes;
    } else if (!state[name]) fail("no FSE table to use again");
  });

  const { literalLength: ll, offset: of, matchLength: ml, recent } = state;
  const bits = new BackwardBits(data.subarray(at));
  let llState = bits.read(ll.log), ofState = bits.read(of.log), mlState = bits.read(ml.log);
  let used = 0;
  for (let i = 0; i < count; i++) {
    const ofCode = of.symbols[ofState], mlCode = ml.symbols[mlState];
    const llCode = ll.symbols[llState];
    if (ofCode > 27) fail("an offset is too large");
    const high = ofCode > 16 ? bits.read(ofCode - 16) * 65536 : 0;
    const value = (1 << ofCode) + high + bits.read(Math.min(ofCode, 16));
    const match = MATCH_LENGTHS.bases[mlCode] + bits.read(MATCH_LENGTHS.extra[mlCode]);
    const length = LITERAL_LENGTHS.bases[llCode] + bits.read(LITERAL_LENGTHS.extra[llCode]);
    if (i + 1 < count) {
      llState = ll.bases[llState] + bits.read(ll.widths[llState]);
      mlState = ml.bases[mlState] + bits.read(ml.widths[mlState]);
      ofState = of.bases[ofState] + bits.read(of.widths[ofState]);
    }
    if (bits.left < 0) fail("sequences are cut off");

    if (used + length > literals.length) fail("sequences use too many literals");
    output.append(literals.subarray(used, used + length));
    used += length;
    output.copy(nextOffset(recent, value, length), match);
  }
  if (bits.left !== 0) fail("bits after the last sequence");
  output.append(literals.subarray(used));
}

/** Section 3.1.1.5: values 1..3 name one of the three recent offsets. */
function nextOffset(recent, value, length) {
  const index = value > 3 ? 3 : value - 1 + (length === 0 ? 1 : 0);
  if (index === 0) return recent[0];
  const offset = value > 3 ? value - 3 : index === 3 ? recent[0] - 1 : recent[index];
  if (index > 1) recent[2] = recent[1];
  recent[1] = recent[0];
  recent[0] = offset;
  return offset;
}

class Output {
  constructor(limit) {
    this.bytes = new Uint8Array(limit);
    this.length = 0;
  }
  room(count) {
    if (count > this.bytes.length - this.length) fail("the output is too long");
  }
  append(data) {
    this.room(data.length);
    this.bytes.set(data, this.length);
    this.length += data.length;
  }
  copy(offset, count) {
    this.room(count);
    if (offset < 1 || offset > this.length) fail("a match before the start");
    const { bytes, length } = this;
    if (offset >= count) bytes.copyWithin(length, length - offset, length - offset + count);
    else for (let i = length; i < length + count; i++) bytes[i] = bytes[i - offset];
    this.length += count;
  }
}

// ---- frame, section 3.1.1 ----

const P1 = 0x9e3779b185ebca87n, P2 = 0xc2b2ae3d27d4eb4fn, P3 = 0x165667b19e3779f9n;
const P4 = 0x85ebca77c2b2ae63n, P5 = 0x27d4eb2f165667c5n;

/** XXH64 with seed 0; the frame checksum is its low half. */
function xxh64(data) {
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  const u64 = (x) => BigInt.asUintN(64, x);
  const rotate = (x, n) => u64(x << n) | (x >> (64n - n));
  const round = (sum, word) => u64(rotate(u64(sum + word * P2), 31n) * P1);
  const end = data.length;
  let at = 0, h = P5;
  if (end >= 32) {
    const lanes = [u64(P1 + P2), P2, 0n, u64(-P1)];
    for (; at + 32 <= end; at += 32) {
      for (let i = 0; i < 4; i++) lanes[i] = round(lanes[i], view.getBigUint64(at + 8 * i, true));
    }
    h = u64([1n, 7n, 12n, 18n].reduce((sum, n, i) => sum + rotate(lanes[i], n), 0n));
    for (const lane of lanes) h = u64((h ^ round(0n, lane)) * P1 + P4);
  }
  h = u64(h + BigInt(end));
  for (; at + 8 <= end; at += 8) {
    h = u64(rotate(h ^ round(0n, view.getBigUint64(at, true)), 27n) * P1 + P4);
  }
  if (at + 4 <= end) {
    h = u64(rotate(h ^ u64(BigInt(view.getUint32(at, true)) * P1), 23n) * P2 + P3);
    at += 4;
  }
  for (; at < end; at++) h = u64(rotate(h ^ u64(BigInt(data[at]) * P5), 11n) * P1);
  h = u64((h ^ (h >> 33n)) * P2);
  h = u64((h ^ (h >> 29n)) * P3);
  return h ^ (h >> 32n);
}

/** Decodes a frame that fills `data` and gives at most `limit` bytes. */
export function decodeFrame(data, limit) {
  let at = 0;
  function take(count) {
    let value = 0;
    if (count > data.length - at) fail("the frame is cut off");
    for (let i = 0; i < count; i++) value += data[at++] * 2 ** (8 * i);
    return value;
  }

  if (take(4) !== 0xfd2fb528) fail("not a frame");
  const descriptor = take(1);
  const single = (descriptor & 32) !== 0, checksum = (descriptor & 4) !== 0;
  if ((descriptor & 8) !== 0) fail("a reserved bit is set");
  let window = Infinity;
  if (!single) {
    const byte = take(1);
    window = 2 ** (10 + (byte >> 3)) * (1 + (byte & 7) / 8);
  }
  if (take([0, 1, 2, 4][descriptor & 3]) !== 0) fail("dictionaries are not supported");
  const sizeBytes = [single ? 1 : 0, 2, 4, 8][descriptor >> 6];
  const size = take(sizeBytes) + (sizeBytes === 2 ? 256 : 0);
  if (size > limit) fail("the output is too long");
  if (single) window = size;
  const maxBlock = Math.min(window, MAX_BLOCK);

  const output = new Output(sizeBytes > 0 ? size : limit);
  const state = { recent: [1, 4, 8] };
  for (let last = false; !last;) {
    const header = take(3);
    last = (header & 1) === 1;
    const type = (header >> 1) & 3, length = header >> 3;
    if (type === 3 || length > maxBlock) fail("a bad block header");
    if (type === 1) {
      output.append(new Uint8Array(length).fill(take(1)));
      continue;
    }
    if (length > data.length - at) fail("a block is cut off");
    const block = data.subarray(at, at += length);
    if (type === 0) output.append(block);
    else {
      const start = output.length;
      const { literals, bytes } = readLiterals(block, state);
      readSequences(block.subarray(bytes), state, literals, output);
      if (output.length - start > maxBlock) fail("a block is too large");
    }
  }
  if (sizeBytes > 0 && output.length !== size) fail("the content size is wrong");
  const result = output.bytes.subarray(0, output.length);
  if (checksum && BigInt(take(4)) !== (xxh64(result) & 0xffffffffn)) fail("the checksum is wrong");
  if (at !== data.length) fail("bytes after the frame");
  return result;
}
