// ChaCha20 (RFC 8439 section 2.4) for many items: their Poly1305 keys, then their bytes.

struct Params {
  count: u32,      // items
  threads: u32,    // blocks of 64 bytes
  key_stride: u32, // in quads: 0 when all items have the same key
  is_open: u32,    // items whose result is not 0 become zeros
}

struct Item {
  offset: u32,
  length: u32,
  slot: u32,         // in quads of 16 bytes
  first_block: u32,  // of all blocks of the tile
  aad: u32,
  aad_length: u32,
  nonce: array<u32, 3>,
  key: u32,
  counter: u32,      // of the first block
  total_length: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> items: array<Item>;
@group(0) @binding(2) var<storage, read> input: array<u32>;
@group(0) @binding(3) var<storage, read> keys: array<vec4<u32>>;
@group(0) @binding(4) var<storage, read_write> one_time_keys: array<vec4<u32>>;
@group(0) @binding(5) var<storage, read> results: array<vec4<u32>>;
@group(0) @binding(6) var<storage, read_write> output: array<vec4<u32>>;

struct Block { a: vec4<u32>, b: vec4<u32>, c: vec4<u32>, d: vec4<u32>, }

fn rotate(x: vec4<u32>, bits: u32) -> vec4<u32> {
  return (x << vec4<u32>(bits)) | (x >> vec4<u32>(32u - bits));
}

fn quarter_rounds(state: Block) -> Block {
  var s = state;
  s.a += s.b;
  s.d = rotate(s.d ^ s.a, 16u);
  s.c += s.d;
  s.b = rotate(s.b ^ s.c, 12u);
  s.a += s.b;
  s.d = rotate(s.d ^ s.a, 8u);
  s.c += s.d;
  s.b = rotate(s.b ^ s.c, 7u);
  return s;
}

fn chacha20(item: Item, counter: u32) -> Block {
  let key = item.key * params.key_stride;
  let start = Block(
    vec4<u32>(0x61707865u, 0x3320646eu, 0x79622d32u, 0x6b206574u),
    keys[key],
    keys[key + 1u],
    vec4<u32>(counter, item.nonce[0], item.nonce[1], item.nonce[2]),
  );
  var s = start;
  for (var round = 0u; round < 10u; round++) {
    s = quarter_rounds(s);
    s = quarter_rounds(Block(s.a, s.b.yzwx, s.c.zwxy, s.d.wxyz));
    s = Block(s.a, s.b.wxyz, s.c.zwxy, s.d.yzwx);
  }
  return Block(s.a + start.a, s.b + start.b, s.c + start.c, s.d + start.d);
}

// One thread per item: the first 32 bytes of block 0.
@compute @workgroup_size(64)
fn make_one_time_keys(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.x >= params.count) {
    return;
  }
  let block = chacha20(items[id.x], 0u);
  one_time_keys[2u * id.x] = block.a;
  one_time_keys[2u * id.x + 1u] = block.b;
}

// Items without bytes have no block: of those with the same first block the last one has it.
fn item_of_block(block: u32) -> u32 {
  var low = 0u;
  var high = params.count;
  while (high - low > 1u) {
    let middle = (low + high) / 2u;
    if (items[middle].first_block <= block) { low = middle; } else { high = middle; }
  }
  return low;
}

// One thread per block. Slots end at multiples of 16 bytes; what is behind the item there is not used.
@compute @workgroup_size(64)
fn apply_stream(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.x >= params.threads) {
    return;
  }
  let index = item_of_block(id.x);
  let item = items[index];
  let block = id.x - item.first_block;
  let quads = min(4u, (item.length + 15u) / 16u - 4u * block);
  let to = item.slot + 4u * block;
  if (params.is_open != 0u && results[index].x != 0u) {
    for (var i = 0u; i < quads; i++) {
      output[to + i] = vec4<u32>(0u);
    }
    return;
  }
  let stream = chacha20(item, item.counter + block);
  let begin = item.offset + 64u * block;
  let end = item.offset + item.length;
  output[to] = stream.a ^ load_quad(begin, end);
  if (quads > 1u) {
    output[to + 1u] = stream.b ^ load_quad(begin + 16u, end);
  }
  if (quads > 2u) {
    output[to + 2u] = stream.c ^ load_quad(begin + 32u, end);
  }
  if (quads > 3u) {
    output[to + 3u] = stream.d ^ load_quad(begin + 48u, end);
  }
}
