// The best split of a node: docs/numerics.md section 7.
#pragma once

#include <cstdint>
#include <vector>

#include "core/split_score.h"
#include "cpu/data.h"
#include "cpu/histogram.h"

namespace lockstep {

struct Split {
  int feature = -1;  // −1: the node stays a leaf
  int bin = 0;       // numeric: the last code to go left; categorical: how many categories, or which one
  bool missing_left = false;
  bool categorical = false;
  double score = 0;
  double gain = 0;
  Sums left;
  CodeSet codes;  // categorical: the codes that go left
};

/** A node that may be split. */
struct SplitNode {
  Sums sums;
  WeightBounds bounds;  // read where scores are bounded
};

/** The best acceptable split of a node, or one with feature −1. `features` ascend. */
Split find_split(const DatasetView& data, const HistogramLayout& layout, const std::vector<int>& features,
                 const Histogram& histogram, const SplitNode& node, const TreeParams& params,
                 const ScoreParams& score);

/** The monotone constraint of a feature: −1, 0 or 1. */
inline int constraint_of(const TreeParams& params, int feature) {
  return params.monotone_constraints.empty() ? 0 : params.monotone_constraints[static_cast<size_t>(feature)];
}

}  // namespace lockstep
