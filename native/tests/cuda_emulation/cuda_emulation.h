// Enough of CUDA to run the kernels of native/cuda on a CPU: each thread of a block is a fiber, blocks run one after the
// other. What it is for is finding mistakes, so device and shared memory start out as garbage, threads and blocks run in an
// order that a seed decides, and a barrier that not all threads reach ends the program with a sentence.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <type_traits>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)

struct dim3 {
  unsigned x = 1;
  unsigned y = 1;
  unsigned z = 1;
};

struct alignas(8) int2 {
  int x;
  int y;
};
struct alignas(8) uint2 {
  unsigned x;
  unsigned y;
};

namespace emulation {

struct Index {
  unsigned x = 0;
};

/** Where the thread that runs now is. */
struct Place {
  Index thread;
  Index block;
  Index block_size;
  Index grid_size;
  unsigned char* shared = nullptr;
};

extern thread_local Place place;

/** Decides the order of threads and blocks and the garbage in fresh memory. */
void set_seed(uint64_t seed);
/** Lets every call of the device fail from the n-th from now on, with cudaErrorUnknown; 0 ends that. */
void fail_from_call(uint64_t n);
/** Bytes of device memory that are allocated. */
size_t allocated_bytes();

/** Bytes to be left between pieces of one allocation, so that a write beyond a piece shows. */
inline constexpr size_t kGuardBytes = 64;
/** Forgets the guards within an allocation. */
void clear_guards(void* allocation);
/** Fills kGuardBytes and checks them whenever the host waits for the stream. */
void add_guard(void* allocation, void* guard);

/** Runs a kernel; `body` is one thread of it. */
void run(unsigned grid, unsigned block, size_t shared_bytes, const std::function<void()>& body);

void block_barrier();
/** Bytes that a lane can hand to its warp. */
inline constexpr size_t kSlotBytes = 32;
/** Gives the calling lane's `size` bytes to its warp and returns those of all 32 lanes, kSlotBytes apart. */
const unsigned char* exchange(const void* value, size_t size, int operation);

enum Operation { kShuffle, kShuffleUp, kShuffleXor, kBallot, kMatch, kSyncWarp };

inline unsigned lane() { return place.thread.x % 32; }

template <class T>
T exchanged(T value, unsigned from, int operation) {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= kSlotBytes);
  const unsigned char* all = exchange(&value, sizeof(T), operation);
  T result = value;
  if (from < 32) std::memcpy(static_cast<void*>(&result), all + kSlotBytes * from, sizeof(T));
  return result;
}

}  // namespace emulation

#define threadIdx (::emulation::place.thread)
#define blockIdx (::emulation::place.block)
#define blockDim (::emulation::place.block_size)
#define gridDim (::emulation::place.grid_size)

inline void __syncthreads() { emulation::block_barrier(); }
inline void __syncwarp(unsigned = 0xffffffffu) {
  const unsigned char nothing = 0;
  emulation::exchange(&nothing, 1, emulation::kSyncWarp);
}
inline unsigned __ballot_sync(unsigned, bool predicate) {
  const unsigned char flag = predicate ? 1 : 0;
  const unsigned char* all = emulation::exchange(&flag, 1, emulation::kBallot);
  unsigned bits = 0;
  for (unsigned lane = 0; lane < 32; ++lane) bits |= static_cast<unsigned>(all[emulation::kSlotBytes * lane]) << lane;
  return bits;
}
inline unsigned __match_any_sync(unsigned, unsigned value) {
  const unsigned char* all = emulation::exchange(&value, sizeof(value), emulation::kMatch);
  unsigned bits = 0;
  for (unsigned lane = 0; lane < 32; ++lane) bits |= (std::memcmp(all + emulation::kSlotBytes * lane, &value, 4) == 0 ? 1u : 0u) << lane;
  return bits;
}
inline int __popc(unsigned bits) { return __builtin_popcount(bits); }
inline int __ffs(int bits) { return __builtin_ffs(bits); }
inline int __clz(int bits) { return bits == 0 ? 32 : __builtin_clz(static_cast<unsigned>(bits)); }
template <class T>
T __ldg(const T* pointer) {
  return *pointer;
}

template <class T>
T atomicAdd(T* address, T value) {
  const T old = *address;
  if constexpr (std::is_signed_v<T>) {
    using U = std::make_unsigned_t<T>;
    *address = static_cast<T>(static_cast<U>(old) + static_cast<U>(value));
  } else {
    *address = old + value;
  }
  return old;
}
template <class T>
T atomicSub(T* address, T value) {
  const T old = *address;
  *address = old - value;
  return old;
}
template <class T>
T atomicOr(T* address, T value) {
  const T old = *address;
  *address = old | value;
  return old;
}
template <class T>
T atomicMin(T* address, T value) {
  const T old = *address;
  *address = value < old ? value : old;
  return old;
}
template <class T>
T atomicMax(T* address, T value) {
  const T old = *address;
  *address = value > old ? value : old;
  return old;
}

// The part of the runtime's interface that native/cuda/device.cu calls. There is one stream, and every call has ended
// when it returns.

enum cudaError_t { cudaSuccess = 0, cudaErrorMemoryAllocation = 2, cudaErrorNoDevice = 100, cudaErrorInsufficientDriver = 35,
                   cudaErrorNoKernelImageForDevice = 209, cudaErrorUnknown = 999 };
enum cudaMemcpyKind { cudaMemcpyHostToDevice, cudaMemcpyDeviceToHost, cudaMemcpyDeviceToDevice };
enum cudaDeviceAttr { cudaDevAttrMultiProcessorCount, cudaDevAttrMaxSharedMemoryPerBlockOptin };
enum cudaFuncAttribute { cudaFuncAttributeMaxDynamicSharedMemorySize };
using cudaStream_t = void*;
using cudaEvent_t = void*;

struct cudaDeviceProp {
  char name[256];
  int major;
  int minor;
};

cudaError_t cudaGetDeviceCount(int* count);
cudaError_t cudaSetDevice(int device);
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device);
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device);
cudaError_t cudaMemGetInfo(size_t* free_bytes, size_t* total_bytes);
cudaError_t cudaMalloc(void** pointer, size_t bytes);
cudaError_t cudaFree(void* pointer);
cudaError_t cudaMallocHost(void** pointer, size_t bytes);
cudaError_t cudaFreeHost(void* pointer);
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream);
cudaError_t cudaMemcpy2DAsync(void* to, size_t to_pitch, const void* from, size_t from_pitch, size_t width, size_t height,
                              cudaMemcpyKind kind, cudaStream_t stream);
cudaError_t cudaMemsetAsync(void* pointer, int value, size_t bytes, cudaStream_t stream);
cudaError_t cudaStreamCreate(cudaStream_t* stream);
cudaError_t cudaStreamDestroy(cudaStream_t stream);
cudaError_t cudaStreamSynchronize(cudaStream_t stream);
cudaError_t cudaEventCreate(cudaEvent_t* event);
cudaError_t cudaEventDestroy(cudaEvent_t event);
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream);
cudaError_t cudaEventSynchronize(cudaEvent_t event);
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t end);
const char* cudaGetErrorString(cudaError_t error);

template <class F>
cudaError_t cudaFuncSetAttribute(F*, cudaFuncAttribute, int) {
  return cudaSuccess;
}
