// A batch of models training together on one data set: the native side of TrainingBatch (src/engine/engine.ts).
#pragma once

#include <cstddef>
#include <limits>
#include <memory>
#include <mutex>
#include <vector>

#include "cpu/aligned.h"
#include "cpu/data.h"
#include "cpu/grow.h"
#include "cpu/kernels.h"
#include "cpu/metrics.h"
#include "cpu/pool.h"
#include "cpu/scale.h"

namespace lockstep {

/** Scores of one job after some rounds in a row, round by round in the order evals × metrics. */
struct JobScores {
  size_t job;
  size_t first_round;  // counting from 1
  size_t rounds;
  std::vector<double> values;
};

/** How a batch shares out its jobs among threads; both lists hold the longest jobs first. */
struct BatchPlan {
  std::vector<size_t> shared;  // one after the other, each by all threads
  std::vector<size_t> whole;   // side by side, each by one thread at a time
};

/**
 * The plan that takes least time for `rounds` ≥ 1 rounds of jobs of these costs (updates of histogram cells a round). A round of
 * cost c shared among n threads is taken to last as long as kSharingLoss·c/n + kSharingCost updates: docs/workers.md has the
 * measurements.
 */
BatchPlan plan_batch(const std::vector<size_t>& jobs, const std::vector<double>& costs, size_t rounds, size_t threads);

inline constexpr double kSharingLoss = 1.125;
inline constexpr double kSharingCost = 1e6;

/** What a job needs only while it trains. Nothing in it is kept from one job to the next but the memory. */
struct JobWorkspace {
  JobWorkspace(const DatasetView& data, const HistogramLayout& layout, const Kernels& kernels)
      : grower(data, layout, kernels) {}

  TreeGrower grower;
  TreeRows rows;
  AlignedBuffer<int64_t> gradients;  // (classes, data.rows), packed
  AlignedBuffer<int32_t> leaves;     // (classes, data.rows), of the round under way; none for one class
  std::vector<uint64_t> sampled;     // a bit a row of the data
  MetricScratch scratch;
};

/**
 * The workspaces of a data set: as many as jobs have ever trained at the same time, for all of its batches, so that a job
 * in waiting costs its margins alone, and batches that follow each other find their memory warm. For any number of threads.
 */
class WorkspacePool {
 public:
  /** Everything is borrowed. */
  WorkspacePool(const DatasetView& data, const HistogramLayout& layout, const Kernels& kernels)
      : data_(data), layout_(layout), kernels_(kernels) {}

  /** A workspace until `give_back`. */
  std::unique_ptr<JobWorkspace> take();
  void give_back(std::unique_ptr<JobWorkspace> workspace);

 private:
  const DatasetView& data_;
  const HistogramLayout& layout_;
  const Kernels& kernels_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<JobWorkspace>> free_;
};

/** One model under training. */
class Job {
 public:
  /** data and kernels are borrowed. */
  Job(const DatasetView& data, const Kernels& kernels, JobSpec spec);

  /** Makes a workspace, which another job may have had, ready for `advance`. */
  void prepare(JobWorkspace& workspace) const;

  /**
   * Trains one more round, a tree for each class, and appends its scores. Throws Cancelled and is then as it was before.
   */
  void advance(JobWorkspace& workspace, const Executor& executor, const CancelFlag& cancel, std::vector<double>& scores);

  /** Whether its patience has run out; it is not to be advanced any more then. */
  bool has_ended() const { return spec_.patience.rounds > 0 && watched_ - best_round_ >= spec_.patience.rounds; }

  /** Estimated work of a round, in updates of histogram cells. */
  double cost() const;

  const Ensemble& ensemble() const { return ensemble_; }
  size_t rounds() const { return ensemble_.trees.size() / classes_; }

 private:
  struct EvalSet;
  void select_rows(JobWorkspace& workspace, uint32_t round, uint32_t class_index, const Executor& executor) const;
  void add_tree(JobWorkspace& workspace, const Executor& executor);
  void add_leaves(const JobWorkspace& workspace, const Executor& executor);
  void score_evals(JobWorkspace& workspace, const Executor& executor, std::vector<double>& values);
  void watch(double value);

  const DatasetView& data_;
  const Kernels& kernels_;
  JobSpec spec_;
  JobScale scale_;
  Ensemble ensemble_;
  size_t classes_;                           // trees of a round
  AlignedBuffer<int32_t> margins_;           // (data.rows, classes)
  std::vector<uint32_t> outside_;            // rows of eval sets that are not training rows
  std::vector<uint64_t> members_;            // a bit a row of the data: the training rows; where they are sampled
  size_t first_row_ = 0;                     // rows that the job has to do with lie from here on
  size_t end_row_ = 0;                       // and before this one
  std::vector<std::shared_ptr<EvalSet>> evals_;
  size_t watched_ = 0;     // rounds whose value was looked at
  size_t best_round_ = 0;  // of these, counting from 1
  double best_value_ = std::numeric_limits<double>::quiet_NaN();
};

class Batch {
 public:
  /** data, layout and kernels are borrowed. Without a pool of the data set the batch has its own. */
  Batch(const DatasetView& data, const HistogramLayout& layout, const Kernels& kernels, std::vector<JobSpec> specs,
        std::shared_ptr<WorkspacePool> workspaces = nullptr);

  /**
   * Trains one job for up to `rounds` rounds; ends early, with what was finished, once `cancel` is set or its patience has
   * run out. Different jobs may be advanced at the same time.
   */
  JobScores advance_job(size_t job, size_t rounds, const Executor& executor, const CancelFlag& cancel);

  /**
   * The same for several jobs on a pool, each by one thread at a time: a thread that would stand idle takes over the rest of
   * another one's job. Results are in the order of `jobs`.
   */
  std::vector<JobScores> advance_side_by_side(const std::vector<size_t>& jobs, size_t rounds, ThreadPool& pool,
                                              const CancelFlag& cancel);

  /** The same for several jobs, some shared and the others side by side, as plan_batch says. */
  std::vector<JobScores> advance(const std::vector<size_t>& jobs, size_t rounds, ThreadPool& pool,
                                 const CancelFlag& cancel);

  double cost(size_t job) const { return jobs_.at(job)->cost(); }
  const Ensemble& ensemble(size_t job) const { return jobs_.at(job)->ensemble(); }
  size_t jobs() const { return jobs_.size(); }

 private:
  JobScores scores_of(size_t job) const;
  void train(JobWorkspace& workspace, size_t rounds, const Executor& executor, const CancelFlag& cancel,
             JobScores& scores);

  std::shared_ptr<WorkspacePool> workspaces_;
  std::vector<std::unique_ptr<Job>> jobs_;
  std::vector<double> seconds_;  // that the last round of a job took, or is expected to
};

}  // namespace lockstep
