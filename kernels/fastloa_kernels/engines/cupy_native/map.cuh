// Elementwise work: some arrays onto others, element by element.
//
// An `Operation` is what source.py emits: the type T, the numbers INPUTS, OUTPUTS, LEADING and PARAMETERS, and
// apply(leading, in, parameters), which gives the outputs of one element. SUMMED says that the first output is no array,
// PARTED that the first two inputs are one number.
// `Arrays` are the types of what the inputs hold, and then the outputs that are arrays.
#pragma once

#include "stored.cuh"

namespace fastloa {

constexpr int THREADS = 256;

__host__ __device__ constexpr int at_least_one(int n) { return n < 1 ? 1 : n; }

// A number from the host, or one that lies on the device and is not to be waited for.
template <class T>
struct Scalar {
  const T* place;
  T value;
};

template <class Operation>
struct MapArguments {
  using T = typename Operation::T;
  const void* in[at_least_one(Operation::INPUTS)];
  void* out[at_least_one(Operation::OUTPUTS - Operation::SUMMED)];
  Scalar<T> leading[at_least_one(Operation::LEADING)];
  long long size;
  int aligned;  // every array begins at a multiple of 16 bytes
  T parameters[at_least_one(Operation::PARAMETERS)];

  template <int N>
  __device__ __forceinline__ auto input() const {
    return static_cast<const typename Chosen<N, typename Operation::Arrays>::Type*>(in[N]);
  }
  template <int N>
  __device__ __forceinline__ auto output() const {  // one that is an array
    constexpr int PLACE = N - Operation::SUMMED;
    return static_cast<typename Chosen<Operation::INPUTS + PLACE, typename Operation::Arrays>::Type*>(out[PLACE]);
  }
};

template <class Operation>
struct StridedArguments {
  static constexpr int DIMENSIONS = 8, ARRAYS = Operation::INPUTS + Operation::OUTPUTS;
  MapArguments<Operation> map;
  long long dimensions;
  long long shape[DIMENSIONS];            // of the outermost dimension first
  long long strides[ARRAYS][DIMENSIONS];  // in elements; of the inputs, then of the outputs
};

template <class Operation>
struct Leading {
  typename Operation::T at[at_least_one(Operation::LEADING)];

  __device__ __forceinline__ explicit Leading(const MapArguments<Operation>& a) {
#pragma unroll
    for (int i = 0; i < Operation::LEADING; ++i)
      at[i] = a.leading[i].place == nullptr ? a.leading[i].value : *a.leading[i].place;
  }
};

// How many neighbours a thread takes: as many as 16 bytes hold of the narrowest array, but of many arrays no more than
// registers hold; what joins two takes some as well.
template <class Operation>
__host__ __device__ constexpr int neighbours() {
  constexpr int MANY = Operation::SUMMED ? 4 : 5;
  return Operation::INPUTS + Operation::PARTED >= MANY && Operation::Arrays::lanes() > 4 ? 4 : Operation::Arrays::lanes();
}

// And how many times: enough bytes in flight to cover the memory's latency, and few enough registers for many threads. A
// sum waits for its tile: one of two float32 arrays has all of a block in flight at once, where registers allow it.
template <class Operation>
__host__ __device__ constexpr int vectors() {
  constexpr int LANES = neighbours<Operation>();
  if (!Operation::SUMMED) return Operation::INPUTS > 1 ? 1 : 2;
  if (LANES > 4) return 1;
  return Operation::INPUTS == 1 || (LANES == 4 && Operation::INPUTS + Operation::PARAMETERS <= 3) ? 2 : 1;
}

template <class Operation>
__host__ __device__ constexpr int each() {
  return vectors<Operation>() * neighbours<Operation>();
}

template <class Operation>
__host__ __device__ constexpr int tile_size() {
  return THREADS * each<Operation>();
}

template <class Operation>
struct Tile {
  using T = typename Operation::T;
  static constexpr int LANES = neighbours<Operation>(), VECTORS = vectors<Operation>(), EACH = each<Operation>();
  T in[at_least_one(Operation::INPUTS)][EACH];
  T out[Operation::OUTPUTS][EACH];

  // Every thread takes whole vectors of a tile that lies in the arrays entirely, and single elements, THREADS apart,
  // of one that does not. No thread of a block goes the other way, and nothing is stored before all is loaded.
  __device__ __forceinline__ void run(const MapArguments<Operation>& a, const T* leading, long long first) {
    const bool whole = a.aligned && first + tile_size<Operation>() <= a.size;
    if (whole)
      load_vectors(a, first + static_cast<int>(threadIdx.x) * LANES);
    else
      load_elements(a, first + threadIdx.x);
#pragma unroll
    for (int k = 0; k < EACH; ++k) {
      T element[at_least_one(Operation::INPUTS)];
#pragma unroll
      for (int n = 0; n < Operation::INPUTS; ++n) element[n] = in[n][k];
      const Values<T, Operation::OUTPUTS> result = Operation::apply(leading, element, a.parameters);
#pragma unroll
      for (int n = 0; n < Operation::OUTPUTS; ++n) out[n][k] = result.at[n];
    }
    if (whole)
      store_vectors(a, first + static_cast<int>(threadIdx.x) * LANES);
    else
      store_elements(a, first + threadIdx.x);
  }

  // Leaves the first output of every element of the tile at its place in `values`; 0 beyond the end of the arrays.
  __device__ __forceinline__ void keep_first(const MapArguments<Operation>& a, long long first, T* values) const {
    if (a.aligned && first + tile_size<Operation>() <= a.size) {
#pragma unroll
      for (int v = 0; v < VECTORS; ++v) {
        const int place = (v * THREADS + static_cast<int>(threadIdx.x)) * LANES;
        store_all<LANES>(&out[0][v * LANES], values + place);
      }
    } else {
#pragma unroll
      for (int k = 0; k < EACH; ++k) {
        const int place = k * THREADS + static_cast<int>(threadIdx.x);
        values[place] = first + place < a.size ? out[0][k] : T(0);
      }
    }
  }

 private:
  __device__ __forceinline__ void load_vectors(const MapArguments<Operation>& a, long long start) {
#pragma unroll
    for (int v = 0; v < VECTORS; ++v)
      for_arrays<0, Operation::INPUTS>([&](auto n) {
        constexpr int N = decltype(n)::VALUE;
        load_all<LANES>(a.template input<N>() + start + v * THREADS * LANES, &in[N][v * LANES]);
      });
  }

  __device__ __forceinline__ void load_elements(const MapArguments<Operation>& a, long long start) {
#pragma unroll
    for (int k = 0; k < EACH; ++k)
      for_arrays<0, Operation::INPUTS>([&](auto n) {
        constexpr int N = decltype(n)::VALUE;
        const long long i = start + k * THREADS;
        in[N][k] = i < a.size ? get(a.template input<N>() + i) : T(0);
      });
  }

  __device__ __forceinline__ void store_vectors(const MapArguments<Operation>& a, long long start) const {
#pragma unroll
    for (int v = 0; v < VECTORS; ++v)
      for_arrays<Operation::SUMMED, Operation::OUTPUTS>([&](auto n) {
        constexpr int N = decltype(n)::VALUE;
        store_all<LANES>(&out[N][v * LANES], a.template output<N>() + start + v * THREADS * LANES);
      });
  }

  __device__ __forceinline__ void store_elements(const MapArguments<Operation>& a, long long start) const {
#pragma unroll
    for (int k = 0; k < EACH; ++k)
      for_arrays<Operation::SUMMED, Operation::OUTPUTS>([&](auto n) {
        constexpr int N = decltype(n)::VALUE;
        const long long i = start + k * THREADS;
        if (i < a.size) put(out[N][k], a.template output<N>() + i);
      });
  }
};

// An output may be an input: each element is read and written by one thread, in that order.
template <class Operation>
__device__ __forceinline__ void map(const MapArguments<Operation>& a) {
  const Leading<Operation> leading(a);
  Tile<Operation> tile;
  tile.run(a, leading.at, static_cast<long long>(blockIdx.x) * tile_size<Operation>());
}

__device__ __forceinline__ long long quotient(long long i, long long n) {
  // 64-bit division costs many times the 32-bit one, which nearly always suffices.
  if (((i | n) >> 32) == 0) return static_cast<unsigned int>(i) / static_cast<unsigned int>(n);
  return i / n;
}

// The same for arrays of any layout, with the same bits. (cupy.ElementwiseKernel would do the indexing, but compiles
// with -ftz=true and contraction on, whatever one asks: its results would differ from those of contiguous arrays.)
template <class Operation>
__device__ __forceinline__ void strided_map(const StridedArguments<Operation>& a) {
  using T = typename Operation::T;
  constexpr int EACH = 4, ARRAYS = StridedArguments<Operation>::ARRAYS;
  const Leading<Operation> leading(a.map);
  const long long first = static_cast<long long>(blockIdx.x) * (THREADS * EACH) + threadIdx.x;
  T in[EACH][at_least_one(Operation::INPUTS)];
  long long places[EACH][ARRAYS];
#pragma unroll
  for (int k = 0; k < EACH; ++k) {
    long long i = first + k * THREADS;
    const bool inside = i < a.map.size;
#pragma unroll
    for (int n = 0; n < ARRAYS; ++n) places[k][n] = 0;
    for (int d = static_cast<int>(a.dimensions) - 1; d >= 0 && inside; --d) {
      const long long rest = quotient(i, a.shape[d]), index = i - rest * a.shape[d];
#pragma unroll
      for (int n = 0; n < ARRAYS; ++n) places[k][n] += index * a.strides[n][d];
      i = rest;
    }
    for_arrays<0, Operation::INPUTS>([&](auto n) {
      constexpr int N = decltype(n)::VALUE;
      in[k][N] = inside ? get(a.map.template input<N>() + places[k][N]) : T(0);
    });
  }
#pragma unroll
  for (int k = 0; k < EACH; ++k) {
    if (first + k * THREADS >= a.map.size) continue;
    const Values<T, Operation::OUTPUTS> result = Operation::apply(leading.at, in[k], a.map.parameters);
    for_arrays<0, Operation::OUTPUTS>([&](auto n) {
      constexpr int N = decltype(n)::VALUE;
      put(result.at[N], a.map.template output<N>() + places[k][Operation::INPUTS + N]);
    });
  }
}

}  // namespace fastloa
