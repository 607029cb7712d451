#include "cpu/batch.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "core/sampling.h"

namespace lockstep {
namespace {

constexpr size_t kGrain = 16384;

/** Values of the listed rows, in the order of the row set. */
template <class T>
std::vector<T> gather(const std::vector<T>& values, const RowSet& rows) {
  std::vector<T> result(rows.size());
  for (size_t i = 0; i < result.size(); ++i) result[i] = values[rows[i]];
  return result;
}

}  // namespace

/** A scored row set; arrays are in its own order. */
struct Job::EvalSet {
  RowSet rows;
  ScaledWeights weights;
  std::vector<int32_t> margins;
  std::vector<uint8_t> positive;
  std::vector<int32_t> target;
  std::vector<float> label;
};

Job::Job(const DatasetView& data, const HistogramLayout& layout, JobSpec spec)
    : data_(data), spec_(std::move(spec)), scale_(scale_job(data, spec_)), grower_(data, layout) {
  ensemble_.margin_bits = scale_.margin_bits;
  ensemble_.base_margin = scale_.base_margin;
  ensemble_.base_value = scale_.base_value;
  margins_.assign(data.rows, scale_.base_margin);
  gradients_.resize(data.rows);
  order_.reserve(spec_.rows.size());

  std::vector<bool> training(data.rows, false);
  for (size_t i = 0; i < spec_.rows.size(); ++i) training[spec_.rows[i]] = true;
  for (RowSet& rows : spec_.evals) {
    auto eval = std::make_shared<EvalSet>();
    eval->weights = scale_weights(data, rows);
    eval->margins.resize(rows.size());
    for (size_t i = 0; i < rows.size(); ++i) {
      eval->label.push_back(data.label[rows[i]]);
      if (!training[rows[i]]) {
        training[rows[i]] = true;
        outside_.push_back(static_cast<uint32_t>(rows[i]));
      }
    }
    if (!scale_.positive.empty()) eval->positive = gather(scale_.positive, rows);
    if (!scale_.target.empty()) eval->target = gather(scale_.target, rows);
    eval->rows = std::move(rows);
    evals_.push_back(std::move(eval));
  }
  spec_.evals.clear();
}

void Job::select_rows(uint32_t round) {
  const PhiloxKey key = philox_key(spec_.seed);
  const uint64_t threshold = subsample_threshold(spec_.params.subsample);
  const bool all = spec_.params.subsample >= 1;
  order_.clear();
  unsampled_.clear();
  for (size_t i = 0; i < spec_.rows.size(); ++i) {
    const auto row = static_cast<uint32_t>(spec_.rows[i]);
    const bool sampled = all || random_row_word(key, row, round, Purpose::kSubsample) < threshold;
    (sampled ? order_ : unsampled_).push_back(row);
  }
}

RoundScores Job::advance(size_t index, const Executor& executor, const CancelFlag& cancel) {
  cancel.check();
  const auto round = static_cast<uint32_t>(ensemble_.trees.size());
  const int gradient_unit = compute_gradients(spec_, scale_, round, margins_, gradients_, executor);
  select_rows(round);
  const ScoreParams score = score_params(spec_.params, scale_, gradient_unit);
  Tree tree = grower_.grow(spec_.params, score, philox_key(spec_.seed), round, 0, gradients_, order_, executor, cancel);

  // From here on the round counts: nothing below may throw Cancelled.
  for (size_t id = 0; id < tree.nodes.size(); ++id) {
    if (tree.nodes[id].feature >= 0) continue;
    const RowRange rows = grower_.node_rows()[id];
    for (size_t i = rows.begin; i < rows.end; ++i) {
      int32_t& margin = margins_[order_[i]];
      margin = add_leaf(margin, tree.nodes[id].leaf);
    }
  }
  for (const auto* rows : {&unsampled_, &outside_}) {
    executor.parallel_ranges(rows->size(), kGrain, [&](size_t begin, size_t end) {
      for (size_t i = begin; i < end; ++i) {
        const size_t row = (*rows)[i];
        margins_[row] = add_leaf(margins_[row], tree.route(data_.bins + row * data_.stride).leaf);
      }
    });
  }
  ensemble_.trees.push_back(std::move(tree));
  return {index, ensemble_.trees.size(), score_evals()};
}

std::vector<double> Job::score_evals() {
  std::vector<double> values;
  if (spec_.metrics.empty()) return values;
  for (const auto& eval : evals_) {
    for (size_t i = 0; i < eval->margins.size(); ++i) eval->margins[i] = margins_[eval->rows[i]];
    const uint32_t* weight = eval->weights.values.empty() ? nullptr : eval->weights.values.data();
    const size_t first = values.size();
    values.resize(first + spec_.metrics.size());
    if (spec_.params.objective == Objective::kLogistic) {
      const BinaryView view{eval->margins.data(), eval->positive.data(), weight, eval->margins.size()};
      evaluate(spec_.metrics.data(), spec_.metrics.size(), view, scratch_, values.data() + first);
    } else {
      const RegressionView view{eval->margins.data(), eval->target.data(),   eval->label.data(),
                                weight,               eval->margins.size(), scale_.margin_bits};
      evaluate(spec_.metrics.data(), spec_.metrics.size(), view, values.data() + first);
    }
  }
  return values;
}

Batch::Batch(const DatasetView& data, const HistogramLayout& layout, std::vector<JobSpec> specs) {
  for (JobSpec& spec : specs) jobs_.push_back(std::make_unique<Job>(data, layout, std::move(spec)));
}

std::vector<RoundScores> Batch::advance(size_t rounds, ThreadPool& pool, const CancelFlag& cancel) {
  std::vector<size_t> live;
  for (size_t j = 0; j < jobs_.size(); ++j) {
    if (!jobs_[j]->stopped) live.push_back(j);
  }
  std::vector<std::vector<RoundScores>> scores(live.size());
  const auto train = [&](size_t i, const Executor& executor) {
    try {
      for (size_t r = 0; r < rounds; ++r) scores[i].push_back(jobs_[live[i]]->advance(live[i], executor, cancel));
    } catch (const Cancelled&) {
      // The rounds before this one stand; the others' loops see the flag themselves.
    }
  };
  // Enough jobs for every thread: one job a thread. Fewer: the threads share each job in turn.
  if (live.size() >= static_cast<size_t>(pool.threads())) {
    Executor(&pool).parallel_for(live.size(), [&](size_t i) { train(i, Executor()); });
  } else {
    for (size_t i = 0; i < live.size(); ++i) train(i, Executor(&pool));
  }
  std::vector<RoundScores> ordered;
  for (size_t r = 0; r < rounds; ++r) {
    for (std::vector<RoundScores>& of_job : scores) {
      if (r < of_job.size()) ordered.push_back(std::move(of_job[r]));
    }
  }
  return ordered;
}

std::vector<int32_t> predict_margins(const DatasetView& data, const Ensemble& ensemble, const RowSet& rows,
                                     const Executor& executor) {
  std::vector<int32_t> margins(rows.size(), ensemble.base_margin);
  executor.parallel_ranges(rows.size(), kGrain, [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) {
      const uint8_t* codes = data.bins + rows[i] * data.stride;
      for (const Tree& tree : ensemble.trees) margins[i] = add_leaf(margins[i], tree.route(codes).leaf);
    }
  });
  return margins;
}

}  // namespace lockstep
