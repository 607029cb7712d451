// The plain form: every row walks from node to node.
#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "core/fixed.h"
#include "cpu/aligned.h"
#include "cpu/predict_kernels.h"

namespace lockstep {
namespace {

#include "cpu/predict_ranks.h"

/** Ways through trees that are followed side by side: their loads do not wait for each other. */
constexpr size_t kTogether = 8;
constexpr int kUncheckedSteps = 8;

/** Where a row goes from node `at`; bytes: its bytes, 2^kSpacing apart. */
template <bool kSets, int kSpacing>
uint32_t child_of(const CompiledForest& forest, const WalkNode* nodes, const uint8_t* bytes, uint32_t at) {
  static_assert(kBlockRows == 1 << 8, "plane_and_test holds the distance of a plane in a block");
  const WalkNode node = nodes[at];
  const uint32_t byte = bytes[kSpacing == 8 ? node.plane_and_test & ~0xFFu : node.plane_and_test >> 8];
  const uint32_t above = byte > (node.plane_and_test & 0xFFu) ? 1u : 0u;
  if constexpr (!kSets) return node.left + above;
  // Without a branch, which most rows would mispredict somewhere: a node without a set looks into the first one, in vain.
  const uint32_t is_set = node.left >> 31;
  const uint32_t set = static_cast<uint32_t>(forest.values()[at]) & (0 - is_set);
  const uint32_t outside = forest.set(set).has(byte) ? 0u : 1u;
  return (node.left & ~kSetTest) + above + ((outside - above) & (0 - is_set));
}

/** Takes several ways side by side `steps` steps on; bytes_of(k) are the bytes of way k. */
template <bool kSets, int kSpacing, class BytesOf, size_t... kWays>
void walk(const CompiledForest& forest, const WalkNode* nodes, int steps, const BytesOf& bytes_of, uint32_t (&at)[sizeof...(kWays)],
          std::index_sequence<kWays...>) {
  bool moved = true;
  for (int step = 0; step < steps && moved; ++step) {
    const uint32_t next[] = {child_of<kSets, kSpacing>(forest, nodes, bytes_of(kWays), at[kWays])...};
    // To ask whether all have arrived costs as much as half a step: it is for trees with some far longer ways than others.
    if (steps > kUncheckedSteps) moved = ((next[kWays] ^ at[kWays]) | ...) != 0;
    ((at[kWays] = next[kWays]), ...);
  }
}

template <bool kSets, size_t kRows>
void walk_block_rows(const CompiledForest& forest, int steps, const uint8_t* planes, const uint32_t* start,
                     int32_t* margins) {
  uint32_t at[kRows];
  std::copy_n(start, kRows, at);
  walk<kSets, 8>(forest, forest.nodes(), steps, [&](size_t k) { return planes + k; }, at, std::make_index_sequence<kRows>());
  for (size_t k = 0; k < kRows; ++k) margins[k] = add_leaf(margins[k], forest.values()[at[k]]);
}

template <bool kSets>
void walk_block(const CompiledForest& forest, int steps, const uint8_t* planes, size_t rows, const uint32_t* start,
                int32_t* margins) {
  size_t i = 0;
  for (; i + kTogether <= rows; i += kTogether) {
    walk_block_rows<kSets, kTogether>(forest, steps, planes + i, start + i, margins + i);
  }
  for (; i < rows; ++i) walk_block_rows<kSets, 1>(forest, steps, planes + i, start + i, margins + i);
}

template <size_t kTrees>
void walk_trees(const CompiledForest& forest, const WalkNode* nodes, size_t first, const uint8_t* bytes, int32_t* margins) {
  const ForestTree* const trees = forest.trees().data() + first;
  uint32_t at[kTrees];
  int steps = 0;
  for (size_t k = 0; k < kTrees; ++k) {
    at[k] = trees[k].root;
    steps = std::max(steps, trees[k].depth);
  }
  walk<false, 0>(forest, nodes, steps, [&](size_t) { return bytes; }, at, std::make_index_sequence<kTrees>());
  for (size_t k = 0; k < kTrees; ++k) {
    int32_t& margin = margins[trees[k].output];
    margin = add_leaf(margin, forest.values()[at[k]]);
  }
}

void add_trees(const CompiledForest& forest, size_t first, size_t last, const uint8_t* planes, size_t rows,
               int32_t* margins) {
  uint32_t at[kBlockRows];
  for (size_t t = first; t < last; ++t) {
    const ForestTree& tree = forest.trees()[t];
    int32_t* const of_output = margins + tree.output * kBlockRows;
    const int32_t start = forest.paths(tree)[0];
    if (tree.deeper()) {
      std::fill_n(at, rows, static_cast<uint32_t>(start));
      walk_from(forest, tree, planes, rows, at, of_output);
    } else {
      for (size_t i = 0; i < rows; ++i) of_output[i] = add_leaf(of_output[i], start);
    }
  }
}

constexpr PredictKernels kScalar{0, add_trees, rank_block, rank_plane};

}  // namespace

void walk_from(const CompiledForest& forest, const ForestTree& tree, const uint8_t* planes, size_t rows,
               const uint32_t* start, int32_t* margins) {
  const auto walk_rows = forest.sets() > 0 ? walk_block<true> : walk_block<false>;
  walk_rows(forest, tree.depth - tree.levels, planes, rows, start, margins);
}

void add_trees_to_row(const CompiledForest& forest, const WalkNode* nodes, const uint8_t* bytes, int32_t* margins) {
  size_t t = 0;
  for (; t + kTogether <= forest.trees().size(); t += kTogether) walk_trees<kTogether>(forest, nodes, t, bytes, margins);
  for (; t < forest.trees().size(); ++t) walk_trees<1>(forest, nodes, t, bytes, margins);
}

const PredictKernels& predict_kernels(const Kernels& kernels) {
  const std::string level = kernels.name;
  const PredictKernels* const found = level == "avx512" ? predict_avx512_kernels()
                                      : level == "avx2" ? predict_avx2_kernels()
                                                        : nullptr;
  return found != nullptr ? *found : kScalar;
}

}  // namespace lockstep
