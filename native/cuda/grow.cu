// From the splits of a level to the next level, and from a finished tree to the margins: docs/numerics.md sections 7, 8 and 10.
#include "core/fixed.h"
#include "cuda/kernels.h"
#include "cuda/tasks.h"
#include "cuda/warp.h"

namespace lockstep::cuda {
namespace {

constexpr unsigned kBlock = 256;
constexpr unsigned kWarps = kBlock / kWarpSize;
constexpr size_t kBlocksOfProcessor = 8;
constexpr uint32_t kMoves = kMovedRows / kWarpSize;

__device__ bool goes_left(const RouteNode& node, const CodeSet* sets, uint32_t n, unsigned code) {
  if (code == 0) return node.missing_left != 0;
  return node.categorical != 0 ? sets[n].has(code) : code <= node.split_bin;
}

__device__ int32_t leaf_of(const Sums& sums, const WeightBounds& bounds, const ScoreParams& score) {
  return score.bounded ? leaf_of_weight(bounded_weight(sums, bounds, score), score) : leaf_value(sums, score);
}

/** Makes the children of a node that is split; they begin without rows, which the partition adds. */
__device__ void make_children(const RoundView& view, const UnitView& unit, const JobView& job, const ScoreParams& score,
                              uint32_t n, uint32_t left) {
  const GrowingNode node = unit.nodes[n];
  const Candidate& split = node.split;
  RouteNode& route = unit.route[n];
  route.feature = split.feature;
  route.left = static_cast<int32_t>(left);
  route.leaf = 0;
  route.missing_left = split.order % 2 == 0 ? 1 : 0;
  route.categorical = view.data.features[split.feature].categorical;
  route.split_bin = route.categorical != 0 ? uint8_t{0} : static_cast<uint8_t>(split.order / 2);
  const Sums right_sums = node.sums - split.left;
  ChildBounds bounds{node.bounds, node.bounds};
  if (score.bounded) {
    bounds = child_bounds(node.bounds, job.constraints == nullptr ? 0 : job.constraints[split.feature],
                          bounded_weight(split.left, node.bounds, score), bounded_weight(right_sums, node.bounds, score));
  }
  const Candidate none{0, {0, 0}, -1, 0};
  const uint32_t heap_number = 2 * node.heap_number;
  unit.nodes[left] = {split.left, bounds.left, none, node.begin, node.begin, heap_number, node.slot};
  unit.nodes[left + 1] = {right_sums, bounds.right, none, node.end, node.end, heap_number + 1, node.slot};
  unit.route[left] = {-1, 0, leaf_of(split.left, bounds.left, score), 0, 0, 0, 0};
  unit.route[left + 1] = {-1, 0, leaf_of(right_sums, bounds.right, score), 0, 0, 0, 0};
}

__global__ void divide_nodes(RoundView view, uint32_t depth, uint32_t step) {
  auto* scratch = shared_memory<uint32_t>();
  const uint32_t u = blockIdx.x;
  const UnitView& unit = view.units[u];
  const JobView& job = view.jobs[unit.job];
  if (static_cast<int>(depth) >= job.max_depth) return;
  UnitState& state = view.states[u];
  const ScoreParams& score = job.score[state.shift];
  const uint32_t level_begin = state.level_begin;
  const uint32_t level_end = state.level_end;
  uint32_t nodes = state.nodes;
  const bool last = static_cast<int>(depth) + 1 == job.max_depth;
  for (uint32_t base = level_begin; base < level_end; base += kBlock) {
    const uint32_t n = base + threadIdx.x;
    const bool is_split = n < level_end && unit.nodes[n].split.feature >= 0;
    uint32_t splits = 0;
    const uint32_t rank = block_exclusive_scan<kWarps>(is_split ? 1u : 0u, scratch, splits);
    TaskCut cut{u, n, 0, 0, depth % 2, kMovedRows, 1};
    bool moves = false;
    if (is_split) {
      const uint32_t left = nodes + 2 * rank;
      make_children(view, unit, job, score, n, left);
      cut.begin = unit.nodes[n].begin;
      cut.end = unit.nodes[n].end;
      moves = !last && (is_splittable(unit.nodes[left].sums, score) || is_splittable(unit.nodes[left + 1].sums, score));
    } else if (n < level_end && !unit.portioned && unit.nodes[n].slot >= 0) {
      unit.free_list[atomicAdd(&state.free_slots, 1u)] = static_cast<uint32_t>(unit.nodes[n].slot);
    }
    put_tasks(view.partition, &view.counts[step].partition, moves, cut);
    nodes += 2 * splits;
  }
  __syncthreads();
  if (threadIdx.x == 0) {
    state.level_begin = level_end;
    state.level_end = nodes;
    state.nodes = nodes;
  }
}

/** A warp a task: moves rows to the children of their node, into the other one of the unit's orders. Their order in a node never counts. */
__global__ void move_rows(RoundView view, uint32_t step) {
  const uint32_t count = view.counts[step].partition;
  for (uint32_t t = blockIdx.x * kWarps + warp_index(); t < count; t += gridDim.x * kWarps) {
    const NodeTask task = view.partition[t];
    const UnitView& unit = view.units[task.unit];
    const JobView& job = view.jobs[unit.job];
    const RouteNode route = unit.route[task.node];
    const uint32_t* from = unit.order[task.order];
    uint32_t* to = unit.order[1 - task.order];
    uint32_t position[kMoves];
    unsigned to_left[kMoves];
    unsigned to_right[kMoves];
    uint32_t lefts = 0;
    uint32_t rights = 0;
#pragma unroll
    for (uint32_t k = 0; k < kMoves; ++k) {
      const uint32_t i = task.begin + k * kWarpSize + lane_index();
      const bool exists = i < task.end;
      bool left = false;
      position[k] = 0;
      if (exists) {
        position[k] = from[i];
        const size_t row = data_row(job, position[k]);
        left = goes_left(route, unit.sets, task.node, view.data.bins[row * view.data.stride + static_cast<size_t>(route.feature)]);
      }
      to_left[k] = __ballot_sync(kAllLanes, left);
      to_right[k] = __ballot_sync(kAllLanes, exists && !left);
      lefts += static_cast<uint32_t>(__popc(to_left[k]));
      rights += static_cast<uint32_t>(__popc(to_right[k]));
    }
    uint32_t left_place = 0;
    uint32_t right_place = 0;
    if (lane_index() == 0) {
      GrowingNode* children = unit.nodes + route.left;
      if (lefts > 0) left_place = atomicAdd(&children[0].end, lefts);
      if (rights > 0) right_place = atomicSub(&children[1].begin, rights) - rights;
    }
    left_place = shuffle(left_place, 0);
    right_place = shuffle(right_place, 0);
#pragma unroll
    for (uint32_t k = 0; k < kMoves; ++k) {
      const unsigned own = 1u << lane_index();
      if ((to_left[k] & own) != 0) {
        to[left_place + static_cast<uint32_t>(__popc(to_left[k] & lanes_below()))] = position[k];
      } else if ((to_right[k] & own) != 0) {
        to[right_place + static_cast<uint32_t>(__popc(to_right[k] & lanes_below()))] = position[k];
      }
      left_place += static_cast<uint32_t>(__popc(to_left[k]));
      right_place += static_cast<uint32_t>(__popc(to_right[k]));
    }
  }
}

__global__ void update_margins(RoundView view) {
  const RowTask task = view.all_tasks[blockIdx.x];
  const JobView& job = view.jobs[task.owner];
  for (uint32_t position = task.begin + threadIdx.x; position < task.end; position += kBlock) {
    const uint8_t* codes = view.data.bins + size_t{data_row(job, position)} * view.data.stride;
    int32_t* margins = job.margins + size_t{position} * static_cast<size_t>(job.classes);
    for (int c = 0; c < job.classes; ++c) {
      const UnitView& unit = view.units[job.first_unit + static_cast<uint32_t>(c)];
      uint32_t n = 0;
      RouteNode node = unit.route[0];
      while (node.feature >= 0) {
        n = static_cast<uint32_t>(node.left) + (goes_left(node, unit.sets, n, codes[node.feature]) ? 0 : 1);
        node = unit.route[n];
      }
      margins[c] = add_leaf(margins[c], node.leaf);
    }
  }
}

__global__ void export_trees(RoundView view) {
  auto* first = shared_memory<uint32_t>();
  const UnitView& unit = view.units[blockIdx.x];
  const UnitState& state = view.states[blockIdx.x];
  if (threadIdx.x == 0) {
    *first = atomicAdd(&view.pool_used[0], state.nodes);
    view.trees[size_t{*view.call_round} * view.unit_count + blockIdx.x] = {*first, state.nodes, state.shift};
    if (unit.class_index == 0) ++*view.jobs[unit.job].round;
  }
  __syncthreads();
  for (uint32_t n = threadIdx.x; n < state.nodes; n += kBlock) {
    FinishedNode node{unit.route[n], unit.nodes[n].sums, -1, 0};
    if (node.route.feature >= 0 && node.route.categorical != 0) {
      const uint32_t set = atomicAdd(&view.pool_used[1], 1u);
      view.finished_sets[set] = unit.sets[n];
      node.set = static_cast<int32_t>(set);
    }
    view.finished[*first + n] = node;
  }
}

__global__ void count_round(RoundView view) {
  if (threadIdx.x == 0) ++*view.call_round;
}

}  // namespace

void split_level(const Stream& stream, const RoundView& view, const LaunchPlan& plan, uint32_t depth, uint32_t step) {
  launch(stream, "divide_nodes", divide_nodes, view.unit_count, kBlock, kWarps * sizeof(uint32_t), view, depth, step);
  launch(stream, "move_rows", move_rows, kBlocksOfProcessor * plan.processors, kBlock, 0, view, step);
}

void add_trees(const Stream& stream, const RoundView& view) {
  launch(stream, "update_margins", update_margins, view.all_task_count, kBlock, 0, view);
  launch(stream, "export_trees", export_trees, view.unit_count, kBlock, sizeof(uint32_t), view);
}

void end_round(const Stream& stream, const RoundView& view) {
  launch(stream, "count_round", count_round, 1, kWarpSize, 0, view);
}

}  // namespace lockstep::cuda
