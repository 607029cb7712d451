#include "cuda/rows.h"

#include <algorithm>
#include <numeric>

namespace lockstep::cuda {
namespace {

bool same_rows(const RowSet& a, const RowSet& b) {
  if ((a.list == nullptr) != (b.list == nullptr)) return false;
  if (a.list == nullptr) return a.start == b.start && a.end == b.end;
  return a.list == b.list || *a.list == *b.list;
}

bool follow_each_other(const std::vector<uint32_t>& numbers) {
  for (size_t i = 1; i < numbers.size(); ++i) {
    if (numbers[i] != numbers[0] + i) return false;
  }
  return true;
}

/** Uploads the numbers unless they follow each other; sets `first`. */
Buffer<uint32_t> upload_unless_range(const std::vector<uint32_t>& numbers, uint32_t& first, const Stream& stream) {
  first = numbers.empty() ? 0 : numbers[0];
  return follow_each_other(numbers) ? Buffer<uint32_t>() : Buffer<uint32_t>(numbers, stream);
}

/** values[rows[i]] for the first `count` rows. */
template <class T>
std::vector<T> gather(const std::vector<T>& values, const std::vector<uint32_t>& rows, size_t count) {
  std::vector<T> result;
  if (values.empty()) return result;
  result.reserve(count);
  for (size_t i = 0; i < count; ++i) result.push_back(values[rows[i]]);
  return result;
}

}  // namespace

bool RowMap::is_of(const JobSpec& job) const {
  return same_rows(train_set, job.rows) && eval_sets.size() == job.evals.size() &&
         std::equal(eval_sets.begin(), eval_sets.end(), job.evals.begin(), same_rows);
}

bool Truth::is_of(const RowMap& of_map, const TreeParams& of_params) const {
  return map == &of_map && params.objective == of_params.objective && params.num_class == of_params.num_class &&
         params.scale_pos_weight == of_params.scale_pos_weight && params.has_base_score == of_params.has_base_score &&
         (!params.has_base_score || params.base_score == of_params.base_score);
}

const RowMap& SharedRows::map_of(const JobSpec& job) {
  for (const auto& map : maps_) {
    if (map->is_of(job)) return *map;
  }
  maps_.push_back(make_map(job));
  return *maps_.back();
}

const Truth& SharedRows::truth_of(const JobSpec& job, const RowMap& map) {
  for (const auto& truth : truths_) {
    if (truth->is_of(map, job.params)) return *truth;
  }
  truths_.push_back(make_truth(job, map));
  return *truths_.back();
}

std::unique_ptr<RowMap> SharedRows::make_map(const JobSpec& job) const {
  const DatasetView& data = dataset_.host();
  auto map = std::make_unique<RowMap>();
  map->train_set = job.rows;
  map->eval_sets = job.evals;
  constexpr uint32_t kUnknown = 0xffffffffu;
  std::vector<uint32_t> position(data.rows, kUnknown);
  const auto add = [&](size_t row) {
    if (position[row] == kUnknown) position[row] = static_cast<uint32_t>(map->host_rows.size());
    map->host_rows.push_back(static_cast<uint32_t>(row));
  };
  for (size_t i = 0; i < job.rows.size(); ++i) add(job.rows[i]);
  map->train = static_cast<uint32_t>(map->host_rows.size());
  for (const RowSet& set : job.evals) {
    RowMap::Eval eval;
    for (size_t i = 0; i < set.size(); ++i) {
      if (position[set[i]] == kUnknown) add(set[i]);
      eval.host_positions.push_back(position[set[i]]);
    }
    eval.rows = static_cast<uint32_t>(set.size());
    eval.positions = upload_unless_range(eval.host_positions, eval.first_position, stream_);
    eval.weights = scale_weights(data, set).values;
    eval.weight = Buffer<uint32_t>(eval.weights, stream_);
    eval.total_weight = eval.weights.empty() ? set.size()
                                             : std::accumulate(eval.weights.begin(), eval.weights.end(), uint64_t{0});
    map->evals.push_back(std::move(eval));
  }
  map->total = static_cast<uint32_t>(map->host_rows.size());
  map->rows = upload_unless_range(map->host_rows, map->first_row, stream_);
  return map;
}

std::unique_ptr<Truth> SharedRows::make_truth(const JobSpec& job, const RowMap& map) const {
  auto truth = std::make_unique<Truth>();
  truth->map = &map;
  truth->params = job.params;
  truth->scale = scale_job(dataset_.host(), job);
  const auto take = [&](auto& values, size_t count) { return gather(std::exchange(values, {}), map.host_rows, count); };
  truth->label = Buffer<uint8_t>(take(truth->scale.label, map.total), stream_);
  truth->weight = Buffer<uint32_t>(take(truth->scale.weight, map.train), stream_);
  const std::vector<int32_t> target = take(truth->scale.target, map.total);
  truth->target = Buffer<int32_t>(target, stream_);
  for (const RowMap::Eval& eval : map.evals) {
    truth->variation.push_back(
        target.empty() ? 0 : target_variation(gather(target, eval.host_positions, eval.rows), eval.weights));
  }
  return truth;
}

}  // namespace lockstep::cuda
