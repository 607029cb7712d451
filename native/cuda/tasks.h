// Work lists that a kernel writes for the next one.
#pragma once

#include "cuda/view.h"
#include "cuda/warp.h"

namespace lockstep::cuda {

/** Rows begin … end − 1 of a node, cut into tasks of `rows` rows, for each of `groups` groups of features. */
struct TaskCut {
  uint32_t unit;
  uint32_t node;
  uint32_t begin;
  uint32_t end;
  uint32_t order;
  uint32_t rows;
  uint32_t groups;

  __device__ uint32_t chunks() const { return (end - begin + rows - 1) / rows; }
  __device__ NodeTask task(uint32_t i) const {
    const uint32_t from = begin + i / groups * rows;
    const uint32_t to = end - from < rows ? end : from + rows;
    return {unit, node, from, to, order, i % groups, chunks() == 1 ? 1u : 0u};
  }
};

/** Appends the tasks of a lane's node, if it is wanted. All lanes of a warp call it: they write large nodes' tasks together. */
__device__ inline void put_tasks(NodeTask* list, uint32_t* length, bool wanted, const TaskCut& cut) {
  constexpr uint32_t kOwn = 4;  // tasks that a lane writes alone
  const uint32_t tasks = wanted ? cut.chunks() * cut.groups : 0;
  uint32_t first = 0;
  if (tasks > 0) first = atomicAdd(length, tasks);
  if (tasks <= kOwn) {
    for (uint32_t i = 0; i < tasks; ++i) list[first + i] = cut.task(i);
  }
  for (unsigned lanes = __ballot_sync(kAllLanes, tasks > kOwn); lanes != 0; lanes &= lanes - 1) {
    const auto owner = static_cast<unsigned>(__ffs(static_cast<int>(lanes)) - 1);
    TaskCut large = cut;
    large.node = shuffle(cut.node, owner);
    large.begin = shuffle(cut.begin, owner);
    large.end = shuffle(cut.end, owner);
    const uint32_t place = shuffle(first, owner);
    for (uint32_t i = lane_index(); i < large.chunks() * large.groups; i += kWarpSize) list[place + i] = large.task(i);
  }
}

/** Of the node with a heap number; the root's is 1. */
__device__ inline uint32_t depth_of(uint32_t heap_number) {
  return 31 - static_cast<uint32_t>(__clz(static_cast<int>(heap_number)));
}

__device__ inline bool is_splittable(const Sums& sums, const ScoreParams& score) {
  return sums.h >= 2 * score.min_child_hessian;
}

}  // namespace lockstep::cuda
