// Exact gradient histograms of a node.
#pragma once

#include <cstdint>
#include <vector>

#include "core/fixed.h"
#include "core/split_score.h"
#include "cpu/data.h"
#include "cpu/pool.h"

namespace lockstep {

/** Where each feature's cells lie: feature f has feature_bins[f] + 1 cells from offset[f], the first for missing. */
struct HistogramLayout {
  explicit HistogramLayout(const DatasetView& data);
  std::vector<size_t> offset;  // (features + 1)
  size_t cells() const { return offset.back(); }
};

/** One node's sums; cells of features that take no part in the tree are not meaningful. */
using Histogram = std::vector<Sums>;

/** Sums the gradients of `rows` into `histogram` for the listed features. */
void build_histogram(const DatasetView& data, const HistogramLayout& layout, const std::vector<int>& features,
                     const std::vector<GradientPair>& gradients, const uint32_t* rows, size_t count,
                     Histogram& histogram, const Executor& executor, const CancelFlag& cancel);

/** parent −= child over the listed features: what remains is the sibling. Exact, hence free of cancellation. */
void subtract_histogram(const HistogramLayout& layout, const std::vector<int>& features, const Histogram& child,
                        Histogram& parent);

}  // namespace lockstep
