#pragma once

#include <napi.h>

namespace lockstep::addon {

/**
 * binColumns({tables: {rows, columns: ({values: Float32Array} | {codes: Int32Array, categories})[]}[], stride, training, weight?,
 * maxBin, bins: Uint8Array, threads, cancel: Int32Array}) → Promise<{bins, cuts: Float32Array, binOfCategory: Uint8Array}[]>
 *
 * Fills `bins` with the codes of the tables on top of each other. `training` and `weight` are of the first table, whose
 * columns decide the bins; the others have columns of the same kinds.
 */
Napi::Value bin_columns(const Napi::CallbackInfo& info);

/** cacheLineOffset(bytes: Uint8Array) → how many bytes lie before the first cache line that begins in the array. */
Napi::Value cache_line_offset(const Napi::CallbackInfo& info);

}  // namespace lockstep::addon
