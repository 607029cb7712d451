#include "cpu/metrics.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <type_traits>
#include <utility>

#include "core/int128.h"
#include "core/link.h"
#include "core/softmax.h"
#include "cpu/kernels.h"

namespace lockstep {
namespace {

constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();

uint64_t weight_at(const uint32_t* weight, size_t row) { return weight == nullptr ? 1 : weight[row]; }

/** Of a view of any kind. */
template <class View>
uint64_t total_weight(const View& view) {
  return view.weight == nullptr ? view.rows : std::accumulate(view.weight, view.weight + view.rows, uint64_t{0});
}

/** Two conversions to nearest, ties to even, and one division. */
template <class Integer>
double ratio(Integer numerator, Integer denominator, double undefined) {
  return denominator == 0 ? undefined : static_cast<double>(numerator) / static_cast<double>(denominator);
}

/** Rows that a thread takes at a time; their sums of values below 2^47 fit 64 bits. */
constexpr size_t kPiece = size_t{1} << 16;

/** Σ of(begin, end) over pieces of rows: sums are exact, so the threads may take them in any order. */
template <class Sum, class Of>
Sum sum_pieces(size_t rows, const Executor& executor, const Of& of) {
  const size_t pieces = (rows + kPiece - 1) / kPiece;
  if (pieces <= 1) return of(size_t{0}, rows);
  std::vector<Sum> sums(pieces);
  executor.parallel_for(pieces, [&](size_t piece, size_t) {
    sums[piece] = of(piece * kPiece, std::min(rows, (piece + 1) * kPiece));
  });
  Sum total{};
  for (const Sum& sum : sums) total += sum;
  return total;
}

constexpr int kMaxDigitBits = 12;
constexpr int kMaxPasses = 4;

/** A least-significant-digit radix sort of keys of some bits, in the passes that cost least for so many elements. */
struct RadixPlan {
  int passes = 0;
  int width = 0;  // bits of a digit

  RadixPlan(size_t n, int bits) {
    // A visit to an element costs about twice as much as one to a bucket.
    size_t least = std::numeric_limits<size_t>::max();
    for (int p = std::max(1, (bits + kMaxDigitBits - 1) / kMaxDigitBits); p <= kMaxPasses && p <= bits; ++p) {
      const int digit = (bits + p - 1) / p;
      const size_t cost = static_cast<size_t>(p) * (2 * n + (size_t{1} << digit));
      if (cost >= least) break;
      least = cost;
      passes = p;
      width = digit;
    }
  }
};

/** The rows of one distinct margin, in counts or integer weights. */
struct Tie {
  int32_t margin;
  uint64_t positive;
  uint64_t negative;
};

/** Rows in ascending order of margin, packed in one word each: offset from the lowest margin, weight, label. */
template <class Element>
struct Ranking {
  static constexpr bool kWeighted = std::is_same_v<Element, uint64_t>;
  static constexpr int kOffsetShift = kWeighted ? 32 : 1;
  using Sum = std::conditional_t<kWeighted, uint128_t, uint64_t>;

  const Element* rows;
  size_t size;
  int32_t lowest;

  uint64_t weight(size_t i) const { return kWeighted ? uint64_t{static_cast<uint32_t>(rows[i]) >> 1} : uint64_t{1}; }

  template <class Visit>
  void for_each_tie(Visit visit) const {
    for (size_t i = 0; i < size;) {
      const Element offset = rows[i] >> kOffsetShift;
      uint64_t total = 0;
      uint64_t positive = 0;
      for (; i < size && rows[i] >> kOffsetShift == offset; ++i) {
        total += weight(i);
        positive += weight(i) * (rows[i] & 1u);
      }
      const auto margin = static_cast<int32_t>(static_cast<uint32_t>(lowest) + static_cast<uint32_t>(offset));
      visit(Tie{margin, positive, total - positive});
    }
  }
};

/** Where rows are written, by label. */
struct Places {
  size_t negative;
  size_t positive;
};

/** Writes rows begin … end − 1 of the view from the given places on, and counts the digits of kPasses passes. */
template <class Element, int kPasses>
void write_rows(const BinaryView& view, size_t begin, size_t end, int32_t lowest, int width, Places places, Element* data,
                uint32_t (*counts)[1 << kMaxDigitBits]) {
  constexpr int shift = Ranking<Element>::kOffsetShift;
  const uint32_t mask = (1u << width) - 1;
  for (size_t i = begin; i < end; ++i) {
    const uint32_t offset = static_cast<uint32_t>(view.margin[i]) - static_cast<uint32_t>(lowest);
    const size_t label = view.label[i] != 0;
    const Element weight = Ranking<Element>::kWeighted ? static_cast<Element>(weight_at(view.weight, i)) << 1 : 0;
    data[label != 0 ? places.positive : places.negative] =
        Element{offset} << shift | weight | static_cast<Element>(label);
    places.positive += label;
    places.negative += 1 - label;
#pragma GCC unroll 4
    for (int pass = 0; pass < kPasses; ++pass) ++counts[pass][offset >> (pass * width) & mask];
  }
}

size_t count_negative(const BinaryView& view, size_t begin, size_t end) {
  return static_cast<size_t>(std::count(view.label + begin, view.label + end, uint8_t{0}));
}

/**
 * Sorts the rows of a view. Within equal margins the negative rows come first: they are written first, and every pass of
 * the sort keeps the order of equal digits.
 */
template <class Element>
Ranking<Element> rank_rows(const BinaryView& view, int32_t lowest, uint32_t range, Element* data, Element* spare) {
  const size_t n = view.rows;
  const RadixPlan plan(n, static_cast<int>(std::bit_width(range)));
  const auto mask = static_cast<uint32_t>((1u << plan.width) - 1);
  uint32_t counts[kMaxPasses][1 << kMaxDigitBits];
  for (int pass = 0; pass < plan.passes; ++pass) std::fill_n(counts[pass], size_t{mask} + 1, 0u);
  constexpr decltype(&write_rows<Element, 0>) writers[kMaxPasses + 1] = {
      write_rows<Element, 0>, write_rows<Element, 1>, write_rows<Element, 2>, write_rows<Element, 3>,
      write_rows<Element, 4>};
  writers[plan.passes](view, 0, n, lowest, plan.width, {0, count_negative(view, 0, n)}, data, counts);
  for (int pass = 0; pass < plan.passes; ++pass) {
    uint32_t* count = counts[pass];
    uint32_t start = 0;
    for (size_t b = 0; b <= mask; ++b) start += std::exchange(count[b], start);
    const int low = Ranking<Element>::kOffsetShift + pass * plan.width;
    for (size_t i = 0; i < n; ++i) spare[count[data[i] >> low & mask]++] = data[i];
    std::swap(data, spare);
  }
  return {data, n, lowest};
}

/** The same by several threads, each with a stretch of the rows: before each pass, each counts its own digits. */
template <class Element>
Ranking<Element> rank_rows_together(const BinaryView& view, int32_t lowest, uint32_t range,
                                    Element* data, Element* spare, const Executor& executor) {
  const size_t n = view.rows;
  const auto stretches = static_cast<size_t>(executor.threads());
  const auto begin_of = [&](size_t stretch) { return n * stretch / stretches; };
  const RadixPlan plan(n, static_cast<int>(std::bit_width(range)));
  const size_t buckets = size_t{1} << plan.width;

  std::vector<size_t> negative(stretches);
  executor.parallel_for(stretches, [&](size_t s, size_t) {
    negative[s] = count_negative(view, begin_of(s), begin_of(s + 1));
  });
  std::vector<Places> places(stretches);
  Places next{0, std::accumulate(negative.begin(), negative.end(), size_t{0})};
  for (size_t s = 0; s < stretches; ++s) {
    places[s] = next;
    next.negative += negative[s];
    next.positive += begin_of(s + 1) - begin_of(s) - negative[s];
  }
  executor.parallel_for(stretches, [&](size_t s, size_t) {
    write_rows<Element, 0>(view, begin_of(s), begin_of(s + 1), lowest, plan.width, places[s], data, nullptr);
  });
  std::vector<uint32_t> counts(stretches * buckets);
  for (int pass = 0; pass < plan.passes; ++pass) {
    const int low = Ranking<Element>::kOffsetShift + pass * plan.width;
    const auto digit = [&](Element row) { return static_cast<size_t>(row >> low) & (buckets - 1); };
    executor.parallel_for(stretches, [&](size_t s, size_t) {
      uint32_t* count = counts.data() + s * buckets;
      std::fill_n(count, buckets, 0u);
      for (size_t i = begin_of(s); i < begin_of(s + 1); ++i) ++count[digit(data[i])];
    });
    uint32_t start = 0;
    for (size_t b = 0; b < buckets; ++b) {
      for (size_t s = 0; s < stretches; ++s) start += std::exchange(counts[s * buckets + b], start);
    }
    executor.parallel_for(stretches, [&](size_t s, size_t) {
      uint32_t* count = counts.data() + s * buckets;
      for (size_t i = begin_of(s); i < begin_of(s + 1); ++i) spare[count[digit(data[i])]++] = data[i];
    });
    std::swap(data, spare);
  }
  return {data, n, lowest};
}

/** Weights of the two labels that share the margin of the row at `place`, multiplied. */
template <class Element>
auto tied_pairs(const Ranking<Element>& ranking, size_t place) {
  constexpr int shift = Ranking<Element>::kOffsetShift;
  const Element offset = ranking.rows[place] >> shift;
  uint64_t negative = 0;
  uint64_t positive = 0;
  for (size_t j = place; j > 0 && ranking.rows[j - 1] >> shift == offset; --j) negative += ranking.weight(j - 1);
  for (size_t j = place; j < ranking.size && ranking.rows[j] >> shift == offset; ++j) positive += ranking.weight(j);
  return typename Ranking<Element>::Sum{positive} * negative;
}

/**
 * Σ W·(2·N_below + N_tied) over the positive rows. All negative rows before a positive one count twice, as if none were
 * tied; where a margin has rows of both labels, half of its pairs is taken back.
 */
uint128_t concordant_pairs(const Ranking<uint64_t>& ranking, const Executor&) {
  uint128_t pairs = 0;
  uint128_t tied = 0;
  uint64_t negative = 0;
  uint64_t before = 1;
  for (size_t i = 0; i < ranking.size; ++i) {
    const uint64_t row = ranking.rows[i];
    const uint64_t is_positive = row & 1;
    const uint64_t weight = ranking.weight(i);
    pairs += uint128_t{weight & (0 - is_positive)} * negative;
    negative += weight & (is_positive - 1);
    if ((is_positive & ~before) != 0 && (row ^ before) >> Ranking<uint64_t>::kOffsetShift == 0) {
      tied += tied_pairs(ranking, i);
    }
    before = row;
  }
  return 2 * pairs - tied;
}

/** Sums over sorted rows of weight 1. */
struct PlaceSums {
  uint64_t places = 0;     // of positive rows
  uint64_t positives = 0;
  uint64_t tied = 0;       // pairs of equal margin

  PlaceSums& operator+=(const PlaceSums& other) {
    places += other.places;
    positives += other.positives;
    tied += other.tied;
    return *this;
  }
};

PlaceSums place_sums(const Ranking<uint32_t>& ranking, size_t first_row, size_t last_row) {
  constexpr size_t kBlock = 1024;
  PlaceSums sums;
  for (size_t begin = first_row; begin < last_row; begin += kBlock) {
    const size_t count = std::min(kBlock, last_row - begin);
    const uint32_t* rows = ranking.rows + begin;
    uint32_t places_in_block = 0;
    uint32_t positives_in_block = 0;
    for (size_t i = 0; i < count; ++i) {
      const uint32_t is_positive = rows[i] & 1u;
      places_in_block += static_cast<uint32_t>(i) & (0u - is_positive);
      positives_in_block += is_positive;
    }
    sums.places += places_in_block + uint64_t{begin} * positives_in_block;
    sums.positives += positives_in_block;
    // Words that differ in the lowest bit alone: a negative row and a positive one of the same margin.
    const size_t first = begin == 0 ? 1 : 0;
    uint32_t mixed = 0;
    for (size_t i = first; i < count; ++i) mixed |= (rows[i] ^ ranking.rows[begin + i - 1]) == 1 ? 1u : 0u;
    for (size_t i = first; mixed != 0 && i < count; ++i) {
      if ((rows[i] ^ ranking.rows[begin + i - 1]) == 1) sums.tied += tied_pairs(ranking, begin + i);
    }
  }
  return sums;
}

/**
 * The same for rows of weight 1: a positive row has as many negative ones before it as its place says, less the positive
 * ones. Sums over places have no order, so vectors and threads can take them.
 */
uint64_t concordant_pairs(const Ranking<uint32_t>& ranking, const Executor& executor) {
  const auto sums = sum_pieces<PlaceSums>(ranking.size, executor, [&](size_t begin, size_t end) {
    return place_sums(ranking, begin, end);
  });
  return sums.positives == 0 ? 0 : 2 * (sums.places - sums.positives * (sums.positives - 1) / 2) - sums.tied;
}

struct MarginRange {
  int32_t lowest = std::numeric_limits<int32_t>::max();
  int32_t highest = std::numeric_limits<int32_t>::min();

  MarginRange& operator+=(const MarginRange& other) {
    lowest = std::min(lowest, other.lowest);
    highest = std::max(highest, other.highest);
    return *this;
  }
};

/** Calls `use` with the rows in order; a 32-bit word a row serves unless there are weights or a range of 2^31. */
template <class Use>
void with_ranking(const BinaryView& view, MetricScratch& scratch, Use use) {
  const Executor& executor = scratch.executor;
  const auto margins = sum_pieces<MarginRange>(view.rows, executor, [&](size_t begin, size_t end) {
    MarginRange range;
    for (size_t i = begin; i < end; ++i) {
      range.lowest = std::min(range.lowest, view.margin[i]);
      range.highest = std::max(range.highest, view.margin[i]);
    }
    return range;
  });
  const uint32_t range =
      view.rows == 0 ? 0 : static_cast<uint32_t>(margins.highest) - static_cast<uint32_t>(margins.lowest);
  const auto rank = [&]<class Element>(Element* data, Element* spare) {
    const bool together = executor.threads() > 1 && view.rows > kPiece;
    use(together ? rank_rows_together(view, margins.lowest, range, data, spare, executor)
                 : rank_rows(view, margins.lowest, range, data, spare));
  };
  if (view.weight != nullptr || range >= 1u << 31) {
    scratch.wide.reserve(2 * view.rows);
    rank(scratch.wide.data(), scratch.wide.data() + view.rows);
  } else if (view.rows <= scratch.lent_size) {
    rank(scratch.lent[0], scratch.lent[1]);
  } else {
    scratch.narrow.reserve(2 * view.rows);
    rank(scratch.narrow.data(), scratch.narrow.data() + view.rows);
  }
}

struct RankMetrics {
  double auc_roc;
  double auc_pr;
};

RankMetrics rank_metrics(const BinaryView& view, const Confusion& totals, bool with_precision,
                         MetricScratch& scratch) {
  const uint64_t positives = totals.true_positive + totals.false_negative;
  const uint64_t negatives = totals.true_negative + totals.false_positive;
  RankMetrics result{};
  with_ranking(view, scratch, [&]<class Element>(const Ranking<Element>& ranking) {
    using Sum = typename Ranking<Element>::Sum;
    result.auc_roc = ratio(concordant_pairs(ranking, scratch.executor), 2 * Sum{positives} * negatives, kUndefined);
    if (!with_precision) return;
    uint64_t positive_below = 0;
    uint64_t negative_below = 0;
    Sum precision = 0;  // in units of 2^-32
    ranking.for_each_tie([&](const Tie& tie) {
      if (tie.positive != 0) {
        const uint64_t true_positive = positives - positive_below;
        const uint64_t predicted = true_positive + (negatives - negative_below);
        precision += Sum{tie.positive} * ((Sum{true_positive} << 32) / predicted);
      }
      positive_below += tie.positive;
      negative_below += tie.negative;
    });
    result.auc_pr = std::ldexp(ratio(precision, Sum{positives}, 0), -32);
  });
  return result;
}

double logloss(const BinaryView& view, uint64_t total, const MetricScratch& scratch) {
  const auto losses = (scratch.kernels == nullptr ? kernels_named("") : *scratch.kernels).logistic_losses;
  const auto sum = sum_pieces<uint128_t>(view.rows, scratch.executor, [&](size_t begin, size_t end) {
    if (view.weight == nullptr) return uint128_t{losses(view.margin + begin, view.label + begin, end - begin)};
    uint128_t sum_of_piece = 0;
    for (size_t i = begin; i < end; ++i) {
      sum_of_piece += static_cast<uint128_t>(logistic_loss_q30(view.margin[i], view.label[i] != 0)) * view.weight[i];
    }
    return sum_of_piece;
  });
  return std::ldexp(ratio(sum, uint128_t{total}, kUndefined), -30);
}

/** Sums of weights by class. */
struct ClassSums {
  std::vector<uint64_t> correct;
  std::vector<uint64_t> predicted;
  std::vector<uint64_t> actual;
  uint64_t all_correct = 0;
  uint64_t total = 0;

  std::vector<double> precisions() const { return ratios(correct, predicted); }
  std::vector<double> recalls() const { return ratios(correct, actual); }
  std::vector<double> f1s() const {
    std::vector<double> values;
    for (size_t c = 0; c < correct.size(); ++c) values.push_back(ratio(2 * correct[c], predicted[c] + actual[c], 0));
    return values;
  }

 private:
  static std::vector<double> ratios(const std::vector<uint64_t>& parts, const std::vector<uint64_t>& wholes) {
    std::vector<double> values;
    for (size_t c = 0; c < parts.size(); ++c) values.push_back(ratio(parts[c], wholes[c], 0));
    return values;
  }
};

ClassSums class_sums(const MulticlassView& view) {
  const auto classes = static_cast<size_t>(view.classes);
  ClassSums sums{std::vector<uint64_t>(classes), std::vector<uint64_t>(classes), std::vector<uint64_t>(classes)};
  for (size_t i = 0; i < view.rows; ++i) {
    const int32_t* margins = view.margin + i * classes;
    const auto predicted = static_cast<size_t>(std::max_element(margins, margins + classes) - margins);
    const uint64_t weight = weight_at(view.weight, i);
    sums.predicted[predicted] += weight;
    sums.actual[view.label[i]] += weight;
    if (predicted == view.label[i]) {
      sums.correct[predicted] += weight;
      sums.all_correct += weight;
    }
    sums.total += weight;
  }
  return sums;
}

double mean_over_classes(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

/** Classes without weight take no part. */
double weighted_over_classes(const std::vector<double>& values, const ClassSums& sums) {
  double sum = 0;
  for (size_t c = 0; c < values.size(); ++c) {
    if (sums.actual[c] != 0) sum += static_cast<double>(sums.actual[c]) * values[c];
  }
  return sums.total == 0 ? kUndefined : sum / static_cast<double>(sums.total);
}

/** auc_roc of each class against the others. */
std::vector<double> one_vs_rest_areas(const MulticlassView& view, MetricScratch& scratch) {
  const auto classes = static_cast<size_t>(view.classes);
  std::vector<int32_t> odds(view.rows * classes);  // by class, then row
  int32_t of_row[kMaxClasses];
  for (size_t i = 0; i < view.rows; ++i) {
    one_vs_rest(view.margin + i * classes, view.classes, of_row);
    for (size_t c = 0; c < classes; ++c) odds[c * view.rows + i] = of_row[c];
  }
  std::vector<uint8_t> label(view.rows);
  std::vector<double> areas;
  for (size_t c = 0; c < classes; ++c) {
    for (size_t i = 0; i < view.rows; ++i) label[i] = view.label[i] == c;
    const BinaryView of_class{odds.data() + c * view.rows, label.data(), view.weight, view.rows};
    areas.push_back(rank_metrics(of_class, confusion(of_class), false, scratch).auc_roc);
  }
  return areas;
}

double softmax_logloss(const MulticlassView& view, uint64_t total, const Executor& executor) {
  const auto sum = sum_pieces<uint128_t>(view.rows, executor, [&](size_t begin, size_t end) {
    uint128_t of_piece = 0;
    for (size_t i = begin; i < end; ++i) {
      const int32_t* margins = view.margin + i * static_cast<size_t>(view.classes);
      const int64_t loss = softmax_loss_q30(margins, view.classes, view.label[i]);
      of_piece += static_cast<uint128_t>(loss) * weight_at(view.weight, i);
    }
    return of_piece;
  });
  return std::ldexp(ratio(sum, uint128_t{total}, kUndefined), -30);
}

int64_t error_at(const RegressionView& view, size_t row) { return int64_t{view.margin[row]} - view.target[row]; }

uint128_t squared_errors(const RegressionView& view, const Executor& executor) {
  return sum_pieces<uint128_t>(view.rows, executor, [&](size_t begin, size_t end) {
    uint128_t sum = 0;
    for (size_t i = begin; i < end; ++i) {
      const int64_t error = error_at(view, i);
      sum += static_cast<uint128_t>(error * error) * weight_at(view.weight, i);
    }
    return sum;
  });
}

uint128_t absolute_errors(const RegressionView& view, const Executor& executor) {
  return sum_pieces<uint128_t>(view.rows, executor, [&](size_t begin, size_t end) {
    uint128_t sum = 0;
    for (size_t i = begin; i < end; ++i) {
      sum += static_cast<uint128_t>(std::abs(error_at(view, i))) * weight_at(view.weight, i);
    }
    return sum;
  });
}

double r2(const RegressionView& view, uint128_t squared, uint64_t total) {
  if (view.rows < 2 || total == 0) return kUndefined;
  int128_t sum = 0;
  for (size_t i = 0; i < view.rows; ++i) {
    sum += int128_t{view.target[i]} * static_cast<int64_t>(weight_at(view.weight, i));
  }
  const int128_t twice = 2 * int128_t{total};
  const int128_t shifted = 2 * sum + total;
  const auto centre = static_cast<int64_t>(shifted / twice - (shifted % twice < 0 ? 1 : 0));
  uint128_t spread = 0;
  int128_t offset = 0;
  for (size_t i = 0; i < view.rows; ++i) {
    const int64_t deviation = view.target[i] - centre;
    const auto weight = static_cast<int64_t>(weight_at(view.weight, i));
    spread += static_cast<uint128_t>(deviation * deviation) * static_cast<uint64_t>(weight);
    offset += int128_t{deviation} * weight;
  }
  // offset ≤ total / 2, so the subtraction takes away at most half of spread: nothing cancels.
  const double variation =
      static_cast<double>(spread) - static_cast<double>(offset * offset) / static_cast<double>(total);
  if (variation == 0) return squared == 0 ? 1 : 0;
  return 1 - static_cast<double>(squared) / variation;
}

double mape(const RegressionView& view, uint64_t total) {
  if (view.raw == nullptr && view.rows > 0) throw std::invalid_argument("mape needs the targets as given");
  constexpr int lowest = -52;  // |y| is raised to 2^-52, the epsilon of binary64, as scikit-learn does
  uint128_t sums[128 - lowest + 1] = {};
  for (size_t i = 0; i < view.rows; ++i) {
    const uint32_t bits = std::bit_cast<uint32_t>(view.raw[i]) & 0x7fffffffu;
    const int exponent = static_cast<int>(bits >> 23) - 127;
    const uint64_t mantissa = exponent < lowest ? 1u << 23 : (1u << 23) | (bits & 0x7fffffu);
    const uint64_t reciprocal = ((uint64_t{1} << 63) + mantissa / 2) / mantissa;
    const uint64_t error = static_cast<uint64_t>(std::abs(error_at(view, i)));
    sums[std::max(exponent, lowest) - lowest] += uint128_t{error} * reciprocal * weight_at(view.weight, i);
  }
  double sum = 0;
  for (int exponent = 128; exponent >= lowest; --exponent) {
    sum += std::ldexp(static_cast<double>(sums[exponent - lowest]), -exponent);
  }
  return total == 0 ? kUndefined : std::ldexp(sum / static_cast<double>(total), -40 - view.margin_bits);
}

}  // namespace

Confusion confusion(const BinaryView& view) {
  uint64_t sums[2][2] = {};  // [predicted][actual]
  if (view.weight == nullptr) {
    uint64_t positive = 0;
    uint64_t predicted = 0;
    uint64_t both = 0;
    for (size_t i = 0; i < view.rows; ++i) {
      const uint64_t is_positive = view.label[i] != 0;
      const uint64_t is_predicted = view.margin[i] > 0;
      positive += is_positive;
      predicted += is_predicted;
      both += is_positive & is_predicted;
    }
    return {both, predicted - both, positive - both, view.rows - positive - predicted + both};
  }
  for (size_t i = 0; i < view.rows; ++i) {
    sums[view.margin[i] > 0][view.label[i] != 0] += view.weight[i];
  }
  return {sums[1][1], sums[1][0], sums[0][1], sums[0][0]};
}

void evaluate(const Metric* metrics, size_t count, const BinaryView& view, MetricScratch& scratch, double* out) {
  const bool counted = std::any_of(metrics, metrics + count, [](Metric metric) { return metric != Metric::kLogloss; });
  const Confusion c = counted ? confusion(view) : Confusion{};
  const uint64_t total = total_weight(view);
  const auto wanted = [&](Metric metric) { return std::find(metrics, metrics + count, metric) != metrics + count; };
  const bool with_precision = wanted(Metric::kAucPr);
  const bool ranked = with_precision || wanted(Metric::kAucRoc);
  const RankMetrics ranks = ranked ? rank_metrics(view, c, with_precision, scratch) : RankMetrics{};
  for (size_t i = 0; i < count; ++i) {
    switch (metrics[i]) {
      case Metric::kAccuracy:
        out[i] = ratio(c.true_positive + c.true_negative, total, kUndefined);
        break;
      case Metric::kPrecision:
        out[i] = ratio(c.true_positive, c.true_positive + c.false_positive, 0);
        break;
      case Metric::kRecall:
        out[i] = ratio(c.true_positive, c.true_positive + c.false_negative, 0);
        break;
      case Metric::kF1:
        out[i] = ratio(2 * c.true_positive, 2 * c.true_positive + c.false_positive + c.false_negative, 0);
        break;
      case Metric::kAucRoc:
        out[i] = ranks.auc_roc;
        break;
      case Metric::kAucPr:
        out[i] = ranks.auc_pr;
        break;
      case Metric::kLogloss:
        out[i] = logloss(view, total, scratch);
        break;
      case Metric::kPrecisionWeighted:
      case Metric::kRecallWeighted:
      case Metric::kF1Weighted:
      case Metric::kAucRocWeighted:
      case Metric::kMerror:
        throw std::invalid_argument("a metric of several classes cannot score two");
      case Metric::kMse:
      case Metric::kRmse:
      case Metric::kMae:
      case Metric::kR2:
      case Metric::kMape:
        throw std::invalid_argument("a regression metric cannot score a classifier");
    }
  }
}

void evaluate(const Metric* metrics, size_t count, const MulticlassView& view, MetricScratch& scratch, double* out) {
  const ClassSums sums = class_sums(view);
  const bool ranked = std::any_of(metrics, metrics + count, [](Metric metric) {
    return metric == Metric::kAucRoc || metric == Metric::kAucRocWeighted;
  });
  const std::vector<double> areas = ranked ? one_vs_rest_areas(view, scratch) : std::vector<double>();
  for (size_t i = 0; i < count; ++i) {
    switch (metrics[i]) {
      case Metric::kAccuracy:
        out[i] = ratio(sums.all_correct, sums.total, kUndefined);
        break;
      case Metric::kMerror:
        out[i] = ratio(sums.total - sums.all_correct, sums.total, kUndefined);
        break;
      case Metric::kPrecision:
        out[i] = mean_over_classes(sums.precisions());
        break;
      case Metric::kRecall:
        out[i] = mean_over_classes(sums.recalls());
        break;
      case Metric::kF1:
        out[i] = mean_over_classes(sums.f1s());
        break;
      case Metric::kAucRoc:
        out[i] = mean_over_classes(areas);
        break;
      case Metric::kPrecisionWeighted:
        out[i] = weighted_over_classes(sums.precisions(), sums);
        break;
      case Metric::kRecallWeighted:
        out[i] = weighted_over_classes(sums.recalls(), sums);
        break;
      case Metric::kF1Weighted:
        out[i] = weighted_over_classes(sums.f1s(), sums);
        break;
      case Metric::kAucRocWeighted:
        out[i] = weighted_over_classes(areas, sums);
        break;
      case Metric::kLogloss:
        out[i] = softmax_logloss(view, sums.total, scratch.executor);
        break;
      case Metric::kAucPr:
        throw std::invalid_argument("auc_pr is a metric of two classes");
      case Metric::kMse:
      case Metric::kRmse:
      case Metric::kMae:
      case Metric::kR2:
      case Metric::kMape:
        throw std::invalid_argument("a regression metric cannot score a classifier");
    }
  }
}

OneVsRest one_vs_rest(const MulticlassView& view, int class_index) {
  OneVsRest result;
  int32_t odds[kMaxClasses];
  for (size_t i = 0; i < view.rows; ++i) {
    one_vs_rest(view.margin + i * static_cast<size_t>(view.classes), view.classes, odds);
    result.margin.push_back(odds[class_index]);
    result.label.push_back(view.label[i] == class_index);
  }
  return result;
}

void evaluate(const Metric* metrics, size_t count, const RegressionView& view, MetricScratch& scratch, double* out) {
  const uint64_t total = total_weight(view);
  const bool squares = std::any_of(metrics, metrics + count, [](Metric metric) {
    return metric == Metric::kMse || metric == Metric::kRmse || metric == Metric::kR2;
  });
  const uint128_t squared = squares ? squared_errors(view, scratch.executor) : 0;
  const auto mean = [&](uint128_t sum, int bits) {
    return std::ldexp(ratio(sum, uint128_t{total}, kUndefined), -bits);
  };
  for (size_t i = 0; i < count; ++i) {
    switch (metrics[i]) {
      case Metric::kMse:
        out[i] = mean(squared, 2 * view.margin_bits);
        break;
      case Metric::kRmse:
        out[i] = std::sqrt(mean(squared, 2 * view.margin_bits));
        break;
      case Metric::kMae:
        out[i] = mean(absolute_errors(view, scratch.executor), view.margin_bits);
        break;
      case Metric::kR2:
        out[i] = r2(view, squared, total);
        break;
      case Metric::kMape:
        out[i] = mape(view, total);
        break;
      case Metric::kAccuracy:
      case Metric::kPrecision:
      case Metric::kRecall:
      case Metric::kF1:
      case Metric::kAucRoc:
      case Metric::kAucPr:
      case Metric::kLogloss:
      case Metric::kPrecisionWeighted:
      case Metric::kRecallWeighted:
      case Metric::kF1Weighted:
      case Metric::kAucRocWeighted:
      case Metric::kMerror:
        throw std::invalid_argument("a classification metric cannot score a regression");
    }
  }
}

Curve roc_pr_points(const BinaryView& view, size_t max_points, MetricScratch& scratch) {
  const Confusion c = confusion(view);
  Curve curve;
  curve.positives = c.true_positive + c.false_negative;
  curve.negatives = c.true_negative + c.false_positive;
  with_ranking(view, scratch, [&](const auto& ranking) {
    uint64_t positive_below = 0;
    uint64_t negative_below = 0;
    ranking.for_each_tie([&](const Tie& tie) {
      if (tie.positive == 0 && tie.negative == 0) return;
      curve.points.push_back({tie.margin, curve.positives - positive_below, curve.negatives - negative_below});
      positive_below += tie.positive;
      negative_below += tie.negative;
    });
  });
  std::reverse(curve.points.begin(), curve.points.end());
  const size_t all = curve.points.size();
  const size_t kept = std::max<size_t>(max_points, 2);
  if (all > kept) {
    for (size_t i = 0; i < kept; ++i) curve.points[i] = curve.points[i * (all - 1) / (kept - 1)];
    curve.points.resize(kept);
  }
  return curve;
}

}  // namespace lockstep
