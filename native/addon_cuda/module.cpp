// The addon of the CUDA engine, a file of its own: it is loaded where someone asks for that engine. Its classes have the
// JavaScript shape of the CPU engine's.
#include <napi.h>

#include <atomic>
#include <memory>
#include <string>

#include "addon/jobs.h"
#include "addon/trees.h"
#include "addon/values.h"
#include "cpu/predict.h"
#include "cuda/batch.h"
#include "cuda/dataset.h"

namespace lockstep::addon {
namespace {

/** new Dataset({bins, rows, stride, featureBins, categorical, label, weight?, memoryLimit?}) */
class CudaDatasetObject : public Napi::ObjectWrap<CudaDatasetObject> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "Dataset", {InstanceMethod("predictMargins", &CudaDatasetObject::predict_margins),
                                       InstanceMethod("dispose", &CudaDatasetObject::dispose)});
  }

  explicit CudaDatasetObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<CudaDatasetObject>(info) {
    const Napi::Object from = object(info[0], "The data set");
    const DatasetView view = dataset_view(from);
    cuda::DatasetOptions options;
    if (from.Get("memoryLimit").IsNumber()) options.memory_limit = static_cast<size_t>(number(from, "memoryLimit"));
    guarded(info.Env(), [&] { dataset_ = std::make_shared<const cuda::CudaDataset>(view, options); });
    Value().Set("source", from);
  }

  /** Throws where the data set has been disposed of. */
  const std::shared_ptr<const cuda::CudaDataset>& dataset(Napi::Env env) const {
    if (dataset_ == nullptr) throw Napi::Error::New(env, "The data set has been disposed of.");
    return dataset_;
  }

 private:
  /** predictMargins(trees, rows, threads) → Promise<Int32Array>: by the CPU, from the caller's arrays. */
  Napi::Value predict_margins(const Napi::CallbackInfo& info) {
    const std::shared_ptr<const cuda::CudaDataset> held = dataset(info.Env());
    auto trees = std::make_shared<Ensemble>(from_flat_trees(object(info[0], "The trees"), held->host().features));
    auto rows = std::make_shared<RowSet>(RowSets(held->host().rows).read(info[1]));
    const int threads = thread_count(info[2]);
    using Worker = PromiseWorker<std::vector<int32_t>>;
    return Worker::start(
        info.Env(), keep({Value(), object(Value().Get("source"), "source")}),
        [=] {
          ThreadPool pool(threads);
          return lockstep::predict_margins(held->host(), *trees, *rows, kernels_named(""), Executor(&pool));
        },
        [](Napi::Env env, std::vector<int32_t>& margins) -> Napi::Value {
          return new_typed_array<Napi::Int32Array>(env, margins);
        });
  }

  /** dispose(): frees the device's memory, after the last batch. */
  void dispose(const Napi::CallbackInfo&) {
    dataset_.reset();
    Value().Delete("source");
  }

  std::shared_ptr<const cuda::CudaDataset> dataset_;
};

/** new Batch(dataset, jobs) */
class CudaBatchObject : public Napi::ObjectWrap<CudaBatchObject> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "Batch",
                       {InstanceMethod("advance", &CudaBatchObject::advance),
                        InstanceMethod("finish", &CudaBatchObject::finish),
                        InstanceMethod("dispose", &CudaBatchObject::dispose)});
  }

  explicit CudaBatchObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<CudaBatchObject>(info) {
    const Napi::Object from = object(info[0], "The data set");
    const auto dataset = CudaDatasetObject::Unwrap(from)->dataset(info.Env());
    std::vector<JobSpec> specs = job_specs(info[1], dataset->host());
    state_ = std::make_shared<State>();
    guarded(info.Env(), [&] { state_->batch = std::make_unique<cuda::CudaBatch>(dataset, std::move(specs)); });
    Value().Set("source", from.Get("source"));
  }

 private:
  struct State {
    std::unique_ptr<cuda::CudaBatch> batch;
    std::atomic<bool> training{false};
  };

  const std::shared_ptr<State>& state(Napi::Env env) const {
    if (state_ == nullptr) throw Napi::Error::New(env, "The batch has been disposed of.");
    return state_;
  }

  /** advance(jobs: Uint32Array, rounds, cancelFlag: Int32Array) → Promise<scores> */
  Napi::Value advance(const Napi::CallbackInfo& info) {
    const std::shared_ptr<State> held = state(info.Env());
    const std::vector<size_t> jobs = job_list(info[0], held->batch->jobs());
    const size_t rounds = round_count(info[1]);
    const CancelFlag cancel = cancel_flag(info[2]);
    if (held->training.exchange(true)) {
      throw Napi::Error::New(info.Env(), "The batch is training; wait for the running advance() first.");
    }
    using Worker = PromiseWorker<std::vector<JobScores>>;
    return Worker::start(
        info.Env(), keep({Value(), object(Value().Get("source"), "source"), info[2].As<Napi::Object>()}),
        [=] {
          struct End {
            State& state;
            ~End() { state.training = false; }
          } const end{*held};
          return held->batch->advance(jobs, rounds, cancel);
        },
        [](Napi::Env env, std::vector<JobScores>& scores) -> Napi::Value { return to_scores(env, scores); });
  }

  /** finish(job, rounds) → flat trees */
  Napi::Value finish(const Napi::CallbackInfo& info) {
    const std::shared_ptr<State>& held = state(info.Env());
    const size_t job = job_number(info[0], held->batch->jobs());
    if (held->training) {
      throw Napi::Error::New(info.Env(), "The batch is training; wait for the running advance() first.");
    }
    return to_flat_trees(info.Env(), held->batch->ensemble(job), round_limit(info[1]));
  }

  /** dispose(): frees the memory, after the training under way if there is any */
  void dispose(const Napi::CallbackInfo&) { state_.reset(); }

  std::shared_ptr<State> state_;
};

/** describe() → {name, computeCapability, memoryBytes}; throws where there is no device that can be used. */
Napi::Value describe(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const cuda::DeviceInfo device = cuda::device_info();
    Napi::Object result = Napi::Object::New(info.Env());
    result.Set("name", device.name);
    result.Set("computeCapability", std::to_string(device.major) + "." + std::to_string(device.minor));
    result.Set("memoryBytes", static_cast<double>(device.memory_bytes));
    return result;
  });
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  exports.Set("describe", Napi::Function::New(env, describe, "describe"));
  exports.Set("Dataset", CudaDatasetObject::define(env));
  exports.Set("Batch", CudaBatchObject::define(env));
  return exports;
}

NODE_API_MODULE(lockstep_cuda, init)

}  // namespace
}  // namespace lockstep::addon
