// Metrics of a round as exact integer sums (docs/metrics.md). Margins stay on the device; the host divides (scores.h).
#pragma once

#include <cstdint>

#include "cuda/device.h"
#include "cuda/view.h"

namespace lockstep::cuda {

/** What some metric of an eval set needs. */
enum Wanted : uint32_t { kWantCounts = 1, kWantLoss = 2, kWantPairs = 4, kWantPrecision = 8, kWantSquares = 16,
                         kWantAbsolute = 32, kWantRelative = 64 };

/** Where the sums of an eval set lie among its words; sums of 128 bits take two, the lower first. */
struct SumLayout {
  Objective objective;
  uint32_t classes;
  /** Exponents −52 … 128 of targets, the lowest first: mape has a sum for each. */
  static constexpr int kLowestExponent = -52;
  static constexpr uint32_t kExponents = 128 + 52 + 1;

  // Two classes: weights by [predicted][actual].
  LOCKSTEP_HD uint32_t confusion() const { return 0; }
  // Several classes: a word a class each.
  LOCKSTEP_HD uint32_t correct() const { return 0; }
  LOCKSTEP_HD uint32_t predicted() const { return classes; }
  LOCKSTEP_HD uint32_t actual() const { return 2 * classes; }
  LOCKSTEP_HD uint32_t loss() const { return objective == Objective::kSoftmax ? 3 * classes : 4; }
  /** Of a class, where there are several. */
  LOCKSTEP_HD uint32_t pairs(uint32_t class_index) const { return loss() + 2 + 2 * class_index; }
  LOCKSTEP_HD uint32_t precision() const { return pairs(classes); }
  // Regression.
  LOCKSTEP_HD uint32_t squares() const { return 0; }
  LOCKSTEP_HD uint32_t absolute() const { return 2; }
  LOCKSTEP_HD uint32_t relative(uint32_t exponent) const { return 4 + 2 * exponent; }
  LOCKSTEP_HD uint32_t words() const {
    return objective == Objective::kSquaredError ? relative(kExponents) : precision() + 2;
  }
};

/** A scored row set of a job. */
struct EvalView {
  uint32_t job;
  uint32_t rows;
  const uint32_t* positions;  // (rows), or null: first_position + i
  uint32_t first_position;
  uint32_t wanted;            // of Wanted
  const uint32_t* weight;     // (rows), or null for ones
  SumLayout layout;
  uint32_t first_word;        // of its sums among those of a round
};

/** Rows to be ranked: those of an eval set, by the log-odds of a class where there are several. */
struct RankView {
  uint32_t eval;
  uint32_t class_index;
  uint32_t rows;
  uint32_t first_tile;
  size_t first;               // element
};

/** A row on its way through the sort: the offset of its margin from −2^30 on top, then its weight, then its label. */
using RankElement = uint64_t;

/** Rows of a ranking that a block sorts at a time. */
inline constexpr uint32_t kTileRows = 2048;
inline constexpr uint32_t kDigits = 256;

/** Weights of the rows of either label. */
struct LabelWeights {
  uint64_t negative;
  uint64_t positive;

  LOCKSTEP_HD friend LabelWeights operator+(const LabelWeights& a, const LabelWeights& b) {
    return {a.negative + b.negative, a.positive + b.positive};
  }
  LOCKSTEP_HD friend LabelWeights operator-(const LabelWeights& a, const LabelWeights& b) {
    return {a.negative - b.negative, a.positive - b.positive};
  }
};

/** Passed by value; pointers are to device memory. */
struct ScoreView {
  const EvalView* evals;
  const RowTask* eval_tasks;   // rows of eval sets
  uint32_t eval_task_count;
  uint64_t* sums;              // (2 · pool rounds, words)
  uint32_t words;              // of a round

  const RankView* ranks;
  uint32_t rank_count;
  const RowTask* rank_tasks;   // tiles of rankings
  uint32_t rank_task_count;
  RankElement* elements[2];
  uint32_t* highest;           // (rank_count): the greatest offset
  uint32_t* depth_of_lowest;   // (rank_count): how far the least offset lies below the greatest number
  uint32_t* digit_counts;      // (tiles, kDigits)
  LabelWeights* before;        // by element: in its tile, before it
  LabelWeights* tile_before;   // (tiles): in the tiles before
  LabelWeights* totals;        // (rank_count)
};

/** Adds the sums of the round to view.sums; those of the call are to be zero at its start. */
void score_round(const Stream& stream, const RoundView& round, const ScoreView& view);

}  // namespace lockstep::cuda
