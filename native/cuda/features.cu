// Sampling features: docs/numerics.md section 6. A warp finds the k-th smallest key bit by bit from the top.
#include "core/sampling.h"
#include "cuda/kernels.h"
#include "cuda/warp.h"

namespace lockstep::cuda {
namespace {

constexpr unsigned kBlock = 128;
constexpr unsigned kWarps = kBlock / kWarpSize;
static_assert(kSamplingWarps % kWarps == 0);

__device__ bool has_feature(const uint32_t* mask, uint32_t feature) {
  return (mask[feature / 32] >> (feature % 32) & 1u) != 0;
}

/** How many of the allowed features have a key below `limit`. */
__device__ uint32_t keys_below(const DataView& data, const uint32_t* keys, const uint32_t* allowed, uint32_t limit) {
  uint32_t count = 0;
  for (uint32_t f = lane_index(); f < static_cast<uint32_t>(data.feature_count); f += kWarpSize) {
    if (has_feature(allowed, f) && keys[f] < limit) ++count;
  }
  return warp_sum(count);
}

/** Leaves the `wanted` allowed features with the smallest keys; ties go to the lower feature. */
template <class KeyOf>
__device__ void take_smallest(const DataView& data, const uint32_t* allowed, int wanted, uint32_t* keys, uint32_t* chosen,
                              const KeyOf& key_of) {
  const auto features = static_cast<uint32_t>(data.feature_count);
  const auto target = static_cast<uint32_t>(wanted);
  for (uint32_t f = lane_index(); f < features; f += kWarpSize) {
    if (has_feature(allowed, f)) keys[f] = key_of(f);
  }
  __syncwarp();
  uint32_t last = 0;  // the greatest key to be taken
  for (int bit = 31; bit >= 0; --bit) {
    const uint32_t higher = last | 1u << bit;
    if (keys_below(data, keys, allowed, higher) < target) last = higher;
  }
  uint32_t equal_wanted = target - keys_below(data, keys, allowed, last);
  for (uint32_t word = 0; word < static_cast<uint32_t>(data.mask_words); ++word) {
    const uint32_t f = word * 32 + lane_index();
    const bool is_allowed = f < features && has_feature(allowed, f);
    const unsigned equal = __ballot_sync(kAllLanes, is_allowed && keys[f] == last);
    const auto equals_before = static_cast<uint32_t>(__popc(equal & lanes_below()));
    const bool taken = is_allowed && (keys[f] < last || (keys[f] == last && equals_before < equal_wanted));
    const unsigned bits = __ballot_sync(kAllLanes, taken);
    if (lane_index() == 0) chosen[word] = bits;
    const auto equals = static_cast<uint32_t>(__popc(equal));
    equal_wanted -= equals < equal_wanted ? equals : equal_wanted;
  }
  __syncwarp();
}

__device__ void copy_mask(const DataView& data, const uint32_t* from, uint32_t* to) {
  for (uint32_t word = lane_index(); word < static_cast<uint32_t>(data.mask_words); word += kWarpSize) to[word] = from[word];
  __syncwarp();
}

__global__ void sample_of_levels(RoundView view, uint32_t depth) {
  const uint32_t warp = blockIdx.x * kWarps + warp_index();
  uint32_t* keys = view.feature_keys + size_t{warp} * static_cast<size_t>(view.data.feature_count);
  for (uint32_t u = warp; u < view.unit_count; u += gridDim.x * kWarps) {
    const UnitView& unit = view.units[u];
    const JobView& job = view.jobs[unit.job];
    if (static_cast<int>(depth) >= job.max_depth) continue;
    const uint32_t round = *job.round;
    if (depth == 0) {
      for (uint32_t word = lane_index(); word < static_cast<uint32_t>(view.data.mask_words); word += kWarpSize) {
        const uint32_t left = static_cast<uint32_t>(view.data.feature_count) - word * 32;
        unit.level_mask[word] = left >= 32 ? 0xffffffffu : (1u << left) - 1;
      }
      __syncwarp();
      if (job.tree_features < view.data.feature_count) {
        take_smallest(view.data, unit.level_mask, job.tree_features, keys, unit.tree_mask, [&](uint32_t f) {
          return tree_feature_key(job.key, f, round, unit.class_index);
        });
      } else {
        copy_mask(view.data, unit.level_mask, unit.tree_mask);
      }
    }
    if (job.level_features < job.tree_features) {
      take_smallest(view.data, unit.tree_mask, job.level_features, keys, unit.level_mask, [&](uint32_t f) {
        return level_feature_key(job.key, f, round, depth, unit.class_index);
      });
    } else if (depth == 0) {
      copy_mask(view.data, unit.tree_mask, unit.level_mask);
    }
  }
}

__global__ void sample_of_nodes(RoundView view, uint32_t step) {
  const uint32_t warp = blockIdx.x * kWarps + warp_index();
  uint32_t* keys = view.feature_keys + size_t{warp} * static_cast<size_t>(view.data.feature_count);
  const uint32_t others = searched_nodes(view, step);
  const uint32_t count = others + view.counts[step].few;
  for (uint32_t i = warp; i < count; i += gridDim.x * kWarps) {
    const bool is_few = i >= others;
    const uint32_t entry = is_few ? view.search_room + (i - others) : search_entry(view, step, i);
    const SearchTask task = is_few ? view.few[i - others] : view.search[entry];
    const UnitView& unit = view.units[task.unit];
    const JobView& job = view.jobs[unit.job];
    uint32_t* mask = view.node_masks + size_t{entry} * static_cast<size_t>(view.data.mask_words);
    if (job.node_features == job.level_features) {
      copy_mask(view.data, unit.level_mask, mask);
      continue;
    }
    const uint32_t word = node_word(job.key, unit.nodes[task.node].heap_number, *job.round, unit.class_index);
    take_smallest(view.data, unit.level_mask, job.node_features, keys, mask, [&](uint32_t f) {
      return node_feature_key(job.key, f, word, unit.class_index);
    });
  }
}

}  // namespace

void sample_features(const Stream& stream, const RoundView& view, uint32_t depth) {
  const unsigned warps = view.unit_count < kSamplingWarps ? view.unit_count : kSamplingWarps;
  launch(stream, "sample_of_levels", sample_of_levels, (warps + kWarps - 1) / kWarps, kBlock, 0, view, depth);
}

void sample_node_features(const Stream& stream, const RoundView& view, uint32_t step) {
  launch(stream, "sample_of_nodes", sample_of_nodes, kSamplingWarps / kWarps, kBlock, 0, view, step);
}

}  // namespace lockstep::cuda
