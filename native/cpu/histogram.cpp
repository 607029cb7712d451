#include "cpu/histogram.h"

#include <algorithm>

namespace lockstep {
namespace {

constexpr size_t kCancelInterval = 1 << 16;
constexpr size_t kSmallNode = 4096;

void accumulate(const DatasetView& data, const HistogramLayout& layout, const int* features, size_t feature_count,
                const std::vector<GradientPair>& gradients, const uint32_t* rows, size_t count, Histogram& histogram,
                const CancelFlag& cancel) {
  for (size_t k = 0; k < feature_count; ++k) {
    const auto f = static_cast<size_t>(features[k]);
    std::fill(histogram.begin() + static_cast<ptrdiff_t>(layout.offset[f]),
              histogram.begin() + static_cast<ptrdiff_t>(layout.offset[f + 1]), Sums{});
  }
  for (size_t begin = 0; begin < count; begin += kCancelInterval) {
    cancel.check();
    const size_t end = std::min(count, begin + kCancelInterval);
    for (size_t i = begin; i < end; ++i) {
      const GradientPair pair = gradients[rows[i]];
      const uint8_t* codes = data.bins + size_t{rows[i]} * data.stride;
      for (size_t k = 0; k < feature_count; ++k) {
        const auto f = static_cast<size_t>(features[k]);
        Sums& cell = histogram[layout.offset[f] + codes[f]];
        cell.g += pair.g;
        cell.h += pair.h;
      }
    }
  }
}

}  // namespace

HistogramLayout::HistogramLayout(const DatasetView& data) : offset(1, 0) {
  for (const int bins : data.feature_bins) offset.push_back(offset.back() + static_cast<size_t>(bins) + 1);
}

void build_histogram(const DatasetView& data, const HistogramLayout& layout, const std::vector<int>& features,
                     const std::vector<GradientPair>& gradients, const uint32_t* rows, size_t count,
                     Histogram& histogram, const Executor& executor, const CancelFlag& cancel) {
  // Threads share a node by features: each cell has one writer, so there is nothing to merge.
  const size_t parts = count < kSmallNode ? 1 : std::min(features.size(), static_cast<size_t>(executor.threads()));
  executor.parallel_for(parts, [&](size_t part) {
    const size_t begin = features.size() * part / parts;
    const size_t end = features.size() * (part + 1) / parts;
    accumulate(data, layout, features.data() + begin, end - begin, gradients, rows, count, histogram, cancel);
  });
}

void subtract_histogram(const HistogramLayout& layout, const std::vector<int>& features, const Histogram& child,
                        Histogram& parent) {
  for (const int feature : features) {
    const auto f = static_cast<size_t>(feature);
    for (size_t cell = layout.offset[f]; cell < layout.offset[f + 1]; ++cell) parent[cell] = parent[cell] - child[cell];
  }
}

}  // namespace lockstep
