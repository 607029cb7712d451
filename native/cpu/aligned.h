// Memory on cache-line boundaries, for vectors that never straddle a line.
#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <utility>

namespace lockstep {

inline constexpr size_t kCacheLine = 64;

/** A block of trivial elements that grows and is never copied; growing loses the contents. */
template <class T>
class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  explicit AlignedBuffer(size_t size) { reserve(size); }

  /** Makes room for `size` elements; contents are unspecified where it had less. */
  void reserve(size_t size) {
    if (size <= size_) return;
    data_.reset(static_cast<T*>(::operator new(size * sizeof(T), std::align_val_t{kCacheLine})));
    size_ = size;
  }

  T* data() { return data_.get(); }
  const T* data() const { return data_.get(); }
  T& operator[](size_t i) { return data_.get()[i]; }
  const T& operator[](size_t i) const { return data_.get()[i]; }
  /** Elements there is room for. */
  size_t capacity() const { return size_; }

 private:
  struct Free {
    void operator()(T* data) const { ::operator delete(data, std::align_val_t{kCacheLine}); }
  };
  std::unique_ptr<T, Free> data_;
  size_t size_ = 0;
};

}  // namespace lockstep
