// Scans and reductions over the 32 lanes of a warp and the warps of a block. All threads concerned must call them together.
#pragma once

#include "cuda/platform.h"

namespace lockstep::cuda {

__device__ inline unsigned lane_index() { return threadIdx.x % kWarpSize; }
__device__ inline unsigned warp_index() { return threadIdx.x / kWarpSize; }
__device__ inline unsigned lanes_below() { return (1u << lane_index()) - 1; }

#ifdef LOCKSTEP_CUDA_EMULATION

template <class T>
T shuffle(T value, unsigned from) {
  return emulation::exchanged(value, from, emulation::kShuffle);
}
template <class T>
T shuffle_up(T value, unsigned distance) {
  return emulation::exchanged(value, lane_index() >= distance ? lane_index() - distance : kWarpSize,
                              emulation::kShuffleUp);
}
template <class T>
T shuffle_xor(T value, unsigned mask) {
  return emulation::exchanged(value, lane_index() ^ mask, emulation::kShuffleXor);
}

#else

/** Applies a shuffle of 32-bit words to each word of a value. */
template <class T, class Word>
__device__ T by_words(T value, const Word& word) {
  static_assert(sizeof(T) % 4 == 0);
  uint32_t words[sizeof(T) / 4];
  memcpy(words, &value, sizeof(T));
#pragma unroll
  for (uint32_t& w : words) w = word(w);
  memcpy(&value, words, sizeof(T));
  return value;
}

/** The value of lane `from`. */
template <class T>
__device__ T shuffle(T value, unsigned from) {
  return by_words(value, [&](uint32_t w) { return __shfl_sync(kAllLanes, w, static_cast<int>(from)); });
}
/** The value of the lane `distance` below; the lane's own where there is none. */
template <class T>
__device__ T shuffle_up(T value, unsigned distance) {
  return by_words(value, [&](uint32_t w) { return __shfl_up_sync(kAllLanes, w, distance); });
}
template <class T>
__device__ T shuffle_xor(T value, unsigned mask) {
  return by_words(value, [&](uint32_t w) { return __shfl_xor_sync(kAllLanes, w, static_cast<int>(mask)); });
}

#endif

/** Sums over lanes 0 … own. */
template <class T>
__device__ T warp_inclusive_scan(T value) {
  for (unsigned distance = 1; distance < kWarpSize; distance *= 2) {
    const T below = shuffle_up(value, distance);
    if (lane_index() >= distance) value = value + below;
  }
  return value;
}

/** Sum over all lanes, in every lane. */
template <class T>
__device__ T warp_sum(T value) {
  for (unsigned mask = kWarpSize / 2; mask > 0; mask /= 2) value = value + shuffle_xor(value, mask);
  return value;
}

/**
 * Sums over the threads below of a block of `kWarps` warps, and over all; `scratch` is shared memory of kWarps elements,
 * free again after the call.
 */
template <unsigned kWarps, class T>
__device__ T block_exclusive_scan(T value, T* scratch, T& total) {
  const T inclusive = warp_inclusive_scan(value);
  if (lane_index() == kWarpSize - 1) scratch[warp_index()] = inclusive;
  __syncthreads();
  T before{};
  total = T{};
  for (unsigned w = 0; w < kWarps; ++w) {
    if (w == warp_index()) before = total;
    total = total + scratch[w];
  }
  __syncthreads();
  return before + (inclusive - value);
}

__device__ inline void atomic_add(int64_t* address, int64_t value) {
  // Two's complement: the sum of the bit patterns is that of the numbers.
  atomicAdd(reinterpret_cast<unsigned long long*>(address), static_cast<unsigned long long>(value));
}
__device__ inline uint64_t atomic_add(uint64_t* address, uint64_t value) {
  return atomicAdd(reinterpret_cast<unsigned long long*>(address), static_cast<unsigned long long>(value));
}

}  // namespace lockstep::cuda
