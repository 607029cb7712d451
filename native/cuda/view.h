// What host and kernels share: the resident data set, jobs, units (one tree of a round: a job and a class) and the work
// lists that the kernels of a level make for each other. docs/cuda-engine.md describes how they work together.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/philox.h"
#include "core/split_score.h"
#include "core/tables.h"
#include "cpu/data.h"
#include "cuda/platform.h"

namespace lockstep::cuda {

/** Rows that a block sums before it hands its 32-bit sums over. */
inline constexpr uint32_t kMaxBuildRows = 65535;
/** Rows of a node that a warp searches alone, where there are no categories. */
inline constexpr uint32_t kFewRows = 32;
/** Rows that a warp moves to the children of their node. */
inline constexpr uint32_t kMovedRows = 256;
/** Rows of a node whose 24-bit gradients a 32-bit sum holds. */
inline constexpr uint32_t kMaxDirectWideRows = 127;
/** Features of one 4-byte word of a row. */
inline constexpr int kWordFeatures = 4;
/** Features that a block of the search takes, one a warp. */
inline constexpr int kSearchFeatures = 8;
/** Rows that a block takes at a time where every row is visited. */
inline constexpr uint32_t kRowChunk = 2048;

/** A feature's histogram is cells first … first + codes − 1, code 0 (missing) first. */
struct FeatureCells {
  uint32_t first;
  uint16_t codes;
  uint8_t categorical;
};

/** Features whose cells a block sums in its shared memory; lanes of a warp take the words of a row that hold their codes. */
struct FeatureGroup {
  uint32_t first_feature;
  uint32_t features;
  uint32_t room_log2;  // of the features that a code has places for, 8 … 32 and no fewer than features
  uint32_t words;      // of shared memory for a word of each cell
  uint32_t first_cell;
  uint32_t cells;
};

/** The integer functions of core/link.h and core/softmax.h. */
struct LinkTables {
  const LinkSegment* sigmoid;
  const LinkSegment* softplus;
  const LinkSegment* exponential;
  const LinkSegment* logarithm;
};

struct DataView {
  const uint8_t* bins;  // (rows, stride)
  size_t stride;        // a multiple of 4
  const float* label;   // (rows)
  const FeatureCells* features;
  int feature_count;
  uint32_t cells;       // of a histogram
  int mask_words;       // of a set of features, a bit each
  LinkTables tables;
};

/** A job's rows have positions: first those that are trained on, then those that only eval sets have. */
struct JobView {
  Objective objective;
  int classes;               // trees of a round
  uint32_t first_unit;
  uint32_t train;            // rows
  uint32_t total;
  PhiloxKey key;
  uint64_t sample_below;     // 2^32: no subsampling
  int max_depth;
  int tree_features;         // that the steps of sampling leave
  int level_features;
  int node_features;
  int max_cat_to_onehot;
  int max_cat_threshold;
  const uint32_t* rows;      // (total) in the data set; null: first_row + position
  uint32_t first_row;
  const uint32_t* weight;    // (train), or null for 2^24 each
  const uint8_t* label;      // (total), classification
  const int32_t* target;     // (total), regression
  const int8_t* constraints;  // (features), or null
  ScoreParams score[9];      // by the shift of the squared error's gradients, 0…8
  int32_t* margins;          // (total, classes)
  uint2* normaliser;         // (train), softmax: greatest margin and reciprocal
  uint32_t* error_bits;      // squared error: bitwise or of all gradients
  uint32_t* round;           // finished rounds
};

__device__ inline uint32_t data_row(const JobView& job, uint32_t position) {
  return job.rows != nullptr ? job.rows[position] : job.first_row + position;
}

/** A split that a part of a node's features offers; feature −1: none. */
struct Candidate {
  double score;
  Sums left;
  int32_t feature;
  int32_t order;  // 2 · b, + 1 where missing values go right: of equal scores the least counts
};

/** A node under construction. */
struct GrowingNode {
  Sums sums;
  WeightBounds bounds;
  Candidate split;
  uint32_t begin;   // rows, in the unit's order
  uint32_t end;
  uint32_t heap_number;
  int32_t slot;     // of its histogram; −1: none, a search sums the rows itself
};

/** What a row needs on its way down a tree. */
struct alignas(16) RouteNode {
  int32_t feature;  // −1: a leaf
  int32_t left;     // right is left + 1
  int32_t leaf;
  uint8_t split_bin;
  uint8_t missing_left;
  uint8_t categorical;
  uint8_t reserved;
};

/** A node of a finished tree on its way to the host. */
struct FinishedNode {
  RouteNode route;
  Sums sums;
  int32_t set;      // of categories in the pool of sets
  int32_t reserved;
};

struct FinishedTree {
  uint32_t first_node;  // in the pool
  uint32_t nodes;
  int32_t shift;        // of the gradients
};

/** What changes about a unit while its tree grows. */
struct UnitState {
  Sums sums;              // of the root
  uint32_t sampled;       // rows
  uint32_t nodes;
  uint32_t level_begin;   // nodes of the level
  uint32_t level_end;
  uint32_t free_slots;
  int32_t shift;
};

struct UnitView {
  uint32_t job;
  uint32_t class_index;
  uint32_t slots;         // histograms that there is room for
  uint32_t direct_rows;   // a node of so many rows or fewer gets no histogram
  bool portioned;         // there is not room for a level: nodes are summed in portions, without subtraction
  bool wide;              // gradients need four words a cell in shared memory
  int2* gradients;        // (train): G, H
  uint32_t* order[2];     // (train): positions, node by node; levels alternate
  GrowingNode* nodes;
  RouteNode* route;
  CodeSet* sets;          // by node; null without categorical features
  Sums* histograms;       // (slots, cells)
  uint32_t* free_list;    // (slots)
  uint32_t* tree_mask;    // (mask_words)
  uint32_t* level_mask;   // (mask_words)
};

/** Positions begin … end − 1 of a job, a unit or an eval set. */
struct RowTask {
  uint32_t owner;
  uint32_t begin;
  uint32_t end;
};

/** Rows of a node, in its unit's order. */
struct NodeTask {
  uint32_t unit;
  uint32_t node;
  uint32_t begin;
  uint32_t end;
  uint32_t order;  // which of the unit's
  uint32_t group;  // of features; histograms only
  uint32_t alone;  // whether no other task has rows of the node; histograms only
};

/** A node to be searched. */
struct SearchTask {
  uint32_t unit;
  uint32_t node;
  int32_t minus;  // slot of the sibling's histogram, to be taken from the one in the node's slot; −1: none
};

/** Lengths of the lists of one step. */
struct StepCounts {
  uint32_t build;
  uint32_t search;  // nodes with a histogram
  uint32_t direct;  // nodes without one
  uint32_t few;     // nodes of few rows
  uint32_t partition;
};

/** Everything that the kernels of a round need, passed to each by value. Pointers are to device memory. */
struct RoundView {
  DataView data;
  const JobView* jobs;
  const UnitView* units;
  UnitState* states;
  uint32_t job_count;
  uint32_t unit_count;

  const RowTask* train_tasks;   // of jobs, rows that are trained on
  uint32_t train_task_count;
  const RowTask* unit_tasks;    // of units, the same
  uint32_t unit_task_count;
  const RowTask* all_tasks;     // of jobs, all rows
  uint32_t all_task_count;

  const FeatureGroup* groups[2];  // of narrow and of wide gradients
  uint32_t group_count[2];
  uint32_t search_groups;
  uint32_t build_rows;            // of a task

  StepCounts* counts;             // by step
  NodeTask* build;
  NodeTask* partition;
  SearchTask* search;             // nodes with a histogram from the front, those without from the back
  uint32_t search_room;
  SearchTask* few;                // nodes of few rows; null: they are among the others
  Candidate* candidates;          // (searched nodes, search_groups)
  uint32_t* node_masks;           // (search_room + nodes of few rows, mask_words); null: nobody samples features by node
  uint32_t* feature_keys;         // a block's warps: (features) each

  // Two pools of each, one for the host to fetch while the other is filled; numbers go on from the first to the second.
  FinishedNode* finished;
  CodeSet* finished_sets;
  FinishedTree* trees;            // (2 · pool rounds, units)
  uint32_t* pool_used;            // nodes, sets
  uint32_t* call_round;           // pool rounds so far
};

/** A node's histogram, by its slot, which it must have. */
__device__ inline Sums* histogram_of(const RoundView& view, const UnitView& unit, int32_t slot) {
  return unit.histograms + size_t{static_cast<uint32_t>(slot)} * view.data.cells;
}

/** Where the i-th of the nodes with a histogram and those without is in the list of nodes to be searched. */
__device__ inline uint32_t search_entry(const RoundView& view, uint32_t step, uint32_t i) {
  const uint32_t in_front = view.counts[step].search;
  return i < in_front ? i : view.search_room - 1 - (i - in_front);
}

__device__ inline uint32_t searched_nodes(const RoundView& view, uint32_t step) {
  return view.counts[step].search + view.counts[step].direct;
}

}  // namespace lockstep::cuda
