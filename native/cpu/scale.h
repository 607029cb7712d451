// The integer form of a job's labels and weights: docs/numerics.md sections 2, 3 and 9.
#pragma once

#include <cstdint>
#include <vector>

#include "cpu/data.h"

namespace lockstep {

/** Weights of some rows as integers W = rint(w · 2^(24−E)). */
struct ScaledWeights {
  int exponent = 0;                // E
  std::vector<uint32_t> values;    // in the order of the row set; empty without weights: 2^24 each
};

/**
 * Rows with label 1 weigh `positive_factor` times as much; labels are not read where it is 1. Throws
 * std::invalid_argument where a weight is negative or not finite, or all are zero.
 */
ScaledWeights scale_weights(const DatasetView& data, const RowSet& rows, double positive_factor = 1);

/** Everything about a job that is fixed before its first tree. */
struct JobScale {
  int weight_exponent = 0;         // E
  int margin_bits = 0;             // k
  std::vector<int32_t> base_margins;  // one for each tree of a round
  float base_value = 0;
  std::vector<uint32_t> weight;    // (data.rows), 0 outside the training rows; empty without weights
  std::vector<int32_t> target;     // (data.rows), regression only: t_i
  std::vector<uint8_t> label;      // (data.rows), logistic: 1 where the label is 1; softmax: the class
};

/** Throws std::invalid_argument where parameters do not fit the data or the objective. */
void check_params(const DatasetView& data, const TreeParams& params);

/**
 * Throws std::invalid_argument where the rows cannot be trained on (none, or labels outside the objective's range), or
 * parameters do not fit the data or the objective.
 */
JobScale scale_job(const DatasetView& data, const JobSpec& job);

}  // namespace lockstep
