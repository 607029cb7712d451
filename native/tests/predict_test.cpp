// Every instruction set against a plain walk from node to node, on random forests over raw values and over bins.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "core/fixed.h"
#include "cpu/aligned.h"
#include "cpu/kernels.h"
#include "cpu/predict.h"
#include "tests/check.h"
#include "tests/random.h"

namespace {

using namespace lockstep;

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kLargest = std::numeric_limits<float>::max();
constexpr float kTiny = std::numeric_limits<float>::denorm_min();

/** What random trees look like. */
struct Shape {
  int depth;              // of the deepest leaf, if the nodes are enough
  uint32_t leaf_percent;  // of the nodes above that depth
  size_t trees;
  size_t outputs;
};

constexpr Shape kShapes[] = {
    {0, 0, 5, 1},  {1, 0, 9, 1},   {2, 0, 9, 2},   {3, 0, 9, 1},   {4, 10, 9, 3},  {5, 0, 9, 1},   {6, 0, 20, 1},  {6, 30, 21, 3},
    {7, 20, 9, 1}, {8, 0, 5, 1},   {8, 25, 9, 2},  {9, 20, 5, 1},  {10, 30, 9, 1}, {12, 25, 4, 4}, {30, 45, 9, 1},
    {1, 0, 6000, 1},
};

/** A leaf; for every second row one that may take the sum to its limit, which hides what was added before. */
int32_t random_leaf(const Shape& shape, Random& random) {
  const auto leaf = static_cast<int32_t>(random.below(2'000'001)) - 1'000'000;
  return random.below(2 * static_cast<uint32_t>(shape.trees)) > 0 ? leaf : leaf > 0 ? kLeafLimit : -kLeafLimit;
}

/** The splits of a random tree: of each node the left child, 0 for a leaf, breadth first. */
std::vector<int32_t> random_tree(const Shape& shape, Random& random) {
  std::vector<int32_t> left(1, 0);
  std::vector<int> depth(1, 0);
  for (size_t n = 0; n < left.size(); ++n) {
    // One path goes down all the way.
    const bool first = n == 0 || depth[n] > depth[n - 1];
    if (depth[n] == shape.depth || (!first && random.below(100) < shape.leaf_percent) || left.size() > 4000) continue;
    left[n] = static_cast<int32_t>(left.size());
    left.resize(left.size() + 2, 0);
    depth.resize(left.size(), depth[n] + 1);
  }
  return left;
}

/** A forest over raw values, and the arrays that it borrows. */
struct Forest {
  RawForest raw;
  std::vector<int32_t> tree_start{0};
  std::vector<int32_t> feature;
  std::vector<float> threshold;
  std::vector<uint8_t> missing_left;
  std::vector<int32_t> left;
  std::vector<int32_t> leaf;
  std::vector<int32_t> set;
  std::vector<int32_t> set_start;
  std::vector<uint32_t> set_words;
  std::vector<std::vector<float>> cuts;  // (features) that splits may have

  void split(size_t f, Random& random) {
    feature.push_back(static_cast<int32_t>(f));
    missing_left.push_back(static_cast<uint8_t>(random.below(2)));
    threshold.push_back(0);
    set.push_back(-1);
    if (raw.ranks[f] == 0) {
      threshold.back() = cuts[f][random.below(static_cast<uint32_t>(cuts[f].size()))];
      return;
    }
    set.back() = static_cast<int32_t>(set_start.size());
    set_start.push_back(static_cast<int32_t>(set_words.size()));
    for (size_t rank = 0; rank < raw.ranks[f]; rank += 32) set_words.push_back(random.word());
  }

  void borrow() {
    raw.trees = tree_start.size() - 1;
    raw.tree_start = tree_start.data();
    raw.feature = feature.data();
    raw.threshold = threshold.data();
    raw.missing_left = missing_left.data();
    raw.left = left.data();
    raw.leaf = leaf.data();
    raw.set = set.data();
    raw.set_start = set_start.data();
    raw.set_words = set_words.data();
  }
};

/** Ranks of the features: numeric ones, and categories in a byte, in all of one, in many. The last feature is in no split. */
constexpr size_t kRanks[] = {0, 0, 0, 3, 256, 1000, 0, 0};
constexpr size_t kFeatures = std::size(kRanks);

Forest random_forest(const Shape& shape, bool with_categories, Random& random) {
  Forest forest;
  forest.raw.ranks.assign(kRanks, kRanks + kFeatures);
  forest.cuts.resize(kFeatures);
  forest.cuts[0] = {-kLargest, -1, 0, kTiny, 2 * kTiny, 1, kLargest};
  for (int i = 0; i < 900; ++i) forest.cuts[1].push_back(random.unit() * random.unit() - 0.25f);  // of several planes
  forest.cuts[2] = {0.5f};
  for (int i = 0; i < 40; ++i) forest.cuts[6].push_back(std::ldexp(random.unit() - 0.5f, static_cast<int>(random.below(200)) - 100));
  for (size_t k = 0; k < shape.outputs; ++k) forest.raw.base_margins.push_back(random_leaf(shape, random));
  for (size_t t = 0; t < shape.trees; ++t) {
    for (const int32_t left : random_tree(shape, random)) {
      forest.left.push_back(left);
      forest.leaf.push_back(left == 0 ? random_leaf(shape, random) : 0);
      if (left > 0) {
        size_t f = random.below(kFeatures - 1);
        if (!with_categories && kRanks[f] > 0) f = 1;
        forest.split(f, random);
      } else {
        forest.feature.push_back(-1);
        forest.threshold.push_back(0);
        forest.missing_left.push_back(0);
        forest.set.push_back(-1);
      }
    }
    forest.tree_start.push_back(static_cast<int32_t>(forest.left.size()));
  }
  forest.borrow();
  return forest;
}

/** Rows for a forest, on, beside and far from its cuts. */
struct Rows {
  Rows(const Forest& forest, size_t count, Random& random) : rows(count), columns(kFeatures) {
    values.resize(kFeatures);
    codes.resize(kFeatures);
    ranks.resize(kFeatures);
    for (size_t f = 0; f + 1 < kFeatures; ++f) {
      if (kRanks[f] == 0) {
        for (size_t i = 0; i < rows; ++i) values[f].push_back(value(forest.cuts[f], random));
        columns[f].values = values[f].data();
        continue;
      }
      columns[f].categories = kRanks[f] + 20;  // some categories share a rank
      for (size_t c = 0; c <= columns[f].categories; ++c) ranks[f].push_back(static_cast<int32_t>(random.below(static_cast<uint32_t>(kRanks[f]))));
      for (size_t i = 0; i < rows; ++i) codes[f].push_back(static_cast<int32_t>(random.below(static_cast<uint32_t>(columns[f].categories) + 1)) - 1);
      columns[f].codes = codes[f].data();
      columns[f].ranks = ranks[f].data();
    }
  }

  static float value(const std::vector<float>& cuts, Random& random) {
    const float cut = cuts[random.below(static_cast<uint32_t>(cuts.size()))];
    switch (random.below(10)) {
      case 0: return kNaN;
      case 1: return random.below(2) == 0 ? kInfinity : -kInfinity;
      case 2: return random.below(2) == 0 ? kLargest : -kLargest;
      case 3: return -0.0f;
      case 4: case 5: return cut;
      case 6: return std::nextafter(cut, -kInfinity);
      case 7: return std::nextafter(cut, kInfinity);
      default: return random.unit() * 2 - 1;
    }
  }

  RowValue cell(size_t f, size_t row) const {
    RowValue cell{};
    if (columns[f].values != nullptr) {
      cell.number = columns[f].values[row];
    } else if (columns[f].codes != nullptr) {
      const int32_t code = columns[f].codes[row];
      cell.rank = columns[f].ranks[code < 0 ? columns[f].categories : static_cast<size_t>(code)];
    }
    return cell;
  }

  size_t rows;
  std::vector<PredictColumn> columns;
  std::vector<std::vector<float>> values;
  std::vector<std::vector<int32_t>> codes;
  std::vector<std::vector<int32_t>> ranks;
};

/** docs/model-format.md, word for word: a value below the threshold goes left, infinities are the largest finite numbers. */
std::vector<int32_t> plain_margins(const Forest& forest, const Rows& rows) {
  std::vector<int32_t> margins;
  for (size_t row = 0; row < rows.rows; ++row) {
    std::vector<int32_t> of_row = forest.raw.base_margins;
    for (size_t t = 0; t + 1 < forest.tree_start.size(); ++t) {
      const auto start = static_cast<size_t>(forest.tree_start[t]);
      size_t n = start;
      while (forest.feature[n] >= 0) {
        const auto f = static_cast<size_t>(forest.feature[n]);
        const RowValue cell = rows.cell(f, row);
        bool goes_left = false;
        if (kRanks[f] > 0) {
          const auto rank = static_cast<size_t>(cell.rank);
          goes_left = (forest.set_words[static_cast<size_t>(forest.set_start[static_cast<size_t>(forest.set[n])]) + rank / 32] >> (rank % 32) & 1u) != 0;
        } else {
          goes_left = std::isnan(cell.number) ? forest.missing_left[n] != 0 : std::clamp(cell.number, -kLargest, kLargest) < forest.threshold[n];
        }
        n = start + static_cast<size_t>(forest.left[n]) + (goes_left ? 0 : 1);
      }
      int32_t& margin = of_row[t % of_row.size()];
      margin = static_cast<int32_t>(std::clamp<int64_t>(int64_t{margin} + forest.leaf[n], -kMarginLimit, kMarginLimit));
    }
    margins.insert(margins.end(), of_row.begin(), of_row.end());
  }
  return margins;
}

void raw_margins_are_those_of_a_plain_walk(const Kernels& level) {
  Random random(7);
  ThreadPool pool(3);
  for (const Shape& shape : kShapes) {
    for (const bool with_categories : {false, true}) {
      const Forest forest = random_forest(shape, with_categories, random);
      const RawPredictor predictor(forest.raw, predict_kernels(level));
      CHECK(predictor.outputs() == shape.outputs && !predictor.uses(kFeatures - 1) && predictor.bytes() > 0);
      const Rows rows(forest, shape.trees < 100 ? 20000 : 1400, random);
      const std::vector<int32_t> expected = plain_margins(forest, rows);
      std::vector<int32_t> margins(expected.size());
      CHECK(predictor.predict(rows.columns, rows.rows, margins.data(), Executor(&pool)));
      CHECK(margins == expected);
      for (const size_t count : {size_t{0}, size_t{1}, size_t{31}, kBlockRows - 1, kBlockRows, kBlockRows + 1, 5 * kBlockRows + 77}) {
        const auto part = static_cast<int64_t>(count * shape.outputs);
        std::vector<int32_t> of_part(static_cast<size_t>(part) + 1, 12345);
        CHECK(predictor.predict(rows.columns, count, of_part.data(), Executor()));
        CHECK(std::equal(expected.begin(), expected.begin() + part, of_part.begin()) && of_part.back() == 12345);
      }
      std::vector<uint8_t> bytes(predictor.row_bytes());
      for (size_t row = 0; row < 300; ++row) {
        std::vector<RowValue> cells;
        for (size_t f = 0; f < kFeatures; ++f) cells.push_back(rows.cell(f, row));
        std::vector<int32_t> of_row(shape.outputs);
        predictor.predict_row(cells.data(), bytes.data(), of_row.data());
        CHECK(std::equal(of_row.begin(), of_row.end(), expected.begin() + static_cast<int64_t>(row * shape.outputs)));
      }
    }
  }
}

void a_code_out_of_range_or_a_cancel_flag_ends_a_prediction(const Kernels& level) {
  Random random(8);
  const Forest forest = random_forest(kShapes[6], true, random);
  const RawPredictor predictor(forest.raw, predict_kernels(level));
  Rows rows(forest, 3000, random);
  std::vector<int32_t> margins(rows.rows);
  for (const size_t f : {size_t{4}, size_t{5}}) {
    CHECK(predictor.uses(f));
    const int32_t kept = rows.codes[f][2999];
    rows.codes[f][2999] = static_cast<int32_t>(rows.columns[f].categories);
    CHECK(!predictor.predict(rows.columns, rows.rows, margins.data(), Executor()));
    CHECK(predictor.predict(rows.columns, rows.rows - 1, margins.data(), Executor()));
    rows.codes[f][2999] = kept;
  }
  int32_t flag = 1;
  bool cancelled = false;
  try {
    predictor.predict(rows.columns, rows.rows, margins.data(), Executor(), CancelFlag(&flag));
  } catch (const Cancelled&) {
    cancelled = true;
  }
  CHECK(cancelled);
}

void margins_of_bins_are_those_of_a_plain_walk(const Kernels& level) {
  Random random(9);
  ThreadPool pool(3);
  constexpr size_t kRows = 3 * 16384 + 100;
  constexpr size_t kStride = 8;
  std::vector<uint8_t> bins(kRows * kStride);
  for (uint8_t& code : bins) code = static_cast<uint8_t>(random.below(4) == 0 ? random.below(3) : random.below(256));
  DatasetView view;
  view.bins = bins.data();
  view.rows = kRows;
  view.stride = kStride;
  view.features = 7;
  auto list = std::make_shared<std::vector<uint32_t>>();
  for (uint32_t row = 0; row < kRows; row += 1 + random.below(7)) list->push_back(row);
  const RowSet sets[] = {{0, kRows, nullptr}, {777, 778, nullptr}, {5, 5, nullptr}, {0, 0, list}};
  for (const Shape& shape : kShapes) {
    if (shape.trees > 100) continue;
    Ensemble ensemble;
    ensemble.classes = static_cast<int>(shape.outputs);
    for (size_t k = 0; k < shape.outputs; ++k) ensemble.base_margins.push_back(random_leaf(shape, random));
    for (size_t t = 0; t < shape.trees; ++t) {
      Tree tree;
      for (const int32_t left : random_tree(shape, random)) {
        Node node;
        node.left = left;
        node.leaf = left == 0 ? random_leaf(shape, random) : 0;
        if (left > 0) {
          node.feature = static_cast<int32_t>(random.below(7));
          node.missing_left = static_cast<uint8_t>(random.below(2));
          node.split_bin = static_cast<uint8_t>(random.below(3) == 0 ? random.below(3) : random.below(255));
          if (node.feature > 4) {
            node.split_bin = 0;
            node.cat_index = static_cast<int32_t>(tree.cat_sets.size());
            tree.cat_sets.emplace_back();
            for (uint32_t& word : tree.cat_sets.back().word) word = random.word();
          }
        }
        tree.nodes.push_back(node);
      }
      ensemble.trees.push_back(tree);
    }
    for (const RowSet& rows : sets) {
      std::vector<int32_t> expected;
      for (size_t i = 0; i < rows.size(); ++i) {
        std::vector<int32_t> of_row = ensemble.base_margins;
        for (size_t t = 0; t < shape.trees; ++t) {
          int32_t& margin = of_row[t % shape.outputs];
          margin = add_leaf(margin, ensemble.trees[t].route(bins.data() + rows[i] * kStride).leaf);
        }
        expected.insert(expected.end(), of_row.begin(), of_row.end());
      }
      CHECK(predict_margins(view, ensemble, rows, level, Executor()) == expected);
      CHECK(predict_margins(view, ensemble, rows, level, Executor(&pool)) == expected);
    }
  }
}

void ranks_are_counts_of_cuts(const Kernels& level) {
  Random random(10);
  std::vector<std::vector<float>> lists = {{0}, {-kInfinity}, {-kInfinity, 3}, {-kLargest, kLargest}, {0, kTiny}, {-kTiny, 0, kTiny, 1e30f}};
  for (const size_t count : {2, 50, 254, 3000}) {
    for (const int spread : {1, 120}) {
      lists.emplace_back();
      for (size_t i = 0; i < count; ++i) {
        lists.back().push_back(std::ldexp(random.unit() - 0.5f, static_cast<int>(random.below(static_cast<uint32_t>(spread)))));
      }
    }
  }
  // All but the last so close together that no guide table sets them apart.
  lists.emplace_back();
  for (int i = 0; i < 200; ++i) lists.back().push_back(1 + static_cast<float>(i) * 0x1p-23f);
  lists.back().push_back(kLargest);
  for (std::vector<float>& cuts : lists) {
    std::sort(cuts.begin(), cuts.end());
    cuts.erase(std::unique(cuts.begin(), cuts.end()), cuts.end());
    const RankTable table(cuts);
    for (int repeat = 0; repeat < 20; ++repeat) {
      alignas(kCacheLine) float values[kBlockRows];
      alignas(kCacheLine) uint32_t ranks[kBlockRows];
      for (float& value : values) value = Rows::value(cuts, random);
      predict_kernels(level).rank_block(table, values, ranks);
      for (size_t i = 0; i < kBlockRows; ++i) {
        const auto expected = std::isnan(values[i]) ? 0 : std::upper_bound(cuts.begin(), cuts.end(), values[i]) - cuts.begin();
        CHECK(ranks[i] == static_cast<uint32_t>(expected) && table.rank(values[i]) == ranks[i]);
      }
    }
  }
}

}  // namespace

void test_predict() {
  for (const std::string& name : available_kernels()) {
    const Kernels& level = kernels_named(name);
    ranks_are_counts_of_cuts(level);
    raw_margins_are_those_of_a_plain_walk(level);
    a_code_out_of_range_or_a_cancel_flag_ends_a_prediction(level);
    margins_of_bins_are_those_of_a_plain_walk(level);
  }
}
