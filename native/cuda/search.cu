// The best split of each node: docs/numerics.md section 7. A warp searches one feature of a node: lanes take codes, sums
// from the left are a scan, and every candidate is scored exactly in binary64.
#include "core/split_score.h"
#include "cuda/kernels.h"
#include "cuda/warp.h"

namespace lockstep::cuda {
namespace {

constexpr unsigned kBlock = kSearchFeatures * kWarpSize;
constexpr unsigned kPickBlock = 128;
constexpr unsigned kPickWarps = kPickBlock / kWarpSize;
constexpr size_t kBlocksOfProcessor = 8;

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

__device__ Candidate best_of_warp(Candidate own) {
  for (unsigned mask = kWarpSize / 2; mask > 0; mask /= 2) {
    const Candidate other = shuffle_xor(own, mask);
    if (comes_first(other, own)) own = other;
  }
  return own;
}

/** What a lane keeps while it goes through candidates of one feature. */
struct Search {
  const GrowingNode& node;
  const ScoreParams& score;
  int feature;
  int constraint;
  Candidate best;

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

/** A feature's sums in a node's histogram, from which the sibling's may still have to be taken. */
struct FeatureSums {
  Sums* cells;
  const Sums* minus;  // the sibling's; null: there is nothing to take
  uint32_t codes;

  __device__ Sums at(uint32_t code) const {
    if (code >= codes) return {0, 0};
    return minus == nullptr ? cells[code] : cells[code] - minus[code];
  }
  /** Takes the sibling's sums for good; all lanes of the warp call it. */
  __device__ void subtract() {
    if (minus == nullptr) return;
    for (uint32_t code = lane_index(); code < codes; code += kWarpSize) cells[code] = at(code);
    __syncwarp();
    minus = nullptr;
  }
};

/** `keep`: nodes below need the sums, so they are stored on the way. */
__device__ void search_numeric(const FeatureSums& sums, bool keep, Sums missing, Search& search) {
  Sums before{0, 0};
  for (uint32_t base = 0; base < sums.codes; base += kWarpSize) {
    const uint32_t code = base + lane_index();
    const Sums own = sums.at(code);
    if (keep && sums.minus != nullptr && code < sums.codes) sums.cells[code] = own;
    const Sums left = before + warp_inclusive_scan(code == 0 ? Sums{0, 0} : own);
    before = shuffle(left, kWarpSize - 1);
    // A code that the node has not got leaves the partition of the code below.
    if (code > 0 && code + 1 < sums.codes && !own.empty()) search.offer_both(static_cast<int>(code), left, missing);
  }
}

__device__ void search_one_hot(const Sums* cells, uint32_t codes, Sums missing, Search& search) {
  for (uint32_t code = 1 + lane_index(); code < codes; code += kWarpSize) {
    if (!cells[code].empty()) search.offer_both(static_cast<int>(code), cells[code], missing);
  }
}

/** Orders the codes that the node has by r_c, ties by code; returns how many they are. */
__device__ uint32_t rank_codes(const Sums* cells, uint32_t codes, const ScoreParams& score, Ranking& ranking) {
  uint32_t present = 0;
  for (uint32_t code = lane_index(); code < codes; code += kWarpSize) {
    const Sums cell = cells[code];
    const bool light = cell.h < score.min_child_hessian;
    ranking.ratio[code] =
        light ? 0 : static_cast<double>(cell.g) / (static_cast<double>(cell.h) + score.lambda);
    if (code > 0 && !cell.empty()) ++present;
  }
  present = warp_sum(present);
  __syncwarp();
  for (uint32_t code = 1 + lane_index(); code < codes; code += kWarpSize) {
    if (cells[code].empty()) continue;
    const double ratio = ranking.ratio[code];
    uint32_t rank = 0;
    for (uint32_t other = 1; other < codes; ++other) {
      const double others = ranking.ratio[other];
      const bool below = others < ratio || (others == ratio && other < code);
      if (below && !cells[other].empty()) ++rank;
    }
    ranking.code[rank] = static_cast<uint8_t>(code);
  }
  __syncwarp();
  return present;
}

__device__ void search_partition(const Sums* cells, uint32_t codes, Sums missing, int max_threshold, Search& search,
                                 Ranking& ranking) {
  const uint32_t present = rank_codes(cells, codes, search.score, ranking);
  Sums before{0, 0};
  for (uint32_t base = 0; base < present; base += kWarpSize) {
    const uint32_t place = base + lane_index();
    const Sums own = place < present ? cells[ranking.code[place]] : Sums{0, 0};
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

__global__ void __launch_bounds__(kBlock) search_features(RoundView view, uint32_t step) {
  struct Shared {
    Ranking ranking[kSearchFeatures];
    Candidate best[kSearchFeatures];
  };
  Shared& shared = *shared_memory<Shared>();
  const size_t total = size_t{view.counts[step].search} * view.search_groups;
  for (size_t t = blockIdx.x; t < total; t += gridDim.x) {
    const auto entry = static_cast<uint32_t>(t / view.search_groups);
    const auto group = static_cast<uint32_t>(t % view.search_groups);
    const SearchTask task = view.search[entry];
    const UnitView& unit = view.units[task.unit];
    const JobView& job = view.jobs[unit.job];
    const GrowingNode& node = unit.nodes[task.node];
    const uint32_t f = group * kSearchFeatures + warp_index();
    const bool in_tree = f < static_cast<uint32_t>(view.data.feature_count) &&
                         (unit.tree_mask[f / 32] >> (f % 32) & 1u) != 0;
    Candidate best{0, {0, 0}, -1, 0};
    if (in_tree) {
      const FeatureCells feature = view.data.features[f];
      const auto of_slot = [&](int32_t slot) {
        return unit.histograms + size_t(static_cast<uint32_t>(slot)) * view.data.cells + feature.first;
      };
      FeatureSums sums{of_slot(node.slot), task.minus >= 0 ? of_slot(task.minus) : nullptr, feature.codes};
      const bool keep = node.heap_number >> (job.max_depth - 1) == 0;
      const uint32_t* mask = view.node_masks == nullptr
                                 ? unit.level_mask
                                 : view.node_masks + size_t{entry} * static_cast<size_t>(view.data.mask_words);
      const bool is_searched = (mask[f / 32] >> (f % 32) & 1u) != 0;
      if (is_searched ? feature.categorical != 0 : keep) sums.subtract();
      if (is_searched) {
        const int constraint = job.constraints == nullptr ? 0 : job.constraints[f];
        Search search{node, job.score[view.states[task.unit].shift], static_cast<int>(f), constraint, best};
        const Sums missing = sums.at(0);
        __syncwarp();
        if (lane_index() == 0 && !missing.empty()) search.offer(0, true, missing);
        if (feature.categorical == 0) {
          search_numeric(sums, keep, missing, search);
        } else if (is_one_hot(job, feature.codes)) {
          search_one_hot(sums.cells, feature.codes, missing, search);
        } else {
          search_partition(sums.cells, feature.codes, missing, job.max_cat_threshold, search,
                           shared.ranking[warp_index()]);
        }
        best = best_of_warp(search.best);
      }
    }
    if (lane_index() == 0) shared.best[warp_index()] = best;
    __syncthreads();
    if (threadIdx.x == 0) {
      for (int w = 1; w < kSearchFeatures; ++w) {
        if (comes_first(shared.best[w], best)) best = shared.best[w];
      }
      view.candidates[t] = best;
    }
    __syncthreads();
  }
}

/** The codes that go left; all lanes of the warp call it. */
__device__ void write_codes(const RoundView& view, const UnitView& unit, const JobView& job, uint32_t n,
                            const ScoreParams& score, const Candidate& split, Ranking& ranking) {
  const FeatureCells feature = view.data.features[split.feature];
  const GrowingNode& node = unit.nodes[n];
  const Sums* cells = unit.histograms + size_t(static_cast<uint32_t>(node.slot)) * view.data.cells + feature.first;
  const auto bin = static_cast<uint32_t>(split.order / 2);
  const bool missing_left = split.order % 2 == 0;
  CodeSet set;
  if (is_one_hot(job, feature.codes)) {
    if (bin > 0) set.add(bin);
  } else {
    rank_codes(cells, feature.codes, score, ranking);
    for (uint32_t i = 0; i < bin; ++i) set.add(ranking.code[i]);
    for (uint32_t code = 1; missing_left && code < feature.codes; ++code) {
      if (cells[code].empty()) set.add(code);
    }
  }
  if (lane_index() == 0) unit.sets[n] = set;
  __syncwarp();
}

/** Puts the best acceptable split, if there is one, into its node. */
__global__ void pick_splits(RoundView view, uint32_t step) {
  Ranking& ranking = shared_memory<Ranking>()[warp_index()];
  const uint32_t count = view.counts[step].search;
  for (uint32_t entry = blockIdx.x * kPickWarps + warp_index(); entry < count; entry += gridDim.x * kPickWarps) {
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
    best = best_of_warp(best);
    if (best.feature >= 0) {
      const double parent = score.bounded
                                ? weighted_score(node.sums, bounded_weight(node.sums, node.bounds, score), score)
                                : node_score(node.sums, score);
      if (!(best.score - parent > gain_threshold(parent, score))) best.feature = -1;
    }
    if (best.feature >= 0 && view.data.features[best.feature].categorical != 0) {
      write_codes(view, unit, job, task.node, score, best, ranking);
    }
    if (lane_index() == 0) node.split = best;
  }
}

}  // namespace

void search_splits(const Stream& stream, const RoundView& view, const LaunchPlan& plan, uint32_t step) {
  constexpr size_t kSearchShared = (sizeof(Ranking) + sizeof(Candidate)) * kSearchFeatures;
  launch(stream, "search_features", search_features, kBlocksOfProcessor * plan.processors, kBlock, kSearchShared, view,
         step);
  launch(stream, "pick_splits", pick_splits, kBlocksOfProcessor * plan.processors, kPickBlock,
         sizeof(Ranking) * kPickWarps, view, step);
}

}  // namespace lockstep::cuda
