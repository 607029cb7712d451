// What the engine works on: a binned table, a job, and the trees it makes. Mirrors src/engine/engine.ts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "core/hd.h"
#include "cpu/metrics.h"

namespace lockstep {

inline constexpr int kMaxCodes = 256;  // missing and up to 255 values

/** A binned table. Pointers are borrowed and must outlive the view. */
struct DatasetView {
  const uint8_t* bins = nullptr;  // (rows, stride), row-major; code 0 is missing
  size_t rows = 0;
  size_t stride = 0;
  int features = 0;
  std::vector<int> feature_bins;         // (features): value codes, 1…255
  std::vector<uint8_t> categorical;      // (features): 1 where the codes are categories
  const float* label = nullptr;          // (rows)
  const float* weight = nullptr;         // (rows), or null for all ones
};

enum class Objective { kLogistic, kSoftmax, kSquaredError };

struct TreeParams {
  Objective objective = Objective::kLogistic;
  int num_class = 0;  // softmax: 2…255
  int max_depth = 6;
  double learning_rate = 0.3;
  double subsample = 1;
  double colsample_bytree = 1;
  double colsample_bylevel = 1;
  double colsample_bynode = 1;
  double min_child_weight = 1;
  double gamma = 0;
  double reg_alpha = 0;
  double reg_lambda = 1;
  double max_delta_step = 0;                // 0: no limit
  std::vector<int8_t> monotone_constraints;  // (features): −1, 0, 1; or empty
  double scale_pos_weight = 1;
  bool has_base_score = false;
  double base_score = 0;
  int max_cat_to_onehot = 4;
  int max_cat_threshold = 64;
};

/** Trees of a round, and margins of a row. */
inline int trees_per_round(const TreeParams& params) {
  return params.objective == Objective::kSoftmax ? params.num_class : 1;
}

/** Rows of a data set: [start, end), or the listed ones in ascending order. Jobs may share a list. */
struct RowSet {
  size_t start = 0;
  size_t end = 0;
  std::shared_ptr<const std::vector<uint32_t>> list;

  size_t size() const { return list != nullptr ? list->size() : end - start; }
  size_t operator[](size_t i) const { return list != nullptr ? (*list)[i] : start + i; }
};

struct Ensemble;

/** A job ends by itself once a value of its rounds has not been strictly better for so many of them; 0 rounds: never. */
struct Patience {
  size_t rounds = 0;
  bool maximize = false;
  size_t value = 0;  // which of a round's values, in the order evals × metrics
};

struct JobSpec {
  TreeParams params;
  uint64_t seed = 0;
  RowSet rows;
  std::vector<RowSet> evals;
  std::vector<Metric> metrics;
  Patience patience;
  std::shared_ptr<const Ensemble> resume;  // what was trained of this job before; null for nothing
};

/** A set of bin codes. */
struct CodeSet {
  uint32_t word[8] = {};
  LOCKSTEP_HD bool has(unsigned code) const { return (word[code / 32] >> (code % 32) & 1u) != 0; }
  LOCKSTEP_HD void add(unsigned code) { word[code / 32] |= 1u << (code % 32); }
};

struct Node {
  int32_t feature = -1;  // −1: a leaf
  int32_t left = 0;      // right is left + 1
  int32_t leaf = 0;
  int32_t cat_index = -1;
  uint8_t split_bin = 0;
  uint8_t missing_left = 0;
  double gain = 0;
  double cover = 0;
};

/** One tree, nodes breadth-first. */
struct Tree {
  std::vector<Node> nodes;
  std::vector<CodeSet> cat_sets;

  /** The leaf that a row of codes reaches. */
  const Node& route(const uint8_t* codes) const {
    const Node* node = nodes.data();
    while (node->feature >= 0) {
      const unsigned code = codes[node->feature];
      const bool left = code == 0              ? node->missing_left != 0
                        : node->cat_index >= 0 ? cat_sets[static_cast<size_t>(node->cat_index)].has(code)
                                               : code <= node->split_bin;
      node = nodes.data() + node->left + (left ? 0 : 1);
    }
    return *node;
  }
};

/** What a job has trained. Tree t adds to the margin of class t mod classes. */
struct Ensemble {
  int margin_bits = 0;
  int classes = 1;
  std::vector<int32_t> base_margins;  // (classes)
  float base_value = 0;
  std::vector<Tree> trees;
};

}  // namespace lockstep
