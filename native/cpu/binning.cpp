#include "cpu/binning.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>
#include <type_traits>

#include "core/int128.h"

namespace lockstep {
namespace {

constexpr int kMaxValueBins = 255;
constexpr size_t kCancelInterval = 1 << 20;
constexpr float kLargest = std::numeric_limits<float>::max();

/** Infinities become ±FLT_MAX and −0 becomes +0; x is not NaN. */
float canonical(float x) { return std::clamp(x, -kLargest, kLargest) + 0.0f; }

/** An unsigned key in the order of the floats. */
uint32_t ordered_key(float x) {
  const auto bits = std::bit_cast<uint32_t>(x);
  return (bits & 0x80000000u) != 0 ? ~bits : bits | 0x80000000u;
}

float from_ordered_key(uint32_t key) {
  return std::bit_cast<float>((key & 0x80000000u) != 0 ? key & 0x7fffffffu : ~key);
}

/** Sorts by 32 bits of each element from `lowest_bit` on: least significant digit first, three passes of 11 bits. */
template <class T>
void radix_sort(std::vector<T>& items, int lowest_bit) {
  constexpr int kDigit = 11;
  std::vector<T> buffer(items.size());
  for (int shift = lowest_bit; shift < lowest_bit + 32; shift += kDigit) {
    std::array<size_t, 1 << kDigit> start{};
    const auto digit = [&](T item) { return static_cast<size_t>(item >> shift) & ((1u << kDigit) - 1); };
    for (const T item : items) ++start[digit(item)];
    std::exclusive_scan(start.begin(), start.end(), start.begin(), size_t{0});
    for (const T item : items) buffer[start[digit(item)]++] = item;
    items.swap(buffer);
  }
}

struct WeightedValue {
  float value;
  uint64_t weight;
};

std::vector<WeightedValue> distinct_values(const float* values, const RowSet& training, const uint32_t* weight) {
  std::vector<WeightedValue> distinct;
  const auto append = [&](float value, uint64_t w) {
    if (distinct.empty() || distinct.back().value != value) distinct.push_back({value, 0});
    distinct.back().weight += w;
  };
  if (weight == nullptr) {
    std::vector<uint32_t> keys;
    keys.reserve(training.size());
    for (size_t i = 0; i < training.size(); ++i) {
      const float x = values[training[i]];
      if (!std::isnan(x)) keys.push_back(ordered_key(canonical(x)));
    }
    radix_sort(keys, 0);
    for (const uint32_t key : keys) append(from_ordered_key(key), 1);
  } else {
    std::vector<uint64_t> items;
    items.reserve(training.size());
    for (size_t i = 0; i < training.size(); ++i) {
      const float x = values[training[i]];
      if (!std::isnan(x)) items.push_back(uint64_t{ordered_key(canonical(x))} << 32 | weight[i]);
    }
    radix_sort(items, 32);
    for (const uint64_t item : items) append(from_ordered_key(static_cast<uint32_t>(item >> 32)), item & 0xffffffffu);
  }
  return distinct;
}

float cut_between(float lower, float upper) {
  const auto middle = static_cast<float>(double{lower} / 2 + double{upper} / 2);
  return middle <= lower ? upper : middle;
}

void encode_numeric(const float* values, size_t rows, const std::vector<float>& cuts, uint8_t* bins, size_t stride,
                    const CancelFlag& cancel) {
  // Nine halvings of a table padded with values above every x: no branch depends on the data.
  std::array<float, 512> table;
  table.fill(std::numeric_limits<float>::infinity());
  std::copy(cuts.begin(), cuts.end(), table.begin());
  for (size_t row = 0; row < rows; ++row) {
    if (row % kCancelInterval == 0) cancel.check();
    const float x = values[row];
    if (std::isnan(x)) {
      bins[row * stride] = 0;
      continue;
    }
    const float clamped = canonical(x);
    size_t below = 0;
    for (size_t step = 256; step > 0; step /= 2) below += table[below + step - 1] <= clamped ? step : 0;
    bins[row * stride] = static_cast<uint8_t>(below + 1);
  }
}

std::vector<uint8_t> code_categories(const RawColumn& column, const RowSet& training) {
  const auto count = static_cast<size_t>(column.categories);
  std::vector<uint8_t> code(count);
  if (count <= kMaxValueBins) {
    std::iota(code.begin(), code.end(), uint8_t{1});
    return code;
  }
  std::vector<size_t> rows_of(count, 0);
  for (size_t i = 0; i < training.size(); ++i) {
    if (column.codes[training[i]] >= 0) ++rows_of[static_cast<size_t>(column.codes[training[i]])];
  }
  std::vector<size_t> order(count);
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return rows_of[a] > rows_of[b]; });
  std::fill(code.begin(), code.end(), uint8_t{kMaxValueBins});
  std::sort(order.begin(), order.begin() + (kMaxValueBins - 1));
  for (size_t rank = 0; rank + 1 < kMaxValueBins; ++rank) code[order[rank]] = static_cast<uint8_t>(rank + 1);
  return code;
}

FeatureBins bin_column(const RawColumn& column, size_t rows, const RowSet& training, const uint32_t* weight,
                       int max_bin, uint8_t* bins, size_t stride, const CancelFlag& cancel) {
  cancel.check();
  FeatureBins result;
  if (column.values != nullptr) {
    result.cuts = find_cuts(column.values, training, weight, max_bin);
    result.bins = static_cast<int>(result.cuts.size()) + 1;
    encode_numeric(column.values, rows, result.cuts, bins, stride, cancel);
  } else {
    result.bin_of_category = code_categories(column, training);
    result.bins = std::clamp(column.categories, 1, kMaxValueBins);
    for (size_t row = 0; row < rows; ++row) {
      const int32_t code = column.codes[row];
      bins[row * stride] = code < 0 ? uint8_t{0} : result.bin_of_category[static_cast<size_t>(code)];
    }
  }
  return result;
}

}  // namespace

std::vector<float> find_cuts(const float* values, const RowSet& training, const uint32_t* weight, int max_bin) {
  const std::vector<WeightedValue> distinct = distinct_values(values, training, weight);
  const int limit = std::min(max_bin, kMaxValueBins);
  std::vector<float> cuts;
  if (distinct.size() <= static_cast<size_t>(limit)) {
    for (size_t j = 1; j < distinct.size(); ++j) cuts.push_back(cut_between(distinct[j - 1].value, distinct[j].value));
    return cuts;
  }
  uint128_t rest = 0;
  for (const WeightedValue& v : distinct) rest += v.weight;
  uint128_t current = 0;
  unsigned open = static_cast<unsigned>(limit);
  for (size_t j = 0; j < distinct.size(); ++j) {
    if (current > 0 && open > 1 && (2 * current + distinct[j].weight) * open > 2 * rest) {
      cuts.push_back(cut_between(distinct[j - 1].value, distinct[j].value));
      rest -= current;
      current = 0;
      --open;
    }
    current += distinct[j].weight;
  }
  return cuts;
}

std::vector<FeatureBins> bin_columns(const std::vector<RawColumn>& columns, size_t rows, const RowSet& training,
                                     const uint32_t* weight, int max_bin, uint8_t* bins, size_t stride,
                                     const Executor& executor, const CancelFlag& cancel) {
  std::vector<FeatureBins> result(columns.size());
  executor.parallel_for(columns.size(), [&](size_t f, size_t) {
    result[f] = bin_column(columns[f], rows, training, weight, max_bin, bins + f, stride, cancel);
  });
  for (size_t row = 0; row < rows && columns.size() < stride; ++row) {
    std::fill(bins + row * stride + columns.size(), bins + (row + 1) * stride, uint8_t{0});
  }
  return result;
}

}  // namespace lockstep
