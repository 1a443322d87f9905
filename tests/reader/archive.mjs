// Opens a .warp archive (docs/format.md), checks what is around its records and reads those.
// Section numbers are those of that page. `Archive` gives every record as a verified payload, the
// entries of the file table in order, and the chunks by ordinal.

import { Buffer } from "node:buffer";
import { createDecipheriv, createPublicKey, hkdfSync, verify } from "node:crypto";
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { argon2id } from "./argon2id.mjs";
import { deriveKey, hash, keyed } from "./blake3.mjs";
import { decodeBlock } from "./lz4.mjs";
import { decode } from "./msgpack.mjs";
import { decodeFrame } from "./zstd.mjs";

const MIB = 1024 * 1024;
const FIXED = 256; // the header, and the trailer
const MERKLE_BLOCK = 64 * 1024;
const MAX_CHILDREN = 256, MAX_DEPTH = 16;
const CACHED_BLOCKS = 8, CACHED_NODES = 64;

const BLOCK = 1, TABLE_PAGE = 2, INDEX_PAGE = 3, TABLE_NODE = 4, INDEX_NODE = 5;
const PROLOGUE = 6, ROOT = 7;
// Sections 1 and 6: which kinds may follow a kind.
const BETWEEN_BATCHES = [TABLE_PAGE, TABLE_NODE, INDEX_NODE, ROOT];
const NEXT = {
  [PROLOGUE]: BETWEEN_BATCHES,
  [TABLE_PAGE]: [BLOCK, ...BETWEEN_BATCHES],
  [BLOCK]: [BLOCK, INDEX_PAGE],
  [INDEX_PAGE]: BETWEEN_BATCHES,
  [TABLE_NODE]: BETWEEN_BATCHES,
  [INDEX_NODE]: BETWEEN_BATCHES,
  [ROOT]: [],
};

export function check(condition, message) {
  if (!condition) throw new Error(message);
}

export const isCount = (value) => Number.isSafeInteger(value) && value >= 0;
export const isBinary = (value, length) =>
  value instanceof Uint8Array && (length === undefined || value.length === length);
const isZero = (bytes) => bytes.every((byte) => byte === 0);
const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);

function u64(buffer, at) {
  const value = Number(buffer.readBigUInt64LE(at));
  check(Number.isSafeInteger(value), "a number is too large");
  return value;
}

function u64Bytes(value) {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

/** The value, if it is an array whose fields pass the tests, one each. */
export function tuple(value, tests, what) {
  const good = Array.isArray(value) && value.length === tests.length &&
    tests.every((test, i) => test(value[i]));
  check(good, `${what} is malformed`);
  return value;
}

/** The value, if it is a map of exactly these fields. */
function fields(value, tests, what) {
  const names = Object.keys(tests);
  const good = value !== null && Object.getPrototypeOf(value) === null &&
    Object.keys(value).length === names.length &&
    names.every((name) => name in value && tests[name](value[name]));
  check(good, `${what} is malformed`);
  return value;
}

/** ChaCha20-Poly1305; `sealed` is the ciphertext and its tag. Undefined when the tag is wrong. */
function open(key, nonce, aad, sealed) {
  const end = sealed.length - 16;
  const cipher = createDecipheriv("chacha20-poly1305", key, nonce, { authTagLength: 16 });
  cipher.setAAD(aad, { plaintextLength: end });
  cipher.setAuthTag(sealed.subarray(end));
  const plain = cipher.update(sealed.subarray(0, end));
  try {
    cipher.final();
  } catch {
    return undefined;
  }
  return plain;
}

export class Archive {
  #file;
  #keys = null; // of an encrypted archive
  #plainKey = deriveKey("warp/archive/v1 plain record", new Uint8Array());
  #records = new Map(); // file offset -> head, for every record
  #blocks = new Map(); // ordinal -> raw bytes, the last few used
  #nodes = new Map(); // file offset -> opened index node or page, the last ones read
  #pagesWithEntries = 0;

  constructor(path, passphrase) {
    this.#file = openSync(path);
    this.size = fstatSync(this.#file).size;
    check(this.size > 2 * FIXED, "the file is too short");
    this.#readHeader();
    this.#readTrailer();
    this.#checkMerkleTree();
    this.#checkSignature();
    if (this.encrypted) this.#unlock(passphrase);
    this.#scan();
    this.#readPrologue();
    this.#readRoot();
    this.#checkBatches();
    this.#checkIndex();
  }

  close() {
    closeSync(this.#file);
  }

  #read(offset, length) {
    check(offset >= 0 && length <= this.size - offset, "a range is outside the file");
    const bytes = Buffer.alloc(length);
    let done = 0;
    while (done < length) {
      const count = readSync(this.#file, bytes, done, length - done, offset + done);
      check(count > 0, "the file became shorter");
      done += count;
    }
    return bytes;
  }

  // ---- sections 2, 10 and 9 ----

  #readHeader() {
    const header = this.#read(0, FIXED);
    check(header.toString("latin1", 0, 8) === "WARP\r\n\x1a\0", "not a .warp archive");
    check(header.readUInt16LE(8) === 1, "an unknown version");
    const flags = header.readUInt16LE(10);
    check(flags < 2, "unknown flags");
    this.encrypted = flags === 1;
    this.keySectionLength = header.readUInt32LE(12);
    check(
      this.encrypted
        ? this.keySectionLength >= 1 && this.keySectionLength <= MIB
        : this.keySectionLength === 0,
      "a bad length of the key section",
    );
    this.id = header.subarray(16, 32);
    const [min, avg, max] = [32, 36, 40].map((at) => header.readUInt32LE(at));
    const isPower = (avg & (avg - 1)) === 0;
    check(
      min >= 64 && isPower && avg >= 256 && avg <= 16 * MIB && min <= avg && avg <= max &&
        max <= 64 * MIB,
      "bad chunk sizes",
    );
    this.chunkMax = max;
    check(header[44] === 16, "an unknown Merkle block size");
    check(isZero(header.subarray(45, 48)) && isZero(header.subarray(64)), "header bytes not zero");
    this.late = [u64(header, 48), u64(header, 56)];
    header.fill(0, 48, 64);
    this.binding = hash(header);
  }

  #readTrailer() {
    const trailer = this.#read(this.size - FIXED, FIXED);
    check(trailer.toString("latin1", 0, 8) === "WARPEND\n", "no trailer: the archive is cut off");
    check(trailer.subarray(224).equals(hash(trailer.subarray(0, 224))), "a damaged trailer");
    check(trailer.readUInt16LE(8) === 1, "an unknown version of the trailer");
    check(trailer.readUInt16LE(10) < 2, "unknown flags in the trailer");
    this.signed = trailer.readUInt16LE(10) === 1;
    check(
      trailer.readUInt32LE(12) === 0 && isZero(trailer.subarray(192, 224)),
      "trailer bytes not zero",
    );
    check(trailer.subarray(16, 32).equals(this.id), "header and trailer do not belong together");
    this.treeOffset = u64(trailer, 32);
    check(u64(trailer, 40) === this.size, "the length of the archive is wrong");
    check(this.treeOffset > FIXED && this.treeOffset < this.size - FIXED, "a bad tree offset");
    const [treeOffset, total] = this.late;
    check(
      (treeOffset === 0 && total === 0) || (treeOffset === this.treeOffset && total === this.size),
      "header and trailer differ",
    );
    this.leafCount = u64(trailer, 48);
    this.rootOffset = u64(trailer, 56);
    this.root = trailer.subarray(64, 96);
    this.trailer = trailer;
  }

  #checkMerkleTree() {
    const none = new Uint8Array();
    const [leafKey, nodeKey, rootKey] = ["leaf", "node", "root"].map((name) =>
      deriveKey(`warp/archive/v1 merkle ${name}`, none)
    );
    const length = this.treeOffset - FIXED;
    check(this.leafCount === Math.ceil(length / MERKLE_BLOCK), "a wrong leaf count");
    const levels = [[]];
    for (let at = FIXED; at < this.treeOffset; at += MERKLE_BLOCK) {
      const block = this.#read(at, Math.min(MERKLE_BLOCK, this.treeOffset - at));
      levels[0].push(keyed(leafKey, block));
    }
    for (let below = levels[0]; below.length > 1; below = levels.at(-1)) {
      const level = [];
      for (let i = 0; i < below.length; i += 2) {
        const pair = below.slice(i, i + 2);
        level.push(pair.length === 2 ? keyed(nodeKey, Buffer.concat(pair)) : pair[0]);
      }
      levels.push(level);
    }
    const tree = Buffer.concat(levels.flat());
    check(this.treeOffset + tree.length + FIXED === this.size, "a wrong size of the Merkle tree");
    check(tree.equals(this.#read(this.treeOffset, tree.length)), "the Merkle tree does not match");
    const input = Buffer.concat([this.binding, u64Bytes(length), levels.at(-1)[0]]);
    check(this.root.equals(keyed(rootKey, input)), "the Merkle root does not match");
  }

  #checkSignature() {
    const key = this.trailer.subarray(96, 128), signature = this.trailer.subarray(128, 192);
    if (!this.signed) {
      check(isZero(key) && isZero(signature), "a signature without its flag");
      return;
    }
    const jwk = { kty: "OKP", crv: "Ed25519", x: key.toString("base64url") };
    const message = Buffer.concat([
      Buffer.from("warp/archive/v1/signature"),
      this.trailer.subarray(0, 128),
    ]);
    const publicKey = createPublicKey({ key: jwk, format: "jwk" });
    check(verify(null, message, publicKey, signature), "the signature is wrong");
  }

  // ---- sections 3 and 4 ----

  #unlock(passphrase) {
    const stanzas = decode(this.#read(FIXED, this.keySectionLength));
    check(
      Array.isArray(stanzas) && stanzas.length >= 1 && stanzas.length <= 64 &&
        stanzas.every((stanza) => Array.isArray(stanza) && typeof stanza[0] === "string"),
      "the key section is malformed",
    );
    const usable = stanzas.filter(([kind]) => kind === "argon2id");
    check(usable.length > 0, "no passphrase opens this archive; age keys are not supported here");
    check(passphrase !== undefined, "the archive is encrypted: use --passphrase");
    const password = Buffer.from(passphrase.normalize("NFC"));
    let work = 0; // KiB times passes
    for (const stanza of usable) {
      const tests = [() => true, (salt) => isBinary(salt, 16), isCount, isCount, isCount];
      tuple(stanza, [...tests, (wrapped) => isBinary(wrapped, 60)], "an argon2id stanza");
      const [, , memory, passes, lanes] = stanza;
      check(memory <= MIB && passes <= 64 && lanes <= 16, "Argon2 parameters are too large");
      work += memory * passes;
    }
    check(work <= MIB * 64, "the argon2id stanzas ask for too much work together");
    for (const [, salt, memory, passes, lanes, wrapped] of usable) {
      const stretched = argon2id(password, salt, { memory, passes, lanes });
      const kek = this.#hkdf(stretched, Buffer.from("warp/archive/v1/passphrase"));
      const aad = Buffer.concat([Buffer.from("warp/archive/v1/wrap"), this.id]);
      const key = open(kek, wrapped.subarray(0, 12), aad, wrapped.subarray(12));
      if (key === undefined) continue;
      this.#keys = {
        head: this.#hkdf(key, Buffer.from("warp/archive/v1/head")),
        seal: (kind, epoch) => {
          const label = Buffer.from("warp/archive/v1/seal");
          return this.#hkdf(key, Buffer.concat([label, Uint8Array.of(kind), u64Bytes(epoch)]));
        },
      };
      return;
    }
    throw new Error("the passphrase is wrong");
  }

  #hkdf(key, info) {
    return Buffer.from(hkdfSync("sha256", key, this.id, info, 32));
  }

  // ---- section 5 ----

  /** Reads all heads: records follow each other without gaps, in a legal order. */
  #scan() {
    this.start = FIXED + this.keySectionLength;
    const counts = new Map();
    let allowed = [PROLOGUE], last;
    for (let offset = this.start; offset < this.treeOffset;) {
      const record = this.#readHead(offset);
      record.ordinal = counts.get(record.kind) ?? 0;
      counts.set(record.kind, record.ordinal + 1);
      check(allowed.includes(record.kind), `record kind ${record.kind} at ${offset} is misplaced`);
      check(record.low === record.ordinal % 2 ** 32, `a wrong ordinal at ${offset}`);
      this.#records.set(offset, record);
      allowed = NEXT[record.kind];
      last = record;
      offset += record.length;
      check(offset <= this.treeOffset, "the last record is cut off");
    }
    check(last?.kind === ROOT && last.offset === this.rootOffset, "the root record is misplaced");
  }

  #readHead(offset) {
    let head;
    if (this.encrypted) {
      const bytes = this.#read(offset, 28);
      const mask = keyed(this.#keys.head, bytes.subarray(0, 12), 16);
      head = bytes.subarray(12).map((byte, i) => byte ^ mask[i]);
    } else head = this.#read(offset, 16);
    const record = {
      offset,
      head,
      kind: head[0],
      codec: head[1],
      rawLength: head.readUInt32LE(4),
      storedLength: head.readUInt32LE(8),
      low: head.readUInt32LE(12),
    };
    const { kind, codec, rawLength, storedLength } = record;
    check(
      kind >= BLOCK && kind <= ROOT && codec <= 2 && head.readUInt16LE(2) === 0 &&
        rawLength <= (kind === BLOCK ? 64 : 16) * MIB && storedLength <= rawLength + 4096 &&
        (codec !== 0 || rawLength === storedLength),
      `a malformed head at ${offset}`,
    );
    record.length = storedLength + (this.encrypted ? 12 + 16 + 16 : 16 + 32);
    return record;
  }

  /** Verifies a record and returns its content. */
  #content(kind, ordinal, offset, length) {
    const record = this.#records.get(offset);
    check(
      record !== undefined && record.kind === kind && record.ordinal === ordinal &&
        (length === undefined || record.length === length),
      `no record ${ordinal} of kind ${kind} at ${offset}`,
    );
    const bytes = this.#read(offset, record.length);
    const place = [Uint8Array.of(kind), u64Bytes(ordinal)];
    let payload;
    if (this.encrypted) {
      const key = this.#keys.seal(kind, Math.floor(ordinal / 65536));
      const aad = Buffer.concat([this.binding, ...place, record.head]);
      payload = open(key, bytes.subarray(0, 12), aad, bytes.subarray(28));
    } else {
      const end = 16 + record.storedLength;
      const inner = keyed(this.#plainKey, bytes.subarray(0, end));
      const digest = keyed(this.#plainKey, Buffer.concat([...place, this.binding, inner]));
      if (bytes.subarray(end).equals(digest)) payload = bytes.subarray(16, end);
    }
    check(payload !== undefined, `the record at ${offset} is damaged`);
    if (record.codec === 0) return payload;
    const raw = record.codec === 1
      ? decodeBlock(payload, record.rawLength)
      : decodeFrame(payload, record.rawLength);
    check(raw.length === record.rawLength, `the record at ${offset} has a wrong length`);
    return Buffer.from(raw.buffer, raw.byteOffset, raw.length);
  }

  // ---- section 8 ----

  #readPrologue() {
    const { encrypted } = this;
    this.prologue = fields(decode(this.#content(PROLOGUE, 0, this.start)), {
      v: (v) => v === 1,
      created: Number.isSafeInteger,
      by: (by) => typeof by === "string",
      id: (id) => encrypted ? isBinary(id, 32) : id === null,
      table: (table) => table === null || isBinary(table, 128),
      bases: Array.isArray,
    }, "the prologue");
    check(this.prologue.bases.length === 0, "archives with bases are not supported here");
  }

  #readRoot() {
    const isTree = (tree) =>
      tree === null || (Array.isArray(tree) && tree.length === 4 && tree.every(isCount) &&
        tree[3] <= MAX_DEPTH);
    this.counts = fields(decode(this.#content(ROOT, 0, this.rootOffset)), {
      chunks: isCount,
      blocks: isCount,
      entries: isCount,
      files: isCount,
      bytes: isCount,
      stored: isCount,
      index: isTree,
      table: isTree,
    }, "the root record");
    const blocks = [...this.#records.values()].filter(({ kind }) => kind === BLOCK);
    check(this.counts.blocks === blocks.length, "a wrong count of blocks");
    check(
      this.counts.stored === sum(blocks.map((block) => block.rawLength)),
      "a wrong count of stored bytes",
    );
  }

  // ---- section 6 ----

  #readTablePage([offset, length, ordinal]) {
    const page = decode(this.#content(TABLE_PAGE, ordinal, offset, length));
    const counts = (list) => Array.isArray(list) && list.every((n) => isCount(n) && n > 0);
    tuple(page, [isCount, counts, counts, Array.isArray], "a table page");
    const [firstChunk, lengths, perBlock, entries] = page;
    check(lengths.length === sum(perBlock), "a table page contradicts itself");
    check(lengths.every((size) => size <= this.chunkMax), "a chunk is too long");
    for (const entry of entries) {
      check(Array.isArray(entry) && isBinary(entry[0]), "an entry is malformed");
    }
    return { firstChunk, lengths, perBlock, entries };
  }

  #readIndexPage([offset, length, ordinal]) {
    const page = this.#content(INDEX_PAGE, ordinal, offset, length);
    check(page.length > 8 && page.length % 56 === 8, "a malformed index page");
    const chunks = [];
    for (let at = 8; at < page.length; at += 56) {
      chunks.push({
        id: page.subarray(at, at + 32),
        offset: u64(page, at + 32),
        block: u64(page, at + 40),
        start: page.readUInt32LE(at + 48),
        length: page.readUInt32LE(at + 52),
      });
    }
    return { first: u64(page, 0), chunks };
  }

  /** What a table page announces, the blocks after it and their index page must agree. */
  #checkBatches() {
    let nextChunk = 0, page, blocks, complete = true;
    for (const record of this.#records.values()) {
      const { kind, offset, length, ordinal } = record;
      if (kind === TABLE_PAGE || kind === ROOT) check(complete, "a batch has no index page");
      if (kind === TABLE_PAGE) {
        page = this.#readTablePage([offset, length, ordinal]);
        check(page.firstChunk === nextChunk, "a batch does not follow the one before");
        nextChunk += page.lengths.length;
        if (page.entries.length > 0) this.#pagesWithEntries += 1;
        blocks = [];
        complete = page.perBlock.length === 0;
      } else if (kind === BLOCK) blocks.push(record);
      else if (kind === INDEX_PAGE) {
        checkIndexPage(page, blocks, this.#readIndexPage([offset, length, ordinal]));
        complete = true;
      }
    }
    check(this.counts.chunks === nextChunk, "a wrong count of chunks");
  }

  // ---- section 7 ----

  #readNode(kind, [offset, length, ordinal]) {
    const children = decode(this.#content(kind, ordinal, offset, length));
    check(
      Array.isArray(children) && children.length >= 1 && children.length <= MAX_CHILDREN,
      "a malformed tree node",
    );
    const isKey = kind === INDEX_NODE ? isCount : isBinary;
    const child = [(key) => isKey(key), isCount, isCount, isCount];
    return children.map((fields) => tuple(fields, child, "a tree node"));
  }

  /** The leaves of a tree, in order, as [key, offset, length, ordinal]. */
  *#leaves(kind, child, depth) {
    if (depth === 0) {
      yield child;
      return;
    }
    const children = this.#readNode(kind, child.slice(1));
    if (child[0] !== undefined) check(sameKey(children[0][0], child[0]), "a wrong key in a tree");
    for (const next of children) yield* this.#leaves(kind, next, depth - 1);
  }

  *#treeLeaves(kind, tree) {
    if (tree !== null) yield* this.#leaves(kind, [undefined, ...tree.slice(0, 3)], tree[3]);
  }

  /** All entries of the file table, as they are stored, in order. */
  *entries() {
    let pages = 0;
    for (const [key, ...place] of this.#treeLeaves(TABLE_NODE, this.counts.table)) {
      const { entries } = this.#readTablePage(place);
      check(entries.length > 0, "an empty leaf in the file table");
      if (key !== undefined) check(sameKey(entries[0][0], key), "a wrong key in the file table");
      yield* entries;
      pages += 1;
    }
    check(pages === this.#pagesWithEntries, "the file table does not name all its pages");
  }

  /** Index pages follow each other without a gap, from chunk 0 to the last. */
  #checkIndex() {
    let next = 0;
    for (const [key, ...place] of this.#treeLeaves(INDEX_NODE, this.counts.index)) {
      const { first, chunks } = this.#readIndexPage(place);
      check(first === next && (key === undefined || key === first), "a gap in the chunk index");
      next += chunks.length;
    }
    check(next === this.counts.chunks, "the chunk index does not hold all chunks");
  }

  /** Goes down the index tree: in each node, the last child whose key is <= n. */
  #findChunk(n) {
    check(n < this.counts.chunks, `there is no chunk ${n}`);
    const [offset, length, ordinal, depth] = this.counts.index;
    let place = [offset, length, ordinal];
    for (let level = depth; level > 0; level--) {
      const children = this.#cached(place, () => this.#readNode(INDEX_NODE, place));
      place = children.findLast(([key]) => key <= n).slice(1);
    }
    const page = this.#cached(place, () => this.#readIndexPage(place));
    return page.chunks[n - page.first];
  }

  #cached([offset], read) {
    let node = this.#nodes.get(offset);
    if (node === undefined) this.#nodes.set(offset, node = read());
    if (this.#nodes.size > CACHED_NODES) this.#nodes.delete(this.#nodes.keys().next().value);
    return node;
  }

  /** The bytes of chunk n, checked against its id. */
  chunk(n) {
    const { id, offset, block, start, length } = this.#findChunk(n);
    let raw = this.#blocks.get(block);
    if (raw === undefined) {
      raw = this.#content(BLOCK, block, offset);
      this.#blocks.set(block, raw);
      if (this.#blocks.size > CACHED_BLOCKS) {
        this.#blocks.delete(this.#blocks.keys().next().value);
      }
    }
    check(start + length <= raw.length, `chunk ${n} is outside its block`);
    const bytes = raw.subarray(start, start + length);
    const actual = this.encrypted ? keyed(this.prologue.id, bytes) : hash(bytes);
    check(id.equals(actual), `chunk ${n} does not match its id`);
    return bytes;
  }
}

const sameKey = (a, b) => isBinary(a) ? a.equals(b) : a === b;

function checkIndexPage(page, blocks, index) {
  const { firstChunk, lengths, perBlock } = page;
  let good = index.first === firstChunk && index.chunks.length === lengths.length &&
    blocks.length === perBlock.length;
  let n = 0;
  for (let i = 0; good && i < blocks.length; i++) {
    let start = 0;
    for (const end = n + perBlock[i]; n < end; n++) {
      const chunk = index.chunks[n];
      good &&= chunk.offset === blocks[i].offset && chunk.block === blocks[i].ordinal &&
        chunk.start === start && chunk.length === lengths[n];
      start += lengths[n];
    }
    good &&= start === blocks[i].rawLength;
  }
  check(good, "the parts of a batch contradict each other");
}
