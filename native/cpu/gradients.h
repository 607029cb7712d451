// Gradients of one round: docs/numerics.md section 5.
#pragma once

#include <cstdint>
#include <vector>

#include "core/fixed.h"
#include "core/philox.h"
#include "core/split_score.h"
#include "cpu/pool.h"
#include "cpu/scale.h"

namespace lockstep {

/** The pairs of each tree of a round: (trees of a round)(data.rows). */
using RoundGradients = std::vector<std::vector<GradientPair>>;

/**
 * Fills the gradients of every training row and returns u_g as a power of two (u_h depends on the objective alone).
 * margins: (data.rows, trees of a round).
 */
int compute_gradients(const JobSpec& job, const JobScale& scale, uint32_t round, const std::vector<int32_t>& margins,
                      RoundGradients& gradients, const Executor& executor);

/** log2 of u_h. */
int hessian_unit(Objective objective, const JobScale& scale);

/** The constants of section 7 and 8 for a tree whose gradients are in units of 2^gradient_unit. */
ScoreParams score_params(const TreeParams& params, const JobScale& scale, int gradient_unit);

inline PhiloxKey philox_key(uint64_t seed) {
  return {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)};
}

}  // namespace lockstep
