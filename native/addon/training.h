// The JavaScript classes Dataset and Batch: the CPU engine as src/engine/cpu.ts sees it.
#pragma once

#include <napi.h>

#include <atomic>
#include <memory>

#include "cpu/batch.h"
#include "cpu/data.h"
#include "cpu/histogram.h"
#include "cpu/kernels.h"
#include "cpu/pool.h"

namespace lockstep::addon {

/** A resident data set: views of the caller's arrays, which the JavaScript object keeps alive. */
struct Resident {
  DatasetView view;
  std::unique_ptr<HistogramLayout> layout;
  const Kernels* kernels = nullptr;
};

/** new Dataset({bins, rows, stride, featureBins, categorical, label, weight?, simd?}) */
class Dataset : public Napi::ObjectWrap<Dataset> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit Dataset(const Napi::CallbackInfo& info);
  /** Throws where the data set has been disposed of. */
  const std::shared_ptr<Resident>& resident(Napi::Env env) const;

 private:
  /** predictMargins(trees, rows, threads) → Promise<Int32Array> */
  Napi::Value predict_margins(const Napi::CallbackInfo& info);
  /** dispose(): lets go of the arrays; batches under way keep them until they are disposed of too. */
  void dispose(const Napi::CallbackInfo& info);

  std::shared_ptr<Resident> resident_;
};

/** new Batch(dataset, jobs) */
class BatchObject : public Napi::ObjectWrap<BatchObject> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit BatchObject(const Napi::CallbackInfo& info);

 private:
  struct State {
    std::shared_ptr<Resident> resident;
    std::unique_ptr<Batch> batch;
    std::unique_ptr<ThreadPool> pool;
    std::atomic<bool> busy{false};
  };
  /** advance(rounds, threads, cancelFlag: Int32Array) → Promise<{job, round, values}[]> */
  Napi::Value advance(const Napi::CallbackInfo& info);
  /** stop(job) */
  void stop(const Napi::CallbackInfo& info);
  /** finish(job, rounds) → flat trees */
  Napi::Value finish(const Napi::CallbackInfo& info);
  /** dispose(): frees the memory, after the running advance() if there is one */
  void dispose(const Napi::CallbackInfo& info);
  State& idle_state(Napi::Env env);
  size_t job_index(const Napi::Value& value);

  std::shared_ptr<State> state_;
};

}  // namespace lockstep::addon
