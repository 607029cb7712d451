// Scores, leaves and the constants they need: docs/numerics.md sections 7 and 8. Every operation here is one IEEE
// binary64 operation in the order written; the build forbids contraction.
#pragma once

#include <cmath>
#include <cstdint>

#include "core/fixed.h"
#include "core/hd.h"

namespace lockstep {

/** Constants of one tree, in quantised units. */
struct ScoreParams {
  double lambda = 0;
  double alpha = 0;
  double min_gain = 0;           // max(γ', δ)
  double leaf_scale = 0;         // learning_rate · 2^k · u_g / u_h
  int64_t min_child_hessian = 1;  // C
  int gradient_unit = 0;         // log2 u_g
  int hessian_unit = 0;          // log2 u_h
};

/** Sums of a set of rows. */
struct Sums {
  int64_t g = 0;
  int64_t h = 0;

  LOCKSTEP_HD Sums& operator+=(const Sums& other) {
    g += other.g;
    h += other.h;
    return *this;
  }
  LOCKSTEP_HD friend Sums operator+(Sums a, const Sums& b) { return a += b; }
  LOCKSTEP_HD friend Sums operator-(const Sums& a, const Sums& b) { return {a.g - b.g, a.h - b.h}; }
  LOCKSTEP_HD bool empty() const { return g == 0 && h == 0; }
};

/** The gradient sum after the L1 soft threshold. */
LOCKSTEP_HD inline double soft_threshold(int64_t g, double alpha) {
  const double x = static_cast<double>(g);
  if (alpha == 0) return x;
  if (x > alpha) return x - alpha;
  if (x < -alpha) return x + alpha;
  return 0;
}

/** S(G, H); H ≥ 1. */
LOCKSTEP_HD inline double node_score(const Sums& sums, const ScoreParams& params) {
  const double t = soft_threshold(sums.g, params.alpha);
  return t * t / (static_cast<double>(sums.h) + params.lambda);
}

LOCKSTEP_HD inline double split_score(const Sums& left, const Sums& right, const ScoreParams& params) {
  return node_score(left, params) + node_score(right, params);
}

/** The gain that a split of a node must exceed. */
LOCKSTEP_HD inline double gain_threshold(double parent_score, const ScoreParams& params) {
  const double rounding = parent_score * 0x1p-40;
  return params.min_gain > rounding ? params.min_gain : rounding;
}

/** Leaf value in margin units, with at most 24 significant bits. */
LOCKSTEP_HD inline int32_t leaf_value(const Sums& sums, const ScoreParams& params) {
  const double denominator = static_cast<double>(sums.h) + params.lambda;
  if (denominator == 0) return 0;
  double v = -soft_threshold(sums.g, params.alpha) / denominator * params.leaf_scale;
  v = v > kLeafLimit ? kLeafLimit : v < -kLeafLimit ? -kLeafLimit : v;
  const int32_t units = static_cast<int32_t>(std::rint(v));
  const uint32_t magnitude = static_cast<uint32_t>(units < 0 ? -units : units);
  const int excess = bit_length(magnitude) - 24;
  if (excess <= 0) return units;
  const int32_t cut = static_cast<int32_t>(magnitude >> excess << excess);
  return units < 0 ? -cut : cut;
}

}  // namespace lockstep
