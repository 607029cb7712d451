#include "addon/binning.h"

#include <algorithm>
#include <memory>

#include "addon/values.h"
#include "cpu/aligned.h"
#include "cpu/binning.h"
#include "cpu/scale.h"

namespace lockstep::addon {
namespace {

struct RawTable {
  size_t rows = 0;
  std::vector<RawColumn> columns;
};

RawColumn raw_column(const Napi::Object& from, size_t rows) {
  RawColumn column;
  if (from.Has("values")) {
    column.values = typed_array_of<float>(from, "values", rows).data;
    return column;
  }
  column.codes = typed_array_of<int32_t>(from, "codes", rows).data;
  column.categories = static_cast<int>(count(from, "categories"));
  int32_t lowest = 0;
  int32_t highest = -1;
  for (size_t row = 0; row < rows; ++row) {
    lowest = std::min(lowest, column.codes[row]);
    highest = std::max(highest, column.codes[row]);
  }
  if (lowest < -1 || highest >= column.categories) {
    throw Napi::RangeError::New(from.Env(), "A column holds a category code out of range.");
  }
  return column;
}

RawTable raw_table(const Napi::Object& from) {
  RawTable table;
  table.rows = count(from, "rows");
  const Napi::Array columns = object(from.Get("columns"), "columns").As<Napi::Array>();
  for (uint32_t f = 0; f < columns.Length(); ++f) {
    table.columns.push_back(raw_column(object(columns.Get(f), "A column"), table.rows));
  }
  return table;
}

bool same_kinds(const std::vector<RawColumn>& a, const std::vector<RawColumn>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const RawColumn& x, const RawColumn& y) {
    return (x.values == nullptr) == (y.values == nullptr) && x.categories == y.categories;
  });
}

std::vector<RawTable> raw_tables(const Napi::Value& value) {
  const Napi::Array list = object(value, "tables").As<Napi::Array>();
  std::vector<RawTable> tables;
  for (uint32_t t = 0; t < list.Length(); ++t) tables.push_back(raw_table(object(list.Get(t), "A table")));
  if (tables.empty()) throw Napi::RangeError::New(value.Env(), "tables is empty.");
  for (const RawTable& table : tables) {
    if (!same_kinds(table.columns, tables.front().columns)) {
      throw Napi::RangeError::New(value.Env(), "The columns of two tables differ in number, kind or categories.");
    }
  }
  return tables;
}

}  // namespace

Napi::Value bin_columns(const Napi::CallbackInfo& info) {
  const Napi::Object from = object(info[0], "The tables");
  const auto tables = std::make_shared<const std::vector<RawTable>>(raw_tables(from.Get("tables")));
  const RawTable& first = tables->front();
  size_t rows = 0;
  for (const RawTable& table : *tables) rows += table.rows;
  const size_t stride = count(from, "stride");
  const auto max_bin = static_cast<int>(count(from, "maxBin"));
  const auto threads = static_cast<int>(count(from, "threads"));
  if (max_bin < 2 || threads < 1) throw Napi::RangeError::New(info.Env(), "maxBin must be 2 or more, threads 1 or more.");
  if (stride < first.columns.size()) {
    throw Napi::RangeError::New(info.Env(), "stride is less than the number of columns.");
  }
  const auto training = std::make_shared<const RowSet>(RowSets(first.rows).read(from.Get("training")));
  uint8_t* bins = typed_array_of<uint8_t>(from, "bins", rows * stride).data;
  const auto view = std::make_shared<DatasetView>();
  if (from.Get("weight").IsTypedArray()) view->weight = typed_array_of<float>(from, "weight", first.rows).data;

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
        const Executor executor(&pool);
        const CancelFlag cancel(flag.data);
        std::vector<FeatureBins> features =
            find_bins(tables->front().columns, *training, weights.values.empty() ? nullptr : weights.values.data(),
                      max_bin, executor, cancel);
        advise_large_pages(bins, rows * stride);
        uint8_t* next = bins;
        for (const RawTable& table : *tables) {
          encode_rows(table.columns, table.rows, features, next, stride, executor, cancel);
          next += table.rows * stride;
        }
        return features;
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

Napi::Value cache_line_offset(const Napi::CallbackInfo& info) {
  const auto address = reinterpret_cast<uintptr_t>(typed_array<uint8_t>(info[0], "The array").data);
  return Napi::Number::New(info.Env(), static_cast<double>((kCacheLine - address % kCacheLine) % kCacheLine));
}

}  // namespace lockstep::addon
