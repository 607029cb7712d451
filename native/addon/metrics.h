#pragma once

#include <napi.h>

#include <vector>

#include "cpu/metrics.h"

namespace lockstep::addon {

/** Names of metrics as in the config. */
std::vector<Metric> metric_list(const Napi::Value& value);

/** Exports evaluateMetrics(names, scores) → Float64Array and curves(scores, maxPoints); see src/addon.ts. */
void define_metrics(Napi::Env env, Napi::Object exports);

}  // namespace lockstep::addon
