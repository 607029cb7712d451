// Exact gradient histograms of a node. docs/cpu-engine.md says why they look as they do.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "core/split_score.h"
#include "cpu/aligned.h"
#include "cpu/data.h"
#include "cpu/pool.h"

namespace lockstep {

/**
 * Where the cells of each feature and code lie. Features are lanes: a half holds 8 neighbouring features, and for each
 * code, from 0, one cell of every lane, a cache line. So a search takes one code of all lanes in one vector and needs no
 * scan along the codes. Two halves with equally many codes make a group.
 */
struct HistogramLayout {
  static constexpr int kHalf = 8;
  static constexpr int kLanes = 2 * kHalf;

  struct Group {
    size_t offset;      // first cell
    int halves;         // 1 or 2
    int codes;          // codes of the feature that has most, missing included
    int first_feature;
    size_t half_cells() const { return static_cast<size_t>(codes) * kHalf; }
    size_t cells() const { return half_cells() * static_cast<size_t>(halves); }
  };

  /** Features that are summed together. */
  static constexpr int kBlock = 2 * kLanes;

  explicit HistogramLayout(const DatasetView& data);

  std::vector<Group> groups;
  size_t cells = 0;

  /**
   * Blocks of features that have one and the same code in nearly all rows. Only the others are summed, from lists, and the
   * sum of the skipped code is what they leave of the total.
   */
  struct Skipping {
    std::vector<bool> blocks;        // whether block b, of features kBlock·b …, is one of them
    std::vector<uint8_t> code;       // (features) the one that is skipped
    std::vector<size_t> first;       // (rows + 1) row r has listed[first[r] … first[r + 1] − 1]; empty where no block is
    std::vector<uint32_t> listed;    // cells of the row's other codes, and last the cell of the total
    size_t total = 0;
  } skipping;

  /** The first cell of features first … first + 7, first a multiple of 8. */
  size_t half_offset(int first) const {
    const Group& group = groups[static_cast<size_t>(first / kLanes)];
    return group.offset + (first % kLanes == 0 ? 0 : group.half_cells());
  }
  size_t cell(int feature, unsigned code) const {
    return half_offset(feature / kHalf * kHalf) + size_t{code} * kHalf + static_cast<size_t>(feature % kHalf);
  }

 private:
  void find_skipping(const DatasetView& data);
};

/**
 * How a row's gradient pair, and a sum of pairs, shares one 64-bit word: g · 2^shift + h. A word holds the sums of
 * kPackedRows rows (docs/numerics.md section 5, "Sums").
 */
enum class Packing : uint8_t {
  kHalves,  // shift 32: |g| ≤ 2^15, 0 ≤ h ≤ 2^15
  kCounts,  // shift 24: |g| ≤ 2^23, h = 1, a row; H is the count · 2^24
  kSplit,   // rows as kHalves with |g| ≤ 2^23, 0 ≤ h ≤ 2^24; sums never packed
};

inline constexpr size_t kPackedRows = 65535;

static_assert((int64_t{1} << 15) * int64_t{kPackedRows} < (int64_t{1} << 31), "kHalves: sums fit 32 bits each");
static_assert(int64_t{kPackedRows} < (int64_t{1} << 24), "kCounts: a count fits the lower 24 bits");
static_assert((int64_t{1} << 23) * int64_t{kPackedRows} < (int64_t{1} << 39), "kCounts: a gradient sum fits the upper 40");

inline constexpr int kCountShift = 24;

inline int64_t pack_pair(int64_t g, int64_t h, int shift) {
  return static_cast<int64_t>((static_cast<uint64_t>(g) << shift) + static_cast<uint64_t>(h));
}

/** The sums in one packed word. */
inline Sums unpack(int64_t word, Packing packing) {
  return packing == Packing::kCounts
             ? Sums{word >> kCountShift, (word & ((int64_t{1} << kCountShift) - 1)) << kCountShift}
             : Sums{word >> 32, word & 0xffffffff};
}

/** One node's sums: a word a cell, or, where they would not fit one, a pair (g, h) of words a cell. */
struct Histogram {
  AlignedBuffer<int64_t> words;
  bool wide = false;

  Sums at(size_t cell, Packing packing) const {
    if (!wide) return unpack(words[cell], packing);
    const int64_t h = words[2 * cell + 1];
    return {words[2 * cell], packing == Packing::kCounts ? h << kCountShift : h};
  }
};

/** Memory that building needs beside the result; one a thread that builds on its own. */
struct BuildScratch {
  std::vector<AlignedBuffer<int64_t>> parts;
  std::vector<Histogram> sums;

  /** Makes room for so many sums at the same time. */
  void reserve(size_t pieces) {
    if (parts.size() >= pieces) return;
    parts.resize(pieces);
    sums.resize(pieces);
  }
};

class HistogramBuilder;

/** Rows that will be needed soon: whoever passes over other rows fetches them into the cache on the way. */
struct RowsAhead {
  const uint32_t* rows = nullptr;
  size_t count = 0;
};

/** A histogram under construction, to which rows are added by and by. */
class HistogramSum {
 public:
  /** Clears `target` for up to `rows` rows; packed: scratch of its own. Everything is borrowed. */
  HistogramSum(const HistogramBuilder& builder, size_t rows, Histogram& target, AlignedBuffer<int64_t>& packed);

  /** Adds rows, and fetches those ahead. */
  void add(const uint32_t* rows, size_t count, RowsAhead ahead);

  /** Completes the target. */
  void finish();

 private:
  void flush();

  const HistogramBuilder& builder_;
  Histogram& target_;
  AlignedBuffer<int64_t>& packed_;
  size_t pending_ = 0;  // rows in packed_
};

/** Builds the histograms of one tree: everything that stays the same from node to node. */
class HistogramBuilder {
 public:
  /** data and layout are borrowed. */
  HistogramBuilder(const DatasetView& data, const HistogramLayout& layout);

  /** Says which features take part in the tree and where its gradients lie: a packed word for each row of the data. */
  void begin_tree(const std::vector<int>& features, const int64_t* gradients, Packing packing);

  /** Sums the gradients of `rows` into `out`; cells of features that take no part are unspecified. */
  void build(const uint32_t* rows, size_t count, Histogram& out, BuildScratch& scratch, const Executor& executor,
             const CancelFlag& cancel) const;

  /** Completes one sum of `pieces` ones, the first of which is `out` and the others scratch.sums[1 … pieces − 1]. */
  void merge(size_t pieces, Histogram& out, const BuildScratch& scratch) const;

  /** Makes `parent` its own difference with `child`: what remains is the sibling, which has `count` rows. */
  void subtract(const Histogram& child, Histogram& parent, size_t count) const;

  /** Takes rows from the histogram of a node, which is not wide. */
  void subtract_rows(const uint32_t* rows, size_t count, Histogram& parent) const;

  /** Sums up to kPackedRows rows for some features alone; other cells are unspecified. */
  void sum_features(const uint32_t* rows, size_t count, const std::vector<int>& features, Histogram& out) const;

  /** Whether the sums of `count` rows need two words a cell. */
  bool is_wide(size_t count) const { return packing_ == Packing::kSplit || count > kPackedRows; }

  /** Whether the data is too large for the second-level cache, so that rows are worth prefetching. */
  bool is_large() const { return large_; }

  const int64_t* gradients() const { return gradients_; }
  const HistogramLayout& layout() const { return layout_; }
  Packing packing() const { return packing_; }

 private:
  struct Block {
    int first_feature;
    int features;   // up to 32
    uint32_t mask;  // those that take part
    bool skips;
  };
  /** Only where sums are not wide can rows be subtracted. */
  void add_rows(const uint32_t* rows, size_t count, int64_t* words, bool wide, RowsAhead ahead,
                bool subtract = false) const;
  void infer_skipped(Histogram& histogram) const;

  const DatasetView& data_;
  const HistogramLayout& layout_;
  std::vector<Block> blocks_;
  bool skips_ = false;  // whether a block does
  const int64_t* gradients_ = nullptr;
  Packing packing_ = Packing::kHalves;
  bool large_ = false;

  friend class HistogramSum;
};

}  // namespace lockstep
