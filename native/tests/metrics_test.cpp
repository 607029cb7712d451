// The metrics against definitions written out over all pairs of rows, and against what must not change them.
#include "cpu/metrics.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <vector>

#include "core/philox.h"
#include "tests/check.h"

using namespace lockstep;

namespace {

constexpr Metric kBinary[] = {Metric::kAccuracy, Metric::kPrecision, Metric::kRecall, Metric::kF1,
                              Metric::kAucRoc,   Metric::kAucPr,     Metric::kLogloss};
constexpr Metric kRegression[] = {Metric::kMse, Metric::kRmse, Metric::kMae, Metric::kR2, Metric::kMape};

/** Random words from a counter, so that every run tests the same sets. */
class Random {
 public:
  explicit Random(uint32_t seed) : key_{seed, 0} {}
  uint32_t below(uint32_t bound) { return philox({{next_++, 0, 0, 0}}, key_).word[0] % bound; }

 private:
  PhiloxKey key_;
  uint32_t next_ = 0;
};

struct Scores {
  std::vector<int32_t> margin;
  std::vector<uint8_t> label;
  std::vector<int32_t> target;
  std::vector<float> raw;
  std::vector<uint32_t> weight;

  size_t rows() const { return margin.size(); }
  BinaryView binary(bool weighted) const {
    return {margin.data(), label.data(), weighted ? weight.data() : nullptr, rows()};
  }
  RegressionView regression(bool weighted) const {
    return {margin.data(), target.data(), raw.data(), weighted ? weight.data() : nullptr, rows(), 16};
  }
};

Scores random_scores(uint32_t seed, size_t rows, uint32_t spread) {
  Random random(seed);
  Scores scores;
  for (size_t i = 0; i < rows; ++i) {
    const auto margin = static_cast<int32_t>(int64_t{random.below(spread)} - spread / 2);
    const auto target = static_cast<int32_t>(random.below(1u << 20)) - (1 << 19);
    scores.margin.push_back(margin);
    scores.label.push_back(random.below(spread) < spread / 3 + static_cast<uint32_t>(margin > 0) * (spread / 3));
    scores.target.push_back(target);
    scores.raw.push_back(random.below(20) == 0 ? 0.0f : static_cast<float>(target) / 65536);
    scores.weight.push_back(random.below(10) == 0 ? 0 : random.below((1u << 24) + 1));
  }
  return scores;
}

/** Rows in another order. */
Scores shuffled(const Scores& scores, uint32_t seed) {
  Random random(seed);
  std::vector<size_t> order(scores.rows());
  std::iota(order.begin(), order.end(), size_t{0});
  for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random.below(static_cast<uint32_t>(i))]);
  Scores result;
  for (const size_t row : order) {
    result.margin.push_back(scores.margin[row]);
    result.label.push_back(scores.label[row]);
    result.target.push_back(scores.target[row]);
    result.raw.push_back(scores.raw[row]);
    result.weight.push_back(scores.weight[row]);
  }
  return result;
}

bool same_bits(double a, double b) { return std::bit_cast<uint64_t>(a) == std::bit_cast<uint64_t>(b); }
bool is_near(double value, long double expected) {
  return std::fabs(value - expected) <= 1e-9L * std::fmax(1.0L, std::fabs(expected));
}

/** The probability that a positive row outranks a negative one, a tie counting half. */
long double auc_roc_by_pairs(const BinaryView& view) {
  long double wins = 0;
  long double pairs = 0;
  for (size_t i = 0; i < view.rows; ++i) {
    for (size_t j = 0; j < view.rows; ++j) {
      if (view.label[i] == 0 || view.label[j] != 0) continue;
      const long double weight =
          view.weight == nullptr ? 1.0L : static_cast<long double>(view.weight[i]) * view.weight[j];
      pairs += weight;
      wins += view.margin[i] > view.margin[j] ? weight : view.margin[i] == view.margin[j] ? weight / 2 : 0;
    }
  }
  return wins / pairs;
}

/** The mean, over positive rows, of the precision where that row's margin is the threshold. */
long double average_precision_by_rows(const BinaryView& view) {
  const auto weight = [&](size_t row) {
    return view.weight == nullptr ? 1.0L : static_cast<long double>(view.weight[row]);
  };
  long double sum = 0;
  long double positives = 0;
  for (size_t i = 0; i < view.rows; ++i) {
    if (view.label[i] == 0 || weight(i) == 0) continue;
    long double hits = 0;
    long double predicted = 0;
    for (size_t j = 0; j < view.rows; ++j) {
      if (view.margin[j] < view.margin[i]) continue;
      predicted += weight(j);
      hits += view.label[j] != 0 ? weight(j) : 0;
    }
    sum += weight(i) * hits / predicted;
    positives += weight(i);
  }
  return sum / positives;
}

void test_ranks() {
  MetricScratch scratch;
  for (uint32_t seed = 0; seed < 40; ++seed) {
    // Spreads from five distinct margins to the whole of int32, which takes the path of wide keys.
    const uint32_t spread = seed % 4 == 0 ? 5 : seed % 4 == 1 ? 1000 : seed % 4 == 2 ? 1u << 30 : UINT32_MAX - 1;
    const Scores scores = random_scores(seed, 20 + seed * 3, spread);
    for (const bool weighted : {false, true}) {
      const BinaryView view = scores.binary(weighted);
      CHECK(is_near(evaluate(Metric::kAucRoc, view, scratch), auc_roc_by_pairs(view)));
      CHECK(is_near(evaluate(Metric::kAucPr, view, scratch), average_precision_by_rows(view)));
    }
  }
}

/** The definitions of scikit-learn in long double. */
void test_regression() {
  for (uint32_t seed = 50; seed < 60; ++seed) {
    const Scores scores = random_scores(seed, 200, 1u << 20);
    for (const bool weighted : {false, true}) {
      long double total = 0, mean = 0, squared = 0, absolute = 0, relative = 0, spread = 0;
      const auto weight = [&](size_t row) { return weighted ? static_cast<long double>(scores.weight[row]) : 1.0L; };
      for (size_t i = 0; i < scores.rows(); ++i) {
        const long double error = std::fabs(static_cast<long double>(scores.margin[i]) - scores.target[i]) / 65536;
        total += weight(i);
        mean += weight(i) * scores.target[i] / 65536;
        squared += weight(i) * error * error;
        absolute += weight(i) * error;
        relative += weight(i) * error / std::fmax(std::fabs(static_cast<long double>(scores.raw[i])), 0x1p-52L);
      }
      for (size_t i = 0; i < scores.rows(); ++i) {
        const long double deviation = static_cast<long double>(scores.target[i]) / 65536 - mean / total;
        spread += weight(i) * deviation * deviation;
      }
      const RegressionView view = scores.regression(weighted);
      CHECK(is_near(evaluate(Metric::kMse, view), squared / total));
      CHECK(is_near(evaluate(Metric::kRmse, view), std::sqrt(squared / total)));
      CHECK(is_near(evaluate(Metric::kMae, view), absolute / total));
      CHECK(is_near(evaluate(Metric::kR2, view), 1 - squared / spread));
      CHECK(is_near(evaluate(Metric::kMape, view), relative / total));
    }
  }
}

void test_threshold() {
  const Scores scores{.margin = {1, 0, -1, 0}, .label = {1, 1, 0, 0}, .target = {}, .raw = {}, .weight = {5, 6, 7, 8}};
  const Confusion counts = confusion(scores.binary(false));
  CHECK(counts.true_positive == 1 && counts.false_negative == 1 && counts.true_negative == 2);
  const Confusion weighted = confusion(scores.binary(true));
  CHECK(weighted.true_positive == 5 && weighted.false_negative == 6 && weighted.true_negative == 15);
}

void test_order_independence() {
  MetricScratch scratch;
  const Scores scores = random_scores(1, 3000, 1u << 23);
  const Scores other = shuffled(scores, 2);
  for (const bool weighted : {false, true}) {
    for (const Metric metric : kBinary) {
      CHECK(same_bits(evaluate(metric, scores.binary(weighted), scratch),
                      evaluate(metric, other.binary(weighted), scratch)));
    }
    for (const Metric metric : kRegression) {
      CHECK(same_bits(evaluate(metric, scores.regression(weighted)), evaluate(metric, other.regression(weighted))));
    }
  }
}

/** 200,000 rows are shared out; margins from few values, where most rows are tied, to all of int32. */
void threads_do_not_change_a_metric() {
  for (const uint32_t spread : {50u, 1u << 24, UINT32_MAX - 1}) {
    const Scores scores = random_scores(spread, 200000, spread);
    for (const bool weighted : {false, true}) {
      MetricScratch alone;
      for (const int threads : {2, 3, 8}) {
        ThreadPool pool(threads);
        MetricScratch together;
        together.executor = Executor(&pool);
        for (const Metric metric : kBinary) {
          CHECK(same_bits(evaluate(metric, scores.binary(weighted), together),
                          evaluate(metric, scores.binary(weighted), alone)));
        }
        if (spread > 1u << 30) continue;
        for (const Metric metric : kRegression) {
          double value = 0;
          evaluate(&metric, 1, scores.regression(weighted), together, &value);
          CHECK(same_bits(value, evaluate(metric, scores.regression(weighted))));
        }
      }
    }
  }
}

void test_full_weights_equal_none() {
  MetricScratch scratch;
  Scores scores = random_scores(3, 500, 2000);
  scores.weight.assign(scores.rows(), 1u << 24);
  double values[2][std::size(kBinary)];
  for (const bool weighted : {false, true}) {
    evaluate(kBinary, std::size(kBinary), scores.binary(weighted), scratch, values[weighted]);
  }
  for (size_t i = 0; i < std::size(kBinary); ++i) {
    CHECK(same_bits(values[0][i], values[1][i]));
    CHECK(same_bits(values[0][i], evaluate(kBinary[i], scores.binary(false), scratch)));
  }
  for (const Metric metric : kRegression) {
    CHECK(same_bits(evaluate(metric, scores.regression(false)), evaluate(metric, scores.regression(true))));
  }
}

void test_undefined() {
  MetricScratch scratch;
  const Scores none;
  for (const Metric metric : {Metric::kAccuracy, Metric::kAucRoc, Metric::kLogloss}) {
    CHECK(std::isnan(evaluate(metric, none.binary(false), scratch)));
  }
  for (const Metric metric : kRegression) CHECK(std::isnan(evaluate(metric, none.regression(false))));

  Scores scores = random_scores(4, 10, 100);
  scores.label.assign(10, 0);
  for (int32_t& margin : scores.margin) margin = -std::abs(margin);
  CHECK(std::isnan(evaluate(Metric::kAucRoc, scores.binary(false), scratch)));
  for (const Metric metric : {Metric::kAucPr, Metric::kPrecision, Metric::kRecall, Metric::kF1}) {
    CHECK(evaluate(metric, scores.binary(false), scratch) == 0);
  }
  scores.target.assign(10, 7);
  CHECK(evaluate(Metric::kR2, scores.regression(false)) == 0);
  scores.margin.assign(10, 7);
  CHECK(evaluate(Metric::kR2, scores.regression(false)) == 1);

  for (const bool regression : {false, true}) {
    bool thrown = false;
    try {
      if (regression) {
        evaluate(Metric::kF1, scores.regression(false));
      } else {
        evaluate(Metric::kMse, scores.binary(false), scratch);
      }
    } catch (const std::invalid_argument&) {
      thrown = true;
    }
    CHECK(thrown);
  }
}

/** The largest errors and weights there can be, whose sums pass 64 bits in a few rows. */
void test_extremes() {
  constexpr int32_t kLimit = 1 << 30;
  const Scores scores{.margin = {kLimit, -kLimit, kLimit, -kLimit},
                      .label = {0, 1, 0, 1},
                      .target = {-kLimit, kLimit, -kLimit, kLimit},
                      .raw = {0.0f, 1e-40f, std::numeric_limits<float>::max(), -1.0f},
                      .weight = {1u << 24, 1u << 24, 1u << 24, 1u << 24}};
  MetricScratch scratch;
  CHECK(evaluate(Metric::kLogloss, scores.binary(true), scratch) == 1024);
  CHECK(evaluate(Metric::kAucRoc, scores.binary(true), scratch) == 0);
  RegressionView view = scores.regression(true);
  view.margin_bits = 31;
  CHECK(evaluate(Metric::kMse, view) == 1);
  CHECK(evaluate(Metric::kMae, view) == 1);
  CHECK(evaluate(Metric::kR2, view) == -3);
  CHECK(evaluate(Metric::kMape, view) == (2 * 0x1p52 + 1) / 4);
}

void test_curve() {
  MetricScratch scratch;
  const Scores scores = random_scores(5, 400, 60);
  for (const bool weighted : {false, true}) {
    const BinaryView view = scores.binary(weighted);
    const Curve curve = roc_pr_points(view, 1000, scratch);
    CHECK(curve.points.size() > 40 && curve.points.size() <= 60);
    CHECK(curve.points.back().true_positive == curve.positives);
    CHECK(curve.points.back().false_positive == curve.negatives);
    for (const CurvePoint& point : curve.points) {
      uint64_t sums[2] = {0, 0};
      for (size_t i = 0; i < view.rows; ++i) {
        if (view.margin[i] >= point.threshold) sums[view.label[i]] += view.weight == nullptr ? 1 : view.weight[i];
      }
      CHECK(point.true_positive == sums[1] && point.false_positive == sums[0]);
    }
    const Curve thin = roc_pr_points(view, 7, scratch);
    CHECK(thin.points.size() == 7);
    CHECK(thin.points.front().threshold == curve.points.front().threshold);
    CHECK(thin.points.back().threshold == curve.points.back().threshold);
    CHECK(std::is_sorted(thin.points.begin(), thin.points.end(),
                         [](const CurvePoint& a, const CurvePoint& b) { return a.threshold > b.threshold; }));
  }
}

}  // namespace

void test_metrics() {
  test_ranks();
  test_regression();
  test_threshold();
  test_order_independence();
  threads_do_not_change_a_metric();
  test_full_weights_equal_none();
  test_undefined();
  test_extremes();
  test_curve();
}
