// What the host fetches of the rounds that it has queued.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "cuda/device.h"
#include "cuda/view.h"

namespace lockstep::cuda {

/** Rounds that are queued in one go, and what the host fetches of them. */
struct Call {
  size_t rounds = 0;
  uint32_t start[3] = {0, 0, 0};  // of the pools: nodes and sets used, rounds
  PinnedBuffer<FinishedTree> trees;
  PinnedBuffer<FinishedNode> nodes;
  PinnedBuffer<CodeSet> sets;
  PinnedBuffer<uint32_t> pool_used;
  PinnedBuffer<uint64_t> sums;
  Event filled;  // all but nodes and sets is here
};

/** One that the device fills and one that the host takes from. */
using Calls = std::array<Call, 2>;

}  // namespace lockstep::cuda
