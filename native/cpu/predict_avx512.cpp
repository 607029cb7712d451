// Prediction for AVX-512 (F, BW, DQ, VL); none on other processors than x86-64.
#include <cstring>

#include "core/fixed.h"
#include "cpu/aligned.h"
#include "cpu/predict_kernels.h"

#if defined(__x86_64__)

#include <immintrin.h>

#if !defined(__clang__)
// GCC 12 warns of its own header's undefined vectors.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
// Only what follows may use the instructions: functions of the headers above could be shared with other files.
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")
#endif

namespace lockstep {
namespace {

#include "cpu/predict_masks.h"
#include "cpu/predict_ranks.h"

struct MasksAvx512 {
  using Bits = __m256i;

  static Bits load(const uint64_t* p) { return _mm256_load_si256(reinterpret_cast<const __m256i*>(p)); }
  static void store(uint64_t* p, Bits a) { _mm256_store_si256(reinterpret_cast<__m256i*>(p), a); }
  /** Bit by bit: `set` where the condition is 1. */
  static Bits select(Bits condition, Bits set, Bits clear) {
    return _mm256_ternarylogic_epi64(condition, set, clear, 0xCA);
  }

  static void compare(const uint8_t* plane, uint8_t test, uint64_t* mask) {
    const __m512i limit = _mm512_set1_epi8(static_cast<char>(test));
#pragma GCC unroll 4
    for (size_t i = 0; i < kBlockRows / 64; ++i) {
      mask[i] = _mm512_cmple_epu8_mask(_mm512_load_si512(plane + 64 * i), limit);
    }
  }

  static void compare_set(const uint8_t* plane, const CodeSet& set, uint64_t* mask) {
    const auto* words = reinterpret_cast<const __m128i*>(set.word);
    const __m512i low = _mm512_broadcast_i32x4(_mm_loadu_si128(words));
    const __m512i high = _mm512_broadcast_i32x4(_mm_loadu_si128(words + 1));
    const __m512i bits = _mm512_set1_epi64(static_cast<int64_t>(0x8040201008040201u));
#pragma GCC unroll 4
    for (size_t i = 0; i < kBlockRows / 64; ++i) {
      const __m512i codes = _mm512_load_si512(plane + 64 * i);
      const __m512i place = _mm512_and_si512(_mm512_srli_epi16(codes, 3), _mm512_set1_epi8(15));
      const __m512i bytes = _mm512_mask_shuffle_epi8(_mm512_shuffle_epi8(low, place), _mm512_movepi8_mask(codes), high, place);
      const __m512i bit = _mm512_shuffle_epi8(bits, _mm512_and_si512(codes, _mm512_set1_epi8(7)));
      mask[i] = _mm512_test_epi8_mask(bytes, bit);
    }
  }

  /** The paths of rows 64·i … 64·i + 63; the root's bit counts most. */
  template <int kLevels>
  static __m512i paths_at(const uint64_t (*levels)[kBlockRows / 64], size_t i) {
    __m512i path = _mm512_setzero_si512();
#pragma GCC unroll 8
    for (int level = 0; level < kLevels; ++level) {
      const __m512i bit = _mm512_set1_epi8(static_cast<char>(1 << (kLevels - 1 - level)));
      path = _mm512_mask_add_epi8(path, levels[level][i], path, bit);
    }
    return path;
  }

  template <int kLevels>
  static void paths_of(const uint64_t (*levels)[kBlockRows / 64], uint8_t* path) {
    for (size_t i = 0; i < kBlockRows / 64; ++i) _mm512_store_si512(path + 64 * i, paths_at<kLevels>(levels, i));
  }

  template <int kLevels>
  static void add_leaves(const uint64_t (*levels)[kBlockRows / 64], const int32_t* leaves, int32_t* margins) {
    const __m512i limit = _mm512_set1_epi32(kMarginLimit);
    const __m512i negative_limit = _mm512_set1_epi32(-kMarginLimit);
    const __m512i table0 = _mm512_loadu_si512(leaves);
    const __m512i table1 = _mm512_loadu_si512(leaves + 16);
    __m512i table2 = table0;
    __m512i table3 = table1;
    if constexpr (kLevels == 6) {
      table2 = _mm512_loadu_si512(leaves + 32);
      table3 = _mm512_loadu_si512(leaves + 48);
    }
    for (size_t i = 0; i < kBlockRows / 64; ++i) {
      alignas(kCacheLine) uint8_t path[64];
      _mm512_store_si512(path, paths_at<kLevels>(levels, i));
#pragma GCC unroll 4
      for (size_t j = 0; j < 4; ++j) {
        const __m512i index = _mm512_cvtepu8_epi32(_mm_load_si128(reinterpret_cast<const __m128i*>(path) + j));
        __m512i leaf;
        if constexpr (kLevels <= 5) {
          leaf = _mm512_permutex2var_epi32(table0, index, table1);
        } else if constexpr (kLevels == 6) {
          // The permutations take five bits of the path; the root's chooses between them.
          const auto upper = static_cast<__mmask16>(levels[0][i] >> (16 * j));
          leaf = _mm512_mask_blend_epi32(upper, _mm512_permutex2var_epi32(table0, index, table1),
                                         _mm512_permutex2var_epi32(table2, index, table3));
        } else {
          leaf = _mm512_i32gather_epi32(index, leaves, 4);
        }
        int32_t* const p = margins + 64 * i + 16 * j;
        const __m512i sum = _mm512_add_epi32(_mm512_load_si512(p), leaf);
        _mm512_store_si512(p, _mm512_max_epi32(_mm512_min_epi32(sum, limit), negative_limit));
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

const PredictKernels* predict_avx512_kernels() {
  static constexpr PredictKernels kernels{8, add_trees<MasksAvx512>, rank_block, rank_plane};
  return &kernels;
}

}  // namespace lockstep

#else

namespace lockstep {
const PredictKernels* predict_avx512_kernels() { return nullptr; }
}  // namespace lockstep

#endif
