#include "cpu/grow.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "core/sampling.h"

namespace lockstep {
namespace {

/** What a step of `fraction` leaves of `from`, ascending; key_of(f) is the key of feature f in this step. */
template <class KeyOf>
std::vector<int> sample_features(const std::vector<int>& from, double fraction, const KeyOf& key_of) {
  if (fraction >= 1) return from;
  std::vector<std::pair<uint32_t, int>> keyed;
  for (const int feature : from) keyed.emplace_back(key_of(static_cast<uint32_t>(feature)), feature);
  std::sort(keyed.begin(), keyed.end());
  keyed.resize(static_cast<size_t>(sampled_feature_count(fraction, static_cast<int>(from.size()))));
  std::vector<int> chosen;
  for (const auto& [word, feature] : keyed) chosen.push_back(feature);
  std::sort(chosen.begin(), chosen.end());
  return chosen;
}

/** Moves the rows that go left to the front, keeping the order on both sides; returns how many do. */
template <class GoesLeft>
size_t stable_partition_rows(uint32_t* rows, size_t count, uint32_t* scratch, const GoesLeft& goes_left) {
  size_t left = 0;
  size_t right = 0;
  for (size_t i = 0; i < count; ++i) {
    const uint32_t row = rows[i];
    const bool is_left = goes_left(row);
    rows[left] = row;
    scratch[right] = row;
    left += is_left ? 1 : 0;
    right += is_left ? 0 : 1;
  }
  std::copy(scratch, scratch + right, rows + left);
  return left;
}

size_t partition_rows(const DatasetView& data, const Split& split, uint32_t* rows, size_t count, uint32_t* scratch) {
  CodeSet left = split.codes;
  if (!split.categorical) {
    for (int code = 1; code <= split.bin; ++code) left.add(static_cast<unsigned>(code));
  }
  if (split.missing_left) left.add(0);
  bool table[kMaxCodes];
  for (unsigned code = 0; code < kMaxCodes; ++code) table[code] = left.has(code);
  const uint8_t* column = data.bins + split.feature;
  return stable_partition_rows(rows, count, scratch,
                               [&](uint32_t row) { return table[column[size_t{row} * data.stride]]; });
}

Sums total(const std::vector<GradientPair>& gradients, const std::vector<uint32_t>& rows) {
  Sums sums;
  for (const uint32_t row : rows) sums += {gradients[row].g, gradients[row].h};
  return sums;
}

}  // namespace

struct TreeGrower::Call {
  const TreeParams& params;
  const ScoreParams& score;
  PhiloxKey key;
  uint32_t round;
  uint32_t class_index;
  const std::vector<GradientPair>& gradients;
  std::vector<uint32_t>& order;
  const Executor& executor;
  const CancelFlag& cancel;
  std::vector<int> features;                      // of the tree
  std::vector<std::vector<int>> level_features;  // by depth
  Tree tree;

  void draw_features(int all) {
    std::vector<int> every(static_cast<size_t>(all));
    std::iota(every.begin(), every.end(), 0);
    features = sample_features(every, params.colsample_bytree,
                               [&](uint32_t f) { return tree_feature_key(key, f, round, class_index); });
    for (int depth = 0; depth < params.max_depth; ++depth) {
      level_features.push_back(sample_features(features, params.colsample_bylevel, [&](uint32_t f) {
        return level_feature_key(key, f, round, static_cast<uint32_t>(depth), class_index);
      }));
    }
  }

  std::vector<int> node_features(int depth, uint32_t heap_number) const {
    const uint32_t word = node_word(key, heap_number, round, class_index);
    return sample_features(level_features[static_cast<size_t>(depth)], params.colsample_bynode,
                           [&](uint32_t f) { return node_feature_key(key, f, word, class_index); });
  }
};

struct TreeGrower::NodeTask {
  size_t id;
  RowRange rows;
  SplitNode split;
  int depth;
  uint32_t heap_number;  // the root's is 1, the children of j have 2j and 2j + 1
  size_t histogram;
};

Tree TreeGrower::grow(const TreeParams& params, const ScoreParams& score, PhiloxKey key, uint32_t round,
                      uint32_t class_index, const std::vector<GradientPair>& gradients, std::vector<uint32_t>& order,
                      const Executor& executor, const CancelFlag& cancel) {
  scratch_.resize(order.size());
  node_rows_.clear();
  Call call{params, score, key, round, class_index, gradients, order, executor, cancel, {}, {}, {}};
  call.draw_features(data_.features);
  const Sums root = total(gradients, order);
  const RowRange all{0, order.size()};
  call.tree.nodes.resize(1);
  node_rows_.push_back(all);
  if (histograms_.empty()) histograms_.emplace_back(layout_.cells());
  if (root.h >= 2 * score.min_child_hessian) {
    build_histogram(data_, layout_, call.features, gradients, order.data(), order.size(), histograms_[0], executor,
                    cancel);
  }
  grow_node(call, {0, all, {root, {}}, 0, 1, 0});
  number_breadth_first(call.tree);
  return std::move(call.tree);
}

void TreeGrower::grow_node(Call& call, const NodeTask& task) {
  const ScoreParams& score = call.score;
  const int64_t heavy_enough = 2 * score.min_child_hessian;
  const Sums& sums = task.split.sums;
  Split split;
  if (task.depth < call.params.max_depth && sums.h >= heavy_enough) {
    split = find_split(data_, layout_, call.node_features(task.depth, task.heap_number), histograms_[task.histogram],
                       task.split, call.params, score);
  }
  {
    Node& node = call.tree.nodes[task.id];
    node.cover = std::ldexp(static_cast<double>(sums.h), score.hessian_unit);
    if (split.feature < 0) {
      node.leaf = score.bounded ? leaf_of_weight(bounded_weight(sums, task.split.bounds, score), score)
                                : leaf_value(sums, score);
      return;
    }
    node.feature = split.feature;
    node.split_bin = static_cast<uint8_t>(split.categorical ? 0 : split.bin);
    node.missing_left = split.missing_left ? 1 : 0;
    node.gain = std::ldexp(split.gain, 2 * score.gradient_unit - score.hessian_unit);
    if (split.categorical) {
      node.cat_index = static_cast<int32_t>(call.tree.cat_sets.size());
      call.tree.cat_sets.push_back(split.codes);
    }
  }
  call.cancel.check();
  const size_t count = task.rows.end - task.rows.begin;
  const size_t left_count =
      partition_rows(data_, split, call.order.data() + task.rows.begin, count, scratch_.data() + task.rows.begin);
  const size_t left_id = call.tree.nodes.size();
  call.tree.nodes[task.id].left = static_cast<int32_t>(left_id);
  call.tree.nodes.resize(left_id + 2);

  const size_t middle = task.rows.begin + left_count;
  const uint32_t left_heap = 2 * task.heap_number;
  NodeTask left{left_id, {task.rows.begin, middle}, {split.left, {}}, task.depth + 1, left_heap, 0};
  NodeTask right{left_id + 1, {middle, task.rows.end}, {sums - split.left, {}}, task.depth + 1, left_heap + 1, 0};
  if (score.bounded) {
    const ChildBounds bounds = child_bounds(task.split.bounds, constraint_of(call.params, split.feature),
                                            bounded_weight(left.split.sums, task.split.bounds, score),
                                            bounded_weight(right.split.sums, task.split.bounds, score));
    left.split.bounds = bounds.left;
    right.split.bounds = bounds.right;
  }
  node_rows_.push_back(left.rows);
  node_rows_.push_back(right.rows);

  // The smaller child is summed afresh; the larger takes over the parent's histogram, less the smaller's.
  const bool left_is_small = left_count <= count - left_count;
  NodeTask& small = left_is_small ? left : right;
  NodeTask& large = left_is_small ? right : left;
  small.histogram = task.histogram + 1;
  large.histogram = task.histogram;
  const bool searched = small.split.sums.h >= heavy_enough || large.split.sums.h >= heavy_enough;
  if (small.depth < call.params.max_depth && searched) {
    if (histograms_.size() <= small.histogram) histograms_.emplace_back(layout_.cells());
    build_histogram(data_, layout_, call.features, call.gradients, call.order.data() + small.rows.begin,
                    small.rows.end - small.rows.begin, histograms_[small.histogram], call.executor, call.cancel);
    subtract_histogram(layout_, call.features, histograms_[small.histogram], histograms_[large.histogram]);
  }
  // The smaller child goes first: its subtree overwrites only levels from its own on, never the larger one's.
  grow_node(call, small);
  grow_node(call, large);
}

void TreeGrower::number_breadth_first(Tree& tree) {
  std::vector<Node> nodes;
  std::vector<RowRange> rows;
  std::vector<CodeSet> sets;
  nodes.reserve(tree.nodes.size());
  std::vector<size_t> queue{0};
  for (size_t head = 0; head < queue.size(); ++head) {
    Node node = tree.nodes[queue[head]];
    rows.push_back(node_rows_[queue[head]]);
    if (node.feature >= 0) {
      const auto left = static_cast<size_t>(node.left);
      node.left = static_cast<int32_t>(queue.size());
      queue.push_back(left);
      queue.push_back(left + 1);
      if (node.cat_index >= 0) {
        sets.push_back(tree.cat_sets[static_cast<size_t>(node.cat_index)]);
        node.cat_index = static_cast<int32_t>(sets.size()) - 1;
      }
    }
    nodes.push_back(node);
  }
  tree.nodes = std::move(nodes);
  tree.cat_sets = std::move(sets);
  node_rows_ = std::move(rows);
}

}  // namespace lockstep
