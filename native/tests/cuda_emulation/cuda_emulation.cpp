#include "tests/cuda_emulation/cuda_emulation.h"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <numeric>
#include <unordered_map>
#include <vector>

#if !defined(__x86_64__)
#include <ucontext.h>
#endif
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif

namespace emulation {

thread_local Place place;

namespace {

constexpr size_t kStackBytes = size_t{1} << 18;
constexpr unsigned kWarp = 32;
constexpr unsigned char kGuardByte = 0xC7;
constexpr size_t kSharedLimit = 101376;

uint64_t seed = 1;
uint64_t calls_until_failure = 0;

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "cuda emulation: %s (block %u, thread %u)\n", what, place.block.x, place.thread.x);
  std::abort();
}

uint64_t mixed(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

void fill_with_garbage(void* memory, size_t bytes, uint64_t salt) {
  std::memset(memory, static_cast<int>(0x80 | (mixed(seed + salt) & 0x7f)), bytes);
}

/** Visits 0 … n − 1 in an order that depends on the salt. */
class Order {
 public:
  Order(unsigned n, uint64_t salt) : n_(n), start_(static_cast<unsigned>(mixed(seed * 31 + salt) % n)) {
    step_ = static_cast<unsigned>(mixed(seed * 37 + salt + 1) % n) | 1u;
    while (std::gcd(step_, n) != 1) ++step_;
  }
  unsigned operator[](unsigned i) const {
    return static_cast<unsigned>((uint64_t{i} * step_ + start_) % n_);
  }

 private:
  unsigned n_;
  unsigned start_;
  unsigned step_;
};

enum class State { kReady, kWaiting, kDone };

/** A stack and where its thread stands. */
struct Fiber {
  std::unique_ptr<unsigned char[]> stack{new unsigned char[kStackBytes]};
  State state = State::kDone;
#if defined(__x86_64__)
  void* stack_pointer = nullptr;
#else
  ucontext_t context;
#endif
  void* fake_stack = nullptr;
};

struct Warp {
  alignas(16) unsigned char slots[2][kWarp * kSlotBytes];
  unsigned arrived = 0;
  unsigned phase = 0;
  int operation = 0;
};

/** The block that a host thread runs. */
struct Block {
  std::vector<std::unique_ptr<Fiber>> fibers;
  std::vector<Warp> warps;
  std::vector<unsigned char> shared;
  const std::function<void()>* body = nullptr;
  unsigned size = 0;
  unsigned done = 0;
  unsigned at_barrier = 0;
  unsigned current = 0;
#if defined(__x86_64__)
  void* scheduler = nullptr;
#else
  ucontext_t scheduler;
#endif
  void* fake_stack = nullptr;
  const void* scheduler_stack = nullptr;
  size_t scheduler_stack_bytes = 0;
};

thread_local Block block;

}  // namespace
}  // namespace emulation

#if defined(__x86_64__)
extern "C" void lockstep_switch_stack(void** from, void* to);
asm(R"(
.text
.globl lockstep_switch_stack
.type lockstep_switch_stack,@function
lockstep_switch_stack:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size lockstep_switch_stack, .-lockstep_switch_stack
)");
#endif

namespace emulation {
namespace {

void entered([[maybe_unused]] void* fake_stack) {
#if defined(__SANITIZE_ADDRESS__)
  const void* from = nullptr;
  size_t bytes = 0;
  __sanitizer_finish_switch_fiber(fake_stack, &from, &bytes);
  if (block.scheduler_stack == nullptr) {
    block.scheduler_stack = from;
    block.scheduler_stack_bytes = bytes;
  }
#endif
}

void to_scheduler(bool for_good) {
  Fiber& fiber = *block.fibers[block.current];
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(for_good ? nullptr : &fiber.fake_stack, block.scheduler_stack,
                                 block.scheduler_stack_bytes);
#else
  static_cast<void>(for_good);
#endif
#if defined(__x86_64__)
  lockstep_switch_stack(&fiber.stack_pointer, block.scheduler);
#else
  swapcontext(&fiber.context, &block.scheduler);
#endif
  entered(fiber.fake_stack);
}

void thread_main() {
  entered(nullptr);
  (*block.body)();
  block.fibers[block.current]->state = State::kDone;
  ++block.done;
  to_scheduler(true);
  std::abort();
}

void prepare(Fiber& fiber) {
  fiber.state = State::kReady;
  fiber.fake_stack = nullptr;
#if defined(__x86_64__)
  auto* top = reinterpret_cast<void**>(
      (reinterpret_cast<uintptr_t>(fiber.stack.get()) + kStackBytes) & ~uintptr_t{63});
  --top;  // a function finds its stack 8 below a multiple of 16
  *--top = reinterpret_cast<void*>(&thread_main);
  for (int i = 0; i < 6; ++i) *--top = nullptr;
  fiber.stack_pointer = top;
#else
  getcontext(&fiber.context);
  fiber.context.uc_stack.ss_sp = fiber.stack.get();
  fiber.context.uc_stack.ss_size = kStackBytes;
  fiber.context.uc_link = nullptr;
  makecontext(&fiber.context, &thread_main, 0);
#endif
}

void resume(unsigned thread) {
  block.current = thread;
  place.thread.x = thread;
  Fiber& fiber = *block.fibers[thread];
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(&block.fake_stack, fiber.stack.get(), kStackBytes);
#endif
#if defined(__x86_64__)
  lockstep_switch_stack(&block.scheduler, fiber.stack_pointer);
#else
  swapcontext(&block.scheduler, &fiber.context);
#endif
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(block.fake_stack, nullptr, nullptr);
#endif
}

void wait() {
  const unsigned thread = block.current;
  block.fibers[thread]->state = State::kWaiting;
  to_scheduler(false);
}

void run_block(uint64_t salt) {
  block.done = 0;
  block.at_barrier = 0;
  for (Warp& warp : block.warps) warp.arrived = 0;
  for (unsigned t = 0; t < block.size; ++t) prepare(*block.fibers[t]);
  const Order order(block.size, salt);
  while (block.done < block.size) {
    bool progress = false;
    for (unsigned i = 0; i < block.size; ++i) {
      const unsigned thread = order[i];
      if (block.fibers[thread]->state != State::kReady) continue;
      resume(thread);
      progress = true;
    }
    if (!progress) fail("not all threads reach a barrier");
  }
}

}  // namespace

void set_seed(uint64_t value) { seed = value; }

void fail_from_call(uint64_t n) { calls_until_failure = n; }

void run(unsigned grid, unsigned size, size_t shared_bytes, const std::function<void()>& body) {
  static std::mutex mutex;
  static uint64_t launches = 0;
  const std::lock_guard lock(mutex);
  if (size == 0 || size > 1024 || size % kWarp != 0) fail("a block must have whole warps, 1024 threads at most");
  if (shared_bytes > kSharedLimit) fail("a block asks for more shared memory than there is");
  const uint64_t salt = ++launches * 1000003;
  while (block.fibers.size() < size) block.fibers.push_back(std::make_unique<Fiber>());
  block.warps.resize(size / kWarp);
  block.shared.assign(shared_bytes + 2 * kGuardBytes, kGuardByte);
  block.body = &body;
  block.size = size;
  auto* start = block.shared.data() + kGuardBytes;
  start -= reinterpret_cast<uintptr_t>(start) % 16;
  place.block_size.x = size;
  place.grid_size.x = grid;
  place.shared = start;
  const Order order(grid, salt);
  for (unsigned b = 0; b < grid; ++b) {
    place.block.x = order[b];
    fill_with_garbage(start, shared_bytes, salt + b);
    run_block(salt + b);
    for (size_t i = 0; i < kGuardBytes - 16; ++i) {
      if (start[shared_bytes + i] != kGuardByte) fail("a block wrote beyond its shared memory");
    }
  }
}

void block_barrier() {
  if (block.done > 0) fail("a thread has ended before a barrier of its block");
  if (++block.at_barrier < block.size) {
    wait();
    return;
  }
  block.at_barrier = 0;
  for (unsigned t = 0; t < block.size; ++t) {
    if (block.fibers[t]->state == State::kWaiting) block.fibers[t]->state = State::kReady;
  }
}

const unsigned char* exchange(const void* value, size_t size, int operation) {
  const unsigned first = block.current / kWarp * kWarp;
  Warp& warp = block.warps[block.current / kWarp];
  unsigned char* slots = warp.slots[warp.phase];
  std::memcpy(slots + kSlotBytes * (block.current - first), value, size);
  if (warp.arrived == 0) warp.operation = operation;
  if (warp.operation != operation) fail("the lanes of a warp have come to different operations");
  if (++warp.arrived < kWarp) {
    wait();
    return slots;
  }
  warp.arrived = 0;
  warp.phase ^= 1;
  for (unsigned t = first; t < first + kWarp; ++t) {
    if (block.fibers[t]->state == State::kWaiting) block.fibers[t]->state = State::kReady;
  }
  return slots;
}

namespace {

struct Allocation {
  size_t bytes;
};
std::mutex memory_mutex;
std::unordered_map<void*, Allocation> allocations;
size_t allocated = 0;
std::unordered_map<void*, std::vector<const unsigned char*>> guards;

void check_guard(const unsigned char* guard, const char* what) {
  for (size_t i = 0; i < kGuardBytes; ++i) {
    if (guard[i] != kGuardByte) fail(what);
  }
}

/** Whether this call of the device fails. */
bool fails() {
  if (calls_until_failure == 0) return false;
  if (calls_until_failure == 1) return true;
  --calls_until_failure;
  return false;
}

cudaError_t done() { return fails() ? cudaErrorUnknown : cudaSuccess; }

}  // namespace

void clear_guards(void* allocation) {
  const std::lock_guard lock(memory_mutex);
  guards.erase(allocation);
}

void add_guard(void* allocation, void* guard) {
  const std::lock_guard lock(memory_mutex);
  std::memset(guard, kGuardByte, kGuardBytes);
  guards[allocation].push_back(static_cast<const unsigned char*>(guard));
}

size_t allocated_bytes() {
  const std::lock_guard lock(memory_mutex);
  return allocated;
}

}  // namespace emulation

using namespace emulation;

cudaError_t cudaGetDeviceCount(int* count) {
  *count = 1;
  return done();
}
cudaError_t cudaSetDevice(int) { return done(); }
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int) {
  *properties = {"emulated device", 9, 0};
  return done();
}
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int) {
  *value = attribute == cudaDevAttrMultiProcessorCount ? 3 : static_cast<int>(kSharedLimit);
  return done();
}
cudaError_t cudaMemGetInfo(size_t* free_bytes, size_t* total_bytes) {
  *total_bytes = size_t{1} << 30;
  *free_bytes = *total_bytes - allocated_bytes();
  return done();
}

cudaError_t cudaMalloc(void** pointer, size_t bytes) {
  if (fails()) return cudaErrorUnknown;
  auto* memory = static_cast<unsigned char*>(std::aligned_alloc(256, (bytes + 2 * 256 + 255) / 256 * 256));
  if (memory == nullptr) return cudaErrorMemoryAllocation;
  const std::lock_guard lock(memory_mutex);
  fill_with_garbage(memory + 256, bytes, allocations.size());
  std::memset(memory + 256 + bytes, kGuardByte, kGuardBytes);
  *pointer = memory + 256;
  allocations[*pointer] = {bytes};
  allocated += bytes;
  return cudaSuccess;
}

cudaError_t cudaFree(void* pointer) {
  if (pointer == nullptr) return cudaSuccess;
  const std::lock_guard lock(memory_mutex);
  const auto found = allocations.find(pointer);
  if (found == allocations.end()) fail("memory is freed that was not allocated");
  check_guard(static_cast<unsigned char*>(pointer) + found->second.bytes, "a kernel wrote beyond the end of device memory");
  guards.erase(pointer);
  allocated -= found->second.bytes;
  allocations.erase(found);
  std::free(static_cast<unsigned char*>(pointer) - 256);
  return cudaSuccess;
}

cudaError_t cudaMallocHost(void** pointer, size_t bytes) {
  if (fails()) return cudaErrorUnknown;
  *pointer = std::malloc(bytes);
  return *pointer == nullptr ? cudaErrorMemoryAllocation : cudaSuccess;
}
cudaError_t cudaFreeHost(void* pointer) {
  std::free(pointer);
  return cudaSuccess;
}
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind, cudaStream_t) {
  if (bytes > 0) std::memcpy(to, from, bytes);
  return done();
}
cudaError_t cudaMemcpy2DAsync(void* to, size_t to_pitch, const void* from, size_t from_pitch, size_t width, size_t height,
                              cudaMemcpyKind, cudaStream_t) {
  for (size_t i = 0; i < height; ++i) {
    std::memcpy(static_cast<unsigned char*>(to) + i * to_pitch, static_cast<const unsigned char*>(from) + i * from_pitch,
                width);
  }
  return done();
}
cudaError_t cudaMemsetAsync(void* pointer, int value, size_t bytes, cudaStream_t) {
  if (bytes > 0) std::memset(pointer, value, bytes);
  return done();
}
cudaError_t cudaStreamCreate(cudaStream_t* stream) {
  *stream = nullptr;
  return done();
}
cudaError_t cudaStreamDestroy(cudaStream_t) { return cudaSuccess; }
cudaError_t cudaStreamSynchronize(cudaStream_t) {
  const std::lock_guard lock(memory_mutex);
  for (const auto& [allocation, pieces] : guards) {
    for (const unsigned char* guard : pieces) check_guard(guard, "a kernel wrote beyond the end of a piece of device memory");
  }
  return done();
}
cudaError_t cudaEventCreate(cudaEvent_t* event) {
  const cudaError_t error = done();
  if (error == cudaSuccess) *event = new std::chrono::steady_clock::time_point();
  return error;
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete static_cast<std::chrono::steady_clock::time_point*>(event);
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t) {
  *static_cast<std::chrono::steady_clock::time_point*>(event) = std::chrono::steady_clock::now();
  return done();
}
cudaError_t cudaEventSynchronize(cudaEvent_t) { return done(); }
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t end) {
  const auto* a = static_cast<std::chrono::steady_clock::time_point*>(start);
  const auto* b = static_cast<std::chrono::steady_clock::time_point*>(end);
  *milliseconds = std::chrono::duration<float, std::milli>(*b - *a).count();
  return cudaSuccess;
}
const char* cudaGetErrorString(cudaError_t error) {
  return error == cudaErrorMemoryAllocation ? "out of memory" : "unknown error";
}
