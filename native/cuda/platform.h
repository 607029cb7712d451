// CUDA as the kernels see it: a device's, or that of the emulation (native/tests/cuda_emulation), by which the same
// sources run on a CPU.
#pragma once

#include <cstddef>
#include <cstdint>
#include <tuple>
#include <utility>

#ifdef LOCKSTEP_CUDA_EMULATION
#include "tests/cuda_emulation/cuda_emulation.h"
#else
#include <cuda_runtime.h>
#endif

#include "cuda/device.h"

namespace lockstep::cuda {

inline constexpr unsigned kWarpSize = 32;
inline constexpr unsigned kAllLanes = 0xffffffffu;

/** The shared memory that a block was launched with; unspecified at first. */
template <class T>
__device__ T* shared_memory() {
#ifdef LOCKSTEP_CUDA_EMULATION
  return reinterpret_cast<T*>(emulation::place.shared);
#else
  extern __shared__ __align__(16) unsigned char block_memory[];
  return reinterpret_cast<T*>(block_memory);
#endif
}

/** Allows blocks of a kernel so much shared memory. */
template <class... Parameters>
void allow_shared_memory(void (*kernel)(Parameters...), size_t bytes) {
  check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(bytes)));
}

/** Queues a kernel of `grid` blocks of `block` threads; none for an empty grid. `name` is for the times of a profile. */
template <class... Parameters, class... Arguments>
void launch(const Stream& stream, const char* name, void (*kernel)(Parameters...), size_t grid, unsigned block,
            size_t shared_bytes, Arguments... arguments) {
  if (grid == 0) return;
  const Profile::Scope scope(stream, name);
#ifdef LOCKSTEP_CUDA_EMULATION
  emulation::run(static_cast<unsigned>(grid), block, shared_bytes, [&] { kernel(Parameters(arguments)...); });
#else
  std::tuple<Parameters...> values{Parameters(arguments)...};
  std::apply(
      [&](auto&... value) {
        void* pointers[] = {static_cast<void*>(&value)...};
        check(cudaLaunchKernel(reinterpret_cast<const void*>(kernel), dim3(static_cast<unsigned>(grid)), dim3(block),
                               pointers, shared_bytes, stream.get()));
      },
      values);
#endif
}

}  // namespace lockstep::cuda
