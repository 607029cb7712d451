#include "cpu/cuts.h"

#include <algorithm>
#include <array>
#include <memory>
#include <numeric>
#include <optional>
#include <span>
#include <type_traits>

#include "cpu/ordered_key.h"

namespace lockstep {
namespace {

constexpr size_t kKeyBlock = 1024;
constexpr size_t kCancelInterval = 1 << 20;
constexpr size_t kFewValues = 512;
constexpr size_t kBuckets = 1 << 16;

static_assert(kFewValues >= kMaxValueBins && kCancelInterval % kKeyBlock == 0);

struct TrainingColumn {
  const float* values;
  const RowSet& rows;
  const uint32_t* weight;  // (rows.size()), or null
  const CancelFlag& cancel;

  uint64_t weight_at(size_t i) const { return weight == nullptr ? 1 : weight[i]; }
};

/** Calls visit(keys, first, count) for one block of training rows after the other, until it returns false. */
template <class Visit>
void for_key_blocks(const TrainingColumn& column, const Visit& visit) {
  std::array<uint32_t, kKeyBlock> keys;
  std::array<float, kKeyBlock> gathered;
  for (size_t first = 0; first < column.rows.size(); first += kKeyBlock) {
    if (first % kCancelInterval == 0) column.cancel.check();
    const size_t count = std::min(kKeyBlock, column.rows.size() - first);
    const float* values = column.values + column.rows.start + first;
    if (column.rows.list != nullptr) {
      const uint32_t* const rows = column.rows.list->data() + first;
      for (size_t i = 0; i < count; ++i) gathered[i] = column.values[rows[i]];
      values = gathered.data();
    }
    ordered_keys(values, count, keys.data());
    if (!visit(keys.data(), first, count)) return;
  }
}

struct WeightedKey {
  uint32_t key;
  uint64_t weight;
};

/** The distinct values of the column, ascending; nothing where there are more than kFewValues. */
std::optional<std::vector<WeightedKey>> tally_few_values(const TrainingColumn& column) {
  constexpr int kSlotBits = 11;  // at most a quarter full
  constexpr size_t kSlots = size_t{1} << kSlotBits;
  std::array<uint32_t, kSlots> slot_key{};
  std::array<uint64_t, kSlots> slot_weight{};
  size_t distinct = 0;
  for_key_blocks(column, [&](const uint32_t* keys, size_t first, size_t count) {
    for (size_t i = 0; i < count && distinct <= kFewValues; ++i) {
      if (keys[i] == kMissingKey) continue;
      size_t slot = (keys[i] * 0x9E3779B1u) >> (32 - kSlotBits);
      while (slot_key[slot] != keys[i] && slot_key[slot] != kMissingKey) slot = (slot + 1) % kSlots;
      if (slot_key[slot] == kMissingKey) {
        slot_key[slot] = keys[i];
        ++distinct;
      }
      slot_weight[slot] += column.weight_at(first + i);
    }
    return distinct <= kFewValues;
  });
  if (distinct > kFewValues) return std::nullopt;
  std::vector<WeightedKey> values;
  values.reserve(distinct);
  for (size_t slot = 0; slot < kSlots; ++slot) {
    if (slot_key[slot] != kMissingKey) values.push_back({slot_key[slot], slot_weight[slot]});
  }
  std::sort(values.begin(), values.end(), [](const WeightedKey& a, const WeightedKey& b) { return a.key < b.key; });
  return values;
}

float cut_between(uint32_t lower_key, uint32_t upper_key) {
  const float lower = from_ordered_key(lower_key);
  const float upper = from_ordered_key(upper_key);
  const auto middle = static_cast<float>(double{lower} / 2 + double{upper} / 2);
  return middle <= lower ? upper : middle;
}

/**
 * Rule 3 for more values than bins, told of them from below. The rule's (2·cur + q)·b > 2·rest is tested as
 * 2·cur + q > ⌊2·rest/b⌋, which is the same for integers and stays below 2^57.
 */
class BinFilling {
 public:
  BinFilling(uint64_t total_weight, int bins) : rest_(total_weight), open_(static_cast<unsigned>(bins)) { aim(); }

  bool finished() const { return open_ == 1; }
  /** Whether no value among the next ones, of this weight together, can begin a bin: 2·cur + q ≤ 2·(cur + all of them). */
  bool takes_all(uint64_t weight) const { return 2 * (current_ + weight) <= limit_; }
  void add(uint64_t weight) { current_ += weight; }

  /** Adds a value; whether it begins a bin. */
  bool begins_bin(uint64_t weight) {
    const bool begins = current_ > 0 && open_ > 1 && 2 * current_ + weight > limit_;
    if (begins) {
      rest_ -= current_;
      current_ = 0;
      --open_;
      aim();
    }
    current_ += weight;
    return begins;
  }

 private:
  void aim() { limit_ = 2 * rest_ / open_; }

  uint64_t rest_;
  uint64_t current_ = 0;
  uint64_t limit_ = 0;
  unsigned open_;
};

std::vector<float> cuts_of_few(const std::vector<WeightedKey>& values, int bins) {
  const uint64_t total = std::accumulate(values.begin(), values.end(), uint64_t{0},
                                         [](uint64_t sum, const WeightedKey& v) { return sum + v.weight; });
  const bool one_each = values.size() <= static_cast<size_t>(bins);
  BinFilling filling(total, bins);
  std::vector<float> cuts;
  for (size_t j = 0; j < values.size(); ++j) {
    const bool begins = one_each ? j > 0 : filling.begins_bin(values[j].weight);
    if (begins) cuts.push_back(cut_between(values[j - 1].key, values[j].key));
  }
  return cuts;
}

/** The lower half of a key in its bucket, with its weight where rows have one. */
struct CountedItem {
  uint16_t low;
  static CountedItem of(uint32_t key, const uint32_t*, size_t) { return {static_cast<uint16_t>(key)}; }
  uint64_t weight() const { return 1; }
};
struct WeightedItem {
  uint32_t row_weight;
  uint16_t low;
  static WeightedItem of(uint32_t key, const uint32_t* weight, size_t i) {
    return {weight[i], static_cast<uint16_t>(key)};
  }
  uint64_t weight() const { return row_weight; }
};

template <class Item>
uint64_t weight_of(std::span<Item> items) {
  if constexpr (std::is_same_v<Item, CountedItem>) {
    return items.size();
  } else {
    return std::accumulate(items.begin(), items.end(), uint64_t{0},
                           [](uint64_t sum, const Item& item) { return sum + item.weight(); });
  }
}

/** The keys of a column, grouped by their upper halves. */
template <class Item>
class KeyBuckets {
 public:
  explicit KeyBuckets(const TrainingColumn& column) : end_(kBuckets) {
    // A copy of the keys: were the values read for counting and again for placing, a caller who changes them meanwhile
    // would have them placed beyond the end.
    const size_t rows = column.rows.size();
    const auto copy = std::make_unique_for_overwrite<uint32_t[]>(rows);
    for_key_blocks(column, [&](const uint32_t* keys, size_t first, size_t count) {
      std::copy_n(keys, count, copy.get() + first);
      for (size_t i = 0; i < count; ++i) ++end_[keys[i] >> 16];
      return true;
    });
    std::exclusive_scan(end_.begin(), end_.end(), end_.begin(), uint32_t{0});
    column.cancel.check();
    items_ = std::make_unique_for_overwrite<Item[]>(rows);
    for (size_t i = 0; i < rows; ++i) items_[end_[copy[i] >> 16]++] = Item::of(copy[i], column.weight, i);
  }

  /** bucket: from 1, since bucket 0 holds the missing values alone. */
  std::span<Item> operator[](size_t bucket) const {
    return {items_.get() + end_[bucket - 1], items_.get() + end_[bucket]};
  }
  std::span<Item> present() const { return {items_.get() + end_.front(), items_.get() + end_.back()}; }
  /** The first bucket from `bucket` on that holds something; kBuckets where there is none. */
  size_t next_filled(size_t bucket) const {
    constexpr size_t kStride = 16;
    while (bucket + kStride < kBuckets && end_[bucket + kStride - 1] == end_[bucket - 1]) bucket += kStride;
    while (bucket < kBuckets && end_[bucket] == end_[bucket - 1]) ++bucket;
    return bucket;
  }

  uint32_t largest_key(size_t bucket) const {
    const std::span<Item> items = (*this)[bucket];
    const auto largest = std::max_element(items.begin(), items.end(), [](Item a, Item b) { return a.low < b.low; });
    return static_cast<uint32_t>(bucket << 16) | largest->low;
  }

 private:
  std::vector<uint32_t> end_;
  std::unique_ptr<Item[]> items_;
};

/** Sorts by the lower halves, least significant digit first, in two passes of 8 bits. */
template <class Item>
void radix_sort(std::span<Item> items, std::vector<Item>& buffer) {
  constexpr size_t kSmall = 64;
  if (items.size() < kSmall) {
    std::sort(items.begin(), items.end(), [](Item a, Item b) { return a.low < b.low; });
    return;
  }
  if (buffer.size() < items.size()) buffer.resize(items.size());
  std::array<uint32_t, 256> lower{};
  std::array<uint32_t, 256> upper{};
  for (const Item item : items) {
    ++lower[item.low & 0xff];
    ++upper[item.low >> 8];
  }
  std::exclusive_scan(lower.begin(), lower.end(), lower.begin(), uint32_t{0});
  std::exclusive_scan(upper.begin(), upper.end(), upper.begin(), uint32_t{0});
  for (const Item item : items) buffer[lower[item.low & 0xff]++] = item;
  for (size_t i = 0; i < items.size(); ++i) items[upper[buffer[i].low >> 8]++] = buffer[i];
}

/**
 * A bin can only begin in a bucket that BinFilling does not take as a whole: at most one a cut, so that most of the
 * column is grouped but never sorted.
 */
template <class Item>
std::vector<float> cuts_of_many(const TrainingColumn& column, int bins) {
  const KeyBuckets<Item> buckets(column);
  BinFilling filling(weight_of(buckets.present()), bins);
  std::vector<float> cuts;
  std::vector<Item> buffer;
  size_t last_bucket = 0;
  for (size_t b = buckets.next_filled(1); b < kBuckets && !filling.finished(); b = buckets.next_filled(b + 1)) {
    const std::span<Item> items = buckets[b];
    const uint64_t weight = weight_of(items);
    if (filling.takes_all(weight)) {
      filling.add(weight);
    } else {
      radix_sort(items, buffer);
      const auto key_at = [&](size_t i) { return static_cast<uint32_t>(b << 16) | items[i].low; };
      for (size_t i = 0, next = 0; i < items.size(); i = next) {
        uint64_t value_weight = 0;
        for (; next < items.size() && items[next].low == items[i].low; ++next) value_weight += items[next].weight();
        if (filling.begins_bin(value_weight)) {
          cuts.push_back(cut_between(i > 0 ? key_at(i - 1) : buckets.largest_key(last_bucket), key_at(i)));
        }
      }
    }
    last_bucket = b;
  }
  return cuts;
}

}  // namespace

std::vector<float> find_cuts(const float* values, const RowSet& training, const uint32_t* weight, int max_bin,
                             const CancelFlag& cancel) {
  const TrainingColumn column{values, training, weight, cancel};
  const int bins = std::min(max_bin, kMaxValueBins);
  if (const auto few = tally_few_values(column)) return cuts_of_few(*few, bins);
  return weight == nullptr ? cuts_of_many<CountedItem>(column, bins) : cuts_of_many<WeightedItem>(column, bins);
}

}  // namespace lockstep
