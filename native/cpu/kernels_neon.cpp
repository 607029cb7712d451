// Kernels for NEON, which every 64-bit ARM processor has.
#include "cpu/kernels_shared.h"

#if defined(__aarch64__)

#include <arm_neon.h>

#include <cstring>

namespace lockstep {
namespace {

#include "cpu/traits_neon.h"

#include "cpu/kernels_rows.h"
#include "cpu/kernels_search.h"

}  // namespace

const Kernels* neon_kernels() {
  static constexpr Kernels kernels{"neon",
                                   logistic_rows<RowsNeon>,
                                   loss_sum<RowsNeon>,
                                   sample_row_masks<RowsNeon>,
                                   first_words<RowsNeon>,
                                   select_rows<RowsNeon>,
                                   partition_rows<RowsNeon>,
                                   add_leaves<RowsNeon>,
                                   search_group<LanesNeon, LanesNeon, DoublesNeon>,
                                   search_group_pair<LanesNeon, LanesNeon>,
                                   nullptr};
  return &kernels;
}

}  // namespace lockstep

#else

namespace lockstep {
const Kernels* neon_kernels() { return nullptr; }
}  // namespace lockstep

#endif
