// How numbers lie in arrays: as one computes with them, or in 16 bits, which are a float32 once they are read and are
// rounded once, to the nearest even, when they are written.
#pragma once

#include "primitives.cuh"

namespace fastloa {

#ifdef __CUDACC__  // what runs this text elsewhere brings these two along
__device__ __forceinline__ float half_to_float(unsigned short bits) {
  float x;
  asm("cvt.f32.f16 %0, %1;" : "=f"(x) : "h"(bits));
  return x;
}
__device__ __forceinline__ unsigned short float_to_half(float x) {
  unsigned short bits;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(x));
  return bits;
}
#endif

// Two numbers lie in one word, and devices that have an instruction to round both at once are given it.
struct Float16 {
  unsigned short bits;

  static __device__ __forceinline__ float low(unsigned int word) {
    return half_to_float(static_cast<unsigned short>(word));
  }
  static __device__ __forceinline__ float high(unsigned int word) {
    return half_to_float(static_cast<unsigned short>(word >> 16));
  }
  static __device__ __forceinline__ unsigned int word(float low, float high) {
#if __CUDA_ARCH__ >= 800
    unsigned int both;
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(high), "f"(low));
    return both;
#else
    return float_to_half(low) | static_cast<unsigned int>(float_to_half(high)) << 16;
#endif
  }
};

struct BFloat16 {
  unsigned short bits;

  static __device__ __forceinline__ float low(unsigned int word) { return from_bits(word << 16); }
  static __device__ __forceinline__ float high(unsigned int word) { return from_bits(word & 0xffff0000u); }
  static __device__ __forceinline__ unsigned int word(float low, float high) {
#if __CUDA_ARCH__ >= 800
    unsigned int both;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(high), "f"(low));
    return both;
#else
    return rounded(low) | rounded(high) << 16;
#endif
  }

 private:
  static __device__ __forceinline__ unsigned int rounded(float x) {
    const unsigned int bits = to_bits(x);
    return x == x ? (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16 : 0x7fc0u;
  }
};

// An integer, which is a number of so few digits that a float32 holds it.
struct Int16 {
  unsigned short bits;

  static __device__ __forceinline__ float low(unsigned int word) {
    return static_cast<float>(static_cast<short>(word & 0xffffu));
  }
  static __device__ __forceinline__ float high(unsigned int word) {
    return static_cast<float>(static_cast<short>(word >> 16));
  }
  static __device__ __forceinline__ unsigned int word(float low, float high) {
    return (static_cast<unsigned int>(static_cast<int>(low)) & 0xffffu) |
           static_cast<unsigned int>(static_cast<int>(high)) << 16;
  }
};

// One element.
__device__ __forceinline__ float get(const float* place) { return *place; }
__device__ __forceinline__ double get(const double* place) { return *place; }
template <class Half>
__device__ __forceinline__ float get(const Half* place) {
  return Half::low(place->bits);
}
__device__ __forceinline__ void put(float x, float* place) { *place = x; }
__device__ __forceinline__ void put(double x, double* place) { *place = x; }
template <class Half>
__device__ __forceinline__ void put(float x, Half* place) {
  place->bits = static_cast<unsigned short>(Half::word(x, 0.0f));
}

// As many elements as 16 bytes hold, in one access.
template <class Stored>
__host__ __device__ constexpr int lanes() {
  return 16 / sizeof(Stored);
}

__device__ __forceinline__ void load(const float* place, float* x) {
  const float4 v = *reinterpret_cast<const float4*>(place);
  x[0] = v.x, x[1] = v.y, x[2] = v.z, x[3] = v.w;
}
__device__ __forceinline__ void load(const double* place, double* x) {
  const double2 v = *reinterpret_cast<const double2*>(place);
  x[0] = v.x, x[1] = v.y;
}
template <class Half>
__device__ __forceinline__ void spread(unsigned int word, float* x) {
  x[0] = Half::low(word), x[1] = Half::high(word);
}
template <class Half>
__device__ __forceinline__ void load(const Half* place, float* x) {
  const uint4 v = *reinterpret_cast<const uint4*>(place);
  spread<Half>(v.x, x), spread<Half>(v.y, x + 2), spread<Half>(v.z, x + 4), spread<Half>(v.w, x + 6);
}
__device__ __forceinline__ void store(const float* x, float* place) {
  *reinterpret_cast<float4*>(place) = make_float4(x[0], x[1], x[2], x[3]);
}
__device__ __forceinline__ void store(const double* x, double* place) {
  *reinterpret_cast<double2*>(place) = make_double2(x[0], x[1]);
}
template <class Half>
__device__ __forceinline__ void store(const float* x, Half* place) {
  *reinterpret_cast<uint4*>(place) = make_uint4(
      Half::word(x[0], x[1]), Half::word(x[2], x[3]), Half::word(x[4], x[5]), Half::word(x[6], x[7]));
}

// The same for COUNT elements, in as few accesses as they take: in half of one, if they are 4 and hold 16 bits.
template <int COUNT, class Stored, class T>
__device__ __forceinline__ void load_all(const Stored* place, T* x) {
  if constexpr (COUNT < lanes<Stored>()) {
    static_assert(COUNT == 4);
    const uint2 v = *reinterpret_cast<const uint2*>(place);
    spread<Stored>(v.x, x), spread<Stored>(v.y, x + 2);
  } else {
#pragma unroll
    for (int i = 0; i < COUNT; i += lanes<Stored>()) load(place + i, x + i);
  }
}
template <int COUNT, class Stored, class T>
__device__ __forceinline__ void store_all(const T* x, Stored* place) {
  if constexpr (COUNT < lanes<Stored>()) {
    static_assert(COUNT == 4);
    *reinterpret_cast<uint2*>(place) = make_uint2(Stored::word(x[0], x[1]), Stored::word(x[2], x[3]));
  } else {
#pragma unroll
    for (int i = 0; i < COUNT; i += lanes<Stored>()) store(x + i, place + i);
  }
}

// What several arrays hold, each its own.
template <class... Stored>
struct Types {
  // How many elements 16 bytes hold of the narrowest.
  static __host__ __device__ constexpr int lanes() {
    int most = 1;
    ((most = fastloa::lanes<Stored>() > most ? fastloa::lanes<Stored>() : most), ...);
    return most;
  }
};

template <int N, class List>
struct Chosen;
template <int N, class First, class... Rest>
struct Chosen<N, Types<First, Rest...>> : Chosen<N - 1, Types<Rest...>> {};
template <class First, class... Rest>
struct Chosen<0, Types<First, Rest...>> {
  using Type = First;
};

template <int N>
struct ArrayNumber {
  static constexpr int VALUE = N;
};

// Calls body(n) for the numbers of arrays from FIRST to before LAST; decltype(n)::VALUE is a constant.
template <int FIRST, int LAST, class Body>
__device__ __forceinline__ void for_arrays(const Body& body) {
  if constexpr (FIRST < LAST) {
    body(ArrayNumber<FIRST>());
    for_arrays<FIRST + 1, LAST>(body);
  }
}

}  // namespace fastloa
