#include "cpu/gradients.h"

#include <algorithm>
#include <atomic>
#include <cmath>

#include "core/link.h"
#include "core/softmax.h"

namespace lockstep {
namespace {

constexpr size_t kGrain = 16384;

uint32_t weight_of(const JobScale& scale, size_t row) {
  return scale.weight.empty() ? kUnitWeight : scale.weight[row];
}

void logistic_gradients(const JobSpec& job, const JobScale& scale, uint32_t round, const std::vector<int32_t>& margins,
                        std::vector<GradientPair>& gradients, const Executor& executor) {
  const PhiloxKey key = philox_key(job.seed);
  executor.parallel_ranges(job.rows.size(), kGrain, [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) {
      const size_t row = job.rows[i];
      int32_t p = 0;
      int32_t h = 0;
      logistic_gradient(margins[row], p, h);
      const int32_t g = p - (scale.label[row] != 0 ? 1 << 30 : 0);
      const uint32_t weight = weight_of(scale, row);
      gradients[row] =
          quantise_logistic(apply_weight(g, weight), apply_weight(h, weight),
                            random_row_word(key, static_cast<uint32_t>(row), round, Purpose::kDither));
    }
  });
}

void softmax_gradients(const JobSpec& job, const JobScale& scale, uint32_t round, const std::vector<int32_t>& margins,
                       RoundGradients& gradients, const Executor& executor) {
  const PhiloxKey key = philox_key(job.seed);
  const auto classes = static_cast<size_t>(job.params.num_class);
  executor.parallel_ranges(job.rows.size(), kGrain, [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) {
      const size_t row = job.rows[i];
      const uint32_t weight = weight_of(scale, row);
      const int32_t* of_row = margins.data() + row * classes;
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
        gradients[c][row] = quantise_logistic(apply_weight(pair.g, weight), apply_weight(pair.h, weight),
                                              random_row_word(key, static_cast<uint32_t>(row), round, Purpose::kDither,
                                                              static_cast<uint32_t>(c)));
      }
    }
  });
}

int squared_error_gradients(const JobSpec& job, const JobScale& scale, uint32_t round,
                            const std::vector<int32_t>& margins, std::vector<GradientPair>& gradients,
                            const Executor& executor) {
  const PhiloxKey key = philox_key(job.seed);
  std::atomic<uint32_t> bits{0};  // bitwise or has the bit length of the maximum
  executor.parallel_ranges(job.rows.size(), kGrain, [&](size_t begin, size_t end) {
    uint32_t seen = 0;
    for (size_t i = begin; i < end; ++i) {
      const size_t row = job.rows[i];
      const uint32_t weight = weight_of(scale, row);
      const int32_t g = apply_weight(margins[row] - scale.target[row], weight);
      gradients[row] = {g, static_cast<int32_t>(weight)};
      seen |= static_cast<uint32_t>(g < 0 ? -g : g);
    }
    bits.fetch_or(seen, std::memory_order_relaxed);
  });
  const int shift = std::max(0, bit_length(bits.load()) - kSquaredErrorGradientBits);
  if (shift > 0) {
    executor.parallel_ranges(job.rows.size(), kGrain, [&](size_t begin, size_t end) {
      for (size_t i = begin; i < end; ++i) {
        const size_t row = job.rows[i];
        const uint32_t dither = random_row_word(key, static_cast<uint32_t>(row), round, Purpose::kDither);
        gradients[row].g = quantise_squared_error(gradients[row].g, shift, dither);
      }
    });
  }
  return shift;
}

}  // namespace

int compute_gradients(const JobSpec& job, const JobScale& scale, uint32_t round, const std::vector<int32_t>& margins,
                      RoundGradients& gradients, const Executor& executor) {
  switch (job.params.objective) {
    case Objective::kLogistic:
      logistic_gradients(job, scale, round, margins, gradients[0], executor);
      return scale.weight_exponent - (30 - kLogisticGradientShift);
    case Objective::kSoftmax:
      softmax_gradients(job, scale, round, margins, gradients, executor);
      return scale.weight_exponent - (30 - kLogisticGradientShift);
    case Objective::kSquaredError:
      return scale.weight_exponent - scale.margin_bits +
             squared_error_gradients(job, scale, round, margins, gradients[0], executor);
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
