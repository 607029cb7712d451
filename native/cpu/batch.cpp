#include "cpu/batch.h"

#include <algorithm>
#include <iterator>
#include <stdexcept>
#include <utility>

#include "core/sampling.h"

namespace lockstep {
namespace {

constexpr size_t kGrain = 16384;

/** Values of the listed rows, `width` each, in the order of the row set. */
template <class T>
std::vector<T> gather(const std::vector<T>& values, const RowSet& rows, size_t width = 1) {
  std::vector<T> result(rows.size() * width);
  for (size_t i = 0; i < rows.size(); ++i) {
    std::copy_n(values.begin() + static_cast<ptrdiff_t>(rows[i] * width), width,
                result.begin() + static_cast<ptrdiff_t>(i * width));
  }
  return result;
}

}  // namespace

/** A scored row set; arrays are in its own order. */
struct Job::EvalSet {
  RowSet rows;
  ScaledWeights weights;
  std::vector<uint8_t> label;
  std::vector<int32_t> target;
  std::vector<float> raw;
};

Job::Job(const DatasetView& data, const HistogramLayout& layout, JobSpec spec)
    : data_(data),
      spec_(std::move(spec)),
      scale_(scale_job(data, spec_)),
      grower_(data, layout),
      classes_(static_cast<size_t>(trees_per_round(spec_.params))) {
  ensemble_.margin_bits = scale_.margin_bits;
  ensemble_.classes = static_cast<int>(classes_);
  ensemble_.base_margins = scale_.base_margins;
  ensemble_.base_value = scale_.base_value;
  for (size_t row = 0; row < data.rows; ++row) {
    margins_.insert(margins_.end(), scale_.base_margins.begin(), scale_.base_margins.end());
  }
  gradients_.assign(classes_, std::vector<GradientPair>(data.rows));
  leaves_.assign(classes_, std::vector<int32_t>(data.rows));
  order_.reserve(spec_.rows.size());

  std::vector<bool> followed(data.rows, false);
  for (size_t i = 0; i < spec_.rows.size(); ++i) followed[spec_.rows[i]] = true;
  for (RowSet& rows : spec_.evals) {
    auto eval = std::make_shared<EvalSet>();
    eval->weights = scale_weights(data, rows);
    for (size_t i = 0; i < rows.size(); ++i) {
      eval->raw.push_back(data.label[rows[i]]);
      if (!followed[rows[i]]) {
        followed[rows[i]] = true;
        outside_.push_back(static_cast<uint32_t>(rows[i]));
      }
    }
    if (!scale_.label.empty()) eval->label = gather(scale_.label, rows);
    if (!scale_.target.empty()) eval->target = gather(scale_.target, rows);
    eval->rows = std::move(rows);
    evals_.push_back(std::move(eval));
  }
  spec_.evals.clear();
  for (size_t row = 0; row < data.rows; ++row) {
    if (followed[row]) followed_.push_back(static_cast<uint32_t>(row));
  }
}

void Job::select_rows(uint32_t round, uint32_t class_index) {
  const PhiloxKey key = philox_key(spec_.seed);
  const uint64_t threshold = subsample_threshold(spec_.params.subsample);
  const bool all = spec_.params.subsample >= 1;
  order_.clear();
  unsampled_.clear();
  for (size_t i = 0; i < spec_.rows.size(); ++i) {
    const auto row = static_cast<uint32_t>(spec_.rows[i]);
    const bool sampled = all || random_row_word(key, row, round, Purpose::kSubsample, class_index) < threshold;
    (sampled ? order_ : unsampled_).push_back(row);
  }
}

/** The leaf of every followed row in the tree grown last. */
void Job::collect_leaves(const Tree& tree, std::vector<int32_t>& leaves, const Executor& executor) const {
  for (size_t id = 0; id < tree.nodes.size(); ++id) {
    if (tree.nodes[id].feature >= 0) continue;
    const RowRange rows = grower_.node_rows()[id];
    for (size_t i = rows.begin; i < rows.end; ++i) leaves[order_[i]] = tree.nodes[id].leaf;
  }
  for (const auto* rows : {&unsampled_, &outside_}) {
    executor.parallel_ranges(rows->size(), kGrain, [&](size_t begin, size_t end) {
      for (size_t i = begin; i < end; ++i) {
        const size_t row = (*rows)[i];
        leaves[row] = tree.route(data_.bins + row * data_.stride).leaf;
      }
    });
  }
}

RoundScores Job::advance(size_t index, const Executor& executor, const CancelFlag& cancel) {
  cancel.check();
  const auto round = static_cast<uint32_t>(ensemble_.trees.size() / classes_);
  const int gradient_unit = compute_gradients(spec_, scale_, round, margins_, gradients_, executor);
  const ScoreParams score = score_params(spec_.params, scale_, gradient_unit);
  std::vector<Tree> trees;
  for (size_t c = 0; c < classes_; ++c) {
    const auto class_index = static_cast<uint32_t>(c);
    select_rows(round, class_index);
    trees.push_back(grower_.grow(spec_.params, score, philox_key(spec_.seed), round, class_index, gradients_[c], order_,
                                 executor, cancel));
    collect_leaves(trees.back(), leaves_[c], executor);
  }

  // From here on the round counts: nothing below may throw Cancelled.
  executor.parallel_ranges(followed_.size(), kGrain, [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) {
      const size_t row = followed_[i];
      for (size_t c = 0; c < classes_; ++c) {
        int32_t& margin = margins_[row * classes_ + c];
        margin = add_leaf(margin, leaves_[c][row]);
      }
    }
  });
  std::move(trees.begin(), trees.end(), std::back_inserter(ensemble_.trees));
  return {index, round + size_t{1}, score_evals()};
}

std::vector<double> Job::score_evals() {
  std::vector<double> values;
  if (spec_.metrics.empty()) return values;
  for (const auto& eval : evals_) {
    const std::vector<int32_t> margins = gather(margins_, eval->rows, classes_);
    const uint32_t* weight = eval->weights.values.empty() ? nullptr : eval->weights.values.data();
    const size_t rows = eval->rows.size();
    const size_t first = values.size();
    values.resize(first + spec_.metrics.size());
    const Metric* metrics = spec_.metrics.data();
    double* out = values.data() + first;
    switch (spec_.params.objective) {
      case Objective::kLogistic:
        evaluate(metrics, spec_.metrics.size(), BinaryView{margins.data(), eval->label.data(), weight, rows}, scratch_,
                 out);
        break;
      case Objective::kSoftmax:
        evaluate(metrics, spec_.metrics.size(),
                 MulticlassView{margins.data(), eval->label.data(), weight, rows, spec_.params.num_class}, scratch_,
                 out);
        break;
      case Objective::kSquaredError:
        evaluate(metrics, spec_.metrics.size(),
                 RegressionView{margins.data(), eval->target.data(), eval->raw.data(), weight, rows,
                                scale_.margin_bits},
                 out);
        break;
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
