// The engine without Node, so that sanitizers see every thread of it.
#include <cmath>
#include <cstdint>
#include <vector>

#include "core/philox.h"
#include "core/split_score.h"
#include "cpu/batch.h"
#include "cpu/binning.h"
#include "tests/check.h"

namespace {

using namespace lockstep;

/** The published known answers of Random123. */
void philox_gives_the_published_words() {
  const auto same = [](PhiloxBlock counter, PhiloxKey key, PhiloxBlock expected) {
    const PhiloxBlock words = philox(counter, key);
    for (int i = 0; i < 4; ++i) CHECK(words.word[i] == expected.word[i]);
  };
  same({{0, 0, 0, 0}}, {0, 0}, {{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}});
  same({{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}}, {0xffffffff, 0xffffffff},
       {{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}});
  same({{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}}, {0xa4093822, 0x299f31d0},
       {{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}});
}

void mirrored_splits_score_the_same() {
  ScoreParams params;
  params.lambda = 65536;
  params.alpha = 12345;
  uint64_t state = 88172645463325252u;
  const auto draw = [&] {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return static_cast<int64_t>(state >> 20);
  };
  for (int i = 0; i < 100000; ++i) {
    const Sums a{draw() - (int64_t{1} << 43), draw() + 1};
    const Sums b{draw() - (int64_t{1} << 43), draw() + 1};
    CHECK(split_score(a, b, params) == split_score(b, a, params));
  }
}

void leaves_have_24_significant_bits_and_stay_in_range() {
  ScoreParams params;
  params.leaf_scale = 0x1p40;
  CHECK(leaf_value({-5, 1}, params) == ((kLeafLimit >> 6) << 6));
  CHECK(leaf_value({5, 1}, params) == -((kLeafLimit >> 6) << 6));
  CHECK(leaf_value({5, 0}, params) == 0);
  params.leaf_scale = 1;
  CHECK(leaf_value({-((1 << 24) + 1), 1}, params) == 1 << 24);
  CHECK(leaf_value({3, 2}, params) == -2);  // ties to even
  CHECK(leaf_value({1, 2}, params) == 0);
}

struct Table {
  std::vector<uint8_t> bins;
  std::vector<float> label;
  DatasetView view;
};

Table make_table(size_t rows, int features) {
  Table table;
  std::vector<std::vector<float>> columns(static_cast<size_t>(features), std::vector<float>(rows));
  uint32_t state = 1;
  table.label.assign(rows, 0);
  for (size_t row = 0; row < rows; ++row) {
    float sum = 0;
    for (auto& column : columns) {
      state = state * 1664525u + 1013904223u;
      column[row] = static_cast<float>(state >> 8) * 0x1p-24f;
      sum += column[row];
      if (state % 17 == 0) column[row] = std::nanf("");
    }
    table.label[row] = sum > static_cast<float>(features) / 2 ? 1.0f : 0.0f;
  }
  std::vector<RawColumn> raw;
  for (const auto& column : columns) raw.push_back({column.data(), nullptr, 0});
  const auto stride = static_cast<size_t>(features);
  table.bins.resize(rows * stride);
  ThreadPool pool(2);
  const RowSet all{0, rows, false, {}};
  const auto bins = find_bins(raw, all, nullptr, 256, Executor(&pool));
  encode_rows(raw, rows, bins, table.bins.data(), stride, Executor(&pool));
  table.view.bins = table.bins.data();
  table.view.rows = rows;
  table.view.stride = stride;
  table.view.features = features;
  for (const FeatureBins& feature : bins) table.view.feature_bins.push_back(feature.bins);
  table.view.categorical.assign(stride, 0);
  table.view.label = table.label.data();
  return table;
}

JobSpec make_job(size_t rows, uint64_t seed) {
  JobSpec job;
  job.params.max_depth = 5;
  job.params.subsample = 0.8;
  job.params.colsample_bytree = 0.7;
  job.seed = seed;
  job.rows = {0, rows - rows / 4, false, {}};
  job.evals = {job.rows, {rows - rows / 4, rows, false, {}}};
  job.metrics = {Metric::kAucRoc, Metric::kLogloss};
  return job;
}

bool same_trees(const Ensemble& a, const Ensemble& b) {
  if (a.trees.size() != b.trees.size() || a.base_margin != b.base_margin) return false;
  for (size_t t = 0; t < a.trees.size(); ++t) {
    if (a.trees[t].nodes.size() != b.trees[t].nodes.size()) return false;
    for (size_t n = 0; n < a.trees[t].nodes.size(); ++n) {
      const Node& x = a.trees[t].nodes[n];
      const Node& y = b.trees[t].nodes[n];
      if (x.feature != y.feature || x.split_bin != y.split_bin || x.leaf != y.leaf || x.left != y.left ||
          x.missing_left != y.missing_left || x.gain != y.gain || x.cover != y.cover) {
        return false;
      }
    }
  }
  return true;
}

void threads_and_batches_do_not_change_a_tree() {
  constexpr size_t kRows = 12000;
  const Table table = make_table(kRows, 7);
  const HistogramLayout layout(table.view);
  const auto train = [&](int threads, std::vector<uint64_t> seeds) {
    std::vector<JobSpec> jobs;
    for (const uint64_t seed : seeds) jobs.push_back(make_job(kRows, seed));
    Batch batch(table.view, layout, kernels_named(""), std::move(jobs));
    ThreadPool pool(threads);
    batch.advance(3, pool, CancelFlag());
    std::vector<Ensemble> trained;
    for (size_t j = 0; j < seeds.size(); ++j) trained.push_back(batch.ensemble(j));
    return trained;
  };
  const std::vector<Ensemble> alone = train(1, {5});
  CHECK(alone[0].trees.size() == 3 && alone[0].trees[0].nodes.size() > 10);
  for (const int threads : {2, 3, 8}) {
    CHECK(same_trees(train(threads, {5})[0], alone[0]));
    CHECK(same_trees(train(threads, {9, 1, 5, 2, 3, 4, 6})[2], alone[0]));
  }
}

void a_cancelled_round_leaves_no_trace() {
  constexpr size_t kRows = 60000;
  const Table table = make_table(kRows, 5);
  const HistogramLayout layout(table.view);
  ThreadPool pool(2);
  Batch batch(table.view, layout, kernels_named(""), {make_job(kRows, 1)});
  int32_t flag = 0;
  std::thread canceller([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(40));
    std::atomic_ref<int32_t>(flag).store(1);
  });
  const size_t finished = batch.advance(1000000, pool, CancelFlag(&flag)).size();
  canceller.join();
  CHECK(batch.ensemble(0).trees.size() == finished);
  CHECK(batch.advance(1, pool, CancelFlag()).size() == 1);
  Batch straight(table.view, layout, kernels_named(""), {make_job(kRows, 1)});
  straight.advance(finished + 1, pool, CancelFlag());
  CHECK(same_trees(batch.ensemble(0), straight.ensemble(0)));
}

void bins_hold_equal_shares_and_cuts_separate_their_values() {
  std::vector<float> values(100000);
  for (size_t i = 0; i < values.size(); ++i) values[i] = std::exp(static_cast<float>(i) * 1e-4f);
  const RowSet all{0, values.size(), false, {}};
  const std::vector<float> cuts = find_cuts(values.data(), all, nullptr, 256);
  CHECK(cuts.size() == 254);
  size_t row = 0;
  for (size_t bin = 0; bin < 255; ++bin) {
    const size_t begin = row;
    while (row < values.size() && (bin == cuts.size() || values[row] < cuts[bin])) ++row;
    CHECK(row - begin >= 391 && row - begin <= 394);
  }
  const float few[] = {INFINITY, -INFINITY, 0.0f, -0.0f, 1.0f, std::nanf("")};
  const std::vector<float> edges = find_cuts(few, {0, 6, false, {}}, nullptr, 256);
  CHECK(edges.size() == 3 && std::isfinite(edges[0]) && edges[1] == 0.5f && std::isfinite(edges[2]));
}

}  // namespace

void test_engine() {
  philox_gives_the_published_words();
  mirrored_splits_score_the_same();
  leaves_have_24_significant_bits_and_stay_in_range();
  bins_hold_equal_shares_and_cuts_separate_their_values();
  threads_and_batches_do_not_change_a_tree();
  a_cancelled_round_leaves_no_trace();
}
