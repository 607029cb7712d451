#pragma once

#include <napi.h>

namespace lockstep::addon {

/**
 * binColumns({columns: ({values: Float32Array} | {codes: Int32Array, categories})[], rows, stride, training, weight?,
 * maxBin, bins: Uint8Array, threads, cancel: Int32Array}) → Promise<{bins, cuts: Float32Array, binOfCategory: Uint8Array}[]>; fills `bins`.
 */
Napi::Value bin_columns(const Napi::CallbackInfo& info);

}  // namespace lockstep::addon
