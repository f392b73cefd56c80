// Teams: the threads that have a row of class scores together. Which of a row's elements a thread has, and the greatest
// key and the sum over a team.
#pragma once

#include "sum.cuh"

namespace fastloa {

// COUNT threads of a warp for each of the shorter rows. HELD is how many elements of a row a thread holds.
template <int HELD, int COUNT>
struct LaneTeam {
  static constexpr int EACH = HELD, LANES = COUNT, REACH = LANES * EACH;
  static constexpr bool WHOLE = true;

  __device__ __forceinline__ long long row() const {
    return static_cast<long long>(blockIdx.x) * (THREADS / LANES) + threadIdx.x / LANES;
  }

  // Whether this thread of the team writes what there is one of.
  __device__ __forceinline__ bool leads() const { return threadIdx.x % LANES == 0; }

  // Where the k-th element that this thread holds lies after the start of what the team has at a time.
  __device__ __forceinline__ int place(int k) const { return k * LANES + static_cast<int>(threadIdx.x) % LANES; }

  template <class Key>
  __device__ __forceinline__ Key greatest(Key key) const {
    return greatest_of_lanes<LANES>(key);
  }

  template <bool COMPENSATED, int SLOT, class Add>
  __device__ __forceinline__ void sums(Part own, Add add) const {
    add(lanes_tree<COMPENSATED, LANES>(own));
  }
};

// The greatest of the keys of a block of threads, in each of them; once in a kernel.
template <class Key>
__device__ __forceinline__ Key greatest_of_warps(Key key, int warps) {
  __shared__ Key keys[WARP];
  key = greatest_of_lanes<WARP>(key);
  if (threadIdx.x % WARP == 0) keys[threadIdx.x / WARP] = key;
  __syncthreads();
  for (int i = 0; i < warps; ++i) key = keys[i] > key ? keys[i] : key;
  return key;
}

// A block of threads for each of the longer rows that it can hold, in groups that each take a block of the sum, or less
// if that is the whole row.
template <int HELD, int BLOCK, int GROUPS>
struct BlockTeam {
  static constexpr int EACH = HELD, SIZE = BLOCK / EACH, ALL_THREADS = SIZE * GROUPS, REACH = BLOCK * GROUPS;
  static constexpr bool WHOLE = true;

  __device__ __forceinline__ long long row() const { return blockIdx.x; }
  __device__ __forceinline__ bool leads() const { return threadIdx.x == 0; }

  __device__ __forceinline__ int place(int k) const {
    const int thread = static_cast<int>(threadIdx.x);
    return thread / SIZE * BLOCK + k * SIZE + thread % SIZE;
  }

  template <class Key>
  __device__ __forceinline__ Key greatest(Key key) const {
    return greatest_of_warps(key, ALL_THREADS / WARP);
  }

  // Calls add(sum) for the sum of each group, in order, in every thread.
  template <bool COMPENSATED, int SLOT, class Add>
  __device__ __forceinline__ void sums(Part own, Add add) const {
    constexpr int LAST = SIZE > 512 ? SIZE / 4 : SIZE;  // more than 512 at once would not fit a warp's registers
    const int thread = static_cast<int>(threadIdx.x), group = thread / SIZE;
    Room<COMPENSATED>& room = room_of<COMPENSATED, SLOT>();
    room.parts.put(thread, own);
    __syncthreads();
    if constexpr (LAST < SIZE) {
      if (thread % SIZE < LAST) {
        Part upper[SIZE / LAST];
#pragma unroll
        for (int i = 0; i < SIZE / LAST; ++i) upper[i] = room.parts.get(thread + i * LAST);
        room.parts.put(thread, tree<COMPENSATED, SIZE / LAST>(upper));
      }
      __syncthreads();
    }
    if (thread % SIZE < WARP) {
      const Part total = shared_tree<COMPENSATED, LAST>(room.parts, group * SIZE, thread % SIZE);
      if (thread % SIZE == 0) room.totals[group] = total;
    }
    __syncthreads();
#pragma unroll
    for (int i = 0; i < GROUPS; ++i) add(room.totals[i]);
  }

 private:
  template <bool COMPENSATED>
  struct Room {
    Parts<COMPENSATED, ALL_THREADS> parts;
    Part totals[GROUPS];
  };
  // In a function of its own, or every call of sums() would have another.
  template <bool COMPENSATED, int SLOT>
  static __device__ __forceinline__ Room<COMPENSATED>& room_of() {
    __shared__ Room<COMPENSATED> room;
    return room;
  }
};

// A block of threads for each of the longest rows. Its warps take the BLOCKs of the sum in turn, and each adds one up by
// itself, in steps of HELD elements a lane: nobody waits before the whole row is done.
template <int HELD, int BLOCK>
struct StripTeam {
  static constexpr int EACH = HELD, LENGTH = BLOCK, STEPS = BLOCK / (WARP * HELD);
  static constexpr int REACH = STEPS * WARP * HELD;
  static constexpr bool WHOLE = false;

  __device__ __forceinline__ long long row() const { return blockIdx.x; }
  __device__ __forceinline__ int warp() const { return static_cast<int>(threadIdx.x) / WARP; }
  __device__ __forceinline__ bool leads() const { return threadIdx.x == 0; }
  __device__ __forceinline__ int warps() const { return static_cast<int>(blockDim.x) / WARP; }

  __device__ __forceinline__ int place(int k) const {
    return k * (STEPS * WARP) + static_cast<int>(threadIdx.x) % WARP;
  }

  template <class Key>
  __device__ __forceinline__ Key greatest(Key key) const {
    return greatest_of_warps(key, warps());
  }
};

}  // namespace fastloa
