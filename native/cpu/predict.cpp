#include "cpu/predict.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <limits>
#include <map>
#include <stdexcept>
#include <tuple>
#include <utility>

#include "cpu/aligned.h"

namespace lockstep {
namespace {

/** Blocks whose planes are filled together: memory is read feature by feature, a page at a time. */
constexpr size_t kBlocks = 4;
constexpr size_t kGrain = 16 * kBlocks * kBlockRows;

/** What of a forest is to stay in the second-level cache while the blocks pass over it. */
constexpr size_t kGroupBytes = size_t{1} << 18;

/** Trees in groups: a group's last tree is the next one's first. */
std::vector<size_t> groups_of(const CompiledForest& forest) {
  const std::vector<ForestTree>& trees = forest.trees();
  std::vector<size_t> borders{0};
  size_t bytes = 0;
  for (size_t t = 0; t < trees.size(); ++t) {
    const ForestTree& tree = trees[t];
    bytes += (tree.splits_end - tree.splits_begin) * sizeof(MaskSplit) + (size_t{4} << tree.levels);
    if (bytes > kGroupBytes || t + 1 == trees.size()) {
      borders.push_back(t + 1);
      bytes = 0;
    }
  }
  return borders;
}

/**
 * Margins of `rows` rows; margins: (rows, outputs), OUT. fill(row, count, planes) writes the planes, (planes, kBlockRows), of
 * rows `row` … row + count − 1, and returns whether it could.
 */
template <class Fill>
bool predict_rows(const CompiledForest& forest, const PredictKernels& kernels, size_t planes, size_t rows,
                  int32_t* margins, const Executor& executor, const Fill& fill) {
  const size_t outputs = forest.outputs();
  const std::vector<size_t> groups = groups_of(forest);
  std::atomic<bool> filled{true};
  executor.parallel_ranges(rows, kGrain, [&](size_t begin, size_t end) {
    const size_t plane_bytes = std::max<size_t>(planes, 1) * kBlockRows;
    const size_t block_margins = outputs * kBlockRows;
    AlignedBuffer<uint8_t> bytes(kBlocks * plane_bytes);
    AlignedBuffer<int32_t> sums(kBlocks * block_margins);
    std::fill_n(bytes.data(), kBlocks * plane_bytes, uint8_t{0});
    for (size_t first = begin; first < end && filled; first += kBlocks * kBlockRows) {
      const size_t count = std::min(kBlocks * kBlockRows, end - first);
      const size_t blocks = (count + kBlockRows - 1) / kBlockRows;
      if (!fill(first, count, bytes.data())) {
        filled = false;
        return;
      }
      for (size_t k = 0; k < blocks * outputs; ++k) {
        std::fill_n(sums.data() + k * kBlockRows, kBlockRows, forest.base_margins()[k % outputs]);
      }
      for (size_t g = 0; g + 1 < groups.size(); ++g) {
        for (size_t b = 0; b < blocks; ++b) {
          kernels.add_trees(forest, groups[g], groups[g + 1], bytes.data() + b * plane_bytes,
                            std::min(kBlockRows, count - b * kBlockRows), sums.data() + b * block_margins);
        }
      }
      for (size_t i = 0; i < count; ++i) {
        const int32_t* const of_row = sums.data() + i / kBlockRows * block_margins + i % kBlockRows;
        for (size_t k = 0; k < outputs; ++k) margins[(first + i) * outputs + k] = of_row[k * kBlockRows];
      }
    }
  });
  return filled;
}

/** Cuts whose ranks share a byte: one value more than cuts. */
constexpr size_t kCutsOfPlane = 255;

void prefetch(const float* values, size_t count) {
  for (size_t i = 0; i < count; i += kCacheLine / sizeof(float)) __builtin_prefetch(values + i);
}

}  // namespace

/** Makes planes for what the splits of a forest ask, and the nodes that ask it. */
class RawPredictor::Compiler {
 public:
  Compiler(RawPredictor& predictor, const RawForest& forest) : predictor_(predictor), forest_(forest) {
    cuts_.resize(predictor.features());
    for (size_t n = 0; n < node_count(); ++n) {
      if (forest.feature[n] < 0) continue;
      const auto f = static_cast<size_t>(forest.feature[n]);
      predictor.used_[f] = 1;
      if (forest.ranks[f] == 0) cuts_[f].push_back(cut(n));
    }
    for (std::vector<float>& cuts : cuts_) {
      std::sort(cuts.begin(), cuts.end());
      cuts.erase(std::unique(cuts.begin(), cuts.end()), cuts.end());
    }
  }

  void compile() {
    for (size_t t = 0; t < forest_.trees; ++t) {
      const auto start = static_cast<size_t>(forest_.tree_start[t]);
      const auto end = static_cast<size_t>(forest_.tree_start[t + 1]);
      std::vector<SourceNode> nodes(end - start);
      for (size_t n = 0; n < nodes.size(); ++n) nodes[n] = node(start, n);
      predictor_.forest_.add_tree(nodes);
    }
    for (size_t f = 0; f < cuts_.size(); ++f) {
      if (!cuts_[f].empty()) predictor_.numeric_.push_back({f, RankTable(cuts_[f]), std::move(rank_planes_[f])});
    }
  }

 private:
  size_t node_count() const { return static_cast<size_t>(forest_.tree_start[forest_.trees]); }

  /** The cut that numbers must reach to go right; a split that only missing values pass to the left stops none. */
  float cut(size_t n) const {
    const float threshold = forest_.threshold[n];
    const bool reached_by_all = threshold <= std::numeric_limits<float>::lowest();
    return reached_by_all ? -std::numeric_limits<float>::infinity() : threshold + 0.0f;
  }

  SourceNode node(size_t start, size_t n) {
    SourceNode made;
    const size_t i = start + n;
    made.leaf = forest_.leaf[i];
    made.left = static_cast<uint32_t>(n);
    if (forest_.feature[i] < 0) return made;
    made.left = static_cast<uint32_t>(forest_.left[i]);
    const auto f = static_cast<size_t>(forest_.feature[i]);
    if (forest_.ranks[f] > 0) {
      test_set(f, static_cast<size_t>(forest_.set[i]), made);
    } else {
      const auto& cuts = cuts_[f];
      const auto rank = static_cast<size_t>(std::lower_bound(cuts.begin(), cuts.end(), cut(i)) - cuts.begin());
      made.plane = rank_plane(f, rank / kCutsOfPlane, forest_.missing_left[i] != 0);
      made.test = static_cast<int32_t>(rank % kCutsOfPlane);
    }
    return made;
  }

  uint32_t rank_plane(size_t f, size_t part, bool missing_left) {
    const auto [found, is_new] = rank_plane_numbers_.try_emplace({f, part, missing_left}, 0);
    if (is_new) {
      found->second = new_plane();
      const auto missing = static_cast<uint8_t>(missing_left ? 0 : 255);
      rank_planes_[f].push_back({found->second, static_cast<uint32_t>(part * kCutsOfPlane), missing});
    }
    return found->second;
  }

  void test_set(size_t f, size_t set, SourceNode& made) {
    const uint32_t* const words = forest_.set_words + forest_.set_start[set];
    const size_t ranks = forest_.ranks[f];
    const size_t count = (ranks + 31) / 32;
    if (ranks > kMaxCodes) {
      made.plane = new_plane();
      made.test = 0;
      predictor_.members_.push_back({f, made.plane, {words, words + count}});
      return;
    }
    const auto [found, is_new] = categorical_.try_emplace(f, predictor_.categorical_.size());
    if (is_new) predictor_.categorical_.push_back({f, new_plane(), {}, 0, {}});
    CategoricalFeature& categorical = predictor_.categorical_[found->second];
    CodeSet codes;
    std::copy_n(words, count, codes.word);
    categorical.sets.push_back(predictor_.forest_.add_set(codes));
    made.plane = categorical.plane;
    made.test = -1 - static_cast<int32_t>(categorical.sets.back());
  }

  uint32_t new_plane() {
    if (predictor_.planes_ == kMostPlanes) throw std::length_error("the forest asks for more planes than nodes can name");
    return static_cast<uint32_t>(predictor_.planes_++);
  }

  RawPredictor& predictor_;
  const RawForest& forest_;
  std::vector<std::vector<float>> cuts_;
  std::map<size_t, std::vector<RankPlane>> rank_planes_;
  std::map<std::tuple<size_t, size_t, bool>, uint32_t> rank_plane_numbers_;
  std::map<size_t, size_t> categorical_;  // places in the predictor's list
};

RawPredictor::RawPredictor(const RawForest& forest, const PredictKernels& kernels)
    : kernels_(kernels),
      forest_(forest.base_margins, kernels.max_levels),
      ranks_of_feature_(forest.ranks),
      used_(forest.ranks.size(), 0) {
  Compiler(*this, forest).compile();
  make_row_nodes();
}

void RawPredictor::make_row_nodes() {
  if (forest_.sets() == 0) return;
  if (row_bytes() > kMostPlanes) throw std::length_error("the forest has more sets of categories than nodes can name");
  std::vector<uint32_t> byte_of_set(forest_.sets());
  size_t next = planes_;
  for (CategoricalFeature& f : categorical_) {
    f.first_byte = next;
    for (const size_t s : f.sets) byte_of_set[s] = static_cast<uint32_t>(next++);
    for (unsigned rank = 0; rank < ranks_of_feature_[f.feature]; ++rank) {
      for (const size_t s : f.sets) f.outside.push_back(forest_.set(s).has(rank) ? 0 : 1);
    }
  }
  row_nodes_.assign(forest_.nodes(), forest_.nodes() + forest_.node_count());
  for (size_t n = 0; n < row_nodes_.size(); ++n) {
    WalkNode& node = row_nodes_[n];
    if ((node.left & kSetTest) == 0) continue;
    node = {node.left & ~kSetTest, byte_of_set[static_cast<size_t>(forest_.values()[n])] << 8};
  }
}

bool RawPredictor::fill_planes(const std::vector<PredictColumn>& columns, size_t row, size_t count,
                               uint8_t* planes) const {
  const size_t plane_bytes = planes_ * kBlockRows;
  const auto for_blocks = [&](const auto& body) {
    for (size_t b = 0; b * kBlockRows < count; ++b) {
      body(row + b * kBlockRows, std::min(kBlockRows, count - b * kBlockRows), planes + b * plane_bytes);
    }
  };
  for (size_t k = 0; k < numeric_.size(); ++k) {
    const NumericFeature& numeric = numeric_[k];
    for_blocks([&](size_t begin, size_t rows, uint8_t* block) {
      if (k + 1 < numeric_.size()) prefetch(columns[numeric_[k + 1].feature].values + begin, rows);
      alignas(kCacheLine) float padded[kBlockRows] = {};
      alignas(kCacheLine) uint32_t ranks[kBlockRows];
      const float* values = columns[numeric.feature].values + begin;
      if (rows < kBlockRows) values = static_cast<const float*>(std::memcpy(padded, values, rows * sizeof(float)));
      kernels_.rank_block(numeric.table, values, ranks);
      for (const RankPlane& plane : numeric.planes) {
        kernels_.rank_plane(values, ranks, plane.base, plane.missing, block + size_t{plane.plane} * kBlockRows);
      }
    });
  }
  bool known = true;
  const auto for_ranks = [&](size_t feature, uint32_t plane, const auto& byte_of) {
    const PredictColumn& column = columns[feature];
    for_blocks([&](size_t begin, size_t rows, uint8_t* block) {
      uint8_t* const bytes = block + size_t{plane} * kBlockRows;
      for (size_t i = 0; i < rows && known; ++i) {
        const int32_t code = column.codes[begin + i];
        const size_t place = code < 0 ? column.categories : static_cast<size_t>(code);
        known = code < 0 || place < column.categories;
        if (known) bytes[i] = byte_of(static_cast<uint32_t>(column.ranks[place]));
      }
    });
  };
  for (const CategoricalFeature& f : categorical_) {
    for_ranks(f.feature, f.plane, [](uint32_t rank) { return static_cast<uint8_t>(rank); });
  }
  for (const MemberPlane& f : members_) {
    for_ranks(f.feature, f.plane, [&](uint32_t rank) { return f.byte_of(rank); });
  }
  return known;
}

bool RawPredictor::predict(const std::vector<PredictColumn>& columns, size_t rows, int32_t* margins,
                           const Executor& executor, const CancelFlag& cancel) const {
  return predict_rows(forest_, kernels_, planes_, rows, margins, executor,
                      [&](size_t row, size_t count, uint8_t* planes) {
                        cancel.check();
                        return fill_planes(columns, row, count, planes);
                      });
}

void RawPredictor::predict_row(const RowValue* values, uint8_t* bytes, int32_t* margins) const {
  for (const NumericFeature& numeric : numeric_) {
    const float value = values[numeric.feature].number;
    const uint32_t rank = numeric.table.rank(value);
    for (const RankPlane& plane : numeric.planes) bytes[plane.plane] = plane_byte(value, rank, plane.base, plane.missing);
  }
  for (const CategoricalFeature& f : categorical_) {
    const auto rank = static_cast<size_t>(values[f.feature].rank);
    std::copy_n(f.outside.data() + rank * f.sets.size(), f.sets.size(), bytes + f.first_byte);
  }
  for (const MemberPlane& f : members_) bytes[f.plane] = f.byte_of(static_cast<uint32_t>(values[f.feature].rank));
  std::copy(forest_.base_margins().begin(), forest_.base_margins().end(), margins);
  add_trees_to_row(forest_, row_nodes(), bytes, margins);
}

size_t RawPredictor::bytes() const {
  size_t bytes = forest_.bytes() + row_nodes_.capacity() * sizeof(WalkNode);
  for (const NumericFeature& numeric : numeric_) bytes += numeric.table.bytes();
  for (const CategoricalFeature& f : categorical_) bytes += f.outside.capacity() + f.sets.capacity() * sizeof(size_t);
  for (const MemberPlane& member : members_) bytes += member.set.capacity() * sizeof(uint32_t);
  return bytes;
}

std::vector<int32_t> predict_margins(const DatasetView& data, const Ensemble& ensemble, const RowSet& rows,
                                     const Kernels& kernels, const Executor& executor) {
  // Bin codes are the bytes. Where missing values, code 0, go right, all codes are one less, so that 0 becomes 255.
  struct BinPlane {
    size_t feature;
    uint8_t less;
  };
  const PredictKernels& predict = predict_kernels(kernels);
  CompiledForest forest(ensemble.base_margins, predict.max_levels);
  std::vector<BinPlane> planes;
  std::map<std::pair<size_t, uint8_t>, uint32_t> numbers;
  const auto plane_of = [&](size_t feature, uint8_t less) {
    const auto [found, is_new] = numbers.try_emplace({feature, less}, static_cast<uint32_t>(planes.size()));
    if (is_new) planes.push_back({feature, less});
    return found->second;
  };
  const auto node_of = [&](const Tree& tree, size_t n) {
    const Node& node = tree.nodes[n];
    SourceNode made;
    made.leaf = node.leaf;
    made.left = static_cast<uint32_t>(n);
    if (node.feature < 0) return made;
    made.left = static_cast<uint32_t>(node.left);
    const bool missing_left = node.missing_left != 0;
    const bool is_set = node.cat_index >= 0;
    const bool nothing_left = !is_set && !missing_left && node.split_bin == 0;
    const auto less = static_cast<uint8_t>(is_set || missing_left || nothing_left ? 0 : 1);
    made.plane = plane_of(static_cast<size_t>(node.feature), less);
    if (is_set || nothing_left) {
      CodeSet set;
      if (is_set) set = tree.cat_sets[static_cast<size_t>(node.cat_index)];
      set.word[0] = (set.word[0] & ~1u) | (missing_left ? 1u : 0u);
      made.test = -1 - static_cast<int32_t>(forest.add_set(set));
    } else {
      made.test = node.split_bin - less;
    }
    return made;
  };
  for (const Tree& tree : ensemble.trees) {
    std::vector<SourceNode> nodes(tree.nodes.size());
    for (size_t n = 0; n < nodes.size(); ++n) nodes[n] = node_of(tree, n);
    forest.add_tree(nodes);
  }
  std::vector<int32_t> margins(rows.size() * forest.outputs());
  predict_rows(forest, predict, planes.size(), rows.size(), margins.data(), executor,
               [&](size_t first, size_t count, uint8_t* bytes) {
                 for (size_t begin = 0; begin < count; begin += kBlockRows) {
                   const size_t end = std::min(begin + kBlockRows, count);
                   for (size_t p = 0; p < planes.size(); ++p) {
                     uint8_t* const plane = bytes + (begin * planes.size() + p * kBlockRows);
                     for (size_t i = begin; i < end; ++i) {
                       const uint8_t code = data.bins[rows[first + i] * data.stride + planes[p].feature];
                       plane[i - begin] = static_cast<uint8_t>(code - planes[p].less);
                     }
                   }
                 }
                 return true;
               });
  return margins;
}

}  // namespace lockstep
