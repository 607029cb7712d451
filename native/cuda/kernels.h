// The kernels of a round, each queued by a function. A round is: begin_round, compute_gradients, then for each level
// sample_features, sum_histograms and search_splits for each portion of the level, and split_level; at last add_trees, the scores, and end_round.
#pragma once

#include "cuda/device.h"
#include "cuda/view.h"

namespace lockstep::cuda {

/** Threads of a block that sums histograms, and of all such blocks of a processor, at most: their registers allow no more. */
inline constexpr unsigned kMostBuildBlock = 1024;

/** What launches depend on beside the view. */
struct LaunchPlan {
  unsigned processors = 0;
  /** Where few nodes are large, many warps share their sums; where there are many, blocks take turns at the processor. */
  unsigned build_block = kMostBuildBlock;
  size_t build_shared_bytes = 0;
  bool has_categories = false;
  bool shares_nodes = false;  // several blocks may sum the rows of a node
  bool any_softmax = false;
  bool any_squared_error = false;
  bool samples_features = false;
  bool samples_by_node = false;
};

/** Shared memory of a block that sums histograms, beside the cells, for each thread. */
inline constexpr size_t kStagedBytes = 16;

/** Warps that sample_features runs at most: RoundView.feature_keys has room for so many. */
inline constexpr unsigned kSamplingWarps = 1024;

/** Once before the first launch. */
void prepare_histograms(const DeviceInfo& device);
void prepare_search(const DeviceInfo& device);

/** Resets the states of all units. */
void begin_round(const Stream& stream, const RoundView& view);

/** Gradients of all units, the rows that each tree is grown on, and the sums of the roots. */
void compute_gradients(const Stream& stream, const RoundView& view, const LaunchPlan& plan);

/** The features that trees (depth 0) and the levels of this depth may be split on. */
void sample_features(const Stream& stream, const RoundView& view, uint32_t depth);

/** The features that the nodes of a step may be split on; only where someone samples features by node. */
void sample_node_features(const Stream& stream, const RoundView& view, uint32_t step);

/** Step 1 of a portion of a level: chooses nodes, sums their histograms. */
void sum_histograms(const Stream& stream, const RoundView& view, const LaunchPlan& plan, uint32_t depth, uint32_t portion,
                    uint32_t step);

/** Step 2: finds the best split of each node. */
void search_splits(const Stream& stream, const RoundView& view, const LaunchPlan& plan, uint32_t step);

/** Step 3: makes the children of the level's nodes and moves rows to them. */
void split_level(const Stream& stream, const RoundView& view, const LaunchPlan& plan, uint32_t depth, uint32_t step);

/** Adds the leaves to all margins, and puts the trees where the host fetches them. */
void add_trees(const Stream& stream, const RoundView& view);

/** Counts the round of the call; scores of the round come before it. */
void end_round(const Stream& stream, const RoundView& view);

}  // namespace lockstep::cuda
