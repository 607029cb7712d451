#include "cpu/kernels.h"

#include <cstdlib>
#include <stdexcept>

#include "cpu/kernels_shared.h"

namespace lockstep {
namespace {

std::vector<const Kernels*> runnable() {
  std::vector<const Kernels*> found;
  for (const Kernels* kernels : {avx512_kernels(), avx2_kernels(), neon_kernels(), &scalar_kernels()}) {
    if (kernels != nullptr) found.push_back(kernels);
  }
  return found;
}

}  // namespace

std::vector<std::string> available_kernels() {
  std::vector<std::string> names;
  for (const Kernels* kernels : runnable()) names.emplace_back(kernels->name);
  return names;
}

const Kernels& kernels_named(const std::string& name) {
  const char* variable = std::getenv("LOCKSTEP_SIMD");
  const bool from_environment = name.empty() && variable != nullptr;
  const std::string wanted = from_environment ? variable : name;
  const std::vector<const Kernels*> found = runnable();
  if (wanted.empty()) return *found.front();
  std::string known;
  for (const Kernels* kernels : found) {
    if (wanted == kernels->name) return *kernels;
    known += (known.empty() ? "" : ", ") + std::string(kernels->name);
  }
  throw std::invalid_argument((from_environment ? "LOCKSTEP_SIMD is " : "simd is ") + wanted +
                              ", but this machine runs " + known);
}

}  // namespace lockstep
