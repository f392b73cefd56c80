// Losses of rows of vectors: sums over a row, and its value and gradients from them, while a team has it.
//
// A `Row` is what source.py emits: the type T of all arrays, how many VECTORS, GRADIENTS, SUMS and PARAMETERS there are,
// and terms(), value(), coefficients() and gradient(), which are float64 whatever T is. Sums go in turn: their elements
// are in registers, and of a row that is not held, in a cache.
#pragma once

#include "rows.cuh"

namespace fastloa {

template <class Row>
struct VectorArguments {
  using T = typename Row::T;
  const T* vectors[Row::VECTORS];
  T* grads[Row::GRADIENTS];
  const T* target;
  const T* sample_weight;
  T* out;         // the rows' losses for the caller,
  double* slots;  // or to be summed
  long long rows, length;
  double parameters[at_least_one(Row::PARAMETERS)];
  Number divisor;
};

// The elements of a row's vectors that one thread holds.
template <class Row, class Team>
struct HeldVectors {
  Held<typename Row::T, Team> of[Row::VECTORS];

  __device__ __forceinline__ void load(const Team& team, const VectorArguments<Row>& a, Piece piece) {
#pragma unroll
    for (int v = 0; v < Row::VECTORS; ++v) of[v].load(team, a.vectors[v] + team.row() * a.length, piece);
  }

  __device__ __forceinline__ Values<double, Row::VECTORS> element(int k) const {
    Values<double, Row::VECTORS> all;
#pragma unroll
    for (int v = 0; v < Row::VECTORS; ++v) all.at[v] = double(of[v].at[k]);
    return all;
  }
};

template <class Row, class Team>
__device__ __forceinline__ void vector_row(const VectorArguments<Row>& a) {
  using T = typename Row::T;
  const Team team;
  const long long row = team.row(), n = a.length;
  if (row >= a.rows) return;
  HeldVectors<Row, Team> held;
  if constexpr (Team::WHOLE) held.load(team, a, whole_row(n));
  double sums[Row::SUMS];
#pragma unroll
  for (int s = 0; s < Row::SUMS; ++s) {
    RowSum<T, Team> sum(team, n);
    pieces(team, n, [&](Piece piece) {
      if constexpr (!Team::WHOLE) held.load(team, a, piece);
      sum.add_each([&](int k) { return Row::terms(held.element(k).at, a.parameters).at[s]; }, piece);
    });
    sums[s] = whole(sum.total());
  }
  const auto coefficients = team.once([&] {
    const double t = Row::LABELLED ? double(a.target[row]) : 0.0;
    const double scale = a.sample_weight != nullptr ? double(a.sample_weight[row]) : 1.0;
    if constexpr (Row::VALUE) {
      if (team.leads()) {
        const double loss = scale * Row::value(sums, t, a.parameters).at[0];
        if (a.slots != nullptr)
          a.slots[row] = loss;
        else
          a.out[row] = T(loss);
      }
    }
    if constexpr (Row::GRAD)
      return Row::coefficients(scale / read(a.divisor), sums, t, a.parameters);
    else
      return Values<double, 1>{};
  });
  if constexpr (Row::GRAD) {
    pieces(team, n, [&](Piece piece) {
      if constexpr (!Team::WHOLE) held.load(team, a, piece);
#pragma unroll
      for (int k = 0; k < Team::EACH; ++k) {
        if (team.place(k) >= piece.left) continue;
        const auto slopes = Row::gradient(coefficients.at, held.element(k).at, a.parameters);
#pragma unroll
        for (int v = 0; v < Row::GRADIENTS; ++v)
          a.grads[v][row * n + piece.start + team.place(k)] = T(slopes.at[v]);
      }
    });
  }
}

}  // namespace fastloa
