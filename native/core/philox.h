// Philox4x32-10, the counter-based generator of Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as
// 1, 2, 3", SC 2011. docs/numerics.md section 6 says what its counters mean here.
#pragma once

#include <cstdint>

#include "core/hd.h"

namespace lockstep {

enum class Purpose : uint32_t {
  kDither = 1,
  kSubsample = 2,
  kColsampleByTree = 3,
  kColsampleByLevel = 4,  // + 256 · depth
  kNode = 5,
  kColsampleByNode = 6,
};

struct PhiloxBlock {
  uint32_t word[4];
};

struct PhiloxKey {
  uint32_t low;
  uint32_t high;
};

LOCKSTEP_HD inline PhiloxBlock philox(PhiloxBlock counter, PhiloxKey key) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t a = uint64_t{0xD2511F53u} * counter.word[0];
    const uint64_t b = uint64_t{0xCD9E8D57u} * counter.word[2];
    counter = {{static_cast<uint32_t>(b >> 32) ^ counter.word[1] ^ key.low, static_cast<uint32_t>(b),
                static_cast<uint32_t>(a >> 32) ^ counter.word[3] ^ key.high, static_cast<uint32_t>(a)}};
    key.low += 0x9E3779B9u;
    key.high += 0xBB67AE85u;
  }
  return counter;
}

/** class_index is the class that the tree belongs to; 0 unless the objective has classes. */
LOCKSTEP_HD inline PhiloxBlock random_block(PhiloxKey key, uint32_t index, uint32_t round, Purpose purpose,
                                            uint32_t class_index = 0) {
  return philox({{index, round, static_cast<uint32_t>(purpose), class_index}}, key);
}

/** The word of one row; sixteen consecutive blocks serve 64 rows, one lane of a vector each. */
LOCKSTEP_HD inline uint32_t random_row_word(PhiloxKey key, uint32_t row, uint32_t round, Purpose purpose,
                                            uint32_t class_index = 0) {
  return random_block(key, row / 64 * 16 + row % 16, round, purpose, class_index).word[row / 16 % 4];
}

}  // namespace lockstep
