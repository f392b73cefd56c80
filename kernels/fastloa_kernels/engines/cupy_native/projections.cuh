// Projections of rows, and losses through them: what each element of a row has above a threshold, which its team finds
// by sums over those above it. A `Row` is what source.py emits, as in rows.cuh; its formulas are float64 here, as in the
// CPU engine.
#pragma once

#include "row_losses.cuh"

namespace fastloa {

// Where a row's elements are counted from, the threshold as a pair, and how many elements are above it.
struct Level {
  double origin, high, low, count;
};

template <class Row, class Team>
__device__ __forceinline__ Level level_of(const Team& team, Scores<Row, Team>& scores) {
  using T = typename Row::T;
  scores.find_maximum();
  const double m = double(scores.m), origin = Row::origin(m);
  const auto least = Row::least(m, origin);
  Level level{origin, least.at[0], least.at[1], double(scores.n) + 1.0};
#pragma unroll 1
  for (;;) {
    RowSum<T, Team, 0, true> totals(team, scores.n);
    RowSum<T, Team, 1, false> counts(team, scores.n);
    const double high = level.high, low = level.low;
    pieces(team, scores.n, [&](Piece piece) {
      scores.load(piece);
      const auto member = [&](int k) { return Row::member(double(scores.x.at[k]), origin, high, low); };
      totals.add_each([&](int k) { return member(k).at[0]; }, piece);
      counts.add_each([&](int k) { return member(k).at[1]; }, piece);
    });
    const double count = counts.total().high;
    if (!(count > 0.0 && count < level.count)) return level;
    const Part total = totals.total();
    const auto next = Row::threshold(total.high, total.low, count, m);
    level = {origin, next.at[0], next.at[1], count};
  }
}

// out = value(x) for each row of x, which may be out itself.
template <class Row, class Team>
__device__ __forceinline__ void projection_value(const RowArguments<Row>& a) {
  using T = typename Row::T;
  const Team team;
  if (team.row() >= a.rows) return;
  const long long offset = team.row() * a.classes;
  Scores<Row, Team> scores(team, a.first + offset, a.classes, a.kept);
  const Level level = level_of<Row>(team, scores);
  pieces(team, a.classes, [&](Piece piece) {
    scores.load(piece);
    write(team, a.out + offset, piece, [&](int k) {
      return T(Row::value(double(scores.x.at[k]), level.origin, level.high, level.low));
    });
  });
}

// out = backward(g, y, mean) for each row of g and y, either of which may be out itself.
template <class Row, class Team>
__device__ __forceinline__ void projection_backward(const RowArguments<Row>& a) {
  using T = typename Row::T;
  const Team team;
  if (team.row() >= a.rows) return;
  Operands<Row, Team> both(a, team);
  RowSum<T, Team, 0, true> totals(team, a.classes);
  RowSum<T, Team, 1, false> counts(team, a.classes);
  pieces(team, a.classes, [&](Piece piece) {
    both.read(piece);
    const auto summand = [&](int k) { return Row::summand(double(both.g.at[k]), double(both.y.at[k])); };
    totals.add_each([&](int k) { return summand(k).at[0]; }, piece);
    counts.add_each([&](int k) { return summand(k).at[1]; }, piece);
  });
  const double total = whole(totals.total());
  const double mean = Row::mean(total, counts.total().high);
  pieces(team, a.classes, [&](Piece piece) {
    both.load(piece);
    write(team, a.out + both.offset, piece, [&](int k) {
      return T(Row::backward(double(both.g.at[k]), double(both.y.at[k]), mean));
    });
  });
}

template <class Row, class Team>
__device__ __forceinline__ void projection_loss(const RowLossArguments<Row>& a) {
  using T = typename Row::T;
  const Team team;
  const long long row = team.row(), n = a.classes, offset = row * n;
  if (row >= a.rows) return;
  Scores<Row, Team> scores(team, a.x + offset, n, a.kept);
  long long label = 0;
  if constexpr (Row::LABELS) {
    label = a.labels[row];
    if (label == a.ignore_index || label < 0 || label >= n)
      return fill_row<Row>(a, team, label == a.ignore_index ? 0.0 : double(not_a_number<T>()));
  }
  const auto share = [&](long long i) {
    if constexpr (Row::LABELS)
      return i == label ? 1.0 : 0.0;
    else
      return double(Row::share(get(a.probabilities + offset + i)));
  };
  const Level level = level_of<Row>(team, scores);
  double scale = a.sample_weight != nullptr ? double(a.sample_weight[row]) : 1.0;
  if constexpr (Row::VALUE) {
    RowSum<T, Team, 0, true> losses(team, n);
    pieces(team, n, [&](Piece piece) {
      scores.load(piece);
      losses.add_each(
          [&](int k) {
            const double q = share(piece.start + team.place(k));
            return Row::loss(double(scores.x.at[k]), q, level.origin, level.high, level.low);
          },
          piece);
    });
    store_loss<Row>(a, team, scale * whole(losses.total()));
  }
  if constexpr (Row::GRAD) {
    scale /= read(a.divisor);
    pieces(team, n, [&](Piece piece) {
      scores.load(piece);
#pragma unroll
      for (int k = 0; k < Team::EACH; ++k) {
        if (team.place(k) >= piece.left) continue;
        const long long i = piece.start + team.place(k);
        const double x = double(scores.x.at[k]);
        if constexpr (Row::HESS) {
          const double second = Row::second(x, level.count, level.origin, level.high, level.low);
          put(T(scale * second), a.h + offset + i);
        }
        put(T(scale * Row::derivative(x, share(i), level.origin, level.high, level.low)), a.dx + offset + i);
      }
    });
  }
}

}  // namespace fastloa
