#include "cpu/aligned.h"

#include <cstdint>
#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace lockstep {

void advise_large_pages(void* data, size_t bytes) {
#if defined(__linux__)
  const auto begin = (reinterpret_cast<uintptr_t>(data) + kLargePage - 1) / kLargePage * kLargePage;
  const auto end = (reinterpret_cast<uintptr_t>(data) + bytes) / kLargePage * kLargePage;
  if (begin < end) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
#else
  static_cast<void>(data);
  static_cast<void>(bytes);
#endif
}

}  // namespace lockstep
