// Which rows and features take part: docs/numerics.md section 6.
#pragma once

#include <cmath>
#include <cstdint>

#include "core/hd.h"
#include "core/philox.h"

namespace lockstep {

/** A row takes part in a tree iff its word of purpose kSubsample is below this; 2^32 for all rows. */
inline uint64_t subsample_threshold(double subsample) { return static_cast<uint64_t>(std::rint(subsample * 0x1p32)); }

/** How many of `features` features a step of `fraction`, (0, 1], leaves; at least one. */
inline int sampled_feature_count(double fraction, int features) {
  const double count = std::floor(fraction * features + 0x1p-30);
  return count < 1 ? 1 : static_cast<int>(count);
}

/** Keys of a feature: a step keeps the features with the smallest keys, ties going to the lower feature. */
LOCKSTEP_HD inline uint32_t tree_feature_key(PhiloxKey key, uint32_t feature, uint32_t round, uint32_t class_index) {
  return random_block(key, feature, round, Purpose::kColsampleByTree, class_index).word[0];
}

LOCKSTEP_HD inline Purpose level_purpose(uint32_t depth) {
  return static_cast<Purpose>(static_cast<uint32_t>(Purpose::kColsampleByLevel) + 256 * depth);
}

LOCKSTEP_HD inline uint32_t level_feature_key(PhiloxKey key, uint32_t feature, uint32_t round, uint32_t depth,
                                              uint32_t class_index) {
  return random_block(key, feature, round, level_purpose(depth), class_index).word[0];
}

/** The word of a node: the root has the heap number 1, the children of j have 2j and 2j + 1. */
LOCKSTEP_HD inline uint32_t node_word(PhiloxKey key, uint32_t heap_number, uint32_t round, uint32_t class_index) {
  return random_block(key, heap_number, round, Purpose::kNode, class_index).word[0];
}

LOCKSTEP_HD inline uint32_t node_feature_key(PhiloxKey key, uint32_t feature, uint32_t word, uint32_t class_index) {
  return random_block(key, feature, word, Purpose::kColsampleByNode, class_index).word[0];
}

}  // namespace lockstep
