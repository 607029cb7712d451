#include "cpu/batch.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <iterator>
#include <numeric>
#include <stdexcept>
#include <utility>

#include "core/sampling.h"
#include "cpu/gradients.h"
#include "cpu/predict.h"
#include "cpu/resume.h"
#include "cpu/turns.h"

namespace lockstep {
namespace {

constexpr size_t kGrain = 16384;
/** Rows whose codes are fetched ahead at a time. */
constexpr size_t kFetchedRows = 128;
/** What a job is expected to take before it has been measured. */
constexpr double kSecondsAnUpdate = 3e-10;

/** Values of the listed rows, `width` each, in the order of the row set. */
template <class T>
void gather(const T* values, const RowSet& rows, size_t width, std::vector<T>& result) {
  result.resize(rows.size() * width);
  for (size_t i = 0; i < rows.size(); ++i) std::copy_n(values + rows[i] * width, width, result.data() + i * width);
}

}  // namespace

/** A scored row set. Arrays are in its own order, and empty where the row set is a range: then the data's own serve. */
struct Job::EvalSet {
  RowSet rows;
  ScaledWeights weights;
  std::vector<int32_t> margins;
  std::vector<uint8_t> label;
  std::vector<int32_t> target;
  std::vector<float> raw;
};

std::unique_ptr<JobWorkspace> WorkspacePool::take() {
  {
    const std::lock_guard lock(mutex_);
    if (!free_.empty()) {
      std::unique_ptr<JobWorkspace> workspace = std::move(free_.back());
      free_.pop_back();
      return workspace;
    }
  }
  return std::make_unique<JobWorkspace>(data_, layout_, kernels_);
}

void WorkspacePool::give_back(std::unique_ptr<JobWorkspace> workspace) {
  const std::lock_guard lock(mutex_);
  free_.push_back(std::move(workspace));
}

Job::Job(const DatasetView& data, const Kernels& kernels, JobSpec spec)
    : data_(data),
      kernels_(kernels),
      spec_(std::move(spec)),
      scale_(scale_job(data, spec_)),
      classes_(static_cast<size_t>(trees_per_round(spec_.params))),
      margins_(data.rows * classes_) {
  ensemble_.margin_bits = scale_.margin_bits;
  ensemble_.classes = static_cast<int>(classes_);
  ensemble_.base_margins = scale_.base_margins;
  ensemble_.base_value = scale_.base_value;
  take_up_trees(data, spec_, ensemble_);
  spec_.resume.reset();
  if (ensemble_.trees.empty()) {
    for (size_t row = 0; row < data.rows; ++row) {
      std::copy(scale_.base_margins.begin(), scale_.base_margins.end(), margins_.data() + row * classes_);
    }
  } else {
    const std::vector<int32_t> before = predict_margins(data, ensemble_, {0, data.rows, nullptr}, kernels, Executor());
    std::copy(before.begin(), before.end(), margins_.data());
  }

  std::vector<bool> known(data.rows, false);
  for (size_t i = 0; i < spec_.rows.size(); ++i) known[spec_.rows[i]] = true;
  for (RowSet& rows : spec_.evals) {
    auto eval = std::make_shared<EvalSet>();
    eval->weights = scale_weights(data, rows);
    for (size_t i = 0; i < rows.size(); ++i) {
      if (known[rows[i]]) continue;
      known[rows[i]] = true;
      outside_.push_back(static_cast<uint32_t>(rows[i]));
    }
    if (rows.list != nullptr) {
      gather(data.label, rows, 1, eval->raw);
      if (!scale_.label.empty()) gather(scale_.label.data(), rows, 1, eval->label);
      if (!scale_.target.empty()) gather(scale_.target.data(), rows, 1, eval->target);
    }
    eval->rows = std::move(rows);
    evals_.push_back(std::move(eval));
  }
  spec_.evals.clear();
  if (spec_.params.subsample < 1) {
    members_.resize((data.rows + 63) / 64);
    for (size_t i = 0; i < spec_.rows.size(); ++i) members_[spec_.rows[i] / 64] |= uint64_t{1} << (spec_.rows[i] % 64);
  }
  first_row_ = spec_.rows[0];
  end_row_ = spec_.rows[spec_.rows.size() - 1] + 1;
  for (const size_t row : outside_) {
    first_row_ = std::min(first_row_, row);
    end_row_ = std::max(end_row_, row + 1);
  }
}

void Job::prepare(JobWorkspace& workspace) const {
  workspace.grower.begin_model();
  workspace.rows.reserve(spec_.rows.size() + outside_.size());
  workspace.gradients.reserve(data_.rows * classes_);
  if (classes_ > 1) workspace.leaves.reserve(data_.rows * classes_);
  if (spec_.params.subsample < 1) workspace.sampled.resize((data_.rows + 63) / 64);
}

double Job::cost() const {
  return static_cast<double>(spec_.rows.size()) * spec_.params.subsample * data_.features *
         spec_.params.colsample_bytree * spec_.params.max_depth * static_cast<double>(classes_);
}

/** Sets the workspace's rows: those of the tree, and behind them those that are only taken along. */
void Job::select_rows(JobWorkspace& workspace, uint32_t round, uint32_t class_index, const Executor& executor) const {
  const RowSet& rows = spec_.rows;
  TreeRows& chosen = workspace.rows;
  std::vector<uint64_t>& sampled = workspace.sampled;
  uint32_t* trained = chosen.rows.data();
  const size_t count = rows.size();
  if (spec_.params.subsample >= 1) {
    if (rows.list != nullptr) {
      std::memcpy(trained, rows.list->data(), count * sizeof(uint32_t));
    } else {
      std::iota(trained, trained + count, static_cast<uint32_t>(rows.start));
    }
    chosen.trained = count;
  } else {
    const RowDraw draw{philox_key(spec_.seed), round, Purpose::kSubsample, class_index};
    const uint64_t threshold = subsample_threshold(spec_.params.subsample);
    const size_t first = rows[0] / 64;
    const size_t last = rows[count - 1] / 64 + 1;
    executor.parallel_ranges(last - first, kGrain / 64, [&](size_t begin, size_t end) {
      kernels_.sample_rows(draw, threshold, first + begin, first + end, sampled.data());
    });
    uint32_t* left_out = chosen.scratch.data();
    const size_t in = kernels_.select_rows(members_.data(), sampled.data(), first, last, trained, left_out);
    std::memcpy(trained + in, left_out, (count - in) * sizeof(uint32_t));
    chosen.trained = in;
  }
  std::copy(outside_.begin(), outside_.end(), trained + count);
  chosen.passengers = count - chosen.trained + outside_.size();
}

namespace {

/** The leaves of the tree grown last, in the order of for_leaves, after a 0 for the rows that it has not seen. */
std::vector<int32_t> leaf_values(const JobWorkspace& workspace) {
  std::vector<int32_t> values{0};
  for (const LeafRows& leaves : workspace.grower.leaves()) {
    values.insert(values.end(), leaves.leaf, leaves.leaf + leaves.count());
  }
  return values;
}

/** Calls write(row, l) for the rows of the tree grown last; l is the place of the row's leaf among leaf_values. */
template <class Write>
void for_leaves(const DatasetView& data, const JobWorkspace& workspace, const Executor& executor, const Write& write) {
  struct Piece {
    const LeafRows* leaves;
    size_t first;  // place of the first leaf
    RowRange rows;
  };
  std::vector<Piece> pieces;
  size_t place = 1;
  for (const LeafRows& leaves : workspace.grower.leaves()) {
    for (const RowRange& range : {leaves.trained, leaves.passengers}) {
      for (size_t begin = range.begin; begin < range.end; begin += kGrain) {
        pieces.push_back({&leaves, place, {begin, std::min(range.end, begin + kGrain)}});
      }
    }
    place += leaves.count();
  }
  const uint32_t* const rows = workspace.rows.rows.data();
  const bool is_large = workspace.grower.is_large();
  executor.parallel_for(pieces.size(), [&](size_t p, size_t) {
    const Piece piece = pieces[p];
    if (piece.leaves->count() == 1) {
      for (size_t i = piece.rows.begin; i < piece.rows.end; ++i) write(rows[i], piece.first);
      return;
    }
    uint8_t table[kMaxCodes];
    const ColumnTest test = column_test(data, piece.leaves->split, table);
    for (size_t begin = piece.rows.begin; begin < piece.rows.end; begin += kFetchedRows) {
      const size_t end = std::min(piece.rows.end, begin + kFetchedRows);
      if (is_large) test.fetch(rows, end, std::min(piece.rows.end, end + kFetchedRows));
      for (size_t i = begin; i < end; ++i) write(rows[i], piece.first + (test.goes_left(rows[i]) ? 0 : 1));
    }
  });
}

}  // namespace

/** Adds the tree of a round of one class. */
void Job::add_tree(JobWorkspace& workspace, const Executor& executor) {
  const std::vector<int32_t> values = leaf_values(workspace);
  const size_t span = end_row_ - first_row_;
  const bool dense = workspace.rows.trained + workspace.rows.passengers >= span / 4;
  if (executor.threads() > 1 || !dense || values.size() > 256) {
    for_leaves(data_, workspace, executor,
               [&](size_t row, size_t leaf) { margins_[row] = add_leaf(margins_[row], values[leaf]); });
    return;
  }
  // Bytes are scattered, which lie close together, and the margins are taken in their own order. The memory of the
  // gradients is free by now.
  auto* const leaf_of = reinterpret_cast<uint8_t*>(workspace.gradients.data());
  std::memset(leaf_of + first_row_, 0, span);
  for_leaves(data_, workspace, executor,
             [leaf_of](size_t row, size_t leaf) { leaf_of[row] = static_cast<uint8_t>(leaf); });
  kernels_.add_leaves(values.data(), leaf_of + first_row_, span, margins_.data() + first_row_);
}

/** Adds the leaves of a round of several classes, which were put aside until all its trees stood. */
void Job::add_leaves(const JobWorkspace& workspace, const Executor& executor) {
  const TreeRows& rows = workspace.rows;
  const size_t count = rows.trained + rows.passengers;
  executor.parallel_ranges(count, kGrain, [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) {
      const size_t row = rows.rows[i];
      for (size_t c = 0; c < classes_; ++c) {
        int32_t& margin = margins_[row * classes_ + c];
        margin = add_leaf(margin, workspace.leaves[c * data_.rows + row]);
      }
    }
  });
}

void Job::advance(JobWorkspace& workspace, const Executor& executor, const CancelFlag& cancel,
                  std::vector<double>& scores) {
  cancel.check();
  const auto round = static_cast<uint32_t>(rounds());
  const int gradient_unit =
      compute_gradients(data_, spec_, scale_, round, margins_.data(), workspace.gradients.data(), kernels_, executor);
  const ScoreParams score = score_params(spec_.params, scale_, gradient_unit);
  const Packing packing = gradient_packing(spec_, scale_);
  std::vector<Tree> trees;
  for (uint32_t c = 0; c < classes_; ++c) {
    select_rows(workspace, round, c, executor);
    trees.push_back(workspace.grower.grow(spec_.params, score, {philox_key(spec_.seed), round, c},
                                          workspace.gradients.data() + c * data_.rows, packing, workspace.rows,
                                          executor, cancel));
    // With one class the round counts from here on: nothing below may throw Cancelled.
    if (classes_ == 1) {
      add_tree(workspace, executor);
      continue;
    }
    const std::vector<int32_t> values = leaf_values(workspace);
    for_leaves(data_, workspace, executor,
               [&](size_t row, size_t leaf) { workspace.leaves[c * data_.rows + row] = values[leaf]; });
  }
  if (classes_ > 1) add_leaves(workspace, executor);
  std::move(trees.begin(), trees.end(), std::back_inserter(ensemble_.trees));
  const size_t first = scores.size();
  score_evals(workspace, executor, scores);
  if (spec_.patience.rounds > 0) watch(scores[first + spec_.patience.value]);
}

/** As BestRound (src/boosting/boost.ts): while the best value is NaN, each round counts as the best. */
void Job::watch(double value) {
  ++watched_;
  const bool is_better = spec_.patience.maximize ? value > best_value_ : value < best_value_;
  if (!is_better && !std::isnan(best_value_)) return;
  best_round_ = watched_;
  best_value_ = value;
}

void Job::score_evals(JobWorkspace& workspace, const Executor& executor, std::vector<double>& values) {
  if (spec_.metrics.empty()) return;
  MetricScratch& scratch = workspace.scratch;
  scratch.executor = executor;
  scratch.kernels = &kernels_;
  // The tree is done with its rows, of which no evaluation set has more.
  scratch.lent[0] = workspace.rows.rows.data();
  scratch.lent[1] = workspace.rows.scratch.data();
  scratch.lent_size = spec_.rows.size() + outside_.size();
  for (const auto& eval : evals_) {
    const RowSet& rows = eval->rows;
    const bool listed = rows.list != nullptr;
    const size_t start = listed ? 0 : rows.start;
    if (listed) gather(margins_.data(), rows, classes_, eval->margins);
    const int32_t* margins = listed ? eval->margins.data() : margins_.data() + start * classes_;
    const uint8_t* label = listed ? eval->label.data() : scale_.label.data() + start;
    const uint32_t* weight = eval->weights.values.empty() ? nullptr : eval->weights.values.data();
    const size_t first = values.size();
    values.resize(first + spec_.metrics.size());
    const Metric* metrics = spec_.metrics.data();
    double* out = values.data() + first;
    switch (spec_.params.objective) {
      case Objective::kLogistic:
        evaluate(metrics, spec_.metrics.size(), BinaryView{margins, label, weight, rows.size()}, scratch, out);
        break;
      case Objective::kSoftmax:
        evaluate(metrics, spec_.metrics.size(),
                 MulticlassView{margins, label, weight, rows.size(), spec_.params.num_class}, scratch, out);
        break;
      case Objective::kSquaredError:
        evaluate(metrics, spec_.metrics.size(),
                 RegressionView{margins, listed ? eval->target.data() : scale_.target.data() + start,
                                listed ? eval->raw.data() : data_.label + start, weight, rows.size(),
                                scale_.margin_bits},
                 scratch, out);
        break;
    }
  }
}

Batch::Batch(const DatasetView& data, const HistogramLayout& layout, const Kernels& kernels, std::vector<JobSpec> specs,
             std::shared_ptr<WorkspacePool> workspaces)
    : workspaces_(workspaces != nullptr ? std::move(workspaces)
                                        : std::make_shared<WorkspacePool>(data, layout, kernels)) {
  for (JobSpec& spec : specs) jobs_.push_back(std::make_unique<Job>(data, kernels, std::move(spec)));
  for (const auto& job : jobs_) seconds_.push_back(job->cost() * kSecondsAnUpdate);
}

JobScores Batch::scores_of(size_t job) const { return {job, jobs_.at(job)->rounds() + 1, 0, {}}; }

/** Trains a job that the workspace is ready for; the rounds before one that is cancelled stand. */
void Batch::train(JobWorkspace& workspace, size_t rounds, const Executor& executor, const CancelFlag& cancel,
                  JobScores& scores) {
  Job& job = *jobs_[scores.job];
  try {
    for (const size_t end = scores.rounds + rounds; scores.rounds < end && !job.has_ended(); ++scores.rounds) {
      job.advance(workspace, executor, cancel, scores.values);
    }
  } catch (const Cancelled&) {
    // Nothing of the round under way is kept.
  }
}

JobScores Batch::advance_job(size_t job, size_t rounds, const Executor& executor, const CancelFlag& cancel) {
  JobScores scores = scores_of(job);
  std::unique_ptr<JobWorkspace> workspace = workspaces_->take();
  jobs_[job]->prepare(*workspace);
  train(*workspace, rounds, executor, cancel, scores);
  workspaces_->give_back(std::move(workspace));
  return scores;
}

std::vector<JobScores> Batch::advance_side_by_side(const std::vector<size_t>& jobs, size_t rounds, ThreadPool& pool,
                                                   const CancelFlag& cancel) {
  std::vector<JobScores> scores;
  std::vector<double> expected;
  for (const size_t job : jobs) {
    scores.push_back(scores_of(job));
    expected.push_back(seconds_[job]);
  }
  const size_t threads = std::min(jobs.size(), static_cast<size_t>(pool.threads()));
  TurnQueue turns(expected, rounds, threads);
  Executor(&pool).parallel_for(threads, [&](size_t, size_t) {
    using Clock = std::chrono::steady_clock;
    std::unique_ptr<JobWorkspace> workspace = workspaces_->take();
    Clock::time_point began = Clock::now();
    size_t last = jobs.size();
    try {
      for (Turn turn = turns.first(); turn.rounds > 0;) {
        const size_t job = jobs[turn.job];
        if (turn.job != last) jobs_[job]->prepare(*workspace);
        last = turn.job;
        train(*workspace, turn.rounds, Executor(), cancel, scores[turn.job]);
        if (cancel.is_set()) break;
        if (jobs_[job]->has_ended()) turns.drop(turn.job);
        const Clock::time_point now = Clock::now();
        const double spent = std::chrono::duration<double>(now - began).count();
        began = now;
        seconds_[job] = spent / static_cast<double>(turn.rounds);
        turn = turns.next(turn.job, seconds_[job]);
      }
    } catch (...) {
      turns.close();
      throw;
    }
    workspaces_->give_back(std::move(workspace));
  });
  return scores;
}

std::vector<JobScores> Batch::advance(const std::vector<size_t>& jobs, size_t rounds, ThreadPool& pool,
                                      const CancelFlag& cancel) {
  std::vector<double> costs;
  for (const auto& job : jobs_) costs.push_back(job->cost());
  const BatchPlan plan = plan_batch(jobs, costs, rounds, static_cast<size_t>(pool.threads()));
  std::vector<JobScores> scores(jobs_.size());
  for (const size_t job : plan.shared) scores[job] = advance_job(job, rounds, Executor(&pool), cancel);
  for (JobScores& of_job : advance_side_by_side(plan.whole, rounds, pool, cancel)) {
    scores[of_job.job] = std::move(of_job);
  }
  std::vector<JobScores> ordered;
  for (const size_t job : jobs) ordered.push_back(std::move(scores[job]));
  return ordered;
}

BatchPlan plan_batch(const std::vector<size_t>& jobs, const std::vector<double>& costs, size_t rounds, size_t threads) {
  std::vector<size_t> longest_first = jobs;
  std::stable_sort(longest_first.begin(), longest_first.end(), [&](size_t a, size_t b) { return costs[a] > costs[b]; });
  const auto shared_time = [&](size_t job) {
    return kSharingLoss * costs[job] / static_cast<double>(threads) + kSharingCost;
  };
  const auto whole_time = [&](size_t first) {
    if (first == longest_first.size()) return 0.0;
    double all = 0;
    // With few rounds jobs do not change threads: each further one goes to the thread that is free first.
    std::vector<double> busy(threads, 0);
    for (size_t i = first; i < longest_first.size(); ++i) {
      all += costs[longest_first[i]];
      *std::min_element(busy.begin(), busy.end()) += costs[longest_first[i]];
    }
    const double longest = costs[longest_first[first]];
    const double even = std::max(longest, all / static_cast<double>(threads)) + longest / static_cast<double>(rounds);
    return std::min(even, *std::max_element(busy.begin(), busy.end()));
  };
  size_t best = 0;
  double least = whole_time(0);
  double shared = 0;
  // More than a few shared jobs pay only where a few do: all threads are then busy with whole ones.
  for (size_t count = 1; count <= std::min(longest_first.size(), 2 * threads) && threads > 1; ++count) {
    shared += shared_time(longest_first[count - 1]);
    const double time = shared + whole_time(count);
    // What the estimate is good for.
    if (time < least * (best == 0 ? 15.0 / 16 : 1)) {
      least = time;
      best = count;
    }
  }
  const auto border = longest_first.begin() + static_cast<ptrdiff_t>(best);
  return {{longest_first.begin(), border}, {border, longest_first.end()}};
}

}  // namespace lockstep
