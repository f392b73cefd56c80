// Losses of alignments: forward over a sequence's frames, then back, with a gradient at each, by a block of threads.
//
// A `Loss` is what source.py emits: the type T of all arrays, value(), reached(), moved(), counts(), weighted(), factor(),
// posterior() and slope(), which are float64 whatever T is, and where a sequence's room has its rows. A thread takes
// states one block apart, and a barrier parts the frames. Rows of two frames take turns, so that one barrier will do.
#pragma once

#include "sum.cuh"

namespace fastloa {

template <class Loss>
struct AlignmentArguments {
  using T = typename Loss::T;
  const T* frames;
  const long long* labels;
  const long long* spans;  // where a sequence's labels begin, how many they are, and how many its frames
  const T* sample_weight;
  T* out;         // the sequences' losses for the caller,
  double* slots;  // or to be summed
  T* grad;
  long long* links;
  double* rooms;
  long long start;  // the first block's sequence
  long long steps, count, classes, rows, width, blank, zero_infinity, averaged;
  Number divisor;
};

using Pair = Values<double, 2>;

// A pair for each state, in two rows.
struct Logarithms {
  double *high, *low;

  __device__ __forceinline__ Pair at(long long s) const { return {high[s], low[s]}; }
  __device__ __forceinline__ void put(long long s, Pair pair) const {
    high[s] = pair.at[0];
    low[s] = pair.at[1];
  }
};

template <class Loss>
struct Alignment {
  using T = typename Loss::T;
  const AlignmentArguments<Loss>& a;
  const long long held = static_cast<long long>(blockIdx.x), n = a.start + held, place = a.spans[3 * n];
  const long long labels = a.spans[3 * n + 1], states = 2 * labels + 1;
  const int thread = static_cast<int>(threadIdx.x), threads = static_cast<int>(blockDim.x);
  long long* const classes = a.links + held * Loss::LINKS * a.width;
  long long* const after = classes + a.width;
  long long* const first = after + a.width;
  double* const room = a.rooms + held * a.rows * a.width;

  __device__ __forceinline__ double* row(long long i) const { return room + i * a.width; }
  __device__ __forceinline__ Logarithms pairs(long long i) const { return {row(i), row(i + 1)}; }
  __device__ __forceinline__ Logarithms alphas(long long t) const {
    return pairs(Loss::ALPHAS + 2 * t % (a.rows - Loss::ALPHAS));
  }
  __device__ __forceinline__ Logarithms betas(long long t) const { return pairs(Loss::BETAS + 2 * t % 4); }
  __device__ __forceinline__ double score(long long t, long long s) const { return double(a.frames[at(t) + classes[s]]); }
  __device__ __forceinline__ long long label(long long s) const { return a.labels[place + s / 2]; }
  __device__ __forceinline__ bool wrong(long long label) const {
    return label < 0 || label >= a.classes || label == a.blank;
  }
  __device__ __forceinline__ long long at(long long t) const { return (t * a.count + n) * a.classes; }

  // Of each state the class, the next with the same label (or 0), if none came before, and if one may be skipped. A
  // wrong label must not read beyond the frame.
  __device__ __forceinline__ void prepare() const {
    for (long long s = thread; s < states + 2; s += threads) {
      room[s] = 0.0;
      alphas(0).put(s, {s == 2 ? 0.0 : -infinity<double>(), 0.0});
      if (s >= states) continue;
      const bool odd = s % 2 == 1;
      const long long own = odd ? label(s) : a.blank;
      classes[s] = odd && wrong(own) ? a.blank : own;
      after[s] = 0;
      first[s] = odd;
      if (!odd) continue;
      if (s > 2 && own != label(s - 2)) room[s] = 1.0;
      for (long long other = s - 2; other > 0 && first[s]; other -= 2)
        if (label(other) == own) first[s] = 0;
      for (long long other = s + 2; other < states && !after[s]; other += 2)
        if (label(other) == own) after[s] = other;
    }
    __syncthreads();
  }

  // What leads to a state from those of a frame, and then has its score.
  __device__ __forceinline__ Pair reached(Pair stay, Pair step, Pair skip, double allowed) const {
    return Loss::reached(stay.at[0], stay.at[1], step.at[0], step.at[1], skip.at[0], skip.at[1], allowed);
  }
  __device__ __forceinline__ Pair moved(Pair pair, double by) const { return Loss::moved(pair.at[0], pair.at[1], by); }

  __device__ __forceinline__ Pair forward(long long count) const {
    for (long long t = 0; t < count; ++t) {
      const Logarithms before = alphas(t), now = alphas(t + 1);
      if (thread < 2) now.put(thread, {-infinity<double>(), 0.0});
      for (long long s = thread; s < states; s += threads)
        now.put(s + 2, moved(reached(before.at(s + 2), before.at(s + 1), before.at(s), room[s]), score(t, s)));
      __syncthreads();
    }
    for (long long s = 1; s < states; s += 2)
      if (wrong(label(s))) return {not_a_number<double>(), 0.0};
    const Pair last = alphas(count).at(states + 1), before = alphas(count).at(states);
    return Loss::value(last.at[0], last.at[1], before.at[0], before.at[1]);
  }

  __device__ __forceinline__ void backward(long long count, double factor, Pair losses) const {
    const double loss = losses.at[0];
    for (long long s = thread; s < states + 2; s += threads) {
      betas(count + 1).put(s, {-infinity<double>(), 0.0});
      betas(count).put(s, {s == states - 1 ? 0.0 : -infinity<double>(), 0.0});
    }
    __syncthreads();
    for (long long t = count - 1; t >= 0; --t) {
      const Logarithms later = betas(t + 1), now = betas(t), forwards = alphas(t + 1);
      double* shares = row(Loss::POSTERIORS + t % 2);
      for (long long s = thread; s < states; s += threads) {
        const Pair left = reached(later.at(s), later.at(s + 1), later.at(s + 2), room[s + 2]), start = forwards.at(s + 2);
        shares[s] = Loss::posterior(start.at[0], start.at[1], left.at[0], left.at[1], loss, losses.at[1]);
        now.put(s, moved(left, score(t, s)));
      }
      fill(t, T(Loss::slope(factor, 0.0, loss)));
      __syncthreads();
      for (long long s = thread; s < states; s += threads) {
        if (s > 0 && !first[s]) continue;
        double total = s > 0 ? shares[s] : 0.0;
        if (s > 0)
          for (long long k = after[s]; k > 0; k = after[k]) total += shares[k];
        else
          for (long long k = 0; k < states; k += 2) total += shares[k];
        a.grad[at(t) + classes[s]] = T(Loss::slope(factor, total, loss));
      }
    }
  }

  __device__ __forceinline__ void fill(long long t, T number) const {
    for (long long c = thread; c < a.classes; c += threads) a.grad[at(t) + c] = number;
  }
};

template <class Loss>
__device__ __forceinline__ void alignments(const AlignmentArguments<Loss>& a) {
  using T = typename Loss::T;
  const Alignment<Loss> alignment{a};
  const long long n = alignment.n;
  const double length = a.averaged ? double(alignment.labels) : 0.0;
  const double weight = a.sample_weight != nullptr ? double(a.sample_weight[n]) : 1.0;
  double factor = 0.0;  // computed here, before registers hold what a division would have to save
  if constexpr (Loss::GRAD) factor = Loss::factor(weight, read(a.divisor), length);
  long long count = a.spans[3 * n + 2];
  alignment.prepare();
  Pair loss = alignment.forward(count);
  if (Loss::counts(loss.at[0], double(a.zero_infinity)) == 0.0) {
    loss = {0.0, 0.0};
    count = 0;
  }
  if constexpr (Loss::VALUE) {
    if (alignment.thread == 0) {
      const double own = Loss::weighted(loss.at[0], weight, length);
      if (a.slots != nullptr)
        a.slots[n] = own;
      else
        a.out[n] = T(own);
    }
  }
  if constexpr (Loss::GRAD) {
    for (long long t = count; t < a.steps; ++t) alignment.fill(t, T(0.0));
    alignment.backward(count, factor, loss);
  }
}

}  // namespace fastloa
