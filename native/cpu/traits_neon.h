// NEON vectors for kernels_search.h and kernels_rows.h.

/** Bit i of the result: lane i of a comparison's result is set. */
inline uint32_t mask_of(uint32x4_t compared) {
  constexpr uint32_t kBits[4] = {1, 2, 4, 8};
  return vaddvq_u32(vandq_u32(compared, vld1q_u32(kBits)));
}

struct LanesNeon {
  static constexpr int kLanes = 4;
  using Words = int64x2_t;
  using Ints = int32x4_t;
  using Floats = float32x4_t;

  static constexpr int lane_of(int bit) { return bit; }

  static Words load(const int64_t* p) { return vld1q_s64(p); }
  static void store(int64_t* p, Words a) { vst1q_s64(p, a); }
  static Words zero_words() { return vdupq_n_s64(0); }
  static Words add_words(Words a, Words b) { return vaddq_s64(a, b); }
  static Words sub_words(Words a, Words b) { return vsubq_s64(a, b); }
  static bool any(Words a, Words b) { return vmaxvq_u32(vreinterpretq_u32_s64(vorrq_s64(a, b))) != 0; }
  static Ints low_halves(Words a, Words b) { return vuzp1q_s32(vreinterpretq_s32_s64(a), vreinterpretq_s32_s64(b)); }
  static Ints high_halves(Words a, Words b) { return vuzp2q_s32(vreinterpretq_s32_s64(a), vreinterpretq_s32_s64(b)); }
  static Ints set_int(uint32_t x) { return vreinterpretq_s32_u32(vdupq_n_u32(x)); }
  static Ints sub_int(Ints a, Ints b) { return vsubq_s32(a, b); }
  static Floats from_int(Ints a) { return vcvtq_f32_s32(a); }
  static Floats set(float x) { return vdupq_n_f32(x); }
  static Floats zero() { return vdupq_n_f32(0); }
  static Floats add(Floats a, Floats b) { return vaddq_f32(a, b); }
  static Floats sub(Floats a, Floats b) { return vsubq_f32(a, b); }
  static Floats mul(Floats a, Floats b) { return vmulq_f32(a, b); }
  static Floats max(Floats a, Floats b) { return vmaxq_f32(a, b); }
  static Floats abs(Floats a) { return vabsq_f32(a); }
  static Floats fma(Floats a, Floats b, Floats c) { return vfmaq_f32(c, a, b); }
  static Floats fms(Floats a, Floats b, Floats c) { return vfmaq_f32(vnegq_f32(c), a, b); }
  /** Bits of the lanes with i ≤ limit, unsigned, and a ≥ b. */
  static uint32_t at_most_and_at_least(Ints i, Ints limit, Floats a, Floats b) {
    const uint32x4_t in = vcleq_u32(vreinterpretq_u32_s32(i), vreinterpretq_u32_s32(limit));
    return mask_of(vandq_u32(in, vcgeq_f32(a, b)));
  }
};

struct DoublesNeon {
  static constexpr int kLanes = 2;
  using Words = int64x2_t;
  using Doubles = float64x2_t;

  static constexpr int pair_lane_of(int bit) { return bit; }

  static Words load(const int64_t* p) { return vld1q_s64(p); }
  static void store(int64_t* p, Words a) { vst1q_s64(p, a); }
  /** Pairs (g, h) of two cells. */
  static void load_pairs(const int64_t* p, Words& g, Words& h) {
    const int64x2x2_t pairs = vld2q_s64(p);
    g = pairs.val[0];
    h = pairs.val[1];
  }
  static Words zero_words() { return vdupq_n_s64(0); }
  static Words add_words(Words a, Words b) { return vaddq_s64(a, b); }
  static Words and_words(Words a, int64_t mask) { return vandq_s64(a, vdupq_n_s64(mask)); }
  template <int kShift>
  static Words shift_right(Words a) {
    return vshrq_n_s64(a, kShift);
  }
  static Doubles from_words(Words a) { return vcvtq_f64_s64(a); }
  static Doubles set(double x) { return vdupq_n_f64(x); }
  static Doubles add(Doubles a, Doubles b) { return vaddq_f64(a, b); }
  static Doubles sub(Doubles a, Doubles b) { return vsubq_f64(a, b); }
  static Doubles mul(Doubles a, Doubles b) { return vmulq_f64(a, b); }
  static Doubles min(Doubles a, Doubles b) { return vminq_f64(a, b); }
  static Doubles max(Doubles a, Doubles b) { return vmaxq_f64(a, b); }
  static Doubles abs(Doubles a) { return vabsq_f64(a); }
  static Doubles fma(Doubles a, Doubles b, Doubles c) { return vfmaq_f64(c, a, b); }
  static Doubles fms(Doubles a, Doubles b, Doubles c) { return vfmaq_f64(vnegq_f64(c), a, b); }
  static uint32_t at_least(Doubles a, Doubles b) {
    const uint64x2_t compared = vcgeq_f64(a, b);
    return static_cast<uint32_t>((vgetq_lane_u64(compared, 0) & 1) | (vgetq_lane_u64(compared, 1) & 2));
  }
};

/** For each mask of 4 lanes, the bytes of its lanes in order. */
struct CompressPlaces {
  uint8_t byte[16][16];
};

constexpr CompressPlaces compress_places() {
  CompressPlaces places{};
  for (int mask = 0; mask < 16; ++mask) {
    int next = 0;
    for (int byte = 0; byte < 16; ++byte) {
      if ((mask >> (byte / 4) & 1) != 0) places.byte[mask][next++] = static_cast<uint8_t>(byte);
    }
  }
  return places;
}

constexpr CompressPlaces kCompressPlaces = compress_places();

struct RowsNeon {
  static constexpr int kLanes = 4;
  using Ints = int32x4_t;

  static Ints set(uint32_t x) { return LanesNeon::set_int(x); }
  static Ints iota() {
    constexpr int32_t kNumbers[4] = {0, 1, 2, 3};
    return vld1q_s32(kNumbers);
  }
  static Ints load(const int32_t* p) { return vld1q_s32(p); }
  static void store(int32_t* p, Ints a) { vst1q_s32(p, a); }
  static Ints gather(const int32_t* table, Ints index) {
    alignas(16) int32_t at[4];
    vst1q_s32(at, index);
    for (int32_t& lane : at) lane = table[lane];
    return vld1q_s32(at);
  }
  static Ints load_bytes(const uint8_t* p) {
    return vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(vmovl_u8(four_bytes(p)))));
  }
  static Ints add(Ints a, Ints b) { return vaddq_s32(a, b); }
  static Ints sub(Ints a, Ints b) { return vsubq_s32(a, b); }
  static Ints mul(Ints a, Ints b) { return vmulq_s32(a, b); }
  static Ints min(Ints a, Ints b) { return vminq_s32(a, b); }
  static Ints max(Ints a, Ints b) { return vmaxq_s32(a, b); }
  static Ints abs(Ints a) { return vabsq_s32(a); }
  static Ints bit_and(Ints a, Ints b) { return vandq_s32(a, b); }
  static Ints exclusive_or(Ints a, Ints b) { return veorq_s32(a, b); }
  template <int kBits>
  static Ints shift_right(Ints a) {
    return vshrq_n_s32(a, kBits);
  }
  template <int kBits>
  static Ints shift_right_unsigned(Ints a) {
    return vreinterpretq_s32_u32(vshrq_n_u32(vreinterpretq_u32_s32(a), kBits));
  }
  template <int kBits>
  static Ints shift_left(Ints a) {
    return vshlq_n_s32(a, kBits);
  }
  /** a · b in two halves, unsigned. */
  static void multiply(Ints a, uint32_t b, Ints& high, Ints& low) {
    const uint32x4_t factor = vdupq_n_u32(b);
    const int32x4_t first = vreinterpretq_s32_u64(vmull_u32(vget_low_u32(vreinterpretq_u32_s32(a)), vget_low_u32(factor)));
    const int32x4_t second = vreinterpretq_s32_u64(vmull_high_u32(vreinterpretq_u32_s32(a), factor));
    low = vuzp1q_s32(first, second);
    high = vuzp2q_s32(first, second);
  }
  static void gather_segments(const LinkSegment* table, Ints index, Ints& c0, Ints& c12) {
    alignas(16) int32_t at[4];
    alignas(16) int32_t first[4];
    alignas(16) int32_t second[4];
    vst1q_s32(at, index);
    for (int lane = 0; lane < 4; ++lane) {
      first[lane] = table[at[lane]].c0;
      second[lane] = table[at[lane]].c12;
    }
    c0 = vld1q_s32(first);
    c12 = vld1q_s32(second);
  }
  static Ints select_negative(Ints condition, Ints negative, Ints other) {
    return vbslq_s32(vcltzq_s32(condition), negative, other);
  }
  /** (v · weight + 2^23) >> 24 in 64 bits. */
  static Ints apply_weight(Ints v, Ints weight) {
    return vcombine_s32(vrshrn_n_s64(vmull_s32(vget_low_s32(v), vget_low_s32(weight)), 24),
                        vrshrn_n_s64(vmull_high_s32(v, weight), 24));
  }
  static uint32_t at_most_unsigned(Ints a, Ints limit) {
    return mask_of(vcleq_u32(vreinterpretq_u32_s32(a), vreinterpretq_u32_s32(limit)));
  }
  /** Words (g << 32) + h, h ≥ 0, in the order of the lanes. */
  static void store_pairs(int64_t* p, Ints g, Ints h) {
    vst1q_s64(p, vreinterpretq_s64_s32(vzip1q_s32(h, g)));
    vst1q_s64(p + 2, vreinterpretq_s64_s32(vzip2q_s32(h, g)));
  }
  /** Bits of the bytes in low … low + span. */
  static uint32_t bytes_in_range(const uint8_t* p, uint8_t low, uint8_t span) {
    constexpr uint8_t kBits[8] = {1, 2, 4, 8, 0, 0, 0, 0};
    const uint8x8_t in = vcle_u8(vsub_u8(four_bytes(p), vdup_n_u8(low)), vdup_n_u8(span));
    return vaddv_u8(vand_u8(in, vld1_u8(kBits)));
  }
  /** The lanes of `mask` next to each other; what follows them is unspecified. */
  static void store_compressed(uint32_t* p, Ints a, uint32_t mask) {
    vst1q_u32(p, vreinterpretq_u32_u8(vqtbl1q_u8(vreinterpretq_u8_s32(a), vld1q_u8(kCompressPlaces.byte[mask]))));
  }

 private:
  static uint8x8_t four_bytes(const uint8_t* p) {
    uint32_t bytes = 0;
    std::memcpy(&bytes, p, sizeof bytes);
    return vreinterpret_u8_u32(vdup_n_u32(bytes));
  }
};
