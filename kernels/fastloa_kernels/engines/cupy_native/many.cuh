// The maps and sums of map.cuh and sum.cuh over many arrays in one launch: each block of threads takes BLOCK elements
// of one array, and finds it by tables that lie on the device.
//
// The Operation has, besides, row(n): in which row of the table the address of the n-th output stands.
#pragma once

#include "sum.cuh"

namespace fastloa {

// What a block of threads takes: the elements of an array from the `number`-th block of BLOCK on.
struct __align__(8) Chunk {
  int array, number;
};

// A leading number for all arrays, from the host or from the device, or from there one for each, `step` apart.
template <class T>
struct Numbers {
  const T* place;
  long long step;
  T value;
};

template <class Operation>
struct ManyArguments {
  using T = typename Operation::T;
  const long long* places;  // addresses: a row for each operand, a column for each array
  const long long* sizes;
  const Chunk* chunks;
  long long arrays;
  Numbers<T> leading[at_least_one(Operation::LEADING)];
  T parameters[at_least_one(Operation::PARAMETERS)];
};

template <class Operation>
struct ManySumArguments {
  ManyArguments<Operation> many;
  double* high;
  double* low;
};

// That an address from a table is one of the device's memory, the compiler must be told: of any memory, accesses cost
// more.
template <class P>
__device__ __forceinline__ void point(P& pointer, long long place) {
  pointer = static_cast<P>(__cvta_global_to_generic(static_cast<size_t>(place)));
}

// This block's part of its array, as a map of that array alone would have it.
template <class Operation>
struct Own {
  using T = typename Operation::T;
  MapArguments<Operation> map;
  T leading[at_least_one(Operation::LEADING)];
  long long first;

  __device__ __forceinline__ Own(const ManyArguments<Operation>& a, int block) {
    const Chunk chunk = a.chunks[blockIdx.x];
    const long long* place = a.places + chunk.array;
    first = static_cast<long long>(chunk.number) * block;
    map.size = a.sizes[chunk.array];
    long long bits = 0;
#pragma unroll
    for (int n = 0; n < Operation::INPUTS; ++n) {
      // A sum's addresses are read once, or NVRTC 13.0 never comes to an end; a map's again, which takes fewer registers.
      const long long address = place[n * a.arrays];
      point(map.in[n], address);
      bits |= Operation::SUMMED ? address : place[n * a.arrays];
    }
#pragma unroll
    for (int n = Operation::SUMMED; n < Operation::OUTPUTS; ++n) {
      const long long row = Operation::row(n - Operation::SUMMED);
      point(map.out[n - Operation::SUMMED], place[row * a.arrays]);
      bits |= place[row * a.arrays];
    }
    map.aligned = bits % 16 == 0;
#pragma unroll
    for (int i = 0; i < Operation::PARAMETERS; ++i) map.parameters[i] = a.parameters[i];
#pragma unroll
    for (int i = 0; i < Operation::LEADING; ++i) {
      const Numbers<T>& n = a.leading[i];
      leading[i] = n.place == nullptr ? n.value : n.place[n.step * chunk.array];
    }
  }
};

template <class Operation, int BLOCK>
__device__ __forceinline__ void map_many(const ManyArguments<Operation>& a) {
  static_assert(BLOCK % tile_size<Operation>() == 0, "a block takes a whole number of tiles");
  const Own<Operation> own(a, BLOCK);
  const long long last = own.first + BLOCK < own.map.size ? own.first + BLOCK : own.map.size;
#pragma unroll 1
  for (long long start = own.first; start < last; start += tile_size<Operation>()) {
    Tile<Operation> tile;
    tile.run(own.map, own.leading, start);
  }
}

template <class Operation, int BLOCK>
__device__ __forceinline__ void sum_many(const ManySumArguments<Operation>& a) {
  const Own<Operation> own(a.many, BLOCK);
  const Part total = sum_of_block<Operation, BLOCK>(own.map, own.leading, own.first);
  if (threadIdx.x == 0) {
    a.high[blockIdx.x] = total.high;
    a.low[blockIdx.x] = total.low;
  }
}

template <class T>
struct FinishManyArguments {
  const double* high;
  const double* low;
  const long long* firsts;  // where the partial sums of each array begin, and after the last where they end
  Number divisor;
  T* out;
};

// One number for each array, by a block of LANES threads for each.
template <class T, int LANES>
__device__ __forceinline__ void finish_many(const FinishManyArguments<T>& a) {
  const long long first = a.firsts[blockIdx.x], count = a.firsts[blockIdx.x + 1] - first;
  double total;
  if (count > 1)
    total = finished<LANES>(a.high + first, a.low + first, count);
  else  // of most arrays: the same bits without the tree, and without waiting
    total = count == 0 ? 0.0 : whole(added<true>({0.0, 0.0}, {a.high[first], a.low[first]}));
  if (threadIdx.x == 0) a.out[blockIdx.x] = T(total / read(a.divisor));
}

// Addresses that are new, put into a table: as arguments of a launch they need no memory that must last until it runs.
template <int COUNT>
struct PutArguments {
  long long* places;
  long long count;
  long long values[COUNT];
};

template <int COUNT>
__device__ __forceinline__ void put(const PutArguments<COUNT>& a) {
  for (int i = static_cast<int>(threadIdx.x); i < a.count; i += THREADS) a.places[i] = a.values[i];
}

}  // namespace fastloa
