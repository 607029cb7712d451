// AVX2 vectors for kernels_search.h and kernels_rows.h.

struct LanesAvx2 {
  static constexpr int kLanes = 8;
  using Words = __m256i;
  using Ints = __m256i;
  using Floats = __m256;

  /** The shuffle of two word vectors goes by 128-bit parts: two cells of the first, two of the second. */
  static constexpr int lane_of(int bit) { return (bit & 2 ? 4 : 0) + 2 * (bit / 4) + (bit & 1); }

  static Words load(const int64_t* p) { return _mm256_load_si256(reinterpret_cast<const __m256i*>(p)); }
  static void store(int64_t* p, Words a) { _mm256_store_si256(reinterpret_cast<__m256i*>(p), a); }
  static Words zero_words() { return _mm256_setzero_si256(); }
  static Words add_words(Words a, Words b) { return _mm256_add_epi64(a, b); }
  static Words sub_words(Words a, Words b) { return _mm256_sub_epi64(a, b); }
  static bool any(Words a, Words b) {
    const __m256i both = _mm256_or_si256(a, b);
    return _mm256_testz_si256(both, both) == 0;
  }
  static Ints low_halves(Words a, Words b) {
    return _mm256_castps_si256(_mm256_shuffle_ps(_mm256_castsi256_ps(a), _mm256_castsi256_ps(b), 0x88));
  }
  static Ints high_halves(Words a, Words b) {
    return _mm256_castps_si256(_mm256_shuffle_ps(_mm256_castsi256_ps(a), _mm256_castsi256_ps(b), 0xDD));
  }
  static Ints set_int(uint32_t x) { return _mm256_set1_epi32(static_cast<int>(x)); }
  static Ints sub_int(Ints a, Ints b) { return _mm256_sub_epi32(a, b); }
  static void store_ints(int32_t* p, Ints a) { _mm256_store_si256(reinterpret_cast<__m256i*>(p), a); }
  static Floats from_int(Ints a) { return _mm256_cvtepi32_ps(a); }
  static Floats set(float x) { return _mm256_set1_ps(x); }
  static Floats zero() { return _mm256_setzero_ps(); }
  static Floats add(Floats a, Floats b) { return _mm256_add_ps(a, b); }
  static Floats sub(Floats a, Floats b) { return _mm256_sub_ps(a, b); }
  static Floats mul(Floats a, Floats b) { return _mm256_mul_ps(a, b); }
  static Floats max(Floats a, Floats b) { return _mm256_max_ps(a, b); }
  static Floats abs(Floats a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a); }
  static Floats fma(Floats a, Floats b, Floats c) { return _mm256_fmadd_ps(a, b, c); }
  static Floats fms(Floats a, Floats b, Floats c) { return _mm256_fmsub_ps(a, b, c); }
  /** Bits of the lanes with i ≤ limit, unsigned, and a ≥ b. */
  static uint32_t at_most_and_at_least(Ints i, Ints limit, Floats a, Floats b) {
    const __m256i in = _mm256_cmpeq_epi32(_mm256_min_epu32(i, limit), i);
    const __m256 passed = _mm256_and_ps(_mm256_cmp_ps(a, b, _CMP_GE_OQ), _mm256_castsi256_ps(in));
    return static_cast<uint32_t>(_mm256_movemask_ps(passed));
  }
};

struct DoublesAvx2 {
  static constexpr int kLanes = 4;
  using Words = __m256i;
  using Doubles = __m256d;

  static constexpr int pair_lane_of(int bit) { return (bit & 1 ? 2 : 0) + bit / 2; }

  static Words load(const int64_t* p) { return LanesAvx2::load(p); }
  static void store(int64_t* p, Words a) { LanesAvx2::store(p, a); }
  /** Pairs (g, h) of four cells; the lanes come out as pair_lane_of says. */
  static void load_pairs(const int64_t* p, Words& g, Words& h) {
    const Words a = load(p);
    const Words b = load(p + 4);
    g = _mm256_unpacklo_epi64(a, b);
    h = _mm256_unpackhi_epi64(a, b);
  }
  static Words zero_words() { return _mm256_setzero_si256(); }
  static Words add_words(Words a, Words b) { return _mm256_add_epi64(a, b); }
  static Words and_words(Words a, int64_t mask) { return _mm256_and_si256(a, _mm256_set1_epi64x(mask)); }
  template <int kShift>
  static Words shift_right(Words a) {
    const __m256i sign = _mm256_set1_epi64x(int64_t{1} << (63 - kShift));
    return _mm256_sub_epi64(_mm256_xor_si256(_mm256_srli_epi64(a, kShift), sign), sign);
  }
  /** Exact below 2^51; beyond, by halves with one rounding, which the filter's slack covers. */
  static Doubles from_words(Words a) {
    const __m256i high_bits = _mm256_set1_epi64x(0x4530000080000000);  // 2^84 + 2^63
    const __m256i low_bits = _mm256_set1_epi64x(0x4330000000000000);   // 2^52
    const __m256i high = _mm256_xor_si256(_mm256_srli_epi64(a, 32), high_bits);
    const __m256i low = _mm256_blend_epi32(low_bits, a, 0x55);
    const __m256d high_part = _mm256_sub_pd(_mm256_castsi256_pd(high), _mm256_set1_pd(0x1p84 + 0x1p63 + 0x1p52));
    return _mm256_add_pd(high_part, _mm256_castsi256_pd(low));
  }
  static Doubles set(double x) { return _mm256_set1_pd(x); }
  static Doubles add(Doubles a, Doubles b) { return _mm256_add_pd(a, b); }
  static Doubles sub(Doubles a, Doubles b) { return _mm256_sub_pd(a, b); }
  static Doubles mul(Doubles a, Doubles b) { return _mm256_mul_pd(a, b); }
  static Doubles min(Doubles a, Doubles b) { return _mm256_min_pd(a, b); }
  static Doubles max(Doubles a, Doubles b) { return _mm256_max_pd(a, b); }
  static Doubles abs(Doubles a) { return _mm256_andnot_pd(_mm256_set1_pd(-0.0), a); }
  static Doubles fma(Doubles a, Doubles b, Doubles c) { return _mm256_fmadd_pd(a, b, c); }
  static Doubles fms(Doubles a, Doubles b, Doubles c) { return _mm256_fmsub_pd(a, b, c); }
  static uint32_t at_least(Doubles a, Doubles b) {
    return static_cast<uint32_t>(_mm256_movemask_pd(_mm256_cmp_pd(a, b, _CMP_GE_OQ)));
  }
};

/** For each mask of 8 lanes, the numbers of its lanes in order: AVX2 has no compression. */
struct CompressPlaces {
  uint8_t lane[256][8];
};

constexpr CompressPlaces compress_places() {
  CompressPlaces places{};
  for (int mask = 0; mask < 256; ++mask) {
    int next = 0;
    for (int lane = 0; lane < 8; ++lane) {
      if ((mask >> lane & 1) != 0) places.lane[mask][next++] = static_cast<uint8_t>(lane);
    }
  }
  return places;
}

constexpr CompressPlaces kCompressPlaces = compress_places();

struct RowsAvx2 {
  static constexpr int kLanes = 8;
  using Ints = __m256i;

  static Ints set(uint32_t x) { return _mm256_set1_epi32(static_cast<int>(x)); }
  static Ints iota() { return _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7); }
  static Ints load(const int32_t* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
  static void store(int32_t* p, Ints a) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), a); }
  static Ints gather(const int32_t* table, Ints index) { return _mm256_i32gather_epi32(table, index, 4); }
  static Ints load_bytes(const uint8_t* p) {
    return _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
  }
  static Ints add(Ints a, Ints b) { return _mm256_add_epi32(a, b); }
  static Ints sub(Ints a, Ints b) { return _mm256_sub_epi32(a, b); }
  static Ints mul(Ints a, Ints b) { return _mm256_mullo_epi32(a, b); }
  static Ints min(Ints a, Ints b) { return _mm256_min_epi32(a, b); }
  static Ints max(Ints a, Ints b) { return _mm256_max_epi32(a, b); }
  static Ints abs(Ints a) { return _mm256_abs_epi32(a); }
  static Ints bit_and(Ints a, Ints b) { return _mm256_and_si256(a, b); }
  static Ints exclusive_or(Ints a, Ints b) { return _mm256_xor_si256(a, b); }
  template <int kBits>
  static Ints shift_right(Ints a) {
    return _mm256_srai_epi32(a, kBits);
  }
  template <int kBits>
  static Ints shift_right_unsigned(Ints a) {
    return _mm256_srli_epi32(a, kBits);
  }
  template <int kBits>
  static Ints shift_left(Ints a) {
    return _mm256_slli_epi32(a, kBits);
  }
  /** a · b in two halves, unsigned. */
  static void multiply(Ints a, uint32_t b, Ints& high, Ints& low) {
    const Ints factor = set(b);
    const Ints even = _mm256_mul_epu32(a, factor);
    const Ints odd = _mm256_mul_epu32(_mm256_srli_epi64(a, 32), factor);
    high = _mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xAA);
    low = _mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xAA);
  }
  static void gather_segments(const LinkSegment* table, Ints index, Ints& c0, Ints& c12) {
    const int* base = &table->c0;
    c0 = _mm256_i32gather_epi32(base, index, 8);
    c12 = _mm256_i32gather_epi32(base + 1, index, 8);
  }
  static Ints select_negative(Ints condition, Ints negative, Ints other) {
    return _mm256_castps_si256(_mm256_blendv_ps(_mm256_castsi256_ps(other), _mm256_castsi256_ps(negative),
                                                _mm256_castsi256_ps(condition)));
  }
  /** (v · weight + 2^23) >> 24 in 64 bits. */
  static Ints apply_weight(Ints v, Ints weight) {
    const Ints half = _mm256_set1_epi64x(1 << 23);
    const Ints even = _mm256_add_epi64(_mm256_mul_epi32(v, weight), half);
    const Ints odd = _mm256_add_epi64(
        _mm256_mul_epi32(_mm256_srli_epi64(v, 32), _mm256_srli_epi64(weight, 32)), half);
    return _mm256_blend_epi32(_mm256_srli_epi64(even, 24), _mm256_slli_epi64(odd, 8), 0xAA);
  }
  static uint32_t at_most_unsigned(Ints a, Ints limit) {
    const Ints in = _mm256_cmpeq_epi32(_mm256_min_epu32(a, limit), a);
    return static_cast<uint32_t>(_mm256_movemask_ps(_mm256_castsi256_ps(in)));
  }
  /** Words (g << 32) + h, h ≥ 0, in the order of the lanes. */
  static void store_pairs(int64_t* p, Ints g, Ints h) {
    const Ints low = _mm256_unpacklo_epi32(h, g);   // rows 0, 1 and 4, 5
    const Ints high = _mm256_unpackhi_epi32(h, g);  // rows 2, 3 and 6, 7
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm256_permute2x128_si256(low, high, 0x20));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p + 4), _mm256_permute2x128_si256(low, high, 0x31));
  }
  /** Bits of the bytes in low … low + span. */
  static uint32_t bytes_in_range(const uint8_t* p, uint8_t low, uint8_t span) {
    const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
    const __m128i offset = _mm_sub_epi8(bytes, _mm_set1_epi8(static_cast<char>(low)));
    const __m128i in = _mm_cmpeq_epi8(_mm_min_epu8(offset, _mm_set1_epi8(static_cast<char>(span))), offset);
    return static_cast<uint32_t>(_mm_movemask_epi8(in)) & 0xFFu;
  }
  /** The lanes of `mask` next to each other; what follows them is unspecified. */
  static void store_compressed(uint32_t* p, Ints a, uint32_t mask) {
    const __m128i places = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(kCompressPlaces.lane[mask]));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm256_permutevar8x32_epi32(a, _mm256_cvtepu8_epi32(places)));
  }
};

/** Keys of kernels_small.h: the code of a row in the upper byte, its number in the lower. */
struct SmallAvx2 {
  static constexpr int kLanes = 16;
  using Keys = __m256i;
  using Ints = __m256i;

  static Keys last() { return _mm256_set1_epi16(-1); }
  static void order(Keys& a, Keys& b) {
    const Keys low = _mm256_min_epu16(a, b);
    b = _mm256_max_epu16(a, b);
    a = low;
  }
  static void load(const SmallNode& node, int first_feature, Keys* keys) {
    const size_t end = node.data.rows * node.data.stride;
    for (size_t i = 0; i < node.count; ++i) {
      const size_t at = node.rows[i] * node.data.stride + static_cast<size_t>(first_feature);
      alignas(16) uint8_t bytes[kLanes] = {};
      std::memcpy(bytes, node.data.bins + at, at + kLanes <= end ? kLanes : end - at);
      const __m128i codes = _mm_load_si128(reinterpret_cast<const __m128i*>(bytes));
      keys[i] = _mm256_or_si256(_mm256_slli_epi16(_mm256_cvtepu8_epi16(codes), 8),
                                _mm256_set1_epi16(static_cast<short>(i)));
    }
  }
  /** A bit a lane: the sign of each 16-bit word. */
  static uint32_t signs(__m256i words) {
    const __m128i bytes = _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
    return static_cast<uint32_t>(_mm_movemask_epi8(bytes));
  }
  /** Lanes in which the codes are the same. */
  static uint32_t equal(Keys a, Keys b) {
    return signs(_mm256_cmpeq_epi16(_mm256_srli_epi16(_mm256_xor_si256(a, b), 8), _mm256_setzero_si256()));
  }
  /** Lanes in which the codes differ. */
  static uint32_t differ(Keys a, Keys b) { return ~equal(a, b) & 0xFFFF; }
  static uint32_t missing(Keys a) { return equal(a, _mm256_setzero_si256()); }
  /** Keys of lanes `lane` … lane + 7. */
  static Ints lanes(const Keys* key, int lane) {
    const auto* p = reinterpret_cast<const uint16_t*>(key) + lane;
    return _mm256_cvtepu16_epi32(_mm_load_si128(reinterpret_cast<const __m128i*>(p)));
  }

  /** Gradient pairs by row number. */
  struct Table {
    const int32_t* g;
    const int32_t* h;
    explicit Table(const SmallNode& node) : g(node.gradient), h(node.hessian) {}
  };
  static Ints look_up(const int32_t* of, Ints key) {
    return _mm256_i32gather_epi32(of, _mm256_and_si256(key, _mm256_set1_epi32(255)), 4);
  }
  template <int>
  static void add(const Table& table, Ints key, Ints& g, Ints& h) {
    g = _mm256_add_epi32(g, look_up(table.g, key));
    h = _mm256_add_epi32(h, look_up(table.h, key));
  }
  /** Adds the rows whose code is 0; returns whether there are any. */
  template <int>
  static bool add_missing(const Table& table, Ints key, Ints& g, Ints& h) {
    const __m256i missing = _mm256_cmpgt_epi32(_mm256_set1_epi32(256), key);
    g = _mm256_add_epi32(g, _mm256_and_si256(missing, look_up(table.g, key)));
    h = _mm256_add_epi32(h, _mm256_and_si256(missing, look_up(table.h, key)));
    return _mm256_testz_si256(missing, missing) == 0;
  }
};
