// Losses of rows of class scores through pairs of a label and a class that is none: for each of a row's labels in turn its
// pairs are summed over the row, while a team has it, and the labels' sums are added up in their order.
//
// A `Row` is what source.py emits: the type T of all arrays, which RESULTS there are, and the formulas of a pair, value(),
// derivative() and second(), which are float64 whatever T is.
#pragma once

#include "rows.cuh"

namespace fastloa {

template <class Row>
struct PairedArguments {
  using T = typename Row::T;
  const T* x;
  T* grads[Row::RESULTS];
  const long long* labels;
  const T* sample_weight;
  T* out;         // the rows' losses for the caller,
  double* slots;  // or to be summed
  long long rows, classes, most;  // a row has the labels before its first -1, and `most` of them at most
  double parameters[at_least_one(Row::PARAMETERS)];
  Number divisor;
};

template <class Row, class Team>
struct Pairs {
  using T = typename Row::T;
  const PairedArguments<Row>& a;
  const Team& team;
  const long long row, n;
  const T* const x;
  const long long* const labels;
  long long count = 0;
  bool wrong = false;  // whether a label is no class
  Held<T, Team> held;
  unsigned int others = 0;  // of the elements that a thread holds, those that are no labels, as bits

  __device__ __forceinline__ Pairs(const PairedArguments<Row>& a, const Team& team)
      : a(a), team(team), row(team.row()), n(a.classes), x(a.x + row * n), labels(a.labels + row * a.most) {}

  __device__ __forceinline__ void begin() {
    for (; count < a.most && labels[count] != -1; ++count) wrong = wrong || labels[count] < 0 || labels[count] >= n;
    if (Team::WHOLE && !wrong) load(whole_row(n));
  }

  __device__ __forceinline__ void load(Piece piece) {
    static_assert(Team::EACH <= 32, "a bit for each element");
    held.load(team, x, piece);
    others = 0;
#pragma unroll
    for (int k = 0; k < Team::EACH; ++k) others |= (team.place(k) < piece.left ? 1u : 0u) << k;
#pragma unroll 1
    for (long long i = 0; i < count; ++i) {
      const long long own = labels[i] - piece.start;
#pragma unroll
      for (int k = 0; k < Team::EACH; ++k) others &= ~((own == team.place(k) ? 1u : 0u) << k);
    }
  }
  __device__ __forceinline__ void reload(Piece piece) {
    if constexpr (!Team::WHOLE) load(piece);
  }
  __device__ __forceinline__ bool other(int k) const { return others >> k & 1; }

  // The sum over the pairs of a label of term(x, y).
  template <class Term>
  __device__ __forceinline__ double label_sum(long long i, Term term) {
    const double y = double(x[labels[i]]);
    RowSum<T, Team> sum(team, n);
    pieces(team, n, [&](Piece piece) {
      reload(piece);
      sum.add_each([&](int k) { return other(k) ? term(double(held.at[k]), y) : 0.0; }, piece);
    });
    return whole(sum.total());
  }

  // The factor times what each class has of term(x, y) of its pairs, and the labels with the sign.
  template <class Term>
  __device__ __forceinline__ void write(Term term, double sign, double factor, T* out) {
    pieces(team, n, [&](Piece piece) {
      reload(piece);
      double sums[Team::EACH];
#pragma unroll
      for (int k = 0; k < Team::EACH; ++k) sums[k] = 0.0;
#pragma unroll 1
      for (long long i = 0; i < count; ++i) {
        const double y = double(x[labels[i]]);
#pragma unroll
        for (int k = 0; k < Team::EACH; ++k) sums[k] += term(double(held.at[k]), y);
      }
#pragma unroll
      for (int k = 0; k < Team::EACH; ++k)
        if (other(k)) out[piece.start + team.place(k)] = T(factor * sums[k]);
    });
    // One thread alone writes to the labels, so that none that stands there twice is lost.
    if (team.leads())
      for (long long i = 0; i < count; ++i) out[labels[i]] = T(0);
#pragma unroll 1
    for (long long i = 0; i < count; ++i) {
      const double sum = label_sum(i, term);
      if (team.leads()) out[labels[i]] += T(sign * factor * sum);
    }
  }

  __device__ __forceinline__ void fill(T number, T* out) {
    pieces(team, n, [&](Piece piece) {
#pragma unroll
      for (int k = 0; k < Team::EACH; ++k)
        if (team.place(k) < piece.left) out[piece.start + team.place(k)] = number;
    });
  }
};

template <class Row, class Team>
__device__ __forceinline__ void paired_row(const PairedArguments<Row>& a) {
  using T = typename Row::T;
  const Team team;
  Pairs<Row, Team> pairs(a, team);
  if (pairs.row >= a.rows) return;
  pairs.begin();
  const double scale = a.sample_weight != nullptr ? double(a.sample_weight[pairs.row]) : 1.0;
  const double classes = double(a.classes), factor = scale / (read(a.divisor) * classes);
  if constexpr (Row::VALUE) {
    Part total{pairs.wrong ? double(not_a_number<T>()) : 0.0, 0.0};
    if (!pairs.wrong) {
#pragma unroll 1
      for (long long i = 0; i < pairs.count; ++i)
        total = added<true>(
            total, {pairs.label_sum(i, [&](double x, double y) { return Row::value(x, y, a.parameters).at[0]; }), 0.0});
    }
    if (team.leads()) {
      const double loss = scale * (whole(total) / classes);
      if (a.slots != nullptr)
        a.slots[pairs.row] = loss;
      else
        a.out[pairs.row] = T(loss);
    }
  }
  // A wrong label must not leave a plausible number.
  if constexpr (Row::GRAD) {
    T* out = a.grads[0] + pairs.row * a.classes;
    if (pairs.wrong)
      pairs.fill(not_a_number<T>(), out);
    else
      pairs.write([&](double x, double y) { return Row::derivative(x, y, a.parameters).at[0]; }, -1.0, factor, out);
  }
  if constexpr (Row::HESS) {
    T* out = a.grads[Row::RESULTS - 1] + pairs.row * a.classes;
    if (pairs.wrong)
      pairs.fill(not_a_number<T>(), out);
    else
      pairs.write([&](double x, double y) { return Row::second(x, y, a.parameters).at[0]; }, 1.0, factor, out);
  }
}

}  // namespace fastloa
