// What a CUDA device can do at most of that which summing histograms takes: additions to shared memory, by lanes that never
// meet in a bank and by lanes that meet at random, and reading memory. usage: lockstep_cuda_ceilings
#include <cstdint>
#include <cstdio>
#include <vector>

#include "cuda/platform.h"

namespace {

using namespace lockstep::cuda;

constexpr unsigned kBlock = 512;
constexpr uint32_t kCodes = 256;
constexpr uint32_t kCells = kCodes * kWarpSize;
constexpr uint32_t kTurns = 4096;

/** Every lane adds two words, as for a gradient and a Hessian, to a cell of a code that changes from turn to turn. */
template <bool kOwnBank>
__global__ void __launch_bounds__(kBlock) add_to_shared(uint32_t* sink) {
  auto* cells = shared_memory<int32_t>();
  for (uint32_t c = threadIdx.x; c < 2 * kCells; c += kBlock) cells[c] = 0;
  __syncthreads();
  const uint32_t lane = threadIdx.x % kWarpSize;
  uint32_t state = blockIdx.x * kBlock + threadIdx.x + 1;
  for (uint32_t turn = 0; turn < kTurns; ++turn) {
    state = state * 1664525u + 1013904223u;
    const uint32_t code = state >> 24;
    int32_t* cell = cells + (kOwnBank ? code * kWarpSize + lane : lane * kCodes + code);
    atomicAdd(cell, 1);
    atomicAdd(cell + kCells, 1);
  }
  __syncthreads();
  if (cells[threadIdx.x] == -1) *sink = 1;
}

__global__ void __launch_bounds__(kBlock) read_memory(const uint4* from, size_t count, uint32_t* sink) {
  uint32_t seen = 0;
  for (size_t i = size_t{blockIdx.x} * kBlock + threadIdx.x; i < count; i += size_t{gridDim.x} * kBlock) {
    const uint4 word = from[i];
    seen |= word.x ^ word.y ^ word.z ^ word.w;
  }
  if (seen == 0x12345678u) *sink = seen;
}

/** The shortest of five times, in seconds. */
template <class Queue>
double seconds_of(const Stream& stream, const Queue& queue) {
  cudaEvent_t start = nullptr;
  cudaEvent_t end = nullptr;
  check(cudaEventCreate(&start));
  check(cudaEventCreate(&end));
  float best = 1e9f;
  for (int i = 0; i < 5; ++i) {
    check(cudaEventRecord(start, stream.get()));
    queue();
    check(cudaEventRecord(end, stream.get()));
    check(cudaEventSynchronize(end));
    float milliseconds = 0;
    check(cudaEventElapsedTime(&milliseconds, start, end));
    best = milliseconds < best ? milliseconds : best;
  }
  cudaEventDestroy(start);
  cudaEventDestroy(end);
  return double{best} * 1e-3;
}

}  // namespace

int main() {
  try {
    const DeviceInfo device = device_info();
    const Stream stream;
    const Buffer<uint32_t> sink(1);
    const size_t blocks = static_cast<size_t>(device.processors) * 3;
    const size_t shared = 2 * kCells * sizeof(int32_t);
    allow_shared_memory(add_to_shared<true>, shared);
    allow_shared_memory(add_to_shared<false>, shared);
    const double additions = 2.0 * kTurns * kBlock * static_cast<double>(blocks);
    const double apart = seconds_of(stream, [&] { launch(stream, "apart", add_to_shared<true>, blocks, kBlock, shared, sink.get()); });
    const double random = seconds_of(stream, [&] { launch(stream, "random", add_to_shared<false>, blocks, kBlock, shared, sink.get()); });
    constexpr size_t kBytes = size_t{4} << 30;
    const Buffer<uint4> memory(kBytes / sizeof(uint4));
    check(cudaMemsetAsync(memory.get(), 1, kBytes, stream.get()));
    const double reading = seconds_of(stream, [&] {
      launch(stream, "read", read_memory, static_cast<size_t>(device.processors) * 16, kBlock, 0, memory.get(), memory.size(), sink.get());
    });
    std::printf("%s: additions to shared memory %.0f G/s in banks of their own, %.0f G/s in random banks; reading memory %.0f GB/s\n",
                device.name.c_str(), additions / apart * 1e-9, additions / random * 1e-9, static_cast<double>(kBytes) / reading * 1e-9);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
