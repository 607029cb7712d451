// The CUDA engine against the CPU engine, by equality of all trees and scores. Here its kernels run in the emulation
// (cuda_emulation); built with nvcc, the same checks run on a device (lockstep_cuda_tests).
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "cpu/batch.h"
#include "cuda/batch.h"
#include "tests/check.h"
#include "tests/random.h"
#include "tests/same_trees.h"

namespace {

using namespace lockstep;

/** A table of codes with a signal in its labels. */
struct Table {
  std::vector<uint8_t> bins;
  std::vector<float> label;
  std::vector<float> weight;
  DatasetView view;
};

struct TableShape {
  size_t rows = 1000;
  int features = 10;
  int max_bins = 40;
  bool missing = true;
  bool categories = true;
  int weights = 0;       // 0: none, 1: fractions, 2: many of them zero
  int classes = 0;       // 0: regression
  float label_scale = 1;
};

Table make_table(const TableShape& shape, uint64_t seed) {
  Random random(seed);
  Table table;
  const auto features = static_cast<size_t>(shape.features);
  const size_t stride = features + random.below(3);
  table.bins.assign(shape.rows * stride, 0);
  table.view.rows = shape.rows;
  table.view.stride = stride;
  table.view.features = shape.features;
  std::vector<float> effect(shape.rows, 0);
  for (size_t f = 0; f < features; ++f) {
    const int bins = random.below(4) == 0 ? 1 + static_cast<int>(random.below(4))
                                          : 1 + static_cast<int>(random.below(static_cast<uint32_t>(shape.max_bins)));
    table.view.feature_bins.push_back(bins);
    table.view.categorical.push_back(shape.categories && random.below(3) == 0 ? 1 : 0);
    const bool some_missing = shape.missing && random.below(2) == 0;
    const uint32_t salt = random.word();
    for (size_t row = 0; row < shape.rows; ++row) {
      uint32_t code = 1 + random.below(static_cast<uint32_t>(bins));
      if (random.below(3) == 0) code = 1 + (code - 1) / 2;
      if (some_missing && random.below(8) == 0) code = 0;
      table.bins[row * stride + f] = static_cast<uint8_t>(code);
      const float part = table.view.categorical[f] != 0
                             ? static_cast<float>((code * 2654435761u ^ salt) >> 24) * 0x1p-8f
                             : static_cast<float>(code) / static_cast<float>(bins);
      if (f < 6) effect[row] += part;
    }
  }
  const float centre = std::accumulate(effect.begin(), effect.end(), 0.0f) / static_cast<float>(shape.rows);
  for (size_t row = 0; row < shape.rows; ++row) {
    const float value = effect[row] - centre + (random.unit() - 0.5f);
    if (shape.classes == 0) {
      table.label.push_back(value * shape.label_scale);
    } else {
      const auto of = static_cast<int>(std::floor((value + 2) / 4 * static_cast<float>(shape.classes)));
      table.label.push_back(static_cast<float>(std::clamp(of, 0, shape.classes - 1)));
    }
  }
  if (shape.weights != 0) {
    for (size_t row = 0; row < shape.rows; ++row) {
      const bool zero = shape.weights == 2 && row > 0 && random.below(3) == 0;
      table.weight.push_back(zero ? 0 : 0.25f + random.unit() * 3);
    }
    table.view.weight = table.weight.data();
  }
  table.view.bins = table.bins.data();
  table.view.label = table.label.data();
  return table;
}

RowSet listed(std::vector<uint32_t> rows) {
  RowSet set;
  set.list = std::make_shared<const std::vector<uint32_t>>(std::move(rows));
  return set;
}

bool same_values(const std::vector<double>& a, const std::vector<double>& b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (!(a[i] == b[i] || (std::isnan(a[i]) && std::isnan(b[i])))) return false;
  }
  return true;
}

bool same_sets(const Ensemble& a, const Ensemble& b) {
  for (size_t t = 0; t < a.trees.size(); ++t) {
    const auto& x = a.trees[t];
    const auto& y = b.trees[t];
    if (x.cat_sets.size() != y.cat_sets.size()) return false;
    for (size_t s = 0; s < x.cat_sets.size(); ++s) {
      if (std::memcmp(x.cat_sets[s].word, y.cat_sets[s].word, sizeof(x.cat_sets[s].word)) != 0) return false;
    }
    for (size_t n = 0; n < x.nodes.size(); ++n) {
      if (x.nodes[n].cat_index != y.nodes[n].cat_index) return false;
    }
  }
  return true;
}

std::vector<size_t> all_of(size_t jobs) {
  std::vector<size_t> list(jobs);
  std::iota(list.begin(), list.end(), size_t{0});
  return list;
}

/** How the CUDA engine is asked to train; none of it may change a bit. */
struct Way {
  std::vector<size_t> calls = {3};  // rounds of each
  size_t memory_limit = 0;
  size_t rounds_at_once = 0;
  uint32_t direct_rows = 512;
};

void print_difference(const Ensemble& a, const Ensemble& b) {
  for (size_t t = 0; t < std::min(a.trees.size(), b.trees.size()); ++t) {
    const auto& x = a.trees[t].nodes;
    const auto& y = b.trees[t].nodes;
    for (size_t n = 0; n < std::max(x.size(), y.size()); ++n) {
      const Node p = n < x.size() ? x[n] : Node{};
      const Node q = n < y.size() ? y[n] : Node{};
      if (p.feature == q.feature && p.split_bin == q.split_bin && p.leaf == q.leaf && p.left == q.left &&
          p.missing_left == q.missing_left && p.gain == q.gain && p.cover == q.cover) {
        continue;
      }
      std::fprintf(stderr, "tree %zu (%zu and %zu nodes), node %zu: feature %d %d, bin %d %d, leaf %d %d, missing left %d %d, gain %g %g, cover %g %g\n",
                   t, x.size(), y.size(), n, p.feature, q.feature, p.split_bin, q.split_bin, p.leaf, q.leaf, p.missing_left,
                   q.missing_left, p.gain, q.gain, p.cover, q.cover);
      return;
    }
  }
}

/** Trains on both engines and compares; returns the turns that the device took. */
size_t compare(const DatasetView& view, const std::vector<JobSpec>& jobs, const Way& way = {}) {
  const HistogramLayout layout(view);
  ThreadPool pool(1);
  Batch expected(view, layout, kernels_named(""), jobs);
  cuda::CudaBatch actual(std::make_shared<cuda::CudaDataset>(view, cuda::DatasetOptions{way.memory_limit}), jobs,
                         {way.rounds_at_once, way.direct_rows});
  for (const size_t rounds : way.calls) {
    const std::vector<JobScores> a = expected.advance(all_of(jobs.size()), rounds, pool, CancelFlag());
    const std::vector<JobScores> b = actual.advance(all_of(jobs.size()), rounds, CancelFlag());
    CHECK(a.size() == b.size());
    for (size_t j = 0; j < a.size(); ++j) {
      const Ensemble& x = expected.ensemble(j);
      const Ensemble& y = actual.ensemble(j);
      const bool same = same_trees(x, y) && same_sets(x, y);
      if (!same) print_difference(x, y);
      CHECK(same);
      CHECK(x.margin_bits == y.margin_bits && x.base_value == y.base_value && x.classes == y.classes);
      CHECK(a[j].job == b[j].job && a[j].first_round == b[j].first_round && a[j].rounds == b[j].rounds);
      for (size_t i = 0; i < a[j].values.size() && i < b[j].values.size(); ++i) {
        if (a[j].values[i] != b[j].values[i] && !(std::isnan(a[j].values[i]) && std::isnan(b[j].values[i]))) {
          std::fprintf(stderr, "job %zu, value %zu: %.17g and %.17g\n", j, i, a[j].values[i], b[j].values[i]);
        }
      }
      CHECK(same_values(a[j].values, b[j].values));
    }
  }
  return actual.turns();
}

std::vector<Metric> metrics_of(Objective objective) {
  switch (objective) {
    case Objective::kLogistic:
      return {Metric::kAccuracy, Metric::kPrecision, Metric::kRecall, Metric::kF1,
              Metric::kAucRoc,   Metric::kAucPr,     Metric::kLogloss};
    case Objective::kSoftmax:
      return {Metric::kAccuracy, Metric::kPrecision, Metric::kRecall, Metric::kF1, Metric::kAucRoc, Metric::kLogloss,
              Metric::kPrecisionWeighted, Metric::kRecallWeighted, Metric::kF1Weighted, Metric::kAucRocWeighted,
              Metric::kMerror};
    case Objective::kSquaredError:
      return {Metric::kMse, Metric::kRmse, Metric::kMae, Metric::kR2, Metric::kMape};
  }
  return {};
}

JobSpec plain_job(const TableShape& shape, uint64_t seed) {
  JobSpec job;
  job.params.objective = shape.classes == 0 ? Objective::kSquaredError
                         : shape.classes == 2 ? Objective::kLogistic
                                              : Objective::kSoftmax;
  if (shape.classes > 2) job.params.num_class = shape.classes;
  job.params.max_depth = 4;
  job.seed = seed;
  const size_t train = shape.rows - shape.rows / 4;
  job.rows = {0, train, nullptr};
  job.evals = {job.rows, {train, shape.rows, nullptr}};
  job.metrics = metrics_of(job.params.objective);
  return job;
}

/** A job with parameters of all kinds. */
JobSpec random_job(const Table& table, const TableShape& shape, Random& random) {
  JobSpec job = plain_job(shape, random.word());
  TreeParams& params = job.params;
  const auto one_of = [&](std::initializer_list<double> values) { return values.begin()[random.below(static_cast<uint32_t>(values.size()))]; };
  params.max_depth = 1 + static_cast<int>(random.below(7));
  params.learning_rate = one_of({0.05, 0.3, 1, 3});
  params.subsample = one_of({1, 1, 0.8, 0.3});
  params.colsample_bytree = one_of({1, 1, 0.6, 0.01});
  params.colsample_bylevel = one_of({1, 1, 0.7});
  params.colsample_bynode = one_of({1, 1, 0.5});
  params.min_child_weight = one_of({0, 1, 5});
  params.gamma = one_of({0, 0, 0.5});
  params.reg_alpha = one_of({0, 0, 0.7});
  params.reg_lambda = one_of({0, 1, 10});
  params.max_delta_step = one_of({0, 0, 0, 0.4});
  params.max_cat_to_onehot = static_cast<int>(one_of({1, 4, 20, 1000}));
  params.max_cat_threshold = static_cast<int>(one_of({1, 4, 64}));
  if (random.below(3) == 0) {
    for (const uint8_t categorical : table.view.categorical) {
      params.monotone_constraints.push_back(categorical != 0 ? int8_t{0} : static_cast<int8_t>(random.below(3)) - 1);
    }
  }
  if (params.objective == Objective::kLogistic) params.scale_pos_weight = one_of({1, 1, 3.5});
  if (params.objective != Objective::kSoftmax && random.below(3) == 0) {
    params.has_base_score = true;
    params.base_score = params.objective == Objective::kLogistic ? 0.3 : 0.25;
  }
  if (random.below(2) == 0) {
    std::vector<uint32_t> in;
    std::vector<uint32_t> out;
    const uint32_t fold = random.below(3);
    for (uint32_t row = 0; row < shape.rows; ++row) (row * 7919u % 3 == fold ? out : in).push_back(row);
    if (!in.empty() && !out.empty() && (table.weight.empty() || shape.weights == 1)) {
      job.rows = listed(std::move(in));
      job.evals = {listed(std::move(out)), {0, shape.rows, nullptr}};
    }
  }
  return job;
}

void one_model_is_the_same(int classes) {
  TableShape shape;
  shape.classes = classes;
  const Table table = make_table(shape, 1);
  compare(table.view, {plain_job(shape, 5)});
}

void batches_of_different_jobs_are_the_same(int classes, int weights, size_t jobs, uint64_t seed, bool categories = true) {
  Random random(seed);
  TableShape shape;
  shape.categories = categories;
  shape.classes = classes;
  shape.weights = weights;
  shape.rows = 200 + random.below(400);
  shape.features = 1 + static_cast<int>(random.below(20));
  const Table table = make_table(shape, seed);
  std::vector<JobSpec> specs;
  for (size_t j = 0; j < jobs; ++j) specs.push_back(random_job(table, shape, random));
  // All nodes with histograms, small ones without, and nearly all without.
  const uint32_t direct_rows[] = {0, 30, 512};
  compare(table.view, specs, {{1, 2}, 0, 2, direct_rows[seed % 3]});
}

void tables_of_any_size_are_the_same() {
  for (const size_t rows : {1u, 2u, 3u, 31u, 32u, 33u, 257u, 5000u}) {
    TableShape shape;
    shape.rows = rows;
    shape.classes = rows % 2 == 0 ? 2 : 0;
    shape.features = 3;
    const Table table = make_table(shape, rows);
    JobSpec job = plain_job(shape, 1);
    job.rows = {0, rows, nullptr};
    job.evals = {{0, rows, nullptr}, {rows / 2, rows / 2, nullptr}};
    job.params.min_child_weight = 0;
    compare(table.view, {job});
  }
  for (const int features : {1, 31, 33, 500}) {
    TableShape shape;
    shape.rows = 150;
    shape.classes = 2;
    shape.features = features;
    shape.max_bins = 255;
    const Table table = make_table(shape, 3);
    JobSpec job = plain_job(shape, 1);
    job.params.colsample_bynode = 0.5;
    compare(table.view, {job, plain_job(shape, 2)}, {{1}});
  }
}

void deep_trees_are_the_same() {
  TableShape shape;
  shape.rows = 2500;
  shape.features = 5;
  shape.max_bins = 255;
  for (const int classes : {2, 0}) {
    shape.classes = classes;
    shape.categories = classes == 0;
    const Table table = make_table(shape, 8);
    std::vector<JobSpec> jobs;
    for (const int depth : {10, 3, 14}) {
      jobs.push_back(plain_job(shape, 1));
      jobs.back().params.max_depth = depth;
      jobs.back().params.min_child_weight = 0;
      jobs.back().params.reg_lambda = 0.01;
    }
    for (const uint32_t direct_rows : {0u, 512u}) compare(table.view, jobs, {{2}, 0, 0, direct_rows});
  }
}

/** Hessians of 2^17 rows with at most 2^14 units each, and of 2^8 rows with 2^24. */
void sums_beyond_32_bits_are_the_same() {
  TableShape shape;
  shape.rows = 400000;
  shape.features = 2;
  shape.max_bins = 6;
  for (const int classes : {2, 0}) {
    shape.classes = classes;
    const Table table = make_table(shape, 4);
    JobSpec job = plain_job(shape, 1);
    job.params.max_depth = 2;
    job.params.reg_lambda = 0;
    compare(table.view, {job}, {{1}});
  }
}

/** Steps that overshoot threefold double the errors from round to round: gradients then need a shift. */
void growing_errors_are_the_same() {
  TableShape shape;
  shape.weights = 1;
  for (const float scale : {1e-20f, 1.0f, 1e20f}) {
    shape.label_scale = scale;
    const Table table = make_table(shape, 2);
    JobSpec job = plain_job(shape, 1);
    job.params.learning_rate = 3;
    job.params.subsample = 0.9;
    compare(table.view, {job}, {{6}});
  }
}

void constant_and_hopeless_data_are_the_same() {
  TableShape shape;
  shape.rows = 60;
  shape.classes = 2;
  Table table = make_table(shape, 2);
  std::fill(table.label.begin(), table.label.end(), 1.0f);
  JobSpec one_class = plain_job(shape, 1);
  JobSpec few = plain_job(shape, 1);
  few.params.subsample = 1e-9;
  JobSpec heavy = plain_job(shape, 1);
  heavy.params.min_child_weight = 1e9;
  compare(table.view, {one_class, few, heavy});
}

void little_memory_changes_no_bit() {
  TableShape shape;
  shape.rows = 700;
  shape.features = 12;
  shape.classes = 2;
  const Table table = make_table(shape, 6);
  Random random(6);
  std::vector<JobSpec> several;
  for (int j = 0; j < 6; ++j) several.push_back(random_job(table, shape, random));
  JobSpec deep = plain_job(shape, 1);
  deep.params.max_depth = 8;
  deep.params.colsample_bynode = 0.6;
  deep.params.min_child_weight = 0;
  size_t most_turns = 0;
  size_t smallest = size_t{1} << 26;
  for (size_t limit = size_t{1} << 24; ; limit = limit * 3 / 4) {
    try {
      most_turns = std::max(most_turns, compare(table.view, several, {{1, 2}, limit, 0}));
      for (const uint32_t direct_rows : {0u, 100u}) compare(table.view, {deep}, {{1, 1}, limit, 0, direct_rows});
      smallest = limit;
    } catch (const cuda::DeviceMemoryError&) {
      break;
    }
  }
  CHECK(most_turns > 1);
  // What the deep model's levels need when they are not cut into portions.
  size_t cells = 0;
  for (const int bins : table.view.feature_bins) cells += static_cast<size_t>(bins) + 1;
  CHECK(smallest < cells * 16 * 128);
}

void stopped_jobs_leave_the_others_alone() {
  TableShape shape;
  shape.classes = 3;
  const Table table = make_table(shape, 5);
  std::vector<JobSpec> jobs;
  for (uint64_t seed = 0; seed < 3; ++seed) jobs.push_back(plain_job(shape, seed));
  const HistogramLayout layout(table.view);
  ThreadPool pool(1);
  Batch expected(table.view, layout, kernels_named(""), jobs);
  expected.advance({0, 1, 2}, 4, pool, CancelFlag());
  cuda::CudaBatch batch(std::make_shared<cuda::CudaDataset>(table.view), jobs);
  batch.advance({0, 1, 2}, 2, CancelFlag());
  batch.advance({2, 0}, 1, CancelFlag());
  CHECK(batch.advance({0}, 1, CancelFlag())[0].first_round == 4);
  batch.advance({2}, 1, CancelFlag());
  batch.advance({1}, 2, CancelFlag());
  for (size_t job = 0; job < 3; ++job) CHECK(same_trees(batch.ensemble(job), expected.ensemble(job)));
}

void a_cancelled_call_keeps_whole_rounds() {
  TableShape shape;
  shape.classes = 2;
  const Table table = make_table(shape, 5);
  const JobSpec job = plain_job(shape, 1);
  cuda::CudaBatch batch(std::make_shared<cuda::CudaDataset>(table.view), {job}, {3});
  int32_t flag = 1;
  CHECK(batch.advance({0}, 5, CancelFlag(&flag))[0].rounds == 0);
  flag = 0;
  std::thread canceller([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
    std::atomic_ref<int32_t>(flag).store(1);
  });
  const size_t finished = batch.advance({0}, 100000, CancelFlag(&flag))[0].rounds;
  canceller.join();
  CHECK(finished < 100000 && finished % 3 == 0 && batch.ensemble(0).trees.size() == finished);
  CHECK(batch.advance({0}, 1, CancelFlag())[0].first_round == finished + 1);
  const HistogramLayout layout(table.view);
  ThreadPool pool(1);
  Batch expected(table.view, layout, kernels_named(""), {job});
  expected.advance({0}, finished + 1, pool, CancelFlag());
  CHECK(same_trees(batch.ensemble(0), expected.ensemble(0)));
}

void bad_jobs_are_refused() {
  TableShape shape;
  shape.classes = 2;
  const Table table = make_table(shape, 5);
  const auto dataset = std::make_shared<cuda::CudaDataset>(table.view);
  const auto refused = [&](const JobSpec& job) {
    try {
      cuda::CudaBatch(dataset, {plain_job(shape, 1), job});
    } catch (const std::invalid_argument&) {
      return true;
    }
    return false;
  };
  CHECK(!refused(plain_job(shape, 1)));
  JobSpec job = plain_job(shape, 1);
  job.rows = {3, 3, nullptr};
  CHECK(refused(job));
  job = plain_job(shape, 1);
  job.metrics = {Metric::kRmse};
  CHECK(refused(job));
  job = plain_job(shape, 1);
  job.params.monotone_constraints = {1};
  CHECK(refused(job));
  try {
    cuda::CudaDataset(table.view, {1000});
    CHECK(false);
  } catch (const cuda::DeviceMemoryError&) {
  }
}

#ifndef LOCKSTEP_CUDA_EMULATION

/** Sizes that fill a device. */
void large_tables_and_batches_are_the_same() {
  TableShape shape;
  shape.rows = 1000000;
  shape.features = 28;
  shape.max_bins = 255;
  for (const int classes : {2, 0}) {
    shape.classes = classes;
    const Table table = make_table(shape, 1);
    JobSpec job = plain_job(shape, 1);
    job.params.max_depth = 8;
    compare(table.view, {job}, {{5}});
  }
  shape.rows = 7000;
  shape.classes = 2;
  for (const bool categories : {true, false}) {
    shape.categories = categories;
    const Table table = make_table(shape, 2);
    Random random(2);
    std::vector<JobSpec> jobs;
    for (int j = 0; j < 200; ++j) jobs.push_back(random_job(table, shape, random));
    for (const uint32_t direct_rows : {0u, 512u}) compare(table.view, jobs, {{4, 6}, 0, 0, direct_rows});
  }
}

#endif

#ifdef LOCKSTEP_CUDA_EMULATION

/** Whichever call of the device fails, the error says so and no memory stays behind. */
void a_failing_device_is_reported() {
  TableShape shape;
  shape.rows = 50;
  shape.classes = 2;
  const Table table = make_table(shape, 5);
  const JobSpec job = plain_job(shape, 1);
  const size_t before = emulation::allocated_bytes();
  bool finished = false;
  for (uint64_t call = 1; !finished; ++call) {
    emulation::fail_from_call(call);
    try {
      cuda::CudaBatch batch(std::make_shared<cuda::CudaDataset>(table.view), {job});
      batch.advance({0}, 1, CancelFlag());
      finished = true;
    } catch (const cuda::DeviceError& error) {
      CHECK(std::strstr(error.what(), "nvidia-smi") != nullptr);
    }
    emulation::fail_from_call(0);
    CHECK(emulation::allocated_bytes() == before);
  }
}

#endif

}  // namespace

void test_cuda() {
#if defined(__SANITIZE_THREAD__)
  // The emulation is one thread, whose stacks the thread sanitizer would take for several.
  std::puts("cuda: not run under the thread sanitizer");
  return;
#endif
  for (const int classes : {2, 0, 3}) one_model_is_the_same(classes);
  tables_of_any_size_are_the_same();
  deep_trees_are_the_same();
  sums_beyond_32_bits_are_the_same();
  growing_errors_are_the_same();
  constant_and_hopeless_data_are_the_same();
  little_memory_changes_no_bit();
  stopped_jobs_leave_the_others_alone();
  a_cancelled_call_keeps_whole_rounds();
  bad_jobs_are_refused();
  for (const int classes : {2, 0, 3, 7}) {
    for (const int weights : {0, 1, 2}) {
      batches_of_different_jobs_are_the_same(classes, weights, 7, static_cast<uint64_t>(classes * 3 + weights));
    }
  }
  // Without categories a warp searches all features of a node of few rows.
  for (const int classes : {2, 0, 3}) {
    for (const uint64_t seed : {11, 12, 13}) batches_of_different_jobs_are_the_same(classes, static_cast<int>(seed % 3), 9, seed, false);
  }
  batches_of_different_jobs_are_the_same(2, 1, 64, 99);
  batches_of_different_jobs_are_the_same(40, 0, 2, 77);
#ifdef LOCKSTEP_CUDA_EMULATION
  for (const uint64_t order : {2, 3}) {
    emulation::set_seed(order);
    for (const int classes : {2, 0, 4}) batches_of_different_jobs_are_the_same(classes, 1, 5, order);
  }
  a_failing_device_is_reported();
#else
  large_tables_and_batches_are_the_same();
#endif
}
