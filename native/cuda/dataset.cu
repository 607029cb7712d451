#include "cuda/dataset.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <string>

#include "core/tables.h"
#include "cuda/kernels.h"

namespace lockstep::cuda {
namespace {

/** Left to the driver and to other programs. */
constexpr size_t kReserve = size_t{64} << 20;

/** Rows that are copied in one piece, in bytes. */
constexpr size_t kUploadBytes = size_t{8} << 20;

/** Rows begin at a sector of memory where that costs little, else at a word. */
size_t stride_of(size_t features) {
  constexpr size_t kSector = 32;
  const size_t words = (features + kWordFeatures - 1) / kWordFeatures * kWordFeatures;
  const size_t sectors = (features + kSector - 1) / kSector * kSector;
  return sectors * 4 <= words * 5 ? sectors : words;
}

std::string megabytes(size_t bytes) { return std::to_string((bytes >> 20) + 1) + " MiB"; }

}  // namespace

CudaDataset::CudaDataset(const DatasetView& data, const DatasetOptions& options)
    : host_(data), options_(options), device_(device_info()), stride_(stride_of(static_cast<size_t>(data.features))) {
  for (size_t f = 0; f < static_cast<size_t>(data.features); ++f) {
    const auto codes = static_cast<uint16_t>(data.feature_bins[f] + 1);
    features_.push_back({cells_, codes, data.categorical[f]});
    cells_ += codes;
  }
  const size_t needed = data.rows * (stride_ + sizeof(float));
  if (needed > available_memory()) {
    throw DeviceMemoryError("the data set needs " + megabytes(needed) + " of the device's memory, and " +
                            megabytes(available_memory()) + " are free: use fewer rows or columns, or another engine");
  }
  const Stream stream;
  bins_ = Buffer<uint8_t>(data.rows * stride_);
  upload_bins(stream);
  label_ = Buffer<float>(data.rows);
  label_.copy_from(data.label, data.rows, stream);
  device_features_ = Buffer<FeatureCells>(features_, stream);
  const auto upload = [&](Buffer<LinkSegment>& buffer, const auto& table) {
    buffer = Buffer<LinkSegment>(std::vector<LinkSegment>(std::begin(table), std::end(table)), stream);
  };
  upload(tables_[0], kSigmoidTable);
  upload(tables_[1], kSoftplusTable);
  upload(tables_[2], kExpTable);
  upload(tables_[3], kLogTable);
  prepare_histograms(device_);
  prepare_search(device_);
  stream.synchronize();
}

/** Rows are brought to the device's stride here, since the driver takes much longer over rows one by one. */
void CudaDataset::upload_bins(const Stream& stream) {
  if (host_.stride == stride_) {
    bins_.copy_from(host_.bins, host_.rows * stride_, stream);
    return;
  }
  const size_t rows_at_once = std::max<size_t>(kUploadBytes / stride_, 1);
  std::vector<uint8_t> part(std::min(rows_at_once, host_.rows) * stride_);
  for (size_t first = 0; first < host_.rows; first += rows_at_once) {
    const size_t rows = std::min(rows_at_once, host_.rows - first);
    for (size_t row = 0; row < rows; ++row) {
      std::memcpy(part.data() + row * stride_, host_.bins + (first + row) * host_.stride, static_cast<size_t>(host_.features));
    }
    check(cudaMemcpyAsync(bins_.get() + first * stride_, part.data(), rows * stride_, cudaMemcpyHostToDevice, stream.get()));
    stream.synchronize();
  }
}

std::unique_ptr<Calls> CudaDataset::lend_calls() const {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!idle_.empty()) {
      std::unique_ptr<Calls> calls = std::move(idle_.back());
      idle_.pop_back();
      return calls;
    }
  }
  return std::make_unique<Calls>();
}

void CudaDataset::take_back(std::unique_ptr<Calls> calls) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  idle_.push_back(std::move(calls));
}

DataView CudaDataset::view() const {
  return {bins_.get(),
          stride_,
          label_.get(),
          device_features_.get(),
          host_.features,
          cells_,
          (host_.features + 31) / 32,
          {tables_[0].get(), tables_[1].get(), tables_[2].get(), tables_[3].get()}};
}

size_t CudaDataset::bytes() const {
  size_t total = bins_.bytes() + label_.bytes() + device_features_.bytes();
  for (const auto& table : tables_) total += table.bytes();
  return total;
}

size_t CudaDataset::available_memory(size_t own) const {
  const size_t free_bytes = free_memory() + own;
  const size_t left = free_bytes > kReserve ? free_bytes - kReserve : 0;
  if (options_.memory_limit == 0) return left;
  const size_t allowed = options_.memory_limit > bytes() ? options_.memory_limit - bytes() : 0;
  return allowed < left ? allowed : left;
}

}  // namespace lockstep::cuda
