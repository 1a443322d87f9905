/* BLAKE3 of a batch, and Merkle levels.
 *
 * Leaves (1 KiB) of all items first, a thread each; then trees, a warp for each 64 nodes of an
 * item, until every item has one node. Pairing neighbours level by level and letting an odd last
 * node rise gives BLAKE3's tree (section 2.1: the left subtree is the largest power of two). */
#include "blake3.cuh"

namespace kernels {

static constexpr uint32_t FAN_SHIFT = 6;

WARP_FN uint64_t leaf_count(uint64_t length) {
  return length <= BLAKE3_LEAF_BYTES ? 1 : (length + BLAKE3_LEAF_BYTES - 1) >> BLAKE3_LEAF_SHIFT;
}

/* Reads a leaf from any address, 64 bytes at a time, with aligned loads: each load is used once. */
struct LeafReader {
  const uint8_t *group;
  uint32_t off;
  uint32_t end; /* of the leaf, counted from `group` */
  Word4 last;

  WARP_FN LeafReader(const uint8_t *at, uint32_t length) {
    off = misalignment(at, 16);
    group = at - off;
    end = length == 0 ? 0 : off + length;
    last = load(0);
  }

  WARP_FN Word4 load(uint32_t from) const {
    return from < end ? load_aligned16(group + from) : Word4{0, 0, 0, 0};
  }

  WARP_FN void read(uint32_t block, uint32_t words[16]) {
    const uint32_t from = block * BLAKE3_BLOCK_BYTES;
#pragma unroll
    for (uint32_t i = 0; i < 4; i++) {
      const Word4 next = load(from + 16 * i + 16);
      const Word4 v = shift_bytes(last, next, off);
      words[4 * i] = v.x, words[4 * i + 1] = v.y, words[4 * i + 2] = v.z, words[4 * i + 3] = v.w;
      last = next;
    }
  }
};

struct Leaves {
  static constexpr uint32_t THREADS = 128;
  Blake3Key key;
  Slots slots;
  const uint8_t *base;
  uint8_t *nodes;
  uint8_t *out;

  WARP_FN void run(uint64_t slot) const {
    Place place;
    if (!slots.find(slot, place)) return;
    const uint64_t from = slots.offsets[place.item];
    const uint64_t length = slots.offsets[place.item + 1] - from, count = leaf_count(length);
    if (place.unit >= count) return;
    const uint64_t at = place.unit << BLAKE3_LEAF_SHIFT;
    const uint64_t rest = length - at;
    uint32_t cv[8];
    hash(cv, base + from + at, rest < BLAKE3_LEAF_BYTES ? (uint32_t)rest : BLAKE3_LEAF_BYTES,
         place.unit, count == 1 ? (uint32_t)BLAKE3_ROOT : 0);
    store_node(count == 1 ? out + 32 * place.item : nodes + 32 * slot, cv);
  }

  WARP_FN void hash(uint32_t cv[8], const uint8_t *at, uint32_t length, uint64_t leaf,
                    uint32_t root) const {
    const uint32_t last = length == 0 ? 0 : (length - 1) / BLAKE3_BLOCK_BYTES;
    LeafReader reader(at, length);
    blake3_begin(cv, key);
    uint32_t words[16];
#pragma unroll 1
    for (uint32_t block = 0; block <= last; block++) {
      reader.read(block, words);
      uint32_t flags = key.flags | (block == 0 ? (uint32_t)BLAKE3_START : 0);
      uint32_t size = BLAKE3_BLOCK_BYTES;
      if (block == last) {
        flags |= BLAKE3_END | root;
        size = length - last * BLAKE3_BLOCK_BYTES;
        clear_after(words, size);
      }
      blake3_compress(cv, words, leaf, size, flags);
    }
  }

  WARP_FN static void clear_after(uint32_t words[16], uint32_t size) {
#pragma unroll
    for (uint32_t i = 0; i < 16; i++)
      words[i] = keep_bytes(words[i], size > 4 * i ? size - 4 * i : 0);
  }
};

/* 64 nodes of an item to 1. Level g has a node for each 2^(6 g) leaves. */
struct Trees {
  static constexpr uint32_t WARPS = 4;
  struct Shared {
    uint32_t nodes[2][8][LANES + 1];
  };
  Blake3Key key;
  Slots from, to;
  const uint8_t *nodes;
  uint8_t *parents;
  uint8_t *out;

  WARP_FN void run(Warp &warp, uint64_t slot, Shared &shared) const {
    Place place;
    if (!to.find(slot, place)) return;
    const uint64_t length = to.offsets[place.item + 1] - to.offsets[place.item];
    const uint64_t below = units(length, from.shift), above = units(length, to.shift);
    if (below == 1 || place.unit >= above) return; /* one node: done already */
    const uint64_t first = place.unit << FAN_SHIFT;
    uint32_t count = below - first < 2 * LANES ? (uint32_t)(below - first) : 2 * LANES;
    const uint32_t root = above == 1 ? (uint32_t)BLAKE3_ROOT : 0;
    const uint8_t *input = nodes + 32 * (from.start(place.item) + first);

    warp.each([&](uint32_t lane) {
      if (2 * lane >= count) return;
      uint32_t pair[16], cv[8];
      load_node(pair, input + 64 * lane);
      if (2 * lane + 1 < count) load_node(pair + 8, input + 64 * lane + 32);
      join(cv, pair, 2 * lane + 1 < count, count == 2 ? root : 0);
#pragma unroll
      for (int i = 0; i < 8; i++) shared.nodes[0][i][lane] = cv[i];
    });
    uint32_t side = 0;
#pragma unroll 1
    for (count = (count + 1) / 2; count > 1; count = (count + 1) / 2, side ^= 1) {
      warp.each([&](uint32_t lane) {
        if (2 * lane >= count) return;
        uint32_t pair[16], cv[8];
#pragma unroll
        for (int i = 0; i < 8; i++) {
          pair[i] = shared.nodes[side][i][2 * lane];
          pair[8 + i] = shared.nodes[side][i][2 * lane + 1];
        }
        join(cv, pair, 2 * lane + 1 < count, count == 2 ? root : 0);
#pragma unroll
        for (int i = 0; i < 8; i++) shared.nodes[side ^ 1][i][lane] = cv[i];
      });
    }
    warp.once([&] {
      uint32_t cv[8];
#pragma unroll
      for (int i = 0; i < 8; i++) cv[i] = shared.nodes[side][i][0];
      store_node(root != 0 ? out + 32 * place.item : parents + 32 * slot, cv);
    });
  }

  /* Their parent, or the first alone. */
  WARP_FN void join(uint32_t cv[8], const uint32_t pair[16], bool is_pair, uint32_t flags) const {
    if (is_pair) {
      blake3_parent(cv, key, pair, flags);
    } else {
#pragma unroll
      for (int i = 0; i < 8; i++) cv[i] = pair[i];
    }
  }

  WARP_FN static uint64_t units(uint64_t length, uint32_t shift) {
    return length == 0 ? 1 : (length + ((uint64_t)1 << shift) - 1) >> shift;
  }
};

bool blake3_key(uint32_t mode, const uint8_t *key, Blake3Key &out) {
  static const uint32_t iv[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  static const uint32_t flags[] = {0, BLAKE3_FLAG_KEYED, BLAKE3_FLAG_MATERIAL, BLAKE3_FLAG_CONTEXT};
  const bool is_keyed = mode == WARP_BLAKE3_KEYED || mode == WARP_BLAKE3_DERIVE;
  if (mode > WARP_BLAKE3_CONTEXT || (is_keyed && key == nullptr)) return false;
  memcpy(out.words, is_keyed ? (const void *)key : (const void *)iv, 32);
  out.flags = flags[mode];
  return true;
}

namespace {

/* Nodes of even and odd levels. */
struct TreeScratch {
  uint8_t *nodes[2];
  size_t bytes;

  TreeScratch(void *scratch, uint64_t n, uint64_t bytes_most) {
    Scratch parts{(uint8_t *)scratch};
    const uint32_t shifts[2] = {BLAKE3_LEAF_SHIFT, BLAKE3_LEAF_SHIFT + FAN_SHIFT};
    for (int i = 0; i < 2; i++)
      nodes[i] = parts.take<uint8_t>(32 * slots_most(n, bytes_most, shifts[i]));
    bytes = parts.used;
  }
};

} /* namespace */

warp_status blake3_queue(warp_stream stream, const Blake3Key &key, const uint8_t *base,
                         const uint64_t *offsets, Count n, uint64_t bytes, uint64_t longest,
                         uint8_t *out, void *scratch) {
  const TreeScratch tree(scratch, n.most, bytes);
  Slots slots{offsets, n, BLAKE3_LEAF_SHIFT};
  warp_status status = launch_threads(stream, Leaves{key, slots, base, tree.nodes[0], out},
                                      slots_most(n.most, bytes, slots.shift));
  for (int side = 0; status == WARP_OK && longest >> slots.shift != 0; side ^= 1) {
    if (longest == (uint64_t)1 << slots.shift) break;
    const Slots above{offsets, n, slots.shift + FAN_SHIFT};
    const Trees trees{key, slots, above, tree.nodes[side], tree.nodes[side ^ 1], out};
    status = launch_warps(stream, trees, slots_most(n.most, bytes, above.shift));
    slots = above;
  }
  return status;
}

/* One level: parent i of nodes 2 i and 2 i + 1, each a whole input of its own (not a BLAKE3
 * tree). */
struct MerkleLevel {
  static constexpr uint32_t THREADS = 128;
  Blake3Key key;
  const uint8_t *children;
  uint64_t count;
  uint8_t *parents;

  WARP_FN void run(uint64_t index) const {
    uint32_t pair[16], cv[8];
    load_node(pair, children + 64 * index);
    if (2 * index + 1 < count) {
      load_node(pair + 8, children + 64 * index + 32);
      blake3_begin(cv, key);
      blake3_compress(cv, pair, 0, BLAKE3_BLOCK_BYTES,
                      key.flags | BLAKE3_START | BLAKE3_END | BLAKE3_ROOT);
      store_node(parents + 32 * index, cv);
    } else {
      store_node(parents + 32 * index, pair);
    }
  }
};

/* The levels above `count` <= 2 THREADS nodes, which would be too little work for a launch each. */
struct MerkleTop {
  static constexpr uint32_t THREADS = 256;
  using Shared = Nothing;
  Blake3Key key;
  const uint8_t *children;
  uint64_t count;
  uint8_t *parents;

  WARP_FN void run(Block<THREADS> &block, uint64_t, Shared &) const {
    const uint8_t *from = children;
    uint8_t *to = parents;
#pragma unroll 1
    for (uint64_t n = count; n > 1; n = (n + 1) / 2) {
      const MerkleLevel level{key, from, n, to};
      block.each([&](uint32_t thread) {
        if (thread < (n + 1) / 2) level.run(thread);
      });
      from = to;
      to += 32 * ((n + 1) / 2);
    }
  }
};

} /* namespace kernels */

using namespace kernels;

size_t blake3_scratch_bytes(uint64_t n, uint64_t bytes) {
  return TreeScratch(nullptr, n, bytes).bytes;
}

warp_status blake3_launch(warp_stream stream, uint32_t mode, const uint8_t *key,
                          const uint8_t *base, const uint64_t *offsets, uint64_t n, uint64_t bytes,
                          uint64_t longest, uint8_t *out, void *scratch) {
  Blake3Key start;
  if (!blake3_key(mode, key, start)) return WARP_EINVAL;
  if (n == 0) return WARP_OK;
  const Count count{n, nullptr};
  return blake3_queue(stream, start, base, offsets, count, bytes, longest, out, scratch);
}

size_t merkle_scratch_bytes(uint64_t) { return 0; }

warp_status merkle_launch(warp_stream stream, const uint8_t *key, const uint8_t *leaves, uint64_t n,
                          uint8_t *out, void *) {
  Blake3Key start;
  if (!blake3_key(WARP_BLAKE3_KEYED, key, start)) return WARP_EINVAL;
  warp_status status = WARP_OK;
  for (; status == WARP_OK && n > 2 * MerkleTop::THREADS; n = (n + 1) / 2) {
    status = launch_threads(stream, MerkleLevel{start, leaves, n, out}, (n + 1) / 2);
    leaves = out;
    out += 32 * ((n + 1) / 2);
  }
  if (status != WARP_OK || n <= 1) return status;
  return launch_blocks(stream, MerkleTop{start, leaves, n, out}, 1);
}
