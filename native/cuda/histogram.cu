// Choosing the nodes of a level whose histograms are summed, and summing them. Only the smaller of two children is summed;
// the search takes it from the parent's, which becomes the larger child's (search.cu). Nodes of few rows have none: their
// search sums the rows.
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
__device__ void put_build_tasks(const RoundView& view, const UnitView& unit, uint32_t u, uint32_t depth, uint32_t step,
                                bool wanted, uint32_t node, uint32_t begin, uint32_t end) {
  put_tasks(view.build, &view.counts[step].build, wanted,
            {u, node, begin, end, depth % 2, view.build_rows, view.group_count[unit.wide ? 1 : 0]});
}

/** Puts a node on the list to be searched; it has its slot by now. */
__device__ void put_search_task(const RoundView& view, const UnitView& unit, uint32_t u, uint32_t step, uint32_t node,
                                int32_t minus) {
  StepCounts& counts = view.counts[step];
  const GrowingNode& searched = unit.nodes[node];
  const bool is_direct = searched.slot < 0;
  if (is_direct && view.few != nullptr && searched.end - searched.begin <= kFewRows) {
    view.few[atomicAdd(&counts.few, 1u)] = {u, node, -1};
    return;
  }
  const uint32_t entry = is_direct ? view.search_room - 1 - atomicAdd(&counts.direct, 1u) : atomicAdd(&counts.search, 1u);
  view.search[entry] = {u, node, minus};
}

/** The nodes of a portion, each with a histogram of its own. */
__device__ void plan_portion(const RoundView& view, const UnitView& unit, uint32_t u, const UnitState& state,
                             const ScoreParams& score, uint32_t depth, uint32_t portion, uint32_t step) {
  const uint32_t first = state.level_begin + portion * unit.slots;
  const uint32_t left = first < state.level_end ? state.level_end - first : 0;
  const uint32_t count = left < unit.slots ? left : unit.slots;
  for (uint32_t base = 0; base < count; base += kPlanBlock) {
    const uint32_t i = base + threadIdx.x;
    bool wanted = false;
    uint32_t begin = 0;
    uint32_t end = 0;
    if (i < count) {
      GrowingNode& node = unit.nodes[first + i];
      const bool is_searched = is_splittable(node.sums, score);
      begin = node.begin;
      end = node.end;
      wanted = is_searched && end - begin > unit.direct_rows;
      node.slot = wanted ? static_cast<int32_t>(i) : -1;
      if (is_searched) put_search_task(view, unit, u, step, first + i, -1);
    }
    put_build_tasks(view, unit, u, depth, step, wanted, first + i, begin, end);
  }
}

/** What is to be done about two children of a node. */
struct PairPlan {
  uint32_t first;     // node
  uint32_t small;     // 0 or 1
  bool search_small;
  bool search_large;
  bool subtracts;     // the larger one's histogram is wanted
  bool builds;        // the smaller one's is

  __device__ PairPlan(const UnitView& unit, uint32_t node, const ScoreParams& score) : first(node) {
    const GrowingNode* pair = unit.nodes + node;
    const uint32_t rows[2] = {pair[0].end - pair[0].begin, pair[1].end - pair[1].begin};
    small = rows[0] <= rows[1] ? 0 : 1;
    search_small = is_splittable(pair[small].sums, score);
    search_large = is_splittable(pair[1 - small].sums, score);
    subtracts = search_large && rows[1 - small] > unit.direct_rows;
    builds = subtracts || (search_small && rows[small] > unit.direct_rows);
  }
};

/** Pairs of children; the parent's slot is in both until here. */
__device__ void plan_pairs(const RoundView& view, const UnitView& unit, uint32_t u, UnitState& state, const ScoreParams& score,
                           uint32_t depth, uint32_t step) {
  const uint32_t pairs = (state.level_end - state.level_begin) / 2;
  for (uint32_t i = threadIdx.x; i < pairs; i += kPlanBlock) {
    const PairPlan plan(unit, state.level_begin + 2 * i, score);
    const int32_t parent = unit.nodes[plan.first].slot;
    if (plan.builds || parent < 0) continue;
    unit.free_list[atomicAdd(&state.free_slots, 1u)] = static_cast<uint32_t>(parent);
  }
  __syncthreads();
  for (uint32_t base = 0; base < pairs; base += kPlanBlock) {
    const uint32_t i = base + threadIdx.x;
    bool builds = false;
    uint32_t built = 0;
    uint32_t begin = 0;
    uint32_t end = 0;
    if (i < pairs) {
      const PairPlan plan(unit, state.level_begin + 2 * i, score);
      built = plan.first + plan.small;
      builds = plan.builds;
      const uint32_t other = plan.first + 1 - plan.small;
      GrowingNode& small = unit.nodes[built];
      GrowingNode& large = unit.nodes[other];
      begin = small.begin;
      end = small.end;
      const int32_t parent = small.slot;
      small.slot = builds ? parent : -1;
      large.slot = -1;
      if (plan.subtracts) {
        large.slot = parent;
        small.slot = static_cast<int32_t>(unit.free_list[atomicSub(&state.free_slots, 1u) - 1]);
      }
      if (plan.search_large) put_search_task(view, unit, u, step, other, plan.subtracts ? small.slot : -1);
      if (plan.search_small) put_search_task(view, unit, u, step, built, -1);
    }
    put_build_tasks(view, unit, u, depth, step, builds, built, begin, end);
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
    plan_portion(view, unit, u, state, score, depth, portion, step);
  } else if (portion == 0 && depth > 0) {
    plan_pairs(view, unit, u, state, score, depth, step);
  } else if (portion == 0) {
    const bool is_searched = threadIdx.x == 0 && is_splittable(state.sums, score);
    const bool builds = is_searched && state.sampled > unit.direct_rows;
    if (builds) {
      state.free_slots = unit.slots - 1;
      unit.nodes[0].slot = static_cast<int32_t>(unit.free_list[unit.slots - 1]);
    }
    if (is_searched) put_search_task(view, unit, u, step, 0, -1);
    if (warp_index() == 0) put_build_tasks(view, unit, u, depth, step, builds, 0, 0, state.sampled);
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
    Sums* cells = histogram_of(view, unit, node.slot) + group.first_cell;
    for (uint32_t c = threadIdx.x; c < group.cells; c += kBlock) cells[c] = {0, 0};
  }
}

/** A row as the lanes of a warp read it that add it. */
struct alignas(16) StagedRow {
  uint32_t row;
  uint32_t reserved;
  int2 pair;
};
static_assert(sizeof(StagedRow) == kStagedBytes);

/**
 * Cells of a group in shared memory: for each code the words of its sums one after the other, each with a place for every
 * feature, so that a feature's cells all lie in the same bank.
 *
 * A warp adds several rows at once, a lane a 4-byte word of one of them. Lanes take the features of their word in an order
 * that the row decides: those of four rows then add to different features, hence in different banks, at every step.
 */
template <bool kWide, uint32_t kRoomLog2>
struct Cells {
  static constexpr uint32_t kFeatures = 1u << kRoomLog2;
  static constexpr uint32_t kSums = kWide ? 4 : 2;
  static constexpr uint32_t kRowWords = kFeatures / kWordFeatures;
  static constexpr uint32_t kRowsAtOnce = kWarpSize / kRowWords;
  static constexpr uint32_t kFetches = kWarpSize / kRowsAtOnce;  // for the 32 rows that are staged

  /** What a lane adds to. */
  struct Lane {
    const uint32_t* words;           // its word of row 0
    uint32_t row;                    // of those at once
    uint32_t wanted;                 // steps whose feature takes part
    int32_t* cells[kWordFeatures];   // by step

    __device__ Lane(const DataView& data, const FeatureGroup& group, const uint32_t* tree_mask, int32_t* all_cells)
        : row(lane_index() / kRowWords), wanted(0) {
      const uint32_t word = lane_index() % kRowWords;
      words = reinterpret_cast<const uint32_t*>(data.bins) + group.first_feature / kWordFeatures + word;
      for (uint32_t step = 0; step < kWordFeatures; ++step) {
        const uint32_t own = word * kWordFeatures + (step + row) % kWordFeatures;
        const uint32_t f = group.first_feature + own;
        const bool takes_part = own < group.features && (tree_mask[f / 32] >> (f % 32) & 1u) != 0;
        wanted |= (takes_part ? 1u : 0u) << step;
        cells[step] = all_cells + own;
      }
    }

    /** Half of the groups of four rows add the Hessian first, which is in other banks where features are few. */
    __device__ bool is_swapped() const { return kFeatures < 32 && row / kWordFeatures % 2 != 0; }
  };

  __device__ static void add(int32_t* cell, int2 pair, bool is_swapped) {
    if constexpr (kWide) {
      // Without weights the Hessian has no lower part; gradients often have no upper one.
      if ((pair.x & kLowMask) != 0) atomicAdd(cell, pair.x & kLowMask);
      if (pair.x >> kLowBits != 0) atomicAdd(cell + kFeatures, pair.x >> kLowBits);
      if ((pair.y & kLowMask) != 0) atomicAdd(cell + 2 * kFeatures, pair.y & kLowMask);
      atomicAdd(cell + 3 * kFeatures, pair.y >> kLowBits);
    } else {
      atomicAdd(cell + (is_swapped ? kFeatures : 0), is_swapped ? pair.y : pair.x);
      atomicAdd(cell + (is_swapped ? 0 : kFeatures), is_swapped ? pair.x : pair.y);
    }
  }

  /** Adds the first `count` of 32 rows that are staged; those beyond have pairs of zeros. */
  __device__ static void add_rows(const StagedRow* staged, uint32_t count, uint32_t stride_words, const Lane& lane) {
    uint32_t codes[kFetches];
#pragma unroll
    for (uint32_t i = 0; i < kFetches; ++i) {
      codes[i] = 0;
      if (lane.wanted == 0 || i * kRowsAtOnce >= count) continue;
      codes[i] = lane.words[uint64_t{staged[i * kRowsAtOnce + lane.row].row} * stride_words];
    }
    const uint32_t turn = lane.row % kWordFeatures * 8;
#pragma unroll
    for (uint32_t i = 0; i < kFetches; ++i) {
      if (i * kRowsAtOnce >= count) break;
      const int2 pair = staged[i * kRowsAtOnce + lane.row].pair;
      const uint32_t turned = codes[i] >> turn | codes[i] << ((32 - turn) & 31);
#pragma unroll
      for (uint32_t step = 0; step < kWordFeatures; ++step) {
        if ((lane.wanted >> step & 1u) == 0) continue;
        add(lane.cells[step] + (turned >> (8 * step) & 0xffu) * (kSums * kFeatures), pair, lane.is_swapped());
      }
    }
  }

  /**
   * Turns the places of each code's words, by one more from code to code: so a feature's cells come to lie in different
   * banks, as reading them one after the other wants it.
   */
  __device__ static void turn(int32_t* cells, uint32_t words) {
    for (uint32_t base = warp_index() * kWarpSize; base < words; base += blockDim.x) {
      const uint32_t i = base + lane_index();
      const int32_t sum = cells[i];
      __syncwarp();
      cells[i - i % kFeatures + (i + i / (kSums * kFeatures)) % kFeatures] = sum;
    }
  }

  /** A word of the sums of a code of the own-th feature, once the places are turned: 0 the gradients', 1 the Hessians'. */
  __device__ static int64_t sum_at(const int32_t* cells, uint32_t code, uint32_t own, uint32_t word) {
    const uint32_t place = code * (kSums * kFeatures) + (own + code) % kFeatures;
    if constexpr (kWide) {
      return int64_t{cells[place + 2 * word * kFeatures]} +
             int64_t{cells[place + (2 * word + 1) * kFeatures]} * (1 << kLowBits);
    } else {
      return cells[place + word * kFeatures];
    }
  }
};

/** The rows of a task as a warp goes through them, 32 at a time, a lane looking up one of them. */
struct TaskRows {
  const UnitView& unit;
  const JobView& job;
  const uint32_t* order;
  uint32_t first;     // of the task
  uint32_t end;
  uint32_t base;      // of the warp's next 32
  StagedRow next;
  uint32_t position;  // of the row after that

  // Three fetches depend on each other, so each is begun while the rows before it are added.
  __device__ TaskRows(const UnitView& of_unit, const JobView& of_job, const NodeTask& task)
      : unit(of_unit),
        job(of_job),
        order(of_unit.order[task.order]),
        first(task.begin),
        end(task.end),
        base(task.begin + warp_index() * kWarpSize) {
    next = row_at(base + lane_index(), position_at(base + lane_index()));
    position = position_at(base + blockDim.x + lane_index());
  }
  __device__ uint32_t position_at(uint32_t i) const { return order[i < end ? i : first]; }
  /** Rows beyond the last one add nothing to the cells of another. */
  __device__ StagedRow row_at(uint32_t i, uint32_t at) const {
    const int2 pair = unit.gradients[at];
    return {data_row(job, at), 0, i < end ? pair : int2{0, 0}};
  }
  /** Stages 32 rows and begins to look up those after them. */
  __device__ void stage(StagedRow* staged) {
    __syncwarp();
    staged[lane_index()] = next;
    __syncwarp();
    base += blockDim.x;
    next = row_at(base + lane_index(), position);
    position = position_at(base + blockDim.x + lane_index());
  }
};

/** Hands the sums over: stores them where nobody else has sums of the node, adds them otherwise. */
template <class C>
__device__ void hand_over(const RoundView& view, const UnitView& unit, const NodeTask& task, const FeatureGroup& group,
                          const int32_t* cells) {
  Sums* histogram = histogram_of(view, unit, unit.nodes[task.node].slot);
  for (uint32_t own = warp_index(); own < group.features; own += blockDim.x / kWarpSize) {
    const FeatureCells feature = view.data.features[group.first_feature + own];
    auto* words = reinterpret_cast<int64_t*>(histogram + feature.first);
    for (uint32_t w = lane_index(); w < 2u * feature.codes; w += kWarpSize) {
      const int64_t sum = C::sum_at(cells, w / 2, own, w % 2);
      if (task.alone != 0) {
        words[w] = sum;
      } else if (sum != 0) {
        atomic_add(words + w, sum);
      }
    }
  }
}

template <class C>
__device__ void build(const RoundView& view, const UnitView& unit, const NodeTask& task, const FeatureGroup& group,
                      int32_t* cells, StagedRow* staged) {
  TaskRows rows(unit, view.jobs[unit.job], task);
  const typename C::Lane lane(view.data, group, unit.tree_mask, cells);
  const auto stride_words = static_cast<uint32_t>(view.data.stride / sizeof(uint32_t));
  const uint32_t words = group.words * C::kSums;
  for (uint32_t w = threadIdx.x; w < words / 2; w += blockDim.x) reinterpret_cast<int2*>(cells)[w] = {0, 0};
  __syncthreads();
  while (rows.base < task.end) {
    const uint32_t left = task.end - rows.base;
    rows.stage(staged);
    C::add_rows(staged, left, stride_words, lane);
  }
  __syncthreads();
  C::turn(cells, words);
  __syncthreads();
  hand_over<C>(view, unit, task, group, cells);
  __syncthreads();
}

__global__ void __launch_bounds__(kMostBuildBlock) build_histograms(RoundView view, uint32_t step) {
  auto* cells = reinterpret_cast<int32_t*>(shared_memory<StagedRow>() + blockDim.x);
  StagedRow* staged = shared_memory<StagedRow>() + warp_index() * kWarpSize;
  const uint32_t count = view.counts[step].build;
  for (uint32_t t = blockIdx.x; t < count; t += gridDim.x) {
    const NodeTask task = view.build[t];
    const UnitView& unit = view.units[task.unit];
    const FeatureGroup group = view.groups[unit.wide ? 1 : 0][task.group];
    if (unit.wide) {
      if (group.room_log2 == 5) build<Cells<true, 5>>(view, unit, task, group, cells, staged);
      if (group.room_log2 == 4) build<Cells<true, 4>>(view, unit, task, group, cells, staged);
      if (group.room_log2 == 3) build<Cells<true, 3>>(view, unit, task, group, cells, staged);
    } else {
      if (group.room_log2 == 5) build<Cells<false, 5>>(view, unit, task, group, cells, staged);
      if (group.room_log2 == 4) build<Cells<false, 4>>(view, unit, task, group, cells, staged);
      if (group.room_log2 == 3) build<Cells<false, 3>>(view, unit, task, group, cells, staged);
    }
  }
}

/** So many blocks fit a processor, as far as shared memory goes. */
size_t resident_blocks(const LaunchPlan& plan) {
  constexpr size_t kSharedOfProcessor = 200 << 10;
  const size_t fitting = kSharedOfProcessor / (plan.build_shared_bytes + 1024);
  const size_t most = kMostBuildBlock / plan.build_block;
  const size_t blocks = fitting < 1 ? 1 : fitting > most ? most : fitting;
  return blocks * plan.processors;
}

}  // namespace

void prepare_histograms(const DeviceInfo& device) { allow_shared_memory(build_histograms, device.shared_bytes); }

void sum_histograms(const Stream& stream, const RoundView& view, const LaunchPlan& plan, uint32_t depth, uint32_t portion,
                    uint32_t step) {
  launch(stream, "plan_level", plan_level, view.unit_count, kPlanBlock, 0, view, depth, portion, step);
  if (plan.shares_nodes) launch(stream, "clear_histograms", clear_histograms, resident_blocks(plan), kBlock, 0, view, step);
  launch(stream, "build_histograms", build_histograms, resident_blocks(plan), plan.build_block, plan.build_shared_bytes, view,
         step);
}

}  // namespace lockstep::cuda
