// Rows of class scores. A row belongs to a team of threads, which reads it once where it can: short rows are held in
// registers, longer ones in shared memory as far as that reaches, and only what is beyond is read again.
//
// A `Row` is what source.py emits: the type T and the formulas of one operation. A row is summed in the blocks and
// trees of fastloa_kernels.sums, so that its bits depend on nothing but the row, and are the CPU engine's.
#pragma once

#include "sum.cuh"

namespace fastloa {

// Below this a sum minus 1 is taken again without the 1, or float64 would leave too few digits of a float32 row.
constexpr double CLOSE = 9.5367431640625e-07;  // 2**-20

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

// LANES threads of a warp for each of the shortest rows. HELD is how many elements of a row a thread holds.
template <class T, int HELD, int LANES>
struct LaneTeam {
  using Index = int;
  static constexpr int EACH = HELD, SPAN = LANES * EACH;
  static constexpr bool WHOLE = true;

  __device__ __forceinline__ long long row() const {
    return static_cast<long long>(blockIdx.x) * (THREADS / LANES) + threadIdx.x / LANES;
  }

  // Where the k-th element that this thread holds lies in a span of the row.
  __device__ __forceinline__ int place(int k) const { return k * LANES + static_cast<int>(threadIdx.x) % LANES; }

  template <class Key>
  __device__ __forceinline__ Key greatest(Key key) const {
    return greatest_of_lanes<LANES>(key);
  }

  // Calls take(sum) for the sum over the team, in every thread of it.
  template <class Take>
  __device__ __forceinline__ void sums(Part own, Take take) const {
    take(lanes_tree<sizeof(T) == 8, LANES>(own));
  }
};

// A block of threads, in groups that each take a block of the sum, or less if that is the whole row. The row fits the
// threads' registers, or is kept in shared memory.
template <class T, int HELD, int BLOCK, int GROUPS, bool FITS>
struct BlockTeam {
  using Index = typename Either<FITS, int, long long>::Type;
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
    key = greatest_of_lanes<WARP>(key);
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
__device__ __forceinline__ void spans(typename Team::Index n, Body body) {
  if constexpr (Team::WHOLE)
    body(0);
  else
    for (long long start = 0; start < n; start += Team::SPAN) body(start);
}

// Shared memory for the elements of a row that a block keeps there; each thread reads what it has written itself.
template <class T>
__device__ __forceinline__ T* staged_row() {
#ifdef FASTLOA_SHIM
  return reinterpret_cast<T*>(shim::staged);
#else
  extern __shared__ __align__(16) unsigned char staged[];
  return reinterpret_cast<T*>(staged);
#endif
}

// The elements of a span that one thread holds.
template <class T, class Team>
struct Held {
  using Index = typename Team::Index;
  T at[Team::EACH];

  // Beyond the row's end it is the last element, which changes no maximum: a condition for each load would take more
  // predicates than there are, and keep the loads from going out together.
  __device__ __forceinline__ void load(const Team& team, const T* row, Index n, Index start) {
#pragma unroll
    for (int k = 0; k < Team::EACH; ++k) {
      const Index i = start + team.place(k);
      at[k] = row[i < n ? i : n - 1];
    }
  }

  __device__ __forceinline__ void stage(const Team& team, T* room, Index n, Index start) const {
#pragma unroll
    for (int k = 0; k < Team::EACH; ++k) {
      const Index i = start + team.place(k);
      if (i < n) room[i] = at[k];
    }
  }

  // Calls take(sum) for each block of the sum in this span.
  template <class Take>
  __device__ __forceinline__ void sums(const Team& team, Index n, Index start, Take take) const {
    Part own[Team::EACH];
#pragma unroll
    for (int k = 0; k < Team::EACH; ++k) own[k] = {double(start + team.place(k) < n ? at[k] : T(0)), 0.0};
    team.sums(tree<sizeof(T) == 8, Team::EACH>(own), take);
  }
};

// A row's scores x and exp(x - m), m its maximum and rest = sum(exp(x - m)) - 1.
template <class Row, class Team>
struct Scores {
  using T = typename Row::T;
  using Index = typename Team::Index;
  const Team& team;
  const T* row;
  Index n, kept;  // elements of the row, and of those how many are staged: whole spans, or all
  bool spent;     // whether the exponentials have taken the scores' place where they are staged
  Held<T, Team> x, e;
  T m, rest;
  double wide;  // rest, before it is rounded

  __device__ __forceinline__ Scores(const Team& team, const T* row, Index n, Index kept)
      : team(team), row(row), n(n), kept(Row::NORMALISED ? kept : 0), spent(false), m(T(0)), rest(T(0)), wide(0.0) {
    if (Team::WHOLE) load_scores(0);
  }

  // Finds m and rest; `reread` says that the scores themselves are asked for after that.
  __device__ __forceinline__ void find(bool reread) {
    if constexpr (Row::NORMALISED) {
      find_maximum();
      find_rest(!reread);
    } else if (Team::WHOLE) {
      exponentiate();
    }
  }

  // Makes the span's x, and exp(x - m), what this thread holds.
  __device__ __forceinline__ void load(Index start) {
    if (Team::WHOLE) return;
    if (start < kept)
      x.load(team, staged_row<T>(), n, start);
    else
      load_scores(start);
  }
  __device__ __forceinline__ void load_exponentials(Index start) {
    if (Team::WHOLE) return;
    if (spent && start < kept) return e.load(team, staged_row<T>(), n, start);
    load(start);
    exponentiate();
  }

 private:
  __device__ __forceinline__ void load_scores(Index start) {
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
    spans<Team>(n, [&](Index start) {
      if (!Team::WHOLE) {
        load_scores(start);
        if (start < kept) x.stage(team, staged_row<T>(), n, start);
      }
#pragma unroll
      for (int k = 0; k < Team::EACH; ++k) {
        Key key = static_cast<Key>(to_bits(x.at[k]));
        key ^= (key >> PLACES) & MAGNITUDE;
        greatest = key > greatest ? key : greatest;
      }
    });
    greatest = team.greatest(greatest);
    m = from_bits(static_cast<typename Format<T>::Unsigned>(greatest ^ ((greatest >> PLACES) & MAGNITUDE)));
  }

  __device__ __forceinline__ void find_rest(bool replace) {
    if (Team::WHOLE) exponentiate();
    Part total{0.0, 0.0};
    spans<Team>(n, [&](Index start) {
      load_exponentials(start);
      if (!Team::WHOLE && replace && start < kept) e.stage(team, staged_row<T>(), n, start);
      e.sums(team, n, start, [&](Part sum) { total = added<true>(total, sum); });
    });
    spent = replace;
    double excess = (total.high - 1.0) + total.low;
    // Written out again: a loop around both would keep more alive than 64 registers hold.
    if (sizeof(T) == 4 && excess < CLOSE) {
      total = {0.0, 0.0};
      spans<Team>(n, [&](Index start) {
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
  long long kept;  // elements of a row, of each array that is read, that shared memory holds: whole spans, or all
};

// out = value(x) for each row of x, which may be out itself.
template <class Row, class Team>
__device__ __forceinline__ void rowwise_value(const RowArguments<typename Row::T>& a) {
  using Index = typename Team::Index;
  const Team team;
  if (team.row() >= a.rows) return;
  const Index n = static_cast<Index>(a.classes);
  const long long offset = team.row() * a.classes;
  Scores<Row, Team> scores(team, a.first + offset, n, static_cast<Index>(a.kept));
  scores.find(!Row::OF_EXPONENTIAL);
  typename Row::T* out = a.out + offset;
  spans<Team>(n, [&](Index start) {
    if constexpr (Row::OF_EXPONENTIAL)
      scores.load_exponentials(start);
    else
      scores.load(start);
#pragma unroll
    for (int k = 0; k < Team::EACH; ++k) {
      const Index i = start + team.place(k);
      if (i >= n) continue;
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
  using Index = typename Team::Index;
  const Team team;
  if (team.row() >= a.rows) return;
  const Index n = static_cast<Index>(a.classes), kept = static_cast<Index>(a.kept);
  const long long offset = team.row() * a.classes;
  const T *first = a.first + offset, *second = a.second + offset;
  Held<T, Team> g, y;
  Part total{0.0, 0.0};
  spans<Team>(n, [&](Index start) {
    g.load(team, first, n, start);
    y.load(team, second, n, start);
    if (!Team::WHOLE && start < kept) {
      g.stage(team, staged_row<T>(), n, start);
      y.stage(team, staged_row<T>() + kept, n, start);
    }
    Held<T, Team> terms;
#pragma unroll
    for (int k = 0; k < Team::EACH; ++k) terms.at[k] = Row::summand(g.at[k], y.at[k]);
    terms.sums(team, n, start, [&](Part sum) { total = added<true>(total, sum); });
  });
  const T sum = T(whole(total));
  spans<Team>(n, [&](Index start) {
    if (!Team::WHOLE) {
      const bool staged = start < kept;
      g.load(team, staged ? staged_row<T>() : first, n, start);
      y.load(team, staged ? staged_row<T>() + kept : second, n, start);
    }
#pragma unroll
    for (int k = 0; k < Team::EACH; ++k) {
      const Index i = start + team.place(k);
      if (i < n) a.out[offset + i] = Row::backward(g.at[k], y.at[k], sum);
    }
  });
}

}  // namespace fastloa
