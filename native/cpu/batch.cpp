#include "cpu/batch.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <stdexcept>
#include <utility>

#include "cpu/gradients.h"

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

/** A scored row set. Arrays are in its own order, and empty where the row set is a range: then the data's own serve. */
struct Job::EvalSet {
  RowSet rows;
  ScaledWeights weights;
  std::vector<int32_t> margins;
  std::vector<uint8_t> positive;
  std::vector<int32_t> target;
  std::vector<float> label;
};

Job::Job(const DatasetView& data, const HistogramLayout& layout, const Kernels& kernels, JobSpec spec)
    : data_(data),
      kernels_(kernels),
      spec_(std::move(spec)),
      scale_(scale_job(data, spec_)),
      grower_(data, layout, kernels),
      margins_(data.rows),
      gradients_(data.rows) {
  ensemble_.margin_bits = scale_.margin_bits;
  ensemble_.base_margin = scale_.base_margin;
  ensemble_.base_value = scale_.base_value;
  std::fill_n(margins_.data(), data.rows, scale_.base_margin);

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
      eval->margins.resize(rows.size());
      for (size_t i = 0; i < rows.size(); ++i) eval->label.push_back(data.label[rows[i]]);
      if (!scale_.positive.empty()) eval->positive = gather(scale_.positive, rows);
      if (!scale_.target.empty()) eval->target = gather(scale_.target, rows);
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
         spec_.params.colsample_bytree * spec_.params.max_depth;
}

/** Sets rows_: the rows of the tree, and behind them those that are only taken along. */
void Job::select_rows(uint32_t round, const Executor& executor) {
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
    const PhiloxKey key = philox_key(spec_.seed);
    const auto threshold = static_cast<uint64_t>(std::rint(spec_.params.subsample * 0x1p32));
    const size_t first = rows[0] / 64;
    const size_t last = rows[count - 1] / 64 + 1;
    executor.parallel_ranges(last - first, kGrain / 64, [&](size_t begin, size_t end) {
      kernels_.sample_rows(key, round, threshold, first + begin, first + end, sampled_.data());
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

void Job::add_leaves(const Executor& executor) {
  const std::vector<LeafRows>& leaves = grower_.leaves();
  executor.parallel_for(leaves.size(), [&](size_t l, size_t) {
    const LeafRows& leaf = leaves[l];
    for (const RowRange& range : {leaf.trained, leaf.passengers}) {
      for (size_t i = range.begin; i < range.end; ++i) {
        int32_t& margin = margins_[rows_.rows[i]];
        margin = add_leaf(margin, leaf.leaf);
      }
    }
  });
}

RoundScores Job::advance(size_t index, const Executor& executor, const CancelFlag& cancel) {
  cancel.check();
  const auto round = static_cast<uint32_t>(ensemble_.trees.size());
  const int gradient_unit =
      compute_gradients(spec_, scale_, round, margins_.data(), gradients_.data(), kernels_, executor);
  select_rows(round, executor);
  const ScoreParams score = score_params(spec_.params, scale_, gradient_unit);
  Tree tree = grower_.grow(spec_.params, score, philox_key(spec_.seed), round, gradients_.data(),
                           gradient_packing(spec_, scale_), rows_, executor, cancel);
  // From here on the round counts: nothing below may throw Cancelled.
  add_leaves(executor);
  ensemble_.trees.push_back(std::move(tree));
  return {index, ensemble_.trees.size(), score_evals()};
}

std::vector<double> Job::score_evals() {
  std::vector<double> values;
  if (spec_.metrics.empty()) return values;
  for (const auto& eval : evals_) {
    const RowSet& rows = eval->rows;
    const size_t start = rows.listed ? 0 : rows.start;
    if (rows.listed) {
      for (size_t i = 0; i < rows.size(); ++i) eval->margins[i] = margins_[rows[i]];
    }
    const int32_t* margins = rows.listed ? eval->margins.data() : margins_.data() + start;
    const uint32_t* weight = eval->weights.values.empty() ? nullptr : eval->weights.values.data();
    const size_t first = values.size();
    values.resize(first + spec_.metrics.size());
    if (spec_.params.objective == Objective::kLogistic) {
      const uint8_t* positive = rows.listed ? eval->positive.data() : scale_.positive.data() + start;
      const BinaryView view{margins, positive, weight, rows.size()};
      evaluate(spec_.metrics.data(), spec_.metrics.size(), view, scratch_, values.data() + first);
    } else {
      const int32_t* target = rows.listed ? eval->target.data() : scale_.target.data() + start;
      const float* label = rows.listed ? eval->label.data() : data_.label + start;
      const RegressionView view{margins, target, label, weight, rows.size(), scale_.margin_bits};
      evaluate(spec_.metrics.data(), spec_.metrics.size(), view, values.data() + first);
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
