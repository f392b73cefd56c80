// Lets a C++ compiler read the CUDA text and run it on the CPU: the words of CUDA, its intrinsics, and a launch.
//
// A block's threads are fibers that change places at barriers and shuffles, which is fast and tells when one of them
// waits for ever. With SHIM_THREADS they are real threads, for ThreadSanitizer to find a missing barrier. Blocks run
// one after the other, but for those of a cluster.
#pragma once

#include <cmath>
#include <cstdio>
#include <cstring>
#include <memory>
#include <vector>

#ifdef SHIM_THREADS
#include <barrier>
#include <thread>
#define SHIM_LOCAL static thread_local
#else
#include <csetjmp>
#include <ucontext.h>
#define SHIM_LOCAL static
#endif

#define FASTLOA_SHIM
#define __host__
#define __device__
#define __global__
#define __shared__ static
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __cluster_dims__(...)
#define __grid_constant__
#define __align__(n) __attribute__((aligned(n)))

struct alignas(16) float4 {
  float x, y, z, w;
};
struct alignas(16) double2 {
  double x, y;
};
struct alignas(16) uint4 {
  unsigned x, y, z, w;
};
struct alignas(8) uint2 {
  unsigned x, y;
};
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
inline double2 make_double2(double x, double y) { return {x, y}; }
inline uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }

struct Index {
  unsigned x, y, z;
};
SHIM_LOCAL Index threadIdx, blockIdx;
static Index blockDim;

template <class To, class From>
To shim_cast(From x) {
  To y;
  static_assert(sizeof x == sizeof y);
  std::memcpy(&y, &x, sizeof y);
  return y;
}
inline int __float_as_int(float x) { return shim_cast<int>(x); }
inline float __int_as_float(int x) { return shim_cast<float>(x); }
inline long long __double_as_longlong(double x) { return shim_cast<long long>(x); }
inline double __longlong_as_double(long long x) { return shim_cast<double>(x); }
namespace fastloa {
inline float half_to_float(unsigned short bits) { return shim_cast<_Float16>(bits); }
inline unsigned short float_to_half(float x) { return shim_cast<unsigned short>(static_cast<_Float16>(x)); }
}  // namespace fastloa
inline float __fmaf_rn(float x, float y, float z) { return std::fma(x, y, z); }
inline double __fma_rn(double x, double y, double z) { return std::fma(x, y, z); }
inline float __fsqrt_rn(float x) { return std::sqrt(x); }
inline double __dsqrt_rn(double x) { return std::sqrt(x); }
inline void* __cvta_global_to_generic(std::size_t place) { return reinterpret_cast<void*>(place); }

namespace shim {

constexpr unsigned WARP = 32, LOGARITHM = 5;

// Of 1, 2, 4, ... lanes.
inline unsigned place(unsigned size) { return size < 2 ? 0 : 1 + place(size / 2); }

struct Cluster;
static Cluster* cluster = nullptr;  // the blocks that run
SHIM_LOCAL unsigned number;         // of this thread in the cluster
static std::vector<std::unique_ptr<char[]>> rooms;  // of each block: shared memory beside what kernels declare

inline unsigned rank() { return number / blockDim.x; }

// Makes this thread number `i` of the blocks from `first` on.
inline void begin(unsigned first, unsigned i) {
  number = i;
  threadIdx = {i % blockDim.x, 0, 0};
  blockIdx = {first + rank(), 0, 0};
}

#ifdef SHIM_THREADS

struct Cluster {
  std::barrier<> all;
  std::vector<std::unique_ptr<std::barrier<>>> of_block, lanes_of[LOGARITHM + 1];
  std::vector<unsigned long long> lanes;

  explicit Cluster(unsigned threads) : all(threads), lanes(threads) {
    for (unsigned first = 0; first < threads; first += blockDim.x)
      of_block.push_back(std::make_unique<std::barrier<>>(blockDim.x));
    for (unsigned size = 1; size <= WARP; size *= 2)
      for (unsigned first = 0; first < threads; first += size)
        lanes_of[place(size)].push_back(std::make_unique<std::barrier<>>(threads - first < size ? threads - first : size));
  }
  void wait() { all.arrive_and_wait(); }
  void wait_for_block() { of_block[rank()]->arrive_and_wait(); }
  void wait_for_lanes(unsigned size) { lanes_of[place(size)][number / size]->arrive_and_wait(); }

  template <class Kernel>
  bool run(unsigned first, unsigned threads, Kernel kernel) {
    std::vector<std::thread> running;
    for (unsigned i = 0; i < threads; ++i)
      running.emplace_back([=] {
        begin(first, i);
        kernel();
      });
    for (auto& thread : running) thread.join();
    return true;
  }
};

#else

struct Gate {
  unsigned expected = 0, arrived = 0, turn = 0;
};

// A fiber starts by swapcontext; from then on it changes places by longjmp, which spares two system calls a time.
struct Fiber {
  ucontext_t start;
  jmp_buf place;
  bool started = false;
  std::unique_ptr<char[]> stack;
  bool ended = false;
};

constexpr std::size_t STACK = 64 * 1024;
static ucontext_t origin;
static jmp_buf scheduler;
static std::vector<Fiber> fibers;
static void (*body)(const void*) = nullptr;
static const void* closure = nullptr;
static unsigned current = 0;
static bool moved = false;

struct Cluster {
  Gate all;
  std::vector<Gate> of_block, lanes_of[LOGARITHM + 1];
  std::vector<unsigned long long> lanes;

  explicit Cluster(unsigned threads) : lanes(threads) {
    all.expected = threads;
    of_block.assign(threads / blockDim.x, {blockDim.x});
    for (unsigned size = 1; size <= WARP; size *= 2)
      for (unsigned first = 0; first < threads; first += size)
        lanes_of[place(size)].push_back({threads - first < size ? threads - first : size});
  }
  static void pass(Gate& gate) {
    const unsigned turn = gate.turn;
    moved = true;
    if (++gate.arrived == gate.expected) {
      gate.arrived = 0;
      ++gate.turn;
    }
    while (gate.turn == turn)
      if (_setjmp(fibers[current].place) == 0) _longjmp(scheduler, 1);
  }
  static void resume(Fiber& fiber) {
    if (_setjmp(scheduler) != 0) return;
    if (fiber.started) _longjmp(fiber.place, 1);
    fiber.started = true;
    swapcontext(&origin, &fiber.start);
  }
  void wait() { pass(all); }
  void wait_for_block() { pass(of_block[rank()]); }
  void wait_for_lanes(unsigned size) { pass(lanes_of[place(size)][number / size]); }

  static void enter() {
    body(closure);
    fibers[current].ended = moved = true;
    _longjmp(scheduler, 1);
  }

  // False when all threads that are left wait at barriers that not all of them reach.
  template <class Kernel>
  bool run(unsigned first, unsigned threads, Kernel kernel) {
    while (fibers.size() < threads) {
      fibers.emplace_back();
      fibers.back().stack.reset(new char[STACK]);
    }
    closure = &kernel;
    body = [](const void* k) { (*static_cast<const Kernel*>(k))(); };
    for (unsigned i = 0; i < threads; ++i) {
      getcontext(&fibers[i].start);
      fibers[i].start.uc_stack.ss_sp = fibers[i].stack.get();
      fibers[i].start.uc_stack.ss_size = STACK;
      fibers[i].started = fibers[i].ended = false;
      makecontext(&fibers[i].start, reinterpret_cast<void (*)()>(&Cluster::enter), 0);
    }
    for (unsigned ended = 0; ended < threads;) {
      ended = 0;
      moved = false;
      for (current = 0; current < threads; ++current) {
        if (!fibers[current].ended) {
          begin(first, current);
          resume(fibers[current]);
        }
        ended += fibers[current].ended;
      }
      if (!moved) return false;
    }
    return true;
  }
};

#endif

// Between the neighbours that the mask names, of whom there are 1, 2, 4, ... or all; waits for no other.
template <class T>
T shuffled(unsigned mask, T value, unsigned lane) {
  static_assert(sizeof value <= 8);
  const unsigned first = number / WARP * WARP, size = static_cast<unsigned>(__builtin_popcount(mask));
  std::memcpy(&cluster->lanes[number], &value, sizeof value);
  cluster->wait_for_lanes(size);
  if (lane < WARP && (mask >> lane & 1) != 0) std::memcpy(&value, &cluster->lanes[first + lane], sizeof value);
  cluster->wait_for_lanes(size);
  return value;
}

// 0; 1 where the struct is not `size` bytes long; 2 where a barrier is not reached by all. So many blocks are `together`.
template <class Arguments>
int launch(
    void (*kernel)(Arguments), unsigned together, unsigned blocks, unsigned threads, const void* arguments,
    unsigned long size, unsigned long shared) {
  if (size != sizeof(Arguments)) return 1;
  rooms.clear();
  for (unsigned i = 0; i < together; ++i)
    rooms.emplace_back(new char[shared + 1]);  // to the byte, for a sanitizer to see what is beyond
  blockDim = {threads, 1, 1};
  alignas(16) std::remove_const_t<Arguments> a;
  std::memcpy(&a, arguments, size);
  for (unsigned i = 0; i < blocks; i += together) {
    Cluster here(together * threads);
    cluster = &here;
    if (!here.run(i, together * threads, [&] { kernel(a); })) return 2;
  }
  return 0;
}

}  // namespace shim

namespace fastloa {
inline unsigned char* shared_room() { return reinterpret_cast<unsigned char*>(shim::rooms[shim::rank()].get()); }
template <class T>
T* of_block(T* place, int block) {
  char* own = reinterpret_cast<char*>(place);
  return reinterpret_cast<T*>(shim::rooms[static_cast<unsigned>(block)].get() + (own - shim::rooms[shim::rank()].get()));
}
inline void wait_for_cluster() { shim::cluster->wait(); }
}  // namespace fastloa

inline void __syncthreads() { shim::cluster->wait_for_block(); }
template <class T>
T __shfl_sync(unsigned mask, T value, int lane) {
  return shim::shuffled(mask, value, static_cast<unsigned>(lane));
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned distance) {
  return shim::shuffled(mask, value, threadIdx.x % shim::WARP + distance);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, unsigned bits) {
  return shim::shuffled(mask, value, (threadIdx.x % shim::WARP) ^ bits);
}
