#include "addon/metrics.h"

#include <array>
#include <string_view>

#include "addon/values.h"

namespace lockstep::addon {
namespace {

constexpr std::array<std::string_view, 12> kMetricNames = {"accuracy", "precision", "recall", "f1",  "auc_roc", "auc_pr",
                                                           "logloss",  "mse",       "rmse",   "mae", "r2",      "mape"};

BinaryView binary_view(const Napi::Object& scores) {
  BinaryView view;
  const Span<int32_t> margins = typed_array<int32_t>(scores.Get("margins"), "margins");
  view.margin = margins.data;
  view.rows = margins.length;
  view.label = typed_array_of<uint8_t>(scores, "labels", view.rows).data;
  if (scores.Get("weights").IsTypedArray()) view.weight = typed_array_of<uint32_t>(scores, "weights", view.rows).data;
  return view;
}

RegressionView regression_view(const Napi::Object& scores) {
  RegressionView view;
  const Span<int32_t> margins = typed_array<int32_t>(scores.Get("margins"), "margins");
  view.margin = margins.data;
  view.rows = margins.length;
  view.target = typed_array_of<int32_t>(scores, "targets", view.rows).data;
  view.raw = typed_array_of<float>(scores, "raw", view.rows).data;
  if (scores.Get("weights").IsTypedArray()) view.weight = typed_array_of<uint32_t>(scores, "weights", view.rows).data;
  view.margin_bits = static_cast<int>(number(scores, "marginBits"));
  return view;
}

Napi::Value evaluate_metrics(const Napi::CallbackInfo& info) {
  const std::vector<Metric> metrics = metric_list(info[0]);
  const Napi::Object scores = object(info[1], "The scores");
  std::vector<double> values(metrics.size());
  return guarded(info.Env(), [&]() -> Napi::Value {
    if (scores.Has("labels")) {
      MetricScratch scratch;
      evaluate(metrics.data(), metrics.size(), binary_view(scores), scratch, values.data());
    } else {
      evaluate(metrics.data(), metrics.size(), regression_view(scores), values.data());
    }
    return new_typed_array<Napi::Float64Array>(info.Env(), values);
  });
}

Napi::Value curves(const Napi::CallbackInfo& info) {
  const BinaryView view = binary_view(object(info[0], "The scores"));
  const double max_points = info[1].IsNumber() ? info[1].As<Napi::Number>().DoubleValue() : 0;
  if (!(max_points >= 2)) throw Napi::RangeError::New(info.Env(), "maxPoints must be at least 2.");
  MetricScratch scratch;
  const Curve curve = roc_pr_points(view, static_cast<size_t>(max_points), scratch);
  std::vector<int32_t> margin;
  std::vector<double> true_positives;
  std::vector<double> false_positives;
  for (const CurvePoint& point : curve.points) {
    margin.push_back(point.threshold);
    true_positives.push_back(static_cast<double>(point.true_positive));
    false_positives.push_back(static_cast<double>(point.false_positive));
  }
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("margin", new_typed_array<Napi::Int32Array>(info.Env(), margin));
  result.Set("truePositives", new_typed_array<Napi::Float64Array>(info.Env(), true_positives));
  result.Set("falsePositives", new_typed_array<Napi::Float64Array>(info.Env(), false_positives));
  result.Set("positives", static_cast<double>(curve.positives));
  result.Set("negatives", static_cast<double>(curve.negatives));
  return result;
}

}  // namespace

std::vector<Metric> metric_list(const Napi::Value& value) {
  const Napi::Object names = object(value, "The list of metrics");
  std::vector<Metric> metrics;
  for (uint32_t i = 0; i < names.As<Napi::Array>().Length(); ++i) {
    const std::string name = names.Get(i).ToString();
    const auto* found = std::find(kMetricNames.begin(), kMetricNames.end(), name);
    if (found == kMetricNames.end()) throw Napi::RangeError::New(value.Env(), "There is no metric named " + name + ".");
    metrics.push_back(static_cast<Metric>(found - kMetricNames.begin()));
  }
  return metrics;
}

void define_metrics(Napi::Env env, Napi::Object exports) {
  exports.Set("evaluateMetrics", Napi::Function::New(env, evaluate_metrics, "evaluateMetrics"));
  exports.Set("curves", Napi::Function::New(env, curves, "curves"));
}

}  // namespace lockstep::addon
