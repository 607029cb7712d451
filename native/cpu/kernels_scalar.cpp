// The plain form of every kernel: what the vector forms must equal.
#include <bit>

#include "cpu/kernels_shared.h"

namespace lockstep {
namespace {

void logistic_gradients(const LogisticRows& rows, size_t begin, size_t end) {
  for (size_t row = begin; row < end; ++row) logistic_row(rows, row);
}

void sample_rows(const RowDraw& draw, uint64_t threshold, size_t first, size_t last, uint64_t* masks) {
  for (size_t block = first; block < last; ++block) {
    masks[block] = 0;
    for (size_t i = 0; i < 64; ++i) {
      const auto row = static_cast<uint32_t>(64 * block + i);
      const uint32_t word = random_row_word(draw.key, row, draw.round, draw.purpose, draw.class_index);
      masks[block] |= uint64_t{word < threshold} << i;
    }
  }
}

void first_words(const RowDraw& draw, size_t count, uint32_t* words) {
  for (size_t i = 0; i < count; ++i) {
    words[i] = random_block(draw.key, static_cast<uint32_t>(i), draw.round, draw.purpose, draw.class_index).word[0];
  }
}

size_t select_rows(const uint64_t* members, const uint64_t* drawn, size_t first, size_t last, uint32_t* in,
                   uint32_t* out) {
  size_t chosen = 0;
  size_t others = 0;
  for (size_t block = first; block < last; ++block) {
    for (uint64_t bits = members[block]; bits != 0; bits &= bits - 1) {
      const int bit = std::countr_zero(bits);
      const auto row = static_cast<uint32_t>(block * 64 + static_cast<size_t>(bit));
      in[chosen] = row;
      out[others] = row;
      const size_t is_in = drawn[block] >> bit & 1u;
      chosen += is_in;
      others += 1 - is_in;
    }
  }
  return chosen;
}

size_t partition(const ColumnTest& test, const uint32_t* rows, size_t count, uint32_t* left, uint32_t* right) {
  return partition_rest(test, rows, 0, count, left, 0, right);
}

/** No filter: every candidate is scored exactly. */
void search(const int64_t* words, bool wide, const LaneGroup& group, NodeSearch& search) {
  const Packing packing = search.context().packing;
  const auto at = [&](int lane, int code) {
    const size_t cell = static_cast<size_t>(lane / 8) * group.half_cells + static_cast<size_t>(code * 8 + lane % 8);
    if (!wide) return unpack(words[cell], packing);
    const int64_t h = words[2 * cell + 1];
    return Sums{words[2 * cell], packing == Packing::kCounts ? h << kCountShift : h};
  };
  for (int lane = 0; lane < 8 * group.halves; ++lane) {
    if ((group.lanes >> lane & 1u) == 0) continue;
    const int feature = group.first_feature + lane;
    const Sums missing = at(lane, 0);
    search.offer_numeric(feature, 0, true, missing, missing);
    Sums left;
    for (int code = 1; code < group.codes - 1; ++code) {
      left += at(lane, code);
      search.offer_numeric(feature, code, true, left + missing, missing);
      search.offer_numeric(feature, code, false, left, missing);
    }
  }
}

void search_pair(const int64_t* child, int64_t* parent, bool, const LaneGroup& group, NodeSearch* child_search,
                 NodeSearch& sibling_search) {
  for (size_t half = 0; half < static_cast<size_t>(group.halves); ++half) {
    const size_t first = half * group.half_cells;
    for (size_t c = first; c < first + static_cast<size_t>(group.codes) * 8; ++c) parent[c] -= child[c];
  }
  if (child_search != nullptr) search(child, false, group, *child_search);
  search(parent, false, group, sibling_search);
}

}  // namespace

const Kernels& scalar_kernels() {
  static constexpr Kernels kernels{"scalar",    logistic_gradients, logistic_loss_sum,     sample_rows,
                                   first_words, select_rows,        partition,             add_leaves_one_by_one,
                                   search,      search_pair,        nullptr};
  return kernels;
}

}  // namespace lockstep
