// A small fixed pool of threads with one operation, a parallel loop. Nothing here affects results: all that engines
// compute in parallel are exact integers or disjoint writes.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace lockstep {

/** Thrown out of a computation when its cancel flag is set. */
class Cancelled : public std::exception {
 public:
  const char* what() const noexcept override { return "cancelled"; }
};

/** A flag shared with JavaScript (one element of an Int32Array); non-zero asks to stop. */
class CancelFlag {
 public:
  explicit CancelFlag(int32_t* flag = nullptr) : flag_(flag) {}
  bool is_set() const {
    return flag_ != nullptr && std::atomic_ref<int32_t>(*flag_).load(std::memory_order_relaxed) != 0;
  }
  /** Throws Cancelled once the flag is set. */
  void check() const {
    if (is_set()) throw Cancelled();
  }

 private:
  int32_t* flag_;
};

/** Puts the calling thread's floating-point unit in the state the numeric contract assumes: nearest-even, no flushing. */
void reset_floating_point_environment();

class ThreadPool {
 public:
  /** `threads` ≥ 1 counts the caller of `parallel_for`. */
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return static_cast<int>(workers_.size()) + 1; }

  /**
   * Calls body(i, thread) for every i in [0, count), in any order, on all threads; `thread` is in [0, threads()), and two
   * calls at the same time have different ones. Returns when all are done. An exception stops the hand-out of further
   * indices and is thrown again here. Not re-entrant: one loop at a time.
   */
  void parallel_for(size_t count, const std::function<void(size_t, size_t)>& body);

 private:
  void work(size_t thread);
  void drain(size_t thread);

  std::vector<std::thread> workers_;
  std::mutex mutex_;
  std::condition_variable start_;
  std::condition_variable done_;
  const std::function<void(size_t, size_t)>* body_ = nullptr;
  std::atomic<size_t> next_{0};
  size_t count_ = 0;
  std::atomic<uint64_t> generation_{0};
  std::atomic<size_t> busy_{0};
  std::atomic<bool> closing_{false};
  std::exception_ptr error_;
};

/** Runs loops on a pool, or on the calling thread when there is none. */
class Executor {
 public:
  explicit Executor(ThreadPool* pool = nullptr) : pool_(pool) {}
  int threads() const { return pool_ == nullptr ? 1 : pool_->threads(); }
  template <class Body>
  void parallel_for(size_t count, const Body& body) const {
    if (threads() == 1 || count < 2) {
      for (size_t i = 0; i < count; ++i) body(i, size_t{0});
    } else {
      pool_->parallel_for(count, body);
    }
  }
  /** Splits [0, count) into pieces of at most `grain` and calls body(begin, end) for each. */
  template <class Body>
  void parallel_ranges(size_t count, size_t grain, const Body& body) const {
    const size_t pieces = (count + grain - 1) / grain;
    parallel_for(pieces, [&](size_t piece, size_t) {
      const size_t begin = piece * grain;
      body(begin, begin + grain < count ? begin + grain : count);
    });
  }

 private:
  ThreadPool* pool_;
};

}  // namespace lockstep
