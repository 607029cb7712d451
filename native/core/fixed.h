// Fixed-point pieces of docs/numerics.md: weights, margins, quantisation (sections 2, 4, 5).
#pragma once

#include <cstdint>

#include "core/hd.h"

namespace lockstep {

inline constexpr int32_t kMarginLimit = 1 << 30;
inline constexpr int32_t kLeafLimit = (1 << 30) - 64;
inline constexpr uint32_t kUnitWeight = 1u << 24;
inline constexpr int kLogisticMarginBits = 20;
inline constexpr int kLogisticGradientShift = 15;
inline constexpr int kLogisticHessianShift = 14;
inline constexpr int kSquaredErrorGradientBits = 23;

static_assert((int64_t{1} << 30) + kLeafLimit < (int64_t{1} << 31), "m + leaf never wraps");
static_assert((((1 << 30) + (1 << 15) - 1) >> 15) == 1 << 15, "a logistic gradient has at most 2^15 units");
static_assert((((1 << 28) + (1 << 14) - 1) >> 14) == 1 << 14, "a logistic Hessian has at most 2^14 units");
static_assert((int64_t{1} << 15) * 65535 < (int64_t{1} << 31), "65,535 logistic gradients fit an int32 sum");

LOCKSTEP_HD inline int32_t clamp_margin(int32_t margin) {
  return margin > kMarginLimit ? kMarginLimit : margin < -kMarginLimit ? -kMarginLimit : margin;
}

/** One step of boosting: adds a leaf to a margin and limits the sum. */
LOCKSTEP_HD inline int32_t add_leaf(int32_t margin, int32_t leaf) { return clamp_margin(margin + leaf); }

/** v · weight / 2^24, rounded half up; |v| < 2^31. */
LOCKSTEP_HD inline int32_t apply_weight(int32_t v, uint32_t weight) {
  return static_cast<int32_t>((int64_t{v} * int64_t{weight} + (1 << 23)) >> 24);
}

struct GradientPair {
  int32_t g;
  int32_t h;
};

/** Stochastic rounding of a weighted logistic or softmax pair in units of 2^−30. */
LOCKSTEP_HD inline GradientPair quantise_logistic(int32_t g, int32_t h, uint32_t dither) {
  return {(g + static_cast<int32_t>(dither & 0x7fffu)) >> kLogisticGradientShift,
          (h + static_cast<int32_t>(dither >> 18)) >> kLogisticHessianShift};
}

/** Stochastic rounding by `shift` bits, 0…8, of a weighted squared-error gradient; |g| < 2^31. */
LOCKSTEP_HD inline int32_t quantise_squared_error(int32_t g, int shift, uint32_t dither) {
  return static_cast<int32_t>((int64_t{g} + int64_t{dither & ((1u << shift) - 1)}) >> shift);
}

/** Least b with magnitude < 2^b. */
LOCKSTEP_HD inline int bit_length(uint32_t magnitude) {
  int bits = 0;
  while (magnitude != 0) {
    magnitude >>= 1;
    ++bits;
  }
  return bits;
}

}  // namespace lockstep
