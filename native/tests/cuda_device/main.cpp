// The checks of native/tests/cuda_test.cpp on a CUDA device. Ends with status 4 where there is none.
#include <cstdio>

#include "cuda/device.h"

void test_cuda();

int main() {
  try {
    std::printf("on %s:\n", lockstep::cuda::device_info().name.c_str());
    test_cuda();
  } catch (const lockstep::cuda::DeviceError& error) {
    std::fprintf(stderr, "not run: %s\n", error.what());
    return 4;
  }
  std::puts("CUDA tests passed");
  return 0;
}
