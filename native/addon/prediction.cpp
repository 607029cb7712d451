#include "addon/prediction.h"

#include <string>
#include <utility>
#include <vector>

#include "addon/values.h"
#include "core/fixed.h"
#include "cpu/kernels.h"
#include "cpu/pool.h"

namespace lockstep::addon {
namespace {

/** Checks that every node is within bounds and below its parent, so that routing a row always ends. */
RawForest raw_forest(const Napi::Object& from) {
  const auto malformed = [&](const char* what) {
    return Napi::RangeError::New(from.Env(), std::string("The forest is malformed: ") + what + ".");
  };
  const Span<int32_t> tree_start = typed_array<int32_t>(from.Get("treeStart"), "treeStart");
  if (tree_start.length == 0 || tree_start.data[0] != 0) throw malformed("treeStart does not begin with 0");
  for (size_t t = 0; t + 1 < tree_start.length; ++t) {
    if (tree_start.data[t + 1] <= tree_start.data[t]) throw malformed("a tree has no nodes");
  }
  const auto nodes = static_cast<size_t>(tree_start.data[tree_start.length - 1]);
  const Span<int32_t> ranks = typed_array<int32_t>(from.Get("ranks"), "ranks");
  const Span<int32_t> set_start = typed_array<int32_t>(from.Get("setStart"), "setStart");
  const Span<uint32_t> set_words = typed_array<uint32_t>(from.Get("setWords"), "setWords");
  const Span<int32_t> base_margins = typed_array<int32_t>(from.Get("baseMargins"), "baseMargins");
  RawForest forest;
  forest.trees = tree_start.length - 1;
  forest.tree_start = tree_start.data;
  forest.feature = typed_array_of<int32_t>(from, "feature", nodes).data;
  forest.threshold = typed_array_of<float>(from, "threshold", nodes).data;
  forest.missing_left = typed_array_of<uint8_t>(from, "missingLeft", nodes).data;
  forest.left = typed_array_of<int32_t>(from, "left", nodes).data;
  forest.leaf = typed_array_of<int32_t>(from, "leaf", nodes).data;
  forest.set = typed_array_of<int32_t>(from, "set", nodes).data;
  forest.set_start = set_start.data;
  forest.set_words = set_words.data;
  if (base_margins.length == 0) throw malformed("there is no base margin");
  for (size_t k = 0; k < base_margins.length; ++k) forest.base_margins.push_back(clamp_margin(base_margins.data[k]));
  for (size_t f = 0; f < ranks.length; ++f) {
    if (ranks.data[f] < 0) throw malformed("a number of ranks is negative");
    forest.ranks.push_back(static_cast<size_t>(ranks.data[f]));
  }
  const auto has_words = [&](int32_t set, size_t count) {
    if (set < 0 || static_cast<size_t>(set) >= set_start.length) return false;
    const int32_t start = set_start.data[set];
    return start >= 0 && static_cast<size_t>(start) + count <= set_words.length;
  };
  for (size_t t = 0; t < forest.trees; ++t) {
    const int32_t size = tree_start.data[t + 1] - tree_start.data[t];
    for (int32_t n = 0; n < size; ++n) {
      const auto i = static_cast<size_t>(tree_start.data[t] + n);
      if (forest.leaf[i] > kLeafLimit || forest.leaf[i] < -kLeafLimit) throw malformed("a leaf is out of range");
      if (forest.feature[i] < 0) continue;
      const auto f = static_cast<size_t>(forest.feature[i]);
      if (f >= forest.ranks.size()) throw malformed("a split names a feature that there is not");
      if (forest.left[i] <= n || forest.left[i] >= size - 1) throw malformed("a child is out of order");
      if (forest.ranks[f] == 0 && forest.threshold[i] != forest.threshold[i]) throw malformed("a threshold is NaN");
      if (forest.ranks[f] > 0 && !has_words(forest.set[i], (forest.ranks[f] + 31) / 32)) {
        throw malformed("a set of categories is absent");
      }
    }
  }
  return forest;
}

size_t row_count(const Napi::Value& value) {
  const double rows = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : -1;
  if (!(rows >= 0 && rows < 2147483648.0)) throw Napi::RangeError::New(value.Env(), "rows must be 0 to 2^31 - 1.");
  return static_cast<size_t>(rows);
}

/** The columns that splits use, checked. */
std::vector<PredictColumn> predict_columns(const Napi::Value& value, const RawPredictor& predictor, size_t rows) {
  const Napi::Object list = object(value, "The list of columns");
  std::vector<PredictColumn> columns(predictor.features());
  for (size_t f = 0; f < columns.size(); ++f) {
    if (!predictor.uses(f)) continue;
    const Napi::Object from = object(list.Get(static_cast<uint32_t>(f)), "A column");
    PredictColumn& column = columns[f];
    const size_t ranks = predictor.ranks_of(f);
    size_t length = 0;
    if (ranks == 0) {
      const Span<float> values = typed_array<float>(from.Get("values"), "values");
      column.values = values.data;
      length = values.length;
    } else {
      const Span<int32_t> codes = typed_array<int32_t>(from.Get("codes"), "codes");
      const Span<int32_t> of_codes = typed_array<int32_t>(from.Get("ranks"), "ranks");
      if (of_codes.length == 0) throw Napi::RangeError::New(value.Env(), "ranks has no element for missing values.");
      for (size_t c = 0; c < of_codes.length; ++c) {
        if (of_codes.data[c] < 0 || static_cast<size_t>(of_codes.data[c]) >= ranks) {
          throw Napi::RangeError::New(value.Env(), "A rank is out of range.");
        }
      }
      column.codes = codes.data;
      column.categories = of_codes.length - 1;
      column.ranks = of_codes.data;
      length = codes.length;
    }
    if (length < rows) throw Napi::RangeError::New(value.Env(), "A column has fewer values than there are rows.");
  }
  return columns;
}

int32_t* margins_of(const Napi::Value& value, const RawPredictor& predictor, size_t rows) {
  const Span<int32_t> margins = typed_array<int32_t>(value, "margins");
  if (margins.length != rows * predictor.outputs()) {
    throw Napi::RangeError::New(value.Env(), "margins must have an element for each row and output.");
  }
  return margins.data;
}

}  // namespace

Napi::Function PredictorObject::define(Napi::Env env) {
  return DefineClass(env, "Predictor", {InstanceMethod("predict", &PredictorObject::predict),
                                       InstanceMethod("predictAsync", &PredictorObject::predict_async),
                                       InstanceMethod("predictRow", &PredictorObject::predict_row)});
}

PredictorObject::PredictorObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<PredictorObject>(info) {
  const Napi::Object from = object(info[0], "The forest");
  const RawForest forest = raw_forest(from);
  const std::string simd = from.Get("simd").IsString() ? from.Get("simd").ToString().Utf8Value() : "";
  guarded(info.Env(), [&] {
    predictor_ = std::make_shared<const RawPredictor>(forest, predict_kernels(kernels_named(simd)));
  });
  const Span<int32_t> words = typed_array<int32_t>(info[1], "rowWords");
  const Span<int32_t> margins = typed_array<int32_t>(info[2], "rowMargins");
  if (words.length != predictor_->features() || margins.length != predictor_->outputs()) {
    throw Napi::RangeError::New(info.Env(), "rowWords must have an element for each feature, rowMargins for each output.");
  }
  row_values_ = reinterpret_cast<const RowValue*>(words.data);
  row_margins_ = margins.data;
  for (size_t i = 0; i < 2; ++i) row_arrays_[i] = Napi::Persistent(info[i + 1].As<Napi::Object>());
  row_bytes_.resize(predictor_->row_bytes());
  reported_bytes_ = static_cast<int64_t>(predictor_->bytes());
  Napi::MemoryManagement::AdjustExternalMemory(info.Env(), reported_bytes_);
}

void PredictorObject::Finalize(Napi::Env env) {
  Napi::MemoryManagement::AdjustExternalMemory(env, -reported_bytes_);
}

Napi::Value PredictorObject::predict(const Napi::CallbackInfo& info) {
  const size_t rows = row_count(info[1]);
  const std::vector<PredictColumn> columns = predict_columns(info[0], *predictor_, rows);
  int32_t* const margins = margins_of(info[2], *predictor_, rows);
  return guarded(info.Env(), [&]() -> Napi::Value {
    return Napi::Boolean::New(info.Env(), predictor_->predict(columns, rows, margins, Executor()));
  });
}

void PredictorObject::predict_row(const Napi::CallbackInfo&) {
  predictor_->predict_row(row_values_, row_bytes_.data(), row_margins_);
}

Napi::Value PredictorObject::predict_async(const Napi::CallbackInfo& info) {
  const size_t rows = row_count(info[1]);
  const std::vector<PredictColumn> columns = predict_columns(info[0], *predictor_, rows);
  int32_t* const margins = margins_of(info[2], *predictor_, rows);
  const int threads = thread_count(info[3]);
  const CancelFlag cancel = cancel_flag(info[4]);
  const std::shared_ptr<const RawPredictor> held = predictor_;
  std::vector<Napi::ObjectReference> kept;
  for (const Napi::Value& value : {info[0], info[2], info[4]}) kept.push_back(Napi::Persistent(value.As<Napi::Object>()));
  return PromiseWorker<bool>::start(
      info.Env(), std::move(kept),
      [=] {
        ThreadPool pool(threads);
        return held->predict(columns, rows, margins, Executor(&pool), cancel);
      },
      [](Napi::Env env, bool& known) -> Napi::Value { return Napi::Boolean::New(env, known); });
}

}  // namespace lockstep::addon
