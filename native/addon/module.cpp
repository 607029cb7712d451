#include <napi.h>

#include <thread>

#include "addon/binning.h"
#include "addon/metrics.h"
#include "addon/training.h"

namespace lockstep::addon {
namespace {

/** describe() → {hardwareThreads} */
Napi::Value describe(const Napi::CallbackInfo& info) {
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("hardwareThreads", static_cast<double>(std::thread::hardware_concurrency()));
  return result;
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  exports.Set("describe", Napi::Function::New(env, describe, "describe"));
  exports.Set("binColumns", Napi::Function::New(env, bin_columns, "binColumns"));
  exports.Set("cacheLineOffset", Napi::Function::New(env, cache_line_offset, "cacheLineOffset"));
  exports.Set("Dataset", Dataset::define(env));
  exports.Set("Batch", BatchObject::define(env));
  define_metrics(env, exports);
  return exports;
}

NODE_API_MODULE(lockstep, init)

}  // namespace
}  // namespace lockstep::addon
