#include "cpu/kernels_shared.h"

namespace lockstep {
const Kernels* neon_kernels() { return nullptr; }
}  // namespace lockstep
