#include "cpu/binning.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <numeric>

#include "cpu/ordered_key.h"

namespace lockstep {
namespace {

/** Rows and features that are coded column by column in the cache, and then written row by row. */
constexpr size_t kBlockRows = 4096;
constexpr size_t kBlockFeatures = 64;
/** Of the codes of one feature to the next: no multiple of the cache's ways, or all features would share few lines. */
constexpr size_t kBlockStride = kBlockRows + 64;

/**
 * Codes of a numeric column: #{c : key > limit_c}, where limit_0 lies above the missing key alone and limit_c below the
 * key of cut c. A table over the range of the limits knows all but those in the key's own slot of it, mostly one.
 */
class NumericCoder {
 public:
  NumericCoder() = default;
  /** `rows`: how many are to be coded; the table is no larger than is worth its making. */
  NumericCoder(const std::vector<float>& cuts, size_t rows) {
    limit_.fill(~uint32_t{0});
    limit_[0] = kMissingKey;
    for (size_t i = 0; i < cuts.size(); ++i) limit_[i + 1] = ordered_key(cuts[i]) - 1;
    if (!cuts.empty()) {
      const int bits = std::clamp(static_cast<int>(std::bit_width(rows)) - 2, 6, 15);
      shift_ = std::max(0, static_cast<int>(std::bit_width(limit_[cuts.size()] - limit_[1])) - bits);
      lowest_ = limit_[1] - std::min(limit_[1], uint32_t{1} << shift_);
    }
    last_slot_ = ((limit_[cuts.size()] - lowest_) >> shift_) + 1;
    codes_below_.resize(last_slot_ + 1);
    size_t most = 0;
    for (size_t c = 0, next = 0; c <= cuts.size(); c = next) {
      const uint32_t slot = slot_of(limit_[c]);
      while (next <= cuts.size() && slot_of(limit_[next]) == slot) ++next;
      most = std::max(most, next - c);
      const uint32_t end = next > cuts.size() ? last_slot_ : slot_of(limit_[next]);
      std::fill(codes_below_.begin() + slot + 1, codes_below_.begin() + end + 1, static_cast<uint8_t>(next));
    }
    halvings_ = static_cast<int>(std::bit_width(most));
  }

  void encode(const float* values, size_t count, uint8_t* codes) const {
    switch (halvings_) {
      case 1: return encode_by<1>(values, count, codes);
      case 2: return encode_by<2>(values, count, codes);
      case 3: return encode_by<4>(values, count, codes);
      case 4: return encode_by<8>(values, count, codes);
      default: return encode_by<128>(values, count, codes);
    }
  }

 private:
  static constexpr size_t kKeyBlock = 512;

  uint32_t slot_of(uint32_t key) const { return std::min((std::max(key, lowest_) - lowest_) >> shift_, last_slot_); }

  /** slots[i] = slot_of(keys[i]): on copies of the members and alone in a loop, so that the compiler makes vectors of it. */
  void slots_of(const uint32_t* keys, size_t count, uint32_t* slots) const {
    const uint32_t lowest = lowest_;
    const uint32_t last_slot = last_slot_;
    const int shift = shift_;
    for (size_t i = 0; i < count; ++i) slots[i] = std::min((std::max(keys[i], lowest) - lowest) >> shift, last_slot);
  }

  /** Finds the limits in a key's slot by halving; those of later slots lie above the key and do not count. */
  template <uint32_t kFirstStep>
  void encode_by(const float* values, size_t count, uint8_t* codes) const {
    std::array<uint32_t, kKeyBlock> keys;
    std::array<uint32_t, kKeyBlock> slots;
    for (size_t first = 0; first < count; first += kKeyBlock) {
      const size_t size = std::min(kKeyBlock, count - first);
      ordered_keys(values + first, size, keys.data());
      slots_of(keys.data(), size, slots.data());
      for (size_t i = 0; i < size; ++i) {
        uint32_t code = codes_below_[slots[i]];
        for (uint32_t step = kFirstStep; step > 0; step /= 2) {
          code += uint32_t{keys[i] > limit_[code + step - 1]} * step;  // a product: the compiler must not branch on data
        }
        codes[first + i] = static_cast<uint8_t>(code);
      }
    }
  }

  std::array<uint32_t, 512> limit_;  // ascending; those that a search may look at beyond the last are above every key
  std::vector<uint8_t> codes_below_;  // by slot: the number of limits in lower slots
  uint32_t lowest_ = 0;
  uint32_t last_slot_ = 0;
  int shift_ = 0;
  int halvings_ = 0;
};

std::vector<uint8_t> code_categories(const RawColumn& column, const RowSet& training) {
  const auto count = static_cast<size_t>(column.categories);
  std::vector<uint8_t> code(count);
  if (count <= kMaxValueBins) {
    std::iota(code.begin(), code.end(), uint8_t{1});
    return code;
  }
  std::vector<size_t> rows_of(count, 0);
  for (size_t i = 0; i < training.size(); ++i) {
    const auto category = static_cast<uint32_t>(column.codes[training[i]]);
    if (category < count) ++rows_of[category];
  }
  std::vector<size_t> order(count);
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return rows_of[a] > rows_of[b]; });
  std::fill(code.begin(), code.end(), uint8_t{kMaxValueBins});
  std::sort(order.begin(), order.begin() + (kMaxValueBins - 1));
  for (size_t rank = 0; rank + 1 < kMaxValueBins; ++rank) code[order[rank]] = static_cast<uint8_t>(rank + 1);
  return code;
}

void encode_categories(const int32_t* categories, size_t count, const std::vector<uint8_t>& bin_of_category,
                       uint8_t* codes) {
  for (size_t i = 0; i < count; ++i) {
    const auto category = static_cast<uint32_t>(categories[i]);  // a missing one is beyond all others
    codes[i] = category < bin_of_category.size() ? bin_of_category[category] : uint8_t{0};
  }
}

/** A square of 8 × 8 bytes in eight words, byte j of word i to byte i of word j. */
void transpose(std::array<uint64_t, 8>& words) {
  const auto exchange = [&](size_t i, size_t j, int shift, uint64_t mask) {
    const uint64_t differ = ((words[i] >> shift) ^ words[j]) & mask;
    words[j] ^= differ;
    words[i] ^= differ << shift;
  };
  for (size_t i = 0; i < 4; ++i) exchange(i, i + 4, 32, 0x00000000ffffffffu);
  for (const size_t i : {0u, 1u, 4u, 5u}) exchange(i, i + 2, 16, 0x0000ffff0000ffffu);
  for (size_t i = 0; i < 8; i += 2) exchange(i, i + 1, 8, 0x00ff00ff00ff00ffu);
}

/** codes: (width rounded up to 8, kBlockStride), column by column, to bins: (rows, stride), row by row. */
void write_rows(const uint8_t* codes, size_t rows, size_t width, uint8_t* bins, size_t stride) {
  for (size_t row = 0; row < rows; row += 8) {
    for (size_t f = 0; f < width; f += 8) {
      std::array<uint64_t, 8> words;
      for (size_t i = 0; i < 8; ++i) std::memcpy(&words[i], codes + (f + i) * kBlockStride + row, 8);
      transpose(words);
      const size_t bytes = std::min<size_t>(8, width - f);
      for (size_t i = 0; i < std::min<size_t>(8, rows - row); ++i) {
        std::memcpy(bins + (row + i) * stride + f, &words[i], bytes);
      }
    }
  }
}

}  // namespace

std::vector<FeatureBins> find_bins(const std::vector<RawColumn>& columns, const RowSet& training,
                                   const uint32_t* weight, int max_bin, const Executor& executor,
                                   const CancelFlag& cancel) {
  std::vector<FeatureBins> features(columns.size());
  executor.parallel_for(columns.size(), [&](size_t f, size_t) {
    cancel.check();
    if (columns[f].values != nullptr) {
      features[f].cuts = find_cuts(columns[f].values, training, weight, max_bin, cancel);
      features[f].bins = static_cast<int>(features[f].cuts.size()) + 1;
    } else {
      features[f].bin_of_category = code_categories(columns[f], training);
      features[f].bins = std::clamp(columns[f].categories, 1, kMaxValueBins);
    }
  });
  return features;
}

void encode_rows(const std::vector<RawColumn>& columns, size_t rows, const std::vector<FeatureBins>& features,
                 uint8_t* bins, size_t stride, const Executor& executor, const CancelFlag& cancel) {
  std::vector<NumericCoder> coders(columns.size());
  executor.parallel_for(columns.size(), [&](size_t f, size_t) {
    if (columns[f].values != nullptr) coders[f] = NumericCoder(features[f].cuts, rows);
  });
  const size_t blocks = (rows + kBlockRows - 1) / kBlockRows;
  const size_t groups = (stride + kBlockFeatures - 1) / kBlockFeatures;
  std::vector<std::vector<uint8_t>> scratch(static_cast<size_t>(executor.threads()));
  executor.parallel_for(blocks * groups, [&](size_t task, size_t thread) {
    cancel.check();
    const size_t row = task % blocks * kBlockRows;
    const size_t first = task / blocks * kBlockFeatures;
    const size_t count = std::min(kBlockRows, rows - row);
    const size_t width = std::min(kBlockFeatures, stride - first);
    std::vector<uint8_t>& codes = scratch[thread];
    codes.resize(kBlockFeatures * kBlockStride);
    for (size_t f = first; f < first + width; ++f) {
      uint8_t* column = codes.data() + (f - first) * kBlockStride;
      if (f >= columns.size()) {
        std::fill_n(column, count, uint8_t{0});
      } else if (columns[f].values != nullptr) {
        coders[f].encode(columns[f].values + row, count, column);
      } else {
        encode_categories(columns[f].codes + row, count, features[f].bin_of_category, column);
      }
    }
    write_rows(codes.data(), count, width, bins + row * stride + first, stride);
  });
}

}  // namespace lockstep
