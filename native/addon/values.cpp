#include "addon/values.h"

namespace lockstep::addon {

RowSet row_set(const Napi::Value& value, size_t rows) {
  RowSet set;
  if (value.IsTypedArray()) {
    const Span<uint32_t> list = typed_array<uint32_t>(value, "A row set");
    for (size_t i = 0; i < list.length; ++i) {
      if (list.data[i] >= rows || (i > 0 && list.data[i] <= list.data[i - 1])) {
        throw Napi::RangeError::New(value.Env(), "A row set must list distinct row numbers in ascending order, each below " +
                                                     std::to_string(rows) + ".");
      }
    }
    set.listed = true;
    set.list.assign(list.data, list.data + list.length);
    return set;
  }
  const Napi::Object range = object(value, "A row set");
  set.start = count(range, "start");
  set.end = count(range, "end");
  if (set.start > set.end || set.end > rows) {
    throw Napi::RangeError::New(value.Env(), "A row range must lie within the " + std::to_string(rows) + " rows.");
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
  }
  const Napi::Error result = Napi::Error::New(env, message);
  result.Value().Set("code", code);
  return result;
}

}  // namespace lockstep::addon
