// The softmax in integers, for objectives with classes: docs/numerics.md sections 3 and 5, docs/metrics.md, "Several
// classes". Margins are int32 in units of 2^-20 with |m| ≤ 2^30; a row has one for each of 2 to 255 classes.
#pragma once

#include <cmath>
#include <cstdint>

#include "core/fixed.h"
#include "core/hd.h"
#include "core/link.h"
#include "core/tables.h"

namespace lockstep {

inline constexpr int kMaxClasses = 255;
inline constexpr uint32_t kSoftmaxLimit = (1u << 24) - 1;  // distances beyond it count as this one
inline constexpr int32_t kOneQ24 = 1 << 24;
inline constexpr int64_t kLn2Q30 = 744261118;

static_assert(int64_t{kMaxClasses} * kOneQ24 < int64_t{1} << 32, "the sum of the exponentials fits 32 bits");
static_assert((((1 << 29) + (1 << 14) - 1) >> 14) == 1 << 15, "a softmax Hessian has at most 2^15 units");
static_assert((int64_t{1} << 15) * 65535 < int64_t{1} << 31, "65,535 softmax gradients or Hessians fit an int32 sum");

/** e^−t in units of 2^-30; exactly 2^30 at 0, and 0 for t ≥ 2^25. */
LOCKSTEP_HD inline int32_t exp_neg_q30(uint32_t t, const LinkSegment* table = kExpTable) {
  return t > 0x1FFFFFFu ? 0 : evaluate_segment(table, t, 24);
}

/** e^−t in units of 2^-24, 1…2^24, for a distance below the greatest margin; constant for t ≥ 2^24 − 1. */
LOCKSTEP_HD inline uint32_t exp_neg_q24(uint32_t t, const LinkSegment* table = kExpTable) {
  return static_cast<uint32_t>(exp_neg_q30(t > kSoftmaxLimit ? kSoftmaxLimit : t, table) + 32) >> 6;
}

LOCKSTEP_HD inline int32_t greatest_margin(const int32_t* margins, int classes) {
  int32_t top = margins[0];
  for (int k = 1; k < classes; ++k) top = margins[k] > top ? margins[k] : top;
  return top;
}

/** top − margin, which may need 32 bits. */
LOCKSTEP_HD inline uint32_t margin_distance(int32_t top, int32_t margin) {
  return static_cast<uint32_t>(top) - static_cast<uint32_t>(margin);
}

/** Divides by the sum Σ of a row's exponentials, 2^24 ≤ Σ < 2^32, once for all its classes: V = ⌊2^54 / Σ⌋ ≤ 2^30. */
LOCKSTEP_HD inline uint32_t softmax_reciprocal(uint32_t sum) {
  return static_cast<uint32_t>((uint64_t{1} << 54) / sum);
}

/** p = e·V / 2^24 in units of 2^-30, rounded down; a row's sum to at most 2^30. */
LOCKSTEP_HD inline int32_t softmax_share(uint32_t exponential, uint32_t reciprocal) {
  return static_cast<int32_t>(uint64_t{exponential} * reciprocal >> 24);
}

/** g = p − [own class] and h = 2p(1 − p) in units of 2^-30; |g| ≤ 2^30, 0 ≤ h ≤ 2^29. */
LOCKSTEP_HD inline GradientPair softmax_gradient(int32_t p_q30, bool own_class) {
  const int32_t rest = kOneQ30 - p_q30;
  return {own_class ? -rest : p_q30, 2 * bernoulli_variance_q30(p_q30 < rest ? p_q30 : rest)};
}

/**
 * How far below the greatest margin a class starts: the upper end of the bracket that bisection of (−1, 2^24 − 1]
 * leaves around the least d with e^−d ≤ share. 0 for a share of 1, 2^24 − 1 for 0.
 */
inline int32_t prior_distance(double share) {
  const double target = std::rint(share * kOneQ24);
  int32_t above = -1;
  auto reached = static_cast<int32_t>(kSoftmaxLimit);
  while (reached - above > 1) {
    const int32_t middle = (above + reached) >> 1;
    (exp_neg_q24(static_cast<uint32_t>(middle)) <= target ? reached : above) = middle;
  }
  return reached;
}

/** ln(sum · 2^-30) in units of 2^-30 for 2^30 ≤ sum < 2^38; exactly 0 at 2^30. */
LOCKSTEP_HD inline int64_t ln_q30(uint64_t sum, const LinkSegment* table = kLogTable) {
  int power = 0;
  while (sum >> (31 + power) != 0) ++power;
  uint64_t t = (sum - (uint64_t{1} << (30 + power)) + (uint64_t{1} << (5 + power))) >> (6 + power);
  if (t == 1u << 24) {
    t = 0;
    ++power;
  }
  return power * kLn2Q30 + evaluate_segment(table, static_cast<uint32_t>(t), 28);
}

/** Σ e^(m − top) over a row, in units of 2^-30. */
LOCKSTEP_HD inline uint64_t sum_exp_q30(const int32_t* margins, int classes, int32_t top,
                                        const LinkSegment* table = kExpTable) {
  uint64_t sum = 0;
  for (int k = 0; k < classes; ++k) sum += static_cast<uint64_t>(exp_neg_q30(margin_distance(top, margins[k]), table));
  return sum;
}

/** −ln p of one class of a row in units of 2^-30, below 2^42. */
LOCKSTEP_HD inline int64_t softmax_loss_q30(const int32_t* margins, int classes, int own_class,
                                            const LinkSegment* exp_table = kExpTable,
                                            const LinkSegment* log_table = kLogTable) {
  const int32_t top = greatest_margin(margins, classes);
  return (int64_t{margin_distance(top, margins[own_class])} << 10) +
         ln_q30(sum_exp_q30(margins, classes, top, exp_table), log_table);
}

/** ln(p / (1 − p)) in margin units, limited to ±2^30, from the class's margin and the sum over all other classes. */
LOCKSTEP_HD inline int32_t log_odds(int32_t margin, int32_t top_of_others, uint64_t sum_of_others,
                                    const LinkSegment* log_table = kLogTable) {
  const int64_t odds = int64_t{margin} - top_of_others - ((ln_q30(sum_of_others, log_table) + 512) >> 10);
  return static_cast<int32_t>(odds > kMarginLimit ? kMarginLimit : odds < -kMarginLimit ? -kMarginLimit : odds);
}

/** Writes the log-odds of every class of a row against all others. */
LOCKSTEP_HD inline void one_vs_rest(const int32_t* margins, int classes, int32_t* odds) {
  int top = 0;
  for (int k = 1; k < classes; ++k) top = margins[k] > margins[top] ? k : top;
  const uint64_t sum = sum_exp_q30(margins, classes, margins[top]);
  int32_t second = -kMarginLimit;
  for (int k = 0; k < classes; ++k) second = k != top && margins[k] > second ? margins[k] : second;
  uint64_t sum_without_top = 0;
  for (int k = 0; k < classes; ++k) {
    if (k != top) sum_without_top += static_cast<uint64_t>(exp_neg_q30(margin_distance(second, margins[k])));
  }
  for (int k = 0; k < classes; ++k) {
    const auto own = static_cast<uint64_t>(exp_neg_q30(margin_distance(margins[top], margins[k])));
    odds[k] = k == top ? log_odds(margins[k], second, sum_without_top) : log_odds(margins[k], margins[top], sum - own);
  }
}

}  // namespace lockstep
