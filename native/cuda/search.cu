// The best split of each node: docs/numerics.md section 7. A warp searches one feature of a node: lanes take eight codes each,
// sums from the left are a scan, and candidates that may be the best are scored exactly in binary64. Of nodes with few rows a
// warp searches all features.
#include <limits>
#include <type_traits>

#include "core/split_score.h"
#include "cuda/kernels.h"
#include "cuda/tasks.h"
#include "cuda/warp.h"

namespace lockstep::cuda {
namespace {

constexpr unsigned kBlock = kSearchFeatures * kWarpSize;
constexpr unsigned kPickBlock = 128;
constexpr unsigned kPickWarps = kPickBlock / kWarpSize;
/** Blocks of a processor that search, and that pick. */
template <class S>
constexpr unsigned kSearchBlocks = std::is_same_v<S, Sums> ? 3 : 4;
constexpr size_t kPickBlocks = 8;
constexpr unsigned kFewBlock = 128;
constexpr unsigned kFewWarps = kFewBlock / kWarpSize;
constexpr unsigned kFewBlocks = 6;
constexpr uint32_t kLaneCodes = kMaxCodes / kWarpSize;
static_assert(kMaxCodes % kWarpSize == 0);
static_assert(kFewRows == kWarpSize && kWordFeatures == 4);

/** Sums of a node of few rows. */
struct alignas(8) SmallSums {
  int32_t g;
  int32_t h;

  __device__ operator Sums() const { return {g, h}; }
  __device__ bool empty() const { return g == 0 && h == 0; }
  __device__ friend SmallSums operator+(SmallSums a, SmallSums b) { return {a.g + b.g, a.h + b.h}; }
  __device__ friend SmallSums operator-(SmallSums a, SmallSums b) { return {a.g - b.g, a.h - b.h}; }
};

/** A feature's sums in shared memory, by code; zeros beyond its last one. */
template <class S>
struct FeatureSums {
  /** Lanes read eight elements each, one after the other: what lies between lanes keeps them in different banks. */
  static constexpr uint32_t kElements = kMaxCodes + kWarpSize;
  S* elements;

  __device__ S& operator[](uint32_t code) const { return elements[code + code / kLaneCodes]; }
};

/** A categorical feature's codes in the order of the partition. */
struct Ranking {
  double ratio[kMaxCodes];
  uint8_t code[kMaxCodes];
};

__device__ bool comes_first(const Candidate& a, const Candidate& b) {
  if (a.feature < 0 || b.feature < 0) return a.feature >= 0;
  if (a.score != b.score) return a.score > b.score;
  return a.feature != b.feature ? a.feature < b.feature : a.order < b.order;
}

/** The first of all lanes' candidates, in every lane; a lane's own where none is a split. Hardly any two are equally good. */
__device__ Candidate best_of_lanes(const Candidate& own) {
  if (__ballot_sync(kAllLanes, own.feature >= 0) == 0) return own;
  double top = own.feature >= 0 ? own.score : -std::numeric_limits<double>::infinity();
  for (unsigned mask = kWarpSize / 2; mask > 0; mask /= 2) {
    const double other = shuffle_xor(top, mask);
    if (other > top) top = other;
  }
  const bool ties = own.feature >= 0 && own.score == top;
  const unsigned tied = __ballot_sync(kAllLanes, ties);
  unsigned first = tied;
  if ((tied & (tied - 1)) != 0) {
    const uint64_t key = static_cast<uint64_t>(own.feature) << 32 | static_cast<uint32_t>(own.order);
    uint64_t least = ties ? key : ~uint64_t{0};
    for (unsigned mask = kWarpSize / 2; mask > 0; mask /= 2) {
      const uint64_t other = shuffle_xor(least, mask);
      if (other < least) least = other;
    }
    first = __ballot_sync(kAllLanes, ties && key == least);
  }
  return shuffle(own, static_cast<unsigned>(__ffs(static_cast<int>(first)) - 1));
}

/** The features that a node may be split on, as a set; by the node's entry, those of few rows beyond search_room. */
__device__ const uint32_t* features_of(const RoundView& view, const UnitView& unit, size_t entry) {
  if (view.node_masks == nullptr) return unit.level_mask;
  return view.node_masks + entry * static_cast<size_t>(view.data.mask_words);
}

/** The order that a node's rows are in. */
__device__ const uint32_t* order_of(const UnitView& unit, const GrowingNode& node) {
  return unit.order[depth_of(node.heap_number) % 2];
}

__device__ float greatest_of_warp(float value) {
  for (unsigned mask = kWarpSize / 2; mask > 0; mask /= 2) {
    const float other = shuffle_xor(value, mask);
    if (other > value) value = other;
  }
  return value;
}

/** What a lane keeps while it goes through candidates of one feature. */
struct Search {
  const GrowingNode& node;
  const ScoreParams& score;
  int feature;
  int constraint;
  Candidate best;

  __device__ void begin(const JobView& job, int of) {
    feature = of;
    constraint = job.constraints == nullptr ? 0 : job.constraints[of];
  }

  __device__ void offer(int bin, bool missing_left, Sums left) {
    const Sums right = node.sums - left;
    if (left.h < score.min_child_hessian || right.h < score.min_child_hessian) return;
    double value = 0;
    if (score.bounded) {
      const double left_weight = bounded_weight(left, node.bounds, score);
      const double right_weight = bounded_weight(right, node.bounds, score);
      if (!is_monotone(constraint, left_weight, right_weight)) return;
      value = weighted_score(left, left_weight, score) + weighted_score(right, right_weight, score);
    } else {
      value = split_score(left, right, score);
    }
    const Candidate candidate{value, left, feature, 2 * bin + (missing_left ? 0 : 1)};
    if (comes_first(candidate, best)) best = candidate;
  }

  __device__ void offer_both(int bin, Sums left, Sums missing) {
    if (missing.empty()) {
      offer(bin, left.h >= node.sums.h - left.h, left);
    } else {
      offer(bin, true, left + missing);
      offer(bin, false, left);
    }
  }
};

__device__ inline float quotient(float a, float b) {
#ifdef LOCKSTEP_CUDA_EMULATION
  return a / b;
#else
  return __fdividef(a, b);
#endif
}

/**
 * Scores in binary32, within 2^−20 of themselves: 24-bit roundings of g (three times in its square), of h, λ' and their sum,
 * of a quotient within 2 ulp and of the sum of both sides. A candidate so estimated below kKeptPart of another one is worse.
 */
template <class S>
struct Estimate {
  static constexpr float kKeptPart = 1 - 0x1p-17f;
  using Integer = decltype(S::h);
  S node;
  Integer least;  // Hessian of a child
  float lambda;
  bool is_valid;  // estimates stay clear of the ends of binary32, and no terms cancel

  __device__ Estimate(const Sums& of_node, const ScoreParams& score)
      : node{static_cast<Integer>(of_node.g), static_cast<Integer>(of_node.h)},
        // No child that has more than the node counts.
        least(static_cast<Integer>(score.min_child_hessian < of_node.h ? score.min_child_hessian : of_node.h)),
        lambda(static_cast<float>(score.lambda)),
        is_valid(!score.bounded && score.alpha == 0 && score.lambda <= 0x1p60) {}

  __device__ float side(S sums) const {
    const auto g = static_cast<float>(sums.g);
    return quotient(g * g, static_cast<float>(sums.h) + lambda);
  }
  /** −1 where the candidate does not count. */
  __device__ float of(S left) const {
    const S right = node - left;
    if (left.h < least || right.h < least) return -1;
    return is_valid ? side(left) + side(right) : 1;
  }
  __device__ float of_both(S left, S missing) const {
    const float right = of(left);
    if (missing.empty()) return right;
    const float value = of(left + missing);
    return value > right ? value : right;
  }
};

/** Leaves the sums from the left in the place of the sums; node.sums and the missing ones have been read. */
template <class S>
__device__ void search_numeric(const FeatureSums<S>& sums, uint32_t codes, S missing, Search& search) {
  const uint32_t first = lane_index() * kLaneCodes;
  unsigned present = 0;
  S total{0, 0};
#pragma unroll
  for (uint32_t k = 0; k < kLaneCodes; ++k) {
    const S own = sums[first + k];
    const uint32_t code = first + k;
    if (code == 0 || own.empty()) continue;
    // A code that the node has not got leaves the partition of the code below.
    if (code + 1 < codes) present |= 1u << k;
    total = total + own;
  }
  S left = warp_inclusive_scan(total) - total;
  const Estimate<S> estimate(search.node.sums, search.score);
  float value[kLaneCodes];
  float top = 0;
#pragma unroll
  for (uint32_t k = 0; k < kLaneCodes; ++k) {
    if (first + k > 0) left = left + sums[first + k];
    value[k] = -1;
    if ((present >> k & 1u) == 0) continue;
    sums[first + k] = left;
    value[k] = estimate.of_both(left, missing);
    if (value[k] > top) top = value[k];
  }
  const float kept = greatest_of_warp(top) * Estimate<S>::kKeptPart;
#pragma unroll
  for (uint32_t k = 0; k < kLaneCodes; ++k) {
    if (value[k] < kept) present &= ~(1u << k);
  }
  for (; present != 0; present &= present - 1) {
    const auto k = static_cast<uint32_t>(__ffs(static_cast<int>(present)) - 1);
    search.offer_both(static_cast<int>(first + k), sums[first + k], missing);
  }
  __syncwarp();
}

template <class S>
__device__ void search_one_hot(const FeatureSums<S>& sums, uint32_t codes, Sums missing, Search& search) {
  for (uint32_t code = 1 + lane_index(); code < codes; code += kWarpSize) {
    if (!sums[code].empty()) search.offer_both(static_cast<int>(code), sums[code], missing);
  }
}

/** Orders the codes that the node has by r_c, ties by code; returns how many they are. */
template <class S>
__device__ uint32_t rank_codes(const FeatureSums<S>& sums, uint32_t codes, const ScoreParams& score, Ranking& ranking) {
  uint32_t present = 0;
  for (uint32_t code = lane_index(); code < codes; code += kWarpSize) {
    const Sums cell = sums[code];
    const bool light = cell.h < score.min_child_hessian;
    ranking.ratio[code] =
        light ? 0 : static_cast<double>(cell.g) / (static_cast<double>(cell.h) + score.lambda);
    if (code > 0 && !cell.empty()) ++present;
  }
  present = warp_sum(present);
  __syncwarp();
  for (uint32_t code = 1 + lane_index(); code < codes; code += kWarpSize) {
    if (sums[code].empty()) continue;
    const double ratio = ranking.ratio[code];
    uint32_t rank = 0;
    for (uint32_t other = 1; other < codes; ++other) {
      const double others = ranking.ratio[other];
      const bool below = others < ratio || (others == ratio && other < code);
      if (below && !sums[other].empty()) ++rank;
    }
    ranking.code[rank] = static_cast<uint8_t>(code);
  }
  __syncwarp();
  return present;
}

template <class S>
__device__ void search_partition(const FeatureSums<S>& sums, uint32_t codes, Sums missing, int max_threshold,
                                 Search& search, Ranking& ranking) {
  const uint32_t present = rank_codes(sums, codes, search.score, ranking);
  Sums before{0, 0};
  for (uint32_t base = 0; base < present; base += kWarpSize) {
    const uint32_t place = base + lane_index();
    const Sums own = place < present ? Sums(sums[ranking.code[place]]) : Sums{0, 0};
    const Sums left = before + warp_inclusive_scan(own);
    before = shuffle(left, kWarpSize - 1);
    const auto b = static_cast<int>(place + 1);
    const auto rest = static_cast<int>(present) - b;
    if (rest >= 1 && (b <= max_threshold || rest <= max_threshold)) search.offer_both(b, left, missing);
  }
  __syncwarp();
}

__device__ bool is_one_hot(const JobView& job, uint32_t codes) {
  return static_cast<int>(codes) - 1 < job.max_cat_to_onehot;
}

/** The best split of a node by one feature whose sums are in shared memory; all lanes of the warp call it. */
template <class S>
__device__ Candidate search_feature(const RoundView& view, const JobView& job, const GrowingNode& node,
                                    const ScoreParams& score, uint32_t f, const FeatureSums<S>& sums, Ranking* ranking) {
  const FeatureCells feature = view.data.features[f];
  Search search{node, score, 0, 0, {0, {0, 0}, -1, 0}};
  search.begin(job, static_cast<int>(f));
  const S missing = sums[0];
  __syncwarp();
  if (lane_index() == 0 && !missing.empty()) search.offer(0, true, missing);
  if (feature.categorical == 0) {
    search_numeric(sums, feature.codes, missing, search);
  } else if (is_one_hot(job, feature.codes)) {
    search_one_hot(sums, feature.codes, missing, search);
  } else {
    search_partition(sums, feature.codes, missing, job.max_cat_threshold, search, *ranking);
  }
  return best_of_lanes(search.best);
}

/**
 * Brings a feature's sums of a node from its histogram to shared memory, less those of the sibling's; all lanes of the warp
 * call it. `keep`: nodes below need the difference, so it is stored too.
 */
template <class S>
__device__ void fetch_sums(Sums* cells, const Sums* minus, uint32_t codes, bool keep, const FeatureSums<S>& sums) {
#pragma unroll
  for (uint32_t base = 0; base < kMaxCodes; base += kWarpSize) {
    const uint32_t code = base + lane_index();
    Sums own{0, 0};
    if (code < codes) {
      own = cells[code];
      if (minus != nullptr) {
        own = own - minus[code];
        if (keep) cells[code] = own;
      }
    }
    sums[code] = {static_cast<decltype(S::g)>(own.g), static_cast<decltype(S::h)>(own.h)};
  }
  __syncwarp();
}

/** Searches a feature of a node with a histogram, if it is wanted; all lanes of the warp call it. */
template <class S>
__device__ Candidate search_histogram(const RoundView& view, const SearchTask& task, uint32_t f, bool is_wanted, bool keep,
                                      const FeatureSums<S>& sums, Ranking* ranking) {
  const UnitView& unit = view.units[task.unit];
  const JobView& job = view.jobs[unit.job];
  const GrowingNode& node = unit.nodes[task.node];
  const FeatureCells feature = view.data.features[f];
  const auto of_slot = [&](int32_t slot) {
    return histogram_of(view, unit, slot) + feature.first;
  };
  // The codes that go left at a categorical split are found from the histogram again.
  fetch_sums(of_slot(node.slot), task.minus >= 0 ? of_slot(task.minus) : nullptr, feature.codes,
             keep || feature.categorical != 0, sums);
  if (!is_wanted) return {0, {0, 0}, -1, 0};
  return search_feature(view, job, node, job.score[view.states[task.unit].shift], f, sums, ranking);
}

/** Rows whose codes and gradients a thread fetches before it adds the first of them. */
constexpr uint32_t kRowsInFlight = 4;

/** Sums a node's rows for the features of `wanted`, bits of the block's; all threads of the block call it. */
__device__ void sum_directly(const RoundView& view, const UnitView& unit, const JobView& job, const GrowingNode& node,
                             uint32_t first_feature, uint32_t wanted, SmallSums* sums) {
  constexpr uint32_t kElements = FeatureSums<SmallSums>::kElements;
  constexpr uint32_t kWords = kSearchFeatures / kWordFeatures;
  constexpr uint32_t kRowsAtOnce = kBlock / kWords;
  for (uint32_t i = threadIdx.x; i < kSearchFeatures * kElements; i += kBlock) sums[i] = {0, 0};
  __syncthreads();
  const uint32_t own = threadIdx.x % kWords;
  const uint32_t own_wanted = wanted >> (own * kWordFeatures) & ((1u << kWordFeatures) - 1);
  const uint32_t word = first_feature / kWordFeatures + own;
  const uint32_t* order = order_of(unit, node);
  for (uint32_t first = node.begin + threadIdx.x / kWords; first < node.end && own_wanted != 0;
       first += kRowsInFlight * kRowsAtOnce) {
    int2 pairs[kRowsInFlight];
    uint32_t codes[kRowsInFlight];
#pragma unroll
    for (uint32_t r = 0; r < kRowsInFlight; ++r) {
      const uint32_t i = first + r * kRowsAtOnce;
      if (i >= node.end) break;
      const uint32_t position = order[i];
      pairs[r] = unit.gradients[position];
      const uint8_t* row = view.data.bins + size_t{data_row(job, position)} * view.data.stride;
      codes[r] = reinterpret_cast<const uint32_t*>(row)[word];
    }
#pragma unroll
    for (uint32_t r = 0; r < kRowsInFlight; ++r) {
      if (first + r * kRowsAtOnce >= node.end) break;
#pragma unroll
      for (uint32_t k = 0; k < kWordFeatures; ++k) {
        if ((own_wanted >> k & 1u) == 0) continue;
        const FeatureSums<SmallSums> feature{sums + (own * kWordFeatures + k) * kElements};
        SmallSums& cell = feature[codes[r] >> (8 * k) & 0xffu];
        atomicAdd(&cell.g, pairs[r].x);
        atomicAdd(&cell.h, pairs[r].y);
      }
    }
  }
  __syncthreads();
}

/** Shared memory of a block that searches; rankings follow where there are categories. */
template <class S>
struct SearchShared {
  Candidate best[kSearchFeatures];
  alignas(16) S sums[kSearchFeatures][FeatureSums<S>::kElements];
};

/** Searches nodes with a histogram (S: Sums), or nodes without one, whose rows it sums (SmallSums). */
template <class S>
__global__ void __launch_bounds__(kBlock, kSearchBlocks<S>) search_features(RoundView view, uint32_t step) {
  constexpr bool kDirect = std::is_same_v<S, SmallSums>;
  auto& shared = *shared_memory<SearchShared<S>>();
  auto* rankings = reinterpret_cast<Ranking*>(shared_memory<unsigned char>() + sizeof(SearchShared<S>));
  const StepCounts& counts = view.counts[step];
  const size_t total = size_t{kDirect ? counts.direct : counts.search} * view.search_groups;
  for (size_t t = blockIdx.x; t < total; t += gridDim.x) {
    const auto i = static_cast<uint32_t>(t / view.search_groups);
    const auto group = static_cast<uint32_t>(t % view.search_groups);
    const uint32_t entry = kDirect ? view.search_room - 1 - i : i;
    const SearchTask task = view.search[entry];
    const UnitView& unit = view.units[task.unit];
    const JobView& job = view.jobs[unit.job];
    const GrowingNode& node = unit.nodes[task.node];
    const uint32_t first = group * kSearchFeatures;
    const uint32_t f = first + warp_index();
    const uint32_t* mask = features_of(view, unit, entry);
    // Bits beyond the last feature are 0, and a group's bits are in one word.
    const uint32_t wanted = mask[first / 32] >> (first % 32) & ((1u << kSearchFeatures) - 1);
    const bool is_wanted = (wanted >> warp_index() & 1u) != 0;
    const FeatureSums<S> sums{shared.sums[warp_index()]};
    Candidate best{0, {0, 0}, -1, 0};
    if constexpr (kDirect) {
      sum_directly(view, unit, job, node, first, wanted, shared.sums[0]);
      const ScoreParams& score = job.score[view.states[task.unit].shift];
      if (is_wanted) best = search_feature(view, job, node, score, f, sums, rankings + warp_index());
    } else {
      const uint32_t in_tree = unit.tree_mask[first / 32] >> (first % 32) & ((1u << kSearchFeatures) - 1);
      const bool keep = node.heap_number >> (job.max_depth - 1) == 0 && node.end - node.begin > unit.direct_rows;
      if (is_wanted || (keep && task.minus >= 0 && (in_tree >> warp_index() & 1u) != 0)) {
        if (!unit.wide && node.end - node.begin <= kMaxBuildRows) {
          const FeatureSums<SmallSums> small{reinterpret_cast<SmallSums*>(shared.sums[warp_index()])};
          best = search_histogram(view, task, f, is_wanted, keep, small, rankings + warp_index());
        } else {
          best = search_histogram(view, task, f, is_wanted, keep, sums, rankings + warp_index());
        }
      }
    }
    if (lane_index() == 0) shared.best[warp_index()] = best;
    __syncthreads();
    if (threadIdx.x == 0) {
      for (int w = 1; w < kSearchFeatures; ++w) {
        if (comes_first(shared.best[w], best)) best = shared.best[w];
      }
      view.candidates[size_t{entry} * view.search_groups + group] = best;
    }
    __syncthreads();
  }
}

/** The best candidate, unless its gain is too small for a split. */
__device__ Candidate accepted(Candidate best, const GrowingNode& node, const ScoreParams& score) {
  if (best.feature < 0) return best;
  const double parent = score.bounded ? weighted_score(node.sums, bounded_weight(node.sums, node.bounds, score), score)
                                      : node_score(node.sums, score);
  if (!(best.score - parent > gain_threshold(parent, score))) best.feature = -1;
  return best;
}

/**
 * A warp a node of at most 32 rows and all its features, none of them categorical: a lane is a row, and its candidate's sums
 * from the left are those of the rows whose code is no greater. With 16 rows or fewer, parts of the warp take different
 * words of a row.
 */
__global__ void __launch_bounds__(kFewBlock, kFewBlocks) search_few_rows(RoundView view, uint32_t step) {
  SmallSums* pairs = shared_memory<SmallSums>() + warp_index() * kWarpSize;
  const uint32_t count = view.counts[step].few;
  const uint32_t words = (static_cast<uint32_t>(view.data.feature_count) + kWordFeatures - 1) / kWordFeatures;
  for (uint32_t i = blockIdx.x * kFewWarps + warp_index(); i < count; i += gridDim.x * kFewWarps) {
    const SearchTask task = view.few[i];
    const UnitView& unit = view.units[task.unit];
    const JobView& job = view.jobs[unit.job];
    const ScoreParams& score = job.score[view.states[task.unit].shift];
    GrowingNode& node = unit.nodes[task.node];
    const uint32_t* mask = features_of(view, unit, size_t{view.search_room} + i);
    const uint32_t rows = node.end - node.begin;
    const uint32_t part_log2 = rows <= 8 ? 3 : rows <= 16 ? 4 : 5;
    const uint32_t row_of_lane = lane_index() & ((1u << part_log2) - 1);
    const uint32_t first_lane = lane_index() - row_of_lane;
    const unsigned part_lanes = (part_log2 == 5 ? kAllLanes : (1u << (1u << part_log2)) - 1) << first_lane;
    const bool has_row = row_of_lane < rows;
    const uint32_t* order = order_of(unit, node);
    const uint32_t position = order[node.begin + (has_row ? row_of_lane : 0)];
    const int2 pair = unit.gradients[position];
    const auto* row =
        reinterpret_cast<const uint32_t*>(view.data.bins + size_t{data_row(job, position)} * view.data.stride);
    __syncwarp();
    if (lane_index() < rows) pairs[lane_index()] = {pair.x, pair.y};
    __syncwarp();
    const Estimate<SmallSums> estimate(node.sums, score);
    Search search{node, score, 0, 0, {0, {0, 0}, -1, 0}};
    float top = 0;
    for (uint32_t base = 0; base < words; base += kWarpSize >> part_log2) {
      const uint32_t word = base + (lane_index() >> part_log2);
      const uint32_t f = word * kWordFeatures;
      const uint32_t wanted = word < words ? mask[f / 32] >> (f % 32) & ((1u << kWordFeatures) - 1) : 0;
      if (__ballot_sync(kAllLanes, wanted != 0) == 0) continue;
      const uint32_t codes = word < words ? row[word] : 0;
      SmallSums left[kWordFeatures] = {};
      for (uint32_t r = 0; r < rows; ++r) {
        const uint32_t others = shuffle(codes, first_lane + r);
        const SmallSums other = pairs[r];
#pragma unroll
        for (uint32_t k = 0; k < kWordFeatures; ++k) {
          if ((others >> (8 * k) & 0xffu) <= (codes >> (8 * k) & 0xffu)) left[k] = left[k] + other;
        }
      }
      float value[kWordFeatures];
      SmallSums missing[kWordFeatures] = {};
      float own_top = -1;
#pragma unroll
      for (uint32_t k = 0; k < kWordFeatures; ++k) {
        const uint32_t code = codes >> (8 * k) & 0xffu;
        const unsigned missing_lanes = __ballot_sync(kAllLanes, has_row && code == 0) & part_lanes;
        const SmallSums of_missing =
            shuffle(left[k], missing_lanes == 0 ? 0 : static_cast<unsigned>(__ffs(static_cast<int>(missing_lanes)) - 1));
        if (missing_lanes != 0) missing[k] = of_missing;
        value[k] = -1;
        if (!has_row || (wanted >> k & 1u) == 0) continue;
        // A code of 0 stands for the candidate that sends the missing values left, and nothing else.
        if (code > 0) {
          left[k] = left[k] - missing[k];
          if (code + 1u >= view.data.features[f + k].codes) continue;
        }
        value[k] = code == 0 ? estimate.of(left[k]) : estimate.of_both(left[k], missing[k]);
        if (value[k] > own_top) own_top = value[k];
      }
      const float reached = greatest_of_warp(own_top);
      if (reached > top) top = reached;
      const float kept = top * Estimate<SmallSums>::kKeptPart;
#pragma unroll 1
      for (uint32_t k = 0; own_top >= kept && k < kWordFeatures; ++k) {
        const float of_k = k == 0 ? value[0] : k == 1 ? value[1] : k == 2 ? value[2] : value[3];
        if (of_k < kept) continue;
        const SmallSums from_left = k == 0 ? left[0] : k == 1 ? left[1] : k == 2 ? left[2] : left[3];
        const SmallSums of_missing = k == 0 ? missing[0] : k == 1 ? missing[1] : k == 2 ? missing[2] : missing[3];
        const auto code = static_cast<int>(codes >> (8 * k) & 0xffu);
        search.begin(job, static_cast<int>(f + k));
        if (code == 0) {
          search.offer(0, true, from_left);
        } else {
          search.offer_both(code, from_left, of_missing);
        }
      }
      __syncwarp();
    }
    const Candidate best = accepted(best_of_lanes(search.best), node, score);
    if (lane_index() == 0) node.split = best;
  }
}

/** Sums a node's rows for one feature; all lanes of the warp call it. */
__device__ void sum_feature(const RoundView& view, const UnitView& unit, const JobView& job, const GrowingNode& node, uint32_t f,
                            const FeatureSums<Sums>& sums) {
  for (uint32_t code = lane_index(); code < kMaxCodes; code += kWarpSize) sums[code] = {0, 0};
  __syncwarp();
  const uint32_t* order = order_of(unit, node);
  for (uint32_t i = node.begin + lane_index(); i < node.end; i += kWarpSize) {
    const uint32_t position = order[i];
    const int2 pair = unit.gradients[position];
    Sums& cell = sums[view.data.bins[size_t{data_row(job, position)} * view.data.stride + f]];
    atomic_add(&cell.g, pair.x);
    atomic_add(&cell.h, pair.y);
  }
  __syncwarp();
}

/** A categorical feature's sums of a node and the order of its codes, again. */
struct PickShared {
  Ranking ranking;
  Sums sums[FeatureSums<Sums>::kElements];
};

/** The codes that go left; all lanes of the warp call it. */
__device__ void write_codes(const RoundView& view, const UnitView& unit, const JobView& job, uint32_t n,
                            const ScoreParams& score, const Candidate& split, PickShared& shared) {
  const auto f = static_cast<uint32_t>(split.feature);
  const FeatureCells feature = view.data.features[f];
  const GrowingNode& node = unit.nodes[n];
  const auto bin = static_cast<uint32_t>(split.order / 2);
  const bool missing_left = split.order % 2 == 0;
  CodeSet set;
  if (is_one_hot(job, feature.codes)) {
    if (bin > 0) set.add(bin);
  } else {
    const FeatureSums<Sums> sums{shared.sums};
    if (node.slot < 0) {
      sum_feature(view, unit, job, node, f, sums);
    } else {
      Sums* cells = histogram_of(view, unit, node.slot) + feature.first;
      fetch_sums(cells, nullptr, feature.codes, false, sums);
    }
    rank_codes(sums, feature.codes, score, shared.ranking);
    for (uint32_t i = 0; i < bin; ++i) set.add(shared.ranking.code[i]);
    for (uint32_t code = 1; missing_left && code < feature.codes; ++code) {
      if (sums[code].empty()) set.add(code);
    }
  }
  if (lane_index() == 0) unit.sets[n] = set;
  __syncwarp();
}

/** Puts the best acceptable split, if there is one, into its node. */
__global__ void pick_splits(RoundView view, uint32_t step) {
  PickShared& shared = shared_memory<PickShared>()[warp_index()];
  const uint32_t count = searched_nodes(view, step);
  for (uint32_t i = blockIdx.x * kPickWarps + warp_index(); i < count; i += gridDim.x * kPickWarps) {
    const uint32_t entry = search_entry(view, step, i);
    const SearchTask task = view.search[entry];
    const UnitView& unit = view.units[task.unit];
    const JobView& job = view.jobs[unit.job];
    const ScoreParams& score = job.score[view.states[task.unit].shift];
    GrowingNode& node = unit.nodes[task.node];
    Candidate best{0, {0, 0}, -1, 0};
    const Candidate* candidates = view.candidates + size_t{entry} * view.search_groups;
    for (uint32_t g = lane_index(); g < view.search_groups; g += kWarpSize) {
      const Candidate candidate = candidates[g];
      if (comes_first(candidate, best)) best = candidate;
    }
    best = accepted(best_of_lanes(best), node, score);
    if (best.feature >= 0 && view.data.features[best.feature].categorical != 0) {
      write_codes(view, unit, job, task.node, score, best, shared);
    }
    if (lane_index() == 0) node.split = best;
  }
}

/** Queues the search of one of the lists of nodes. */
template <class S>
void search_list(const Stream& stream, const char* name, const RoundView& view, const LaunchPlan& plan, uint32_t step) {
  const size_t rankings = plan.has_categories ? sizeof(Ranking) * kSearchFeatures : 0;
  launch(stream, name, search_features<S>, kSearchBlocks<S> * plan.processors, kBlock, sizeof(SearchShared<S>) + rankings, view,
         step);
}

}  // namespace

void prepare_search(const DeviceInfo& device) { allow_shared_memory(search_features<Sums>, device.shared_bytes); }

void search_splits(const Stream& stream, const RoundView& view, const LaunchPlan& plan, uint32_t step) {
  search_list<Sums>(stream, "search_histograms", view, plan, step);
  search_list<SmallSums>(stream, "search_rows", view, plan, step);
  if (view.few != nullptr) {
    launch(stream, "search_few_rows", search_few_rows, kFewBlocks * plan.processors, kFewBlock,
           sizeof(SmallSums) * kFewBlock, view, step);
  }
  launch(stream, "pick_splits", pick_splits, kPickBlocks * plan.processors, kPickBlock,
         plan.has_categories ? sizeof(PickShared) * kPickWarps : 0, view, step);
}

}  // namespace lockstep::cuda
