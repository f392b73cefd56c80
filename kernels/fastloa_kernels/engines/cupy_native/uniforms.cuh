// Random numbers from [0, 1) by Philox-4x32-10, as engines/philox.py says, for an array: a thread takes a block's two.
#pragma once

#include "map.cuh"

namespace fastloa {

struct Words {
  unsigned int a, b, c, d;
};

__device__ __forceinline__ unsigned int lower(unsigned long long bits) { return static_cast<unsigned int>(bits); }
__device__ __forceinline__ unsigned int upper(unsigned long long bits) { return lower(bits >> 32); }

__device__ __forceinline__ Words philox(unsigned long long seed, unsigned long long stream, unsigned long long number) {
  Words w = {lower(number), upper(number), lower(stream), upper(stream)};
  unsigned int k = lower(seed), m = upper(seed);
#pragma unroll
  for (int round = 0; round < 10; ++round) {
    const unsigned long long p = 0xD2511F53ull * w.a, q = 0xCD9E8D57ull * w.c;
    w = {upper(q) ^ w.b ^ k, lower(q), upper(p) ^ w.d ^ m, lower(p)};
    k += 0x9E3779B9u;
    m += 0xBB67AE85u;
  }
  return w;
}

// The number of the words of its lower and its upper half.
template <class T>
__device__ __forceinline__ T unit(unsigned int low, unsigned int high) {
  if constexpr (sizeof(T) == 4)
    return static_cast<float>(static_cast<int>(high >> 8)) * 0x1p-24f;
  else
    return static_cast<double>(static_cast<long long>(static_cast<unsigned long long>(high) << 21 | low >> 11)) *
           0x1p-53;
}

template <class T>
struct UniformArguments {
  T* out;
  unsigned long long seed, stream, block;
  long long size, odd;  // an odd array begins with the second of its block
};

template <class T>
__device__ __forceinline__ void uniforms(const UniformArguments<T>& a) {
  const long long j = static_cast<long long>(blockIdx.x) * THREADS + threadIdx.x, i = 2 * j - a.odd;
  if (i >= a.size) return;
  const Words w = philox(a.seed, a.stream, a.block + static_cast<unsigned long long>(j));
  if (i >= 0) a.out[i] = unit<T>(w.a, w.b);
  if (i + 1 < a.size) a.out[i + 1] = unit<T>(w.c, w.d);
}

}  // namespace fastloa
