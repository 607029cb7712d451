// Kernels for AVX-512 (F, BW, DQ, VL); none on other processors than x86-64.
#include "cpu/kernels_shared.h"

#if defined(__x86_64__)

#include <immintrin.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <utility>

#if !defined(__clang__)
// GCC 12 warns of its own header's undefined vectors.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
// Only what follows may use the instructions: functions of the headers above could be shared with other files.
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")
#endif

namespace lockstep {
namespace {

#include "cpu/traits_avx2.h"
#include "cpu/traits_avx512.h"

#include "cpu/kernels_rows.h"
#include "cpu/kernels_search.h"
#include "cpu/kernels_small.h"

}  // namespace
}  // namespace lockstep

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

namespace lockstep {

const Kernels* avx512_kernels() {
  static constexpr Kernels kernels{"avx512",
                                   logistic_rows<RowsAvx512>,
                                   loss_sum<RowsAvx512>,
                                   sample_row_masks<RowsAvx512>,
                                   first_words<RowsAvx512>,
                                   select_rows<RowsAvx512>,
                                   partition_rows<RowsAvx512>,
                                   add_leaves<RowsAvx512>,
                                   search_group<LanesAvx512, LanesAvx2, DoublesAvx512>,
                                   search_group_pair<LanesAvx512, LanesAvx2>,
                                   search_small<SmallAvx512, LanesAvx512>};
  const bool runs = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                    __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  return runs ? &kernels : nullptr;
}

}  // namespace lockstep

#else

namespace lockstep {
const Kernels* avx512_kernels() { return nullptr; }
}  // namespace lockstep

#endif
