// Floats as unsigned integers in the same order, as docs/numerics.md section 1.1 sees them.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace lockstep {

/** The key of a missing value, below all others. */
inline constexpr uint32_t kMissingKey = 0;
/** The key of 0; the values of one magnitude lie as far above and below it. */
inline constexpr uint32_t kZeroKey = 0x80000000u;

/** kMissingKey for NaN; else a key above it, in the order of the values: ±∞ counts as ±FLT_MAX and −0 as +0. */
inline uint32_t ordered_key(float x) {
  constexpr int32_t kLargest = 0x7f7fffff;
  constexpr int32_t kInfinity = 0x7f800000;
  const auto bits = std::bit_cast<int32_t>(x);
  const int32_t magnitude = bits & 0x7fffffff;
  const int32_t sign = bits >> 31;
  const int32_t offset = (std::min(magnitude, kLargest) ^ sign) - sign;
  return magnitude > kInfinity ? kMissingKey : static_cast<uint32_t>(offset) + kZeroKey;
}

/** The value of a key that is not kMissingKey. */
inline float from_ordered_key(uint32_t key) {
  return key >= kZeroKey ? std::bit_cast<float>(key - kZeroKey) : -std::bit_cast<float>(kZeroKey - key);
}

/** keys[i] = ordered_key(values[i]): alone in a loop of integers, so that the compiler makes vectors of it. */
inline void ordered_keys(const float* values, size_t count, uint32_t* keys) {
  for (size_t i = 0; i < count; ++i) keys[i] = ordered_key(values[i]);
}

}  // namespace lockstep
