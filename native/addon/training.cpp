#include "addon/training.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <map>
#include <mutex>

#include "addon/metrics.h"
#include "addon/trees.h"
#include "addon/values.h"
#include "cpu/predict.h"

namespace lockstep::addon {
namespace {

std::vector<Napi::ObjectReference> keep(std::initializer_list<Napi::Object> objects) {
  std::vector<Napi::ObjectReference> kept;
  for (const Napi::Object& value : objects) kept.push_back(Napi::Persistent(value));
  return kept;
}

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
    throw Napi::RangeError::New(from.Env(), "The CPU engine has no objective named " + objective + ".");
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

JobSpec job_spec(const Napi::Value& value, RowSets& sets) {
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
  auto rows = std::make_shared<RowSet>(RowSets(held->view.rows).read(info[1]));
  const int threads = thread_count(info[2]);
  using Worker = PromiseWorker<std::vector<int32_t>>;
  return Worker::start(
      info.Env(), keep({Value(), object(Value().Get("source"), "source")}),
      [=] {
        ThreadPool pool(threads);
        return lockstep::predict_margins(held->view, *trees, *rows, *held->kernels, Executor(&pool));
      },
      [](Napi::Env env, std::vector<int32_t>& margins) -> Napi::Value {
        return new_typed_array<Napi::Int32Array>(env, margins);
      });
}

/** What a batch is, whoever holds it. */
struct BatchObject::State {
  std::shared_ptr<Resident> resident;
  std::unique_ptr<Batch> batch;
  std::unique_ptr<std::atomic<bool>[]> training;  // a job each
  std::mutex pool_mutex;
  std::unique_ptr<ThreadPool> pool;
  uint32_t id = 0;

  /** Marks jobs as under training; throws, marking none, where one is already. */
  void begin(Napi::Env env, const std::vector<size_t>& jobs) {
    for (size_t i = 0; i < jobs.size(); ++i) {
      if (!training[jobs[i]].exchange(true)) continue;
      end({jobs.begin(), jobs.begin() + static_cast<ptrdiff_t>(i)});
      throw Napi::Error::New(env, "A job of the batch is training; wait for the running advance() first.");
    }
  }
  void end(const std::vector<size_t>& jobs) {
    for (const size_t job : jobs) training[job] = false;
  }
};

/** The live batches of the process by number. */
class BatchObject::Registry {
 public:
  static Registry& instance() {
    static Registry registry;
    return registry;
  }
  void add(const std::shared_ptr<State>& state) {
    const std::lock_guard lock(mutex_);
    state->id = ++last_;
    states_[state->id] = state;
  }
  void remove(uint32_t id) {
    const std::lock_guard lock(mutex_);
    states_.erase(id);
  }
  std::shared_ptr<State> find(uint32_t id) {
    const std::lock_guard lock(mutex_);
    const auto found = states_.find(id);
    return found == states_.end() ? nullptr : found->second.lock();
  }

 private:
  std::mutex mutex_;
  uint32_t last_ = 0;
  std::map<uint32_t, std::weak_ptr<State>> states_;
};

namespace {

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

/** {job, firstRound, rounds: Uint32Array, values: Float64Array}: values job by job, then round by round. */
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

}  // namespace

Napi::Function BatchObject::define(Napi::Env env) {
  return DefineClass(env, "Batch",
                     {InstanceMethod("plan", &BatchObject::plan), InstanceMethod("advance", &BatchObject::advance),
                      InstanceMethod("finish", &BatchObject::finish), InstanceMethod("dispose", &BatchObject::dispose)});
}

BatchObject::BatchObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<BatchObject>(info) {
  const Napi::Object dataset = object(info[0], "The data set");
  state_ = std::make_shared<State>();
  state_->resident = Dataset::Unwrap(dataset)->resident(info.Env());
  std::vector<JobSpec> specs;
  RowSets sets(state_->resident->view.rows);
  const Napi::Object jobs = object(info[1], "The list of jobs");
  for (uint32_t i = 0; i < jobs.As<Napi::Array>().Length(); ++i) specs.push_back(job_spec(jobs.Get(i), sets));
  guarded(info.Env(), [&] {
    state_->training = std::make_unique<std::atomic<bool>[]>(specs.size());
    state_->batch = std::make_unique<Batch>(state_->resident->view, *state_->resident->layout,
                                            *state_->resident->kernels, std::move(specs));
  });
  Registry::instance().add(state_);
  Value().Set("id", static_cast<double>(state_->id));
  Value().Set("source", dataset.Get("source"));
}

const std::shared_ptr<BatchObject::State>& BatchObject::state(Napi::Env env) const {
  if (state_ == nullptr) throw Napi::Error::New(env, "The batch has been disposed of.");
  return state_;
}

Napi::Value BatchObject::plan(const Napi::CallbackInfo& info) {
  const Batch& batch = *state(info.Env())->batch;
  const std::vector<size_t> jobs = job_list(info[0], batch.jobs());
  std::vector<double> costs;
  for (size_t job = 0; job < batch.jobs(); ++job) costs.push_back(batch.cost(job));
  const BatchPlan plan = plan_batch(jobs, costs, static_cast<size_t>(thread_count(info[1])));
  std::vector<double> whole_costs;
  for (const size_t job : plan.whole) whole_costs.push_back(costs[job]);
  const auto numbers = [&](const std::vector<size_t>& list) {
    return new_typed_array<Napi::Uint32Array>(info.Env(), std::vector<uint32_t>(list.begin(), list.end()));
  };
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("shared", numbers(plan.shared));
  result.Set("whole", numbers(plan.whole));
  result.Set("costs", new_typed_array<Napi::Float64Array>(info.Env(), whole_costs));
  return result;
}

Napi::Value BatchObject::advance(const Napi::CallbackInfo& info) {
  const std::shared_ptr<State> held = state(info.Env());
  const std::vector<size_t> jobs = job_list(info[0], held->batch->jobs());
  const size_t rounds = round_count(info[1]);
  const int threads = thread_count(info[2]);
  const CancelFlag cancel = cancel_flag(info[3]);
  held->begin(info.Env(), jobs);
  using Worker = PromiseWorker<std::vector<JobScores>>;
  return Worker::start(
      info.Env(), keep({Value(), object(Value().Get("source"), "source"), info[3].As<Napi::Object>()}),
      [=] {
        struct End {
          State& state;
          const std::vector<size_t>& jobs;
          ~End() { state.end(jobs); }
        } const end{*held, jobs};
        const std::lock_guard lock(held->pool_mutex);
        if (held->pool == nullptr || held->pool->threads() != threads) {
          held->pool = std::make_unique<ThreadPool>(threads);
        }
        std::vector<JobScores> scores;
        for (const size_t job : jobs) {
          scores.push_back(held->batch->advance_job(job, rounds, Executor(held->pool.get()), cancel));
        }
        return scores;
      },
      [](Napi::Env env, std::vector<JobScores>& scores) -> Napi::Value { return to_scores(env, scores); });
}

Napi::Value BatchObject::advance_here(const Napi::CallbackInfo& info) {
  const double id = info[0].IsNumber() ? info[0].As<Napi::Number>().DoubleValue() : 0;
  const std::shared_ptr<State> held = Registry::instance().find(static_cast<uint32_t>(id < 0 ? 0 : id));
  if (held == nullptr) throw Napi::Error::New(info.Env(), "The batch has been disposed of.");
  const std::vector<size_t> jobs = job_list(info[1], held->batch->jobs());
  const size_t rounds = round_count(info[2]);
  const CancelFlag cancel = cancel_flag(info[3]);
  held->begin(info.Env(), jobs);
  reset_floating_point_environment();
  std::vector<JobScores> scores;
  try {
    for (const size_t job : jobs) scores.push_back(held->batch->advance_job(job, rounds, Executor(), cancel));
  } catch (const std::exception& error) {
    held->end(jobs);
    throw to_js_error(info.Env(), error);
  }
  held->end(jobs);
  return to_scores(info.Env(), scores);
}

void BatchObject::dispose(const Napi::CallbackInfo&) {
  if (state_ != nullptr) Registry::instance().remove(state_->id);
  state_.reset();
}

Napi::Value BatchObject::finish(const Napi::CallbackInfo& info) {
  State& held = *state(info.Env());
  const double number = info[0].IsNumber() ? info[0].As<Napi::Number>().DoubleValue() : -1;
  if (!(number >= 0 && number < static_cast<double>(held.batch->jobs())) || number != std::floor(number)) {
    throw Napi::RangeError::New(info.Env(), "The batch has no job of that number.");
  }
  const auto job = static_cast<size_t>(number);
  if (held.training[job]) {
    throw Napi::Error::New(info.Env(), "The job is training; wait for the running advance() first.");
  }
  const double rounds = info[1].IsNumber() ? info[1].As<Napi::Number>().DoubleValue() : 1e9;
  return to_flat_trees(info.Env(), held.batch->ensemble(job), static_cast<size_t>(rounds < 0 ? 0 : rounds));
}

}  // namespace lockstep::addon
