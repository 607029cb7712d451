// Scores, leaves and the constants they need: docs/numerics.md sections 7 and 8. Every operation here is one IEEE
// binary64 operation in the order written; the build forbids contraction.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

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
  bool bounded = false;          // scores are those of bounded weights
  double max_delta = std::numeric_limits<double>::infinity();  // d'
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
  const double rounding = (parent_score < 0 ? -parent_score : parent_score) * 0x1p-40;
  return params.min_gain > rounding ? params.min_gain : rounding;
}

/** What monotone constraints above a node allow the weights in it to be; low ≤ high. */
struct WeightBounds {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
};

LOCKSTEP_HD inline double clamp_weight(double w, double low, double high) {
  return w < low ? low : w > high ? high : w;
}

/** The weight, in units of u_g / u_h, that a set of rows gets before the learning rate; 0 where nothing holds it. */
LOCKSTEP_HD inline double free_weight(const Sums& sums, const ScoreParams& params) {
  const double denominator = static_cast<double>(sums.h) + params.lambda;
  return denominator == 0 ? 0 : -soft_threshold(sums.g, params.alpha) / denominator;
}

/** w(G, H) under max_delta_step and the bounds of the node that is to be split, or of the leaf. */
LOCKSTEP_HD inline double bounded_weight(const Sums& sums, const WeightBounds& bounds, const ScoreParams& params) {
  const double stepped = clamp_weight(free_weight(sums, params), -params.max_delta, params.max_delta);
  return clamp_weight(stepped, bounds.low, bounds.high);
}

/** S(G, H, w): twice the loss saved by giving every row the weight w. Its form cancels nowhere near the optimum. */
LOCKSTEP_HD inline double weighted_score(const Sums& sums, double w, const ScoreParams& params) {
  const double g = static_cast<double>(sums.g);
  const double magnitude = w < 0 ? -w : w;
  const double towards = (w < 0 ? -g : g) + params.alpha;
  return -(magnitude * (2 * towards + (static_cast<double>(sums.h) + params.lambda) * magnitude));
}

/** Whether a split whose children have these weights keeps to a monotone constraint, −1, 0 or 1. */
LOCKSTEP_HD inline bool is_monotone(int constraint, double left, double right) {
  return constraint == 0 || (constraint > 0 ? left <= right : left >= right);
}

struct ChildBounds {
  WeightBounds left;
  WeightBounds right;
};

/** Bounds of the children of a node that is split on a feature with this constraint; the weights are the children's. */
LOCKSTEP_HD inline ChildBounds child_bounds(const WeightBounds& node, int constraint, double left, double right) {
  ChildBounds children{node, node};
  const double middle = (left + right) / 2;
  if (constraint > 0) children.left.high = children.right.low = middle;
  if (constraint < 0) children.left.low = children.right.high = middle;
  return children;
}

/** Leaf value in margin units of a weight, with at most 24 significant bits. */
LOCKSTEP_HD inline int32_t leaf_of_weight(double weight, const ScoreParams& params) {
  double v = weight * params.leaf_scale;
  v = v > kLeafLimit ? kLeafLimit : v < -kLeafLimit ? -kLeafLimit : v;
  const int32_t units = static_cast<int32_t>(std::rint(v));
  const uint32_t magnitude = static_cast<uint32_t>(units < 0 ? -units : units);
  const int excess = bit_length(magnitude) - 24;
  if (excess <= 0) return units;
  const int32_t cut = static_cast<int32_t>(magnitude >> excess << excess);
  return units < 0 ? -cut : cut;
}

/** Leaf value of a set of rows without bounds. */
LOCKSTEP_HD inline int32_t leaf_value(const Sums& sums, const ScoreParams& params) {
  return leaf_of_weight(free_weight(sums, params), params);
}

}  // namespace lockstep
