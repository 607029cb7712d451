#include "cpu/histogram.h"

#include <algorithm>
#include <cstring>
#include <type_traits>
#include <utility>

namespace lockstep {
namespace {

constexpr int kBlockFeatures = HistogramLayout::kBlock;
constexpr size_t kAheadRows = 20;
/** Rows that one block of features takes at a time where there are several: their codes stay in the first-level cache. */
constexpr size_t kChunkRows = 256;
/** Data that fits the second-level cache is not worth prefetching. */
constexpr size_t kCachedBytes = size_t{1} << 20;
constexpr size_t kCancelRows = size_t{1} << 16;
/** Below so many updates a thread is not worth waking. */
constexpr size_t kParallelUpdates = size_t{1} << 15;
/** Rows that are looked at to find codes worth skipping. */
constexpr size_t kSampleRows = 4096;
/** Additions a row that may be left of a block's 32 for skipping to pay, in time and memory. */
constexpr size_t kMostListed = 4;

struct RowBlock {
  const uint8_t* bins;       // of the block's first feature
  size_t stride;
  const int64_t* gradients;  // a packed word a row
  const uint32_t* rows;
  size_t count;
  RowsAhead ahead;
  size_t ahead_a_row;        // rows ahead that are fetched for each row added
};

/** Where the cells of each half of a block's features begin. */
using Halves = std::array<int64_t*, kBlockFeatures / HistogramLayout::kHalf>;

/** A pair of words, for sums that do not fit one. */
typedef int64_t WordPair __attribute__((vector_size(16)));

/** What add_block does to its cells: adds to words or to pairs of words, or subtracts from words. */
enum class Sum { kPacked, kWide, kSubtracted };

/**
 * Adds rows to the cells of kFeatures neighbouring features. All offsets but the code are compile-time facts, so an
 * update is a load of the code, a load, an add and a store: what a core can do at best, about one cycle.
 */
template <int kFeatures, bool kMasked, Sum kSum>
void add_block(const RowBlock& block, const Halves& halves, uint32_t mask) {
  int64_t* const half[4] = {halves[0], halves[1], halves[2], halves[3]};
  size_t ahead = 0;
  const auto fetch_ahead = [&] {
    for (const size_t end = std::min(ahead + block.ahead_a_row, block.ahead.count); ahead < end; ++ahead) {
      const size_t coming = block.ahead.rows[ahead];
      const uint8_t* codes = block.bins + coming * block.stride;
      __builtin_prefetch(codes);
      if constexpr (kFeatures > 4) __builtin_prefetch(codes + kFeatures - 1);
      __builtin_prefetch(block.gradients + coming);
    }
  };
  // The tests of a mask serve several rows.
  constexpr size_t kRows = kMasked ? 2 : 1;
  const auto add = [&]<size_t kCount>(size_t i, std::integral_constant<size_t, kCount>) __attribute__((always_inline)) {
    const uint8_t* codes[kCount];
    int64_t word[kCount];
#pragma GCC unroll 4
    for (size_t r = 0; r < kCount; ++r) {
      const size_t row = block.rows[i + r];
      fetch_ahead();
      word[r] = block.gradients[row];
      codes[r] = block.bins + row * block.stride;
    }
#pragma GCC unroll 32
    for (int f = 0; f < kFeatures; ++f) {
      if constexpr (kMasked) {
        if ((mask >> f & 1u) == 0) continue;
      }
#pragma GCC unroll 4
      for (size_t r = 0; r < kCount; ++r) {
        const size_t cell =
            size_t{codes[r][f]} * HistogramLayout::kHalf + static_cast<size_t>(f % HistogramLayout::kHalf);
        int64_t* const cells = half[f / HistogramLayout::kHalf];
        if constexpr (kSum == Sum::kWide) {
          *reinterpret_cast<WordPair*>(cells + 2 * cell) += WordPair{word[r] >> 32, word[r] & 0xffffffff};
        } else if constexpr (kSum == Sum::kPacked) {
          cells[cell] += word[r];
        } else {
          cells[cell] -= word[r];
        }
      }
    }
  };
  size_t i = 0;
  for (; i + kRows <= block.count; i += kRows) add(i, std::integral_constant<size_t, kRows>());
  for (; i < block.count; ++i) add(i, std::integral_constant<size_t, 1>());
}

/** Adds rows to the cells that are listed for them. */
template <bool kWide>
void add_listed(const RowBlock& block, const HistogramLayout::Skipping& skipping, int64_t* words) {
  const uint32_t* const listed = skipping.listed.data();
  size_t ahead = 0;
  for (size_t i = 0; i < block.count; ++i) {
    const size_t row = block.rows[i];
    for (const size_t end = std::min(ahead + block.ahead_a_row, block.ahead.count); ahead < end; ++ahead) {
      const size_t coming = block.ahead.rows[ahead];
      __builtin_prefetch(listed + skipping.first[coming]);
      __builtin_prefetch(block.gradients + coming);
    }
    const int64_t word = block.gradients[row];
    for (size_t e = skipping.first[row]; e < skipping.first[row + 1]; ++e) {
      const size_t cell = listed[e];
      if constexpr (kWide) {
        words[2 * cell] += word >> 32;
        words[2 * cell + 1] += word & 0xffffffff;
      } else {
        words[cell] += word;
      }
    }
  }
}

using AddBlock = void (*)(const RowBlock&, const Halves&, uint32_t);

template <bool kMasked, Sum kSum, int... kFeatures>
constexpr std::array<AddBlock, kBlockFeatures + 1> add_block_table(std::integer_sequence<int, kFeatures...>) {
  return {nullptr, add_block<kFeatures + 1, kMasked, kSum>...};
}

template <bool kMasked, Sum kSum>
constexpr auto kAddBlock = add_block_table<kMasked, kSum>(std::make_integer_sequence<int, kBlockFeatures>());

template <bool kMasked>
AddBlock choose_block(int features, Sum sum) {
  const auto f = static_cast<size_t>(features);
  if (sum == Sum::kWide) return kAddBlock<kMasked, Sum::kWide>[f];
  return sum == Sum::kPacked ? kAddBlock<kMasked, Sum::kPacked>[f] : kAddBlock<kMasked, Sum::kSubtracted>[f];
}

}  // namespace

HistogramLayout::HistogramLayout(const DatasetView& data) {
  for (int first = 0; first < data.features; first += kLanes) {
    const int features = std::min(kLanes, data.features - first);
    const auto* bins = data.feature_bins.data() + first;
    const int codes = *std::max_element(bins, bins + features) + 1;
    groups.push_back({cells, features <= kHalf ? 1 : 2, codes, first});
    cells += groups.back().cells();
  }
  find_skipping(data);
}

void HistogramLayout::find_skipping(const DatasetView& data) {
  struct Skipped {
    size_t feature;
    size_t first_cell;
  };
  std::vector<Skipped> skipped;
  const size_t sample = std::min(data.rows, kSampleRows);
  const auto features = static_cast<size_t>(data.features);
  size_t expected = sample;
  skipping.code.resize(features);
  skipping.blocks.resize((features + kBlock - 1) / kBlock);
  for (size_t end = kBlock; end <= features && sample > 0; end += kBlock) {
    const size_t begin = end - kBlock;
    size_t others = 0;
    for (size_t f = begin; f < end; ++f) {
      size_t rows_of[kMaxCodes] = {};
      for (size_t i = 0; i < sample; ++i) ++rows_of[data.bins[data.rows * i / sample * data.stride + f]];
      const size_t* most = std::max_element(rows_of, rows_of + kMaxCodes);
      skipping.code[f] = static_cast<uint8_t>(most - rows_of);
      others += sample - *most;
    }
    if (others > kMostListed * sample) continue;
    skipping.blocks[begin / kBlock] = true;
    expected += others;
    for (size_t f = begin; f < end; ++f) skipped.push_back({f, cell(static_cast<int>(f), 0)});
  }
  if (skipped.empty()) return;
  skipping.total = cells;
  cells += kHalf;
  skipping.first.reserve(data.rows + 1);
  skipping.first.push_back(0);
  skipping.listed.reserve(data.rows * expected / sample);
  std::vector<uint32_t> of_row(skipped.size() + 1);
  for (size_t row = 0; row < data.rows; ++row) {
    const uint8_t* codes = data.bins + row * data.stride;
    // Without branches on the data: each cell is written, and the next one over it unless it counts.
    size_t count = 0;
    for (const Skipped& one : skipped) {
      of_row[count] = static_cast<uint32_t>(one.first_cell + size_t{codes[one.feature]} * kHalf);
      count += codes[one.feature] != skipping.code[one.feature];
    }
    of_row[count++] = static_cast<uint32_t>(skipping.total);
    skipping.listed.insert(skipping.listed.end(), of_row.begin(), of_row.begin() + static_cast<ptrdiff_t>(count));
    skipping.first.push_back(skipping.listed.size());
  }
}

HistogramSum::HistogramSum(const HistogramBuilder& builder, size_t rows, Histogram& target,
                           AlignedBuffer<int64_t>& packed)
    : builder_(builder), target_(target), packed_(packed) {
  target.wide = builder.is_wide(rows);
  const size_t words = builder.layout().cells * (target.wide ? 2 : 1);
  target.words.reserve(words);
  std::memset(target.words.data(), 0, words * sizeof(int64_t));
}

void HistogramSum::add(const uint32_t* rows, size_t count, RowsAhead ahead) {
  if (!target_.wide || builder_.packing() == Packing::kSplit) {
    builder_.add_rows(rows, count, target_.words.data(), target_.wide, ahead);
    return;
  }
  // Packed by pieces that fit a word: one addition a cell instead of two.
  while (count > 0) {
    if (pending_ == 0) {
      packed_.reserve(builder_.layout().cells);
      std::memset(packed_.data(), 0, builder_.layout().cells * sizeof(int64_t));
    }
    const size_t piece = std::min(count, kPackedRows - pending_);
    builder_.add_rows(rows, piece, packed_.data(), false, ahead);
    pending_ += piece;
    rows += piece;
    count -= piece;
    if (pending_ == kPackedRows) flush();
  }
}

void HistogramSum::flush() {
  const int shift = builder_.packing() == Packing::kCounts ? kCountShift : 32;
  const int64_t low = (int64_t{1} << shift) - 1;
  for (size_t c = 0; c < builder_.layout().cells; ++c) {
    target_.words[2 * c] += packed_[c] >> shift;
    target_.words[2 * c + 1] += packed_[c] & low;
  }
  pending_ = 0;
}

void HistogramSum::finish() {
  if (pending_ > 0) flush();
}

HistogramBuilder::HistogramBuilder(const DatasetView& data, const HistogramLayout& layout)
    : data_(data), layout_(layout), large_(data.rows * data.stride > kCachedBytes) {}

void HistogramBuilder::begin_tree(const std::vector<int>& features, const int64_t* gradients, Packing packing) {
  gradients_ = gradients;
  packing_ = packing;
  blocks_.clear();
  skips_ = false;
  for (const int feature : features) {
    const int first = feature / kBlockFeatures * kBlockFeatures;
    if (blocks_.empty() || blocks_.back().first_feature != first) {
      const bool skips = layout_.skipping.blocks[static_cast<size_t>(first / kBlockFeatures)];
      blocks_.push_back({first, std::min(kBlockFeatures, data_.features - first), 0, skips});
      skips_ = skips_ || skips;
    }
    blocks_.back().mask |= uint32_t{1} << (feature - first);
  }
}

void HistogramBuilder::add_rows(const uint32_t* rows, size_t count, int64_t* words, bool wide, RowsAhead ahead,
                                bool subtract) const {
  if (count == 0) return;
  const Sum sum = subtract ? Sum::kSubtracted : wide ? Sum::kWide : Sum::kPacked;
  const size_t ahead_a_row = (ahead.count + count - 1) / count;
  const size_t chunk = blocks_.size() == 1 ? count : kChunkRows;
  for (size_t begin = 0; begin < count; begin += chunk) {
    const RowBlock all_codes{data_.bins, data_.stride, gradients_, rows + begin, std::min(chunk, count - begin), ahead,
                             ahead_a_row};
    if (skips_ && !subtract) (wide ? add_listed<true> : add_listed<false>)(all_codes, layout_.skipping, words);
    for (const Block& block : blocks_) {
      if (block.skips && !subtract) continue;
      Halves halves{};
      for (int f = 0; f < block.features; f += HistogramLayout::kHalf) {
        halves[static_cast<size_t>(f / HistogramLayout::kHalf)] =
            words + layout_.half_offset(block.first_feature + f) * (wide ? 2 : 1);
      }
      const auto all = static_cast<uint32_t>((uint64_t{1} << block.features) - 1);
      RowBlock part = all_codes;
      part.bins += block.first_feature;
      const AddBlock add = block.mask == all ? choose_block<false>(block.features, sum) : choose_block<true>(block.features, sum);
      add(part, halves, block.mask);
    }
  }
}

void HistogramBuilder::build(const uint32_t* rows, size_t count, Histogram& out, BuildScratch& scratch,
                             const Executor& executor, const CancelFlag& cancel) const {
  const size_t updates = count * static_cast<size_t>(data_.features);
  const size_t pieces = std::clamp<size_t>(updates / kParallelUpdates, 1, static_cast<size_t>(executor.threads()));
  scratch.reserve(pieces);
  executor.parallel_for(pieces, [&](size_t piece, size_t) {
    const size_t first = count * piece / pieces;
    const size_t end = count * (piece + 1) / pieces;
    HistogramSum sum(*this, count, piece == 0 ? out : scratch.sums[piece], scratch.parts[piece]);
    for (size_t begin = first; begin < end; begin += kCancelRows) {
      cancel.check();
      const size_t size = std::min(kCancelRows, end - begin);
      RowsAhead ahead;
      if (large_ && begin + kAheadRows < end) {
        ahead = {rows + begin + kAheadRows, std::min(size, end - begin - kAheadRows)};
      }
      sum.add(rows + begin, size, ahead);
    }
    sum.finish();
  });
  merge(pieces, out, scratch);
}

void HistogramBuilder::merge(size_t pieces, Histogram& out, const BuildScratch& scratch) const {
  const size_t words = layout_.cells * (out.wide ? 2 : 1);
  for (size_t piece = 1; piece < pieces; ++piece) {
    const int64_t* own = scratch.sums[piece].words.data();
    for (size_t w = 0; w < words; ++w) out.words[w] += own[w];
  }
  if (skips_) infer_skipped(out);
}

/** Every row has one code of any feature: what the others leave of the total is the sum of the skipped one. */
void HistogramBuilder::infer_skipped(Histogram& histogram) const {
  const size_t width = histogram.wide ? 2 : 1;
  const int64_t* total = histogram.words.data() + layout_.skipping.total * width;
  for (const Block& block : blocks_) {
    if (!block.skips) continue;
    for (int feature = block.first_feature; feature < block.first_feature + block.features; ++feature) {
      int64_t others[2] = {};
      for (int code = 0; code <= data_.feature_bins[static_cast<size_t>(feature)]; ++code) {
        const int64_t* cell = histogram.words.data() + layout_.cell(feature, static_cast<unsigned>(code)) * width;
        for (size_t w = 0; w < width; ++w) others[w] += cell[w];
      }
      const uint8_t skipped = layout_.skipping.code[static_cast<size_t>(feature)];
      int64_t* const cell = histogram.words.data() + layout_.cell(feature, skipped) * width;
      for (size_t w = 0; w < width; ++w) cell[w] = total[w] - others[w];
    }
  }
}

void HistogramBuilder::subtract(const Histogram& child, Histogram& parent, size_t count) const {
  const bool wide = is_wide(count);
  int64_t* to = parent.words.data();
  const int64_t* from = child.words.data();
  if (!parent.wide) {
    for (size_t c = 0; c < layout_.cells; ++c) to[c] -= from[c];
    return;
  }
  const int shift = packing_ == Packing::kCounts ? kCountShift : 32;
  const int64_t low = (int64_t{1} << shift) - 1;
  for (size_t c = 0; c < layout_.cells; ++c) {
    const int64_t g = child.wide ? from[2 * c] : from[c] >> shift;
    const int64_t h = child.wide ? from[2 * c + 1] : from[c] & low;
    const int64_t left_g = to[2 * c] - g;
    const int64_t left_h = to[2 * c + 1] - h;
    if (wide) {
      to[2 * c] = left_g;
      to[2 * c + 1] = left_h;
    } else {
      to[c] = pack_pair(left_g, left_h, shift);
    }
  }
  parent.wide = wide;
}

void HistogramBuilder::subtract_rows(const uint32_t* rows, size_t count, Histogram& parent) const {
  add_rows(rows, count, parent.words.data(), false, {}, true);
}

void HistogramBuilder::sum_features(const uint32_t* rows, size_t count, const std::vector<int>& features,
                                    Histogram& out) const {
  out.wide = is_wide(count);
  const size_t words = out.wide ? 2 : 1;
  out.words.reserve(layout_.cells * words);
  for (const int feature : features) {
    const int codes = data_.feature_bins[static_cast<size_t>(feature)] + 1;
    for (unsigned code = 0; code < static_cast<unsigned>(codes); ++code) {
      std::fill_n(out.words.data() + layout_.cell(feature, code) * words, words, 0);
    }
    for (size_t i = 0; i < count; ++i) {
      const int64_t word = gradients_[rows[i]];
      const uint8_t code = data_.bins[rows[i] * data_.stride + static_cast<size_t>(feature)];
      int64_t* const cell = out.words.data() + layout_.cell(feature, code) * words;
      cell[0] += out.wide ? word >> 32 : word;
      if (out.wide) cell[1] += word & 0xffffffff;
    }
  }
}

}  // namespace lockstep
