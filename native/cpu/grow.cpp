#include "cpu/grow.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace lockstep {
namespace {

std::vector<int> sample_features(int features, double fraction, PhiloxKey key, uint32_t round) {
  const auto wanted = static_cast<size_t>(std::max(1.0, std::floor(fraction * features + 0x1p-30)));
  std::vector<std::pair<uint32_t, int>> keyed;
  for (int f = 0; f < features; ++f) {
    const uint32_t word =
        fraction < 1 ? random_block(key, static_cast<uint32_t>(f), round, Purpose::kColsampleByTree).word[0] : 0;
    keyed.emplace_back(word, f);
  }
  std::sort(keyed.begin(), keyed.end());
  keyed.resize(std::min(wanted, keyed.size()));
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
  const std::vector<GradientPair>& gradients;
  std::vector<uint32_t>& order;
  const Executor& executor;
  const CancelFlag& cancel;
  Tree tree;
};

Tree TreeGrower::grow(const TreeParams& params, const ScoreParams& score, PhiloxKey key, uint32_t round,
                      const std::vector<GradientPair>& gradients, std::vector<uint32_t>& order,
                      const Executor& executor, const CancelFlag& cancel) {
  features_ = sample_features(data_.features, params.colsample_bytree, key, round);
  scratch_.resize(order.size());
  node_rows_.clear();
  Call call{params, score, gradients, order, executor, cancel, {}};
  const Sums root = total(gradients, order);
  const RowRange all{0, order.size()};
  call.tree.nodes.resize(1);
  node_rows_.push_back(all);
  if (histograms_.empty()) histograms_.emplace_back(layout_.cells());
  if (root.h >= 2 * score.min_child_hessian) {
    build_histogram(data_, layout_, features_, gradients, order.data(), order.size(), histograms_[0], executor, cancel);
  }
  grow_node(call, 0, all, root, 0, 0);
  number_breadth_first(call.tree);
  return std::move(call.tree);
}

void TreeGrower::grow_node(Call& call, size_t id, RowRange rows, const Sums& sums, int depth, size_t histogram) {
  const int64_t heavy_enough = 2 * call.score.min_child_hessian;
  Split split;
  if (depth < call.params.max_depth && sums.h >= heavy_enough) {
    split = find_split(data_, layout_, features_, histograms_[histogram], sums, call.params, call.score);
  }
  {
    Node& node = call.tree.nodes[id];
    node.cover = std::ldexp(static_cast<double>(sums.h), call.score.hessian_unit);
    if (split.feature < 0) {
      node.leaf = leaf_value(sums, call.score);
      return;
    }
    node.feature = split.feature;
    node.split_bin = static_cast<uint8_t>(split.categorical ? 0 : split.bin);
    node.missing_left = split.missing_left ? 1 : 0;
    node.gain = std::ldexp(split.gain, 2 * call.score.gradient_unit - call.score.hessian_unit);
    if (split.categorical) {
      node.cat_index = static_cast<int32_t>(call.tree.cat_sets.size());
      call.tree.cat_sets.push_back(split.codes);
    }
  }
  call.cancel.check();
  const size_t count = rows.end - rows.begin;
  const size_t left_count =
      partition_rows(data_, split, call.order.data() + rows.begin, count, scratch_.data() + rows.begin);
  const RowRange left{rows.begin, rows.begin + left_count};
  const RowRange right{left.end, rows.end};
  const Sums left_sums = split.left;
  const Sums right_sums = sums - split.left;
  const size_t left_id = call.tree.nodes.size();
  call.tree.nodes[id].left = static_cast<int32_t>(left_id);
  call.tree.nodes.resize(left_id + 2);
  node_rows_.push_back(left);
  node_rows_.push_back(right);

  // The smaller child is summed afresh; the larger takes over the parent's histogram, less the smaller's.
  const bool left_is_small = left_count <= count - left_count;
  const size_t fresh = histogram + 1;
  if (depth + 1 < call.params.max_depth && (left_sums.h >= heavy_enough || right_sums.h >= heavy_enough)) {
    if (histograms_.size() <= fresh) histograms_.emplace_back(layout_.cells());
    const RowRange small = left_is_small ? left : right;
    build_histogram(data_, layout_, features_, call.gradients, call.order.data() + small.begin,
                    small.end - small.begin, histograms_[fresh], call.executor, call.cancel);
    subtract_histogram(layout_, features_, histograms_[fresh], histograms_[histogram]);
  }
  // The smaller child goes first: its subtree overwrites only levels from `fresh` on, never the larger one's.
  if (left_is_small) {
    grow_node(call, left_id, left, left_sums, depth + 1, fresh);
    grow_node(call, left_id + 1, right, right_sums, depth + 1, histogram);
  } else {
    grow_node(call, left_id + 1, right, right_sums, depth + 1, fresh);
    grow_node(call, left_id, left, left_sums, depth + 1, histogram);
  }
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
