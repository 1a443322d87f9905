/**
 * Makes hostile archives out of good ones: blind damage, and damage inside authentic records of a
 * plain archive, whose digests and Merkle tree anyone can recompute.
 *
 * @module
 */
import { bindingInput } from "../../actors/archive/header.ts";
import { readOpening, readPrologue, readTrailer } from "../../actors/archive/reader.ts";
import { RecordScanner, type ScannedRecord } from "../../actors/archive/scanner.ts";
import { encodeTrailer } from "../../actors/archive/trailer.ts";
import { HEADER_BYTES, TRAILER_BYTES } from "../../actors/base/limits.ts";
import { MerkleHash } from "../../actors/base/merkle_hash.ts";
import { CODEC, RecordCodec } from "../../actors/cipher/record.ts";
import { kernels, MemoryInput } from "./memory_archive.ts";
import type { Random } from "./random.ts";

const INTERESTING = [0, 1, 0x7f, 0x80, 0xff, 0xc0, 0xc4, 0xc6, 0xcf, 0xd3, 0xdd, 0x2e, 0x2f];

/** Overwrites, cuts, doubles or splices bytes anywhere. */
export function damageBlindly(archive: Uint8Array, random: Random): Uint8Array {
  const bytes = archive.slice();
  const at = random.int(bytes.length);
  switch (random.int(6)) {
    case 0:
      return bytes.subarray(0, at);
    case 1: {
      const length = Math.min(random.int(64), bytes.length - at);
      return Uint8Array.from([...bytes.subarray(0, at), ...bytes.subarray(at + length)]);
    }
    case 2: {
      const piece = random.bytes(random.int(64));
      return Uint8Array.from([...bytes.subarray(0, at), ...piece, ...bytes.subarray(at)]);
    }
    case 3: {
      const from = random.int(bytes.length);
      bytes.copyWithin(at, from, Math.min(bytes.length, from + random.int(512)));
      return bytes;
    }
    default: {
      for (let i = random.int(8); i >= 0; i--) bytes[random.int(bytes.length)] = random.int(256);
      return bytes;
    }
  }
}

/** Where the records of a plain archive are. */
export function recordsOf(archive: Uint8Array): ScannedRecord[] {
  const input = new MemoryInput(archive);
  const opening = readOpening(input, kernels);
  const { secrets } = readPrologue(input, kernels, opening, null);
  const { treeOffset } = readTrailer(input, kernels, opening.header);
  const start = HEADER_BYTES + opening.header.keySectionLength;
  const scanner = new RecordScanner(input, new RecordCodec(kernels, secrets), start, treeOffset);
  const records: ScannedRecord[] = [];
  for (let next = scanner.peek(); next !== undefined; next = scanner.peek()) {
    records.push(next);
    scanner.advance(next);
  }
  return records;
}

/** Changes a few bytes inside one authentic record (stored, not compressed) and makes it authentic again. */
export function damageInside(
  archive: Uint8Array,
  records: ScannedRecord[],
  random: Random,
): Uint8Array {
  const bytes = archive.slice();
  const input = new MemoryInput(bytes);
  const opening = readOpening(input, kernels);
  const { secrets } = readPrologue(input, kernels, opening, null);
  const codec = new RecordCodec(kernels, secrets);
  for (let n = random.int(2); n >= 0; n--) {
    const { head, kind, ordinal, offset, length } = random.pick(records);
    const raw = new Uint8Array(head.rawLength);
    if (!codec.open(head, ordinal, bytes.subarray(offset, offset + length), raw)) continue;
    for (let i = random.int(4); i >= 0; i--) {
      const at = random.int(raw.length);
      raw[at] = random.int(2) === 0 ? random.pick(INTERESTING) : random.int(256);
    }
    if (head.codec !== CODEC.stored) continue;
    const target = bytes.subarray(offset, offset + length);
    codec.write({ kind, codec: CODEC.stored, rawLength: raw.length }, ordinal, raw, target);
  }
  sealAgain(bytes);
  return bytes;
}

/** Recomputes Merkle tree and trailer of an archive whose body was changed in place. */
export function sealAgain(bytes: Uint8Array): void {
  const input = new MemoryInput(bytes);
  const opening = readOpening(input, kernels);
  const trailer = readTrailer(input, kernels, opening.header);
  const hash = new MerkleHash(kernels.blake3);
  let level = new Uint8Array(trailer.leafCount * 32);
  hash.leaves(bytes.subarray(HEADER_BYTES, trailer.treeOffset), level);
  let at = trailer.treeOffset;
  for (;;) {
    bytes.set(level, at);
    at += level.length;
    if (level.length === 32) break;
    level = hash.parents(level);
  }
  const binding = new Uint8Array(32);
  kernels.blake3.hash(bindingInput(bytes.subarray(0, HEADER_BYTES)), binding);
  const root = hash.root(binding, trailer.treeOffset - HEADER_BYTES, level);
  bytes.set(encodeTrailer({ ...trailer, root }, kernels.blake3), bytes.length - TRAILER_BYTES);
}
