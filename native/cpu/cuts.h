// Cut points of a numeric column, from exact weighted quantiles: docs/numerics.md sections 1.2 to 1.4.
#pragma once

#include <cstdint>
#include <vector>

#include "cpu/data.h"
#include "cpu/pool.h"

namespace lockstep {

inline constexpr int kMaxValueBins = 255;

/**
 * The cuts of a column, ascending; none where its training rows hold less than two values.
 * values: one a row of the table; weight: (training.size()), at most 2^24 each, or null for one each; max_bin: 2 or more.
 * Throws Cancelled. Works on up to 6 bytes a training row besides its arguments, 16 with weights.
 */
std::vector<float> find_cuts(const float* values, const RowSet& training, const uint32_t* weight, int max_bin,
                             const CancelFlag& cancel = CancelFlag());

}  // namespace lockstep
