// What jobs share: where rows lie, and what is true of them. Five folds of a hundred trials have five of each.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "cpu/scale.h"
#include "cuda/dataset.h"
#include "cuda/scores.h"

namespace lockstep::cuda {

/** The positions of a job's rows: those that are trained on, in the order of the set, then those that only eval sets have. */
struct RowMap {
  struct Eval {
    uint32_t rows = 0;
    uint32_t first_position = 0;
    Buffer<uint32_t> positions;       // empty where they follow each other
    std::vector<uint32_t> weights;    // on the host; empty without weights
    Buffer<uint32_t> weight;
    uint64_t total_weight = 0;
    std::vector<uint32_t> host_positions;
  };

  RowSet train_set;                   // what the map was made of
  std::vector<RowSet> eval_sets;
  uint32_t train = 0;
  uint32_t total = 0;
  uint32_t first_row = 0;
  std::vector<uint32_t> host_rows;    // (total)
  Buffer<uint32_t> rows;              // empty where they follow each other
  std::vector<Eval> evals;

  bool is_of(const JobSpec& job) const;
};

/** Labels and weights of a map's rows for an objective, and the base that a job starts from. */
struct Truth {
  const RowMap* map = nullptr;        // what the rest was made of
  TreeParams params;
  JobScale scale;                     // without its arrays
  Buffer<uint8_t> label;
  Buffer<int32_t> target;
  Buffer<uint32_t> weight;
  std::vector<double> variation;      // (evals), regression

  bool is_of(const RowMap& of_map, const TreeParams& of_params) const;
};

/** The maps and truths of a batch. */
class SharedRows {
 public:
  explicit SharedRows(const CudaDataset& dataset) : dataset_(dataset) {}

  /** Those of a job, made unless another job has them already. Throws as scale_job does. */
  const RowMap& map_of(const JobSpec& job);
  const Truth& truth_of(const JobSpec& job, const RowMap& map);

 private:
  std::unique_ptr<RowMap> make_map(const JobSpec& job) const;
  std::unique_ptr<Truth> make_truth(const JobSpec& job, const RowMap& map) const;

  const CudaDataset& dataset_;
  Stream stream_;
  std::vector<std::unique_ptr<RowMap>> maps_;
  std::vector<std::unique_ptr<Truth>> truths_;
};

}  // namespace lockstep::cuda
