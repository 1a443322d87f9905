// Buzhash (kernels/boundary/spec.ts) at every position of a tile: two bitmaps say where the loose and
// where the strict mask match. Which of these are cuts is decided by who reads them.

struct Params {
  loose: u32,
  strict: u32,
  lead: u32,  // bytes of `input` before the first position: 48, or 0 at the very beginning
  words: u32, // of `input`
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> table: array<u32>;
@group(0) @binding(2) var<storage, read> input: array<u32>;
// For every 128 positions four words of loose matches, then four of strict ones.
@group(0) @binding(3) var<storage, read_write> matches: array<u32>;

const THREADS = 64u;
const WINDOW_WORDS = 12u;
const SPAN_WORDS = 32u; // each thread's positions, 4 to a word

// T of the definition. Memory of the group is zeroed before use, by one thread: no more than needed.
var<workgroup> entering: array<u32, 256>;

fn rotate(x: u32, bits: u32) -> u32 {
  return (x << bits) | (x >> (32u - bits));
}

// Word `at`, counted from 48 bytes before the first position; 0 outside the input.
fn load(at: u32) -> u32 {
  let missing = WINDOW_WORDS - params.lead / 4u;
  if (at < missing || at - missing >= params.words) {
    return 0u;
  }
  return input[at - missing];
}

@compute @workgroup_size(64)
fn scan(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(local_invocation_index) thread: u32,
) {
  for (var value = thread; value < 256u; value += THREADS) {
    entering[value] = table[value >> 4u] ^ table[16u + (value & 15u)];
  }
  workgroupBarrier();
  let first = (group.x * THREADS + thread) * SPAN_WORDS;
  var hash = 0u;
  for (var i = 0u; i < WINDOW_WORDS; i++) {
    let word = load(first + i);
    for (var shift = 0u; shift < 32u; shift += 8u) {
      hash = rotate(hash, 1u) ^ entering[(word >> shift) & 255u];
    }
  }
  let to = 8u * (group.x * THREADS + thread);
  for (var quarter = 0u; quarter < 4u; quarter++) {
    var loose = 0u;
    var strict = 0u;
    for (var i = 0u; i < 8u; i++) {
      let old_word = load(first + 8u * quarter + i);
      let new_word = load(first + 8u * quarter + i + WINDOW_WORDS);
      for (var k = 0u; k < 4u; k++) {
        hash = rotate(hash, 1u) ^ entering[(new_word >> (8u * k)) & 255u] ^
          rotate(entering[(old_word >> (8u * k)) & 255u], 16u);
        let bit = 1u << (4u * i + k);
        loose |= select(0u, bit, (hash & params.loose) == params.loose);
        strict |= select(0u, bit, (hash & params.strict) == params.strict);
      }
    }
    matches[to + quarter] = loose;
    matches[to + 4u + quarter] = strict;
  }
}
