#include "addon/binning.h"

#include <memory>

#include "addon/values.h"
#include "cpu/binning.h"
#include "cpu/scale.h"

namespace lockstep::addon {

Napi::Value bin_columns(const Napi::CallbackInfo& info) {
  const Napi::Object from = object(info[0], "The table");
  const size_t rows = count(from, "rows");
  const size_t stride = count(from, "stride");
  const auto max_bin = static_cast<int>(count(from, "maxBin"));
  const auto threads = static_cast<int>(count(from, "threads"));
  if (max_bin < 2 || threads < 1) throw Napi::RangeError::New(info.Env(), "maxBin must be 2 or more, threads 1 or more.");
  const Napi::Array list = object(from.Get("columns"), "columns").As<Napi::Array>();
  if (stride < list.Length()) throw Napi::RangeError::New(info.Env(), "stride is less than the number of columns.");
  std::vector<RawColumn> columns;
  for (uint32_t f = 0; f < list.Length(); ++f) {
    const Napi::Object column = object(list.Get(f), "A column");
    RawColumn raw;
    if (column.Has("values")) {
      raw.values = typed_array_of<float>(column, "values", rows).data;
    } else {
      raw.codes = typed_array_of<int32_t>(column, "codes", rows).data;
      raw.categories = static_cast<int>(count(column, "categories"));
      for (size_t row = 0; row < rows; ++row) {
        if (raw.codes[row] < -1 || raw.codes[row] >= raw.categories) {
          throw Napi::RangeError::New(info.Env(), "A column holds a category code out of range.");
        }
      }
    }
    columns.push_back(raw);
  }
  auto training = std::make_shared<RowSet>(RowSets(rows).read(from.Get("training")));
  uint8_t* bins = typed_array_of<uint8_t>(from, "bins", rows * stride).data;
  auto view = std::make_shared<DatasetView>();
  if (from.Get("weight").IsTypedArray()) view->weight = typed_array_of<float>(from, "weight", rows).data;

  const Span<int32_t> flag = typed_array<int32_t>(from.Get("cancel"), "cancel");
  if (flag.length < 1) throw Napi::RangeError::New(info.Env(), "cancel has no element.");

  std::vector<Napi::ObjectReference> kept;
  kept.push_back(Napi::Persistent(from));
  using Worker = PromiseWorker<std::vector<FeatureBins>>;
  return Worker::start(
      info.Env(), std::move(kept),
      [=] {
        const ScaledWeights weights = scale_weights(*view, *training);
        ThreadPool pool(threads);
        return lockstep::bin_columns(columns, rows, *training, weights.values.empty() ? nullptr : weights.values.data(),
                                     max_bin, bins, stride, Executor(&pool), CancelFlag(flag.data));
      },
      [](Napi::Env env, std::vector<FeatureBins>& features) -> Napi::Value {
        Napi::Array results = Napi::Array::New(env, features.size());
        for (size_t f = 0; f < features.size(); ++f) {
          Napi::Object result = Napi::Object::New(env);
          result.Set("bins", features[f].bins);
          result.Set("cuts", new_typed_array<Napi::Float32Array>(env, features[f].cuts));
          result.Set("binOfCategory", new_typed_array<Napi::Uint8Array>(env, features[f].bin_of_category));
          results.Set(static_cast<uint32_t>(f), result);
        }
        return results;
      });
}

}  // namespace lockstep::addon
