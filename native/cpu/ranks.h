// Ranks of float32 values among sorted cuts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace lockstep {

/**
 * A guide table for ranks (Chen and Asau 1974): the range of the cuts is divided into equal buckets, each of which knows how
 * many cuts lie before it, and what is left is a search among its own. Rounding does not matter, since the bucket never
 * falls as the value rises and cuts were sorted into buckets in the same way. predict_ranks.h has the search for many values.
 */
struct RankTable {
  /** cuts: ascending, none twice, at least one, none NaN; −∞ is allowed. */
  explicit RankTable(std::vector<float> cuts);

  /** In 0 … last_bucket, the bucket being its whole part, also for infinities; 0 for NaN. */
  float bucket(float value) const {
    const float place = (value - low) * scale;
    const float positive = place > 0 ? place : 0;
    return positive < last_bucket ? positive : last_bucket;
  }

  /** #{cuts ≤ value}, 0 for NaN. */
  uint32_t rank(float value) const {
    uint32_t rank = before[static_cast<size_t>(bucket(value))];
    for (uint32_t step = first_step; step > 0; step /= 2) rank += value >= cuts[rank + step - 1] ? step : 0u;
    return rank;
  }

  size_t bytes() const { return cuts.capacity() * sizeof(float) + before.capacity() * sizeof(uint32_t); }

  std::vector<float> cuts;       // followed by as many NaNs, which no value reaches, as a search may read
  std::vector<uint32_t> before;  // (buckets)
  float low = 0;
  float scale = 0;
  float last_bucket = 0;
  uint32_t first_step = 0;       // of the search within a bucket, a power of two
};

/** What of a rank a plane holds: rank − base, limited to 0 … 255; `missing` where the value is NaN. */
inline uint8_t plane_byte(float value, uint32_t rank, uint32_t base, uint8_t missing) {
  const int32_t above = static_cast<int32_t>(rank) - static_cast<int32_t>(base);
  const int32_t positive = above > 0 ? above : 0;
  const int32_t limited = positive < 255 ? positive : 255;
  return static_cast<uint8_t>(value == value ? limited : missing);
}

}  // namespace lockstep
