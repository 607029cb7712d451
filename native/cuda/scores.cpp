#include "cuda/scores.h"

#include <cmath>
#include <limits>
#include <stdexcept>

namespace lockstep::cuda {
namespace {

constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();

/** Two conversions to nearest, ties to even, and one division. */
template <class Integer>
double ratio(Integer numerator, Integer denominator, double undefined) {
  return denominator == 0 ? undefined : static_cast<double>(numerator) / static_cast<double>(denominator);
}

uint128_t wide(const uint64_t* words) { return uint128_t{words[1]} << 64 | words[0]; }

double two_class_value(Metric metric, const EvalConstants& eval, const uint64_t* sums) {
  const uint64_t* counts = sums + eval.layout.confusion();  // [predicted][actual]
  const uint64_t true_negative = counts[0];
  const uint64_t false_negative = counts[1];
  const uint64_t false_positive = counts[2];
  const uint64_t true_positive = counts[3];
  const uint64_t positives = true_positive + false_negative;
  const uint64_t negatives = true_negative + false_positive;
  switch (metric) {
    case Metric::kAccuracy:
      return ratio(true_positive + true_negative, eval.weight, kUndefined);
    case Metric::kPrecision:
      return ratio(true_positive, true_positive + false_positive, 0);
    case Metric::kRecall:
      return ratio(true_positive, positives, 0);
    case Metric::kF1:
      return ratio(2 * true_positive, 2 * true_positive + false_positive + false_negative, 0);
    case Metric::kAucRoc:
      return ratio(wide(sums + eval.layout.pairs(0)), 2 * uint128_t{positives} * negatives, kUndefined);
    case Metric::kAucPr:
      return std::ldexp(ratio(wide(sums + eval.layout.precision()), uint128_t{positives}, 0), -32);
    case Metric::kLogloss:
      return std::ldexp(ratio(wide(sums + eval.layout.loss()), uint128_t{eval.weight}, kUndefined), -30);
    default:
      return kUndefined;
  }
}

/** Values by class, and how they are averaged. */
class ClassValues {
 public:
  ClassValues(const EvalConstants& eval, const uint64_t* sums)
      : eval_(eval),
        correct_(sums + eval.layout.correct()),
        predicted_(sums + eval.layout.predicted()),
        actual_(sums + eval.layout.actual()),
        sums_(sums) {}

  double precision(uint32_t c) const { return ratio(correct_[c], predicted_[c], 0); }
  double recall(uint32_t c) const { return ratio(correct_[c], actual_[c], 0); }
  double f1(uint32_t c) const { return ratio(2 * correct_[c], predicted_[c] + actual_[c], 0); }
  double area(uint32_t c) const {
    const uint128_t denominator = 2 * uint128_t{actual_[c]} * (eval_.weight - actual_[c]);
    return ratio(wide(sums_ + eval_.layout.pairs(c)), denominator, kUndefined);
  }
  uint64_t all_correct() const {
    uint64_t sum = 0;
    for (uint32_t c = 0; c < eval_.layout.classes; ++c) sum += correct_[c];
    return sum;
  }
  double mean(double (ClassValues::*value)(uint32_t) const) const {
    double sum = 0;
    for (uint32_t c = 0; c < eval_.layout.classes; ++c) sum += (this->*value)(c);
    return sum / static_cast<double>(eval_.layout.classes);
  }
  /** Classes without weight take no part. */
  double weighted(double (ClassValues::*value)(uint32_t) const) const {
    double sum = 0;
    for (uint32_t c = 0; c < eval_.layout.classes; ++c) {
      if (actual_[c] != 0) sum += static_cast<double>(actual_[c]) * (this->*value)(c);
    }
    return eval_.weight == 0 ? kUndefined : sum / static_cast<double>(eval_.weight);
  }

 private:
  const EvalConstants& eval_;
  const uint64_t* correct_;
  const uint64_t* predicted_;
  const uint64_t* actual_;
  const uint64_t* sums_;
};

double class_value(Metric metric, const EvalConstants& eval, const uint64_t* sums) {
  const ClassValues values(eval, sums);
  switch (metric) {
    case Metric::kAccuracy:
      return ratio(values.all_correct(), eval.weight, kUndefined);
    case Metric::kMerror:
      return ratio(eval.weight - values.all_correct(), eval.weight, kUndefined);
    case Metric::kPrecision:
      return values.mean(&ClassValues::precision);
    case Metric::kRecall:
      return values.mean(&ClassValues::recall);
    case Metric::kF1:
      return values.mean(&ClassValues::f1);
    case Metric::kAucRoc:
      return values.mean(&ClassValues::area);
    case Metric::kPrecisionWeighted:
      return values.weighted(&ClassValues::precision);
    case Metric::kRecallWeighted:
      return values.weighted(&ClassValues::recall);
    case Metric::kF1Weighted:
      return values.weighted(&ClassValues::f1);
    case Metric::kAucRocWeighted:
      return values.weighted(&ClassValues::area);
    case Metric::kLogloss:
      return std::ldexp(ratio(wide(sums + eval.layout.loss()), uint128_t{eval.weight}, kUndefined), -30);
    default:
      return kUndefined;
  }
}

double relative_error(const EvalConstants& eval, const uint64_t* sums) {
  double sum = 0;
  for (uint32_t e = SumLayout::kExponents; e-- > 0;) {
    const int exponent = static_cast<int>(e) + SumLayout::kLowestExponent;
    sum += std::ldexp(static_cast<double>(wide(sums + eval.layout.relative(e))), -exponent);
  }
  return eval.weight == 0 ? kUndefined
                          : std::ldexp(sum / static_cast<double>(eval.weight), -40 - eval.margin_bits);
}

double regression_value(Metric metric, const EvalConstants& eval, const uint64_t* sums) {
  const uint128_t squares = wide(sums + eval.layout.squares());
  const auto mean = [&](uint128_t sum, int bits) {
    return std::ldexp(ratio(sum, uint128_t{eval.weight}, kUndefined), -bits);
  };
  switch (metric) {
    case Metric::kMse:
      return mean(squares, 2 * eval.margin_bits);
    case Metric::kRmse:
      return std::sqrt(mean(squares, 2 * eval.margin_bits));
    case Metric::kMae:
      return mean(wide(sums + eval.layout.absolute()), eval.margin_bits);
    case Metric::kR2:
      if (eval.rows < 2 || eval.weight == 0) return kUndefined;
      if (eval.variation == 0) return squares == 0 ? 1 : 0;
      return 1 - static_cast<double>(squares) / eval.variation;
    case Metric::kMape:
      return relative_error(eval, sums);
    default:
      return kUndefined;
  }
}

uint32_t wanted_of_classification(Metric metric, bool several) {
  switch (metric) {
    case Metric::kAccuracy:
    case Metric::kPrecision:
    case Metric::kRecall:
    case Metric::kF1:
      return kWantCounts;
    case Metric::kAucRoc:
      return kWantCounts | kWantPairs;
    case Metric::kLogloss:
      return kWantCounts | kWantLoss;
    case Metric::kAucPr:
      if (several) throw std::invalid_argument("auc_pr is a metric of two classes");
      return kWantCounts | kWantPairs | kWantPrecision;
    case Metric::kPrecisionWeighted:
    case Metric::kRecallWeighted:
    case Metric::kF1Weighted:
    case Metric::kMerror:
      if (!several) throw std::invalid_argument("a metric of several classes cannot score two");
      return kWantCounts;
    case Metric::kAucRocWeighted:
      if (!several) throw std::invalid_argument("a metric of several classes cannot score two");
      return kWantCounts | kWantPairs;
    default:
      throw std::invalid_argument("a regression metric cannot score a classifier");
  }
}

uint32_t wanted_of_regression(Metric metric) {
  switch (metric) {
    case Metric::kMse:
    case Metric::kRmse:
    case Metric::kR2:
      return kWantSquares;
    case Metric::kMae:
      return kWantAbsolute;
    case Metric::kMape:
      return kWantRelative;
    default:
      throw std::invalid_argument("a classification metric cannot score a regression");
  }
}

}  // namespace

uint32_t wanted_sums(const std::vector<Metric>& metrics, Objective objective) {
  uint32_t wanted = 0;
  for (const Metric metric : metrics) {
    wanted |= objective == Objective::kSquaredError
                  ? wanted_of_regression(metric)
                  : wanted_of_classification(metric, objective == Objective::kSoftmax);
  }
  return wanted;
}

double target_variation(const std::vector<int32_t>& target, const std::vector<uint32_t>& weight) {
  const auto weight_at = [&](size_t i) { return weight.empty() ? int64_t{1} : int64_t{weight[i]}; };
  int128_t sum = 0;
  int64_t total = 0;
  for (size_t i = 0; i < target.size(); ++i) {
    sum += int128_t{target[i]} * weight_at(i);
    total += weight_at(i);
  }
  if (total == 0) return 0;
  const int128_t twice = 2 * int128_t{total};
  const int128_t shifted = 2 * sum + total;
  const auto centre = static_cast<int64_t>(shifted / twice - (shifted % twice < 0 ? 1 : 0));
  uint128_t spread = 0;
  int128_t offset = 0;
  for (size_t i = 0; i < target.size(); ++i) {
    const int64_t deviation = target[i] - centre;
    spread += static_cast<uint128_t>(deviation * deviation) * static_cast<uint64_t>(weight_at(i));
    offset += int128_t{deviation} * weight_at(i);
  }
  return static_cast<double>(spread) - static_cast<double>(offset * offset) / static_cast<double>(total);
}

double metric_value(Metric metric, const EvalConstants& eval, const uint64_t* sums) {
  switch (eval.layout.objective) {
    case Objective::kLogistic:
      return two_class_value(metric, eval, sums);
    case Objective::kSoftmax:
      return class_value(metric, eval, sums);
    case Objective::kSquaredError:
      return regression_value(metric, eval, sums);
  }
  return kUndefined;
}

}  // namespace lockstep::cuda
