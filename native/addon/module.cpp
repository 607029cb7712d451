#include <napi.h>

#include <string>
#include <thread>
#include <vector>

#include "addon/binning.h"
#include "addon/metrics.h"
#include "addon/prediction.h"
#include "addon/training.h"
#include "addon/values.h"
#include "cpu/kernels.h"

namespace lockstep::addon {
namespace {

/** describe() → {hardwareThreads, simd: string[], best first} */
Napi::Value describe(const Napi::CallbackInfo& info) {
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("hardwareThreads", static_cast<double>(std::thread::hardware_concurrency()));
  const std::vector<std::string> names = available_kernels();
  Napi::Array simd = Napi::Array::New(info.Env(), names.size());
  for (size_t i = 0; i < names.size(); ++i) simd.Set(static_cast<uint32_t>(i), names[i]);
  result.Set("simd", simd);
  return result;
}

/** chooseSimd(name) → the level that `name` stands for; "" is what LOCKSTEP_SIMD names, or else the best. */
Napi::Value choose_simd(const Napi::CallbackInfo& info) {
  const std::string name = info[0].ToString();
  return guarded(info.Env(),
                 [&]() -> Napi::Value { return Napi::String::New(info.Env(), kernels_named(name).name); });
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  exports.Set("describe", Napi::Function::New(env, describe, "describe"));
  exports.Set("chooseSimd", Napi::Function::New(env, choose_simd, "chooseSimd"));
  exports.Set("binColumns", Napi::Function::New(env, bin_columns, "binColumns"));
  exports.Set("cacheLineOffset", Napi::Function::New(env, cache_line_offset, "cacheLineOffset"));
  exports.Set("Dataset", Dataset::define(env));
  exports.Set("Predictor", PredictorObject::define(env));
  exports.Set("Batch", BatchObject::define(env));
  exports.Set("advanceHere", Napi::Function::New(env, BatchObject::advance_here, "advanceHere"));
  define_metrics(env, exports);
  return exports;
}

NODE_API_MODULE(lockstep, init)

}  // namespace
}  // namespace lockstep::addon
