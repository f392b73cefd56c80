// Losses of rows of class scores: a row's value, gradient and Hessian's diagonal while its team has it.
//
// A row's target is t(c) = w(c) * (keep * q(c) + smoothing), where w are the class weights and q is 1 at the label or
// the row's probabilities. The loss is the sum of t(c) * value(c), its gradient mass * p(c) - t(c) and its Hessian's
// diagonal mass * p(c) * (1 - p(c)), where mass is the sum of t. At the label the gradient is taken apart, so that
// -(1 - p) keeps its digits where p is nearly 1. A z-loss z adds z * L^2 to the loss, with L = log(sum(exp(x))) = m +
// value(0), lean * p(c) with lean = 2 * z * L to the gradient, and lean * p(c) * (1 - p(c)) + 2 * z * p(c)^2 to the
// Hessian's diagonal. A bent loss is h(l) of its label's l = -log(p): see bent_row. What is float64 here is
// float64 in the CPU engine as well.
#pragma once

#include "rows.cuh"

namespace fastloa {

template <class Row>
struct RowLossArguments {
  using T = typename Row::T;
  const typename Row::First* x;
  const long long* labels;
  const typename Row::Second* probabilities;
  const T* class_weight;
  const T* sample_weight;
  T* out;         // the rows' losses for the caller,
  double* slots;  // or to be summed
  typename Row::Result* dx;
  typename Row::Result* h;
  long long rows, classes, ignore_index;
  long long kept;  // as in RowArguments, of x
  double keep, smoothing, z_loss;
  double parameters[at_least_one(Row::PARAMETERS)];
  Number weight_sum, divisor;
};

template <class Row, class Team>
__device__ __forceinline__ void store_loss(const RowLossArguments<Row>& a, const Team& team, double loss) {
  if (!team.leads()) return;
  if (a.slots != nullptr)
    a.slots[team.row()] = loss;
  else
    a.out[team.row()] = typename Row::T(loss);
}

// One number for all that is asked of a row: 0 where the label is ignored, NaN where it is no class. A wrong label must
// not read beyond the row, nor leave a plausible number.
template <class Row, class Team>
__device__ __forceinline__ void fill_row(const RowLossArguments<Row>& a, const Team& team, double number) {
  using T = typename Row::T;
  if constexpr (Row::VALUE) store_loss<Row>(a, team, number);
  pieces(team, a.classes, [&](Piece piece) {
#pragma unroll
    for (int k = 0; k < Team::EACH; ++k) {
      if (team.place(k) >= piece.left) continue;
      const long long at = team.row() * a.classes + piece.start + team.place(k);
      if constexpr (Row::GRAD) put(T(number), a.dx + at);
      if constexpr (Row::HESS) put(T(number), a.h + at);
    }
  });
}

template <class Row, class Team>
__device__ __forceinline__ double z_loss(double z, const Scores<Row, Team>& scores) {
  return Row::z_loss(z, double(scores.m), double(Row::value(typename Row::T(0), scores.rest)));
}

template <class Row, class Team>
__device__ __forceinline__ double z_lean(double z, const Scores<Row, Team>& scores) {
  return Row::z_lean(z, double(scores.m), double(Row::value(typename Row::T(0), scores.rest)));
}

// The sum over a row's classes of w(c) * value(c).
template <class Row, class Team>
__device__ __forceinline__ double sum_of_values(const RowLossArguments<Row>& a, Scores<Row, Team>& scores) {
  using T = typename Row::T;
  RowSum<T, Team> total(scores.team, scores.n);
  pieces(scores.team, scores.n, [&](Piece piece) {
    scores.load(piece);
    Held<T, Team> terms;
#pragma unroll
    for (int k = 0; k < Team::EACH; ++k) {
      const int i = scores.team.place(k);
      const T value = Row::value(Row::distance(scores.x.at[k], scores.m), scores.rest);
      terms.at[k] = Row::WEIGHTED && i < piece.left ? a.class_weight[piece.start + i] * value : value;
    }
    total.add(terms, piece);
  });
  return whole(total.total());
}

// The gradient is gradient(i, own, e), the Hessian's diagonal curve(own, p, 1 - p); `own` is whether i is the label.
template <class Row, class Team, class Gradient, class Curve>
__device__ __forceinline__ void store_derivatives(
    const RowLossArguments<Row>& a, Scores<Row, Team>& scores, long long label, Gradient gradient, Curve curve) {
  const Team& team = scores.team;
  const long long offset = team.row() * scores.n;
  pieces(team, scores.n, [&](Piece piece) {
    scores.load_exponentials(piece);
    const bool here = label >= piece.start && label - piece.start < piece.left;
    const int own = here ? static_cast<int>(label - piece.start) : -1;
    if constexpr (Row::HESS)
      write(team, a.h + offset, piece, [&](int k) {
        const auto e = scores.e.at[k];
        return curve(team.place(k) == own, Row::probability(e, scores.rest), Row::complement(e, scores.rest));
      });
    write(team, a.dx + offset, piece, [&](int k) {
      // What it may read of other arrays ends with the row.
      const int i = team.place(k) < piece.left ? team.place(k) : piece.left - 1;
      return gradient(piece.start + i, team.place(k) == own, scores.e.at[k]);
    });
  });
}

// The loss h(l), its gradient h'(l) * p(c), at the label -h'(l) * (1 - p), and its Hessian's diagonal h'(l) * p(c) *
// (1 - p(c)) + h''(l) * p(c)^2, at the label with (1 - p) in place of p(c) in the square.
template <class Row, class Team>
__device__ __forceinline__ void bent_row(
    const RowLossArguments<Row>& a, Scores<Row, Team>& scores, long long label, typename Row::T at_label, double own,
    double scale) {
  using T = typename Row::T;
  scores.find(false);
  struct Numbers {
    T share, own_slope, factor, bend, own_curve, miss;
  };
  const Numbers row = scores.team.once([&] {
    Numbers made{};
    scale *= own;
    const Values<double, 3> terms = Row::terms(double(at_label), double(scores.m), scores.wide, a.parameters);
    if constexpr (Row::VALUE) store_loss<Row>(a, scores.team, scale * terms.at[0]);
    if constexpr (Row::GRAD) {
      scale /= read(a.divisor);
      const double mass = scale * terms.at[1];
      const T e = Row::exponential(at_label, scores.m), miss = Row::complement(e, scores.rest);
      const T factor = T(mass), bend = T(scale * terms.at[2]);
      made = {T(mass * Row::greatest(scores.wide)), T(-mass * double(miss)), factor, bend, T(0), miss};
      if constexpr (Row::HESS) made.own_curve = Row::curved(factor, bend, miss, Row::probability(e, scores.rest), miss);
    }
    return made;
  });
  if constexpr (Row::GRAD)
    store_derivatives<Row, Team>(
        a, scores, label, [&](long long, bool own, T e) { return either(own, row.own_slope, row.share * e); },
        [&](bool own, T p, T complement) {
          return either(own, row.own_curve, Row::curved(row.factor, row.bend, p, complement, row.miss));
        });
}

// factor * (p * (1 - p)) + bend * (p * p)
template <class Row>
__device__ __forceinline__ typename Row::T curve(
    typename Row::T factor, typename Row::T bend, typename Row::T p, typename Row::T complement) {
  const typename Row::T own = factor * (p * complement);
  return bend != typename Row::T(0) ? Row::inclined(own, bend, p * p) : own;
}

template <class Row, class Team>
__device__ __forceinline__ void smoothed_row(
    const RowLossArguments<Row>& a, Scores<Row, Team>& scores, long long label, typename Row::T at_label, double own,
    double scale) {
  using T = typename Row::T;
  const bool smooth = Row::VALUE && a.smoothing != 0.0;
  scores.find(smooth);
  const double all = smooth ? sum_of_values<Row>(a, scores) : 0.0;
  struct Numbers {
    T share, pull, correction, factor, bend;
  };
  const Numbers row = scores.team.once([&] {
    if constexpr (Row::VALUE) {
      double loss = a.keep * own * Row::value(Row::distance(at_label, scores.m), scores.rest);
      if (smooth) loss += a.smoothing * all;
      if (a.z_loss != 0.0) loss += z_loss(a.z_loss, scores);
      store_loss<Row>(a, scores.team, loss * scale);
    }
    Numbers made{};
    if constexpr (Row::GRAD) {
      scale /= read(a.divisor);
      const double weight_sum = read(a.weight_sum);
      const T e = Row::exponential(at_label, scores.m);
      double mass = a.keep * own + a.smoothing * weight_sum;
      double pulled = a.smoothing * (weight_sum * Row::probability(e, scores.rest) - own);
      if (a.z_loss != 0.0) {
        const double lean = z_lean(a.z_loss, scores);
        mass += lean;
        pulled += lean * double(Row::probability(e, scores.rest));
      }
      mass *= scale;
      // A pull of -0 would make -0 of a gradient +0.
      const T share = T(mass * Row::greatest(scores.wide)), pull = T(a.smoothing * scale) + T(0);
      const T correction = T(scale * (pulled - a.keep * own * Row::complement(e, scores.rest)));
      made = {share, pull, correction, T(mass), T(2.0 * a.z_loss * scale)};
    }
    return made;
  });
  if constexpr (Row::GRAD) {
    const auto gradient = [&](long long i, bool own, T e) {
      const T p = Row::NORMALISED ? row.share * e : T(0);
      if constexpr (Row::WEIGHTED)
        return either(own, row.correction, either(row.pull == T(0), p, p - row.pull * a.class_weight[i]));
      else
        return either(own, row.correction, p - row.pull);
    };
    const auto curved = [&](bool, T p, T complement) { return curve<Row>(row.factor, row.bend, p, complement); };
    store_derivatives<Row, Team>(a, scores, label, gradient, curved);
  }
}

template <class Row, class Team>
__device__ __forceinline__ void label_row(const RowLossArguments<Row>& a) {
  using T = typename Row::T;
  const Team team;
  const long long row = team.row();
  if (row >= a.rows) return;
  // The row's loads go out first: they need not wait for the label.
  Scores<Row, Team> scores(team, a.x + row * a.classes, a.classes, a.kept);
  const long long label = a.labels[row];
  if (label == a.ignore_index || label < 0 || label >= a.classes)
    return fill_row<Row>(a, team, label == a.ignore_index ? 0.0 : double(not_a_number<T>()));
  const T at_label = get(a.x + row * a.classes + label);
  const double own = Row::WEIGHTED ? double(a.class_weight[label]) : 1.0;
  double scale = a.sample_weight != nullptr ? double(a.sample_weight[row]) : 1.0;
  if constexpr (Row::BENT)
    bent_row<Row>(a, scores, label, at_label, own, scale);
  else
    smoothed_row<Row>(a, scores, label, at_label, own, scale);
}

template <class Row>
__device__ __forceinline__ typename Row::T target(
    typename Row::T q, const typename Row::T* class_weight, long long i, typename Row::T keep, typename Row::T smoothing) {
  const typename Row::T t = keep * Row::share(q) + smoothing;
  return Row::WEIGHTED ? class_weight[i] * t : t;
}

// The sums of t(c) * value(c), and of t(c), over a row.
template <class Row, class Team>
__device__ __forceinline__ void probability_sums(
    const RowLossArguments<Row>& a, Scores<Row, Team>& scores, Held<typename Row::T, Team>& q, double* loss,
    double* mass) {
  using T = typename Row::T;
  const T keep = T(a.keep), smoothing = T(a.smoothing);
  RowSum<T, Team, 0> losses(scores.team, scores.n);
  RowSum<T, Team, 1> masses(scores.team, scores.n);
  pieces(scores.team, scores.n, [&](Piece piece) {
    scores.load(piece);
    if (!Team::WHOLE) q.load(scores.team, a.probabilities + scores.team.row() * scores.n, piece);
    Held<T, Team> t, terms;
#pragma unroll
    for (int k = 0; k < Team::EACH; ++k) {
      const int i = scores.team.place(k);
      t.at[k] = i < piece.left ? target<Row>(q.at[k], a.class_weight, piece.start + i, keep, smoothing) : T(0);
      const T term = t.at[k] * Row::value(Row::distance(scores.x.at[k], scores.m), scores.rest);
      terms.at[k] = t.at[k] == T(0) ? T(0) : term;  // 0 * log 0 = 0
    }
    if constexpr (Row::VALUE) losses.add(terms, piece);
    if constexpr (Row::GRAD) masses.add(t, piece);
  });
  *loss = *mass = 0.0;
  if constexpr (Row::VALUE) losses.finish([&](Part sum) { *loss += whole(sum); });
  if constexpr (Row::GRAD) *mass = whole(masses.total());
}

template <class Row, class Team>
__device__ __forceinline__ void probability_row(const RowLossArguments<Row>& a) {
  using T = typename Row::T;
  const Team team;
  const long long row = team.row();
  if (row >= a.rows) return;
  Held<T, Team> q;
  if (Team::WHOLE) q.load(team, a.probabilities + row * a.classes, whole_row(a.classes));
  Scores<Row, Team> scores(team, a.x + row * a.classes, a.classes, a.kept);
  scores.find(true);
  double loss, mass;
  probability_sums<Row>(a, scores, q, &loss, &mass);
  struct Numbers {
    T keep, smoothing, factor, lean, bend, both;
  };
  const Numbers sums = team.once([&] {
    Numbers made{};
    double scale = a.sample_weight != nullptr ? double(a.sample_weight[row]) : 1.0;
    if constexpr (Row::VALUE) {
      if (a.z_loss != 0.0) loss += z_loss(a.z_loss, scores);
      store_loss<Row>(a, team, loss * scale);
    }
    if constexpr (Row::GRAD) {
      scale /= read(a.divisor);
      const double leaning = a.z_loss != 0.0 ? z_lean(a.z_loss, scores) : 0.0;
      made = {T(a.keep * scale), T(a.smoothing * scale), T(mass * scale),
              T(leaning * scale), T(2.0 * a.z_loss * scale), T((mass + leaning) * scale)};
    }
    return made;
  });
  if constexpr (Row::GRAD) {
    const auto gradient = [&](long long i, bool, T e) {
      // Read again rather than held: a span's q is gone by now in long rows, and in short ones it is in the cache.
      const T t = target<Row>(get(a.probabilities + row * a.classes + i), a.class_weight, i, sums.keep, sums.smoothing);
      const T p = Row::probability(e, scores.rest), complement = Row::complement(e, scores.rest);
      return sums.lean != T(0) ? Row::share_inclined(sums.factor, sums.lean, sums.both, t, p, complement)
                               : Row::share_gradient(sums.factor, t, p, complement);
    };
    const auto curved = [&](bool, T p, T complement) { return curve<Row>(sums.both, sums.bend, p, complement); };
    store_derivatives<Row, Team>(a, scores, -1, gradient, curved);
  }
}

template <class T>
struct LabelArguments {
  const long long* labels;
  const T* class_weight;
  const T* sample_weight;
  long long size, ignore_index, classes;
  double* high;
  double* low;
  unsigned long long* first_bad;  // of each block; all bits set where there is none, which is -1 to the caller
};

__device__ __forceinline__ unsigned long long least(unsigned long long a, unsigned long long b) { return a < b ? a : b; }

// The sums of sample_weight * class_weight[label] over the blocks of rows, without the ignored and the wrong.
template <class T, int BLOCK>
__device__ __forceinline__ void label_weights(const LabelArguments<T>& a) {
  __shared__ unsigned long long bad_of_warp[THREADS / WARP];
  const long long first = static_cast<long long>(blockIdx.x) * BLOCK + threadIdx.x;
  unsigned long long bad = ~0ull;
  Part own[BLOCK / THREADS];
#pragma unroll
  for (int k = 0; k < BLOCK / THREADS; ++k) {
    const long long i = first + k * THREADS;
    const long long label = i < a.size ? a.labels[i] : a.ignore_index;
    const bool counted = label != a.ignore_index, inside = label >= 0 && label < a.classes;
    if (counted && !inside) bad = least(bad, i);
    double weight = 0.0;
    if (counted && inside) {
      weight = a.sample_weight != nullptr ? double(a.sample_weight[i]) : 1.0;
      if (a.class_weight != nullptr) weight *= double(a.class_weight[label]);
    }
    own[k] = {weight, 0.0};
  }
#pragma unroll
  for (int width = WARP / 2; width > 0; width /= 2) bad = least(bad, __shfl_xor_sync(ALL, bad, width));
  if (threadIdx.x % WARP == 0) bad_of_warp[threadIdx.x / WARP] = bad;
  const Part total = block_tree<true>(tree<true, BLOCK / THREADS>(own));
  if (threadIdx.x != 0) return;
#pragma unroll
  for (int i = 0; i < THREADS / WARP; ++i) bad = least(bad, bad_of_warp[i]);
  a.high[blockIdx.x] = total.high;
  a.low[blockIdx.x] = total.low;
  a.first_bad[blockIdx.x] = bad;
}

struct FinishLabelArguments {
  const double* high;
  const double* low;
  const unsigned long long* first_bad;
  long long count;
  double* total;
  unsigned long long* bad;
};

template <int LANES>
__device__ __forceinline__ void finish_label_weights(const FinishLabelArguments& a) {
  __shared__ unsigned long long bad_of_warp[LANES / WARP];
  unsigned long long bad = ~0ull;
  for (long long i = threadIdx.x; i < a.count; i += LANES) bad = least(bad, a.first_bad[i]);
#pragma unroll
  for (int width = WARP / 2; width > 0; width /= 2) bad = least(bad, __shfl_xor_sync(ALL, bad, width));
  if (threadIdx.x % WARP == 0) bad_of_warp[threadIdx.x / WARP] = bad;
  const double total = finished<LANES>(a.high, a.low, a.count);
  if (threadIdx.x != 0) return;
  for (int i = 0; i < LANES / WARP; ++i) bad = least(bad, bad_of_warp[i]);
  *a.total = total;
  *a.bad = bad;
}

}  // namespace fastloa
