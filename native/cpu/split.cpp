#include "cpu/split.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "cpu/kernels.h"

namespace lockstep {
namespace {

constexpr double kFloatUnit = 0x1p-24;
constexpr double kDoubleUnit = 0x1p-53;
/** Parameters beyond this leave the range that the filter's proof needs; candidates are then scored one by one. */
constexpr double kFilterLimit = 0x1p32;

bool is_first(const Split& a, int feature, int bin, bool missing_left) {
  if (a.feature != feature) return a.feature < feature;
  if (a.bin != bin) return a.bin < bin;
  return a.missing_left || !missing_left;
}

/** A code that the node has, and its sums. No member has a default, so that an array of them costs nothing to make. */
struct RankedCode {
  double ratio;
  int64_t g;
  int64_t h;
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

/** The codes of a categorical feature that the node has, in the order of the partition. */
struct Ranking {
  RankedCode codes[kMaxCodes];
  int present = 0;
  Sums missing;
  CodeSet absent;

  Ranking(const SearchContext& context, const Histogram& histogram, int feature) {
    const int bins = context.data.feature_bins[static_cast<size_t>(feature)];
    missing = histogram.at(context.layout.cell(feature, 0), context.packing);
    for (unsigned c = 1; c <= static_cast<unsigned>(bins); ++c) {
      const Sums sums = histogram.at(context.layout.cell(feature, c), context.packing);
      if (sums.empty()) {
        absent.add(c);
      } else {
        codes[present++] = {ratio_of(sums, context.score), sums.g, sums.h, c};
      }
    }
    std::sort(codes, codes + present);
  }
};

bool is_one_hot(const SearchContext& context, int feature) {
  return context.data.feature_bins[static_cast<size_t>(feature)] < context.params.max_cat_to_onehot;
}

void search_one_hot(const Histogram& histogram, int feature, NodeSearch& search) {
  const SearchContext& context = search.context();
  const auto at = [&](unsigned code) { return histogram.at(context.layout.cell(feature, code), context.packing); };
  const Sums missing = at(0);
  if (!missing.empty()) search.offer(feature, 0, true, missing);
  const int bins = context.data.feature_bins[static_cast<size_t>(feature)];
  for (int c = 1; c <= bins; ++c) {
    const Sums cell = at(static_cast<unsigned>(c));
    if (!cell.empty()) search.offer_both(feature, c, cell, missing);
  }
}

void search_partition(const Histogram& histogram, int feature, NodeSearch& search) {
  const Ranking ranking(search.context(), histogram, feature);
  const int limit = search.context().params.max_cat_threshold;
  if (!ranking.missing.empty()) search.offer(feature, 0, true, ranking.missing);
  Sums left;
  for (int b = 1; b < ranking.present; ++b) {
    const RankedCode& last = ranking.codes[b - 1];
    left += {last.g, last.h};
    if (b > limit && ranking.present - b > limit) continue;
    search.offer_both(feature, b, left, ranking.missing);
  }
}

}  // namespace

NodeSearch::NodeSearch(const SearchContext& context, const SplitNode& node, bool narrow)
    : context_(context),
      node_(node.sums),
      bounds_(node.bounds),
      parent_(context.score.bounded ? weighted_score(node_, bounded_weight(node_, bounds_, context.score), context.score)
                                    : node_score(node_, context.score)),
      least_(parent_ + gain_threshold(parent_, context.score)),
      unit_(narrow ? kFloatUnit : kDoubleUnit) {
  filter_.lambda = context.score.lambda;
  filter_.total = static_cast<double>(node_.h) + 2 * context.score.lambda;
  filter_.gradient = static_cast<double>(node_.g);
  filter_.alpha = context.score.alpha * (1 - 8 * unit_) - 8 * unit_ * std::fabs(filter_.gradient);
  filter_.least_hessian = context.score.min_child_hessian;
  aim();
}

/** Sets threshold and slack so that every candidate passes whose score may reach the best so far. */
void NodeSearch::aim() {
  const double best = best_.feature < 0 ? least_ : best_.score;
  const double s = filter_.total;
  const double g = std::fabs(filter_.gradient);
  const double alpha = context_.score.alpha;
  if (alpha > 0) {
    filter_.threshold = best * (1 - 0x1p-40) * (1 - 128 * unit_);
    filter_.slack = 64 * unit_ * s * (best * s + g * g + alpha * alpha);
  } else {
    const double gain = std::max(0.0, best * s * (1 - 0x1p-40) - g * g * (1 + 0x1p-40));
    filter_.threshold = gain * (1 - 32 * unit_);
    filter_.slack = 32 * unit_ * g * s * s * std::sqrt(gain) + 16 * unit_ * gain * s * s;
  }
}

/** The score of a partition under bounded weights, or −∞ where a constraint forbids it. */
double NodeSearch::bounded_score(int feature, Sums left, Sums right) const {
  const ScoreParams& score = context_.score;
  const double left_weight = bounded_weight(left, bounds_, score);
  const double right_weight = bounded_weight(right, bounds_, score);
  if (!is_monotone(constraint_of(context_.params, feature), left_weight, right_weight)) {
    return -std::numeric_limits<double>::infinity();
  }
  return weighted_score(left, left_weight, score) + weighted_score(right, right_weight, score);
}

void NodeSearch::offer(int feature, int bin, bool missing_left, Sums left) {
  const Sums right = node_ - left;
  if (left.h < context_.score.min_child_hessian || right.h < context_.score.min_child_hessian) return;
  double score = 0;
  if (context_.score.bounded) {
    score = bounded_score(feature, left, right);
    if (score == -std::numeric_limits<double>::infinity()) return;
  } else {
    score = split_score(left, right, context_.score);
  }
  if (best_.feature >= 0) {
    if (score < best_.score) return;
    if (score == best_.score && is_first(best_, feature, bin, missing_left)) return;
  }
  best_.feature = feature;
  best_.bin = bin;
  best_.missing_left = missing_left;
  best_.left = left;
  const bool better = best_.score != score;
  best_.score = score;
  if (better) aim();
}

void NodeSearch::offer_both(int feature, int bin, Sums left, Sums missing) {
  if (missing.empty()) {
    offer(feature, bin, left.h >= node_.h - left.h, left);
  } else {
    offer(feature, bin, true, left + missing);
    offer(feature, bin, false, left);
  }
}

bool NodeSearch::offer_numeric(int feature, int bin, bool missing_left, Sums left, Sums missing) {
  if (bin >= context_.data.feature_bins[static_cast<size_t>(feature)]) return false;
  const double before = best_.feature < 0 ? least_ : best_.score;
  if (missing.empty()) {
    if (!missing_left) offer(feature, bin, left.h >= node_.h - left.h, left);
  } else {
    offer(feature, bin, missing_left, left);
  }
  return best_.feature >= 0 && best_.score > before;
}

Split NodeSearch::result() const {
  if (best_.feature < 0) return best_;
  Split split = best_;
  split.gain = split.score - parent_;
  return split.gain > gain_threshold(parent_, context_.score) ? split : Split{};
}

SplitFinder::SplitFinder(const DatasetView& data, const HistogramLayout& layout, const Kernels& kernels)
    : data_(data), layout_(layout), kernels_(kernels) {}

SearchedFeatures::SearchedFeatures(const DatasetView& data, const HistogramLayout& layout,
                                   const std::vector<int>& features) {
  for (const int feature : features) {
    if (data.categorical[static_cast<size_t>(feature)] != 0) {
      categorical.push_back(feature);
      continue;
    }
    numeric.push_back(feature);
    const int first = feature / SmallNode::kBlock * SmallNode::kBlock;
    if (blocks.empty() || blocks.back().first_feature != first) blocks.push_back({first, 0});
    blocks.back().lanes |= uint32_t{1} << (feature - first);
    const HistogramLayout::Group& group = layout.groups[static_cast<size_t>(feature / HistogramLayout::kLanes)];
    if (groups.empty() || groups.back().first_feature != group.first_feature) {
      groups.push_back({group.offset, group.halves, 0, group.half_cells(), group.first_feature, 0});
    }
    groups.back().codes = std::max(groups.back().codes, data.feature_bins[static_cast<size_t>(feature)] + 1);
    groups.back().lanes |= uint32_t{1} << (feature - group.first_feature);
  }
}

void SplitFinder::begin_tree(const TreeParams& params, const ScoreParams& score, Packing packing) {
  params_ = &params;
  score_ = &score;
  packing_ = packing;
  filterable_ = !score.bounded && score.lambda < kFilterLimit && score.alpha < kFilterLimit;
}

void SplitFinder::search_numeric(const Histogram& histogram, const SearchedFeatures& features, NodeSearch& search) const {
  if (filterable_) {
    for (const LaneGroup& group : features.groups) {
      kernels_.search(histogram.words.data() + group.offset * (histogram.wide ? 2 : 1), histogram.wide, group, search);
    }
    return;
  }
  for (const int feature : features.numeric) {
    const Sums missing = histogram.at(layout_.cell(feature, 0), packing_);
    if (!missing.empty()) search.offer(feature, 0, true, missing);
    Sums left;
    for (int b = 1; b < data_.feature_bins[static_cast<size_t>(feature)]; ++b) {
      left += histogram.at(layout_.cell(feature, static_cast<unsigned>(b)), packing_);
      search.offer_both(feature, b, left, missing);
    }
  }
}

void SplitFinder::search_categorical(const Histogram& histogram, const SearchedFeatures& features,
                                     NodeSearch& search) const {
  for (const int feature : features.categorical) {
    if (is_one_hot(search.context(), feature)) {
      search_one_hot(histogram, feature, search);
    } else {
      search_partition(histogram, feature, search);
    }
  }
}

/** The result with its codes. */
Split SplitFinder::finish(const Histogram& histogram, const NodeSearch& search) const {
  Split split = search.result();
  if (split.feature < 0 || data_.categorical[static_cast<size_t>(split.feature)] == 0) return split;
  split.categorical = true;
  if (is_one_hot(search.context(), split.feature)) {
    if (split.bin > 0) split.codes.add(static_cast<unsigned>(split.bin));
    return split;
  }
  const Ranking ranking(search.context(), histogram, split.feature);
  if (split.missing_left) split.codes = ranking.absent;
  for (int i = 0; i < split.bin; ++i) split.codes.add(ranking.codes[i].code);
  return split;
}

Split SplitFinder::find(const Histogram& histogram, const SearchedFeatures& features, const SplitNode& node) const {
  const SearchContext context = this->context();
  NodeSearch search(context, node, !histogram.wide && packing_ == Packing::kHalves);
  search_numeric(histogram, features, search);
  search_categorical(histogram, features, search);
  return finish(histogram, search);
}

Split SplitFinder::find_small(const HistogramBuilder& builder, const uint32_t* rows, size_t count,
                              const SearchedFeatures& features, const SplitNode& node, Histogram& spare) const {
  const SearchContext context = this->context();
  NodeSearch search(context, node, true);
  if (count > 1) {
    SmallNode small{data_, rows, count, features.blocks, {}, {}};
    for (size_t i = 0; i < count; ++i) {
      const Sums pair = unpack(builder.gradients()[rows[i]], packing_);
      small.gradient[i] = static_cast<int32_t>(pair.g);
      small.hessian[i] = static_cast<int32_t>(pair.h);
    }
    kernels_.search_small(small, search);
  }
  if (!features.categorical.empty()) {
    builder.sum_features(rows, count, features.categorical, spare);
    search_categorical(spare, features, search);
  }
  return finish(spare, search);
}

void SplitFinder::find_pair(const HistogramBuilder& builder, const SearchedChild& child, const Histogram& histogram,
                            const SearchedChild& sibling, Histogram& parent, size_t sibling_rows, bool keep,
                            const Executor& executor) const {
  const SearchedFeatures& features = sibling.features;
  const bool fused = filterable_ && packing_ == Packing::kHalves && !parent.wide && executor.threads() == 1 &&
                     &child.features == &features;
  if (!fused) {
    executor.parallel_for(2, [&](size_t part, size_t) {
      if (part == 0) {
        builder.subtract(histogram, parent, sibling_rows);
        *sibling.split = find(parent, features, sibling.node);
      } else if (child.split != nullptr) {
        *child.split = find(histogram, child.features, child.node);
      }
    });
    return;
  }
  const SearchContext context = this->context();
  NodeSearch child_search(context, child.node, true);
  NodeSearch sibling_search(context, sibling.node, true);
  // Groups without a numeric feature are subtracted all the same: categories are searched in them afterwards.
  const bool keep_all = keep || !features.categorical.empty();
  const LaneGroup* numeric = features.groups.data();
  const LaneGroup* const end = numeric + features.groups.size();
  for (const HistogramLayout::Group& group : layout_.groups) {
    const int64_t* from = histogram.words.data() + group.offset;
    int64_t* to = parent.words.data() + group.offset;
    size_t searched = 0;  // cells of each half that the kernel has subtracted
    if (numeric != end && numeric->first_feature == group.first_feature) {
      kernels_.search_pair(from, to, keep_all, *numeric, child.split == nullptr ? nullptr : &child_search,
                           sibling_search);
      searched = static_cast<size_t>(numeric->codes) * HistogramLayout::kHalf;
      ++numeric;
    }
    if (!keep_all) continue;
    for (size_t half = 0; half < group.cells(); half += group.half_cells()) {
      for (size_t c = half + searched; c < half + group.half_cells(); ++c) to[c] -= from[c];
    }
  }
  if (child.split != nullptr) {
    search_categorical(histogram, features, child_search);
    *child.split = finish(histogram, child_search);
  }
  search_categorical(parent, features, sibling_search);
  *sibling.split = finish(parent, sibling_search);
}

}  // namespace lockstep
