#include "cpu/forest.h"

#include <algorithm>

namespace lockstep {
namespace {

/** Paths that kernels may load at once. */
constexpr size_t kLeastPaths = 32;

int depth_of(const std::vector<SourceNode>& nodes) {
  std::vector<int> depth(nodes.size(), 0);
  for (size_t n = 0; n < nodes.size(); ++n) {
    const size_t left = nodes[n].left;
    if (left != n) depth[left] = depth[left + 1] = depth[n] + 1;
  }
  return *std::max_element(depth.begin(), depth.end());
}

}  // namespace

size_t CompiledForest::add_set(const CodeSet& set) {
  sets_.push_back(set);
  return sets_.size() - 1;
}

void CompiledForest::add_tree(const std::vector<SourceNode>& nodes) {
  ForestTree tree;
  tree.depth = depth_of(nodes);
  tree.levels = std::min(tree.depth, max_levels_);
  tree.output = trees_.size() % outputs();
  tree.root = static_cast<uint32_t>(nodes_.size());
  tree.splits_begin = splits_.size();
  tree.set_splits_begin = set_splits_.size();
  tree.paths_begin = paths_.size();
  paths_.resize(paths_.size() + std::max(kLeastPaths, size_t{1} << tree.levels));
  place(nodes, 0, 0, 0, tree);
  tree.splits_end = splits_.size();
  tree.set_splits_end = set_splits_.size();
  for (const SourceNode& node : nodes) {
    nodes_.push_back({(tree.root + node.left) | (node.is_set() ? kSetTest : 0),
                      node.plane << 8 | static_cast<uint8_t>(node.test)});
    values_.push_back(node.is_set() ? static_cast<int32_t>(node.set()) : node.leaf);
  }
  trees_.push_back(tree);
}

/**
 * Enters the part of a tree below node n, which the rows of `path` reach; a leaf above the last level serves all paths that
 * begin with its own.
 */
void CompiledForest::place(const std::vector<SourceNode>& nodes, size_t n, int level, uint32_t path,
                           const ForestTree& tree) {
  const SourceNode& node = nodes[n];
  if (level == tree.levels) {
    paths_[tree.paths_begin + path] = tree.deeper() ? static_cast<int32_t>(tree.root + n) : node.leaf;
    return;
  }
  const bool is_leaf = node.left == n;
  if (!is_leaf) {
    const auto slot = static_cast<uint8_t>((1u << level) - 1 + path);
    if (node.is_set()) {
      set_splits_.push_back({node.plane, node.set(), slot});
    } else {
      splits_.push_back({node.plane, static_cast<uint8_t>(node.test), slot});
    }
  }
  place(nodes, node.left, level + 1, 2 * path + 1, tree);
  place(nodes, is_leaf ? n : node.left + 1, level + 1, 2 * path, tree);
}

size_t CompiledForest::bytes() const {
  return trees_.capacity() * sizeof(ForestTree) + nodes_.capacity() * (sizeof(WalkNode) + sizeof(int32_t)) +
         sets_.capacity() * sizeof(CodeSet) + splits_.capacity() * sizeof(MaskSplit) +
         set_splits_.capacity() * sizeof(MaskSetSplit) + paths_.capacity() * sizeof(int32_t);
}

}  // namespace lockstep
