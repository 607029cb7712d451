// The best split of a node: docs/numerics.md section 7. Candidates go through a filter that discards nearly all of them
// and never one that counts (section 7, "The filter"); what is left is scored exactly, so instruction sets agree.
#pragma once

#include <cstdint>
#include <vector>

#include "core/split_score.h"
#include "cpu/data.h"
#include "cpu/histogram.h"
#include "cpu/kernels.h"

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

/** Constants of a node's filter; docs/numerics.md section 7 has the two inequalities and their proof. */
struct GainFilter {
  double lambda;          // λ'
  double total;           // S = H + 2λ'
  double gradient;        // G
  double alpha;           // α' less the error of a gradient sum; used where the tree has α'
  double threshold;
  double slack;
  int64_t least_hessian;  // C
};

/** A node that may be split. */
struct SplitNode {
  Sums sums;
  WeightBounds bounds;  // read where scores are bounded
};

/** The monotone constraint of a feature: −1, 0 or 1. */
inline int constraint_of(const TreeParams& params, int feature) {
  return params.monotone_constraints.empty() ? 0 : params.monotone_constraints[static_cast<size_t>(feature)];
}

/** What the search of a tree's nodes shares. */
struct SearchContext {
  const DatasetView& data;
  const HistogramLayout& layout;
  const TreeParams& params;
  const ScoreParams& score;
  Packing packing;
};

/** Candidates of one node: keeps the best by the order of section 7, whatever order they are offered in. */
class NodeSearch {
 public:
  /** narrow: the filter is evaluated in binary32, else in binary64. */
  NodeSearch(const SearchContext& context, const SplitNode& node, bool narrow);

  /** Offers the partition with `left` on the left. */
  void offer(int feature, int bin, bool missing_left, Sums left);

  /** Offers both directions for the missing rows, or without any the one towards the heavier child. */
  void offer_both(int feature, int bin, Sums left, Sums missing);

  /**
   * Offers what a kernel lets through. `left` includes the missing rows if missing_left. A bin that is not a split of
   * the feature, and missing_left where nothing is missing, are passed over: lanes of a vector go through both.
   * Returns whether the score is better than the best before.
   */
  bool offer_numeric(int feature, int bin, bool missing_left, Sums left, Sums missing);

  const GainFilter& filter() const { return filter_; }
  const SearchContext& context() const { return context_; }
  int64_t node_hessian() const { return node_.h; }

  /** The best acceptable split so far, without its codes, or one with feature −1. */
  Split result() const;

 private:
  void aim();

  double bounded_score(int feature, Sums left, Sums right) const;

  const SearchContext& context_;
  Sums node_;
  WeightBounds bounds_;
  double parent_;
  double least_;  // about the score that a split must exceed
  double unit_;   // largest relative error of one operation of the filter
  GainFilter filter_{};
  Split best_;
};

/** Features among which a split is searched, sorted by how that is done. */
struct SearchedFeatures {
  std::vector<LaneGroup> groups;
  std::vector<int> numeric;
  std::vector<int> categorical;
  std::vector<SmallNode::Block> blocks;  // the numeric ones again

  /** `features` ascend. */
  SearchedFeatures(const DatasetView& data, const HistogramLayout& layout, const std::vector<int>& features);
};

/** One of two children to be searched. */
struct SearchedChild {
  const SplitNode& node;
  const SearchedFeatures& features;
  Split* split;  // OUT; null: not to be searched
};

/** Finds the splits of one tree. */
class SplitFinder {
 public:
  /** kernels is borrowed. */
  SplitFinder(const DatasetView& data, const HistogramLayout& layout, const Kernels& kernels);

  /** params and score are borrowed until the next tree. */
  void begin_tree(const TreeParams& params, const ScoreParams& score, Packing packing);

  /** Whether a node with these sums can be split at all. */
  bool is_splittable(const Sums& node) const { return node.h >= 2 * score_->min_child_hessian; }

  /** The best acceptable split of a node, or one with feature −1. */
  Split find(const Histogram& histogram, const SearchedFeatures& features, const SplitNode& node) const;

  /** Whether nodes of so many rows are searched without a histogram, by find_small. */
  bool is_small(size_t rows) const { return rows <= kSmallRows && filterable_ && kernels_.search_small != nullptr; }

  /** As find, from the node's rows. `spare` is written over. */
  Split find_small(const HistogramBuilder& builder, const uint32_t* rows, size_t count, const SearchedFeatures& features,
                   const SplitNode& node, Histogram& spare) const;

  /**
   * Subtracts `histogram`, the child's, from `parent`, which becomes the sibling's, and finds the splits of both; the
   * child's may be left out. Without `keep` the sibling's histogram is unspecified afterwards.
   */
  void find_pair(const HistogramBuilder& builder, const SearchedChild& child, const Histogram& histogram,
                 const SearchedChild& sibling, Histogram& parent, size_t sibling_rows, bool keep,
                 const Executor& executor) const;

 private:
  void search_numeric(const Histogram& histogram, const SearchedFeatures& features, NodeSearch& search) const;
  void search_categorical(const Histogram& histogram, const SearchedFeatures& features, NodeSearch& search) const;
  Split finish(const Histogram& histogram, const NodeSearch& search) const;
  SearchContext context() const { return {data_, layout_, *params_, *score_, packing_}; }

  const DatasetView& data_;
  const HistogramLayout& layout_;
  const Kernels& kernels_;
  const TreeParams* params_ = nullptr;
  const ScoreParams* score_ = nullptr;
  Packing packing_ = Packing::kHalves;
  bool filterable_ = false;
};

}  // namespace lockstep
