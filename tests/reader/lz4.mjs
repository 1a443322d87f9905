// A decoder of one LZ4 block, after lz4_Block_format.md.
// A sequence is a token, literals, a two-byte offset and a match; the last one ends after its
// literals. The block must give exactly `size` bytes.

const MIN_MATCH = 4;

export function decodeBlock(data, size) {
  const out = new Uint8Array(size);
  let at = 0, to = 0;

  function longLength(nibble) {
    let length = nibble;
    if (nibble < 15) return length;
    for (let byte = 255; byte === 255; length += byte) {
      if (at >= data.length) throw new Error("LZ4: the block is cut off");
      byte = data[at++];
    }
    return length;
  }

  while (at < data.length) {
    const token = data[at++];
    const literals = longLength(token >> 4);
    if (literals > data.length - at) throw new Error("LZ4: the block is cut off");
    if (literals > size - to) throw new Error("LZ4: the output is too long");
    out.set(data.subarray(at, at + literals), to);
    at += literals;
    to += literals;
    if (at === data.length) {
      if ((token & 15) !== 0) throw new Error("LZ4: the last sequence has a match length");
      if (to !== size) throw new Error("LZ4: the output is too short");
      return out;
    }
    if (data.length - at < 2) throw new Error("LZ4: the block is cut off");
    const offset = data[at] | (data[at + 1] << 8);
    at += 2;
    const match = longLength(token & 15) + MIN_MATCH;
    if (offset === 0 || offset > to) throw new Error("LZ4: a match before the start");
    if (match > size - to) throw new Error("LZ4: the output is too long");
    if (offset >= match) {
      out.copyWithin(to, to - offset, to - offset + match);
      to += match;
    } else { // the match overlaps what it writes
      for (const end = to + match; to < end; to++) out[to] = out[to - offset];
    }
  }
  throw new Error("LZ4: the block is cut off");
}
