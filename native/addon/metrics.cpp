#include "addon/metrics.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "addon/values.h"
#include "core/fixed.h"
#include "core/softmax.h"

namespace lockstep::addon {
namespace {

constexpr std::array<std::string_view, 17> kMetricNames = {
    "accuracy",           "precision",       "recall",      "f1",               "auc_roc", "auc_pr", "logloss",
    "precision_weighted", "recall_weighted", "f1_weighted", "auc_roc_weighted", "merror",  "mse",    "rmse",
    "mae",                "r2",              "mape"};

/** The largest magnitude that the sums of docs/metrics.md allow for. */
void check_magnitudes(Napi::Env env, const int32_t* values, size_t count, const char* what) {
  for (size_t i = 0; i < count; ++i) {
    if (values[i] > kMarginLimit || values[i] < -kMarginLimit) {
      throw Napi::RangeError::New(env, std::string(what) + " must lie within ±2^30.");
    }
  }
}

const uint32_t* weights_of(const Napi::Object& scores, size_t rows) {
  if (!scores.Get("weights").IsTypedArray()) return nullptr;
  const uint32_t* weights = typed_array_of<uint32_t>(scores, "weights", rows).data;
  if (std::any_of(weights, weights + rows, [](uint32_t weight) { return weight > kUnitWeight; })) {
    throw Napi::RangeError::New(scores.Env(), "weights must be at most 2^24.");
  }
  return weights;
}

BinaryView binary_view(const Napi::Object& scores) {
  BinaryView view;
  const Span<int32_t> margins = typed_array<int32_t>(scores.Get("margins"), "margins");
  view.margin = margins.data;
  view.rows = margins.length;
  view.label = typed_array_of<uint8_t>(scores, "labels", view.rows).data;
  view.weight = weights_of(scores, view.rows);
  return view;
}

MulticlassView multiclass_view(const Napi::Object& scores) {
  MulticlassView view;
  const size_t classes = count(scores, "classes");
  if (classes < 2 || classes > kMaxClasses) throw Napi::RangeError::New(scores.Env(), "classes must be 2 to 255.");
  const Span<uint8_t> labels = typed_array<uint8_t>(scores.Get("labels"), "labels");
  view.classes = static_cast<int>(classes);
  view.rows = labels.length;
  view.label = labels.data;
  view.margin = typed_array_of<int32_t>(scores, "margins", view.rows * classes).data;
  view.weight = weights_of(scores, view.rows);
  check_magnitudes(scores.Env(), view.margin, view.rows * classes, "margins");
  if (std::any_of(labels.data, labels.data + labels.length, [&](uint8_t label) { return label >= classes; })) {
    throw Napi::RangeError::New(scores.Env(), "labels must be below classes.");
  }
  return view;
}

RegressionView regression_view(const Napi::Object& scores) {
  RegressionView view;
  const Span<int32_t> margins = typed_array<int32_t>(scores.Get("margins"), "margins");
  view.margin = margins.data;
  view.rows = margins.length;
  view.target = typed_array_of<int32_t>(scores, "targets", view.rows).data;
  view.raw = typed_array_of<float>(scores, "raw", view.rows).data;
  view.weight = weights_of(scores, view.rows);
  const double margin_bits = number(scores, "marginBits");
  if (!(margin_bits >= -128 && margin_bits <= 128)) {
    throw Napi::RangeError::New(scores.Env(), "marginBits must be -128 to 128.");
  }
  view.margin_bits = static_cast<int>(margin_bits);
  check_magnitudes(scores.Env(), view.margin, view.rows, "margins");
  check_magnitudes(scores.Env(), view.target, view.rows, "targets");
  return view;
}

Napi::Value evaluate_metrics(const Napi::CallbackInfo& info) {
  const std::vector<Metric> metrics = metric_list(info[0]);
  const Napi::Object scores = object(info[1], "The scores");
  std::vector<double> values(metrics.size());
  MetricScratch scratch;
  return guarded(info.Env(), [&]() -> Napi::Value {
    if (scores.Has("classes")) {
      evaluate(metrics.data(), metrics.size(), multiclass_view(scores), scratch, values.data());
    } else if (scores.Has("labels")) {
      evaluate(metrics.data(), metrics.size(), binary_view(scores), scratch, values.data());
    } else {
      evaluate(metrics.data(), metrics.size(), regression_view(scores), scratch, values.data());
    }
    return new_typed_array<Napi::Float64Array>(info.Env(), values);
  });
}

Napi::Value curves(const Napi::CallbackInfo& info) {
  const Napi::Object scores = object(info[0], "The scores");
  OneVsRest one_class;
  BinaryView view;
  if (scores.Has("classes")) {
    const MulticlassView all = multiclass_view(scores);
    const size_t class_index = count(scores, "ofClass");
    if (class_index >= static_cast<size_t>(all.classes)) {
      throw Napi::RangeError::New(info.Env(), "ofClass must be below classes.");
    }
    one_class = one_vs_rest(all, static_cast<int>(class_index));
    view = one_class.view(all);
  } else {
    view = binary_view(scores);
  }
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
