// Teams: the threads that have a row of class scores together. Which of a row's elements a thread has, and the greatest
// key and the sum over a team.
#pragma once

#include "sum.cuh"

namespace fastloa {

#ifdef __CUDACC__  // what runs this text elsewhere brings these along
// Shared memory beside what kernels declare.
__device__ __forceinline__ unsigned char* shared_room() {
  extern __shared__ __align__(16) unsigned char room[];
  return room;
}

// Where `place` in shared memory is in that of another block of the cluster.
template <class T>
__device__ __forceinline__ T* of_block(T* place, int block) {
  T* there;
  asm("mapa.u64 %0, %1, %2;" : "=l"(there) : "l"(place), "r"(block));
  return there;
}

__device__ __forceinline__ void wait_for_cluster() {
  asm volatile("barrier.cluster.arrive.release.aligned;\n\tbarrier.cluster.wait.acquire.aligned;" ::: "memory");
}

// The same place, from which the compiler counts: it would work out each address near it anew, in 64 bits.
template <class Stored>
__device__ __forceinline__ Stored* settled(Stored* place) {
  unsigned long long address = __cvta_generic_to_global(place);
  asm("" : "+l"(address));
  return static_cast<Stored*>(__cvta_global_to_generic(address));
}

// The same number, which is there before it is converted: a choice among floats costs half of one among doubles.
__device__ __forceinline__ float settled(float x) {
  asm("" : "+f"(x));
  return x;
}

// All that was to be read is read: a branch stays one, where the compiler would make its loads those of the other.
__device__ __forceinline__ void settled() { asm volatile("" ::: "memory"); }
#else
template <class T>
T settled(T x) {
  return x;
}
inline void settled() {}
#endif
__device__ __forceinline__ double settled(double x) { return x; }

// COUNT threads of a warp for each of the shorter rows. HELD is how many elements of a row a thread holds, and REACH how
// far from where it starts a team is at once.
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

  // make(), which is the same for the whole row and must not wait for other threads; here and below, once in a kernel.
  template <class Make>
  __device__ __forceinline__ auto once(Make make) const {
    return make();
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

// make(), by the first warp for all the block, through `found` in shared memory.
template <class Make, class Found>
__device__ __forceinline__ Found made_by_one(Make make, Found& found) {
  if (threadIdx.x < WARP) {
    const Found mine = make();
    if (threadIdx.x == 0) found = mine;
  }
  __syncthreads();
  return found;
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

  // By one warp for all.
  template <class Make>
  __device__ __forceinline__ auto once(Make make) const {
    __shared__ decltype(make()) found;
    return made_by_one(make, found);
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

// COUNT blocks of threads for each of the longest rows, a cluster if they are several. The BLOCKs of the sum are dealt
// out to the blocks, whose warps take them in turn, and each adds one up by itself, in steps of HELD elements a lane:
// nobody waits before the whole row is done. What a warp finds it gives to all blocks.
template <int HELD, int BLOCK, int COUNT>
struct StripTeam {
  static constexpr int EACH = HELD, LENGTH = BLOCK, STEPS = BLOCK / (WARP * HELD);
  static constexpr int REACH = (HELD - 1) * (STEPS * WARP) + WARP;
  static constexpr bool WHOLE = false;
  static_assert(COUNT <= WARP, "a lane gives to one block");

  // A block that has not begun cannot be given anything.
  __device__ __forceinline__ StripTeam() {
    if constexpr (COUNT > 1) wait();
  }

  __device__ __forceinline__ long long row() const { return static_cast<long long>(blockIdx.x) / COUNT; }
  __device__ __forceinline__ bool leads() const { return threadIdx.x == 0 && rank() == 0; }

  // The BLOCKs of a row of n elements; a warp has the one of its number, and then one at a distance from the one before.
  __device__ __forceinline__ long long blocks(long long n) const { return (n + BLOCK - 1) / BLOCK; }
  __device__ __forceinline__ int number() const { return rank() + COUNT * warp(); }
  __device__ __forceinline__ int apart() const { return COUNT * warps(); }

  __device__ __forceinline__ int warp() const { return static_cast<int>(threadIdx.x) / WARP; }
  __device__ __forceinline__ int warps() const { return static_cast<int>(blockDim.x) / WARP; }

  __device__ __forceinline__ int place(int k) const {
    return k * (STEPS * WARP) + static_cast<int>(threadIdx.x) % WARP;
  }

  // In each block's shared memory: what is made ONCE; a key of each warp, in 16 bytes; the sums of the row's BLOCKs, of
  // two sums at a time; and room for the elements that the block keeps.
  static constexpr int ONCE = 64;
  template <class Key>
  __device__ __forceinline__ Key* keys() const {
    return reinterpret_cast<Key*>(shared_room() + ONCE);
  }
  template <int SLOT>
  __device__ __forceinline__ Part* sums_of_blocks(long long n) const {
    return keys<Part>() + apart() + SLOT * blocks(n);
  }
  template <class T>
  __device__ __forceinline__ T* room(long long n) const {
    return reinterpret_cast<T*>(sums_of_blocks<2>(n));
  }

  // Puts what a warp has in each of its lanes to this place in every block.
  template <class Value>
  __device__ __forceinline__ void give(Value* place, Value value) const {
    const int lane = static_cast<int>(threadIdx.x) % WARP;
    if constexpr (COUNT == 1) {
      if (lane == 0) *place = value;
    } else {
      if (lane < COUNT) *of_block(place, lane) = value;
    }
  }

  // For all threads of all blocks.
  __device__ __forceinline__ void wait() const {
    if constexpr (COUNT == 1)
      __syncthreads();
    else
      wait_for_cluster();
  }

  // Once in a kernel.
  template <class Key>
  __device__ __forceinline__ Key greatest(Key key) const {
    const Key* all = keys<Key>();
    give(keys<Key>() + number(), greatest_of_lanes<WARP>(key));
    wait();
    for (int i = static_cast<int>(threadIdx.x) % WARP; i < apart(); i += WARP) key = all[i] > key ? all[i] : key;
    return greatest_of_lanes<WARP>(key);
  }

  template <class Make>
  __device__ __forceinline__ auto once(Make make) const {
    using Found = decltype(make());
    static_assert(sizeof(Found) <= ONCE);
    return made_by_one(make, *reinterpret_cast<Found*>(shared_room()));
  }

 private:
  __device__ __forceinline__ int rank() const { return COUNT == 1 ? 0 : static_cast<int>(blockIdx.x % COUNT); }
};

}  // namespace fastloa
