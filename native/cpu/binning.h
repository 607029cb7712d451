// Cut points and bin codes: docs/numerics.md section 1.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

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

/** Cuts for one numeric column. weight: (training.size()), or null for one each. 2 ≤ max_bin. */
std::vector<float> find_cuts(const float* values, const RowSet& training, const uint32_t* weight, int max_bin);

/**
 * Finds the bins of every column on the training rows and writes the codes of all rows.
 * bins: (rows, stride), OUT; the padding is set to 0. Throws Cancelled, leaving `bins` half-written.
 */
std::vector<FeatureBins> bin_columns(const std::vector<RawColumn>& columns, size_t rows, const RowSet& training,
                                     const uint32_t* weight, int max_bin, uint8_t* bins, size_t stride,
                                     const Executor& executor, const CancelFlag& cancel = CancelFlag());

}  // namespace lockstep
