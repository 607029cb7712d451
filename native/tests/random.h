#pragma once

#include <cstdint>

namespace lockstep {

/** xorshift64; only the values of the tests come from it. */
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed * 0x9E3779B97F4A7C15u + 1) {}
  uint32_t word() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return static_cast<uint32_t>(state_ >> 32);
  }
  uint32_t below(uint32_t n) { return static_cast<uint32_t>(uint64_t{word()} * n >> 32); }
  float unit() { return static_cast<float>(word() >> 8) * 0x1p-24f; }

 private:
  uint64_t state_;
};

}  // namespace lockstep
