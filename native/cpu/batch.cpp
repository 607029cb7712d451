#include "cpu/batch.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <iterator>
#include <numeric>
#include <stdexcept>
#include <utility>

#include "core/sampling.h"
#include "cpu/gradients.h"

namespace lockstep {
namespace {

constexpr size_t kGrain = 16384;

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

Job::Job(const DatasetView& data, const HistogramLayout& layout, const Kernels& kernels, JobSpec spec)
    : data_(data),
      kernels_(kernels),
      spec_(std::move(spec)),
      scale_(scale_job(data, spec_)),
      grower_(data, layout, kernels),
      classes_(static_cast<size_t>(trees_per_round(spec_.params))),
      margins_(data.rows * classes_),
      gradients_(data.rows * classes_),
      leaves_(classes_ > 1 ? data.rows * classes_ : 0) {
  ensemble_.margin_bits = scale_.margin_bits;
  ensemble_.classes = static_cast<int>(classes_);
  ensemble_.base_margins = scale_.base_margins;
  ensemble_.base_value = scale_.base_value;
  for (size_t row = 0; row < data.rows; ++row) {
    std::copy(scale_.base_margins.begin(), scale_.base_margins.end(), margins_.data() + row * classes_);
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
    if (rows.listed) {
      gather(data.label, rows, 1, eval->raw);
      if (!scale_.label.empty()) gather(scale_.label.data(), rows, 1, eval->label);
      if (!scale_.target.empty()) gather(scale_.target.data(), rows, 1, eval->target);
    }
    eval->rows = std::move(rows);
    evals_.push_back(std::move(eval));
  }
  spec_.evals.clear();
  rows_.reserve(spec_.rows.size() + outside_.size());
  if (spec_.params.subsample < 1) sampled_.resize((data.rows + 63) / 64);
}

double Job::cost() const {
  return static_cast<double>(spec_.rows.size()) * spec_.params.subsample * data_.features *
         spec_.params.colsample_bytree * spec_.params.max_depth * static_cast<double>(classes_);
}

/** Sets rows_: the rows of the tree, and behind them those that are only taken along. */
void Job::select_rows(uint32_t round, uint32_t class_index, const Executor& executor) {
  const RowSet& rows = spec_.rows;
  uint32_t* trained = rows_.rows.data();
  const size_t count = rows.size();
  if (sampled_.empty()) {
    if (rows.listed) {
      std::memcpy(trained, rows.list.data(), count * sizeof(uint32_t));
    } else {
      std::iota(trained, trained + count, static_cast<uint32_t>(rows.start));
    }
    rows_.trained = count;
  } else {
    const RowDraw draw{philox_key(spec_.seed), round, Purpose::kSubsample, class_index};
    const uint64_t threshold = subsample_threshold(spec_.params.subsample);
    const size_t first = rows[0] / 64;
    const size_t last = rows[count - 1] / 64 + 1;
    executor.parallel_ranges(last - first, kGrain / 64, [&](size_t begin, size_t end) {
      kernels_.sample_rows(draw, threshold, first + begin, first + end, sampled_.data());
    });
    uint32_t* left_out = rows_.scratch.data();
    size_t in = 0;
    for (size_t i = 0; i < count; ++i) {
      const auto row = static_cast<uint32_t>(rows[i]);
      trained[in] = row;
      left_out[i - in] = row;
      in += sampled_[row / 64] >> (row % 64) & 1u;
    }
    std::memcpy(trained + in, left_out, (count - in) * sizeof(uint32_t));
    rows_.trained = in;
  }
  std::copy(outside_.begin(), outside_.end(), trained + count);
  rows_.passengers = count - rows_.trained + outside_.size();
}

/** Calls write(row, leaf) for the rows of the tree grown last. */
template <class Write>
void Job::for_leaves(const Executor& executor, const Write& write) const {
  const std::vector<LeafRows>& leaves = grower_.leaves();
  executor.parallel_for(leaves.size(), [&](size_t l, size_t) {
    const LeafRows& leaf = leaves[l];
    for (const RowRange& range : {leaf.trained, leaf.passengers}) {
      for (size_t i = range.begin; i < range.end; ++i) write(rows_.rows[i], leaf.leaf);
    }
  });
}

/** Adds the leaves of a round of several classes, which were put aside until all its trees stood. */
void Job::add_leaves(const Executor& executor) {
  const size_t count = rows_.trained + rows_.passengers;
  executor.parallel_ranges(count, kGrain, [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) {
      const size_t row = rows_.rows[i];
      for (size_t c = 0; c < classes_; ++c) {
        int32_t& margin = margins_[row * classes_ + c];
        margin = add_leaf(margin, leaves_[c * data_.rows + row]);
      }
    }
  });
}

RoundScores Job::advance(size_t index, const Executor& executor, const CancelFlag& cancel) {
  cancel.check();
  const auto round = static_cast<uint32_t>(ensemble_.trees.size() / classes_);
  const int gradient_unit =
      compute_gradients(data_, spec_, scale_, round, margins_.data(), gradients_.data(), kernels_, executor);
  const ScoreParams score = score_params(spec_.params, scale_, gradient_unit);
  const Packing packing = gradient_packing(spec_, scale_);
  std::vector<Tree> trees;
  for (uint32_t c = 0; c < classes_; ++c) {
    select_rows(round, c, executor);
    trees.push_back(grower_.grow(spec_.params, score, {philox_key(spec_.seed), round, c},
                                 gradients_.data() + c * data_.rows, packing, rows_, executor, cancel));
    // With one class the round counts from here on: nothing below may throw Cancelled.
    if (classes_ == 1) {
      for_leaves(executor, [&](uint32_t row, int32_t leaf) { margins_[row] = add_leaf(margins_[row], leaf); });
    } else {
      for_leaves(executor, [&](uint32_t row, int32_t leaf) { leaves_[c * data_.rows + row] = leaf; });
    }
  }
  if (classes_ > 1) add_leaves(executor);
  std::move(trees.begin(), trees.end(), std::back_inserter(ensemble_.trees));
  return {index, round + size_t{1}, score_evals()};
}

std::vector<double> Job::score_evals() {
  std::vector<double> values;
  if (spec_.metrics.empty()) return values;
  for (const auto& eval : evals_) {
    const RowSet& rows = eval->rows;
    const bool listed = rows.listed;
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
        evaluate(metrics, spec_.metrics.size(), BinaryView{margins, label, weight, rows.size()}, scratch_, out);
        break;
      case Objective::kSoftmax:
        evaluate(metrics, spec_.metrics.size(),
                 MulticlassView{margins, label, weight, rows.size(), spec_.params.num_class}, scratch_, out);
        break;
      case Objective::kSquaredError:
        evaluate(metrics, spec_.metrics.size(),
                 RegressionView{margins, listed ? eval->target.data() : scale_.target.data() + start,
                                listed ? eval->raw.data() : data_.label + start, weight, rows.size(),
                                scale_.margin_bits},
                 out);
        break;
    }
  }
  return values;
}

Batch::Batch(const DatasetView& data, const HistogramLayout& layout, const Kernels& kernels, std::vector<JobSpec> specs) {
  for (JobSpec& spec : specs) jobs_.push_back(std::make_unique<Job>(data, layout, kernels, std::move(spec)));
}

std::vector<RoundScores> Batch::advance(size_t rounds, ThreadPool& pool, const CancelFlag& cancel) {
  std::vector<size_t> live;
  for (size_t j = 0; j < jobs_.size(); ++j) {
    if (!jobs_[j]->stopped) live.push_back(j);
  }
  std::vector<std::vector<RoundScores>> scores(jobs_.size());
  const auto train = [&](size_t job, const Executor& executor) {
    try {
      for (size_t r = 0; r < rounds; ++r) scores[job].push_back(jobs_[job]->advance(job, executor, cancel));
    } catch (const Cancelled&) {
      // The rounds before this one stand; the others' loops see the flag themselves.
    }
  };
  // Longest first. A job that would outlast all shorter ones spread over the threads is shared by all threads; the
  // others run whole, one a thread.
  std::stable_sort(live.begin(), live.end(), [&](size_t a, size_t b) { return jobs_[a]->cost() > jobs_[b]->cost(); });
  double rest = 0;
  for (const size_t job : live) rest += jobs_[job]->cost();
  size_t shared = 0;
  for (; shared < live.size(); ++shared) {
    const double cost = jobs_[live[shared]]->cost();
    if (cost * pool.threads() <= rest) break;
    rest -= cost;
  }
  for (size_t i = 0; i < shared; ++i) train(live[i], Executor(&pool));
  Executor(&pool).parallel_for(live.size() - shared, [&](size_t i, size_t) { train(live[shared + i], Executor()); });

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
  const auto classes = static_cast<size_t>(ensemble.classes);
  std::vector<int32_t> margins(rows.size() * classes);
  executor.parallel_ranges(rows.size(), kGrain, [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) {
      const uint8_t* codes = data.bins + rows[i] * data.stride;
      int32_t* of_row = margins.data() + i * classes;
      std::copy(ensemble.base_margins.begin(), ensemble.base_margins.end(), of_row);
      for (size_t t = 0; t < ensemble.trees.size(); ++t) {
        int32_t& margin = of_row[t % classes];
        margin = add_leaf(margin, ensemble.trees[t].route(codes).leaf);
      }
    }
  });
  return margins;
}

}  // namespace lockstep
