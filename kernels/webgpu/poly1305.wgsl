// Poly1305 (RFC 8439 section 2.5) over aad, ciphertext and lengths of many items. Each polynomial is cut
// into segments of 64 blocks, counted from its end. `segments` evaluates them by themselves; `fold` joins
// 64 neighbours, again and again, with r to the power of 64, 64 * 64, ... in place of r.
//
// Numbers mod 2^130 - 5 are ten limbs of 13 bits (as in poly1305-donna-16, A. Moon): products of two
// limbs, times 5, and sums of five such, fit 32 bits. In memory two limbs share a word.

struct Params {
  count: u32,       // items
  threads: u32,     // sums of this level
  level: u32,
  is_seal: u32,     // ciphertext lies in slots of `input`; else where the sealed items were
  has_aad: u32,     // these are first parts of items, or all of them
  has_lengths: u32, // last parts, or all
  carry_last: u32,
  unused: u32,
  carry: vec4<u32>, // what the parts before gave
}

struct Item {
  offset: u32,
  length: u32,
  slot: u32,         // in quads of 16 bytes
  first_block: u32,
  aad: u32,          // in quads
  aad_length: u32,
  nonce: array<u32, 3>,
  key: u32,
  counter: u32,
  total_length: u32, // of all parts
}

alias Limbs = array<u32, 10>;
alias Packed = array<u32, 5>;
alias Powers = array<Packed, 4>; // r^1, r^64, r^4096, r^262144

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> items: array<Item>;
@group(0) @binding(2) var<storage, read> input: array<u32>;
@group(0) @binding(3) var<storage, read> aads: array<vec4<u32>>;
@group(0) @binding(4) var<storage, read> one_time_keys: array<vec4<u32>>;
@group(0) @binding(5) var<storage, read_write> powers: array<Powers>;
// Of all levels, one after the other; starts: for each level, where an item's sums begin, and the end.
@group(0) @binding(6) var<storage, read_write> sums: array<Packed>;
@group(0) @binding(7) var<storage, read> starts: array<u32>;
@group(0) @binding(8) var<storage, read_write> results: array<vec4<u32>>;

const MASK = 0x1fffu;
const WIDTH = 64u;

fn pack(h: Limbs) -> Packed {
  return Packed(
    h[0] + (h[1] << 13u),
    h[2] + (h[3] << 13u),
    h[4] + (h[5] << 13u),
    h[6] + (h[7] << 13u),
    h[8] + (h[9] << 13u),
  );
}

fn unpack(p: Packed) -> Limbs {
  return Limbs(
    p[0] & MASK, p[0] >> 13u, p[1] & MASK, p[1] >> 13u, p[2] & MASK,
    p[2] >> 13u, p[3] & MASK, p[3] >> 13u, p[4] & MASK, p[4] >> 13u,
  );
}

// A block of 16 bytes, with `top` (2^128, or 0) on it.
fn limbs_of(w: vec4<u32>, top: u32) -> Limbs {
  return Limbs(
    w.x & MASK,
    (w.x >> 13u) & MASK,
    ((w.x >> 26u) | (w.y << 6u)) & MASK,
    (w.y >> 7u) & MASK,
    ((w.y >> 20u) | (w.z << 12u)) & MASK,
    (w.z >> 1u) & MASK,
    (w.z >> 14u) & MASK,
    ((w.z >> 27u) | (w.w << 5u)) & MASK,
    (w.w >> 8u) & MASK,
    (w.w >> 21u) | (top << 11u),
  );
}

fn add(a: Limbs, b: Limbs) -> Limbs {
  return Limbs(
    a[0] + b[0], a[1] + b[1], a[2] + b[2], a[3] + b[3], a[4] + b[4],
    a[5] + b[5], a[6] + b[6], a[7] + b[7], a[8] + b[8], a[9] + b[9],
  );
}

// a may be a sum of two reduced numbers, b is reduced: limbs to 13 bits, limb 1 to a little more.
fn multiply(a: Limbs, b: Limbs) -> Limbs {
  let f = Limbs(
    0u, 5u * b[1], 5u * b[2], 5u * b[3], 5u * b[4],
    5u * b[5], 5u * b[6], 5u * b[7], 5u * b[8], 5u * b[9],
  );
  var h: Limbs;
  var c = 0u;
  var d = 0u;
  d = c + a[0] * b[0] + a[1] * f[9] + a[2] * f[8] + a[3] * f[7] + a[4] * f[6];
  c = d >> 13u;
  d = (d & MASK) + a[5] * f[5] + a[6] * f[4] + a[7] * f[3] + a[8] * f[2] + a[9] * f[1];
  c += d >> 13u;
  h[0] = d & MASK;
  d = c + a[0] * b[1] + a[1] * b[0] + a[2] * f[9] + a[3] * f[8] + a[4] * f[7];
  c = d >> 13u;
  d = (d & MASK) + a[5] * f[6] + a[6] * f[5] + a[7] * f[4] + a[8] * f[3] + a[9] * f[2];
  c += d >> 13u;
  h[1] = d & MASK;
  d = c + a[0] * b[2] + a[1] * b[1] + a[2] * b[0] + a[3] * f[9] + a[4] * f[8];
  c = d >> 13u;
  d = (d & MASK) + a[5] * f[7] + a[6] * f[6] + a[7] * f[5] + a[8] * f[4] + a[9] * f[3];
  c += d >> 13u;
  h[2] = d & MASK;
  d = c + a[0] * b[3] + a[1] * b[2] + a[2] * b[1] + a[3] * b[0] + a[4] * f[9];
  c = d >> 13u;
  d = (d & MASK) + a[5] * f[8] + a[6] * f[7] + a[7] * f[6] + a[8] * f[5] + a[9] * f[4];
  c += d >> 13u;
  h[3] = d & MASK;
  d = c + a[0] * b[4] + a[1] * b[3] + a[2] * b[2] + a[3] * b[1] + a[4] * b[0];
  c = d >> 13u;
  d = (d & MASK) + a[5] * f[9] + a[6] * f[8] + a[7] * f[7] + a[8] * f[6] + a[9] * f[5];
  c += d >> 13u;
  h[4] = d & MASK;
  d = c + a[0] * b[5] + a[1] * b[4] + a[2] * b[3] + a[3] * b[2] + a[4] * b[1];
  c = d >> 13u;
  d = (d & MASK) + a[5] * b[0] + a[6] * f[9] + a[7] * f[8] + a[8] * f[7] + a[9] * f[6];
  c += d >> 13u;
  h[5] = d & MASK;
  d = c + a[0] * b[6] + a[1] * b[5] + a[2] * b[4] + a[3] * b[3] + a[4] * b[2];
  c = d >> 13u;
  d = (d & MASK) + a[5] * b[1] + a[6] * b[0] + a[7] * f[9] + a[8] * f[8] + a[9] * f[7];
  c += d >> 13u;
  h[6] = d & MASK;
  d = c + a[0] * b[7] + a[1] * b[6] + a[2] * b[5] + a[3] * b[4] + a[4] * b[3];
  c = d >> 13u;
  d = (d & MASK) + a[5] * b[2] + a[6] * b[1] + a[7] * b[0] + a[8] * f[9] + a[9] * f[8];
  c += d >> 13u;
  h[7] = d & MASK;
  d = c + a[0] * b[8] + a[1] * b[7] + a[2] * b[6] + a[3] * b[5] + a[4] * b[4];
  c = d >> 13u;
  d = (d & MASK) + a[5] * b[3] + a[6] * b[2] + a[7] * b[1] + a[8] * b[0] + a[9] * f[9];
  c += d >> 13u;
  h[8] = d & MASK;
  d = c + a[0] * b[9] + a[1] * b[8] + a[2] * b[7] + a[3] * b[6] + a[4] * b[5];
  c = d >> 13u;
  d = (d & MASK) + a[5] * b[4] + a[6] * b[3] + a[7] * b[2] + a[8] * b[1] + a[9] * b[0];
  c += d >> 13u;
  h[9] = d & MASK;
  c = c * 5u + h[0];
  h[0] = c & MASK;
  h[1] += c >> 13u;
  return h;
}

// One thread per item.
@compute @workgroup_size(64)
fn make_powers(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.x >= params.count) {
    return;
  }
  let clamp = vec4<u32>(0x0fffffffu, 0x0ffffffcu, 0x0ffffffcu, 0x0ffffffcu);
  var power = limbs_of(one_time_keys[2u * id.x] & clamp, 0u);
  powers[id.x][0] = pack(power);
  for (var level = 1u; level < params.level; level++) {
    for (var i = 0u; i < 6u; i++) {
      power = multiply(power, power);
    }
    powers[id.x][level] = pack(power);
  }
}

// Item whose sums of this level contain number `at`.
fn item_of_sum(at: u32) -> u32 {
  let base = params.level * (params.count + 1u);
  var low = 0u;
  var high = params.count;
  while (high - low > 1u) {
    let middle = (low + high) / 2u;
    if (starts[base + middle] <= at) { low = middle; } else { high = middle; }
  }
  return low;
}

// Block number `at` of an item: aad padded with zeros, ciphertext padded with zeros, both lengths.
fn load_block(item: Item, at: u32) -> vec4<u32> {
  let aad_blocks = select(0u, (item.aad_length + 15u) / 16u, params.has_aad != 0u);
  if (at < aad_blocks) {
    return aads[item.aad + at];
  }
  let offset = 16u * (at - aad_blocks);
  if (offset < item.length) {
    let start = select(item.offset, 16u * item.slot, params.is_seal != 0u);
    return load_quad(start + offset, start + item.length);
  }
  return vec4<u32>(item.aad_length, 0u, item.total_length, 0u);
}

fn block_count(item: Item) -> u32 {
  let aad_blocks = select(0u, (item.aad_length + 15u) / 16u, params.has_aad != 0u);
  return aad_blocks + (item.length + 15u) / 16u + params.has_lengths;
}

// Sum number `part` of `parts` covers these of `count` elements: all get WIDTH but the first.
fn first_of(part: u32, parts: u32, count: u32) -> u32 {
  return select(count - WIDTH * (parts - part), 0u, part == 0u);
}

@compute @workgroup_size(64)
fn segments(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.x >= params.threads) {
    return;
  }
  let index = item_of_sum(id.x);
  let item = items[index];
  let part = id.x - starts[index];
  let parts = starts[index + 1u] - starts[index];
  let count = block_count(item);
  let end = count - WIDTH * (parts - part - 1u);
  let r = unpack(powers[index][0]);
  var sum: Limbs;
  if (part == 0u) {
    sum = unpack(
      Packed(params.carry.x, params.carry.y, params.carry.z, params.carry.w, params.carry_last),
    );
  }
  for (var at = first_of(part, parts, count); at < end; at++) {
    sum = multiply(add(sum, limbs_of(load_block(item, at), 1u)), r);
  }
  sums[id.x] = pack(sum);
}

@compute @workgroup_size(64)
fn fold(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.x >= params.threads) {
    return;
  }
  let above = params.level * (params.count + 1u);
  let below = above - (params.count + 1u);
  let to = starts[above] + id.x;
  let index = item_of_sum(to);
  let part = to - starts[above + index];
  let parts = starts[above + index + 1u] - starts[above + index];
  let begin = starts[below + index];
  let count = starts[below + index + 1u] - begin;
  let end = count - WIDTH * (parts - part - 1u);
  let power = unpack(powers[index][params.level]);
  let first = first_of(part, parts, count);
  var sum = unpack(sums[begin + first]);
  for (var at = first + 1u; at < end; at++) {
    sum = add(multiply(sum, power), unpack(sums[begin + at]));
  }
  sums[to] = pack(carry(sum));
}

// Limbs to 13 bits, limb 1 to a bit more.
fn carry(a: Limbs) -> Limbs {
  var h = a;
  for (var i = 1u; i < 9u; i++) {
    h[i + 1u] += h[i] >> 13u;
    h[i] &= MASK;
  }
  h[0] += 5u * (h[9] >> 13u);
  h[9] &= MASK;
  h[1] += h[0] >> 13u;
  h[0] &= MASK;
  return h;
}

// The number mod 2^130 - 5, in the least form, mod 2^128.
fn reduce(a: Limbs) -> vec4<u32> {
  var h = carry(carry(a));
  var g: Limbs;
  var c = 5u;
  for (var i = 0u; i < 10u; i++) {
    c += h[i];
    g[i] = c & MASK;
    c >>= 13u;
  }
  // c: h >= 2^130 - 5.
  let mask = 0u - c;
  for (var i = 0u; i < 10u; i++) {
    h[i] = (g[i] & mask) | (h[i] & ~mask);
  }
  return vec4<u32>(
    h[0] | (h[1] << 13u) | (h[2] << 26u),
    (h[2] >> 6u) | (h[3] << 7u) | (h[4] << 20u),
    (h[4] >> 12u) | (h[5] << 1u) | (h[6] << 14u) | (h[7] << 27u),
    (h[7] >> 5u) | (h[8] << 8u) | (h[9] << 21u),
  );
}

fn add128(a: vec4<u32>, b: vec4<u32>) -> vec4<u32> {
  var sum = a + b;
  var c = select(vec4<u32>(0u), vec4<u32>(1u), sum < a);
  sum.y += c.x;
  c.y |= select(0u, 1u, sum.y < c.x);
  sum.z += c.y;
  c.z |= select(0u, 1u, sum.z < c.y);
  sum.w += c.z;
  return sum;
}

// One thread per item. Seal: its tag; open: 0, or 1 for a wrong one.
@compute @workgroup_size(64)
fn finish(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.x >= params.count) {
    return;
  }
  let item = items[id.x];
  let sum = unpack(sums[starts[params.level * (params.count + 1u) + id.x]]);
  let tag = add128(reduce(sum), one_time_keys[2u * id.x + 1u]);
  if (params.is_seal != 0u) {
    results[id.x] = tag;
    return;
  }
  let end = item.offset + item.length;
  let given = load_quad(end, end + 16u);
  let difference = tag ^ given;
  let any = difference.x | difference.y | difference.z | difference.w;
  results[id.x] = vec4<u32>(select(0u, 1u, any != 0u));
}
