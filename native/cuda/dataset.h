// A data set resident on the device.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "cpu/data.h"
#include "cuda/calls.h"
#include "cuda/device.h"
#include "cuda/view.h"

namespace lockstep::cuda {

struct DatasetOptions {
  /** Bytes of device memory that the data set and its batches may use; 0: nearly all that is free. */
  size_t memory_limit = 0;
};

/** Bins, labels and tables on the device, ready for any number of batches, one at a time on each thread. */
class CudaDataset {
 public:
  /**
   * Uploads the bins once. `data` is borrowed: labels and weights are read when batches begin. Throws DeviceError without a
   * device and DeviceMemoryError where the data set does not fit.
   */
  explicit CudaDataset(const DatasetView& data, const DatasetOptions& options = {});

  const DatasetView& host() const { return host_; }
  const DeviceInfo& device() const { return device_; }
  DataView view() const;
  const std::vector<FeatureCells>& features() const { return features_; }
  /** Bytes that a batch may use now which has `own` bytes already. */
  size_t available_memory(size_t own = 0) const;
  /** Bytes of device memory in use by the data set. */
  size_t bytes() const;
  /** Host memory for a batch; it goes from batch to batch, since making it takes as long as some rounds. */
  std::unique_ptr<Calls> lend_calls() const;
  void take_back(std::unique_ptr<Calls> calls) const;

 private:
  void upload_bins(const Stream& stream);

  DatasetView host_;
  DatasetOptions options_;
  DeviceInfo device_;
  std::vector<FeatureCells> features_;
  uint32_t cells_ = 0;
  size_t stride_ = 0;
  Buffer<uint8_t> bins_;
  Buffer<float> label_;
  Buffer<FeatureCells> device_features_;
  Buffer<LinkSegment> tables_[4];
  mutable std::mutex mutex_;
  mutable std::vector<std::unique_ptr<Calls>> idle_;
};

}  // namespace lockstep::cuda
