#include "cpu/scale.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

#include "core/fixed.h"
#include "core/int128.h"
#include "core/link.h"
#include "core/softmax.h"

namespace lockstep {
namespace {

/** Least e with x ≤ 2^e, for finite x > 0. */
int ceil_log2(double x) {
  int e = 0;
  const double mantissa = std::frexp(x, &e);  // in [0.5, 1)
  return mantissa == 0.5 ? e - 1 : e;
}

uint32_t weight_at(const ScaledWeights& weights, size_t i) {
  return weights.values.empty() ? kUnitWeight : weights.values[i];
}

float weighted_mean(const DatasetView& data, const RowSet& rows, const ScaledWeights& weights) {
  double largest = 0;
  for (size_t i = 0; i < rows.size(); ++i) largest = std::max(largest, std::fabs(double{data.label[rows[i]]}));
  if (largest == 0) return 0;
  const int exponent = ceil_log2(largest);
  int128_t sum = 0;
  int64_t total = 0;
  for (size_t i = 0; i < rows.size(); ++i) {
    const auto z = static_cast<int64_t>(std::rint(std::ldexp(double{data.label[rows[i]]}, 40 - exponent)));
    sum += int128_t{z} * weight_at(weights, i);
    total += weight_at(weights, i);
  }
  return static_cast<float>(std::ldexp(static_cast<double>(sum) / static_cast<double>(total), exponent - 40));
}

void scale_logistic(const DatasetView& data, const JobSpec& job, const ScaledWeights& weights, JobScale& scale) {
  scale.margin_bits = kLogisticMarginBits;
  scale.label.resize(data.rows);
  for (size_t i = 0; i < data.rows; ++i) scale.label[i] = data.label[i] == 1.0f;
  int64_t positives = 0;
  int64_t total = 0;
  for (size_t i = 0; i < job.rows.size(); ++i) {
    const float label = data.label[job.rows[i]];
    if (label != 0.0f && label != 1.0f) {
      throw std::invalid_argument("binary:logistic needs labels 0 and 1, but row " + std::to_string(job.rows[i]) +
                                  " has another one");
    }
    positives += label == 1.0f ? int64_t{weight_at(weights, i)} : 0;
    total += weight_at(weights, i);
  }
  const double probability =
      job.params.has_base_score ? job.params.base_score : static_cast<double>(positives) / static_cast<double>(total);
  scale.base_margins = {logit_margin(probability)};
}

void check_classes(const DatasetView& data, const RowSet& rows, int classes) {
  for (size_t i = 0; i < rows.size(); ++i) {
    const float label = data.label[rows[i]];
    if (!(label >= 0 && label < static_cast<float>(classes)) || label != std::floor(label)) {
      throw std::invalid_argument("with num_class " + std::to_string(classes) + " labels must be 0 to " +
                                  std::to_string(classes - 1) + ", but row " + std::to_string(rows[i]) +
                                  " has another one");
    }
  }
}

void scale_softmax(const DatasetView& data, const JobSpec& job, const ScaledWeights& weights, JobScale& scale) {
  const int classes = job.params.num_class;
  scale.margin_bits = kLogisticMarginBits;
  check_classes(data, job.rows, classes);
  for (const RowSet& rows : job.evals) check_classes(data, rows, classes);
  scale.label.resize(data.rows);
  for (size_t i = 0; i < data.rows; ++i) {
    // Rows that are neither trained on nor scored may hold anything.
    scale.label[i] = data.label[i] >= 0 && data.label[i] < 256 ? static_cast<uint8_t>(data.label[i]) : uint8_t{0};
  }
  std::vector<int64_t> of_class(static_cast<size_t>(classes));
  int64_t total = 0;
  for (size_t i = 0; i < job.rows.size(); ++i) {
    of_class[scale.label[job.rows[i]]] += weight_at(weights, i);
    total += weight_at(weights, i);
  }
  int64_t sum = 0;
  for (const int64_t weight : of_class) {
    scale.base_margins.push_back(prior_distance(static_cast<double>(weight) / static_cast<double>(total)));
    sum += scale.base_margins.back();
  }
  const auto centre = static_cast<int32_t>(sum / classes);
  for (int32_t& margin : scale.base_margins) margin = centre - margin;
}

void scale_regression(const DatasetView& data, const JobSpec& job, const ScaledWeights& weights, JobScale& scale) {
  for (size_t i = 0; i < job.rows.size(); ++i) {
    if (!std::isfinite(data.label[job.rows[i]])) {
      throw std::invalid_argument("reg:squarederror needs finite labels, but row " + std::to_string(job.rows[i]) +
                                  " has none");
    }
  }
  scale.base_value = job.params.has_base_score ? static_cast<float>(job.params.base_score)
                                               : weighted_mean(data, job.rows, weights);
  scale.base_margins = {0};
  const double base = scale.base_value;
  double deviation = 0;
  for (size_t i = 0; i < job.rows.size(); ++i) {
    deviation = std::max(deviation, std::fabs(double{data.label[job.rows[i]]} - base));
  }
  scale.margin_bits = deviation == 0 ? 20 : std::clamp(kSquaredErrorGradientBits - ceil_log2(deviation), -104, 100);
  scale.target.resize(data.rows);
  for (size_t i = 0; i < data.rows; ++i) {
    const double t = std::rint(std::ldexp(double{data.label[i]} - base, scale.margin_bits));
    scale.target[i] = t > kMarginLimit    ? kMarginLimit
                      : t < -kMarginLimit ? -kMarginLimit
                      : t == t            ? static_cast<int32_t>(t)
                                          : 0;
  }
}

}  // namespace

void check_params(const DatasetView& data, const TreeParams& params) {
  const std::vector<int8_t>& constraints = params.monotone_constraints;
  if (!constraints.empty() && constraints.size() != data.categorical.size()) {
    throw std::invalid_argument("there are " + std::to_string(constraints.size()) + " monotone constraints for " +
                                std::to_string(data.categorical.size()) + " features");
  }
  for (size_t f = 0; f < constraints.size(); ++f) {
    if (constraints[f] != 0 && data.categorical[f] != 0) {
      throw std::invalid_argument("a monotone constraint is on feature " + std::to_string(f) +
                                  ", which is categorical and has no order");
    }
  }
  if (params.objective == Objective::kSoftmax && (params.num_class < 2 || params.num_class > kMaxClasses)) {
    throw std::invalid_argument("the number of classes, num_class, is " + std::to_string(params.num_class) +
                                ", but it must be 2 to 255");
  }
  if (params.scale_pos_weight != 1 && params.objective != Objective::kLogistic) {
    throw std::invalid_argument("a scale_pos_weight other than 1 needs the objective binary:logistic");
  }
}

ScaledWeights scale_weights(const DatasetView& data, const RowSet& rows, double positive_factor) {
  ScaledWeights scaled;
  if (data.weight == nullptr && positive_factor == 1) return scaled;
  const auto weight_of = [&](size_t row) {
    const double w = data.weight == nullptr ? 1 : double{data.weight[row]};
    return positive_factor != 1 && data.label[row] == 1.0f ? w * positive_factor : w;
  };
  double largest = 0;
  for (size_t i = 0; i < rows.size(); ++i) {
    const double w = weight_of(rows[i]);
    if (!(w >= 0) || !std::isfinite(w)) {
      throw std::invalid_argument("weights must be finite and not negative, but row " + std::to_string(rows[i]) +
                                  " has another one");
    }
    largest = std::max(largest, w);
  }
  if (largest == 0) throw std::invalid_argument("all weights are zero");
  scaled.exponent = ceil_log2(largest);
  scaled.values.resize(rows.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    scaled.values[i] = static_cast<uint32_t>(std::rint(std::ldexp(weight_of(rows[i]), 24 - scaled.exponent)));
  }
  return scaled;
}

JobScale scale_job(const DatasetView& data, const JobSpec& job) {
  if (job.rows.size() == 0) throw std::invalid_argument("a job needs at least one training row");
  check_params(data, job.params);
  JobScale scale;
  const ScaledWeights weights = scale_weights(data, job.rows, job.params.scale_pos_weight);
  scale.weight_exponent = weights.exponent;
  if (!weights.values.empty()) {
    scale.weight.assign(data.rows, 0);
    for (size_t i = 0; i < job.rows.size(); ++i) scale.weight[job.rows[i]] = weights.values[i];
  }
  switch (job.params.objective) {
    case Objective::kLogistic:
      scale_logistic(data, job, weights, scale);
      break;
    case Objective::kSoftmax:
      scale_softmax(data, job, weights, scale);
      break;
    case Objective::kSquaredError:
      scale_regression(data, job, weights, scale);
      break;
  }
  return scale;
}

}  // namespace lockstep
