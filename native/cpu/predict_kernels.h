// Adding trees to the margins of a block of rows, once for each instruction set. All give the same bytes.
#pragma once

#include <cstddef>
#include <cstdint>

#include "cpu/forest.h"
#include "cpu/kernels.h"
#include "cpu/ranks.h"

namespace lockstep {

struct PredictKernels {
  /** What a forest must be compiled with. */
  int max_levels;

  /**
   * Adds trees first … last − 1 to the margins of a block.
   * planes: (planes, kBlockRows), aligned to a cache line; margins: (outputs, kBlockRows), likewise, IN and OUT. Of the
   * rows only the first `rows` count, 1…kBlockRows; the others must be there and mean nothing.
   */
  void (*add_trees)(const CompiledForest& forest, size_t first, size_t last, const uint8_t* planes, size_t rows,
                    int32_t* margins);

  /** ranks[i] = #{cuts ≤ values[i]}, 0 for NaN; both (kBlockRows). */
  void (*rank_block)(const RankTable& table, const float* values, uint32_t* ranks);

  /** plane[i] = rank − base, limited to 0 … 255; `missing` where the value is NaN. All (kBlockRows). */
  void (*rank_plane)(const float* values, const uint32_t* ranks, uint32_t base, uint8_t missing, uint8_t* plane);
};

/** Those of the same level as `kernels`. */
const PredictKernels& predict_kernels(const Kernels& kernels);

/** Adds the leaf that each row of a block reaches from its node; start: (rows); margins: (rows), IN and OUT. */
void walk_from(const CompiledForest& forest, const ForestTree& tree, const uint8_t* planes, size_t rows,
               const uint32_t* start, int32_t* margins);

/** Adds all trees to the margins of one row by nodes like those of the forest, but without sets; margins: (outputs), IN and OUT. */
void add_trees_to_row(const CompiledForest& forest, const WalkNode* nodes, const uint8_t* bytes, int32_t* margins);

const PredictKernels* predict_avx2_kernels();  // null on other processors than x86-64
const PredictKernels* predict_avx512_kernels();

}  // namespace lockstep
