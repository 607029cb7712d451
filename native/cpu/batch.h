// A batch of models training together on one data set: the native side of TrainingBatch (src/engine/engine.ts).
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "cpu/aligned.h"
#include "cpu/data.h"
#include "cpu/grow.h"
#include "cpu/kernels.h"
#include "cpu/pool.h"
#include "cpu/scale.h"

namespace lockstep {

/** Scores of one job after one round, in the order evals × metrics. */
struct RoundScores {
  size_t job;
  size_t round;
  std::vector<double> values;
};

/** One model under training. */
class Job {
 public:
  /** data, layout and kernels are borrowed. */
  Job(const DatasetView& data, const HistogramLayout& layout, const Kernels& kernels, JobSpec spec);

  /** Trains one more round, a tree for each class. Throws Cancelled and is then as it was before. */
  RoundScores advance(size_t index, const Executor& executor, const CancelFlag& cancel);

  /** Estimated work of a round, in updates of histogram cells. */
  double cost() const;

  const Ensemble& ensemble() const { return ensemble_; }
  bool stopped = false;

 private:
  struct EvalSet;
  void select_rows(uint32_t round, uint32_t class_index, const Executor& executor);
  template <class Write>
  void for_leaves(const Executor& executor, const Write& write) const;
  void add_leaves(const Executor& executor);
  std::vector<double> score_evals();

  const DatasetView& data_;
  const Kernels& kernels_;
  JobSpec spec_;
  JobScale scale_;
  TreeGrower grower_;
  Ensemble ensemble_;
  size_t classes_;                           // trees of a round
  AlignedBuffer<int32_t> margins_;           // (data.rows, classes)
  AlignedBuffer<int64_t> gradients_;         // (classes, data.rows), packed
  AlignedBuffer<int32_t> leaves_;            // (classes, data.rows), of the round under way; none for one class
  TreeRows rows_;
  std::vector<uint64_t> sampled_;            // a bit a row of the data, where there is subsampling
  std::vector<uint32_t> outside_;            // rows of eval sets that are not training rows
  std::vector<std::shared_ptr<EvalSet>> evals_;
  MetricScratch scratch_;
};

class Batch {
 public:
  Batch(const DatasetView& data, const HistogramLayout& layout, const Kernels& kernels, std::vector<JobSpec> specs);

  /**
   * Trains every live job for up to `rounds` rounds; ends early, with what was finished, once `cancel` is set.
   * Results are ordered by round, then job.
   */
  std::vector<RoundScores> advance(size_t rounds, ThreadPool& pool, const CancelFlag& cancel);

  void stop(size_t job) { jobs_.at(job)->stopped = true; }
  const Ensemble& ensemble(size_t job) const { return jobs_.at(job)->ensemble(); }
  size_t jobs() const { return jobs_.size(); }

 private:
  std::vector<std::unique_ptr<Job>> jobs_;
};

/** Margins of `rows` after the given trees; (rows, classes). */
std::vector<int32_t> predict_margins(const DatasetView& data, const Ensemble& ensemble, const RowSet& rows,
                                     const Executor& executor);

}  // namespace lockstep
