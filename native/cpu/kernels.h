// The inner loops that exist once for each instruction set. Every set gives the same bytes: what a loop decides is exact
// in all of them (docs/cpu-engine.md, "Instruction sets").
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "core/philox.h"
#include "cpu/histogram.h"

namespace lockstep {

class NodeSearch;

/** One group of a histogram as a search sees it; HistogramLayout::Group. */
struct LaneGroup {
  size_t offset;
  int halves;
  int codes;          // of the searched features, missing included
  size_t half_cells;
  int first_feature;
  uint32_t lanes;     // bit l: feature first_feature + l is searched
};

/** What the random words of rows depend on beside the row. */
struct RowDraw {
  PhiloxKey key;
  uint32_t round;
  Purpose purpose;
  uint32_t class_index;
};

/** Which rows go left: a column and the codes that do. */
struct ColumnTest {
  const uint8_t* codes;  // codes[row · stride]
  size_t stride;
  uint8_t low;           // codes low … low + span, unless there is a table
  uint8_t span;
  const uint8_t* table;  // (256) 1 for the codes that go left, else 0; null for a range

  bool goes_left(size_t row) const {
    const uint8_t code = codes[row * stride];
    return table != nullptr ? table[code] != 0 : static_cast<uint8_t>(code - low) <= span;
  }

  /** Fetches the codes of rows[begin … end). */
  void fetch(const uint32_t* rows, size_t begin, size_t end) const {
    for (size_t i = begin; i < end; ++i) __builtin_prefetch(codes + size_t{rows[i]} * stride);
  }
};

/** Arguments of the logistic gradient kernel; docs/numerics.md section 5. */
struct LogisticRows {
  const int32_t* margin;    // (rows)
  const uint8_t* label;     // (rows), 0 or 1
  const uint32_t* weight;   // (rows), or null for 2^24 each
  PhiloxKey key;
  uint32_t round;
  int64_t* gradient;        // (rows), OUT: pairs as Packing::kHalves
};

/** Rows up to which a node is searched without a histogram. */
inline constexpr size_t kSmallRows = 64;

/** A node of at least two rows and at most kSmallRows, for a search without a histogram. */
struct SmallNode {
  static constexpr int kBlock = 32;
  /** Numeric features that are searched: bit l of `lanes` is feature first_feature + l. */
  struct Block {
    int first_feature;
    uint32_t lanes;
  };

  const DatasetView& data;
  const uint32_t* rows;
  size_t count;
  const std::vector<Block>& blocks;
  alignas(64) int32_t gradient[kSmallRows];
  alignas(64) int32_t hessian[kSmallRows];
};

struct Kernels {
  const char* name;

  /** Fills gradient[begin … end); begin is a multiple of 64. */
  void (*logistic_gradients)(const LogisticRows& rows, size_t begin, size_t end);

  /** Σ of the logistic losses of `count` rows, at most 2^16, in units of 2^-30; docs/metrics.md. label is 0 or 1. */
  uint64_t (*logistic_losses)(const int32_t* margin, const uint8_t* label, size_t count);

  /**
   * Whether rows take part under `subsample`: bit i of masks[b] is set iff row 64·b + i has a word below `threshold`;
   * blocks first … last − 1.
   */
  void (*sample_rows)(const RowDraw& draw, uint64_t threshold, size_t first, size_t last, uint64_t* masks);

  /** words[i] is the first word of the block of number i, i < count. Up to 15 places beyond them may be overwritten. */
  void (*first_words)(const RowDraw& draw, size_t count, uint32_t* words);

  /**
   * Row numbers of the bits of `members`, blocks first … last − 1 of 64: those that `drawn` has too are written to `in`, the
   * others to `out`, ascending. Returns how many are in. Up to 16 places beyond what is written may be overwritten.
   */
  size_t (*select_rows)(const uint64_t* members, const uint64_t* drawn, size_t first, size_t last, uint32_t* in,
                        uint32_t* out);

  /**
   * Stable partition of rows[0 … count): those that go left are written to `left`, which may be `rows` or lie before it,
   * the others to `right`. Returns how many go left. Up to 15 places beyond what is written may be overwritten, but none
   * from right[count] on.
   */
  size_t (*partition)(const ColumnTest& test, const uint32_t* rows, size_t count, uint32_t* left, uint32_t* right);

  /** margin[i] = add_leaf(margin[i], values[leaf[i]]) for i < count. */
  void (*add_leaves)(const int32_t* values, const uint8_t* leaf, size_t count, int32_t* margin);

  /** Offers the numeric candidates of one group that may count. `words` is the group's part of the histogram. */
  void (*search)(const int64_t* words, bool wide, const LaneGroup& group, NodeSearch& search);

  /**
   * For packed histograms of Packing::kHalves: parent −= child over the codes of the group, stored if `keep`, and the searches
   * of both in the same pass; child_search may be null.
   */
  void (*search_pair)(const int64_t* child, int64_t* parent, bool keep, const LaneGroup& group, NodeSearch* child_search,
                      NodeSearch& sibling_search);

  /** Offers the numeric candidates of a small node that may count; null where histograms serve as well. */
  void (*search_small)(const SmallNode& node, NodeSearch& search);
};

/** The names that `kernels_named` knows and this machine can run, best first. */
std::vector<std::string> available_kernels();

/**
 * The kernels of a level: "scalar", "neon", "avx2" or "avx512"; for "" what LOCKSTEP_SIMD names, or else the best of this
 * machine. Throws std::invalid_argument, a sentence, where there are none.
 */
const Kernels& kernels_named(const std::string& name);

}  // namespace lockstep
