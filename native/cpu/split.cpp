#include "cpu/split.h"

#include <algorithm>
#include <span>

namespace lockstep {
namespace {

/** Keeps the best candidate; candidates arrive in the order of the tie rule, so only a greater score replaces. */
class Search {
 public:
  Search(const SplitNode& node, const TreeParams& params, const ScoreParams& score)
      : node_(node.sums), bounds_(node.bounds), params_(params), score_(score) {
    parent_ = score.bounded ? weighted_score(node_, bounded_weight(node_, bounds_, score), score)
                            : node_score(node_, score);
  }

  /** Offers the partition with `left` on the left; returns whether it is the best so far. */
  bool offer(int feature, int bin, bool missing_left, const Sums& left) {
    const Sums right = node_ - left;
    if (left.h < score_.min_child_hessian || right.h < score_.min_child_hessian) return false;
    double score = 0;
    if (score_.bounded) {
      const double left_weight = bounded_weight(left, bounds_, score_);
      const double right_weight = bounded_weight(right, bounds_, score_);
      if (!is_monotone(constraint_of(params_, feature), left_weight, right_weight)) return false;
      score = weighted_score(left, left_weight, score_) + weighted_score(right, right_weight, score_);
    } else {
      score = split_score(left, right, score_);
    }
    if (best_.feature >= 0 && !(score > best_.score)) return false;
    best_ = {};
    best_.feature = feature;
    best_.bin = bin;
    best_.missing_left = missing_left;
    best_.score = score;
    best_.left = left;
    return true;
  }

  /** Offers both directions for the missing rows, or without any the one towards the heavier child. */
  bool offer_both(int feature, int bin, const Sums& left, const Sums& missing) {
    if (missing.empty()) return offer(feature, bin, left.h >= node_.h - left.h, left);
    const bool with = offer(feature, bin, true, left + missing);
    return offer(feature, bin, false, left) || with;
  }

  Split& best() { return best_; }

  Split result() {
    if (best_.feature < 0) return best_;
    best_.gain = best_.score - parent_;
    return best_.gain > gain_threshold(parent_, score_) ? best_ : Split{};
  }

 private:
  Sums node_;
  WeightBounds bounds_;
  const TreeParams& params_;
  const ScoreParams& score_;
  double parent_ = 0;
  Split best_;
};

void search_numeric(int feature, std::span<const Sums> cells, Search& search) {
  const Sums missing = cells[0];
  const int bins = static_cast<int>(cells.size()) - 1;
  if (!missing.empty()) search.offer(feature, 0, true, missing);
  Sums left;
  for (int b = 1; b < bins; ++b) {
    left += cells[static_cast<size_t>(b)];
    search.offer_both(feature, b, left, missing);
  }
}

void search_one_hot(int feature, std::span<const Sums> cells, Search& search) {
  const Sums missing = cells[0];
  if (!missing.empty() && search.offer(feature, 0, true, missing)) search.best().categorical = true;
  for (size_t c = 1; c < cells.size(); ++c) {
    if (cells[c].empty() || !search.offer_both(feature, static_cast<int>(c), cells[c], missing)) continue;
    search.best().categorical = true;
    search.best().codes.add(static_cast<unsigned>(c));
  }
}

struct RankedCode {
  double ratio;
  unsigned code;
  bool operator<(const RankedCode& other) const {
    return ratio != other.ratio ? ratio < other.ratio : code < other.code;
  }
};

/** r_c: a category too light to be a child of its own tells nothing, and takes the neutral place. */
double ratio_of(const Sums& cell, const ScoreParams& score) {
  if (cell.h < score.min_child_hessian) return 0;
  return static_cast<double>(cell.g) / (static_cast<double>(cell.h) + score.lambda);
}

void search_partition(int feature, std::span<const Sums> cells, const ScoreParams& score, int max_cat_threshold,
                      Search& search) {
  RankedCode ranked[kMaxCodes];
  int present = 0;
  CodeSet absent;
  for (unsigned c = 1; c < cells.size(); ++c) {
    if (cells[c].empty()) {
      absent.add(c);
    } else {
      ranked[present++] = {ratio_of(cells[c], score), c};
    }
  }
  std::sort(ranked, ranked + present);
  const Sums missing = cells[0];
  int best_prefix = -1;
  if (!missing.empty() && search.offer(feature, 0, true, missing)) best_prefix = 0;
  Sums left;
  for (int b = 1; b < present; ++b) {
    left += cells[ranked[b - 1].code];
    if (b > max_cat_threshold && present - b > max_cat_threshold) continue;
    if (search.offer_both(feature, b, left, missing)) best_prefix = b;
  }
  if (best_prefix < 0) return;
  Split& best = search.best();
  best.categorical = true;
  if (best.missing_left) best.codes = absent;
  for (int i = 0; i < best_prefix; ++i) best.codes.add(ranked[i].code);
}

}  // namespace

Split find_split(const DatasetView& data, const HistogramLayout& layout, const std::vector<int>& features,
                 const Histogram& histogram, const SplitNode& node, const TreeParams& params,
                 const ScoreParams& score) {
  Search search(node, params, score);
  for (const int feature : features) {
    const auto f = static_cast<size_t>(feature);
    const std::span cells(histogram.data() + layout.offset[f], layout.offset[f + 1] - layout.offset[f]);
    if (data.categorical[f] == 0) {
      search_numeric(feature, cells, search);
    } else if (data.feature_bins[f] < params.max_cat_to_onehot) {
      search_one_hot(feature, cells, search);
    } else {
      search_partition(feature, cells, score, params.max_cat_threshold, search);
    }
  }
  return search.result();
}

}  // namespace lockstep
