// AVX-512 vectors for kernels_search.h and kernels_rows.h.

/**
 * A mask as a number. By an instruction of its own: left to itself, GCC 12 at -O2 spills a mask as 16 bits and reads it back
 * as 32, the upper ones being whatever lay there.
 */
inline uint32_t bits_of(__mmask16 mask) {
  uint32_t bits = 0;
  __asm__("kmovw %1, %0" : "=r"(bits) : "k"(mask));
  return bits;
}

struct LanesAvx512 {
  static constexpr int kLanes = 16;
  using Words = __m512i;
  using Ints = __m512i;
  using Floats = __m512;

  /** The shuffle of two word vectors goes by 128-bit parts: two cells of the first, two of the second. */
  static constexpr int lane_of(int bit) { return (bit & 2 ? 8 : 0) + 2 * (bit / 4) + (bit & 1); }

  static Words load(const int64_t* p) { return _mm512_load_si512(p); }
  static void store(int64_t* p, Words a) { _mm512_store_si512(p, a); }
  static Words zero_words() { return _mm512_setzero_si512(); }
  static Words add_words(Words a, Words b) { return _mm512_add_epi64(a, b); }
  static Words sub_words(Words a, Words b) { return _mm512_sub_epi64(a, b); }
  static bool any(Words a, Words b) {
    const __m512i both = _mm512_or_si512(a, b);
    return _mm512_test_epi64_mask(both, both) != 0;
  }
  static Ints low_halves(Words a, Words b) {
    return _mm512_castps_si512(_mm512_shuffle_ps(_mm512_castsi512_ps(a), _mm512_castsi512_ps(b), 0x88));
  }
  static Ints high_halves(Words a, Words b) {
    return _mm512_castps_si512(_mm512_shuffle_ps(_mm512_castsi512_ps(a), _mm512_castsi512_ps(b), 0xDD));
  }
  static Ints set_int(uint32_t x) { return _mm512_set1_epi32(static_cast<int>(x)); }
  static Ints sub_int(Ints a, Ints b) { return _mm512_sub_epi32(a, b); }
  static void store_ints(int32_t* p, Ints a) { _mm512_store_si512(p, a); }
  static Floats from_int(Ints a) { return _mm512_cvtepi32_ps(a); }
  static Floats set(float x) { return _mm512_set1_ps(x); }
  static Floats zero() { return _mm512_setzero_ps(); }
  static Floats add(Floats a, Floats b) { return _mm512_add_ps(a, b); }
  static Floats sub(Floats a, Floats b) { return _mm512_sub_ps(a, b); }
  static Floats mul(Floats a, Floats b) { return _mm512_mul_ps(a, b); }
  static Floats max(Floats a, Floats b) { return _mm512_max_ps(a, b); }
  static Floats abs(Floats a) { return _mm512_abs_ps(a); }
  static Floats fma(Floats a, Floats b, Floats c) { return _mm512_fmadd_ps(a, b, c); }
  static Floats fms(Floats a, Floats b, Floats c) { return _mm512_fmsub_ps(a, b, c); }
  /** Bits of the lanes with i ≤ limit, unsigned, and a ≥ b. */
  static uint32_t at_most_and_at_least(Ints i, Ints limit, Floats a, Floats b) {
    return bits_of(_mm512_mask_cmp_ps_mask(_mm512_cmple_epu32_mask(i, limit), a, b, _CMP_GE_OQ));
  }
};

struct DoublesAvx512 {
  static constexpr int kLanes = 8;
  using Words = __m512i;
  using Doubles = __m512d;

  static constexpr int pair_lane_of(int bit) { return (bit & 1 ? 4 : 0) + bit / 2; }

  static Words load(const int64_t* p) { return _mm512_load_si512(p); }
  static void store(int64_t* p, Words a) { _mm512_store_si512(p, a); }
  /** Pairs (g, h) of eight cells; the lanes come out as pair_lane_of says. */
  static void load_pairs(const int64_t* p, Words& g, Words& h) {
    const Words a = load(p);
    const Words b = load(p + 8);
    g = _mm512_unpacklo_epi64(a, b);
    h = _mm512_unpackhi_epi64(a, b);
  }
  static Words zero_words() { return _mm512_setzero_si512(); }
  static Words add_words(Words a, Words b) { return _mm512_add_epi64(a, b); }
  static Words and_words(Words a, int64_t mask) { return _mm512_and_si512(a, _mm512_set1_epi64(mask)); }
  template <int kShift>
  static Words shift_right(Words a) {
    return _mm512_srai_epi64(a, kShift);
  }
  static Doubles from_words(Words a) { return _mm512_cvtepi64_pd(a); }
  static Doubles set(double x) { return _mm512_set1_pd(x); }
  static Doubles add(Doubles a, Doubles b) { return _mm512_add_pd(a, b); }
  static Doubles sub(Doubles a, Doubles b) { return _mm512_sub_pd(a, b); }
  static Doubles mul(Doubles a, Doubles b) { return _mm512_mul_pd(a, b); }
  static Doubles min(Doubles a, Doubles b) { return _mm512_min_pd(a, b); }
  static Doubles max(Doubles a, Doubles b) { return _mm512_max_pd(a, b); }
  static Doubles abs(Doubles a) { return _mm512_abs_pd(a); }
  static Doubles fma(Doubles a, Doubles b, Doubles c) { return _mm512_fmadd_pd(a, b, c); }
  static Doubles fms(Doubles a, Doubles b, Doubles c) { return _mm512_fmsub_pd(a, b, c); }
  static uint32_t at_least(Doubles a, Doubles b) { return bits_of(_mm512_cmp_pd_mask(a, b, _CMP_GE_OQ)); }
};

struct RowsAvx512 {
  static constexpr int kLanes = 16;
  using Ints = __m512i;

  static Ints set(uint32_t x) { return _mm512_set1_epi32(static_cast<int>(x)); }
  static Ints iota() { return _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15); }
  static Ints load(const int32_t* p) { return _mm512_loadu_si512(p); }
  static void store(int32_t* p, Ints a) { _mm512_storeu_si512(p, a); }
  static Ints gather(const int32_t* table, Ints index) { return _mm512_i32gather_epi32(index, table, 4); }
  static Ints load_bytes(const uint8_t* p) {
    return _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
  static Ints add(Ints a, Ints b) { return _mm512_add_epi32(a, b); }
  static Ints sub(Ints a, Ints b) { return _mm512_sub_epi32(a, b); }
  static Ints mul(Ints a, Ints b) { return _mm512_mullo_epi32(a, b); }
  static Ints min(Ints a, Ints b) { return _mm512_min_epi32(a, b); }
  static Ints max(Ints a, Ints b) { return _mm512_max_epi32(a, b); }
  static Ints abs(Ints a) { return _mm512_abs_epi32(a); }
  static Ints bit_and(Ints a, Ints b) { return _mm512_and_si512(a, b); }
  static Ints exclusive_or(Ints a, Ints b) { return _mm512_xor_si512(a, b); }
  template <int kBits>
  static Ints shift_right(Ints a) {
    return _mm512_srai_epi32(a, kBits);
  }
  template <int kBits>
  static Ints shift_right_unsigned(Ints a) {
    return _mm512_srli_epi32(a, kBits);
  }
  template <int kBits>
  static Ints shift_left(Ints a) {
    return _mm512_slli_epi32(a, kBits);
  }
  /** a · b in two halves, unsigned. */
  static void multiply(Ints a, uint32_t b, Ints& high, Ints& low) {
    const Ints factor = set(b);
    const Ints even = _mm512_mul_epu32(a, factor);
    const Ints odd = _mm512_mul_epu32(_mm512_srli_epi64(a, 32), factor);
    high = _mm512_mask_blend_epi32(0xAAAA, _mm512_srli_epi64(even, 32), odd);
    low = _mm512_mask_blend_epi32(0xAAAA, even, _mm512_slli_epi64(odd, 32));
  }
  static void gather_segments(const LinkSegment* table, Ints index, Ints& c0, Ints& c12) {
    // Both halves of a segment in one load.
    const Ints first = _mm512_i32gather_epi64(_mm512_castsi512_si256(index), table, 8);
    const Ints second = _mm512_i32gather_epi64(_mm512_extracti64x4_epi64(index, 1), table, 8);
    const Ints even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    c0 = _mm512_permutex2var_epi32(first, even, second);
    c12 = _mm512_permutex2var_epi32(first, _mm512_add_epi32(even, _mm512_set1_epi32(1)), second);
  }
  static Ints select_negative(Ints condition, Ints negative, Ints other) {
    return _mm512_mask_blend_epi32(_mm512_movepi32_mask(condition), other, negative);
  }
  /** (v · weight + 2^23) >> 24 in 64 bits. */
  static Ints apply_weight(Ints v, Ints weight) {
    const Ints half = _mm512_set1_epi64(1 << 23);
    const Ints even = _mm512_add_epi64(_mm512_mul_epi32(v, weight), half);
    const Ints odd = _mm512_add_epi64(
        _mm512_mul_epi32(_mm512_srli_epi64(v, 32), _mm512_srli_epi64(weight, 32)), half);
    return _mm512_mask_blend_epi32(0xAAAA, _mm512_srli_epi64(even, 24), _mm512_slli_epi64(odd, 8));
  }
  static uint32_t at_most_unsigned(Ints a, Ints limit) { return bits_of(_mm512_cmple_epu32_mask(a, limit)); }
  /** Words (g << 32) + h, h ≥ 0, in the order of the lanes. */
  static void store_pairs(int64_t* p, Ints g, Ints h) {
    const Ints first = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    const Ints second = _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    _mm512_storeu_si512(p, _mm512_permutex2var_epi32(h, first, g));
    _mm512_storeu_si512(p + 8, _mm512_permutex2var_epi32(h, second, g));
  }
  /** Bits of the bytes in low … low + span; p is aligned to 16 bytes. */
  static uint32_t bytes_in_range(const uint8_t* p, uint8_t low, uint8_t span) {
    const __m128i bytes = _mm_load_si128(reinterpret_cast<const __m128i*>(p));
    return bits_of(_mm_cmple_epu8_mask(_mm_sub_epi8(bytes, _mm_set1_epi8(static_cast<char>(low))),
                                       _mm_set1_epi8(static_cast<char>(span))));
  }
  /** The lanes of `mask` next to each other; what follows them is unspecified. */
  static void store_compressed(uint32_t* p, Ints a, uint32_t mask) {
    _mm512_storeu_si512(p, _mm512_maskz_compress_epi32(static_cast<__mmask16>(mask), a));
  }
};

/** Keys of kernels_small.h: the code of a row in the upper byte, its number in the lower. */
struct SmallAvx512 {
  static constexpr int kLanes = 32;
  using Keys = __m512i;

  static Keys last() { return _mm512_set1_epi16(-1); }
  static void order(Keys& a, Keys& b) {
    const Keys low = _mm512_min_epu16(a, b);
    b = _mm512_max_epu16(a, b);
    a = low;
  }
  static void load(const SmallNode& node, int first_feature, Keys* keys) {
    const int features = std::min(kLanes, node.data.features - first_feature);
    const auto mask = static_cast<__mmask32>((uint64_t{1} << features) - 1);
    const uint8_t* codes = node.data.bins + first_feature;
    for (size_t i = 0; i < node.count; ++i) {
      const __m256i code = _mm256_maskz_loadu_epi8(mask, codes + node.rows[i] * node.data.stride);
      keys[i] = _mm512_or_si512(_mm512_slli_epi16(_mm512_cvtepu8_epi16(code), 8),
                                _mm512_set1_epi16(static_cast<short>(i)));
    }
  }
  /** Lanes in which the codes differ. */
  static uint32_t differ(Keys a, Keys b) {
    return _mm512_test_epi16_mask(_mm512_xor_si512(a, b), _mm512_set1_epi16(static_cast<short>(0xFF00)));
  }
  static uint32_t missing(Keys a) { return _mm512_cmplt_epu16_mask(a, _mm512_set1_epi16(256)); }
  /** Keys of lanes `lane` … lane + 15. */
  static __m512i lanes(const Keys* key, int lane) {
    const auto* p = reinterpret_cast<const uint16_t*>(key) + lane;
    return _mm512_cvtepu16_epi32(_mm256_load_si256(reinterpret_cast<const __m256i*>(p)));
  }

  /** Gradient pairs by row number, 32 a table. */
  struct Table {
    __m512i g[kSmallRows / 16];
    __m512i h[kSmallRows / 16];
    explicit Table(const SmallNode& node) {
      for (size_t i = 0; i < kSmallRows / 16; ++i) {
        g[i] = _mm512_load_si512(node.gradient + 16 * i);
        h[i] = _mm512_load_si512(node.hessian + 16 * i);
      }
    }
  };
  template <int kTables>
  static __m512i look_up(const __m512i* of, __m512i key) {
    if constexpr (kTables == 1) {
      return _mm512_permutex2var_epi32(of[0], key, of[1]);
    } else {
      const __mmask16 upper = _mm512_test_epi32_mask(key, _mm512_set1_epi32(16 * kTables));
      return _mm512_mask_blend_epi32(upper, look_up<kTables / 2>(of, key), look_up<kTables / 2>(of + kTables, key));
    }
  }
  template <int kTables>
  static void add(const Table& table, __m512i key, __m512i& g, __m512i& h) {
    g = _mm512_add_epi32(g, look_up<kTables>(table.g, key));
    h = _mm512_add_epi32(h, look_up<kTables>(table.h, key));
  }
  /** Adds the rows whose code is 0; returns whether there are any. */
  template <int kTables>
  static bool add_missing(const Table& table, __m512i key, __m512i& g, __m512i& h) {
    const __mmask16 missing = _mm512_cmplt_epu32_mask(key, _mm512_set1_epi32(256));
    g = _mm512_mask_add_epi32(g, missing, g, look_up<kTables>(table.g, key));
    h = _mm512_mask_add_epi32(h, missing, h, look_up<kTables>(table.h, key));
    return bits_of(missing) != 0;
  }
};
