// Rows of class scores. A row belongs to a team of threads, which reads it once where it can: lanes of a warp, or the
// threads of a block, hold a row in registers, and a longer one is kept in the shared memory of a block, or of a cluster
// of blocks, as far as that reaches; only what is beyond is read again.
//
// A `Row` is what source.py emits: the type T, the types of what the operands and the results hold (First, Second and
// Result), and the formulas of one operation. A row is summed in the blocks and trees of fastloa_kernels.sums, so that
// its bits depend on nothing but the row, and are the CPU engine's.
#pragma once

#include "teams.cuh"

namespace fastloa {

// Below this a sum minus 1 is taken again without the 1, or float64 would leave too few digits of a float32 row.
constexpr double CLOSE = 9.5367431640625e-07;  // 2**-20

constexpr int BEYOND = 1 << 28;  // more elements than any shared memory has room for

// Part of a row: where it starts, how many elements there are from there on, as far as that matters, and where shared
// memory has room for what a team's threads hold of it.
struct Piece {
  long long start;
  int left, room;
};

// All of a row, for a team that holds it.
__device__ __forceinline__ Piece whole_row(long long n) { return {0, static_cast<int>(n), 0}; }

// Calls body(piece) for all that a team has of a row of n elements, one part after the other.
template <class Team, class Body>
__device__ __forceinline__ void pieces(const Team& team, long long n, Body body) {
  if constexpr (Team::WHOLE) {
    body(whole_row(n));
  } else {
    int room = team.warp() * Team::LENGTH;
    for (long long block = team.number(); block < team.blocks(n); block += team.apart()) {
      const long long first = block * Team::LENGTH;
      const int left = static_cast<int>(n - first < Team::LENGTH ? n - first : Team::LENGTH);
#pragma unroll 1
      for (int step = 0; step < Team::STEPS; ++step) {
        // In the order in which a tree takes them: the bits of the step, reversed.
        int turned = 0;
#pragma unroll
        for (int bit = 1; bit < Team::STEPS; bit *= 2) turned = turned * 2 + (step & bit ? 1 : 0);
        body(Piece{first + turned * WARP, left - turned * WARP, room + turned * (WARP * Team::EACH)});
      }
      room += room < BEYOND ? team.warps() * Team::LENGTH : 0;
    }
  }
}

// The elements of a piece that one thread holds.
template <class T, class Team>
struct Held {
  T at[Team::EACH];

  // Beyond the row's end it is the last element, which changes no maximum: a condition for each load would take more
  // predicates than there are, and keep the loads from going out together.
  template <class Stored>
  __device__ __forceinline__ void load(const Team& team, const Stored* row, Piece piece) {
    const Stored* from = settled(row + piece.start);
    if (piece.left >= Team::REACH) {
#pragma unroll
      for (int k = 0; k < Team::EACH; ++k) at[k] = get(from + team.place(k));
      settled();
    } else {
#pragma unroll
      for (int k = 0; k < Team::EACH; ++k) {
        const int i = team.place(k), last = piece.left - 1;  // which lies before the piece, if it is all beyond
        at[k] = get(from + (i < last ? i : last));
      }
    }
  }

  // A thread takes back only such elements as it has kept itself: they lie as 16 bytes are best accessed.
  __device__ __forceinline__ void keep(T* room, Piece piece) const {
#pragma unroll
    for (int k = 0; k < Team::EACH; k += VECTOR) {
      T* place = room + piece.room + place_in_room(k);
      if constexpr (VECTOR == 1)
        *place = at[k];
      else
        store(at + k, place);
    }
  }
  __device__ __forceinline__ void take(const T* room, Piece piece) {
#pragma unroll
    for (int k = 0; k < Team::EACH; k += VECTOR) {
      const T* place = room + piece.room + place_in_room(k);
      if constexpr (VECTOR == 1)
        at[k] = *place;
      else
        fastloa::load(place, at + k);
    }
  }

 private:
  static constexpr int VECTOR = Team::EACH < lanes<T>() ? 1 : lanes<T>();

  static __device__ __forceinline__ int place_in_room(int k) {
    return k * WARP + static_cast<int>(threadIdx.x) % WARP * VECTOR;
  }
};

// Puts value(k) to the place of the k-th element that this thread holds of a piece of a row. What is beyond the row's
// end is computed, too: what all values have in common is then computed once.
template <class Team, class Stored, class Value>
__device__ __forceinline__ void write(const Team& team, Stored* row, Piece piece, Value value) {
  Stored* to = settled(row + piece.start);
#pragma unroll
  for (int k = 0; k < Team::EACH; ++k) {
    const auto found = value(k);
    if (team.place(k) < piece.left) put(found, to + team.place(k));
  }
}

// A sum over a row, to which its parts are added in turn. SLOT tells sums apart that are taken at the same time. One that
// is COMPENSATED carries its rounding errors along.
template <class T, class Team, int SLOT = 0, bool COMPENSATED = sizeof(T) == 8>
struct RowSum {
  const Team& team;
  long long n;
  Part pending[5];  // of 32 steps at most
  int step = 0;
  long long block = 0;

  __device__ __forceinline__ RowSum(const Team& team, long long n) : team(team), n(n) {
    if constexpr (!Team::WHOLE) block = team.number();
  }

  __device__ __forceinline__ void add(const Held<T, Team>& held, Piece piece) {
    if (piece.left >= Team::REACH)
      take(folded<COMPENSATED, Team::EACH>([&](int k) { return Part{double(held.at[k]), 0.0}; }));
    else
      take(folded<COMPENSATED, Team::EACH>([&](int k) {
        return Part{double(settled(team.place(k) < piece.left ? held.at[k] : T(0))), 0.0};
      }));
  }

  // The same of term(k), of the k-th element that this thread holds.
  template <class Term>
  __device__ __forceinline__ void add_each(Term term, Piece piece) {
    take(folded<COMPENSATED, Team::EACH>([&](int k) {
      return Part{team.place(k) < piece.left ? term(k) : 0.0, 0.0};
    }));
  }

  // Calls add(sum) for the sum of each block, in order, in every thread.
  template <class Add>
  __device__ __forceinline__ void finish(Add add) {
    if constexpr (Team::WHOLE) {
      team.template sums<COMPENSATED, SLOT>(pending[0], add);
    } else {
      team.wait();
      for (long long i = 0; i < team.blocks(n); ++i) add(team.template sums_of_blocks<SLOT>(n)[i]);
      team.wait();
    }
  }

  // The sum with what rounding it lost.
  __device__ __forceinline__ Part total() {
    Part sum{0.0, 0.0};
    finish([&](Part one) { sum = added<true>(sum, one); });
    return sum;
  }

 private:
  __device__ __forceinline__ void take(Part own) {
    if constexpr (Team::WHOLE) {
      pending[0] = own;
    } else {
      carry<0>(own);
      if (++step < Team::STEPS) return;
      step = 0;
      block += team.apart();
    }
  }

  // As a counter carries: a pair that is complete is added up, and so are pairs of pairs.
  template <int LEVEL>
  __device__ __forceinline__ void carry(Part own) {
    if constexpr (1 << LEVEL < Team::STEPS) {
      if (step >> LEVEL & 1)
        carry<LEVEL + 1>(added<COMPENSATED>(pending[LEVEL], own));
      else
        pending[LEVEL] = own;
    } else {
      own = lanes_tree<COMPENSATED, WARP>(own);
      team.give(team.template sums_of_blocks<SLOT>(n) + block, own);
    }
  }
};

// A row's scores x and exp(x - m), m its maximum and rest = sum(exp(x - m)) - 1.
template <class Row, class Team>
struct Scores {
  using T = typename Row::T;
  using First = typename Row::First;
  const Team& team;
  const First* row;
  long long n, kept;  // elements of the row, and how many of them a block's shared memory keeps
  bool spent = false;  // whether the exponentials have taken the scores' place where they are kept
  bool near = false;   // whether fewer instructions give the exponentials
  Held<T, Team> x, e;
  T m = T(0), rest = T(0), floor = T(0);
  double wide = 0.0;  // rest, before it is rounded

  __device__ __forceinline__ Scores(const Team& team, const First* row, long long n, long long kept)
      : team(team), row(row), n(n), kept(Row::NORMALISED ? kept : 0) {
    if (Team::WHOLE) load_scores(whole_row(n));
  }

  // Finds m and rest; `reread` says that the scores themselves are asked for after that.
  __device__ __forceinline__ void find(bool reread) {
    if constexpr (Row::NORMALISED) {
      find_maximum();
      near = m > T(-Row::NEAR) && m < T(Row::NEAR);
      floor = Row::floor(m);
      find_rest(!reread);
    } else if (Team::WHOLE) {
      exponentiate();
    }
  }

  // Floats are compared as the integers that order like them, so that NaN is the greatest, as on the CPU.
  __device__ __forceinline__ void find_maximum() {
    using Key = typename Format<T>::Signed;
    constexpr int PLACES = sizeof(Key) * 8 - 1;
    constexpr Key LEAST = Key(typename Format<T>::Unsigned(1) << PLACES), MAGNITUDE = ~LEAST;
    Key greatest = LEAST;
    pieces(team, n, [&](Piece piece) {
      if (!Team::WHOLE) {
        load_scores(piece);
        keep(x, piece);
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

  // Makes the part's x, and exp(x - m), what this thread holds.
  __device__ __forceinline__ void load(Piece piece) {
    if constexpr (!Team::WHOLE) {
      if (piece.room < kept)
        x.take(team.template room<T>(n), piece);
      else
        load_scores(piece);
    }
  }
  __device__ __forceinline__ void load_exponentials(Piece piece) {
    if constexpr (!Team::WHOLE) {
      if (spent && piece.room < kept) return e.take(team.template room<T>(n), piece);
      load(piece);
      exponentiate();
    }
  }

 private:
  __device__ __forceinline__ void load_scores(Piece piece) {
    x.load(team, row, piece);
#pragma unroll
    for (int k = 0; k < Team::EACH; ++k) x.at[k] = Row::score(x.at[k]);
  }

  __device__ __forceinline__ void exponentiate() {
    if (near) {
#pragma unroll
      for (int k = 0; k < Team::EACH; ++k) e.at[k] = Row::near_exponential(x.at[k], m, floor);
    } else {
#pragma unroll
      for (int k = 0; k < Team::EACH; ++k) e.at[k] = Row::exponential(x.at[k], m);
    }
  }

  __device__ __forceinline__ void keep(const Held<T, Team>& held, Piece piece) {
    if constexpr (!Team::WHOLE)
      if (piece.room < kept) held.keep(team.template room<T>(n), piece);
  }

  __device__ __forceinline__ void find_rest(bool replace) {
    if (Team::WHOLE) exponentiate();
    RowSum<T, Team> sum(team, n);
    pieces(team, n, [&](Piece piece) {
      load_exponentials(piece);
      if (replace) keep(e, piece);
      sum.add(e, piece);
    });
    spent = replace;
    const Part total = sum.total();
    double excess = (total.high - 1.0) + total.low;
    // Written out again: a loop around both would keep more alive than 64 registers hold.
    if (sizeof(T) == 4 && excess < CLOSE) {
      RowSum<T, Team> others_sum(team, n);
      pieces(team, n, [&](Piece piece) {
        load_exponentials(piece);
        Held<T, Team> others;
#pragma unroll
        for (int k = 0; k < Team::EACH; ++k) others.at[k] = Row::other(e.at[k]);
        others_sum.add(others, piece);
      });
      excess = others_sum.total().high;
    }
    wide = Row::rest(excess, double(m));
    rest = T(wide);
  }
};

template <class Row>
struct RowArguments {
  const typename Row::First* first;
  const typename Row::Second* second;
  typename Row::Result* out;
  long long rows, classes;
  long long kept;  // elements of a row, of each array that is read, that a block's shared memory keeps: whole BLOCKs
};

// out = value(x) for each row of x, which may be out itself.
template <class Row, class Team>
__device__ __forceinline__ void rowwise_value(const RowArguments<Row>& a) {
  const Team team;
  if (team.row() >= a.rows) return;
  const long long n = a.classes, offset = team.row() * n;
  Scores<Row, Team> scores(team, a.first + offset, n, a.kept);
  scores.find(!Row::OF_EXPONENTIAL);
  typename Row::Result* out = a.out + offset;
  pieces(team, n, [&](Piece piece) {
    if constexpr (Row::OF_EXPONENTIAL)
      scores.load_exponentials(piece);
    else
      scores.load(piece);
    write(team, out, piece, [&](int k) {
      if constexpr (Row::OF_EXPONENTIAL)
        return Row::value(scores.e.at[k], scores.rest);
      else
        return Row::value(Row::distance(scores.x.at[k], scores.m), scores.rest);
    });
  });
}

// The gradient and the output that a thread holds of a row of both.
template <class Row, class Team>
struct Operands {
  using T = typename Row::T;
  const RowArguments<Row>& a;
  const Team& team;
  long long offset;
  Held<T, Team> g, y;

  __device__ __forceinline__ Operands(const RowArguments<Row>& a, const Team& team)
      : a(a), team(team), offset(team.row() * a.classes) {}

  // Reads a piece for the first time, and keeps it as far as shared memory reaches.
  __device__ __forceinline__ void read(Piece piece) {
    g.load(team, a.first + offset, piece);
    y.load(team, a.second + offset, piece);
    if constexpr (!Team::WHOLE)
      if (piece.room < a.kept) {
        g.keep(team.template room<T>(a.classes), piece);
        y.keep(team.template room<T>(a.classes) + a.kept, piece);
      }
  }

  // Makes it what this thread holds again.
  __device__ __forceinline__ void load(Piece piece) {
    if constexpr (!Team::WHOLE) {
      if (piece.room < a.kept) {
        g.take(team.template room<T>(a.classes), piece);
        y.take(team.template room<T>(a.classes) + a.kept, piece);
      } else {
        g.load(team, a.first + offset, piece);
        y.load(team, a.second + offset, piece);
      }
    }
  }
};

// out = backward(g, y, sum of summand(g, y)) for each row of g and y, either of which may be out itself.
template <class Row, class Team>
__device__ __forceinline__ void rowwise_backward(const RowArguments<Row>& a) {
  using T = typename Row::T;
  const Team team;
  if (team.row() >= a.rows) return;
  Operands<Row, Team> both(a, team);
  RowSum<T, Team> summands(team, a.classes);
  pieces(team, a.classes, [&](Piece piece) {
    both.read(piece);
    Held<T, Team> terms;
#pragma unroll
    for (int k = 0; k < Team::EACH; ++k) terms.at[k] = Row::summand(both.g.at[k], both.y.at[k]);
    summands.add(terms, piece);
  });
  const T sum = T(whole(summands.total()));
  pieces(team, a.classes, [&](Piece piece) {
    both.load(piece);
    write(team, a.out + both.offset, piece, [&](int k) { return Row::backward(both.g.at[k], both.y.at[k], sum); });
  });
}

}  // namespace fastloa
