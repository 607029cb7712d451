// Growing one tree, depth-wise: docs/numerics.md sections 6 to 8.
#pragma once

#include <cstdint>
#include <vector>

#include "cpu/data.h"
#include "cpu/gradients.h"
#include "cpu/histogram.h"
#include "cpu/split.h"

namespace lockstep {

/** A node's rows as a piece of the order array. */
struct RowRange {
  size_t begin;
  size_t end;
};

/** Grows the trees of one data set; keeps its buffers from tree to tree. Not shared between threads. */
class TreeGrower {
 public:
  TreeGrower(const DatasetView& data, const HistogramLayout& layout) : data_(data), layout_(layout) {}

  /**
   * Grows a tree on the rows in `order`, which is permuted so that each leaf's rows are contiguous. class_index is the
   * class that the tree belongs to. Throws Cancelled, leaving no trace but the permutation.
   */
  Tree grow(const TreeParams& params, const ScoreParams& score, PhiloxKey key, uint32_t round, uint32_t class_index,
            const std::vector<GradientPair>& gradients, std::vector<uint32_t>& order, const Executor& executor,
            const CancelFlag& cancel);

  /** Rows of each node of the tree grown last, by node; only leaves' entries are meaningful. */
  const std::vector<RowRange>& node_rows() const { return node_rows_; }

 private:
  struct Call;
  struct NodeTask;
  void grow_node(Call& call, const NodeTask& node);
  void number_breadth_first(Tree& tree);

  const DatasetView& data_;
  const HistogramLayout& layout_;
  std::vector<Histogram> histograms_;  // one for each level under construction
  std::vector<uint32_t> scratch_;
  std::vector<RowRange> node_rows_;
};

}  // namespace lockstep
