// Memory on cache-line boundaries, in large pages where it is large.
#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <utility>

namespace lockstep {

inline constexpr size_t kCacheLine = 64;
inline constexpr size_t kLargePage = size_t{2} << 20;

/**
 * Asks the system to back this memory, not yet touched, with large pages: rows are visited in an order that misses the
 * small pages' translation buffer at nearly every step. Only ever a hint.
 */
void advise_large_pages(void* data, size_t bytes);

/** A block of trivial elements that grows and is never copied; growing loses the contents. */
template <class T>
class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  explicit AlignedBuffer(size_t size) { reserve(size); }

  /** Makes room for `size` elements; contents are unspecified where it had less. */
  void reserve(size_t size) {
    if (size <= size_) return;
    const size_t bytes = size * sizeof(T);
    const size_t alignment = bytes < 2 * kLargePage ? kCacheLine : kLargePage;
    data_ = {};
    data_ = {static_cast<T*>(::operator new(bytes, std::align_val_t{alignment})), Free{alignment}};
    size_ = size;
    if (alignment == kLargePage) advise_large_pages(data_.get(), bytes);
  }

  T* data() { return data_.get(); }
  const T* data() const { return data_.get(); }
  T& operator[](size_t i) { return data_.get()[i]; }
  const T& operator[](size_t i) const { return data_.get()[i]; }

 private:
  struct Free {
    size_t alignment = kCacheLine;
    void operator()(T* data) const { ::operator delete(data, std::align_val_t{alignment}); }
  };
  std::unique_ptr<T, Free> data_;
  size_t size_ = 0;
};

}  // namespace lockstep
