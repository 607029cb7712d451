// Functions of integer margins (docs/metrics.md, "The integer link") over the tables in `segments`: twins of native/core/link.h
// and native/core/softmax.h.
fn evaluate_segment(first: u32, t: u32, slope_bits: u32) -> i32 {
  let segment = segments[first + (t >> 14u)];
  let f = i32(t & 16383u) - 8192;
  let c1 = segment.y >> 12u;
  let c2 = i32(u32(segment.y) << 20u) >> 20u;
  let slope = c1 + ((f * c2 + 8192) >> 14u);
  return segment.x + ((f * slope + (1i << (slope_bits - 17u))) >> (slope_bits - 16u));
}

const LN2_Q30 = 744261118u;

/** ln(1 + e^−t), 0 from t = 2^25 on. */
fn softplus_q30(t: u32) -> u32 {
  if (t > 0x1ffffffu) { return 0u; }
  return u32(evaluate_segment(SEGMENTS_SOFTPLUS, t, 25u));
}

/** e^−t, 0 from t = 2^25 on. */
fn exp_q30(t: u32) -> u32 {
  if (t > 0x1ffffffu) { return 0u; }
  return u32(evaluate_segment(SEGMENTS_EXP, t, 24u));
}

/** ln(sum · 2^−30) for 2^30 ≤ sum < 2^38. */
fn ln_q30(sum: Wide) -> Wide {
  var power = 33u - wide_leading_zeros(sum);
  let rest = wide_sub(sum, wide_shl(Wide(1u, 0u), 30u + power));
  var t = wide_shr(wide_add(rest, Wide(1u << (5u + power), 0u)), 6u + power).x;
  if (t == 0x1000000u) {
    t = 0u;
    power++;
  }
  return wide_add(multiply(power, LN2_Q30), Wide(u32(evaluate_segment(SEGMENTS_LOG, t, 28u)), 0u));
}
