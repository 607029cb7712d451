// The logistic link in integers: margins are int32 in units of 2^-20, probabilities and losses in units of 2^-30.
// docs/metrics.md, "The integer link", has the formulas and their errors. Nothing here needs more than 32-bit integers,
// so shaders can do the same.
#pragma once

#include <cmath>
#include <cstdint>

#include "core/hd.h"
#include "core/tables.h"

namespace lockstep {

inline constexpr int32_t kOneQ30 = 1 << 30;
inline constexpr int32_t kLogitLimit = 1 << 24;  // 16 in margin units: sigmoid_q30 is constant beyond it

/**
 * The quadratic of the segment of 2^14 margins that holds t, about the segment's middle. slope_bits is the fixed point
 * of c1 and c2.
 */
LOCKSTEP_HD inline int32_t evaluate_segment(const LinkSegment* table, uint32_t t, int slope_bits) {
  const LinkSegment segment = table[t >> 14];
  const int32_t f = static_cast<int32_t>(t & 16383u) - 8192;
  const int32_t c1 = segment.c12 >> 12;
  const int32_t c2 = static_cast<int32_t>(static_cast<uint32_t>(segment.c12) << 20) >> 20;
  const int32_t slope = c1 + ((f * c2 + 8192) >> 14);
  return segment.c0 + ((f * slope + (1 << (slope_bits - 17))) >> (slope_bits - 16));
}

LOCKSTEP_HD inline uint32_t margin_magnitude(int32_t m) {
  return m < 0 ? 0u - static_cast<uint32_t>(m) : static_cast<uint32_t>(m);
}

/** sigmoid(−|m|), 122…2^29; constant for |m| ≥ 2^24 − 1. A device passes its own copy of the table. */
LOCKSTEP_HD inline int32_t sigmoid_neg_abs_q30(int32_t m, const LinkSegment* table = kSigmoidTable) {
  const uint32_t t = margin_magnitude(m);
  return evaluate_segment(table, t > 0xFFFFFFu ? 0xFFFFFFu : t, 26);
}

/** sigmoid(m) for any m; sigmoid_q30(−m) = 2^30 − sigmoid_q30(m), and sigmoid_q30(0) = 2^29. */
LOCKSTEP_HD inline int32_t sigmoid_q30(int32_t m, const LinkSegment* table = kSigmoidTable) {
  const int32_t q = sigmoid_neg_abs_q30(m, table);
  return m < 0 ? q : kOneQ30 - q;
}

/** q(1 − q) for 0 ≤ q ≤ 2^29, at most 2^28. */
LOCKSTEP_HD inline int32_t bernoulli_variance_q30(int32_t q) {
  // With q = a·2^15 + b, q² / 2^30 = a² + (a + b/2^16)·b / 2^14; rounding it up keeps the result at or below 2^28.
  const int32_t a = q >> 15;
  const int32_t b = q & 32767;
  return q - (a * a + (((a + 1) * b + 16383) >> 14));
}

/** p = sigmoid(m) and h = p(1 − p), which is the same for m and −m; 121 ≤ h ≤ 2^28. */
LOCKSTEP_HD inline void logistic_gradient(int32_t m, int32_t& p_q30, int32_t& h_q30,
                                          const LinkSegment* table = kSigmoidTable) {
  const int32_t q = sigmoid_neg_abs_q30(m, table);
  p_q30 = m < 0 ? q : kOneQ30 - q;
  h_q30 = bernoulli_variance_q30(q);
}

/** ln(1 + e^−|m|), 0…ln 2; 0 for |m| ≥ 2^25. */
LOCKSTEP_HD inline int32_t softplus_neg_abs_q30(int32_t m, const LinkSegment* table = kSoftplusTable) {
  const uint32_t t = margin_magnitude(m);
  return t > 0x1FFFFFFu ? 0 : evaluate_segment(table, t, 25);
}

/** The loss ln(1 + e^−m) of a row of label 1, or ln(1 + e^m) of one of label 0; below 2^42. */
LOCKSTEP_HD inline int64_t logistic_loss_q30(int32_t m, bool is_positive, const LinkSegment* table = kSoftplusTable) {
  const bool is_wrong = (m < 0) == is_positive;
  return (is_wrong ? static_cast<int64_t>(margin_magnitude(m)) << 10 : 0) + softplus_neg_abs_q30(m, table);
}

/**
 * The margin whose integer sigmoid is `prob`: the upper end of the bracket that bisection of [−2^24, 0] leaves around
 * rint(prob · 2^30), mirrored for prob > ½. Odd about ½, and 0 for ½. Probabilities at or beyond those of ±2^24,
 * and 0 and 1, give ±2^24; NaN gives −2^24.
 */
inline int32_t logit_margin(double prob) {
  if (!(prob > 0)) return -kLogitLimit;
  if (prob >= 1) return kLogitLimit;
  const auto target = static_cast<int32_t>(std::rint(prob * kOneQ30));
  const bool mirrored = target > kOneQ30 / 2;
  const int32_t wanted = mirrored ? kOneQ30 - target : target;
  int32_t below = -kLogitLimit;
  int32_t reached = sigmoid_q30(below) >= wanted ? below : 0;
  while (reached - below > 1) {
    const int32_t middle = (below + reached) >> 1;
    (sigmoid_q30(middle) >= wanted ? reached : below) = middle;
  }
  return mirrored ? -reached : reached;
}

/**
 * e^−x for 0 ≤ x ≤ 2048 and x a multiple of 2^-20, to about 2^-52 relative, below 2^-1022 to the spacing of subnormal
 * numbers. Reduces by multiples of ln 2 in two parts (Cody and Waite) and sums the Taylor series to r^13; every step is
 * one binary64 operation, so the bits are the same wherever IEEE arithmetic is.
 */
inline double exp_negative(double x) {
  constexpr double kInverseLn2 = 1.4426950408889634;
  constexpr double kLn2High = 762123384785.0 / 1099511627776.0;  // ln 2 cut to 40 bits: its multiples here are exact
  constexpr double kLn2Low = 7.371002565167799e-13;
  constexpr double kInverseFactorial[] = {
      1.0,
      1.0,
      0.5,
      1.0 / 6,
      1.0 / 24,
      1.0 / 120,
      1.0 / 720,
      1.0 / 5040,
      1.0 / 40320,
      1.0 / 362880,
      1.0 / 3628800,
      1.0 / 39916800,
      1.0 / 479001600,
      1.0 / 6227020800,
  };
  const double k = std::floor(x * kInverseLn2 + 0.5);
  const double r = k * kLn2High - x + k * kLn2Low;
  double sum = kInverseFactorial[13];
  for (int n = 12; n >= 0; --n) sum = sum * r + kInverseFactorial[n];
  const int scale = static_cast<int>(k);
  const int first = scale < 1000 ? scale : 1000;
  return std::ldexp(std::ldexp(sum, -first), first - scale);
}

/**
 * The probability shown to people, within 2^-50 relative of sigmoid(m · 2^-20); never decreasing in m, exactly ½ at 0.
 * Below margins of about −709 it is subnormal and from about −745 it is 0.
 */
inline double probability(int32_t m) {
  const double e = exp_negative(static_cast<double>(margin_magnitude(m)) * 0x1p-20);
  return (m < 0 ? e : 1.0) / (1.0 + e);
}

}  // namespace lockstep
