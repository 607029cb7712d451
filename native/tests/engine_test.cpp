// The engine without Node, so that sanitizers see every thread of it.
#include <cmath>
#include <cstdint>
#include <numeric>
#include <vector>

#include "core/philox.h"
#include "core/split_score.h"
#include "cpu/batch.h"
#include "cpu/binning.h"
#include "cpu/predict.h"
#include "tests/check.h"
#include "tests/same_trees.h"

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

void bounded_scores_are_the_free_ones_where_nothing_bounds_them() {
  ScoreParams params;
  params.lambda = 65536;
  uint64_t state = 88172645463325252u;
  const auto draw = [&] {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return static_cast<int64_t>(state >> 20);
  };
  for (int i = 0; i < 100000; ++i) {
    params.alpha = i % 2 == 0 ? 0 : static_cast<double>(draw());
    const Sums sums{draw() - (int64_t{1} << 43), draw() + 1};
    const double w = bounded_weight(sums, {}, params);
    const double free = node_score(sums, params);
    CHECK(std::fabs(weighted_score(sums, w, params) - free) <= free * 0x1p-50);
    CHECK(leaf_of_weight(w, params) == leaf_value(sums, params));
    // Away from the optimum, on either side, the score is lower.
    if (w == 0) continue;
    CHECK(weighted_score(sums, w * 1.01, params) < free && weighted_score(sums, w * 0.99, params) < free);
    CHECK(weighted_score(sums, -w, params) < 0);
  }
}

void bounds_of_children_meet_in_the_middle_and_never_cross() {
  const WeightBounds node{-1, 3};
  const ChildBounds rising = child_bounds(node, 1, 0.5, 2.5);
  CHECK(rising.left.low == -1 && rising.left.high == 1.5 && rising.right.low == 1.5 && rising.right.high == 3);
  const ChildBounds falling = child_bounds(node, -1, 2.5, 0.5);
  CHECK(falling.left.low == 1.5 && falling.left.high == 3 && falling.right.low == -1 && falling.right.high == 1.5);
  const ChildBounds free = child_bounds(node, 0, 2.5, 0.5);
  CHECK(free.left.low == -1 && free.right.high == 3);
  CHECK(is_monotone(1, 1, 1) && is_monotone(-1, 1, 1) && !is_monotone(1, 2, 1) && !is_monotone(-1, 1, 2));
  double weight = 0.1;
  for (int i = 0; i < 1000; ++i) {
    const double next = std::nextafter(weight, 1);
    const ChildBounds close = child_bounds({weight, next}, 1, weight, next);
    CHECK(close.left.low <= close.left.high && close.right.low <= close.right.high);
    weight = next;
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
  std::vector<float> label;  // 0 or 1
  DatasetView view;
};

/** The same table with the labels of `classes` classes. */
DatasetView with_classes(const Table& table, int classes, std::vector<float>& label) {
  DatasetView view = table.view;
  for (size_t row = 0; row < view.rows; ++row) {
    label.push_back(static_cast<float>(view.bins[row * view.stride] * classes / kMaxCodes));
  }
  view.label = label.data();
  return view;
}

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
  const RowSet all{0, rows, nullptr};
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
  job.rows = {0, rows - rows / 4, nullptr};
  job.evals = {job.rows, {rows - rows / 4, rows, nullptr}};
  job.metrics = {Metric::kAucRoc, Metric::kLogloss};
  return job;
}

/** The same job for several classes, under every constraint. */
JobSpec make_class_job(size_t rows, uint64_t seed, int classes) {
  JobSpec job = make_job(rows, seed);
  job.params.objective = Objective::kSoftmax;
  job.params.num_class = classes;
  job.params.max_depth = 3;
  job.params.colsample_bylevel = 0.8;
  job.params.colsample_bynode = 0.8;
  job.params.max_delta_step = 0.7;
  job.params.monotone_constraints = {0, 1, -1, 0, 0, 0, 1};
  job.metrics = {Metric::kAucRoc, Metric::kLogloss, Metric::kF1Weighted};
  return job;
}

std::vector<size_t> all_jobs(const Batch& batch) {
  std::vector<size_t> jobs(batch.jobs());
  std::iota(jobs.begin(), jobs.end(), size_t{0});
  return jobs;
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
    batch.advance(all_jobs(batch), 3, pool, CancelFlag());
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

void histograms_go_round_among_the_threads_of_a_model() {
  constexpr size_t kRows = 3000;
  const Table table = make_table(kRows, 7);
  const HistogramLayout layout(table.view);
  const Kernels& kernels = kernels_named("");
  const auto workspaces = std::make_shared<WorkspacePool>(table.view, layout, kernels);
  for (const int threads : {1, 2, 4}) {
    Batch batch(table.view, layout, kernels, {make_job(kRows, 1)}, workspaces);
    ThreadPool pool(threads);
    batch.advance_job(0, 300, Executor(&pool), CancelFlag());
    const std::unique_ptr<JobWorkspace> workspace = workspaces->take();
    // A path of the deepest tree for each thread, and one for each that waits to be taken over.
    CHECK(workspace->grower.kept_histograms() <= 20 * static_cast<size_t>(threads));
  }
}

void threads_and_batches_do_not_change_the_trees_of_classes() {
  constexpr size_t kRows = 8000;
  const Table table = make_table(kRows, 7);
  std::vector<float> label;
  const DatasetView view = with_classes(table, 4, label);
  const HistogramLayout layout(view);
  const auto train = [&](int threads, std::vector<uint64_t> seeds) {
    std::vector<JobSpec> jobs;
    for (const uint64_t seed : seeds) jobs.push_back(make_class_job(kRows, seed, 5));
    Batch batch(view, layout, kernels_named(""), std::move(jobs));
    ThreadPool pool(threads);
    const std::vector<JobScores> scores = batch.advance(all_jobs(batch), 2, pool, CancelFlag());
    CHECK(scores.back().rounds == 2 && scores.back().values.size() == 12);
    const Ensemble trained = batch.ensemble(seeds.size() - 1);
    const std::vector<int32_t> margins = predict_margins(view, trained, {0, kRows, nullptr}, kernels_named(""), Executor(&pool));
    CHECK(margins.size() == kRows * 5);
    return trained;
  };
  const Ensemble alone = train(1, {5});
  CHECK(alone.classes == 5 && alone.base_margins.size() == 5 && alone.trees.size() == 10);
  CHECK(alone.trees[0].nodes.size() > 5);
  for (const int threads : {2, 3}) {
    CHECK(same_trees(train(threads, {5}), alone));
    CHECK(same_trees(train(threads, {1, 2, 3, 5}), alone));
  }
}

void a_cancelled_round_leaves_no_trace(int classes) {
  constexpr size_t kRows = 60000;
  const Table table = make_table(kRows, 7);
  std::vector<float> label;
  const DatasetView view = classes > 1 ? with_classes(table, classes, label) : table.view;
  const auto job = [&] { return classes > 1 ? make_class_job(kRows, 1, classes) : make_job(kRows, 1); };
  const HistogramLayout layout(view);
  ThreadPool pool(2);
  Batch batch(view, layout, kernels_named(""), {job()});
  int32_t flag = 0;
  std::thread canceller([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(40));
    std::atomic_ref<int32_t>(flag).store(1);
  });
  const size_t finished = batch.advance({0}, 1000000, pool, CancelFlag(&flag))[0].rounds;
  canceller.join();
  CHECK(batch.ensemble(0).trees.size() == finished * static_cast<size_t>(classes));
  CHECK(batch.advance({0}, 1, pool, CancelFlag())[0].rounds == 1);
  Batch straight(view, layout, kernels_named(""), {job()});
  straight.advance({0}, finished + 1, pool, CancelFlag());
  CHECK(same_trees(batch.ensemble(0), straight.ensemble(0)));
}

void plans_share_what_would_outlast_the_rest() {
  const auto plan = [](std::vector<double> costs, size_t threads, size_t rounds = 100) {
    std::vector<size_t> jobs(costs.size());
    std::iota(jobs.begin(), jobs.end(), size_t{0});
    return plan_batch(jobs, costs, rounds, threads);
  };
  CHECK(plan({1e9}, 2).shared == std::vector<size_t>{0});
  CHECK(plan({1e9}, 1).whole == std::vector<size_t>{0});
  CHECK(plan({1e8, 1e8}, 2).shared.empty());
  // Three models on two threads: one changes threads between its rounds, or, where there are too few, is shared.
  CHECK(plan({1e8, 1e8, 1e8}, 2).shared.empty());
  CHECK(plan({1e8, 1e8, 1e8}, 2, 1).shared.size() == 1);
  // Threads hardly help small ones.
  CHECK(plan({1e5, 1e5, 1e5}, 2, 1).shared.empty());
  CHECK(plan({2e6}, 2).shared.empty());
  CHECK(plan({3e6}, 2).whole.empty());
  const BatchPlan mixed = plan({1e6, 1e9, 2e6, 1e6}, 2);
  CHECK(mixed.shared == std::vector<size_t>{1});
  CHECK((mixed.whole == std::vector<size_t>{2, 0, 3}));
}

void bins_hold_equal_shares_and_cuts_separate_their_values() {
  std::vector<float> values(100000);
  for (size_t i = 0; i < values.size(); ++i) values[i] = std::exp(static_cast<float>(i) * 1e-4f);
  const RowSet all{0, values.size(), nullptr};
  const std::vector<float> cuts = find_cuts(values.data(), all, nullptr, 256);
  CHECK(cuts.size() == 254);
  size_t row = 0;
  for (size_t bin = 0; bin < 255; ++bin) {
    const size_t begin = row;
    while (row < values.size() && (bin == cuts.size() || values[row] < cuts[bin])) ++row;
    CHECK(row - begin >= 391 && row - begin <= 394);
  }
  const float few[] = {INFINITY, -INFINITY, 0.0f, -0.0f, 1.0f, std::nanf("")};
  const std::vector<float> edges = find_cuts(few, {0, 6, nullptr}, nullptr, 256);
  CHECK(edges.size() == 3 && std::isfinite(edges[0]) && edges[1] == 0.5f && std::isfinite(edges[2]));
}

}  // namespace

void test_engine() {
  philox_gives_the_published_words();
  mirrored_splits_score_the_same();
  bounded_scores_are_the_free_ones_where_nothing_bounds_them();
  bounds_of_children_meet_in_the_middle_and_never_cross();
  leaves_have_24_significant_bits_and_stay_in_range();
  plans_share_what_would_outlast_the_rest();
  bins_hold_equal_shares_and_cuts_separate_their_values();
  threads_and_batches_do_not_change_a_tree();
  histograms_go_round_among_the_threads_of_a_model();
  threads_and_batches_do_not_change_the_trees_of_classes();
  a_cancelled_round_leaves_no_trace(1);
  a_cancelled_round_leaves_no_trace(3);
}
