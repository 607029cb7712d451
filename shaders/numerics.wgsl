// The numeric contract in 32-bit integers: the twin of native/core (docs/numerics.md). 64-bit integers and binary64
// numbers are two words, the low one first.
alias Wide = vec2<u32>;

const NONE = 0xffffffffu;
const MARGIN_LIMIT = 1073741824;

fn wide_add(a: Wide, b: Wide) -> Wide {
  let low = a.x + b.x;
  return Wide(low, a.y + b.y + select(0u, 1u, low < a.x));
}

fn wide_sub(a: Wide, b: Wide) -> Wide {
  return Wide(a.x - b.x, a.y - b.y - select(0u, 1u, a.x < b.x));
}

fn wide_is_zero(a: Wide) -> bool { return (a.x | a.y) == 0u; }

/** Unsigned. */
fn wide_less(a: Wide, b: Wide) -> bool { return a.y < b.y || (a.y == b.y && a.x < b.x); }

fn wide_less_signed(a: Wide, b: Wide) -> bool {
  return wide_less(Wide(a.x, a.y ^ 0x80000000u), Wide(b.x, b.y ^ 0x80000000u));
}

fn wide_of_i32(v: i32) -> Wide { return Wide(u32(v), u32(v >> 31u)); }

fn wide_magnitude(a: Wide) -> Wide {
  if (a.y >> 31u == 0u) { return a; }
  return wide_sub(Wide(0u, 0u), a);
}

/** By 0 … 63 bits. */
fn wide_shl(a: Wide, n: u32) -> Wide {
  if (n == 0u) { return a; }
  if (n >= 32u) { return Wide(0u, a.x << (n - 32u)); }
  return Wide(a.x << n, (a.y << n) | (a.x >> (32u - n)));
}

fn wide_shr(a: Wide, n: u32) -> Wide {
  if (n == 0u) { return a; }
  if (n >= 32u) { return Wide(a.y >> (n - 32u), 0u); }
  return Wide((a.x >> n) | (a.y << (32u - n)), a.y >> n);
}

/** Shifts right by any number of bits; what is lost leaves a 1 in the last place. */
fn wide_shr_sticky(a: Wide, n: u32) -> Wide {
  if (n > 63u) { return Wide(select(1u, 0u, wide_is_zero(a)), 0u); }
  let kept = wide_shr(a, n);
  let lost = any(wide_shl(kept, n) != a);
  return Wide(kept.x | select(0u, 1u, lost), kept.y);
}

fn wide_leading_zeros(a: Wide) -> u32 {
  if (a.y != 0u) { return countLeadingZeros(a.y); }
  return 32u + countLeadingZeros(a.x);
}

fn multiply(a: u32, b: u32) -> Wide {
  let al = a & 0xffffu;
  let ah = a >> 16u;
  let bl = b & 0xffffu;
  let bh = b >> 16u;
  let low = al * bl;
  let middle = ah * bl + (low >> 16u);
  let other = al * bh + (middle & 0xffffu);
  return Wide((other << 16u) | (low & 0xffffu), ah * bh + (middle >> 16u) + (other >> 16u));
}

// --- binary64, round to nearest, ties to even; subnormal numbers count as zero ---

const F64_ZERO = Wide(0u, 0u);

fn f64_is_zero(a: Wide) -> bool { return (a.y & 0x7ff00000u) == 0u; }
fn f64_negate(a: Wide) -> Wide { return Wide(a.x, a.y ^ 0x80000000u); }
fn f64_abs(a: Wide) -> Wide { return Wide(a.x, a.y & 0x7fffffffu); }
fn f64_is_negative(a: Wide) -> bool { return a.y >> 31u != 0u && !f64_is_zero(a); }

/** Words that compare as unsigned 64-bit integers in the order of the numbers; both zeros are one. */
fn f64_key(a: Wide) -> Wide {
  if (f64_is_zero(a)) { return Wide(0u, 0x80000000u); }
  if (a.y >> 31u != 0u) { return ~a; }
  return Wide(a.x, a.y | 0x80000000u);
}

fn f64_less(a: Wide, b: Wide) -> bool { return wide_less(f64_key(a), f64_key(b)); }

/** sign · significand · 2^(exponent − 1023 − 62); the highest bit of the significand is bit 62. */
fn f64_round(sign: u32, exponent: i32, significand: Wide) -> Wide {
  if (exponent <= 0) { return Wide(0u, sign); }
  var rounded = wide_shr(wide_add(significand, Wide(0x200u, 0u)), 10u);
  if ((significand.x & 0x3ffu) == 0x200u) { rounded.x &= ~1u; }
  let packed = wide_add(rounded, Wide(0u, u32(exponent - 1) << 20u));
  return Wide(packed.x, packed.y | sign);
}

fn f64_normalise(sign: u32, exponent: i32, significand: Wide) -> Wide {
  if (wide_is_zero(significand)) { return F64_ZERO; }
  let zeros = wide_leading_zeros(significand);
  var shifted = Wide((significand.x >> 1u) | (significand.x & 1u) | (significand.y << 31u), significand.y >> 1u);
  if (zeros > 0u) { shifted = wide_shl(significand, zeros - 1u); }
  return f64_round(sign, exponent + 1 - i32(zeros), shifted);
}

fn f64_exponent(a: Wide) -> i32 { return i32((a.y >> 20u) & 0x7ffu); }
fn f64_significand(a: Wide) -> Wide { return Wide(a.x, (a.y & 0xfffffu) | 0x100000u); }

fn f64_of_unsigned(a: Wide) -> Wide { return f64_normalise(0u, 1023 + 62, a); }

fn f64_of_signed(a: Wide) -> Wide {
  return f64_normalise(a.y & 0x80000000u, 1023 + 62, wide_magnitude(a));
}

fn f64_add(a: Wide, b: Wide) -> Wide {
  if (f64_is_zero(a)) { return select(b, F64_ZERO, f64_is_zero(b)); }
  if (f64_is_zero(b)) { return a; }
  var big = a;
  var small = b;
  if (wide_less(f64_abs(a), f64_abs(b))) {
    big = b;
    small = a;
  }
  let exponent = f64_exponent(big);
  let sign = big.y & 0x80000000u;
  let left = wide_shl(f64_significand(big), 10u);
  let right = wide_shr_sticky(wide_shl(f64_significand(small), 10u), u32(exponent - f64_exponent(small)));
  var addend = right;
  if (((big.y ^ small.y) >> 31u) != 0u) { addend = wide_sub(Wide(0u, 0u), right); }
  return f64_normalise(sign, exponent, wide_add(left, addend));
}

fn f64_sub(a: Wide, b: Wide) -> Wide { return f64_add(a, f64_negate(b)); }

fn f64_mul(a: Wide, b: Wide) -> Wide {
  if (f64_is_zero(a) || f64_is_zero(b)) { return F64_ZERO; }
  let x = wide_shl(f64_significand(a), 10u);
  let y = wide_shl(f64_significand(b), 11u);
  let low = multiply(x.x, y.x);
  let cross = multiply(x.y, y.x);
  let other = multiply(x.x, y.y);
  var middle = wide_add(Wide(low.y, 0u), Wide(cross.x, 0u));
  middle = wide_add(middle, Wide(other.x, 0u));
  var high = wide_add(multiply(x.y, y.y), Wide(cross.y, 0u));
  high = wide_add(high, Wide(other.y, 0u));
  high = wide_add(high, Wide(middle.y, 0u));
  if ((low.x | middle.x) != 0u) { high.x |= 1u; }
  return f64_normalise((a.y ^ b.y) & 0x80000000u, f64_exponent(a) + f64_exponent(b) - 1022, high);
}

/** b is not zero. */
fn f64_div(a: Wide, b: Wide) -> Wide {
  if (f64_is_zero(a)) { return F64_ZERO; }
  // Long division by digits of 16 bits; the divisor's highest bit is set, and the rest stays below the divisor.
  let divisor = wide_shl(f64_significand(b), 11u);
  var rest = wide_shl(f64_significand(a), 10u);
  var quotient = Wide(0u, 0u);
  for (var i = 0u; i < 4u; i++) {
    // At most 2 too large.
    var digit = min(rest.y / (divisor.y >> 16u), 0xffffu);
    let p0 = digit * (divisor.x & 0xffffu);
    let p1 = digit * (divisor.x >> 16u) + (p0 >> 16u);
    let p2 = digit * (divisor.y & 0xffffu) + (p1 >> 16u);
    let p3 = digit * (divisor.y >> 16u) + (p2 >> 16u);
    let product = Wide((p1 << 16u) | (p0 & 0xffffu), (p3 << 16u) | (p2 & 0xffffu));
    let shifted = Wide(rest.x << 16u, (rest.y << 16u) | (rest.x >> 16u));
    var over = (rest.y >> 16u) - (p3 >> 16u) - select(0u, 1u, wide_less(shifted, product));
    rest = wide_sub(shifted, product);
    for (var k = 0u; k < 2u; k++) {
      if (over == 0u) { break; }
      digit--;
      rest = wide_add(rest, divisor);
      over += select(0u, 1u, wide_less(rest, divisor));
    }
    quotient = Wide((quotient.x << 16u) | digit, (quotient.y << 16u) | (quotient.x >> 16u));
  }
  if (!wide_is_zero(rest)) { quotient.x |= 1u; }
  // The quotient has its units at bit 63.
  return f64_normalise((a.y ^ b.y) & 0x80000000u, f64_exponent(a) - f64_exponent(b) + 1022, quotient);
}

/** The nearest integer, ties to even, of a number below 2^31 in magnitude. */
fn f64_to_i32(a: Wide) -> i32 {
  let exponent = f64_exponent(a) - 1023;
  if (exponent < -1) { return 0; }
  let exact = wide_shl(f64_significand(a), 1u);
  let places = u32(53 - exponent);
  var result = wide_shr(exact, places).x;
  let rest = wide_sub(exact, wide_shl(Wide(result, 0u), places));
  let half = wide_shl(Wide(1u, 0u), places - 1u);
  if (wide_less(half, rest) || (all(half == rest) && (result & 1u) == 1u)) { result++; }
  return select(i32(result), -i32(result), a.y >> 31u != 0u);
}

// --- fixed point, randomness ---

fn clamp_margin(margin: i32) -> i32 { return clamp(margin, -MARGIN_LIMIT, MARGIN_LIMIT); }

/** v · weight / 2^24, rounded half up; weight ≤ 2^24. */
fn apply_weight(v: i32, weight: u32) -> i32 {
  if (weight == 16777216u) { return v; }
  var product = multiply(u32(abs(v)), weight);
  if (v < 0) { product = wide_sub(Wide(0u, 0u), product); }
  product = wide_add(product, Wide(0x800000u, 0u));
  return i32((product.x >> 24u) | (product.y << 8u));
}

fn philox(start: vec4<u32>, seed: Wide) -> vec4<u32> {
  var counter = start;
  var key = seed;
  for (var i = 0u; i < 10u; i++) {
    let a = multiply(0xD2511F53u, counter.x);
    let b = multiply(0xCD9E8D57u, counter.z);
    counter = vec4<u32>(b.y ^ counter.y ^ key.x, b.x, a.y ^ counter.w ^ key.y, a.x);
    key += Wide(0x9E3779B9u, 0xBB67AE85u);
  }
  return counter;
}

const PURPOSE_DITHER = 1u;
const PURPOSE_SUBSAMPLE = 2u;
const PURPOSE_BYTREE = 3u;
const PURPOSE_BYLEVEL = 4u;
const PURPOSE_NODE = 5u;
const PURPOSE_BYNODE = 6u;

fn random_row_word(seed: Wide, row: u32, round: u32, purpose: u32, class_index: u32) -> u32 {
  return philox(vec4<u32>(row / 64u * 16u + row % 16u, round, purpose, class_index), seed)[row / 16u % 4u];
}

fn bernoulli_variance(q: i32) -> i32 {
  let a = q >> 15u;
  let b = q & 32767;
  return q - (a * a + (((a + 1) * b + 16383) >> 14u));
}
