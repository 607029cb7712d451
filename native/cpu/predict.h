// Margins of rows under a forest, from raw values or from bins, by pieces of rows on threads. docs/cpu-engine.md,
// "Prediction"; docs/model-format.md says what the margins are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "cpu/data.h"
#include "cpu/forest.h"
#include "cpu/pool.h"
#include "cpu/predict_kernels.h"
#include "cpu/ranks.h"

namespace lockstep {

/** Trees over raw values, as in src/boosting/predict.ts. All pointers are borrowed while a predictor is made. */
struct RawForest {
  size_t trees = 0;
  const int32_t* tree_start = nullptr;  // (trees + 1)
  // (nodes) each
  const int32_t* feature = nullptr;  // −1: a leaf
  const float* threshold = nullptr;
  const uint8_t* missing_left = nullptr;
  const int32_t* left = nullptr;  // numbered within the tree, above the node's own number
  const int32_t* leaf = nullptr;
  const int32_t* set = nullptr;   // number of the set, −1 unless the split is categorical
  // Set s has the ranks of its feature that go left, missing included: a bit each, from set_words[set_start[s]].
  const int32_t* set_start = nullptr;
  const uint32_t* set_words = nullptr;
  std::vector<size_t> ranks;  // (features): ranks of a categorical feature, missing included; 0 for a numeric one
  std::vector<int32_t> base_margins;
};

/** A column of rows to predict. */
struct PredictColumn {
  const float* values = nullptr;   // (rows) numeric, NaN is missing; null for categories
  const int32_t* codes = nullptr;  // (rows) of categories, below `categories`; negative is missing
  size_t categories = 0;
  const int32_t* ranks = nullptr;  // (categories + 1): rank of each code, then that of missing
};

/** A value of a single row. */
union RowValue {
  float number;  // NaN is missing
  int32_t rank;  // of a categorical feature
};

/** A forest ready to predict rows of raw values. */
class RawPredictor {
 public:
  RawPredictor(const RawForest& forest, const PredictKernels& kernels);

  size_t features() const { return ranks_of_feature_.size(); }
  size_t outputs() const { return forest_.outputs(); }
  /** Ranks of a categorical feature, 0 for a numeric one. */
  size_t ranks_of(size_t feature) const { return ranks_of_feature_[feature]; }
  /** Whether a split uses the feature; columns of others are not read. */
  bool uses(size_t feature) const { return used_[feature]; }

  /**
   * Margins of the first `rows` rows; margins: (rows, outputs), OUT.
   * Returns false, and leaves `margins` half-written, where a code is not below its column's `categories`. Throws Cancelled.
   */
  bool predict(const std::vector<PredictColumn>& columns, size_t rows, int32_t* margins, const Executor& executor,
               const CancelFlag& cancel = CancelFlag()) const;

  /**
   * Margins of one row.
   * values: (features), ranks below their number; bytes: (row_bytes), scratch; margins: (outputs), OUT.
   */
  void predict_row(const RowValue* values, uint8_t* bytes, int32_t* margins) const;
  size_t row_bytes() const { return planes_ + forest_.sets(); }

  /** Memory in use. */
  size_t bytes() const;

 private:
  /** A plane of a numeric feature: rank − base, limited to a byte. */
  struct RankPlane {
    uint32_t plane;
    uint32_t base;
    uint8_t missing;
  };
  struct NumericFeature {
    size_t feature;
    RankTable table;
    std::vector<RankPlane> planes;
  };
  /**
   * A categorical feature with at most 256 ranks, which are the bytes. A single row instead has a byte for each of the
   * feature's sets, 0 where its rank is in the set, else 1: so all nodes test alike, and no branch on their kind is mispredicted.
   */
  struct CategoricalFeature {
    size_t feature;
    uint32_t plane;
    std::vector<size_t> sets;      // numbers in the forest
    size_t first_byte = 0;         // of a row's
    std::vector<uint8_t> outside;  // (ranks, sets)
  };
  /** A split on a categorical feature with more: the byte is 0 where the rank is in the set, else 1. */
  struct MemberPlane {
    size_t feature;
    uint32_t plane;
    std::vector<uint32_t> set;

    uint8_t byte_of(uint32_t rank) const { return (set[rank / 32] >> (rank % 32) & 1u) != 0 ? 0 : 1; }
  };
  class Compiler;

  void make_row_nodes();
  const WalkNode* row_nodes() const { return row_nodes_.empty() ? forest_.nodes() : row_nodes_.data(); }
  bool fill_planes(const std::vector<PredictColumn>& columns, size_t row, size_t count, uint8_t* planes) const;

  const PredictKernels& kernels_;
  CompiledForest forest_;
  std::vector<WalkNode> row_nodes_;  // none where no node has a set
  size_t planes_ = 0;
  std::vector<size_t> ranks_of_feature_;
  std::vector<uint8_t> used_;
  std::vector<NumericFeature> numeric_;
  std::vector<CategoricalFeature> categorical_;
  std::vector<MemberPlane> members_;
};

/** Margins of `rows` of a binned table after the given trees; (rows, classes). */
std::vector<int32_t> predict_margins(const DatasetView& data, const Ensemble& ensemble, const RowSet& rows,
                                     const Kernels& kernels, const Executor& executor);

}  // namespace lockstep
