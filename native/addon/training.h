// The JavaScript classes Dataset and Batch: the CPU engine as src/engine/cpu.ts sees it.
#pragma once

#include <napi.h>

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
  std::shared_ptr<WorkspacePool> workspaces;
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

/**
 * new Batch(dataset, jobs): models under training. Its native side belongs to the process, not to one JavaScript thread:
 * worker threads reach it by `id` (advanceHere), so that a job can be trained on any of them.
 */
class BatchObject : public Napi::ObjectWrap<BatchObject> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit BatchObject(const Napi::CallbackInfo& info);

  /**
   * advanceHere(batchId, jobs: Uint32Array, rounds, cancelFlag: Int32Array) → scores: trains the jobs one after the other on
   * the calling thread. The caller keeps the batch alive meanwhile.
   */
  static Napi::Value advance_here(const Napi::CallbackInfo& info);

 private:
  struct State;
  class Registry;

  /** plan(jobs: Uint32Array, threads) → {shared: Uint32Array, whole: Uint32Array, costs: Float64Array of whole} */
  Napi::Value plan(const Napi::CallbackInfo& info);
  /** advance(jobs: Uint32Array, rounds, threads, cancelFlag: Int32Array, whole?) → Promise<scores>: each job by all threads, or by one */
  Napi::Value advance(const Napi::CallbackInfo& info);
  /** finish(job, rounds) → flat trees */
  Napi::Value finish(const Napi::CallbackInfo& info);
  /** dispose(): frees the memory, after the training under way if there is any */
  void dispose(const Napi::CallbackInfo& info);
  const std::shared_ptr<State>& state(Napi::Env env) const;

  std::shared_ptr<State> state_;
};

}  // namespace lockstep::addon
