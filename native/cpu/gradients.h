// Gradients of one tree: docs/numerics.md section 5.
#pragma once

#include <cstdint>

#include "core/philox.h"
#include "core/split_score.h"
#include "cpu/histogram.h"
#include "cpu/kernels.h"
#include "cpu/pool.h"
#include "cpu/scale.h"

namespace lockstep {

/** How the gradients of a job are packed. */
Packing gradient_packing(const JobSpec& job, const JobScale& scale);

/**
 * Fills gradients[class · data.rows + row], as gradient_packing says, for every training row and class; other rows become
 * unspecified. Returns u_g as a power of two (u_h depends on the objective alone). margins: (data.rows, classes).
 */
int compute_gradients(const DatasetView& data, const JobSpec& job, const JobScale& scale, uint32_t round,
                      const int32_t* margins, int64_t* gradients, const Kernels& kernels, const Executor& executor);

/** log2 of u_h. */
int hessian_unit(Objective objective, const JobScale& scale);

/** The constants of section 7 and 8 for a tree whose gradients are in units of 2^gradient_unit. */
ScoreParams score_params(const TreeParams& params, const JobScale& scale, int gradient_unit);

inline PhiloxKey philox_key(uint64_t seed) {
  return {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)};
}

}  // namespace lockstep
