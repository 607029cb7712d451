#include "addon/values.h"

#include "cuda/errors.h"

namespace lockstep::addon {

RowSet RowSets::read(const Napi::Value& value) {
  RowSet set;
  if (value.IsTypedArray()) {
    const Span<uint32_t> list = typed_array<uint32_t>(value, "A row set");
    set.list = shared({list.data, list.length, 0, false}, [&] {
      for (size_t i = 0; i < list.length; ++i) {
        if (list.data[i] >= rows_ || (i > 0 && list.data[i] <= list.data[i - 1])) {
          throw Napi::RangeError::New(value.Env(),
                                      "A row set must list distinct row numbers in ascending order, each below " +
                                          std::to_string(rows_) + ".");
        }
      }
      return std::vector<uint32_t>(list.data, list.data + list.length);
    });
    return set;
  }
  const Napi::Object from = object(value, "A row set");
  if (from.Has("folds")) {
    const Span<uint8_t> folds = typed_array_of<uint8_t>(from, "folds", rows_);
    const size_t fold = count(from, "fold");
    if (fold >= kNoFold) throw Napi::RangeError::New(value.Env(), "fold must be 0 to 254.");
    const bool except = from.Get("except").ToBoolean();
    set.list = shared({folds.data, folds.length, fold, except}, [&] {
      std::vector<uint32_t> list;
      for (size_t row = 0; row < rows_; ++row) {
        const bool in = except ? folds.data[row] != fold && folds.data[row] != kNoFold : folds.data[row] == fold;
        if (in) list.push_back(static_cast<uint32_t>(row));
      }
      return list;
    });
    return set;
  }
  set.start = count(from, "start");
  set.end = count(from, "end");
  if (set.start > set.end || set.end > rows_) {
    throw Napi::RangeError::New(value.Env(), "A row range must lie within the " + std::to_string(rows_) + " rows.");
  }
  return set;
}

Napi::Error to_js_error(Napi::Env env, const std::exception& error) {
  const char* code = "LOCKSTEP_INTERNAL";
  std::string message = error.what();
  if (dynamic_cast<const std::bad_alloc*>(&error) != nullptr) {
    code = "LOCKSTEP_MEMORY";
    message = "the engine could not allocate memory";
  } else if (dynamic_cast<const std::invalid_argument*>(&error) != nullptr) {
    code = "LOCKSTEP_INPUT";
  } else if (dynamic_cast<const Cancelled*>(&error) != nullptr) {
    code = "LOCKSTEP_CANCELLED";
  } else if (dynamic_cast<const cuda::DeviceError*>(&error) != nullptr) {
    code = "LOCKSTEP_DEVICE";
  }
  const Napi::Error result = Napi::Error::New(env, message);
  result.Value().Set("code", code);
  return result;
}

}  // namespace lockstep::addon
