// Rows of class scores. A row belongs to a team of threads, which reads it for its maximum, again for its sum, and
// writes it. Short rows are held in registers between these; a longer one is read again, from the cache.
//
// A `Row` is what source.py emits: the type T and the formulas of one operation. A row is summed in the blocks and
// trees of fastloa_kernels.sums, so that its bits depend on nothing but the row, and are the CPU engine's.
#pragma once

#include "sum.cuh"

namespace fastloa {

// Below this a sum minus 1 is taken again without the 1, or float64 would leave too few digits of a float32 row.
constexpr double CLOSE = 9.5367431640625e-07;  // 2**-20

// A warp for each of the shortest rows. HELD is how many elements of a row a thread holds: what the registers allow.
template <class T, int HELD>
struct WarpTeam {
  static constexpr int EACH = HELD, SPAN = WARP * EACH;
  static constexpr bool WHOLE = true;

  __device__ __forceinline__ long long row() const {
    return static_cast<long long>(blockIdx.x) * (THREADS / WARP) + threadIdx.x / WARP;
  }

  // Where the k-th element that this thread holds lies in a span of the row.
  __device__ __forceinline__ int place(int k) const { return k * WARP + static_cast<int>(threadIdx.x) % WARP; }

  template <class Key>
  __device__ __forceinline__ Key greatest(Key key) const {
#pragma unroll
    for (int width = WARP / 2; width > 0; width /= 2) {
      const Key other = __shfl_xor_sync(ALL, key, width);
      key = other > key ? other : key;
    }
    return key;
  }

  // Calls take(sum) for the sum over the team, in every thread of it.
  template <class Take>
  __device__ __forceinline__ void sums(Part own, Take take) const {
    const Part total = warp_tree<sizeof(T) == 8>(own);
    take(Part{__shfl_sync(ALL, total.high, 0), __shfl_sync(ALL, total.low, 0)});
  }
};

// A block of threads, in groups that each take a block of the sum, or less if that is the whole row.
template <class T, int HELD, int BLOCK, int GROUPS, bool FITS>
struct BlockTeam {
  static constexpr int EACH = HELD, SIZE = BLOCK / EACH, ALL_THREADS = SIZE * GROUPS, SPAN = BLOCK * GROUPS;
  static constexpr bool WHOLE = FITS;

  __device__ __forceinline__ long long row() const { return blockIdx.x; }

  __device__ __forceinline__ int place(int k) const {
    const int thread = static_cast<int>(threadIdx.x);
    return thread / SIZE * BLOCK + k * SIZE + thread % SIZE;
  }

  template <class Key>
  __device__ __forceinline__ Key greatest(Key key) const {
    __shared__ Key keys[ALL_THREADS / WARP];
    key = WarpTeam<T, HELD>().greatest(key);
    if (threadIdx.x % WARP == 0) keys[threadIdx.x / WARP] = key;
    __syncthreads();
#pragma unroll
    for (int i = 0; i < ALL_THREADS / WARP; ++i) key = keys[i] > key ? keys[i] : key;
    return key;
  }

  // Calls take(sum) for the sum of each group in turn, in every thread.
  template <class Take>
  __device__ __forceinline__ void sums(Part own, Take take) const {
    constexpr bool COMPENSATED = sizeof(T) == 8;
    constexpr int LAST = SIZE > 512 ? SIZE / 4 : SIZE;  // more than 512 at once would not fit a warp's registers
    const int thread = static_cast<int>(threadIdx.x), group = thread / SIZE;
    Room& room = shared_room();
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
    for (int i = 0; i < GROUPS; ++i) take(room.totals[i]);
  }

 private:
  struct Room {
    Parts<sizeof(T) == 8, ALL_THREADS> parts;
    Part totals[GROUPS];
  };
  // In a function of its own, or every call of sums() would have another.
  static __device__ __forceinline__ Room& shared_room() {
    __shared__ Room room;
    return room;
  }
};

// Calls body(start) for each span of a row of n elements.
template <class Team, class Body>
__device__ __forceinline__ void spans(long long n, Body body) {
  if constexpr (Team::WHOLE)
    body(0LL);
  else
    for (long long start = 0; start < n; start += Team::SPAN) body(start);
}

// The elements of a span that one thread holds.
template <class T, class Team>
struct Held {
  T at[Team::EACH];

  __device__ __forceinline__ void load(const Team& team, const T* row, long long n, long long start) {
#pragma unroll
    for (int k = 0; k < Team::EACH; ++k) {
      const long long i = start + team.place(k);
      at[k] = i < n ? row[i] : T(0);
    }
  }

  // Calls take(sum) for each block of the sum in this span.
  template <class Take>
  __device__ __forceinline__ void sums(const Team& team, long long n, long long start, Take take) const {
    Part own[Team::EACH];
#pragma unroll
    for (int k = 0; k < Team::EACH; ++k) own[k] = {start + team.place(k) < n ? double(at[k]) : 0.0, 0.0};
    team.sums(tree<sizeof(T) == 8, Team::EACH>(own), take);
  }
};

// A row's scores x and exp(x - m), m its maximum and rest = sum(exp(x - m)) - 1.
template <class Row, class Team>
struct Scores {
  using T = typename Row::T;
  const Team& team;
  const T* row;
  long long n;
  Held<T, Team> x, e;
  T m, rest;
  double wide;  // rest, before it is rounded

  __device__ __forceinline__ Scores(const Team& team, const T* row, long long n)
      : team(team), row(row), n(n), m(T(0)), rest(T(0)), wide(0.0) {
    if (Team::WHOLE) load_scores(0);
    if constexpr (Row::NORMALISED) {
      find_maximum();
      find_rest();
    } else if (Team::WHOLE) {
      exponentiate();
    }
  }

  // Makes the span's x, and exp(x - m), what this thread holds.
  __device__ __forceinline__ void load(long long start) {
    if (!Team::WHOLE) load_scores(start);
  }
  __device__ __forceinline__ void load_exponentials(long long start) {
    load(start);
    if (!Team::WHOLE) exponentiate();
  }

 private:
  __device__ __forceinline__ void load_scores(long long start) {
    x.load(team, row, n, start);
#pragma unroll
    for (int k = 0; k < Team::EACH; ++k) x.at[k] = Row::score(x.at[k]);
  }

  __device__ __forceinline__ void exponentiate() {
#pragma unroll
    for (int k = 0; k < Team::EACH; ++k) e.at[k] = Row::exponential(x.at[k], m);
  }

  // Floats are compared as the integers that order like them, so that NaN is the greatest, as on the CPU.
  __device__ __forceinline__ void find_maximum() {
    using Key = typename Format<T>::Signed;
    constexpr int PLACES = sizeof(Key) * 8 - 1;
    constexpr Key LEAST = Key(typename Format<T>::Unsigned(1) << PLACES), MAGNITUDE = ~LEAST;
    Key greatest = LEAST;
    spans<Team>(n, [&](long long start) {
      load(start);
#pragma unroll
      for (int k = 0; k < Team::EACH; ++k) {
        Key key = static_cast<Key>(to_bits(x.at[k]));
        key ^= (key >> PLACES) & MAGNITUDE;
        if (start + team.place(k) < n && key > greatest) greatest = key;
      }
    });
    greatest = team.greatest(greatest);
    m = from_bits(static_cast<typename Format<T>::Unsigned>(greatest ^ ((greatest >> PLACES) & MAGNITUDE)));
  }

  __device__ __forceinline__ void find_rest() {
    if (Team::WHOLE) exponentiate();
    Part total{0.0, 0.0};
    spans<Team>(n, [&](long long start) {
      load_exponentials(start);
      e.sums(team, n, start, [&](Part sum) { total = added<true>(total, sum); });
    });
    double excess = (total.high - 1.0) + total.low;
    // Written out again: a loop around both would keep more alive than 64 registers hold.
    if (sizeof(T) == 4 && excess < CLOSE) {
      total = {0.0, 0.0};
      spans<Team>(n, [&](long long start) {
        load_exponentials(start);
        Held<T, Team> others;
#pragma unroll
        for (int k = 0; k < Team::EACH; ++k) others.at[k] = Row::other(e.at[k]);
        others.sums(team, n, start, [&](Part sum) { total = added<true>(total, sum); });
      });
      excess = total.high;
    }
    wide = Row::rest(excess, double(m));
    rest = T(wide);
  }
};

template <class T>
struct RowArguments {
  const T* first;
  const T* second;
  T* out;
  long long rows, classes;
};

// out = value(x) for each row of x, which may be out itself.
template <class Row, class Team>
__device__ __forceinline__ void rowwise_value(const RowArguments<typename Row::T>& a) {
  const Team team;
  if (team.row() >= a.rows) return;
  Scores<Row, Team> scores(team, a.first + team.row() * a.classes, a.classes);
  typename Row::T* out = a.out + team.row() * a.classes;
  spans<Team>(a.classes, [&](long long start) {
    if constexpr (Row::OF_EXPONENTIAL)
      scores.load_exponentials(start);
    else
      scores.load(start);
#pragma unroll
    for (int k = 0; k < Team::EACH; ++k) {
      const long long i = start + team.place(k);
      if (i >= a.classes) continue;
      if constexpr (Row::OF_EXPONENTIAL)
        out[i] = Row::value(scores.e.at[k], scores.rest);
      else
        out[i] = Row::value(Row::distance(scores.x.at[k], scores.m), scores.rest);
    }
  });
}

// out = backward(g, y, sum of summand(g, y)) for each row of g and y, either of which may be out itself.
template <class Row, class Team>
__device__ __forceinline__ void rowwise_backward(const RowArguments<typename Row::T>& a) {
  using T = typename Row::T;
  const Team team;
  if (team.row() >= a.rows) return;
  const long long n = a.classes, offset = team.row() * n;
  Held<T, Team> g, y;
  Part total{0.0, 0.0};
  spans<Team>(n, [&](long long start) {
    g.load(team, a.first + offset, n, start);
    y.load(team, a.second + offset, n, start);
    Held<T, Team> terms;
#pragma unroll
    for (int k = 0; k < Team::EACH; ++k) terms.at[k] = Row::summand(g.at[k], y.at[k]);
    terms.sums(team, n, start, [&](Part sum) { total = added<true>(total, sum); });
  });
  const T sum = T(whole(total));
  spans<Team>(n, [&](long long start) {
    if (!Team::WHOLE) {
      g.load(team, a.first + offset, n, start);
      y.load(team, a.second + offset, n, start);
    }
#pragma unroll
    for (int k = 0; k < Team::EACH; ++k) {
      const long long i = start + team.place(k);
      if (i < n) a.out[offset + i] = Row::backward(g.at[k], y.at[k], sum);
    }
  });
}

}  // namespace fastloa
