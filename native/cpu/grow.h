// Growing one tree: docs/numerics.md sections 6 to 8.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/philox.h"
#include "cpu/data.h"
#include "cpu/histogram.h"
#include "cpu/kernels.h"
#include "cpu/split.h"

namespace lockstep {

/** A node's rows as a piece of an array of row numbers. */
struct RowRange {
  size_t begin = 0;
  size_t end = 0;
  size_t size() const { return end - begin; }
};

/**
 * Which leaves a finished tree has for the rows at `trained` and `passengers` of the row array: one for all of them, or two,
 * where `split` tells them apart. The rows of two leaves of one parent are never set apart.
 */
struct LeafRows {
  RowRange trained;
  RowRange passengers;
  Split split;      // feature −1: one leaf
  int32_t leaf[2];  // left and right; the first where there is one

  size_t count() const { return split.feature < 0 ? 1 : 2; }
};

/** The test of a split; table: (kMaxCodes), written where the split is on categories, and borrowed. */
ColumnTest column_test(const DatasetView& data, const Split& split, uint8_t* table);

/** Rows on their way through a tree; two arrays of the same use, `trained` rows and then `passengers` in each. */
struct TreeRows {
  AlignedBuffer<uint32_t> rows;     // OUT: permuted so that each leaf's rows are contiguous
  AlignedBuffer<uint32_t> scratch;
  size_t trained = 0;               // rows that the tree is grown on
  size_t passengers = 0;            // further rows that are to be taken along to their leaves

  /** Elements that a kernel may write beyond the last. */
  static constexpr size_t kSlack = 16;
  void reserve(size_t count) {
    rows.reserve(count + kSlack);
    scratch.reserve(count + kSlack);
  }
};

/** What the random words of a tree depend on beside what they are for; docs/numerics.md section 6. */
struct TreeDraw {
  PhiloxKey key;
  uint32_t round;
  uint32_t class_index;
};

/** Grows trees on one data set, those of a model after each other; keeps its buffers from tree to tree. For one thread at a time. */
class TreeGrower {
 public:
  /** Everything is borrowed. */
  TreeGrower(const DatasetView& data, const HistogramLayout& layout, const Kernels& kernels);
  ~TreeGrower();

  /** Forgets the model whose trees it grew; `leaves` may be asked for no more. */
  void begin_model();

  /**
   * Grows a tree on rows.trained. gradients: a packed pair a row of the data. Throws Cancelled, leaving no trace but the
   * permutation of the rows.
   */
  Tree grow(const TreeParams& params, const ScoreParams& score, const TreeDraw& draw, const int64_t* gradients,
            Packing packing, TreeRows& rows, const Executor& executor, const CancelFlag& cancel);

  /** The leaves of the tree grown last. */
  const std::vector<LeafRows>& leaves() const { return leaves_; }

  /** Histograms that are kept for further trees. */
  size_t kept_histograms() const;

  /** As HistogramBuilder::is_large. */
  bool is_large() const { return builder_.is_large(); }

 private:
  /** A node that has been counted and searched, but not yet recorded. */
  struct Work {
    size_t id = 0;  // in its branch
    RowRange trained;
    RowRange passengers;
    SplitNode node;
    int depth = 0;
    uint32_t heap_number = 1;  // the root's is 1, the children of j have 2j and 2j + 1
    Split split;
    std::unique_ptr<Histogram> histogram;  // null where no descendant needs it
  };
  /** A tree or subtree under construction; nodes in order of creation, the root first. */
  struct Branch {
    std::vector<Node> nodes;
    std::vector<CodeSet> sets;
    std::vector<LeafRows> leaves;
    size_t index = 0;  // among the branches of the tree
  };
  /** Buffers of one thread. */
  struct Workspace {
    BuildScratch scratch;
    std::vector<std::unique_ptr<Histogram>> free;
  };
  struct Call;
  struct Features;
  struct Sharing;

  /** A histogram that was summed while the rows of its node were set apart. */
  struct Summed {
    std::unique_ptr<Histogram> histogram;  // null where there is none
    bool left = false;                     // of which child
  };

  std::unique_ptr<Histogram> take_histogram(Workspace& workspace);
  void give_back(Workspace& workspace, std::unique_ptr<Histogram> histogram);
  void level_histograms();
  static int32_t record_leaf(const Call& call, Branch& branch, const Work& work);
  void expand(Call& call, Workspace& workspace, Branch& branch, Work work, const Executor& executor);
  void search_children(Call& call, Workspace& workspace, std::unique_ptr<Histogram> histogram, Summed summed, Work& left,
                       Work& right, const Executor& executor);
  size_t partition(const Call& call, Workspace& workspace, const Split& split, RowRange range, const Executor& executor,
                   Summed* summed);
  size_t partition_piece(const Call& call, const ColumnTest& test, RowRange range, HistogramSum* sum,
                         bool sum_left) const;
  static void graft(Branch& tree, size_t id, Branch branch);
  Tree number_breadth_first(Branch branch);

  const DatasetView& data_;
  const HistogramLayout& layout_;
  const Kernels& kernels_;
  HistogramBuilder builder_;
  SplitFinder finder_;
  std::unique_ptr<Features> features_;  // of the last tree; of every tree where none are sampled
  std::vector<Workspace> workspaces_;
  std::vector<LeafRows> leaves_;
};

}  // namespace lockstep
