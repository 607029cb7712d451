// From a round's integer sums to the values of metrics: the divisions of docs/metrics.md.
#pragma once

#include <cstdint>
#include <vector>

#include "core/int128.h"
#include "cpu/metrics.h"
#include "cuda/metrics.h"

namespace lockstep::cuda {

/** What is known of an eval set before the first round. */
struct EvalConstants {
  SumLayout layout;
  uint64_t rows = 0;
  uint64_t weight = 0;       // of all rows
  int margin_bits = 0;       // regression
  double variation = 0;      // regression: V of r2
};

/** Of Wanted: what the metrics need. Throws std::invalid_argument for one that does not fit the objective. */
uint32_t wanted_sums(const std::vector<Metric>& metrics, Objective objective);

/** V of r2 for targets with these weights; without weights ones. */
double target_variation(const std::vector<int32_t>& target, const std::vector<uint32_t>& weight);

/** The value of a metric that wanted_sums accepts; sums are those of the eval set. */
double metric_value(Metric metric, const EvalConstants& eval, const uint64_t* sums);

}  // namespace lockstep::cuda
