// Choosing the nodes of a level whose histograms are summed, and summing them. Only the smaller of two children is summed;
// the search takes it from the parent's, which becomes the larger child's (search.cu).
#include "core/fixed.h"
#include "cuda/kernels.h"
#include "cuda/tasks.h"
#include "cuda/warp.h"

namespace lockstep::cuda {
namespace {

constexpr unsigned kBlock = 256;
constexpr unsigned kPlanBlock = 128;

/** A wide gradient or Hessian is summed as its lower 12 bits and the rest. */
constexpr int kLowBits = 12;
constexpr int32_t kLowMask = (1 << kLowBits) - 1;

static_assert(kMaxBuildRows <= 65535, "narrow sums fit 32 bits: core/fixed.h, core/softmax.h");
static_assert(int64_t{kLowMask} * int64_t{kMaxBuildRows} < (int64_t{1} << 31), "sums of low parts fit 32 bits");
static_assert(((int64_t{1} << 24) >> kLowBits) * int64_t{kMaxBuildRows} < (int64_t{1} << 31), "sums of high parts fit too");

/** Puts a node on the list of histograms to sum; all lanes of a warp call it. */
__device__ void put_build_tasks(const RoundView& view, const UnitView& unit, uint32_t u, uint32_t step, bool wanted,
                                uint32_t node, uint32_t begin, uint32_t end) {
  put_tasks(view.build, &view.counts[step].build, wanted,
            {u, node, begin, end, view.build_rows, view.group_count[unit.wide ? 1 : 0]});
}

__device__ void put_search_task(const RoundView& view, uint32_t u, uint32_t step, uint32_t node, int32_t minus) {
  view.search[atomicAdd(&view.counts[step].search, 1u)] = {u, node, minus};
}

/** The nodes of a portion, each with a histogram of its own. */
__device__ void plan_portion(const RoundView& view, const UnitView& unit, uint32_t u, const UnitState& state,
                             const ScoreParams& score, uint32_t portion, uint32_t step) {
  const uint32_t first = state.level_begin + portion * unit.slots;
  const uint32_t left = first < state.level_end ? state.level_end - first : 0;
  const uint32_t count = left < unit.slots ? left : unit.slots;
  for (uint32_t base = 0; base < count; base += kPlanBlock) {
    const uint32_t i = base + threadIdx.x;
    const bool wanted = i < count && is_splittable(unit.nodes[first + i].sums, score);
    uint32_t begin = 0;
    uint32_t end = 0;
    if (i < count) {
      GrowingNode& node = unit.nodes[first + i];
      node.slot = wanted ? static_cast<int32_t>(i) : -1;
      begin = node.begin;
      end = node.end;
      if (wanted) put_search_task(view, u, step, first + i, -1);
    }
    put_build_tasks(view, unit, u, step, wanted, first + i, begin, end);
  }
}

/** Pairs of children; the parent's slot is in both until here. */
__device__ void plan_pairs(const RoundView& view, const UnitView& unit, uint32_t u, UnitState& state, const ScoreParams& score,
                           uint32_t step) {
  const uint32_t pairs = (state.level_end - state.level_begin) / 2;
  const auto pair_of = [&](uint32_t i) { return unit.nodes + state.level_begin + 2 * i; };
  for (uint32_t i = threadIdx.x; i < pairs; i += kPlanBlock) {
    const GrowingNode* pair = pair_of(i);
    if (is_splittable(pair[0].sums, score) || is_splittable(pair[1].sums, score)) continue;
    unit.free_list[atomicAdd(&state.free_slots, 1u)] = static_cast<uint32_t>(pair[0].slot);
  }
  __syncthreads();
  for (uint32_t base = 0; base < pairs; base += kPlanBlock) {
    const uint32_t i = base + threadIdx.x;
    bool wanted = false;
    uint32_t built = 0;
    uint32_t begin = 0;
    uint32_t end = 0;
    if (i < pairs) {
      GrowingNode* pair = pair_of(i);
      const uint32_t small = pair[0].end - pair[0].begin <= pair[1].end - pair[1].begin ? 0 : 1;
      const uint32_t large = 1 - small;
      const bool search_small = is_splittable(pair[small].sums, score);
      const bool search_large = is_splittable(pair[large].sums, score);
      const int32_t parent = pair[0].slot;
      const uint32_t first = state.level_begin + 2 * i;
      wanted = search_small || search_large;
      built = first + small;
      begin = pair[small].begin;
      end = pair[small].end;
      pair[large].slot = search_large ? parent : -1;
      pair[small].slot = !wanted ? -1 : parent;
      if (search_large) {
        pair[small].slot = static_cast<int32_t>(unit.free_list[atomicSub(&state.free_slots, 1u) - 1]);
        put_search_task(view, u, step, first + large, pair[small].slot);
      }
      if (search_small) put_search_task(view, u, step, built, -1);
    }
    put_build_tasks(view, unit, u, step, wanted, built, begin, end);
  }
}

__global__ void plan_level(RoundView view, uint32_t depth, uint32_t portion, uint32_t step) {
  const uint32_t u = blockIdx.x;
  const UnitView& unit = view.units[u];
  const JobView& job = view.jobs[unit.job];
  UnitState& state = view.states[u];
  const ScoreParams& score = job.score[state.shift];
  if (depth == 0 && portion == 0) {
    if (threadIdx.x == 0) {
      unit.nodes[0] = {state.sums, {}, {0, {}, -1, 0}, 0, state.sampled, 1, -1};
      const WeightBounds none;
      const int32_t leaf = score.bounded ? leaf_of_weight(bounded_weight(state.sums, none, score), score)
                                         : leaf_value(state.sums, score);
      unit.route[0] = {-1, 0, leaf, 0, 0, 0, 0};
    }
    __syncthreads();
  }
  if (static_cast<int>(depth) >= job.max_depth) return;
  if (unit.portioned) {
    plan_portion(view, unit, u, state, score, portion, step);
  } else if (portion == 0 && depth > 0) {
    plan_pairs(view, unit, u, state, score, step);
  } else if (portion == 0) {
    const bool wanted = threadIdx.x == 0 && is_splittable(state.sums, score);
    if (wanted) {
      state.free_slots = unit.slots - 1;
      unit.nodes[0].slot = static_cast<int32_t>(unit.free_list[unit.slots - 1]);
      put_search_task(view, u, step, 0, -1);
    }
    if (warp_index() == 0) put_build_tasks(view, unit, u, step, wanted, 0, 0, state.sampled);
  }
}

/** Clears the cells that several tasks add to. */
__global__ void clear_histograms(RoundView view, uint32_t step) {
  const uint32_t count = view.counts[step].build;
  for (uint32_t t = blockIdx.x; t < count; t += gridDim.x) {
    const NodeTask task = view.build[t];
    const UnitView& unit = view.units[task.unit];
    const GrowingNode& node = unit.nodes[task.node];
    if (task.alone != 0 || task.begin != node.begin) continue;
    const FeatureGroup group = view.groups[unit.wide ? 1 : 0][task.group];
    Sums* cells = unit.histograms + size_t(static_cast<uint32_t>(node.slot)) * view.data.cells + group.first_cell;
    for (uint32_t c = threadIdx.x; c < group.cells; c += kBlock) cells[c] = {0, 0};
  }
}

/** What a thread adds to: the first cells of the features of its word. */
struct WordCells {
  uint32_t cell[kWordFeatures];
  uint32_t features;  // those that take part, a bit each
};

/** Rows whose codes and gradients a thread fetches before it adds the first of them. */
constexpr uint32_t kRowsInFlight = 4;

/** Adds rows of a task to cells in shared memory; the threads share out rows and the words of a row. */
template <bool kWide>
__device__ void sum_rows(const RoundView& view, const UnitView& unit, const JobView& job, const NodeTask& task,
                         const FeatureGroup& group, const uint32_t* order, int32_t* cells) {
  const uint32_t rows_at_once = kBlock / group.words;
  const uint32_t first_row = threadIdx.x / group.words;
  if (first_row >= rows_at_once) return;
  const uint32_t word = group.first_word + threadIdx.x % group.words;
  WordCells own{};
  for (uint32_t k = 0; k < kWordFeatures; ++k) {
    const uint32_t f = word * kWordFeatures + k;
    if (f >= static_cast<uint32_t>(view.data.feature_count)) continue;
    if ((unit.tree_mask[f / 32] >> (f % 32) & 1u) == 0) continue;
    own.cell[k] = view.data.features[f].first - group.first_cell;
    own.features |= 1u << k;
  }
  if (own.features == 0) return;
  const uint32_t n = group.cells;
  for (uint32_t first = task.begin + first_row; first < task.end; first += kRowsInFlight * rows_at_once) {
    int2 pairs[kRowsInFlight];
    uint32_t codes[kRowsInFlight];
#pragma unroll
    for (uint32_t r = 0; r < kRowsInFlight; ++r) {
      const uint32_t i = first + r * rows_at_once;
      if (i >= task.end) break;
      const uint32_t position = order[i];
      pairs[r] = unit.gradients[position];
      const uint8_t* row = view.data.bins + size_t{data_row(job, position)} * view.data.stride;
      codes[r] = reinterpret_cast<const uint32_t*>(row)[word];
    }
#pragma unroll
    for (uint32_t r = 0; r < kRowsInFlight; ++r) {
      if (first + r * rows_at_once >= task.end) break;
      const int2 pair = pairs[r];
#pragma unroll
      for (uint32_t k = 0; k < kWordFeatures; ++k) {
        if ((own.features >> k & 1u) == 0) continue;
        int32_t* cell = cells + own.cell[k] + (codes[r] >> (8 * k) & 0xffu);
        if constexpr (kWide) {
          // Without weights the Hessian has no lower part; gradients often have no upper one.
          if ((pair.x & kLowMask) != 0) atomicAdd(cell, pair.x & kLowMask);
          if (pair.x >> kLowBits != 0) atomicAdd(cell + n, pair.x >> kLowBits);
          if ((pair.y & kLowMask) != 0) atomicAdd(cell + 2 * n, pair.y & kLowMask);
          atomicAdd(cell + 3 * n, pair.y >> kLowBits);
        } else {
          atomicAdd(cell, pair.x);
          atomicAdd(cell + n, pair.y);
        }
      }
    }
  }
}

__global__ void __launch_bounds__(kBlock) build_histograms(RoundView view, uint32_t step) {
  auto* cells = shared_memory<int32_t>();
  const uint32_t count = view.counts[step].build;
  for (uint32_t t = blockIdx.x; t < count; t += gridDim.x) {
    const NodeTask task = view.build[t];
    const UnitView& unit = view.units[task.unit];
    const JobView& job = view.jobs[unit.job];
    const FeatureGroup group = view.groups[unit.wide ? 1 : 0][task.group];
    const uint32_t n = group.cells;
    for (uint32_t c = threadIdx.x; c < n * (unit.wide ? 4 : 2); c += kBlock) cells[c] = 0;
    __syncthreads();
    const uint32_t level_depth = 31 - static_cast<uint32_t>(__clz(static_cast<int>(unit.nodes[task.node].heap_number)));
    const uint32_t* order = unit.order[level_depth % 2];
    if (unit.wide) {
      sum_rows<true>(view, unit, job, task, group, order, cells);
    } else {
      sum_rows<false>(view, unit, job, task, group, order, cells);
    }
    __syncthreads();
    const auto slot = static_cast<uint32_t>(unit.nodes[task.node].slot);
    Sums* histogram = unit.histograms + size_t{slot} * view.data.cells + group.first_cell;
    for (uint32_t c = threadIdx.x; c < n; c += kBlock) {
      Sums sums{cells[c], cells[n + c]};
      if (unit.wide) {
        sums = {int64_t{cells[c]} + int64_t{cells[n + c]} * (1 << kLowBits),
                int64_t{cells[2 * n + c]} + int64_t{cells[3 * n + c]} * (1 << kLowBits)};
      }
      if (task.alone != 0) {
        histogram[c] = sums;
      } else if (!sums.empty()) {
        atomic_add(&histogram[c].g, sums.g);
        atomic_add(&histogram[c].h, sums.h);
      }
    }
    __syncthreads();
  }
}

/** So many blocks fit a processor, as far as shared memory goes. */
size_t resident_blocks(const LaunchPlan& plan) {
  constexpr size_t kSharedOfProcessor = 200 << 10;
  const size_t fitting = kSharedOfProcessor / (plan.build_shared_bytes + 1024);
  const size_t blocks = fitting < 1 ? 1 : fitting > 8 ? 8 : fitting;
  return blocks * plan.processors;
}

}  // namespace

void prepare_kernels(const DeviceInfo& device) { allow_shared_memory(build_histograms, device.shared_bytes); }

void sum_histograms(const Stream& stream, const RoundView& view, const LaunchPlan& plan, uint32_t depth, uint32_t portion,
                    uint32_t step) {
  launch(stream, "plan_level", plan_level, view.unit_count, kPlanBlock, 0, view, depth, portion, step);
  launch(stream, "clear_histograms", clear_histograms, resident_blocks(plan), kBlock, 0, view, step);
  launch(stream, "build_histograms", build_histograms, resident_blocks(plan), kBlock, plan.build_shared_bytes, view, step);
}

}  // namespace lockstep::cuda
