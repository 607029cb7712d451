// The integer softmax against long double, over its whole range, and its hash, which tests/numerics/softmax.test.ts
// shares.
#include "core/softmax.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "core/philox.h"
#include "cpu/metrics.h"
#include "tests/check.h"

using namespace lockstep;

namespace {

void test_exponential() {
  long double worst = 0;
  long double worst_q24 = 0;
  CHECK(exp_neg_q30(0) == kOneQ30 && exp_neg_q30(1 << 25) == 0 && exp_neg_q30(UINT32_MAX) == 0);
  for (uint32_t t = 0; t < 1u << 25; t += 3) {
    const long double exact = std::exp(-static_cast<long double>(t) / 1048576);
    const int32_t value = exp_neg_q30(t);
    CHECK(value >= 0 && value <= kOneQ30);
    worst = std::fmax(worst, std::fabs(static_cast<long double>(value) - exact * kOneQ30));
    if (t > kSoftmaxLimit) continue;
    const uint32_t coarse = exp_neg_q24(t);
    CHECK(coarse >= 2 && coarse <= 1u << 24);
    worst_q24 = std::fmax(worst_q24, std::fabs(static_cast<long double>(coarse) - exact * kOneQ24));
  }
  CHECK(worst < 55.6L);
  CHECK(worst_q24 < 1.3L);
  CHECK(exp_neg_q24(kSoftmaxLimit + 1) == exp_neg_q24(kSoftmaxLimit));
}

void test_logarithm() {
  CHECK(ln_q30(uint64_t{1} << 30) == 0);
  long double worst = 0;
  for (uint64_t s = uint64_t{1} << 30; s < uint64_t{1} << 38; s += 97 * (s >> 30)) {
    const long double exact = std::log(static_cast<long double>(s) / kOneQ30) * kOneQ30;
    worst = std::fmax(worst, std::fabs(static_cast<long double>(ln_q30(s)) - exact));
  }
  for (int power = 30; power < 38; ++power) {
    CHECK(ln_q30((uint64_t{2} << power) - 1) == (power - 29) * kLn2Q30);
  }
  CHECK(worst < 35.7L);
}

void test_variance() {
  for (int64_t q = 0; q <= kOneQ30 / 2; q += 3) {
    const int32_t h = bernoulli_variance_q30(static_cast<int32_t>(q));
    const long double p = static_cast<long double>(q) / kOneQ30;
    CHECK(h >= 0 && h <= kOneQ30 / 4);
    CHECK(std::fabs(static_cast<long double>(h) - p * (1 - p) * kOneQ30) < 2);
  }
  CHECK(bernoulli_variance_q30(kOneQ30 / 2) == kOneQ30 / 4);
}

/** Words of a row whose margins spread over 2^spread_bits. */
std::vector<int32_t> random_row(uint32_t index, int classes, int spread_bits) {
  std::vector<int32_t> margins;
  for (int k = 0; k < classes; ++k) {
    const uint32_t word = philox({{index, static_cast<uint32_t>(k), 0, 0}}, {7, 0}).word[0];
    margins.push_back(static_cast<int32_t>(word >> (32 - spread_bits)) - (1 << (spread_bits - 1)));
  }
  return margins;
}

void test_gradients() {
  for (const int classes : {2, 3, 10, kMaxClasses}) {
    for (uint32_t index = 0; index < 400; ++index) {
      const std::vector<int32_t> margins = random_row(index, classes, 12 + static_cast<int>(index % 20));
      const int32_t top = greatest_margin(margins.data(), classes);
      uint32_t sum = 0;
      long double exact_sum = 0;
      for (const int32_t m : margins) {
        sum += exp_neg_q24(margin_distance(top, m));
        exact_sum += std::exp(-static_cast<long double>(int64_t{top} - m) / 1048576);
      }
      const uint32_t reciprocal = softmax_reciprocal(sum);
      CHECK(reciprocal <= 1u << 30);
      int64_t total = 0;
      for (const int32_t m : margins) {
        const int32_t p = softmax_share(exp_neg_q24(margin_distance(top, m)), reciprocal);
        const long double exact = std::exp(-static_cast<long double>(int64_t{top} - m) / 1048576) / exact_sum;
        CHECK(p >= 0);
        CHECK(std::fabs(static_cast<long double>(p) / kOneQ30 - exact) < 2e-7L * classes);
        total += p;
        for (const bool own : {false, true}) {
          const GradientPair pair = softmax_gradient(p, own);
          CHECK(pair.g == p - (own ? kOneQ30 : 0));
          CHECK(pair.h >= 0 && pair.h <= kOneQ30 / 2);
          const GradientPair quantised = quantise_logistic(pair.g, pair.h, UINT32_MAX);
          CHECK(quantised.g >= -(1 << 15) && quantised.g <= 1 << 15 && quantised.h >= 0 && quantised.h <= 1 << 15);
        }
      }
      CHECK(total <= kOneQ30);
    }
  }
}

void test_prior() {
  CHECK(prior_distance(1) == 0);
  CHECK(prior_distance(0) == static_cast<int32_t>(kSoftmaxLimit));
  for (int i = 1; i < 4096; ++i) {
    const double share = i / 4096.0;
    CHECK(std::fabs(prior_distance(share) * 0x1p-20 + std::log(share)) < 2e-3 / i + 1e-6);
  }
}

void test_log_odds() {
  for (const int classes : {2, 3, 10, kMaxClasses}) {
    for (uint32_t index = 0; index < 400; ++index) {
      const std::vector<int32_t> margins = random_row(index, classes, 12 + static_cast<int>(index % 20));
      std::vector<int32_t> odds(margins.size());
      one_vs_rest(margins.data(), classes, odds.data());
      for (size_t k = 0; k < margins.size(); ++k) {
        int64_t top = INT64_MIN;
        for (size_t j = 0; j < margins.size(); ++j) top = j == k ? top : std::max(top, int64_t{margins[j]});
        long double rest = 0;
        for (size_t j = 0; j < margins.size(); ++j) {
          if (j != k) rest += std::exp(static_cast<long double>(margins[j] - top) / 1048576);
        }
        const long double exact = static_cast<long double>(margins[k] - top) - std::log(rest) * 1048576;
        const long double limited = std::fmin(std::fmax(exact, -1.0L * kMarginLimit), 1.0L * kMarginLimit);
        CHECK(std::fabs(static_cast<long double>(odds[k]) - limited) < 0.6L + 0.06L * classes);
        if (classes == 2) CHECK(odds[k] == clamp_margin(margins[k] - margins[1 - k]));
      }
      const int64_t loss = softmax_loss_q30(margins.data(), classes, classes - 1);
      CHECK(loss >= 0 && loss < int64_t{1} << 42);
    }
  }
}

/** FNV-1a, 32 bits, over the bytes of words, low byte first. */
uint32_t softmax_hash() {
  uint32_t hash = 2166136261u;
  const auto add = [&](uint32_t word) {
    for (int shift = 0; shift < 32; shift += 8) hash = (hash ^ (word >> shift & 255u)) * 16777619u;
  };
  for (uint32_t t = 0; t < (1u << 25) + 8192; t += 4099) {
    add(static_cast<uint32_t>(exp_neg_q30(t)));
    add(exp_neg_q24(t));
    const int64_t log = ln_q30((uint64_t{1} << 30) + uint64_t{t} * 7919);
    add(static_cast<uint32_t>(log));
    add(static_cast<uint32_t>(log >> 32));
  }
  for (int i = 0; i <= 1000; ++i) add(static_cast<uint32_t>(prior_distance(i / 1000.0)));
  return hash;
}

/** The metrics of several classes of a set small enough to work out by hand. */
void test_metrics_of_classes() {
  constexpr int32_t kOne = 1 << 20;
  const std::vector<int32_t> margins = {3 * kOne, 0, 0, 0, 3 * kOne, 0, kOne, kOne, 0, 0, 0, 2 * kOne};
  const std::vector<uint8_t> labels = {0, 1, 1, 1};
  MetricScratch scratch;
  const MulticlassView view{margins.data(), labels.data(), nullptr, 4, 3};
  const auto value = [&](Metric metric) {
    double out = 0;
    evaluate(&metric, 1, view, scratch, &out);
    return out;
  };
  // Predicted 0, 1, 0 (a tie, to the lower class), 2.
  CHECK(value(Metric::kAccuracy) == 0.5 && value(Metric::kMerror) == 0.5);
  CHECK(value(Metric::kPrecision) == (0.5 + 1.0 + 0.0) / 3);
  CHECK(value(Metric::kRecall) == (1.0 + 1.0 / 3 + 0.0) / 3);
  CHECK(value(Metric::kF1) == (2.0 / 3 + 0.5 + 0.0) / 3);
  CHECK(value(Metric::kPrecisionWeighted) == (1 * 0.5 + 3 * 1.0) / 4);
  CHECK(value(Metric::kRecallWeighted) == (1 * 1.0 + 3 * (1.0 / 3)) / 4);
  CHECK(std::isnan(value(Metric::kAucRoc)));
  CHECK(value(Metric::kAucRocWeighted) == 1);
}

}  // namespace

void test_softmax() {
  test_exponential();
  test_logarithm();
  test_variance();
  test_gradients();
  test_prior();
  test_log_odds();
  test_metrics_of_classes();
  CHECK(softmax_hash() == 2702868496u);
}
