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
  NodeSearch(const SearchContext& context, const Sums& node, bool narrow);

  /** Offers the partition with `left` on the left. */
  void offer(int feature, int bin, bool missing_left, const Sums& left);

  /** Offers both directions for the missing rows, or without any the one towards the heavier child. */
  void offer_both(int feature, int bin, const Sums& left, const Sums& missing);

  /**
   * Offers what a kernel lets through. `left` includes the missing rows if missing_left. A bin that is not a split of
   * the feature, and missing_left where nothing is missing, are passed over: lanes of a vector go through both.
   */
  void offer_numeric(int feature, int bin, bool missing_left, const Sums& left, const Sums& missing);

  const GainFilter& filter() const { return filter_; }
  const SearchContext& context() const { return context_; }
  int64_t node_hessian() const { return node_.h; }

  /** The best acceptable split so far, without its codes, or one with feature −1. */
  Split result() const;

 private:
  void aim();

  const SearchContext& context_;
  Sums node_;
  double parent_;
  double least_;  // about the score that a split must exceed
  double unit_;   // largest relative error of one operation of the filter
  GainFilter filter_{};
  Split best_;
};

/** The features of a tree, sorted by how they are searched. */
class SplitFinder {
 public:
  /** kernels is borrowed. */
  SplitFinder(const DatasetView& data, const HistogramLayout& layout, const Kernels& kernels);

  void begin_tree(const std::vector<int>& features, const TreeParams& params, const ScoreParams& score, Packing packing);

  /** Whether a node with these sums can be split at all. */
  bool is_splittable(const Sums& node) const { return node.h >= 2 * score_->min_child_hessian; }

  /** The best acceptable split of a node, or one with feature −1. */
  Split find(const Histogram& histogram, const Sums& node) const;

  /**
   * Subtracts `child` from `parent`, which becomes the sibling, and finds the splits of both; child_split may be null.
   * Without `keep` the sibling's histogram is unspecified afterwards.
   */
  void find_pair(const HistogramBuilder& builder, const Histogram& child, const Sums& child_node, Histogram& parent,
                 const Sums& sibling_node, size_t sibling_rows, bool keep, Split* child_split, Split& sibling_split,
                 const Executor& executor) const;

 private:
  void search_numeric(const Histogram& histogram, NodeSearch& search) const;
  void search_categorical(const Histogram& histogram, NodeSearch& search) const;
  Split finish(const Histogram& histogram, const NodeSearch& search) const;
  SearchContext context() const { return {data_, layout_, *params_, *score_, packing_}; }

  const DatasetView& data_;
  const HistogramLayout& layout_;
  const Kernels& kernels_;
  const TreeParams* params_ = nullptr;
  const ScoreParams* score_ = nullptr;
  Packing packing_ = Packing::kHalves;
  bool filterable_ = false;
  std::vector<LaneGroup> groups_;
  std::vector<int> numeric_;
  std::vector<int> categorical_;
};

}  // namespace lockstep
