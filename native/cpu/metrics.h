// Metrics computed exactly from integer margins: docs/metrics.md has each formula and the proof of its range.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "cpu/aligned.h"
#include "cpu/pool.h"

namespace lockstep {

struct Kernels;

/** In the order of `METRIC_NAMES` in src/config/metric-names.ts. */
enum class Metric : uint8_t {
  kAccuracy,
  kPrecision,
  kRecall,
  kF1,
  kAucRoc,
  kAucPr,
  kLogloss,
  kPrecisionWeighted,
  kRecallWeighted,
  kF1Weighted,
  kAucRocWeighted,
  kMerror,
  kMse,
  kRmse,
  kMae,
  kR2,
  kMape,
};

/** Scored rows of a binary classifier; fewer than 2^31. Pointers are borrowed. */
struct BinaryView {
  const int32_t* margin = nullptr;   // (rows), units of 2^-20
  const uint8_t* label = nullptr;    // (rows), 0 or 1
  const uint32_t* weight = nullptr;  // (rows), at most 2^24 each; null: equal weights
  size_t rows = 0;
};

/** Scored rows of a classifier with several classes; fewer than 2^31. Pointers are borrowed. */
struct MulticlassView {
  const int32_t* margin = nullptr;   // (rows, classes), units of 2^-20, |margin| ≤ 2^30
  const uint8_t* label = nullptr;    // (rows), below classes
  const uint32_t* weight = nullptr;  // (rows), at most 2^24 each; null: equal weights
  size_t rows = 0;
  int classes = 0;                   // 2…255
};

/** Scored rows of a regression; fewer than 2^31. Pointers are borrowed. */
struct RegressionView {
  const int32_t* margin = nullptr;   // (rows), units of 2^-margin_bits, |margin| ≤ 2^30
  const int32_t* target = nullptr;   // (rows), same units and origin, |target| ≤ 2^30
  const float* raw = nullptr;        // (rows), the target as given, finite; read by mape alone
  const uint32_t* weight = nullptr;  // (rows), at most 2^24 each; null: equal weights
  size_t rows = 0;
  int margin_bits = 0;               // −128…128
};

/**
 * What metrics are computed with: buffers that grow to the largest set seen and are reused, and the threads that share large
 * sets. One per user; holds no results between calls.
 */
struct MetricScratch {
  AlignedBuffer<uint32_t> narrow;  // two buffers of rows each
  AlignedBuffer<uint64_t> wide;    // two buffers of rows each
  uint32_t* lent[2] = {};          // two buffers that serve as `narrow` where they have room: memory that is free meanwhile
  size_t lent_size = 0;            // elements of each
  Executor executor;
  const Kernels* kernels = nullptr;  // null: the best of this machine
};

/**
 * Values of `count` metrics of one view, written to out[0 … count). Sorts once, however many metrics need the order.
 * The result depends on the multiset of rows alone, not on their order. NaN where a metric is undefined.
 * Throws std::invalid_argument for a metric of the other kind of view, and for mape without `raw`.
 */
void evaluate(const Metric* metrics, size_t count, const BinaryView& view, MetricScratch& scratch, double* out);
void evaluate(const Metric* metrics, size_t count, const MulticlassView& view, MetricScratch& scratch, double* out);
void evaluate(const Metric* metrics, size_t count, const RegressionView& view, MetricScratch& scratch, double* out);

inline double evaluate(Metric metric, const BinaryView& view, MetricScratch& scratch) {
  double value = 0;
  evaluate(&metric, 1, view, scratch, &value);
  return value;
}

inline double evaluate(Metric metric, const RegressionView& view) {
  double value = 0;
  MetricScratch scratch;
  evaluate(&metric, 1, view, scratch, &value);
  return value;
}

/** Rows, or sums of integer weights where the view has weights. A row is predicted positive iff its margin is > 0. */
struct Confusion {
  uint64_t true_positive = 0;
  uint64_t false_positive = 0;
  uint64_t false_negative = 0;
  uint64_t true_negative = 0;
};

Confusion confusion(const BinaryView& view);

/** One class against the others: the rows of a two-class view with log-odds for margins. */
struct OneVsRest {
  std::vector<int32_t> margin;
  std::vector<uint8_t> label;
  BinaryView view(const MulticlassView& of) const { return {margin.data(), label.data(), of.weight, of.rows}; }
};

OneVsRest one_vs_rest(const MulticlassView& view, int class_index);

/** What is predicted positive when the threshold is `margin ≥ threshold`, in the units of Confusion. */
struct CurvePoint {
  int32_t threshold = 0;
  uint64_t true_positive = 0;
  uint64_t false_positive = 0;
};

/**
 * Points of the ROC curve (false_positive / negatives, true_positive / positives) and of the precision-recall curve
 * (true_positive / positives, true_positive / (true_positive + false_positive)), from the highest threshold down.
 */
struct Curve {
  std::vector<CurvePoint> points;
  uint64_t positives = 0;
  uint64_t negatives = 0;
};

/**
 * One point for each distinct margin that carries weight, or, where those are more than max_points (≥ 2), that many
 * spread evenly over their order, the first and the last included.
 */
Curve roc_pr_points(const BinaryView& view, size_t max_points, MetricScratch& scratch);

}  // namespace lockstep
