#include "cuda/metrics.h"

#include "core/int128.h"
#include "core/link.h"
#include "core/softmax.h"
#include "cuda/kernels.h"
#include "cuda/warp.h"

namespace lockstep::cuda {
namespace {

constexpr unsigned kBlock = 256;
constexpr unsigned kWarps = kBlock / kWarpSize;
constexpr uint32_t kWarpRows = kTileRows / kWarps;
constexpr uint32_t kOwnRows = kTileRows / kBlock;
constexpr int kDigitBits = 8;
constexpr uint32_t kPasses = 4;
static_assert(kDigits == 1u << kDigitBits && kDigits == kBlock, "a thread a digit");

/** Adds to a sum of two words. The carry is seen in the lower word's old value, so the order of additions is free. */
__device__ void atomic_add_wide(uint64_t* words, uint128_t value) {
  const auto low = static_cast<uint64_t>(value);
  auto high = static_cast<uint64_t>(value >> 64);
  if (low != 0) {
    const uint64_t old = atomic_add(words, low);
    if (old + low < old) ++high;
  }
  if (high != 0) atomic_add(words + 1, high);
}

__device__ void add_of_warp(uint64_t* words, uint128_t value) {
  value = warp_sum(value);
  if (lane_index() == 0 && value != 0) atomic_add_wide(words, value);
}

__device__ uint32_t position_of(const EvalView& eval, uint32_t i) {
  return eval.positions == nullptr ? eval.first_position + i : eval.positions[i];
}

__device__ uint64_t weight_of(const EvalView& eval, uint32_t i) {
  return eval.weight == nullptr ? 1 : uint64_t{eval.weight[i]};
}

__device__ uint64_t* sums_of_round(const RoundView& round, const ScoreView& view, const EvalView& eval) {
  return view.sums + size_t{*round.call_round} * view.words + eval.first_word;
}

__device__ void score_two_classes(const RoundView& round, const JobView& job, const EvalView& eval, const RowTask& task,
                                  uint64_t* sums) {
  uint64_t counts[4] = {};
  uint128_t loss = 0;
  for (uint32_t i = task.begin + threadIdx.x; i < task.end; i += kBlock) {
    const uint32_t position = position_of(eval, i);
    const int32_t margin = job.margins[position];
    const bool positive = job.label[position] != 0;
    const uint64_t weight = weight_of(eval, i);
    counts[(margin > 0 ? 2 : 0) + (positive ? 1 : 0)] += weight;
    if ((eval.wanted & kWantLoss) != 0) {
      loss += uint128_t(static_cast<uint64_t>(logistic_loss_q30(margin, positive, round.data.tables.softplus))) * weight;
    }
  }
  for (uint32_t k = 0; k < 4; ++k) {
    const uint64_t count = warp_sum(counts[k]);
    if (lane_index() == 0 && count != 0) atomic_add(sums + eval.layout.confusion() + k, count);
  }
  if ((eval.wanted & kWantLoss) != 0) add_of_warp(sums + eval.layout.loss(), loss);
}

__device__ void score_classes(const RoundView& round, const JobView& job, const EvalView& eval, const RowTask& task,
                              uint64_t* sums, uint64_t* shared) {
  const uint32_t classes = eval.layout.classes;
  for (uint32_t k = threadIdx.x; k < 3 * classes; k += kBlock) shared[k] = 0;
  __syncthreads();
  uint128_t loss = 0;
  for (uint32_t i = task.begin + threadIdx.x; i < task.end; i += kBlock) {
    const uint32_t position = position_of(eval, i);
    const int32_t* margins = job.margins + size_t{position} * classes;
    const uint32_t actual = job.label[position];
    const uint64_t weight = weight_of(eval, i);
    uint32_t predicted = 0;
    for (uint32_t c = 1; c < classes; ++c) predicted = margins[c] > margins[predicted] ? c : predicted;
    atomic_add(shared + eval.layout.predicted() + predicted, weight);
    atomic_add(shared + eval.layout.actual() + actual, weight);
    if (predicted == actual) atomic_add(shared + eval.layout.correct() + actual, weight);
    if ((eval.wanted & kWantLoss) != 0) {
      const int64_t own = softmax_loss_q30(margins, job.classes, static_cast<int>(actual), round.data.tables.exponential,
                                           round.data.tables.logarithm);
      loss += uint128_t(static_cast<uint64_t>(own)) * weight;
    }
  }
  __syncthreads();
  for (uint32_t k = threadIdx.x; k < 3 * classes; k += kBlock) {
    if (shared[k] != 0) atomic_add(sums + k, shared[k]);
  }
  if ((eval.wanted & kWantLoss) != 0) add_of_warp(sums + eval.layout.loss(), loss);
}

__device__ void score_regression(const RoundView& round, const JobView& job, const EvalView& eval, const RowTask& task,
                                 uint64_t* sums, uint64_t* shared) {
  const bool relative = (eval.wanted & kWantRelative) != 0;
  constexpr uint32_t kWords = 2 * SumLayout::kExponents;
  if (relative) {
    for (uint32_t k = threadIdx.x; k < kWords; k += kBlock) shared[k] = 0;
    __syncthreads();
  }
  uint128_t squares = 0;
  uint128_t absolute = 0;
  for (uint32_t i = task.begin + threadIdx.x; i < task.end; i += kBlock) {
    const uint32_t position = position_of(eval, i);
    const int64_t error = int64_t{job.margins[position]} - job.target[position];
    const auto magnitude = static_cast<uint64_t>(error < 0 ? -error : error);
    const uint64_t weight = weight_of(eval, i);
    squares += uint128_t(magnitude * magnitude) * weight;
    absolute += uint128_t(magnitude) * weight;
    if (relative) {
      uint32_t bits = 0;
      memcpy(&bits, &round.data.label[data_row(job, position)], sizeof(bits));
      bits &= 0x7fffffffu;
      const int exponent = static_cast<int>(bits >> 23) - 127;
      const bool small = exponent < SumLayout::kLowestExponent;
      const uint64_t mantissa = small ? 1u << 23 : (1u << 23) | (bits & 0x7fffffu);
      const uint64_t reciprocal = ((uint64_t{1} << 63) + mantissa / 2) / mantissa;
      const auto place = static_cast<uint32_t>((small ? SumLayout::kLowestExponent : exponent) - SumLayout::kLowestExponent);
      atomic_add_wide(shared + 2 * place, uint128_t(magnitude) * reciprocal * weight);
    }
  }
  if ((eval.wanted & kWantSquares) != 0) add_of_warp(sums + eval.layout.squares(), squares);
  if ((eval.wanted & kWantAbsolute) != 0) add_of_warp(sums + eval.layout.absolute(), absolute);
  if (!relative) return;
  __syncthreads();
  for (uint32_t e = threadIdx.x; e < SumLayout::kExponents; e += kBlock) {
    const uint128_t sum = uint128_t(shared[2 * e + 1]) << 64 | shared[2 * e];
    if (sum != 0) atomic_add_wide(sums + eval.layout.relative(e), sum);
  }
}

/** Shared words of score_rows. */
constexpr size_t kScoreWords = 3 * kMaxClasses;
static_assert(kScoreWords >= 2 * SumLayout::kExponents);

__global__ void score_rows(RoundView round, ScoreView view) {
  auto* shared = shared_memory<uint64_t>();
  const RowTask task = view.eval_tasks[blockIdx.x];
  const EvalView& eval = view.evals[task.owner];
  const JobView& job = round.jobs[eval.job];
  uint64_t* sums = sums_of_round(round, view, eval);
  if (job.objective == Objective::kLogistic) {
    score_two_classes(round, job, eval, task, sums);
  } else if (job.objective == Objective::kSoftmax) {
    score_classes(round, job, eval, task, sums, shared);
  } else {
    score_regression(round, job, eval, task, sums, shared);
  }
}

__device__ uint32_t offset_of(RankElement element) { return static_cast<uint32_t>(element >> 32); }
__device__ uint64_t weight_of(RankElement element) { return static_cast<uint32_t>(element) >> 1; }
__device__ LabelWeights weights_of(RankElement element) {
  return (element & 1) != 0 ? LabelWeights{0, weight_of(element)} : LabelWeights{weight_of(element), 0};
}

/** Log-odds of a class; core/softmax.h has them for all classes of a row at once. */
__device__ int32_t odds_of(const RoundView& round, const JobView& job, const int32_t* margins, uint32_t class_index) {
  const auto own = static_cast<int>(class_index);
  int32_t top = -kMarginLimit;
  for (int c = 0; c < job.classes; ++c) {
    if (c != own && margins[c] > top) top = margins[c];
  }
  uint64_t sum = 0;
  for (int c = 0; c < job.classes; ++c) {
    if (c != own) sum += static_cast<uint64_t>(exp_neg_q30(margin_distance(top, margins[c]), round.data.tables.exponential));
  }
  return log_odds(margins[own], top, sum, round.data.tables.logarithm);
}

__global__ void collect_ranks(RoundView round, ScoreView view) {
  const RowTask task = view.rank_tasks[blockIdx.x];
  const RankView& rank = view.ranks[task.owner];
  const EvalView& eval = view.evals[rank.eval];
  const JobView& job = round.jobs[eval.job];
  uint32_t highest = 0;
  uint32_t depth = 0;
  for (uint32_t i = task.begin + threadIdx.x; i < task.end; i += kBlock) {
    const uint32_t position = position_of(eval, i);
    const int32_t* margins = job.margins + size_t{position} * static_cast<size_t>(job.classes);
    const bool several = job.objective == Objective::kSoftmax;
    const int32_t margin = several ? odds_of(round, job, margins, rank.class_index) : margins[0];
    const bool positive = several ? job.label[position] == rank.class_index : job.label[position] != 0;
    const auto offset = static_cast<uint32_t>(margin + kMarginLimit);
    view.elements[0][rank.first + i] = uint64_t{offset} << 32 | weight_of(eval, i) << 1 | (positive ? 1u : 0u);
    highest = offset > highest ? offset : highest;
    depth = ~offset > depth ? ~offset : depth;
  }
  for (unsigned mask = kWarpSize / 2; mask > 0; mask /= 2) {
    const uint32_t other_highest = shuffle_xor(highest, mask);
    const uint32_t other_depth = shuffle_xor(depth, mask);
    highest = other_highest > highest ? other_highest : highest;
    depth = other_depth > depth ? other_depth : depth;
  }
  if (lane_index() == 0) {
    atomicMax(&view.highest[task.owner], highest);
    atomicMax(&view.depth_of_lowest[task.owner], depth);
  }
}

/** How many digits the offsets of a ranking differ in, counted from the lowest one. */
__device__ uint32_t passes_of(const ScoreView& view, uint32_t rank) {
  const uint32_t range = view.highest[rank] - ~view.depth_of_lowest[rank];
  return static_cast<uint32_t>(bit_length(range) + kDigitBits - 1) / kDigitBits;
}

__device__ uint32_t digit_of(const ScoreView& view, uint32_t rank, RankElement element, uint32_t pass) {
  return (offset_of(element) - ~view.depth_of_lowest[rank]) >> (kDigitBits * pass) & (kDigits - 1);
}

__device__ const RankElement* elements_before(const ScoreView& view, const RankView& rank, uint32_t pass) {
  return view.elements[pass % 2] + rank.first;
}

__device__ uint32_t tile_of(const RankView& rank, uint32_t row) { return rank.first_tile + row / kTileRows; }

__global__ void count_digits(ScoreView view, uint32_t pass) {
  auto* counts = shared_memory<uint32_t>();
  const RowTask task = view.rank_tasks[blockIdx.x];
  if (pass >= passes_of(view, task.owner)) return;
  const RankView& rank = view.ranks[task.owner];
  const RankElement* elements = elements_before(view, rank, pass);
  counts[threadIdx.x] = 0;
  __syncthreads();
  for (uint32_t i = task.begin + threadIdx.x; i < task.end; i += kBlock) {
    atomicAdd(&counts[digit_of(view, task.owner, elements[i], pass)], 1u);
  }
  __syncthreads();
  view.digit_counts[size_t{tile_of(rank, task.begin)} * kDigits + threadIdx.x] = counts[threadIdx.x];
}

/** Turns the counts of a ranking's tiles into where the rows of each tile and digit go. */
__global__ void place_digits(ScoreView view, uint32_t pass) {
  auto* scratch = shared_memory<uint32_t>();
  if (pass >= passes_of(view, blockIdx.x)) return;
  const RankView& rank = view.ranks[blockIdx.x];
  const uint32_t tiles = (rank.rows + kTileRows - 1) / kTileRows;
  uint32_t* counts = view.digit_counts + size_t{rank.first_tile} * kDigits + threadIdx.x;
  uint32_t sum = 0;
  for (uint32_t tile = 0; tile < tiles; ++tile) sum += counts[size_t{tile} * kDigits];
  uint32_t all = 0;
  uint32_t place = block_exclusive_scan<kWarps>(sum, scratch, all);
  for (uint32_t tile = 0; tile < tiles; ++tile) {
    const uint32_t count = counts[size_t{tile} * kDigits];
    counts[size_t{tile} * kDigits] = place;
    place += count;
  }
}

/** Moves the rows of a tile, keeping the order of equal digits: warps, and rounds of a warp, take rows in their order. */
__global__ void scatter_rows(ScoreView view, uint32_t pass) {
  auto* counts = shared_memory<uint32_t>() + warp_index() * kDigits;
  const RowTask task = view.rank_tasks[blockIdx.x];
  if (pass >= passes_of(view, task.owner)) return;
  const RankView& rank = view.ranks[task.owner];
  const RankElement* from = elements_before(view, rank, pass);
  RankElement* to = view.elements[(pass + 1) % 2] + rank.first;
  for (uint32_t d = lane_index(); d < kDigits; d += kWarpSize) counts[d] = 0;
  __syncwarp();
  const uint32_t first = task.begin + warp_index() * kWarpRows + lane_index();
  for (uint32_t k = 0; k < kWarpRows; k += kWarpSize) {
    if (first + k < task.end) atomicAdd(&counts[digit_of(view, task.owner, from[first + k], pass)], 1u);
  }
  __syncthreads();
  uint32_t place = view.digit_counts[size_t{tile_of(rank, task.begin)} * kDigits + threadIdx.x];
  for (uint32_t w = 0; w < kWarps; ++w) {
    uint32_t& count = shared_memory<uint32_t>()[w * kDigits + threadIdx.x];
    const uint32_t own = count;
    count = place;
    place += own;
  }
  __syncthreads();
  for (uint32_t k = 0; k < kWarpRows; k += kWarpSize) {
    const bool exists = first + k < task.end;
    const RankElement element = exists ? from[first + k] : 0;
    const uint32_t digit = exists ? digit_of(view, task.owner, element, pass) : kDigits;
    const unsigned peers = __match_any_sync(kAllLanes, digit);
    if (exists) to[counts[digit] + static_cast<uint32_t>(__popc(peers & lanes_below()))] = element;
    __syncwarp();
    if (exists && (peers & lanes_below()) == 0) counts[digit] += static_cast<uint32_t>(__popc(peers));
    __syncwarp();
  }
}

__device__ const RankElement* sorted(const ScoreView& view, const RankView& rank, uint32_t r) {
  return elements_before(view, rank, passes_of(view, r));
}

/** Sums of the weights before each row within its tile, and of the tile. */
__global__ void sum_tiles(ScoreView view) {
  auto* scratch = shared_memory<LabelWeights>();
  const RowTask task = view.rank_tasks[blockIdx.x];
  const RankView& rank = view.ranks[task.owner];
  const RankElement* elements = sorted(view, rank, task.owner);
  const uint32_t first = task.begin + threadIdx.x * kOwnRows;
  LabelWeights own{0, 0};
  for (uint32_t i = first; i < first + kOwnRows && i < task.end; ++i) own = own + weights_of(elements[i]);
  LabelWeights all{0, 0};
  LabelWeights before = block_exclusive_scan<kWarps>(own, scratch, all);
  for (uint32_t i = first; i < first + kOwnRows && i < task.end; ++i) {
    view.before[rank.first + i] = before;
    before = before + weights_of(elements[i]);
  }
  if (threadIdx.x == 0) view.tile_before[tile_of(rank, task.begin)] = all;
}

__global__ void scan_tiles(ScoreView view) {
  auto* scratch = shared_memory<LabelWeights>();
  const RankView& rank = view.ranks[blockIdx.x];
  const uint32_t tiles = (rank.rows + kTileRows - 1) / kTileRows;
  LabelWeights before{0, 0};
  for (uint32_t base = 0; base < tiles; base += kBlock) {
    const uint32_t tile = base + threadIdx.x;
    LabelWeights* place = view.tile_before + rank.first_tile + tile;
    LabelWeights all{0, 0};
    const LabelWeights within =
        block_exclusive_scan<kWarps>(tile < tiles ? *place : LabelWeights{0, 0}, scratch, all);
    if (tile < tiles) *place = before + within;
    before = before + all;
  }
  if (threadIdx.x == 0) view.totals[blockIdx.x] = before;
}

/** The first row from `begin` on whose offset is not below `offset`. */
__device__ uint32_t first_not_below(const RankElement* elements, uint32_t begin, uint32_t end, uint64_t offset) {
  while (begin < end) {
    const uint32_t middle = begin + (end - begin) / 2;
    if (elements[middle] >> 32 < offset) {
      begin = middle + 1;
    } else {
      end = middle;
    }
  }
  return begin;
}

/** Σ W·(weight below + weight not above) over positive rows, and Σ W·precision. */
__global__ void sum_ranks(RoundView round, ScoreView view) {
  const RowTask task = view.rank_tasks[blockIdx.x];
  const RankView& rank = view.ranks[task.owner];
  const EvalView& eval = view.evals[rank.eval];
  const RankElement* elements = sorted(view, rank, task.owner);
  const LabelWeights totals = view.totals[task.owner];
  const auto before = [&](uint32_t i) {
    return i < rank.rows ? view.before[rank.first + i] + view.tile_before[tile_of(rank, i)] : totals;
  };
  uint128_t pairs = 0;
  uint128_t precision = 0;
  for (uint32_t i = task.begin + threadIdx.x; i < task.end; i += kBlock) {
    const RankElement element = elements[i];
    if ((element & 1) == 0) continue;
    const uint32_t offset = offset_of(element);
    const bool ties_below = i > 0 && offset_of(elements[i - 1]) == offset;
    const bool ties_above = i + 1 < rank.rows && offset_of(elements[i + 1]) == offset;
    const uint32_t begin = ties_below ? first_not_below(elements, 0, i, offset) : i;
    const uint32_t end = ties_above ? first_not_below(elements, i, rank.rows, uint64_t{offset} + 1) : i + 1;
    const LabelWeights below = before(begin);
    pairs += uint128_t(weight_of(element)) * (below.negative + before(end).negative);
    if ((eval.wanted & kWantPrecision) != 0 && weight_of(element) != 0) {
      const uint64_t true_positive = totals.positive - below.positive;
      const uint64_t predicted = true_positive + (totals.negative - below.negative);
      const auto quotient = true_positive >> 32 == 0
                                ? uint128_t((true_positive << 32) / predicted)
                                : (uint128_t(true_positive) << 32) / predicted;
      precision += weight_of(element) * quotient;
    }
  }
  uint64_t* sums = sums_of_round(round, view, eval);
  add_of_warp(sums + eval.layout.pairs(rank.class_index), pairs);
  if ((eval.wanted & kWantPrecision) != 0) add_of_warp(sums + eval.layout.precision(), precision);
}

}  // namespace

void score_round(const Stream& stream, const RoundView& round, const ScoreView& view) {
  launch(stream, "score_rows", score_rows, view.eval_task_count, kBlock, kScoreWords * sizeof(uint64_t), round, view);
  if (view.rank_count == 0) return;
  check(cudaMemsetAsync(view.highest, 0, view.rank_count * sizeof(uint32_t), stream.get()));
  check(cudaMemsetAsync(view.depth_of_lowest, 0, view.rank_count * sizeof(uint32_t), stream.get()));
  launch(stream, "collect_ranks", collect_ranks, view.rank_task_count, kBlock, 0, round, view);
  for (uint32_t pass = 0; pass < kPasses; ++pass) {
    launch(stream, "count_digits", count_digits, view.rank_task_count, kBlock, kDigits * sizeof(uint32_t), view, pass);
    launch(stream, "place_digits", place_digits, view.rank_count, kBlock, kWarps * sizeof(uint32_t), view, pass);
    launch(stream, "scatter_rows", scatter_rows, view.rank_task_count, kBlock, kWarps * kDigits * sizeof(uint32_t), view,
           pass);
  }
  launch(stream, "sum_tiles", sum_tiles, view.rank_task_count, kBlock, kWarps * sizeof(LabelWeights), view);
  launch(stream, "scan_tiles", scan_tiles, view.rank_count, kBlock, kWarps * sizeof(LabelWeights), view);
  launch(stream, "sum_ranks", sum_ranks, view.rank_task_count, kBlock, 0, round, view);
}

}  // namespace lockstep::cuda
