// Kernels for AVX2 with FMA; none on other processors than x86-64.
#include "cpu/kernels_shared.h"

#if defined(__x86_64__)

#include <immintrin.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <utility>

// Only what follows may use the instructions: functions of the headers above could be shared with other files.
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#endif

namespace lockstep {
namespace {

#include "cpu/traits_avx2.h"

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

const Kernels* avx2_kernels() {
  static constexpr Kernels kernels{"avx2",
                                   logistic_rows<RowsAvx2>,
                                   loss_sum<RowsAvx2>,
                                   sample_row_masks<RowsAvx2>,
                                   first_words<RowsAvx2>,
                                   select_rows<RowsAvx2>,
                                   partition_rows<RowsAvx2>,
                                   add_leaves<RowsAvx2>,
                                   search_group<LanesAvx2, LanesAvx2, DoublesAvx2>,
                                   search_group_pair<LanesAvx2, LanesAvx2>,
                                   search_small<SmallAvx2, LanesAvx2>};
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? &kernels : nullptr;
}

}  // namespace lockstep

#else

namespace lockstep {
const Kernels* avx2_kernels() { return nullptr; }
}  // namespace lockstep

#endif
