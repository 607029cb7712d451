// Trees compiled for prediction. Rows come in blocks as planes, one byte a row: bin codes, or ranks among the cuts that the
// trees use. docs/cpu-engine.md, "Prediction".
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "cpu/data.h"

namespace lockstep {

inline constexpr size_t kBlockRows = 256;
inline constexpr size_t kMostPlanes = size_t{1} << 24;

/** What a node of a tree asks; children stand side by side, behind their parent. */
struct SourceNode {
  uint32_t left = 0;   // numbered within the tree, the right child follows; of a leaf the node's own number
  uint32_t plane = 0;  // below kMostPlanes
  int32_t test = 255;  // t ≥ 0: bytes up to t go left; −1 − s: those that set s has
  int32_t leaf = 0;

  bool is_set() const { return test < 0; }
  uint32_t set() const { return static_cast<uint32_t>(-1 - test); }
};

/** The same as rows walk through it, eight bytes. A leaf leads back to itself: no byte is above 255. */
struct WalkNode {
  uint32_t left;            // the left child in the forest; the upper bit is set where the test is a set
  uint32_t plane_and_test;  // plane · 256 + the last byte that goes left
};

inline constexpr uint32_t kSetTest = 1u << 31;

/** A split whose mask is made before any row is routed. */
struct MaskSplit {
  uint32_t plane;
  uint8_t test;  // bytes up to it go left
  uint8_t slot;  // place in the level order of the full tree of the levels that masks serve
};

struct MaskSetSplit {
  uint32_t plane;
  uint32_t set;
  uint8_t slot;
};

/**
 * One tree. Masks serve its first `levels` levels: they give a path for each row, a number of `levels` bits, the root's
 * first, 1 for left, and `paths[path]` is the leaf value, or where the tree is deeper the node to walk on from.
 */
struct ForestTree {
  int levels = 0;
  int depth = 0;
  size_t output = 0;
  size_t splits_begin = 0, splits_end = 0;
  size_t set_splits_begin = 0, set_splits_end = 0;
  size_t paths_begin = 0;
  uint32_t root = 0;

  bool deeper() const { return depth > levels; }
};

/** Trees in the order in which they are added to the margins. */
class CompiledForest {
 public:
  /** max_levels: the most levels of a tree that masks may serve, 0…8; 0 where rows walk from the root. */
  CompiledForest(std::vector<int32_t> base_margins, int max_levels)
      : base_margins_(std::move(base_margins)), max_levels_(max_levels) {}

  void add_tree(const std::vector<SourceNode>& nodes);
  /** The number of a new set of bytes. */
  size_t add_set(const CodeSet& set);

  size_t outputs() const { return base_margins_.size(); }
  const std::vector<int32_t>& base_margins() const { return base_margins_; }
  const std::vector<ForestTree>& trees() const { return trees_; }
  const WalkNode* nodes() const { return nodes_.data(); }
  size_t node_count() const { return nodes_.size(); }
  size_t sets() const { return sets_.size(); }
  /** Of each node the leaf value, or the number of the set. */
  const int32_t* values() const { return values_.data(); }
  const CodeSet& set(size_t s) const { return sets_[s]; }
  const MaskSplit* splits() const { return splits_.data(); }
  const MaskSetSplit* set_splits() const { return set_splits_.data(); }
  const int32_t* paths(const ForestTree& tree) const { return paths_.data() + tree.paths_begin; }
  /** Memory in use. */
  size_t bytes() const;

 private:
  void place(const std::vector<SourceNode>& nodes, size_t n, int level, uint32_t path, const ForestTree& tree);

  std::vector<int32_t> base_margins_;
  int max_levels_;
  std::vector<ForestTree> trees_;
  std::vector<WalkNode> nodes_;
  std::vector<int32_t> values_;
  std::vector<CodeSet> sets_;
  std::vector<MaskSplit> splits_;
  std::vector<MaskSetSplit> set_splits_;
  std::vector<int32_t> paths_;
};

}  // namespace lockstep
