#include "addon/training.h"

#include <algorithm>
#include <cmath>

#include "addon/metrics.h"
#include "addon/trees.h"
#include "addon/values.h"

namespace lockstep::addon {
namespace {

std::vector<Napi::ObjectReference> keep(std::initializer_list<Napi::Object> objects) {
  std::vector<Napi::ObjectReference> kept;
  for (const Napi::Object& value : objects) kept.push_back(Napi::Persistent(value));
  return kept;
}

int thread_count(const Napi::Value& value) {
  const double threads = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : 0;
  if (!(threads >= 1 && threads <= 1024)) throw Napi::RangeError::New(value.Env(), "threads must be 1 to 1024.");
  return static_cast<int>(threads);
}

TreeParams tree_params(const Napi::Object& from) {
  TreeParams params;
  const std::string objective = from.Get("objective").ToString();
  if (objective == "binary:logistic") {
    params.objective = Objective::kLogistic;
  } else if (objective == "reg:squarederror") {
    params.objective = Objective::kSquaredError;
  } else {
    throw Napi::RangeError::New(from.Env(), "The CPU engine has no objective named " + objective + ".");
  }
  params.max_depth = static_cast<int>(count(from, "max_depth"));
  params.learning_rate = number(from, "learning_rate");
  params.subsample = number(from, "subsample");
  params.colsample_bytree = number(from, "colsample_bytree");
  params.min_child_weight = number(from, "min_child_weight");
  params.gamma = number(from, "gamma");
  params.reg_alpha = number(from, "reg_alpha");
  params.reg_lambda = number(from, "reg_lambda");
  params.max_cat_to_onehot = static_cast<int>(count(from, "max_cat_to_onehot"));
  params.max_cat_threshold = static_cast<int>(count(from, "max_cat_threshold"));
  params.has_base_score = from.Get("base_score").IsNumber();
  if (params.has_base_score) params.base_score = number(from, "base_score");
  return params;
}

JobSpec job_spec(const Napi::Value& value, size_t rows) {
  const Napi::Object from = object(value, "A job");
  JobSpec job;
  job.params = tree_params(object(from.Get("params"), "params"));
  const double seed = number(from, "seed");
  if (!(seed >= 0 && seed <= 9007199254740991.0)) throw Napi::RangeError::New(from.Env(), "seed must be 0 to 2^53 - 1.");
  job.seed = static_cast<uint64_t>(seed);
  job.rows = row_set(from.Get("rows"), rows);
  const Napi::Object evals = object(from.Get("evals"), "evals");
  for (uint32_t i = 0; i < evals.As<Napi::Array>().Length(); ++i) job.evals.push_back(row_set(evals.Get(i), rows));
  job.metrics = metric_list(from.Get("metrics"));
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

Napi::Function Dataset::define(Napi::Env env) {
  return DefineClass(env, "Dataset", {InstanceMethod("predictMargins", &Dataset::predict_margins),
                                     InstanceMethod("dispose", &Dataset::dispose)});
}

Dataset::Dataset(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Dataset>(info) {
  const Napi::Object from = object(info[0], "The data set");
  resident_ = std::make_shared<Resident>();
  DatasetView& view = resident_->view;
  view.rows = count(from, "rows");
  view.stride = count(from, "stride");
  const Span<int32_t> feature_bins = typed_array<int32_t>(from.Get("featureBins"), "featureBins");
  const Span<uint8_t> categorical = typed_array_of<uint8_t>(from, "categorical", feature_bins.length);
  const Span<uint8_t> bins = typed_array_of<uint8_t>(from, "bins", view.rows * view.stride);
  if (view.stride < feature_bins.length) throw Napi::RangeError::New(info.Env(), "stride is less than the features.");
  for (size_t f = 0; f < feature_bins.length; ++f) {
    const int limit = feature_bins.data[f];
    if (limit < 1 || limit >= kMaxCodes) throw Napi::RangeError::New(info.Env(), "featureBins must be 1 to 255.");
  }
  if (!codes_within(bins.data, view.rows, view.stride, feature_bins)) {
    throw Napi::RangeError::New(info.Env(), "bins holds a code above its feature's number of bins.");
  }
  view.bins = bins.data;
  view.features = static_cast<int>(feature_bins.length);
  view.feature_bins.assign(feature_bins.data, feature_bins.data + feature_bins.length);
  view.categorical.assign(categorical.data, categorical.data + categorical.length);
  view.label = typed_array_of<float>(from, "label", view.rows).data;
  if (from.Get("weight").IsTypedArray()) view.weight = typed_array_of<float>(from, "weight", view.rows).data;
  resident_->layout = std::make_unique<HistogramLayout>(view);
  const std::string simd = from.Get("simd").IsString() ? from.Get("simd").ToString().Utf8Value() : "";
  guarded(info.Env(), [&] { resident_->kernels = &kernels_named(simd); });
  Value().Set("source", from);
}

const std::shared_ptr<Resident>& Dataset::resident(Napi::Env env) const {
  if (resident_ == nullptr) throw Napi::Error::New(env, "The data set has been disposed of.");
  return resident_;
}

void Dataset::dispose(const Napi::CallbackInfo&) {
  resident_.reset();
  Value().Delete("source");
}

Napi::Value Dataset::predict_margins(const Napi::CallbackInfo& info) {
  const std::shared_ptr<Resident> held = resident(info.Env());
  auto trees = std::make_shared<Ensemble>(from_flat_trees(object(info[0], "The trees"), held->view.features));
  auto rows = std::make_shared<RowSet>(row_set(info[1], held->view.rows));
  const int threads = thread_count(info[2]);
  using Worker = PromiseWorker<std::vector<int32_t>>;
  return Worker::start(
      info.Env(), keep({Value(), object(Value().Get("source"), "source")}),
      [=] {
        ThreadPool pool(threads);
        return lockstep::predict_margins(held->view, *trees, *rows, Executor(&pool));
      },
      [](Napi::Env env, std::vector<int32_t>& margins) -> Napi::Value {
        return new_typed_array<Napi::Int32Array>(env, margins);
      });
}

Napi::Function BatchObject::define(Napi::Env env) {
  return DefineClass(env, "Batch",
                     {InstanceMethod("advance", &BatchObject::advance), InstanceMethod("stop", &BatchObject::stop),
                      InstanceMethod("finish", &BatchObject::finish), InstanceMethod("dispose", &BatchObject::dispose)});
}

BatchObject::BatchObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<BatchObject>(info) {
  const Napi::Object dataset = object(info[0], "The data set");
  state_ = std::make_shared<State>();
  state_->resident = Dataset::Unwrap(dataset)->resident(info.Env());
  std::vector<JobSpec> specs;
  const Napi::Object jobs = object(info[1], "The list of jobs");
  for (uint32_t i = 0; i < jobs.As<Napi::Array>().Length(); ++i) {
    specs.push_back(job_spec(jobs.Get(i), state_->resident->view.rows));
  }
  guarded(info.Env(), [&] {
    state_->batch = std::make_unique<Batch>(state_->resident->view, *state_->resident->layout,
                                            *state_->resident->kernels, std::move(specs));
  });
  Value().Set("source", dataset.Get("source"));
}

BatchObject::State& BatchObject::idle_state(Napi::Env env) {
  if (state_ == nullptr) throw Napi::Error::New(env, "The batch has been disposed of.");
  if (state_->busy) throw Napi::Error::New(env, "The batch is training; wait for the running advance() first.");
  return *state_;
}

size_t BatchObject::job_index(const Napi::Value& value) {
  const double job = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : -1;
  if (!(job >= 0 && job < static_cast<double>(state_->batch->jobs())) || job != std::floor(job)) {
    throw Napi::RangeError::New(value.Env(), "The batch has no job of that number.");
  }
  return static_cast<size_t>(job);
}

Napi::Value BatchObject::advance(const Napi::CallbackInfo& info) {
  idle_state(info.Env());
  const double rounds = info[0].IsNumber() ? info[0].As<Napi::Number>().DoubleValue() : 0;
  if (!(rounds >= 1 && rounds <= 1e9)) throw Napi::RangeError::New(info.Env(), "rounds must be at least 1.");
  const int threads = thread_count(info[1]);
  const Span<int32_t> flag = typed_array<int32_t>(info[2], "The cancel flag");
  if (flag.length < 1) throw Napi::RangeError::New(info.Env(), "The cancel flag has no element.");
  state_->busy = true;
  using Worker = PromiseWorker<std::vector<RoundScores>>;
  const std::shared_ptr<State> state = state_;
  return Worker::start(
      info.Env(), keep({object(Value().Get("source"), "source"), info[2].As<Napi::Object>()}),
      [=] {
        struct Idle {
          std::atomic<bool>& busy;
          ~Idle() { busy = false; }
        } const idle{state->busy};
        if (state->pool == nullptr || state->pool->threads() != threads) {
          state->pool = std::make_unique<ThreadPool>(threads);
        }
        return state->batch->advance(static_cast<size_t>(rounds), *state->pool, CancelFlag(flag.data));
      },
      [](Napi::Env env, std::vector<RoundScores>& scores) -> Napi::Value {
        Napi::Array results = Napi::Array::New(env, scores.size());
        for (size_t i = 0; i < scores.size(); ++i) {
          Napi::Object result = Napi::Object::New(env);
          result.Set("job", static_cast<double>(scores[i].job));
          result.Set("round", static_cast<double>(scores[i].round));
          result.Set("values", new_typed_array<Napi::Float64Array>(env, scores[i].values));
          results.Set(static_cast<uint32_t>(i), result);
        }
        return results;
      });
}

void BatchObject::stop(const Napi::CallbackInfo& info) {
  State& state = idle_state(info.Env());
  state.batch->stop(job_index(info[0]));
}

void BatchObject::dispose(const Napi::CallbackInfo&) {
  state_.reset();
}

Napi::Value BatchObject::finish(const Napi::CallbackInfo& info) {
  const State& state = idle_state(info.Env());
  const size_t job = job_index(info[0]);
  const double rounds = info[1].IsNumber() ? info[1].As<Napi::Number>().DoubleValue() : 1e9;
  return to_flat_trees(info.Env(), state.batch->ensemble(job), static_cast<size_t>(rounds < 0 ? 0 : rounds));
}

}  // namespace lockstep::addon
