#include "addon/jobs.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "addon/metrics.h"
#include "addon/trees.h"

namespace lockstep::addon {
namespace {

std::vector<int8_t> monotone_constraints(const Napi::Object& from) {
  const Napi::Object list = object(from.Get("monotone_constraints"), "monotone_constraints");
  std::vector<int8_t> constraints;
  for (uint32_t i = 0; i < list.As<Napi::Array>().Length(); ++i) {
    const Napi::Value value = list.Get(i);
    const double constraint = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : 2;
    if (constraint != -1 && constraint != 0 && constraint != 1) {
      throw Napi::RangeError::New(from.Env(), "monotone_constraints must hold -1, 0 and 1 alone.");
    }
    constraints.push_back(static_cast<int8_t>(constraint));
  }
  return constraints;
}

TreeParams tree_params(const Napi::Object& from) {
  TreeParams params;
  const std::string objective = from.Get("objective").ToString();
  if (objective == "binary:logistic") {
    params.objective = Objective::kLogistic;
  } else if (objective == "multi:softprob" || objective == "multi:softmax") {
    params.objective = Objective::kSoftmax;
  } else if (objective == "reg:squarederror") {
    params.objective = Objective::kSquaredError;
  } else {
    throw Napi::RangeError::New(from.Env(), "There is no objective named " + objective + ".");
  }
  params.num_class = static_cast<int>(count(from, "num_class"));
  params.max_depth = static_cast<int>(count(from, "max_depth"));
  params.learning_rate = number(from, "learning_rate");
  params.subsample = number(from, "subsample");
  params.colsample_bytree = number(from, "colsample_bytree");
  params.colsample_bylevel = number(from, "colsample_bylevel");
  params.colsample_bynode = number(from, "colsample_bynode");
  params.min_child_weight = number(from, "min_child_weight");
  params.gamma = number(from, "gamma");
  params.reg_alpha = number(from, "reg_alpha");
  params.reg_lambda = number(from, "reg_lambda");
  params.max_delta_step = number(from, "max_delta_step");
  params.monotone_constraints = monotone_constraints(from);
  params.scale_pos_weight = number(from, "scale_pos_weight");
  params.max_cat_to_onehot = static_cast<int>(count(from, "max_cat_to_onehot"));
  params.max_cat_threshold = static_cast<int>(count(from, "max_cat_threshold"));
  params.has_base_score = from.Get("base_score").IsNumber();
  if (params.has_base_score) params.base_score = number(from, "base_score");
  return params;
}

JobSpec job_spec(const Napi::Value& value, RowSets& sets, int features) {
  const Napi::Object from = object(value, "A job");
  JobSpec job;
  job.params = tree_params(object(from.Get("params"), "params"));
  const double seed = number(from, "seed");
  if (!(seed >= 0 && seed <= 9007199254740991.0)) throw Napi::RangeError::New(from.Env(), "seed must be 0 to 2^53 - 1.");
  job.seed = static_cast<uint64_t>(seed);
  job.rows = sets.read(from.Get("rows"));
  const Napi::Object evals = object(from.Get("evals"), "evals");
  for (uint32_t i = 0; i < evals.As<Napi::Array>().Length(); ++i) job.evals.push_back(sets.read(evals.Get(i)));
  job.metrics = metric_list(from.Get("metrics"));
  if (from.Get("patience").IsObject()) {
    const Napi::Object patience = object(from.Get("patience"), "patience");
    job.patience = {count(patience, "rounds"), patience.Get("direction").ToString().Utf8Value() == "maximize",
                    count(patience, "value")};
    if (job.patience.value >= job.evals.size() * job.metrics.size()) {
      throw Napi::RangeError::New(from.Env(), "patience.value must be below the number of values of a round.");
    }
  }
  if (from.Get("resume").IsObject()) {
    job.resume = std::make_shared<const Ensemble>(from_flat_trees(object(from.Get("resume"), "resume"), features));
  }
  return job;
}

/** Whether no code is above its feature's number of bins; several rows at a time, so that the compiler makes vectors of it. */
bool codes_within(const uint8_t* bins, size_t rows, size_t stride, const Span<int32_t>& feature_bins) {
  if (rows == 0) return true;
  constexpr size_t kTileBytes = 1024;
  const size_t tile_rows = std::max<size_t>(1, kTileBytes / std::max<size_t>(1, stride));
  std::vector<uint8_t> limits(tile_rows * stride, 255);
  for (size_t row = 0; row < tile_rows; ++row) {
    std::copy_n(feature_bins.data, feature_bins.length, limits.begin() + static_cast<ptrdiff_t>(row * stride));
  }
  for (size_t row = 0; row < rows; row += tile_rows) {
    const uint8_t* codes = bins + row * stride;
    const size_t size = std::min(tile_rows, rows - row) * stride;
    uint8_t above = 0;
    for (size_t i = 0; i < size; ++i) above = static_cast<uint8_t>(above | (codes[i] > limits[i]));
    if (above != 0) return false;
  }
  return true;
}

}  // namespace

DatasetView dataset_view(const Napi::Object& from) {
  const Napi::Env env = from.Env();
  DatasetView view;
  view.rows = count(from, "rows");
  view.stride = count(from, "stride");
  const Span<int32_t> feature_bins = typed_array<int32_t>(from.Get("featureBins"), "featureBins");
  const Span<uint8_t> categorical = typed_array_of<uint8_t>(from, "categorical", feature_bins.length);
  const Span<uint8_t> bins = typed_array_of<uint8_t>(from, "bins", view.rows * view.stride);
  if (view.stride < feature_bins.length) throw Napi::RangeError::New(env, "stride is less than the features.");
  for (size_t f = 0; f < feature_bins.length; ++f) {
    const int limit = feature_bins.data[f];
    if (limit < 1 || limit >= kMaxCodes) throw Napi::RangeError::New(env, "featureBins must be 1 to 255.");
  }
  if (!codes_within(bins.data, view.rows, view.stride, feature_bins)) {
    throw Napi::RangeError::New(env, "bins holds a code above its feature's number of bins.");
  }
  view.bins = bins.data;
  view.features = static_cast<int>(feature_bins.length);
  view.feature_bins.assign(feature_bins.data, feature_bins.data + feature_bins.length);
  view.categorical.assign(categorical.data, categorical.data + categorical.length);
  view.label = typed_array_of<float>(from, "label", view.rows).data;
  if (from.Get("weight").IsTypedArray()) view.weight = typed_array_of<float>(from, "weight", view.rows).data;
  return view;
}

std::vector<JobSpec> job_specs(const Napi::Value& value, const DatasetView& data) {
  std::vector<JobSpec> specs;
  RowSets sets(data.rows);
  const Napi::Object jobs = object(value, "The list of jobs");
  for (uint32_t i = 0; i < jobs.As<Napi::Array>().Length(); ++i) specs.push_back(job_spec(jobs.Get(i), sets, data.features));
  return specs;
}

std::vector<size_t> job_list(const Napi::Value& value, size_t jobs) {
  const Span<uint32_t> list = typed_array<uint32_t>(value, "The list of jobs");
  for (size_t i = 0; i < list.length; ++i) {
    if (list.data[i] >= jobs) throw Napi::RangeError::New(value.Env(), "The batch has no job of that number.");
  }
  return {list.data, list.data + list.length};
}

size_t round_count(const Napi::Value& value) {
  const double rounds = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : 0;
  if (!(rounds >= 1 && rounds <= 1e9)) throw Napi::RangeError::New(value.Env(), "rounds must be at least 1.");
  return static_cast<size_t>(rounds);
}

Napi::Object to_scores(Napi::Env env, const std::vector<JobScores>& scores) {
  std::vector<uint32_t> job;
  std::vector<uint32_t> first_round;
  std::vector<uint32_t> rounds;
  std::vector<double> values;
  for (const JobScores& of_job : scores) {
    job.push_back(static_cast<uint32_t>(of_job.job));
    first_round.push_back(static_cast<uint32_t>(of_job.first_round));
    rounds.push_back(static_cast<uint32_t>(of_job.rounds));
    values.insert(values.end(), of_job.values.begin(), of_job.values.end());
  }
  Napi::Object result = Napi::Object::New(env);
  result.Set("job", new_typed_array<Napi::Uint32Array>(env, job));
  result.Set("firstRound", new_typed_array<Napi::Uint32Array>(env, first_round));
  result.Set("rounds", new_typed_array<Napi::Uint32Array>(env, rounds));
  result.Set("values", new_typed_array<Napi::Float64Array>(env, values));
  return result;
}

size_t job_number(const Napi::Value& value, size_t jobs) {
  const double number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : -1;
  if (!(number >= 0 && number < static_cast<double>(jobs)) || number != std::floor(number)) {
    throw Napi::RangeError::New(value.Env(), "The batch has no job of that number.");
  }
  return static_cast<size_t>(number);
}

size_t round_limit(const Napi::Value& value) {
  const double rounds = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : 1e9;
  return static_cast<size_t>(rounds < 0 ? 0 : rounds);
}

std::vector<Napi::ObjectReference> keep(std::initializer_list<Napi::Object> objects) {
  std::vector<Napi::ObjectReference> kept;
  for (const Napi::Object& value : objects) kept.push_back(Napi::Persistent(value));
  return kept;
}

}  // namespace lockstep::addon
