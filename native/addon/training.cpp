#include "addon/training.h"

#include <atomic>
#include <map>
#include <mutex>

#include "addon/jobs.h"
#include "addon/trees.h"
#include "addon/values.h"
#include "cpu/predict.h"

namespace lockstep::addon {

Napi::Function Dataset::define(Napi::Env env) {
  return DefineClass(env, "Dataset", {InstanceMethod("predictMargins", &Dataset::predict_margins),
                                     InstanceMethod("dispose", &Dataset::dispose)});
}

Dataset::Dataset(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Dataset>(info) {
  const Napi::Object from = object(info[0], "The data set");
  resident_ = std::make_shared<Resident>();
  resident_->view = dataset_view(from);
  resident_->layout = std::make_unique<HistogramLayout>(resident_->view);
  const std::string simd = from.Get("simd").IsString() ? from.Get("simd").ToString().Utf8Value() : "";
  guarded(info.Env(), [&] { resident_->kernels = &kernels_named(simd); });
  resident_->workspaces = std::make_shared<WorkspacePool>(resident_->view, *resident_->layout, *resident_->kernels);
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

Napi::Function BatchObject::define(Napi::Env env) {
  return DefineClass(env, "Batch",
                     {InstanceMethod("plan", &BatchObject::plan), InstanceMethod("advance", &BatchObject::advance),
                      InstanceMethod("finish", &BatchObject::finish), InstanceMethod("dispose", &BatchObject::dispose)});
}

BatchObject::BatchObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<BatchObject>(info) {
  const Napi::Object dataset = object(info[0], "The data set");
  state_ = std::make_shared<State>();
  state_->resident = Dataset::Unwrap(dataset)->resident(info.Env());
  std::vector<JobSpec> specs = job_specs(info[1], state_->resident->view);
  guarded(info.Env(), [&] {
    state_->training = std::make_unique<std::atomic<bool>[]>(specs.size());
    state_->batch = std::make_unique<Batch>(state_->resident->view, *state_->resident->layout,
                                            *state_->resident->kernels, std::move(specs), state_->resident->workspaces);
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
  const BatchPlan plan =
      plan_batch(jobs, costs, round_count(info[1]), static_cast<size_t>(thread_count(info[2])));
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
  const bool side_by_side = info[4].ToBoolean();
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
        if (side_by_side) return held->batch->advance_side_by_side(jobs, rounds, *held->pool, cancel);
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
  const size_t job = job_number(info[0], held.batch->jobs());
  if (held.training[job]) {
    throw Napi::Error::New(info.Env(), "The job is training; wait for the running advance() first.");
  }
  return to_flat_trees(info.Env(), held.batch->ensemble(job), round_limit(info[1]));
}

}  // namespace lockstep::addon
