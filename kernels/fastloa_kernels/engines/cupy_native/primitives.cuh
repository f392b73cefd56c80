// What formulas stand on: the device's version of fastloa_kernels.primitives, bit for bit, and tuples of results.
#pragma once

namespace fastloa {

template <class T>
struct Format;

template <>
struct Format<float> {
  using Signed = int;
  using Unsigned = unsigned int;
  static constexpr int WIDTH = 23, BIAS = 127;
  static constexpr Unsigned INFINITY_BITS = 0x7f800000u, NAN_BITS = 0x7fc00000u;
};

template <>
struct Format<double> {
  using Signed = long long;
  using Unsigned = unsigned long long;
  static constexpr int WIDTH = 52, BIAS = 1023;
  static constexpr Unsigned INFINITY_BITS = 0x7ff0000000000000ull, NAN_BITS = 0x7ff8000000000000ull;
};

__device__ __forceinline__ unsigned int to_bits(float x) { return static_cast<unsigned int>(__float_as_int(x)); }
__device__ __forceinline__ unsigned long long to_bits(double x) {
  return static_cast<unsigned long long>(__double_as_longlong(x));
}
__device__ __forceinline__ float from_bits(unsigned int bits) { return __int_as_float(static_cast<int>(bits)); }
__device__ __forceinline__ double from_bits(unsigned long long bits) {
  return __longlong_as_double(static_cast<long long>(bits));
}

template <class T>
__device__ __forceinline__ T infinity() {
  return from_bits(Format<T>::INFINITY_BITS);
}

template <class T>
__device__ __forceinline__ T not_a_number() {
  return from_bits(Format<T>::NAN_BITS);
}

// The first type or the second.
template <bool FIRST, class A, class B>
struct Either {
  using Type = A;
};
template <class A, class B>
struct Either<false, A, B> {
  using Type = B;
};

// What a formula with several results returns.
template <class T, int COUNT>
struct Values {
  T at[COUNT];
};

// A formula's `a if wanted else b`. Both are computed, as on a CPU's vectors: a branch would keep the elements that a
// thread has from overlapping.
template <class T>
__device__ __forceinline__ T either(bool wanted, T a, T b) {
  return wanted ? a : b;
}

namespace primitives {

#ifndef FASTLOA_SHIM
__device__ __forceinline__ float approximate_reciprocal(float x) {
  float y;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
#else
inline float approximate_reciprocal(float x) { return 1.0f / x; }
#endif

__device__ __forceinline__ float fma(float x, float y, float z) { return __fmaf_rn(x, y, z); }
__device__ __forceinline__ double fma(double x, double y, double z) { return __fma_rn(x, y, z); }
__device__ __forceinline__ float round_even(float x) { return ::rintf(x); }
__device__ __forceinline__ double round_even(double x) { return ::rint(x); }
__device__ __forceinline__ float sqrt(float x) { return __fsqrt_rn(x); }
__device__ __forceinline__ double sqrt(double x) { return __dsqrt_rn(x); }
// As __frcp_rn, without its branch for what is subnormal or large: an estimate within an ulp, and a Newton step.
__device__ __forceinline__ float reciprocal(float x) {
  const float y = approximate_reciprocal(x);
  return __fmaf_rn(__fmaf_rn(-x, y, 1.0f), y, y);
}
__device__ __forceinline__ double reciprocal(double x) { return 1.0 / x; }
__device__ __forceinline__ float copysign(float x, float y) { return ::copysignf(x, y); }
__device__ __forceinline__ double copysign(double x, double y) { return ::copysign(x, y); }
__device__ __forceinline__ float absolute(float x) { return ::fabsf(x); }
__device__ __forceinline__ double absolute(double x) { return ::fabs(x); }

template <class T>
__device__ __forceinline__ T further(T x, T k) {
  using F = Format<T>;
  return from_bits(to_bits(x) + static_cast<typename F::Unsigned>(static_cast<typename F::Signed>(k)));
}

template <class T>
__device__ __forceinline__ T how_far(T x, T y) {
  return T(static_cast<typename Format<T>::Signed>(to_bits(x) - to_bits(y)));
}

template <class T>
__device__ __forceinline__ T shortened(T x, T k) {
  using U = typename Format<T>::Unsigned;
  const U unit = U(1) << static_cast<int>(k);
  return from_bits((to_bits(x) + (unit >> 1)) & (U(0) - unit));
}

// Adding 1.5 * 2**WIDTH + BIAS leaves k + BIAS in the low bits: no conversion to an integer.
template <class T>
__device__ __forceinline__ T power_of_two(T k) {
  using F = Format<T>;
  constexpr T SHIFT = T(1.5) * T(1ull << F::WIDTH) + T(F::BIAS);
  return from_bits(static_cast<typename F::Unsigned>(to_bits(k + SHIFT) << F::WIDTH));
}

// The field is put into the mantissa of 2**WIDTH, and that is taken away again: no conversion either.
template <class T>
__device__ __forceinline__ T exponent(T x) {
  using F = Format<T>;
  using U = typename F::Unsigned;
  const U field = (to_bits(x) >> F::WIDTH) & U(2 * F::BIAS + 1);
  return from_bits(field | (U(F::WIDTH + F::BIAS) << F::WIDTH)) - (T(1ull << F::WIDTH) + T(F::BIAS));
}

template <class T>
__device__ __forceinline__ T significand(T x) {
  using F = Format<T>;
  using U = typename F::Unsigned;
  return from_bits((to_bits(x) & ((U(1) << F::WIDTH) - 1)) | (U(F::BIAS) << F::WIDTH));
}

}  // namespace primitives
}  // namespace fastloa
