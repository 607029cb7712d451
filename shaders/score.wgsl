// Scores, weights and leaves in exact binary64 (docs/numerics.md sections 7 and 8): the twin of native/core/split_score.h.
struct Constants {
  lambda: Wide,
  alpha: Wide,
  min_gain: Wide,
  leaf_scale: Wide,
  max_delta: Wide,
  least_hessian: Wide,
  bounded: bool,
}

struct Bounds {
  low: Wide,
  high: Wide,
}

struct Sums {
  g: Wide,
  h: Wide,
}

const F64_INFINITY = Wide(0u, 0x7ff00000u);
const F64_HALF = Wide(0u, 0x3fe00000u);
const LEAF_LIMIT = 1073741760u;

fn constants_of(u: u32, shift: u32) -> Constants {
  let at = unit(u, UNIT_CONSTANTS) + shift * 8u;
  return Constants(
    Wide(unit(u, UNIT_LAMBDA), unit(u, UNIT_LAMBDA + 1u)),
    Wide(units[at], units[at + 1u]),
    Wide(units[at + 2u], units[at + 3u]),
    Wide(units[at + 4u], units[at + 5u]),
    Wide(units[at + 6u], units[at + 7u]),
    Wide(unit(u, UNIT_LEAST_HESSIAN), unit(u, UNIT_LEAST_HESSIAN + 1u)),
    unit(u, UNIT_BOUNDED) != 0u,
  );
}

fn sums_add(a: Sums, b: Sums) -> Sums { return Sums(wide_add(a.g, b.g), wide_add(a.h, b.h)); }
fn sums_sub(a: Sums, b: Sums) -> Sums { return Sums(wide_sub(a.g, b.g), wide_sub(a.h, b.h)); }
fn sums_empty(a: Sums) -> bool { return wide_is_zero(a.g) && wide_is_zero(a.h); }

fn soft_threshold(g: Wide, alpha: Wide) -> Wide {
  let x = f64_of_signed(g);
  if (f64_is_zero(alpha)) { return x; }
  if (!f64_less(alpha, f64_abs(x))) { return F64_ZERO; }
  return f64_add(x, Wide(alpha.x, alpha.y | (~x.y & 0x80000000u)));
}

fn denominator(sums: Sums, c: Constants) -> Wide { return f64_add(f64_of_unsigned(sums.h), c.lambda); }

fn f64_clamp(x: Wide, low: Wide, high: Wide) -> Wide {
  if (f64_less(x, low)) { return low; }
  if (f64_less(high, x)) { return high; }
  return x;
}

struct Evaluation {
  weight: Wide,  // unspecified where the score is wanted and weights are not bounded
  score: Wide,   // unspecified where it is not wanted
}

/** w(G, H) and S(G, H, w). Compilers inline every call, so there are as few calls of the arithmetic as can be. */
fn evaluate(sums: Sums, bounds: Bounds, c: Constants, want_score: bool) -> Evaluation {
  let x = denominator(sums, c);
  let t = soft_threshold(sums.g, c.alpha);
  var numerator = t;
  if (want_score && !c.bounded) { numerator = f64_mul(t, t); }
  var quotient = F64_ZERO;
  if (!f64_is_zero(x)) { quotient = f64_div(numerator, x); }
  if (!c.bounded) { return Evaluation(f64_negate(quotient), quotient); }
  let stepped = f64_clamp(f64_negate(quotient), f64_negate(c.max_delta), c.max_delta);
  let w = f64_clamp(stepped, bounds.low, bounds.high);
  if (!want_score) { return Evaluation(w, F64_ZERO); }
  let magnitude = f64_abs(w);
  let g = f64_of_signed(sums.g);
  let towards = f64_add(select(g, f64_negate(g), f64_is_negative(w)), c.alpha);
  let doubled = select(Wide(towards.x, towards.y + 0x100000u), F64_ZERO, f64_is_zero(towards));
  let inner = f64_add(doubled, f64_mul(x, magnitude));
  return Evaluation(w, f64_negate(f64_mul(magnitude, inner)));
}

fn is_monotone(constraint: u32, left: Wide, right: Wide) -> bool {
  if (constraint == 1u) { return !f64_less(right, left); }
  if (constraint == 2u) { return !f64_less(left, right); }
  return true;
}

/** 0, or 1 for a rising and 2 for a falling constraint. */
fn constraint_of(u: u32, feature: u32) -> u32 {
  let start = unit(u, UNIT_MONOTONE);
  if (start == 0u) { return 0u; }
  return units[start + feature];
}

fn leaf_of(weight: Wide, c: Constants) -> i32 {
  let limit = f64_of_unsigned(Wide(LEAF_LIMIT, 0u));
  let leaf = f64_to_i32(f64_clamp(f64_mul(weight, c.leaf_scale), f64_negate(limit), limit));
  let magnitude = u32(abs(leaf));
  let bits = 32u - countLeadingZeros(magnitude);
  if (bits <= 24u) { return leaf; }
  let cut = i32((magnitude >> (bits - 24u)) << (bits - 24u));
  return select(cut, -cut, leaf < 0);
}
