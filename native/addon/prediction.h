// The JavaScript class Predictor: rows of raw values as src/boosting/predict-native.ts sees them.
#pragma once

#include <napi.h>

#include <memory>
#include <vector>

#include "cpu/predict.h"

namespace lockstep::addon {

/**
 * new Predictor({treeStart, feature, threshold, missingLeft, left, leaf, set, setStart, setWords, ranks, baseMargins, simd?},
 * rowWords: Int32Array, rowMargins: Int32Array): cpu/predict.h says what the arrays are. Those of the forest are not
 * kept; the other two are what predictRow reads and writes. Its memory goes with the JavaScript object.
 */
class PredictorObject : public Napi::ObjectWrap<PredictorObject> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit PredictorObject(const Napi::CallbackInfo& info);
  void Finalize(Napi::Env env) override;

 private:
  /**
   * predict(columns, rows, margins: Int32Array) → whether it could: false where a code is out of range. Columns are
   * {values: Float32Array} or {codes: Int32Array, ranks: Int32Array}, and anything for features that no split uses.
   */
  Napi::Value predict(const Napi::CallbackInfo& info);
  /** predictAsync(columns, rows, margins, threads, cancelFlag: Int32Array) → Promise of the same, off the event loop. */
  Napi::Value predict_async(const Napi::CallbackInfo& info);

  /** predictRow(): rowMargins from rowWords, the words of float32 numbers and ranks below their number. Unchecked. */
  void predict_row(const Napi::CallbackInfo& info);

  std::shared_ptr<const RawPredictor> predictor_;
  Napi::ObjectReference row_arrays_[2];
  const RowValue* row_values_ = nullptr;
  int32_t* row_margins_ = nullptr;
  std::vector<uint8_t> row_bytes_;
  int64_t reported_bytes_ = 0;
};

}  // namespace lockstep::addon
