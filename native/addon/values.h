// Reading JavaScript values with sentences for errors, and running work off the event loop.
#pragma once

#include <napi.h>

#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "cpu/data.h"
#include "cpu/pool.h"

namespace lockstep::addon {

template <class T>
constexpr napi_typedarray_type typed_array_type() {
  if constexpr (std::is_same_v<T, uint8_t>) return napi_uint8_array;
  if constexpr (std::is_same_v<T, int32_t>) return napi_int32_array;
  if constexpr (std::is_same_v<T, uint32_t>) return napi_uint32_array;
  if constexpr (std::is_same_v<T, float>) return napi_float32_array;
  if constexpr (std::is_same_v<T, double>) return napi_float64_array;
}

/** The memory of a typed array; it may lie in a SharedArrayBuffer, which Napi::ArrayBuffer would refuse. */
template <class T>
struct Span {
  T* data = nullptr;
  size_t length = 0;
};

template <class T>
Span<T> typed_array(const Napi::Value& value, const std::string& what) {
  napi_typedarray_type type{};
  Span<T> span;
  void* data = nullptr;
  if (!value.IsTypedArray() ||
      napi_get_typedarray_info(value.Env(), value, &type, &span.length, &data, nullptr, nullptr) != napi_ok ||
      type != typed_array_type<T>()) {
    throw Napi::TypeError::New(value.Env(), what + " is not a typed array of the right type.");
  }
  span.data = static_cast<T*>(data);
  return span;
}

/** The typed array `key` of `object`, which must hold `length` elements. */
template <class T>
Span<T> typed_array_of(const Napi::Object& object, const char* key, size_t length) {
  const Span<T> span = typed_array<T>(object.Get(key), key);
  if (span.length != length) {
    throw Napi::RangeError::New(object.Env(), std::string(key) + " has " + std::to_string(span.length) +
                                                  " elements, but " + std::to_string(length) + " are needed.");
  }
  return span;
}

inline Napi::Object object(const Napi::Value& value, const std::string& what) {
  if (!value.IsObject()) throw Napi::TypeError::New(value.Env(), what + " is not an object.");
  return value.As<Napi::Object>();
}

inline double number(const Napi::Object& from, const char* key) {
  const Napi::Value value = from.Get(key);
  if (!value.IsNumber()) throw Napi::TypeError::New(from.Env(), std::string(key) + " is not a number.");
  return value.As<Napi::Number>().DoubleValue();
}

inline size_t count(const Napi::Object& from, const char* key) {
  const double value = number(from, key);
  if (!(value >= 0 && value < 4294967296.0) || value != static_cast<double>(static_cast<size_t>(value))) {
    throw Napi::RangeError::New(from.Env(), std::string(key) + " is not a whole number in range.");
  }
  return static_cast<size_t>(value);
}

inline int thread_count(const Napi::Value& value) {
  const double threads = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : 0;
  if (!(threads >= 1 && threads <= 1024)) throw Napi::RangeError::New(value.Env(), "threads must be 1 to 1024.");
  return static_cast<int>(threads);
}

inline CancelFlag cancel_flag(const Napi::Value& value) {
  const Span<int32_t> flag = typed_array<int32_t>(value, "The cancel flag");
  if (flag.length < 1) throw Napi::RangeError::New(value.Env(), "The cancel flag has no element.");
  return CancelFlag(flag.data);
}

/**
 * Reads the row sets of src/data/types.ts, checked against the number of rows. Sets that come from the same array share one
 * list, so a thousand jobs over five folds hold ten.
 */
class RowSets {
 public:
  explicit RowSets(size_t rows) : rows_(rows) {}
  RowSet read(const Napi::Value& value);

 private:
  static constexpr size_t kNoFold = 255;
  using List = std::shared_ptr<const std::vector<uint32_t>>;
  using Source = std::tuple<const void*, size_t, size_t, bool>;  // array, length, fold, except

  template <class Make>
  List shared(const Source& source, const Make& make) {
    List& list = lists_[source];
    if (list == nullptr) list = std::make_shared<const std::vector<uint32_t>>(make());
    return list;
  }

  size_t rows_;
  std::map<Source, List> lists_;
};

template <class Array, class T>
Array new_typed_array(Napi::Env env, const std::vector<T>& values) {
  Array array = Array::New(env, values.size());
  std::copy(values.begin(), values.end(), array.Data());
  return array;
}

/** Turns a C++ exception into a JavaScript error whose `code` tells src/addon.ts what kind it is. */
Napi::Error to_js_error(Napi::Env env, const std::exception& error);

/** Calls `body`, turning C++ exceptions into JavaScript ones. */
template <class Body>
auto guarded(Napi::Env env, const Body& body) {
  try {
    return body();
  } catch (const Napi::Error&) {
    throw;
  } catch (const std::exception& error) {
    throw to_js_error(env, error);
  }
}

/** Runs `work` on a thread of libuv's pool, then `convert` on the JavaScript thread; settles a promise. */
template <class Result>
class PromiseWorker : public Napi::AsyncWorker {
 public:
  using Work = std::function<Result()>;
  using Convert = std::function<Napi::Value(Napi::Env, Result&)>;

  /** `kept` holds JavaScript values whose memory the work reads. */
  static Napi::Promise start(Napi::Env env, std::vector<Napi::ObjectReference> kept, Work work, Convert convert) {
    auto* worker = new PromiseWorker(env, std::move(kept), std::move(work), std::move(convert));
    const Napi::Promise promise = worker->deferred_.Promise();
    worker->Queue();
    return promise;
  }

 protected:
  void Execute() override {
    reset_floating_point_environment();
    try {
      result_ = work_();
    } catch (...) {
      error_ = std::current_exception();
    }
  }

  void OnOK() override {
    const Napi::HandleScope scope(Env());
    try {
      if (error_) std::rethrow_exception(error_);
      deferred_.Resolve(convert_(Env(), result_));
    } catch (const Napi::Error& error) {
      deferred_.Reject(error.Value());
    } catch (const std::exception& error) {
      deferred_.Reject(to_js_error(Env(), error).Value());
    }
  }

 private:
  PromiseWorker(Napi::Env env, std::vector<Napi::ObjectReference> kept, Work work, Convert convert)
      : Napi::AsyncWorker(env),
        deferred_(Napi::Promise::Deferred::New(env)),
        kept_(std::move(kept)),
        work_(std::move(work)),
        convert_(std::move(convert)) {}

  Napi::Promise::Deferred deferred_;
  std::vector<Napi::ObjectReference> kept_;
  Work work_;
  Convert convert_;
  Result result_{};
  std::exception_ptr error_;
};

}  // namespace lockstep::addon
