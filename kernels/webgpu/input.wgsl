// Bytes at any offset of `input`, which the kernel that this is put before declares.

// Bytes at .. at + 3 of the input; those from `end` on are 0.
fn load_word(at: u32, end: u32) -> u32 {
  if (at >= end) {
    return 0u;
  }
  let word = at >> 2u;
  let shift = (at & 3u) * 8u;
  var value = input[word] >> shift;
  if (shift != 0u && (word + 1u) * 4u < end) {
    value |= input[word + 1u] << (32u - shift);
  }
  let rest = end - at;
  return select(value & ((1u << (rest * 8u)) - 1u), value, rest >= 4u);
}

fn load_quad(at: u32, end: u32) -> vec4<u32> {
  if (at + 16u <= end && (at & 3u) == 0u) {
    let word = at >> 2u;
    return vec4<u32>(input[word], input[word + 1u], input[word + 2u], input[word + 3u]);
  }
  return vec4<u32>(
    load_word(at, end),
    load_word(at + 4u, end),
    load_word(at + 8u, end),
    load_word(at + 12u, end),
  );
}
