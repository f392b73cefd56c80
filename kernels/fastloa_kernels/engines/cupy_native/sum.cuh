// Sums in the fixed order of fastloa_kernels.sums: blocks of BLOCK elements as a tree, their sums round LANES lanes, the
// lanes as a tree again. No atomics; the same bits as the CPU engine's.
#pragma once

#include "map.cuh"

namespace fastloa {

constexpr int WARP = 32;
constexpr unsigned int ALL = 0xffffffffu;

// A sum and its rounding error. Sums of float32 are exact enough in float64 and leave the error at 0.
struct Part {
  double high, low;
};

// SIZE of them in shared memory.
template <bool COMPENSATED, int SIZE>
struct Parts {
  double high[SIZE], low[COMPENSATED ? SIZE : 1];

  __device__ __forceinline__ void put(int i, Part part) {
    high[i] = part.high;
    if (COMPENSATED) low[i] = part.low;
  }
  __device__ __forceinline__ Part get(int i) const { return {high[i], COMPENSATED ? low[i] : 0.0}; }
};

template <bool COMPENSATED>
__device__ __forceinline__ Part added(Part a, Part b) {
  const double s = a.high + b.high;
  if (!COMPENSATED) return {s, 0.0};
  const double t = s - a.high;
  return {s, a.low + (b.low + ((a.high - (s - t)) + (b.high - t)))};
}

// A sum and its error as one number. An infinite sum has a NaN error (inf - inf), which must not reach the result.
__device__ __forceinline__ double whole(Part part) {
  const double corrected = part.high + part.low;
  return corrected == corrected ? corrected : part.high;
}

// The upper half of `parts` onto the lower half, until one is left.
template <bool COMPENSATED, int COUNT>
__device__ __forceinline__ Part tree(Part* parts) {
  if constexpr (COUNT > 1) {
#pragma unroll
    for (int i = 0; i < COUNT / 2; ++i) parts[i] = added<COMPENSATED>(parts[i], parts[i + COUNT / 2]);
    return tree<COMPENSATED, COUNT / 2>(parts);
  }
  return parts[0];
}

// The same of leaf(0), ..., leaf(COUNT - 1), with few of them alive at a time.
template <bool COMPENSATED, int COUNT, int WIDTH = 1, class Leaf>
__device__ __forceinline__ Part folded(const Leaf& leaf, int i = 0) {
  if constexpr (WIDTH == COUNT) {
    return leaf(i);
  } else {
    const Part lower = folded<COMPENSATED, COUNT, 2 * WIDTH>(leaf, i);
    return added<COMPENSATED>(lower, folded<COMPENSATED, COUNT, 2 * WIDTH>(leaf, i + WIDTH));
  }
}

// The LANES neighbours of a thread in its warp, itself among them.
template <int LANES>
__device__ __forceinline__ unsigned int mask_of() {
  if constexpr (LANES == WARP) return ALL;
  const unsigned int lowest = threadIdx.x % WARP / LANES * LANES;
  return (LANES == WARP ? ALL : (1u << LANES % WARP) - 1) << lowest;
}

// The greatest of the keys of LANES neighbours in a warp, in each of them.
template <int LANES, class Key>
__device__ __forceinline__ Key greatest_of_lanes(Key key) {
#pragma unroll
  for (int width = LANES / 2; width > 0; width /= 2) {
    const Key other = __shfl_xor_sync(mask_of<LANES>(), key, width);
    key = other > key ? other : key;
  }
  return key;
}

// The tree over LANES neighbours in a warp, each of which has the sum.
template <bool COMPENSATED, int LANES>
__device__ __forceinline__ Part lanes_tree(Part part) {
#pragma unroll
  for (int width = LANES / 2; width > 0; width /= 2) {
    const double high = __shfl_xor_sync(mask_of<LANES>(), part.high, width);
    const double low = COMPENSATED ? __shfl_xor_sync(mask_of<LANES>(), part.low, width) : 0.0;
    const Part other{high, low};
    // A sum does not depend on the order of its two terms; what is carried along does.
    const bool upper = COMPENSATED && (threadIdx.x & width) != 0;
    part = upper ? added<COMPENSATED>(other, part) : added<COMPENSATED>(part, other);
  }
  return part;
}

// The same over the lanes of a warp; the sum is in lane 0.
template <bool COMPENSATED>
__device__ __forceinline__ Part warp_tree(Part part) {
#pragma unroll
  for (int width = WARP / 2; width > 0; width /= 2) {
    const double high = __shfl_down_sync(ALL, part.high, width);
    const double low = COMPENSATED ? __shfl_down_sync(ALL, part.low, width) : 0.0;
    part = added<COMPENSATED>(part, {high, low});
  }
  return part;
}

// The tree over SIZE threads, of which this is number `thread`, whose parts lie in shared memory: the sum is in thread 0.
// What a lane of the first warp takes over from the other warps lies WARP apart: the upper levels of the tree, in
// registers and without a barrier.
template <bool COMPENSATED, int SIZE, int ALL_SIZE>
__device__ __forceinline__ Part shared_tree(const Parts<COMPENSATED, ALL_SIZE>& parts, int first, int thread) {
  Part own[SIZE / WARP];
#pragma unroll
  for (int i = 0; i < SIZE / WARP; ++i) own[i] = parts.get(first + i * WARP + thread);
  return warp_tree<COMPENSATED>(tree<COMPENSATED, SIZE / WARP>(own));
}

// The tree over a block of THREADS threads; the sum is in thread 0.
template <bool COMPENSATED>
__device__ __forceinline__ Part block_tree(Part part) {
  __shared__ Parts<COMPENSATED, THREADS> parts;
  const int thread = static_cast<int>(threadIdx.x);
  parts.put(thread, part);
  __syncthreads();
  return thread < WARP ? shared_tree<COMPENSATED, THREADS>(parts, 0, thread) : part;
}

// The sum of BLOCK values in shared memory, in thread 0.
template <class T, int BLOCK>
__device__ __forceinline__ Part block_sum(const T* values) {
  Part own[BLOCK / THREADS];
#pragma unroll
  for (int i = 0; i < BLOCK / THREADS; ++i) own[i] = {double(values[i * THREADS + static_cast<int>(threadIdx.x)]), 0.0};
  return block_tree<sizeof(T) == 8>(tree<sizeof(T) == 8, BLOCK / THREADS>(own));
}

template <class Operation>
struct SumArguments {
  MapArguments<Operation> map;
  double* high;
  double* low;
};

// The sum of the first output over BLOCK elements, in thread 0; the other outputs go to their arrays.
template <class Operation, int BLOCK>
__device__ __forceinline__ Part sum_of_block(
    const MapArguments<Operation>& a, const typename Operation::T* leading, long long first) {
  using T = typename Operation::T;
  static_assert(BLOCK % tile_size<Operation>() == 0, "a block of the sum is a whole number of tiles");
  __shared__ __align__(16) T values[BLOCK];
#pragma unroll 1
  for (int start = 0; start < BLOCK; start += tile_size<Operation>()) {
    Tile<Operation> tile;
    tile.run(a, leading, first + start);
    tile.keep_first(a, first + start, values + start);
  }
  __syncthreads();
  return block_sum<T, BLOCK>(values);
}

// Of each block of elements, the sum to the partials.
template <class Operation, int BLOCK>
__device__ __forceinline__ void sum(const SumArguments<Operation>& a) {
  const Leading<Operation> leading(a.map);
  const Part total = sum_of_block<Operation, BLOCK>(a.map, leading.at, static_cast<long long>(blockIdx.x) * BLOCK);
  if (threadIdx.x == 0) {
    a.high[blockIdx.x] = total.high;
    a.low[blockIdx.x] = total.low;
  }
}

// A number from the host, or a 0-d array of 4 or 8 bytes on the device.
struct Number {
  const void* place;
  double value;
  long long bytes;
};

__device__ __forceinline__ double read(const Number& n) {
  if (n.place == nullptr) return n.value;
  return n.bytes == 4 ? double(*static_cast<const float*>(n.place)) : *static_cast<const double*>(n.place);
}

// One number from the blocks' partial sums, by one block of LANES threads: the sum is in thread 0.
template <int LANES>
__device__ __forceinline__ double finished(const double* high, const double* low, long long count) {
  __shared__ Parts<true, LANES> parts;
  const int thread = static_cast<int>(threadIdx.x);
  Part lane{0.0, 0.0};
#pragma unroll 4
  for (long long i = thread; i < count; i += LANES) lane = added<true>(lane, {high[i], low[i]});
  parts.put(thread, lane);
  __syncthreads();
  // A quarter of the tree at a time: 32 parts at once would be more than the registers hold.
#pragma unroll 1
  for (int width = LANES / 2; width >= WARP * 8; width /= 2) {
    if (thread < width) parts.put(thread, added<true>(parts.get(thread), parts.get(thread + width)));
    __syncthreads();
  }
  if (thread >= WARP) return 0.0;
  const Part total = shared_tree<true, WARP * 8>(parts, 0, thread);
  return whole(total);
}

template <class T>
struct FinishArguments {
  const double* high;
  const double* low;
  long long count;
  Number divisor;
  T* out;
};

template <class T, int LANES>
__device__ __forceinline__ void finish(const FinishArguments<T>& a) {
  const double total = finished<LANES>(a.high, a.low, a.count);
  if (threadIdx.x == 0) *a.out = T(total / read(a.divisor));
}

}  // namespace fastloa
