// Bins of a table's columns and the codes of its rows: docs/numerics.md section 1.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "cpu/cuts.h"
#include "cpu/data.h"
#include "cpu/pool.h"

namespace lockstep {

/** A column of a table before binning. */
struct RawColumn {
  const float* values = nullptr;  // (rows) numeric, NaN is missing; null for categories
  const int32_t* codes = nullptr;  // (rows) category numbers from 0, −1 is missing; null for numbers
  int categories = 0;
};

struct FeatureBins {
  int bins = 1;                       // value codes
  std::vector<float> cuts;            // numeric: (bins − 1), ascending
  std::vector<uint8_t> bin_of_category;  // categorical: (categories)
};

/**
 * The bins of every column, from its training rows; a column a thread.
 * weight: (training.size()), or null for one each; max_bin: 2 or more. Throws Cancelled.
 */
std::vector<FeatureBins> find_bins(const std::vector<RawColumn>& columns, const RowSet& training,
                                   const uint32_t* weight, int max_bin, const Executor& executor,
                                   const CancelFlag& cancel = CancelFlag());

/**
 * Writes the codes of all rows; `features` are the bins of `columns`.
 * bins: (rows, stride), OUT, with stride ≥ columns.size(); the padding is set to 0. Throws Cancelled, leaving `bins` half-written.
 */
void encode_rows(const std::vector<RawColumn>& columns, size_t rows, const std::vector<FeatureBins>& features,
                 uint8_t* bins, size_t stride, const Executor& executor, const CancelFlag& cancel = CancelFlag());

}  // namespace lockstep
