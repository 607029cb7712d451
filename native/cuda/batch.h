// A batch of models training together on the device: as native/cpu/batch.h, with the same bits.
#pragma once

#include <memory>
#include <vector>

#include "cpu/batch.h"
#include "cuda/dataset.h"

namespace lockstep::cuda {

struct BatchOptions {
  /** Rounds between two looks at the cancel flag at most; 0: as many as take about 50 ms. */
  size_t rounds_at_once = 0;
  /** Nodes of so many rows or fewer are searched without a histogram in memory; squared errors at most 127. */
  uint32_t direct_rows = 512;
  /** Rows that a block sums into a histogram before it hands the sums over, up to 65,535; 0: as suits the device. */
  uint32_t build_rows = 0;
};

/**
 * Models under training. All of a round's trees grow side by side in the same launches (docs/cuda-engine.md); jobs that the
 * device's memory does not hold together take turns. Not to be used by two threads at once.
 */
class CudaBatch {
 public:
  /**
   * Throws std::invalid_argument where a job cannot be trained, DeviceMemoryError where one does not fit the device, and
   * DeviceError where that fails.
   */
  CudaBatch(std::shared_ptr<const CudaDataset> dataset, std::vector<JobSpec> jobs, const BatchOptions& options = {});
  ~CudaBatch();
  CudaBatch(const CudaBatch&) = delete;
  CudaBatch& operator=(const CudaBatch&) = delete;

  /**
   * Trains the jobs, each named once, for up to `rounds` more rounds; results are in the order of `jobs`. Ends early, with the
   * rounds that were finished, once `cancel` is set. Throws DeviceError where the device fails; the batch is then lost.
   */
  std::vector<JobScores> advance(const std::vector<size_t>& jobs, size_t rounds, const CancelFlag& cancel);

  const Ensemble& ensemble(size_t job) const;
  size_t jobs() const;
  /** In how many turns the jobs were last trained. */
  size_t turns() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace lockstep::cuda
