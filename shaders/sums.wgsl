// 128-bit integers in four words, the low one first, and their sums into the buffer `sums`.
alias Long = vec4<u32>;

const LONG_ZERO = Long(0u, 0u, 0u, 0u);

fn long_of(a: Wide) -> Long { return Long(a, 0u, 0u); }

fn long_add(a: Long, b: Long) -> Long {
  let low = wide_add(a.xy, b.xy);
  let high = wide_add(a.zw, b.zw);
  return Long(low, wide_add(high, Wide(select(0u, 1u, wide_less(low, a.xy)), 0u)));
}

fn wide_times(a: Wide, b: u32) -> Long {
  let low = multiply(a.x, b);
  return Long(low.x, wide_add(multiply(a.y, b), Wide(low.y, 0u)), 0u);
}

fn wide_product(a: Wide, b: Wide) -> Long {
  let high = wide_times(a, b.y);
  return long_add(wide_times(a, b.x), Long(0u, high.xyz));
}

/** Each carry is seen in the old value of its word, so the order of additions is free. */
fn add_to_sums(at: u32, value: Long) {
  var carry = 0u;
  for (var k = 0u; k < 4u; k++) {
    let word = value[k] + carry;
    carry = select(0u, 1u, word < carry);
    if (word == 0u) { continue; }
    let old = atomicAdd(&sums[at + k], word);
    if (old + word < old) { carry = 1u; }
  }
}
