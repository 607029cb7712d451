#include "cpu/pool.h"

#include <cfenv>
#if defined(__SSE2__)
#include <xmmintrin.h>
#endif

namespace lockstep {
namespace {

/**
 * Looks at a condition for some tenths of a millisecond before a thread goes to sleep: loops of one model follow each
 * other closely, and to be woken takes longer than most of them. Where more threads than cores are at work, each gives
 * way to the others on the way.
 */
template <class Condition>
bool spin_until(const Condition& condition) {
  for (int i = 0; i < 1000; ++i) {
    if (condition()) return true;
#if defined(__SSE2__)
    _mm_pause();
#endif
  }
  for (int i = 0; i < 300; ++i) {
    if (condition()) return true;
    std::this_thread::yield();
  }
  return condition();
}

}  // namespace

void reset_floating_point_environment() {
  std::fesetround(FE_TONEAREST);
#if defined(__SSE2__)
  constexpr unsigned kFlushToZeroAndDenormalsAreZero = 0x8040;
  _mm_setcsr(_mm_getcsr() & ~kFlushToZeroAndDenormalsAreZero);
#endif
}

ThreadPool::ThreadPool(int threads) {
  for (int i = 1; i < threads; ++i) workers_.emplace_back([this, i] { work(static_cast<size_t>(i)); });
}

ThreadPool::~ThreadPool() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  start_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::drain(size_t thread) {
  try {
    for (size_t i = next_.fetch_add(1); i < count_; i = next_.fetch_add(1)) (*body_)(i, thread);
  } catch (...) {
    next_.store(count_);
    const std::lock_guard lock(mutex_);
    if (!error_) error_ = std::current_exception();
  }
}

void ThreadPool::work(size_t thread) {
  reset_floating_point_environment();
  uint64_t seen = 0;
  for (;;) {
    const auto called = [&] { return closing_.load() || generation_.load() != seen; };
    if (!spin_until(called)) {
      std::unique_lock lock(mutex_);
      start_.wait(lock, called);
    }
    if (closing_) return;
    seen = generation_.load();
    drain(thread);
    if (busy_.fetch_sub(1) == 1) {
      const std::lock_guard lock(mutex_);
      done_.notify_one();
    }
  }
}

void ThreadPool::parallel_for(size_t count, const std::function<void(size_t, size_t)>& body) {
  {
    const std::lock_guard lock(mutex_);
    body_ = &body;
    count_ = count;
    next_.store(0);
    busy_.store(workers_.size());
    generation_.fetch_add(1);
  }
  start_.notify_all();
  drain(0);
  const auto finished = [&] { return busy_.load() == 0; };
  if (!spin_until(finished)) {
    std::unique_lock lock(mutex_);
    done_.wait(lock, finished);
  }
  if (error_) {
    const std::exception_ptr error = error_;
    error_ = nullptr;
    std::rethrow_exception(error);
  }
}

}  // namespace lockstep
