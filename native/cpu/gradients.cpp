#include "cpu/gradients.h"

#include <algorithm>
#include <atomic>
#include <cmath>

#include "core/softmax.h"
#include "cpu/kernels_shared.h"

namespace lockstep {
namespace {

constexpr size_t kGrain = 16384;

/**
 * Calls body(begin, end) for pieces of one stretch of rows that holds the row set, aligned to 64 rows, where the set fills
 * a fair part of it; otherwise returns false. Vectors over all rows beat a visit to each row of the set.
 */
template <class Body>
bool for_dense_rows(const RowSet& rows, const Executor& executor, const Body& body) {
  const size_t first = rows[0] / 64 * 64;
  const size_t last = rows[rows.size() - 1] + 1;
  if (rows.size() < (last - first) / 4) return false;
  executor.parallel_ranges(last - first, kGrain, [&](size_t begin, size_t end) { body(first + begin, first + end); });
  return true;
}

uint32_t weight_of(const JobScale& scale, size_t row) {
  return scale.weight.empty() ? kUnitWeight : scale.weight[row];
}

void logistic_gradients(const JobSpec& job, const JobScale& scale, uint32_t round, const int32_t* margins,
                        int64_t* gradients, const Kernels& kernels, const Executor& executor) {
  const LogisticRows rows{margins,
                          scale.label.data(),
                          scale.weight.empty() ? nullptr : scale.weight.data(),
                          philox_key(job.seed),
                          round,
                          gradients};
  const auto dense = [&](size_t begin, size_t end) { kernels.logistic_gradients(rows, begin, end); };
  if (for_dense_rows(job.rows, executor, dense)) return;
  executor.parallel_ranges(job.rows.size(), kGrain, [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) logistic_row(rows, job.rows[i]);
  });
}

void softmax_gradients(const DatasetView& data, const JobSpec& job, const JobScale& scale, uint32_t round,
                       const int32_t* margins, int64_t* gradients, const Executor& executor) {
  const PhiloxKey key = philox_key(job.seed);
  const auto classes = static_cast<size_t>(job.params.num_class);
  executor.parallel_ranges(job.rows.size(), kGrain, [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) {
      const size_t row = job.rows[i];
      const uint32_t weight = weight_of(scale, row);
      const int32_t* of_row = margins + row * classes;
      const int32_t top = greatest_margin(of_row, job.params.num_class);
      uint32_t exponentials[kMaxClasses];
      uint32_t sum = 0;
      for (size_t c = 0; c < classes; ++c) {
        exponentials[c] = exp_neg_q24(margin_distance(top, of_row[c]));
        sum += exponentials[c];
      }
      const uint32_t reciprocal = softmax_reciprocal(sum);
      for (size_t c = 0; c < classes; ++c) {
        const GradientPair pair = softmax_gradient(softmax_share(exponentials[c], reciprocal), scale.label[row] == c);
        const GradientPair quantised =
            quantise_logistic(apply_weight(pair.g, weight), apply_weight(pair.h, weight),
                              random_row_word(key, static_cast<uint32_t>(row), round, Purpose::kDither,
                                              static_cast<uint32_t>(c)));
        gradients[c * data.rows + row] = pack_pair(quantised.g, quantised.h, 32);
      }
    }
  });
}

int squared_error_gradients(const JobSpec& job, const JobScale& scale, uint32_t round, const int32_t* margins,
                            int64_t* gradients, const Executor& executor) {
  const PhiloxKey key = philox_key(job.seed);
  const bool counts = scale.weight.empty();
  std::atomic<uint32_t> bits{0};  // bitwise or has the bit length of the maximum
  executor.parallel_ranges(job.rows.size(), kGrain, [&](size_t begin, size_t end) {
    uint32_t seen = 0;
    for (size_t i = begin; i < end; ++i) {
      const size_t row = job.rows[i];
      const int32_t error = margins[row] - scale.target[row];
      const int32_t g = counts ? error : apply_weight(error, scale.weight[row]);
      gradients[row] = counts ? pack_pair(g, 1, kCountShift) : pack_pair(g, scale.weight[row], 32);
      seen |= static_cast<uint32_t>(g < 0 ? -g : g);
    }
    bits.fetch_or(seen, std::memory_order_relaxed);
  });
  const int shift = std::max(0, bit_length(bits.load()) - kSquaredErrorGradientBits);
  if (shift == 0) return 0;
  executor.parallel_ranges(job.rows.size(), kGrain, [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) {
      const size_t row = job.rows[i];
      const uint32_t weight = weight_of(scale, row);
      const uint32_t dither = random_row_word(key, static_cast<uint32_t>(row), round, Purpose::kDither);
      const int32_t g =
          quantise_squared_error(apply_weight(margins[row] - scale.target[row], weight), shift, dither);
      gradients[row] = counts ? pack_pair(g, 1, kCountShift) : pack_pair(g, weight, 32);
    }
  });
  return shift;
}

}  // namespace

Packing gradient_packing(const JobSpec& job, const JobScale& scale) {
  switch (job.params.objective) {
    case Objective::kLogistic:
    case Objective::kSoftmax:
      return Packing::kHalves;
    case Objective::kSquaredError:
      return scale.weight.empty() ? Packing::kCounts : Packing::kSplit;
  }
  return Packing::kSplit;
}

int compute_gradients(const DatasetView& data, const JobSpec& job, const JobScale& scale, uint32_t round,
                      const int32_t* margins, int64_t* gradients, const Kernels& kernels, const Executor& executor) {
  switch (job.params.objective) {
    case Objective::kLogistic:
      logistic_gradients(job, scale, round, margins, gradients, kernels, executor);
      return scale.weight_exponent - (30 - kLogisticGradientShift);
    case Objective::kSoftmax:
      softmax_gradients(data, job, scale, round, margins, gradients, executor);
      return scale.weight_exponent - (30 - kLogisticGradientShift);
    case Objective::kSquaredError:
      return scale.weight_exponent - scale.margin_bits +
             squared_error_gradients(job, scale, round, margins, gradients, executor);
  }
  return 0;
}

int hessian_unit(Objective objective, const JobScale& scale) {
  return scale.weight_exponent - (objective == Objective::kSquaredError ? 24 : 30 - kLogisticHessianShift);
}

ScoreParams score_params(const TreeParams& params, const JobScale& scale, int gradient_unit) {
  ScoreParams score;
  score.gradient_unit = gradient_unit;
  score.hessian_unit = hessian_unit(params.objective, scale);
  score.lambda = std::ldexp(params.reg_lambda, -score.hessian_unit);
  score.alpha = std::ldexp(params.reg_alpha, -gradient_unit);
  const double gamma = std::ldexp(params.gamma, score.hessian_unit - 2 * gradient_unit);
  score.min_gain = std::max(gamma, params.objective == Objective::kSquaredError ? 0.0 : 0x1p-6);
  score.leaf_scale = std::ldexp(params.learning_rate, scale.margin_bits + gradient_unit - score.hessian_unit);
  const double min_child = std::ceil(std::ldexp(params.min_child_weight, -score.hessian_unit));
  score.min_child_hessian = min_child >= 0x1p62 ? int64_t{1} << 62 : std::max<int64_t>(1, static_cast<int64_t>(min_child));
  const bool constrained = std::any_of(params.monotone_constraints.begin(), params.monotone_constraints.end(),
                                       [](int8_t constraint) { return constraint != 0; });
  score.bounded = constrained || params.max_delta_step > 0;
  if (params.max_delta_step > 0) {
    score.max_delta = std::ldexp(params.max_delta_step, score.hessian_unit - gradient_unit);
  }
  return score;
}

}  // namespace lockstep
