// Scalar forms that every instruction set falls back on for remainders, and that the scalar kernels are made of.
#pragma once

#include <cstdint>

#include "core/fixed.h"
#include "core/link.h"
#include "cpu/kernels.h"
#include "cpu/split.h"

namespace lockstep {

inline void logistic_row(const LogisticRows& rows, size_t row) {
  int32_t p = 0;
  int32_t h = 0;
  logistic_gradient(rows.margin[row], p, h);
  const int32_t g = p - (rows.label[row] != 0 ? kOneQ30 : 0);
  const uint32_t weight = rows.weight == nullptr ? kUnitWeight : rows.weight[row];
  const GradientPair pair =
      quantise_logistic(apply_weight(g, weight), apply_weight(h, weight),
                        random_row_word(rows.key, static_cast<uint32_t>(row), rows.round, Purpose::kDither));
  rows.gradient[row] = pack_pair(pair.g, pair.h, 32);
}

inline uint64_t logistic_loss_sum(const int32_t* margin, const uint8_t* label, size_t count) {
  uint64_t sum = 0;
  for (size_t i = 0; i < count; ++i) sum += static_cast<uint64_t>(logistic_loss_q30(margin[i], label[i] != 0));
  return sum;
}

/**
 * Goes on with a partition at row i, of whose predecessors `lefts` went left; returns how many go left in all. Without
 * branches on the data: each row is written to both sides, and one side advances.
 */
inline size_t partition_rest(const ColumnTest& test, const uint32_t* rows, size_t i, size_t count, uint32_t* left,
                             size_t lefts, uint32_t* right) {
  for (; i < count; ++i) {
    const uint32_t row = rows[i];
    const size_t is_left = test.goes_left(row);
    left[lefts] = row;
    right[i - lefts] = row;
    lefts += is_left;
  }
  return lefts;
}

inline void add_leaves_one_by_one(const int32_t* values, const uint8_t* leaf, size_t count, int32_t* margin) {
  for (size_t i = 0; i < count; ++i) margin[i] = add_leaf(margin[i], values[leaf[i]]);
}

const Kernels& scalar_kernels();
const Kernels* avx2_kernels();    // null where this build or this machine has none
const Kernels* avx512_kernels();
const Kernels* neon_kernels();

}  // namespace lockstep
