// BLAKE3 (https://github.com/BLAKE3-team/BLAKE3-specs) of many items: `leaves` gives one chaining value
// per chunk of 1024 bytes, `parents` one level of all trees. What ends an item's tree goes to `tops`.

struct Params {
  count: u32,      // leaves: items; parents: entries of this level
  threads: u32,
  level: u32,      // parents: 0 joins leaves
  entries: u32,    // parents: where this level's entries begin
  flags: u32,      // KEYED_HASH, DERIVE_KEY_CONTEXT, DERIVE_KEY_MATERIAL or 0
  is_part: u32,    // the items are parts of larger ones: no ROOT
  counter_low: u32,
  counter_high: u32,
  key: array<vec4<u32>, 2>,
}

// first_leaf: of all leaves of the tile; the item after the last one has it, too.
struct Item { offset: u32, length: u32, first_leaf: u32, }

// first: number of pairs at this level before those of `item`.
struct Entry { first: u32, item: u32, }

struct Node { low: vec4<u32>, high: vec4<u32>, }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> items: array<Item>;
@group(0) @binding(2) var<storage, read_write> nodes: array<Node>;
@group(0) @binding(3) var<storage, read_write> tops: array<Node>;
@group(0) @binding(4) var<storage, read> input: array<u32>;
@group(0) @binding(5) var<storage, read> entries: array<Entry>;

const CHUNK_START = 1u;
const CHUNK_END = 2u;
const PARENT = 4u;
const ROOT = 8u;
const CHUNK_BYTES = 1024u;
const BLOCK_BYTES = 64u;
const IV = vec4<u32>(0x6a09e667u, 0xbb67ae85u, 0x3c6ef372u, 0xa54ff53au);

struct Block { a: vec4<u32>, b: vec4<u32>, c: vec4<u32>, d: vec4<u32>, }

fn rotate(x: vec4<u32>, bits: u32) -> vec4<u32> {
  return (x >> vec4<u32>(bits)) | (x << vec4<u32>(32u - bits));
}

fn mix(state: ptr<function, Block>, x: vec4<u32>, y: vec4<u32>) {
  var a = (*state).a;
  var b = (*state).b;
  var c = (*state).c;
  var d = (*state).d;
  a += b + x;
  d = rotate(d ^ a, 16u);
  c += d;
  b = rotate(b ^ c, 12u);
  a += b + y;
  d = rotate(d ^ a, 8u);
  c += d;
  b = rotate(b ^ c, 7u);
  *state = Block(a, b, c, d);
}

fn compress(chaining: Node, block: Block, counter: vec2<u32>, length: u32, flags: u32) -> Node {
  var m = block;
  var state = Block(chaining.low, chaining.high, IV, vec4<u32>(counter, length, flags));
  for (var round = 0u; round < 7u; round++) {
    mix(&state, vec4<u32>(m.a.xz, m.b.xz), vec4<u32>(m.a.yw, m.b.yw));
    state.b = state.b.yzwx;
    state.c = state.c.zwxy;
    state.d = state.d.wxyz;
    mix(&state, vec4<u32>(m.c.xz, m.d.xz), vec4<u32>(m.c.yw, m.d.yw));
    state.b = state.b.wxyz;
    state.c = state.c.zwxy;
    state.d = state.d.yzwx;
    // The permutation 2 6 3 10 7 0 4 13 1 11 12 5 9 14 15 8.
    m = Block(
      vec4<u32>(m.a.z, m.b.z, m.a.w, m.c.z),
      vec4<u32>(m.b.w, m.a.x, m.b.x, m.d.y),
      vec4<u32>(m.a.y, m.c.w, m.d.x, m.b.y),
      vec4<u32>(m.c.y, m.d.z, m.d.w, m.c.x),
    );
  }
  return Node(state.a ^ state.c, state.b ^ state.d);
}

fn item_of_leaf(leaf: u32) -> u32 {
  var low = 0u;
  var high = params.count;
  while (high - low > 1u) {
    let middle = (low + high) / 2u;
    if (items[middle].first_leaf <= leaf) { low = middle; } else { high = middle; }
  }
  return low;
}

@compute @workgroup_size(64)
fn leaves(@builtin(global_invocation_id) id: vec3<u32>) {
  let leaf = id.x;
  if (leaf >= params.threads) {
    return;
  }
  let index = item_of_leaf(leaf);
  let item = items[index];
  let chunk = leaf - item.first_leaf;
  let is_top = items[index + 1u].first_leaf - item.first_leaf == 1u;
  var at = item.offset + chunk * CHUNK_BYTES;
  let end = min(at + CHUNK_BYTES, item.offset + item.length);
  // Parts begin at multiples of their size, a power of two: no carry.
  let counter = vec2<u32>(params.counter_low + chunk, params.counter_high);
  var node = Node(params.key[0], params.key[1]);
  var flags = params.flags | CHUNK_START;
  loop {
    let length = min(BLOCK_BYTES, end - at);
    let is_end = end - at <= BLOCK_BYTES;
    if (is_end) {
      flags |= CHUNK_END | select(0u, ROOT, is_top && params.is_part == 0u);
    }
    let block = Block(
      load_quad(at, end),
      load_quad(at + 16u, end),
      load_quad(at + 32u, end),
      load_quad(at + 48u, end),
    );
    node = compress(node, block, counter, length, flags);
    if (is_end) {
      break;
    }
    flags = params.flags;
    at += BLOCK_BYTES;
  }
  nodes[leaf] = node;
  if (is_top) {
    tops[index] = node;
  }
}

fn entry_of_pair(pair: u32) -> Entry {
  var low = params.entries;
  var high = params.entries + params.count;
  while (high - low > 1u) {
    let middle = (low + high) / 2u;
    if (entries[middle].first <= pair) { low = middle; } else { high = middle; }
  }
  return entries[low];
}

// Node j of a level lies where its leftmost leaf lay, so that every thread reads and writes places that
// no other one touches, and a last node without a sibling moves up where it is.
@compute @workgroup_size(64)
fn parents(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.x >= params.threads) {
    return;
  }
  let entry = entry_of_pair(id.x);
  let first_leaf = items[entry.item].first_leaf;
  let leaf_count = items[entry.item + 1u].first_leaf - first_leaf;
  let pair = id.x - entry.first;
  let left = first_leaf + ((2u * pair) << params.level);
  let right = first_leaf + ((2u * pair + 1u) << params.level);
  let is_top = (leaf_count - 1u) >> params.level == 1u;
  let flags = params.flags | PARENT | select(0u, ROOT, is_top && params.is_part == 0u);
  let key = Node(params.key[0], params.key[1]);
  let block = Block(nodes[left].low, nodes[left].high, nodes[right].low, nodes[right].high);
  let node = compress(key, block, vec2<u32>(0u), BLOCK_BYTES, flags);
  nodes[left] = node;
  if (is_top) {
    tops[entry.item] = node;
  }
}
