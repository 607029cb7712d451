// Loops over rows on a vector type: included once for each instruction set, like kernels_search.h. Traits R give kLanes
// (4, 8 or 16) 32-bit integer lanes, `Ints`, and the few operations used here.

/** Philox4x32-10 of kLanes counters (first + lane, round, purpose, class), as in core/philox.h. */
template <class R>
struct PhiloxVector {
  typename R::Ints word[4];

  PhiloxVector(uint32_t first, const RowDraw& draw) {
    word[0] = R::add(R::set(first), R::iota());
    word[1] = R::set(draw.round);
    word[2] = R::set(static_cast<uint32_t>(draw.purpose));
    word[3] = R::set(draw.class_index);
    PhiloxKey key = draw.key;
    for (int i = 0; i < 10; ++i) {
      typename R::Ints a_high, a_low, b_high, b_low;
      R::multiply(word[0], 0xD2511F53u, a_high, a_low);
      R::multiply(word[2], 0xCD9E8D57u, b_high, b_low);
      word[0] = R::exclusive_or(R::exclusive_or(b_high, word[1]), R::set(key.low));
      word[1] = b_low;
      word[2] = R::exclusive_or(R::exclusive_or(a_high, word[3]), R::set(key.high));
      word[3] = a_low;
      key.low += 0x9E3779B9u;
      key.high += 0xBB67AE85u;
    }
  }
};

/** Words of rows 64·block … 64·block + 63: visit(first row, words of kLanes rows). */
template <class R, class Visit>
void for_row_words(const RowDraw& draw, uint32_t block, const Visit& visit) {
  for (uint32_t lane = 0; lane < 16; lane += R::kLanes) {
    const PhiloxVector<R> words(block * 16 + lane, draw);
    for (uint32_t w = 0; w < 4; ++w) visit(size_t{block} * 64 + w * 16 + lane, words.word[w]);
  }
}

/** evaluate_segment of core/, for kLanes magnitudes within the table. */
template <class R, int kSlopeBits>
typename R::Ints evaluate_segments(const LinkSegment* table, typename R::Ints t) {
  typename R::Ints c0, c12;
  R::gather_segments(table, R::template shift_right<14>(t), c0, c12);
  const auto f = R::sub(R::bit_and(t, R::set(16383)), R::set(8192));
  const auto c1 = R::template shift_right<12>(c12);
  const auto c2 = R::template shift_right<20>(R::template shift_left<20>(c12));
  const auto slope = R::add(c1, R::template shift_right<14>(R::add(R::mul(f, c2), R::set(8192))));
  const auto half = R::set(1u << (kSlopeBits - 17));
  return R::add(c0, R::template shift_right<kSlopeBits - 16>(R::add(R::mul(f, slope), half)));
}

/** logistic_gradient, apply_weight and quantise_logistic of core/, for kLanes rows. */
template <class R>
void logistic_vector(const LogisticRows& rows, size_t row, typename R::Ints dither) {
  const auto m = R::load(rows.margin + row);
  const auto t = R::min(R::abs(m), R::set(0xFFFFFFu));
  const auto q = evaluate_segments<R, 26>(kSigmoidTable, t);
  const auto a = R::template shift_right<15>(q);
  const auto b = R::bit_and(q, R::set(32767));
  const auto square = R::add(
      R::mul(a, a), R::template shift_right<14>(R::add(R::mul(R::add(a, R::set(1)), b), R::set(16383))));
  auto h = R::sub(q, square);
  const auto p = R::select_negative(m, q, R::sub(R::set(1u << 30), q));
  auto g = R::sub(p, R::template shift_left<30>(R::load_bytes(rows.label + row)));
  if (rows.weight != nullptr) {
    const auto weight = R::load(reinterpret_cast<const int32_t*>(rows.weight) + row);
    g = R::apply_weight(g, weight);
    h = R::apply_weight(h, weight);
  }
  g = R::template shift_right<15>(R::add(g, R::bit_and(dither, R::set(0x7fff))));
  h = R::template shift_right<14>(R::add(h, R::template shift_right_unsigned<18>(dither)));
  R::store_pairs(rows.gradient + row, g, h);
}

template <class R>
void logistic_rows(const LogisticRows& rows, size_t begin, size_t end) {
  const RowDraw draw{rows.key, rows.round, Purpose::kDither, 0};
  size_t row = begin;
  for (; row + 64 <= end; row += 64) {
    for_row_words<R>(draw, static_cast<uint32_t>(row / 64),
                     [&](size_t first, typename R::Ints words) { logistic_vector<R>(rows, first, words); });
  }
  for (; row < end; ++row) logistic_row(rows, row);
}

/** Adds up to 2^16 vectors of unsigned words, half a word at a time. */
template <class R>
struct WordSums {
  typename R::Ints low;
  typename R::Ints high;

  WordSums() : low(R::set(0)), high(R::set(0)) {}
  void add(typename R::Ints words) {
    low = R::add(low, R::bit_and(words, R::set(0xffff)));
    high = R::add(high, R::template shift_right_unsigned<16>(words));
  }
  uint64_t total() const {
    uint32_t lows[R::kLanes];
    uint32_t highs[R::kLanes];
    constexpr uint32_t kAll = (1u << R::kLanes) - 1;
    R::store_compressed(lows, low, kAll);
    R::store_compressed(highs, high, kAll);
    uint64_t sum = 0;
    for (int lane = 0; lane < R::kLanes; ++lane) sum += lows[lane] + (uint64_t{highs[lane]} << 16);
    return sum;
  }
};

/** logistic_loss_q30 of core/, summed. */
template <class R>
uint64_t loss_sum(const int32_t* margin, const uint8_t* label, size_t count) {
  constexpr size_t kLanes = R::kLanes;
  const auto limit = R::set(0x1FFFFFFu);
  WordSums<R> wrong_by;
  WordSums<R> softplus;
  size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    const auto m = R::load(margin + i);
    const auto magnitude = R::abs(m);
    // Negative beyond the table, also for −2^31, whose magnitude is 2^31 without a sign.
    const auto room = R::sub(limit, magnitude);
    const auto t = R::select_negative(room, limit, magnitude);
    softplus.add(R::select_negative(room, R::set(0), evaluate_segments<R, 25>(kSoftplusTable, t)));
    const auto is_right = R::exclusive_or(m, R::template shift_left<31>(R::load_bytes(label + i)));
    wrong_by.add(R::select_negative(is_right, R::set(0), magnitude));
  }
  return (wrong_by.total() << 10) + softplus.total() + logistic_loss_sum(margin + i, label + i, count - i);
}

template <class R>
void sample_row_masks(const RowDraw& draw, uint64_t threshold, size_t first, size_t last, uint64_t* masks) {
  const auto limit = R::set(static_cast<uint32_t>(threshold - 1));  // word < threshold, for thresholds 1 … 2^32
  for (size_t block = first; block < last; ++block) {
    uint64_t mask = 0;
    if (threshold > 0) {
      for_row_words<R>(draw, static_cast<uint32_t>(block),
                       [&](size_t row, typename R::Ints words) {
                         mask |= uint64_t{R::at_most_unsigned(words, limit)} << (row % 64);
                       });
    }
    masks[block] = mask;
  }
}

template <class R>
void first_words(const RowDraw& draw, size_t count, uint32_t* words) {
  for (size_t i = 0; i < count; i += R::kLanes) {
    R::store(reinterpret_cast<int32_t*>(words + i), PhiloxVector<R>(static_cast<uint32_t>(i), draw).word[0]);
  }
}

template <class R>
size_t select_rows(const uint64_t* members, const uint64_t* drawn, size_t first, size_t last, uint32_t* in,
                   uint32_t* out) {
  constexpr uint32_t kAll = (1u << R::kLanes) - 1;
  const uint32_t* const start = in;
  for (size_t block = first; block < last; ++block) {
    const uint64_t ins = members[block] & drawn[block];
    const uint64_t outs = members[block] & ~drawn[block];
    for (size_t bit = 0; bit < 64; bit += R::kLanes) {
      const auto rows = R::add(R::set(static_cast<uint32_t>(block * 64 + bit)), R::iota());
      const uint32_t mask_in = static_cast<uint32_t>(ins >> bit) & kAll;
      const uint32_t mask_out = static_cast<uint32_t>(outs >> bit) & kAll;
      R::store_compressed(in, rows, mask_in);
      R::store_compressed(out, rows, mask_out);
      in += __builtin_popcount(mask_in);
      out += __builtin_popcount(mask_out);
    }
  }
  return static_cast<size_t>(in - start);
}

/**
 * Kernels::partition by vectors of row numbers: the codes are fetched one by one, which is faster than a gather, and both
 * sides are packed at once.
 */
template <class R, bool kTable>
size_t partition_vectors(const ColumnTest& test, const uint32_t* rows, size_t count, uint32_t* left, uint32_t* right) {
  constexpr size_t kLanes = R::kLanes;
  const uint8_t* const codes = test.codes;
  const size_t stride = test.stride;
  size_t lefts = 0;
  size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    alignas(16) uint8_t code[kLanes];
#pragma GCC unroll 16
    for (size_t lane = 0; lane < kLanes; ++lane) {
      code[lane] = codes[rows[i + lane] * stride];
      if constexpr (kTable) code[lane] = test.table[code[lane]];
    }
    const uint32_t mask = R::bytes_in_range(code, kTable ? 1 : test.low, kTable ? 0 : test.span);
    const auto numbers = R::load(reinterpret_cast<const int32_t*>(rows + i));
    R::store_compressed(left + lefts, numbers, mask);
    R::store_compressed(right + (i - lefts), numbers, ~mask & ((1u << kLanes) - 1));
    lefts += static_cast<size_t>(__builtin_popcount(mask));
  }
  return partition_rest(test, rows, i, count, left, lefts, right);
}

template <class R>
size_t partition_rows(const ColumnTest& test, const uint32_t* rows, size_t count, uint32_t* left, uint32_t* right) {
  return test.table != nullptr ? partition_vectors<R, true>(test, rows, count, left, right)
                               : partition_vectors<R, false>(test, rows, count, left, right);
}

template <class R>
void add_leaves(const int32_t* values, const uint8_t* leaf, size_t count, int32_t* margin) {
  const auto highest = R::set(static_cast<uint32_t>(kMarginLimit));
  const auto lowest = R::set(static_cast<uint32_t>(-kMarginLimit));
  size_t i = 0;
  for (; i + R::kLanes <= count; i += R::kLanes) {
    const auto sum = R::add(R::load(margin + i), R::gather(values, R::load_bytes(leaf + i)));
    R::store(margin + i, R::max(R::min(sum, highest), lowest));
  }
  add_leaves_one_by_one(values, leaf + i, count - i, margin + i);
}
