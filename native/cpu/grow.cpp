#include "cpu/grow.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

namespace lockstep {
namespace {

/** Rows below which a partition is not worth sharing out. */
constexpr size_t kParallelPartition = 16384;
constexpr size_t kAheadRows = 64;
/** Subtrees a thread when threads share a tree: enough to even out, few enough that the root's levels are short. */
constexpr size_t kSubtreesPerThread = 8;
constexpr size_t kLeastSubtreeRows = 1024;

std::vector<int> sample_features(int features, double fraction, PhiloxKey key, uint32_t round) {
  std::vector<int> chosen;
  if (fraction >= 1) {
    for (int f = 0; f < features; ++f) chosen.push_back(f);
    return chosen;
  }
  const auto wanted = static_cast<size_t>(std::max(1.0, std::floor(fraction * features + 0x1p-30)));
  std::vector<std::pair<uint32_t, int>> keyed;
  for (int f = 0; f < features; ++f) {
    keyed.emplace_back(random_block(key, static_cast<uint32_t>(f), round, Purpose::kColsampleByTree).word[0], f);
  }
  std::sort(keyed.begin(), keyed.end());
  keyed.resize(std::min(wanted, keyed.size()));
  for (const auto& [word, feature] : keyed) chosen.push_back(feature);
  std::sort(chosen.begin(), chosen.end());
  return chosen;
}

/** The sums of a node from those of its cells: every row has one code of any feature. */
Sums total(const Histogram& histogram, const HistogramLayout& layout, const DatasetView& data, int feature,
           Packing packing) {
  Sums sums;
  for (int code = 0; code <= data.feature_bins[static_cast<size_t>(feature)]; ++code) {
    sums += histogram.at(layout.cell(feature, static_cast<unsigned>(code)), packing);
  }
  return sums;
}

}  // namespace

struct TreeGrower::Call {
  const TreeParams& params;
  const ScoreParams& score;
  TreeRows& rows;
  const CancelFlag& cancel;
  size_t subtree_rows;  // nodes of up to so many rows are left to one thread
};

std::unique_ptr<Histogram> TreeGrower::take_histogram(Workspace& workspace) {
  if (workspace.free.empty()) return std::make_unique<Histogram>();
  std::unique_ptr<Histogram> histogram = std::move(workspace.free.back());
  workspace.free.pop_back();
  return histogram;
}

void TreeGrower::give_back(Workspace& workspace, std::unique_ptr<Histogram> histogram) {
  if (histogram != nullptr) workspace.free.push_back(std::move(histogram));
}

Tree TreeGrower::grow(const TreeParams& params, const ScoreParams& score, PhiloxKey key, uint32_t round,
                      const int64_t* gradients, Packing packing, TreeRows& rows, const Executor& executor,
                      const CancelFlag& cancel) {
  features_ = sample_features(data_.features, params.colsample_bytree, key, round);
  builder_.begin_tree(features_, gradients, packing);
  finder_.begin_tree(features_, params, score, packing);
  const auto threads = static_cast<size_t>(executor.threads());
  if (workspaces_.size() < threads) workspaces_.resize(threads);
  Workspace& workspace = workspaces_[0];
  Call call{params, score, rows, cancel,
            threads == 1 ? 0 : std::max(kLeastSubtreeRows, rows.trained / (threads * kSubtreesPerThread))};

  Work root;
  root.trained = {0, rows.trained};
  root.passengers = {rows.trained, rows.trained + rows.passengers};
  root.histogram = take_histogram(workspace);
  builder_.build(rows.rows.data(), rows.trained, *root.histogram, workspace.scratch, executor, cancel);
  root.sums = total(*root.histogram, builder_.layout(), data_, features_.front(), packing);
  if (finder_.is_splittable(root.sums)) root.split = finder_.find(*root.histogram, root.sums);

  Branch tree;
  tree.nodes.resize(1);
  if (threads == 1) {
    expand(call, workspace, tree, std::move(root), executor, nullptr);
  } else {
    // The threads share the large nodes; then each takes whole subtrees, the largest first.
    std::vector<Work> pending;
    expand(call, workspace, tree, std::move(root), executor, &pending);
    std::sort(pending.begin(), pending.end(),
              [](const Work& a, const Work& b) { return a.trained.size() > b.trained.size(); });
    std::vector<size_t> place;
    for (Work& work : pending) place.push_back(std::exchange(work.id, 0));
    std::vector<Branch> branches(pending.size());
    executor.parallel_for(pending.size(), [&](size_t i, size_t thread) {
      branches[i].nodes.resize(1);
      expand(call, workspaces_[thread], branches[i], std::move(pending[i]), Executor(), nullptr);
    });
    for (size_t i = 0; i < branches.size(); ++i) graft(tree, place[i], std::move(branches[i]));
  }
  leaves_ = std::move(tree.leaves);
  return number_breadth_first(std::move(tree));
}

/** Records a node and all below it; with `pending`, nodes for one thread are put there instead. */
void TreeGrower::expand(Call& call, Workspace& workspace, Branch& branch, Work work, const Executor& executor,
                        std::vector<Work>* pending) {
  if (pending != nullptr && work.split.feature >= 0 && work.trained.size() <= call.subtree_rows) {
    pending->push_back(std::move(work));
    return;
  }
  {
    Node& node = branch.nodes[work.id];
    node.cover = std::ldexp(static_cast<double>(work.sums.h), call.score.hessian_unit);
    if (work.split.feature < 0) {
      node.leaf = leaf_value(work.sums, call.score);
      branch.leaves.push_back({node.leaf, work.trained, work.passengers});
      give_back(workspace, std::move(work.histogram));
      return;
    }
    node.feature = work.split.feature;
    node.split_bin = static_cast<uint8_t>(work.split.categorical ? 0 : work.split.bin);
    node.missing_left = work.split.missing_left ? 1 : 0;
    node.gain = std::ldexp(work.split.gain, 2 * call.score.gradient_unit - call.score.hessian_unit);
    node.left = static_cast<int32_t>(branch.nodes.size());
    if (work.split.categorical) {
      node.cat_index = static_cast<int32_t>(branch.sets.size());
      branch.sets.push_back(work.split.codes);
    }
  }
  call.cancel.check();
  Work left;
  Work right;
  left.id = branch.nodes.size();
  right.id = left.id + 1;
  branch.nodes.resize(branch.nodes.size() + 2);
  left.depth = right.depth = work.depth + 1;
  left.sums = work.split.left;
  right.sums = work.sums - left.sums;
  const auto divide = [&](RowRange range, RowRange& to_left, RowRange& to_right) {
    const size_t middle = range.begin + partition(call, work.split, range, executor);
    to_left = {range.begin, middle};
    to_right = {middle, range.end};
  };
  divide(work.trained, left.trained, right.trained);
  divide(work.passengers, left.passengers, right.passengers);
  search_children(call, workspace, std::move(work.histogram), left, right, executor);
  expand(call, workspace, branch, std::move(left), executor, pending);
  expand(call, workspace, branch, std::move(right), executor, pending);
}

/** Finds the splits of two children and their histograms, as far as they are needed. `histogram` is the parent's. */
void TreeGrower::search_children(Call& call, Workspace& workspace, std::unique_ptr<Histogram> histogram, Work& left,
                                 Work& right, const Executor& executor) {
  const bool deep = left.depth >= call.params.max_depth;
  Work& small = left.trained.size() <= right.trained.size() ? left : right;
  Work& large = &small == &left ? right : left;
  const bool search_small = !deep && finder_.is_splittable(small.sums);
  const bool search_large = !deep && finder_.is_splittable(large.sums);
  const auto build = [&](const Work& work, Histogram& into) {
    builder_.build(call.rows.rows.data() + work.trained.begin, work.trained.size(), into, workspace.scratch, executor,
                   call.cancel);
  };
  const auto search_alone = [&](Work& work, std::unique_ptr<Histogram> own) {
    build(work, *own);
    work.split = finder_.find(*own, work.sums);
    work.histogram = std::move(own);
  };
  if (!search_large) {
    if (search_small) {
      search_alone(small, std::move(histogram));
    } else {
      give_back(workspace, std::move(histogram));
    }
    return;
  }
  // One update costs about as much as four cells do when histograms are subtracted.
  const size_t surplus = large.trained.size() - small.trained.size();
  if (!search_small && surplus * features_.size() * 4 < builder_.layout().cells) {
    search_alone(large, std::move(histogram));
    return;
  }
  const bool keep = left.depth + 1 < call.params.max_depth;
  std::unique_ptr<Histogram> fresh = take_histogram(workspace);
  build(small, *fresh);
  finder_.find_pair(builder_, *fresh, small.sums, *histogram, large.sums, large.trained.size(), keep,
                    search_small ? &small.split : nullptr, large.split);
  if (search_small) {
    small.histogram = std::move(fresh);
  } else {
    give_back(workspace, std::move(fresh));
  }
  large.histogram = std::move(histogram);
}

/** Moves the rows of a range that go left to its front, keeping the order on both sides; returns how many do. */
size_t TreeGrower::partition(const Call& call, const Split& split, RowRange range, const Executor& executor) {
  if (range.size() == 0) return 0;
  uint8_t goes_left[kMaxCodes] = {};
  if (split.categorical) {
    for (unsigned code = 0; code < kMaxCodes; ++code) goes_left[code] = split.codes.has(code);
  } else {
    std::memset(goes_left + 1, 1, static_cast<size_t>(split.bin));
  }
  goes_left[0] = split.missing_left;
  const uint8_t* codes = data_.bins + split.feature;
  uint32_t* rows = call.rows.rows.data() + range.begin;
  uint32_t* scratch = call.rows.scratch.data() + range.begin;
  const size_t ahead = builder_.is_large() ? kAheadRows : 0;
  const size_t pieces = range.size() < kParallelPartition ? 1 : static_cast<size_t>(executor.threads());
  if (pieces == 1) {
    const size_t left = kernels_.partition(codes, data_.stride, goes_left, rows, range.size(), scratch, ahead);
    std::memcpy(rows + left, scratch, (range.size() - left) * sizeof(uint32_t));
    return left;
  }
  const auto piece_begin = [&](size_t piece) { return range.size() * piece / pieces; };
  std::vector<size_t> left_of(pieces);
  executor.parallel_for(pieces, [&](size_t piece, size_t) {
    const size_t begin = piece_begin(piece);
    left_of[piece] = kernels_.partition(codes, data_.stride, goes_left, rows + begin, piece_begin(piece + 1) - begin,
                                        scratch + begin, ahead);
  });
  size_t left = left_of[0];
  for (size_t piece = 1; piece < pieces; ++piece) {
    std::memmove(rows + left, rows + piece_begin(piece), left_of[piece] * sizeof(uint32_t));
    left += left_of[piece];
  }
  std::vector<size_t> right_begin(pieces, left);
  for (size_t piece = 1; piece < pieces; ++piece) {
    right_begin[piece] = right_begin[piece - 1] + piece_begin(piece) - piece_begin(piece - 1) - left_of[piece - 1];
  }
  executor.parallel_for(pieces, [&](size_t piece, size_t) {
    const size_t begin = piece_begin(piece);
    const size_t count = piece_begin(piece + 1) - begin - left_of[piece];
    std::memcpy(rows + right_begin[piece], scratch + begin, count * sizeof(uint32_t));
  });
  return left;
}

/** Puts a subtree in the place of node `id`. */
void TreeGrower::graft(Branch& tree, size_t id, Branch branch) {
  const auto shift = static_cast<int32_t>(tree.nodes.size()) - 1;
  const auto first_set = static_cast<int32_t>(tree.sets.size());
  for (size_t n = 0; n < branch.nodes.size(); ++n) {
    Node node = branch.nodes[n];
    if (node.feature >= 0) node.left += shift;
    if (node.cat_index >= 0) node.cat_index += first_set;
    if (n == 0) {
      tree.nodes[id] = node;
    } else {
      tree.nodes.push_back(node);
    }
  }
  tree.sets.insert(tree.sets.end(), branch.sets.begin(), branch.sets.end());
  tree.leaves.insert(tree.leaves.end(), branch.leaves.begin(), branch.leaves.end());
}

Tree TreeGrower::number_breadth_first(Branch branch) {
  Tree tree;
  tree.nodes.reserve(branch.nodes.size());
  tree.nodes.push_back(branch.nodes[0]);
  for (size_t head = 0; head < tree.nodes.size(); ++head) {
    Node& node = tree.nodes[head];
    if (node.feature < 0) continue;
    const auto left = static_cast<size_t>(node.left);
    node.left = static_cast<int32_t>(tree.nodes.size());
    if (node.cat_index >= 0) {
      tree.cat_sets.push_back(branch.sets[static_cast<size_t>(node.cat_index)]);
      node.cat_index = static_cast<int32_t>(tree.cat_sets.size()) - 1;
    }
    tree.nodes.push_back(branch.nodes[left]);
    tree.nodes.push_back(branch.nodes[left + 1]);
  }
  return tree;
}

}  // namespace lockstep
