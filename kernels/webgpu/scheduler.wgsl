// choose (kernels/scheduler/spec.ts) for many chunks, with the loads that follow and the digest. The
// constants CHUNK_HASH, BIAS, KEY_NONE, NONE and PENDING are put before this by scheduler.ts.

struct Params {
  count: u32,       // slots
  first_chunk: u32, // number of the chunk in slot 0
  edges: u32,
  stride: u32,      // quads of slots between those that a thread looks at
}

struct Load { low: atomic<u32>, high: atomic<u32>, }

struct Totals { digest_xor: atomic<u32>, digest_sum: atomic<u32>, loads: array<Load>, }

@group(0) @binding(0) var<uniform> params: Params;
// The 32 noises, then the words of all edges.
@group(0) @binding(1) var<storage, read> edges: array<u32>;
@group(0) @binding(2) var<storage, read> candidates: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read> sizes: array<u32>;    // two in a word
@group(0) @binding(4) var<storage, read> assigned: array<u32>; // two in a word
@group(0) @binding(5) var<storage, read> states: array<u32>;   // four in a word
@group(0) @binding(6) var<storage, read> tries: array<u32>;    // four in a word
@group(0) @binding(7) var<storage, read_write> chosen: array<u32>;
@group(0) @binding(8) var<storage, read_write> totals: Totals;

const NOISES = 32u;
// Edges whose load is summed up in the group first, one per thread: few edges are where threads get into
// each other's way. A group has at most 2^16 slots: no overflow.
const LOCAL_EDGES = 256u;

var<workgroup> local_loads: array<atomic<u32>, LOCAL_EDGES>;
var<workgroup> local_xor: atomic<u32>;
var<workgroup> local_sum: atomic<u32>;

fn half_of(word: u32, slot: u32) -> u32 {
  return (word >> (16u * (slot & 1u))) & 0xffffu;
}

fn byte_of(word: u32, slot: u32) -> u32 {
  return (word >> (8u * (slot & 3u))) & 0xffu;
}

fn mix32(value: u32) -> u32 {
  var x = (value ^ (value >> 16u)) * 0x85ebca6bu;
  x = (x ^ (x >> 13u)) * 0xc2b2ae35u;
  return x ^ (x >> 16u);
}

fn key_of(chunk_hash: u32, edge: u32) -> u32 {
  if (edge >= params.edges) {
    return KEY_NONE;
  }
  let word = edges[NOISES + edge];
  let noise = edges[(chunk_hash * (word & 0x1fffu)) >> 27u];
  return (((word >> 13u) + BIAS - noise) << 12u) | edge;
}

fn best_edge(slot: u32, chunk_hash: u32) -> u32 {
  let row = candidates[slot];
  var least = KEY_NONE;
  for (var i = 0u; i < 4u; i++) {
    least = min(least, key_of(chunk_hash, row[i] & 0xffffu));
    least = min(least, key_of(chunk_hash, row[i] >> 16u));
  }
  return select(NONE, least & 0xfffu, least < KEY_NONE);
}

fn add_load(edge: u32, kib: u32) {
  let before = atomicAdd(&totals.loads[edge].low, kib);
  if (before + kib < before) {
    atomicAdd(&totals.loads[edge].high, 1u);
  }
}

// Edge of a slot afterwards; its load and digest go to the totals.
fn settle(slot: u32) -> u32 {
  let state = byte_of(states[slot / 4u], slot);
  let chunk_hash = (params.first_chunk + slot) * CHUNK_HASH;
  var edge = half_of(assigned[slot / 2u], slot);
  if (state == PENDING) {
    edge = best_edge(slot, chunk_hash);
  }
  if (edge < params.edges) {
    let kib = half_of(sizes[slot / 2u], slot);
    if (edge < LOCAL_EDGES) {
      atomicAdd(&local_loads[edge], kib);
    } else {
      add_load(edge, kib);
    }
  }
  let summary = edge | (state << 16u) | (byte_of(tries[slot / 4u], slot) << 24u);
  let digest = mix32(chunk_hash ^ summary);
  atomicXor(&local_xor, digest);
  atomicAdd(&local_sum, digest);
  return edge;
}

// A thread takes four slots at a time, whose edges are two words that no other one writes.
@compute @workgroup_size(256)
fn choose(
  @builtin(global_invocation_id) id: vec3<u32>,
  @builtin(local_invocation_index) thread: u32,
) {
  for (var slot = 4u * id.x; slot < params.count; slot += 4u * params.stride) {
    for (var pair = 0u; pair < 2u; pair++) {
      var word = 0u;
      for (var i = 0u; i < 2u; i++) {
        let at = slot + 2u * pair + i;
        if (at < params.count) {
          word |= settle(at) << (16u * i);
        }
      }
      chosen[slot / 2u + pair] = word;
    }
  }
  workgroupBarrier();
  let kib = atomicLoad(&local_loads[thread]);
  if (kib > 0u) {
    add_load(thread, kib);
  }
  if (thread == 0u) {
    atomicXor(&totals.digest_xor, atomicLoad(&local_xor));
    atomicAdd(&totals.digest_sum, atomicLoad(&local_sum));
  }
}
