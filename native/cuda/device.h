// The device as host code sees it: memory, streams, errors. Every call of the runtime is checked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#ifdef LOCKSTEP_CUDA_EMULATION
#include "tests/cuda_emulation/cuda_emulation.h"
#else
#include <cuda_runtime.h>
#endif

#include "cuda/errors.h"

namespace lockstep::cuda {

/** Throws DeviceError with a remedy unless the call succeeded. */
void check(cudaError_t error);

/** What the plans of memory and launches depend on. */
struct DeviceInfo {
  std::string name;
  int major = 0;
  int minor = 0;
  int processors = 0;           // streaming multiprocessors
  size_t shared_bytes = 0;      // that a block may ask for
  size_t memory_bytes = 0;      // in all
};

/** The device in use, the first one. Throws DeviceError where there is none, or no driver for it. */
DeviceInfo device_info();

/** Bytes that can be allocated now. */
size_t free_memory();

class Stream {
 public:
  Stream() { check(cudaStreamCreate(&stream_)); }
  ~Stream() { cudaStreamDestroy(stream_); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  cudaStream_t get() const { return stream_; }
  /** Waits for all that was queued. */
  void synchronize() const { check(cudaStreamSynchronize(stream_)); }

 private:
  cudaStream_t stream_ = nullptr;
};

/** A point in the work of a stream. */
class Event {
 public:
  Event() { check(cudaEventCreate(&event_)); }
  ~Event() { cudaEventDestroy(event_); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  /** The point is the end of all that has been queued so far. */
  void record(const Stream& stream) { check(cudaEventRecord(event_, stream.get())); }
  /** Waits until the stream has got there. */
  void synchronize() const { check(cudaEventSynchronize(event_)); }

 private:
  cudaEvent_t event_ = nullptr;
};

/** Device memory of `count` elements, which are unspecified at first. */
template <class T>
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(size_t count) : size_(count) {
    void* memory = nullptr;
    if (count > 0) check(cudaMalloc(&memory, count * sizeof(T)));
    data_ = static_cast<T*>(memory);
  }
  Buffer(const std::vector<T>& values, const Stream& stream) : Buffer(values.size()) {
    copy_from(values.data(), values.size(), stream);
    stream.synchronize();
  }
  ~Buffer() {
    if (data_ != nullptr) cudaFree(data_);
  }
  Buffer(Buffer&& other) noexcept { *this = std::move(other); }
  Buffer& operator=(Buffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }

  /** A device pointer; null where the buffer is empty. */
  T* get() const { return data_; }
  size_t size() const { return size_; }
  size_t bytes() const { return size_ * sizeof(T); }
  /** Queues a copy; `from` must stay as it is until the stream gets there. */
  void copy_from(const T* from, size_t count, const Stream& stream) {
    if (count > 0) check(cudaMemcpyAsync(data_, from, count * sizeof(T), cudaMemcpyHostToDevice, stream.get()));
  }

 private:
  T* data_ = nullptr;
  size_t size_ = 0;
};

/** Host memory that copies from the device go to without a detour. */
template <class T>
class PinnedBuffer {
 public:
  PinnedBuffer() = default;
  ~PinnedBuffer() {
    if (data_ != nullptr) cudaFreeHost(data_);
  }
  PinnedBuffer(const PinnedBuffer&) = delete;
  PinnedBuffer& operator=(const PinnedBuffer&) = delete;

  /** Makes room for `count` elements, and some more; what was in it is lost where it grows. */
  void reserve(size_t count) {
    if (count <= size_) return;
    count += count / 2;
    if (data_ != nullptr) check(cudaFreeHost(data_));
    data_ = nullptr;
    size_ = 0;
    void* memory = nullptr;
    check(cudaMallocHost(&memory, count * sizeof(T)));
    data_ = static_cast<T*>(memory);
    size_ = count;
  }
  void copy_from(const T* device, size_t count, const Stream& stream) {
    if (count > 0) check(cudaMemcpyAsync(data_, device, count * sizeof(T), cudaMemcpyDeviceToHost, stream.get()));
  }
  const T& operator[](size_t i) const { return data_[i]; }
  const T* data() const { return data_; }

 private:
  T* data_ = nullptr;
  size_t size_ = 0;
};

/** Hands out pieces of one piece of device memory, or, without one, adds up what it would need. */
class Arena {
 public:
  explicit Arena(unsigned char* memory = nullptr) : memory_(memory) {
#ifdef LOCKSTEP_CUDA_EMULATION
    emulation::clear_guards(memory);
#endif
  }

  template <class T>
  T* take(size_t count) {
    used_ = (used_ + kAlignment - 1) / kAlignment * kAlignment;
    T* piece = memory_ == nullptr ? nullptr : reinterpret_cast<T*>(memory_ + used_);
    used_ += count * sizeof(T);
#ifdef LOCKSTEP_CUDA_EMULATION
    if (memory_ != nullptr) emulation::add_guard(memory_, memory_ + used_);
    used_ += emulation::kGuardBytes;
#endif
    return piece;
  }
  size_t used() const { return (used_ + kAlignment - 1) / kAlignment * kAlignment; }

 private:
  static constexpr size_t kAlignment = 256;
  unsigned char* memory_;
  size_t used_ = 0;
};

/** Work that is queued again and again: a CUDA graph, or, in the emulation, a list of calls. */
class Graph {
 public:
  Graph() = default;
  ~Graph();
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;

  /** Records what `queue` puts on the stream, without running it. */
  template <class Queue>
  void record(const Stream& stream, const Queue& queue) {
#ifdef LOCKSTEP_CUDA_EMULATION
    static_cast<void>(stream);
    queue_ = queue;
#else
    begin(stream);
    queue();
    end(stream);
#endif
  }
  void launch(const Stream& stream) const;

 private:
#ifdef LOCKSTEP_CUDA_EMULATION
  std::function<void()> queue_;
#else
  void begin(const Stream& stream);
  void end(const Stream& stream);
  cudaGraphExec_t graph_ = nullptr;
#endif
};

/** Times of kernels by name. Only while one is active are launches timed, one after the other and without graphs. */
class Profile {
 public:
  Profile();
  ~Profile();
  Profile(const Profile&) = delete;
  Profile& operator=(const Profile&) = delete;

  struct Entry {
    double milliseconds = 0;
    size_t launches = 0;
  };
  const std::map<std::string, Entry>& entries() const { return entries_; }
  static bool is_active() { return active_ != nullptr; }

  /** Times what is queued on the stream during its life. */
  class Scope {
   public:
    Scope(const Stream& stream, const char* name);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    const Stream& stream_;
    const char* name_;
  };

 private:
  static Profile* active_;
  std::map<std::string, Entry> entries_;
  cudaEvent_t start_ = nullptr;
  cudaEvent_t end_ = nullptr;
};

}  // namespace lockstep::cuda
