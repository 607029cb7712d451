// Prediction for AVX2; none on other processors than x86-64.
#include <cstring>

#include "core/fixed.h"
#include "cpu/aligned.h"
#include "cpu/predict_kernels.h"

#if defined(__x86_64__)

#include <immintrin.h>

// Only what follows may use the instructions: functions of the headers above could be shared with other files.
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#endif

namespace lockstep {
namespace {

#include "cpu/predict_masks.h"
#include "cpu/predict_ranks.h"

struct MasksAvx2 {
  using Bits = __m256i;

  static Bits load(const uint64_t* p) { return _mm256_load_si256(reinterpret_cast<const __m256i*>(p)); }
  static void store(uint64_t* p, Bits a) { _mm256_store_si256(reinterpret_cast<__m256i*>(p), a); }
  /** Bit by bit: `set` where the condition is 1. */
  static Bits select(Bits condition, Bits set, Bits clear) {
    return _mm256_or_si256(_mm256_and_si256(condition, set), _mm256_andnot_si256(condition, clear));
  }

  static __m256i load_bytes(const uint8_t* p) { return _mm256_load_si256(reinterpret_cast<const __m256i*>(p)); }
  static uint32_t mask_of(__m256i bytes) { return static_cast<uint32_t>(_mm256_movemask_epi8(bytes)); }

  static void compare(const uint8_t* plane, uint8_t test, uint64_t* mask) {
    const __m256i limit = _mm256_set1_epi8(static_cast<char>(test));
#pragma GCC unroll 4
    for (size_t i = 0; i < kBlockRows / 64; ++i) {
      const __m256i a = load_bytes(plane + 64 * i);
      const __m256i b = load_bytes(plane + 64 * i + 32);
      const uint32_t low = mask_of(_mm256_cmpeq_epi8(_mm256_min_epu8(a, limit), a));
      const uint32_t high = mask_of(_mm256_cmpeq_epi8(_mm256_min_epu8(b, limit), b));
      mask[i] = low | uint64_t{high} << 32;
    }
  }

  static uint32_t set_mask(const uint8_t* plane, __m256i low, __m256i high) {
    const __m256i bits = _mm256_set1_epi64x(static_cast<int64_t>(0x8040201008040201u));
    const __m256i codes = load_bytes(plane);
    const __m256i place = _mm256_and_si256(_mm256_srli_epi16(codes, 3), _mm256_set1_epi8(15));
    const __m256i bytes = _mm256_blendv_epi8(_mm256_shuffle_epi8(low, place), _mm256_shuffle_epi8(high, place), codes);
    const __m256i bit = _mm256_shuffle_epi8(bits, _mm256_and_si256(codes, _mm256_set1_epi8(7)));
    return mask_of(_mm256_cmpeq_epi8(_mm256_and_si256(bytes, bit), bit));
  }

  static void compare_set(const uint8_t* plane, const CodeSet& set, uint64_t* mask) {
    const auto* words = reinterpret_cast<const __m128i*>(set.word);
    const __m256i low = _mm256_broadcastsi128_si256(_mm_loadu_si128(words));
    const __m256i high = _mm256_broadcastsi128_si256(_mm_loadu_si128(words + 1));
    for (size_t i = 0; i < kBlockRows / 64; ++i) {
      const uint32_t first = set_mask(plane + 64 * i, low, high);
      mask[i] = first | uint64_t{set_mask(plane + 64 * i + 32, low, high)} << 32;
    }
  }

  /** The paths of the 32 rows whose bits are the i-th 32-bit words; the root's bit counts most. */
  template <int kLevels>
  static __m256i paths_at(const uint64_t (*levels)[kBlockRows / 64], size_t i) {
    const __m256i byte_of_row = _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303);
    const __m256i bits = _mm256_set1_epi64x(static_cast<int64_t>(0x8040201008040201u));
    __m256i path = _mm256_setzero_si256();
#pragma GCC unroll 8
    for (int level = 0; level < kLevels; ++level) {
      const auto word = static_cast<int32_t>(levels[level][i / 2] >> (32 * (i % 2)));
      const __m256i bytes = _mm256_shuffle_epi8(_mm256_set1_epi32(word), byte_of_row);
      const __m256i is_set = _mm256_cmpeq_epi8(_mm256_and_si256(bytes, bits), bits);
      const __m256i bit = _mm256_set1_epi8(static_cast<char>(1 << (kLevels - 1 - level)));
      path = _mm256_or_si256(path, _mm256_and_si256(is_set, bit));
    }
    return path;
  }

  template <int kLevels>
  static void paths_of(const uint64_t (*levels)[kBlockRows / 64], uint8_t* path) {
    for (size_t i = 0; i < kBlockRows / 32; ++i) {
      _mm256_store_si256(reinterpret_cast<__m256i*>(path) + i, paths_at<kLevels>(levels, i));
    }
  }

  template <int kLevels>
  static void add_leaves(const uint64_t (*levels)[kBlockRows / 64], const int32_t* leaves, int32_t* margins) {
    const __m256i limit = _mm256_set1_epi32(kMarginLimit);
    const __m256i negative_limit = _mm256_set1_epi32(-kMarginLimit);
    for (size_t i = 0; i < kBlockRows / 32; ++i) {
      alignas(32) uint8_t path[32];
      _mm256_store_si256(reinterpret_cast<__m256i*>(path), paths_at<kLevels>(levels, i));
#pragma GCC unroll 4
      for (size_t j = 0; j < 4; ++j) {
        const __m256i index = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(path + 8 * j)));
        auto* const p = reinterpret_cast<__m256i*>(margins + 32 * i + 8 * j);
        const __m256i sum = _mm256_add_epi32(_mm256_load_si256(p), _mm256_i32gather_epi32(leaves, index, 4));
        _mm256_store_si256(p, _mm256_max_epi32(_mm256_min_epi32(sum, limit), negative_limit));
      }
    }
  }
};

}  // namespace
}  // namespace lockstep

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

namespace lockstep {

const PredictKernels* predict_avx2_kernels() {
  static constexpr PredictKernels kernels{8, add_trees<MasksAvx2>, rank_block, rank_plane};
  return &kernels;
}

}  // namespace lockstep

#else

namespace lockstep {
const PredictKernels* predict_avx2_kernels() { return nullptr; }
}  // namespace lockstep

#endif
