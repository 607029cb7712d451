// Gradients: docs/numerics.md sections 5 and 6. A row of the softmax has two words, the greatest margin and the reciprocal of
// the sum of exponentials, that all its classes share.
#include "core/fixed.h"
#include "core/link.h"
#include "core/softmax.h"
#include "cuda/kernels.h"
#include "cuda/warp.h"

namespace lockstep::cuda {
namespace {

constexpr unsigned kBlock = 256;

__device__ uint32_t weight_of(const JobView& job, uint32_t position) {
  return job.weight == nullptr ? kUnitWeight : job.weight[position];
}

__device__ int32_t weighted_error(const JobView& job, uint32_t position) {
  const int32_t error = job.margins[position] - job.target[position];
  return job.weight == nullptr ? error : apply_weight(error, job.weight[position]);
}

__global__ void reset_units(RoundView view) {
  const UnitView& unit = view.units[blockIdx.x];
  UnitState& state = view.states[blockIdx.x];
  for (uint32_t i = threadIdx.x; i < unit.slots; i += kBlock) unit.free_list[i] = i;
  if (threadIdx.x != 0) return;
  state = {{0, 0}, 0, 1, 0, 1, unit.slots, 0};
  if (unit.class_index == 0) *view.jobs[unit.job].error_bits = 0;
}

__global__ void normalise_softmax(RoundView view) {
  const RowTask task = view.train_tasks[blockIdx.x];
  const JobView& job = view.jobs[task.owner];
  if (job.objective != Objective::kSoftmax) return;
  for (uint32_t position = task.begin + threadIdx.x; position < task.end; position += kBlock) {
    const int32_t* margins = job.margins + size_t{position} * static_cast<size_t>(job.classes);
    const int32_t top = greatest_margin(margins, job.classes);
    uint32_t sum = 0;
    for (int c = 0; c < job.classes; ++c) {
      sum += exp_neg_q24(margin_distance(top, margins[c]), view.data.tables.exponential);
    }
    job.normaliser[position] = {static_cast<uint32_t>(top), softmax_reciprocal(sum)};
  }
}

__global__ void measure_errors(RoundView view) {
  const RowTask task = view.train_tasks[blockIdx.x];
  const JobView& job = view.jobs[task.owner];
  if (job.objective != Objective::kSquaredError) return;
  uint32_t seen = 0;
  for (uint32_t position = task.begin + threadIdx.x; position < task.end; position += kBlock) {
    const int32_t g = weighted_error(job, position);
    seen |= static_cast<uint32_t>(g < 0 ? -g : g);
  }
  for (unsigned mask = kWarpSize / 2; mask > 0; mask /= 2) seen |= shuffle_xor(seen, mask);
  if (lane_index() == 0 && seen != 0) atomicOr(job.error_bits, seen);
}

__device__ int2 softmax_pair(const RoundView& view, const JobView& job, uint32_t class_index, uint32_t position,
                             uint32_t dither) {
  const int32_t margin = job.margins[size_t{position} * static_cast<size_t>(job.classes) + class_index];
  const uint2 normaliser = job.normaliser[position];
  const uint32_t exponential = exp_neg_q24(margin_distance(static_cast<int32_t>(normaliser.x), margin),
                                           view.data.tables.exponential);
  const GradientPair pair =
      softmax_gradient(softmax_share(exponential, normaliser.y), job.label[position] == class_index);
  const uint32_t weight = weight_of(job, position);
  const GradientPair quantised =
      quantise_logistic(apply_weight(pair.g, weight), apply_weight(pair.h, weight), dither);
  return {quantised.g, quantised.h};
}

__device__ int2 logistic_pair(const RoundView& view, const JobView& job, uint32_t position, uint32_t dither) {
  int32_t p = 0;
  int32_t h = 0;
  logistic_gradient(job.margins[position], p, h, view.data.tables.sigmoid);
  const int32_t g = p - (job.label[position] != 0 ? kOneQ30 : 0);
  const uint32_t weight = weight_of(job, position);
  const GradientPair quantised = quantise_logistic(apply_weight(g, weight), apply_weight(h, weight), dither);
  return {quantised.g, quantised.h};
}

__global__ void start_trees(RoundView view) {
  const RowTask task = view.unit_tasks[blockIdx.x];
  const UnitView& unit = view.units[task.owner];
  const JobView& job = view.jobs[unit.job];
  UnitState& state = view.states[task.owner];
  const uint32_t round = *job.round;
  int shift = 0;
  if (job.objective == Objective::kSquaredError) {
    const int excess = bit_length(*job.error_bits) - kSquaredErrorGradientBits;
    shift = excess > 0 ? excess : 0;
    if (task.begin == 0 && threadIdx.x == 0) state.shift = shift;
  }
  const bool samples = job.sample_below <= 0xffffffffu;
  Sums sums;
  uint32_t count = 0;
  for (uint32_t first = task.begin; first < task.end; first += kBlock) {
    const uint32_t position = first + threadIdx.x;
    bool taken = position < task.end;
    const uint32_t row = taken ? data_row(job, position) : 0;
    if (taken && samples) {
      taken = random_row_word(job.key, row, round, Purpose::kSubsample, unit.class_index) < job.sample_below;
    }
    if (taken) {
      int2 pair{};
      if (job.objective == Objective::kSquaredError) {
        const uint32_t dither = shift == 0 ? 0 : random_row_word(job.key, row, round, Purpose::kDither);
        pair = {quantise_squared_error(weighted_error(job, position), shift, dither),
                static_cast<int32_t>(weight_of(job, position))};
      } else {
        const uint32_t dither = random_row_word(job.key, row, round, Purpose::kDither, unit.class_index);
        pair = job.objective == Objective::kSoftmax ? softmax_pair(view, job, unit.class_index, position, dither)
                                                    : logistic_pair(view, job, position, dither);
      }
      unit.gradients[position] = pair;
      sums += Sums{pair.x, pair.y};
      ++count;
    }
    if (!samples) {
      if (taken) unit.order[0][position] = position;
      continue;
    }
    const unsigned lanes = __ballot_sync(kAllLanes, taken);
    uint32_t place = 0;
    if (lane_index() == 0) place = atomicAdd(&state.sampled, static_cast<uint32_t>(__popc(lanes)));
    place = shuffle(place, 0) + static_cast<uint32_t>(__popc(lanes & lanes_below()));
    if (taken) unit.order[0][place] = position;
  }
  sums = warp_sum(sums);
  count = warp_sum(count);
  if (lane_index() == 0) {
    atomic_add(&state.sums.g, sums.g);
    atomic_add(&state.sums.h, sums.h);
    if (!samples) atomicAdd(&state.sampled, count);
  }
}

}  // namespace

void begin_round(const Stream& stream, const RoundView& view) {
  launch(stream, "reset_units", reset_units, view.unit_count, kBlock, 0, view);
}

void compute_gradients(const Stream& stream, const RoundView& view, const LaunchPlan& plan) {
  if (plan.any_softmax) launch(stream, "normalise_softmax", normalise_softmax, view.train_task_count, kBlock, 0, view);
  if (plan.any_squared_error) launch(stream, "measure_errors", measure_errors, view.train_task_count, kBlock, 0, view);
  launch(stream, "start_trees", start_trees, view.unit_task_count, kBlock, 0, view);
}

}  // namespace lockstep::cuda
