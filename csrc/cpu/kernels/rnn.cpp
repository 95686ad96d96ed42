// Recurrent layers: all the steps of one layer in one direction, forward and backward.
//
// The idea: a step is a product, h [N, H] with W_hh [G H, H], and then a little arithmetic for each unit; steps wait
// for each other, but the sequences of a batch do not. So threads share the batch, and each walks through all steps
// alone, without meeting the others. W_hh, packed once in the order in which the tile of gemm_tile.h reads it or read
// where it lies, stays in the second-level cache from step to step; the units are finished while their gates are in the
// first. What backward needs is written in the same pass: the activated gates, the states before each step, and one
// number more. 2 N G H^2 operations a step; the bound is the multiply-add unit where a thread has some eight rows, the
// reading of W_hh where it has one.
#include "core/kernels/rnn.h"

#include "core/parallel.h"
#include "core/scratch.h"
#include "cpu/kernels/gemm_pack.h"
#include "math/rnn.h"

namespace nn::NN_ISA {
namespace {

inline int64_t ceil_div(int64_t x, int64_t y) { return (x + y - 1) / y; }
inline int64_t min(int64_t x, int64_t y) { return x < y ? x : y; }

template <class T>
NN_FN Vec<T> load_part(const T* p, int n) {
  return n == Vec<T>::size ? Vec<T>::load(p) : Vec<T>::load(p, n);
}
template <class T>
NN_FN void store_part(Vec<T> x, T* p, int n) {
  n == Vec<T>::size ? x.store(p) : x.store(p, n);
}

// A matrix B [K, N], N in panels of the tile's width: packed, or, where its columns are adjacent and it is small enough
// for the second-level cache as it lies, without the copy that would push other things out of there.
template <class T>
class Panels {
 public:
  static constexpr int64_t NR = TileSize<T>::NR;

  // Columns fall into `groups` of `width`; no panel has columns of two groups.
  Panels(int64_t K, int64_t width, int64_t groups, const LaunchContext& ctx, const T* b, int64_t b_row, int64_t b_col)
      : K_(K),
        width_(width),
        each_(ceil_div(width, NR)),
        in_place_(b_col == 1 && K * b_row * static_cast<int64_t>(sizeof(T)) <= kSmall),
        b_(b),
        b_row_(b_row),
        scratch_(in_place_ ? 0 : static_cast<size_t>(groups * each_ * NR * K) * sizeof(T)) {
    if (in_place_) return;
    parallel_for(ctx, groups * each_, 1 + 40000 / (K * NR), [&](int64_t begin, int64_t end) {
      for (int64_t p = begin; p < end; ++p) {
        const int64_t column = p / each_ * width + p % each_ * NR;
        pack_panel<NR>(packed(p), K, min(NR, width - p % each_ * NR), b + column * b_col, b_row, b_col);
      }
    });
  }

  // C[i, j] = sum_k A[i, k] B[k, j] (+ C) (+ bias[j]) for the columns of one group.
  void multiply(int64_t group, int64_t rows, const T* a, int64_t a_row, T* c, int64_t c_row, bool accumulate,
                const T* bias) const {
    constexpr int64_t MR = TileSize<T>::MR;
    const int64_t height = ceil_div(rows, ceil_div(rows, MR));
    Tile<T> t{};
    t.K = K_, t.a_row = a_row, t.a_col = 1, t.b_row = in_place_ ? b_row_ : NR, t.c_row = c_row;
    t.accumulate = accumulate;
    for (int64_t p = 0; p < each_; ++p) {
      t.cols = static_cast<int>(min(NR, width_ - p * NR));
      t.b = in_place_ ? b_ + group * width_ + p * NR : packed(group * each_ + p);
      t.col_bias = bias ? bias + p * NR : nullptr;
      for (int64_t i = 0; i < rows; i += height) {
        t.rows = static_cast<int>(min(height, rows - i));
        t.a = a + i * a_row, t.c = c + i * c_row + p * NR;
        run_tile(t);
      }
    }
  }

 private:
  static constexpr int64_t kSmall = 1 << 19;  // bytes

  T* packed(int64_t p) const { return static_cast<T*>(scratch_.data) + p * NR * K_; }

  const int64_t K_, width_, each_;
  const bool in_place_;
  const T* const b_;
  const int64_t b_row_;
  const Scratch scratch_;
};

// Calls body(begin, end) for parts of the batch that are worth a thread.
template <class Args, class Body>
void for_rows(const Args& x, const LaunchContext& ctx, const Body& body) {
  constexpr int64_t kThreadWork = 160000;  // multiply-adds
  const int64_t row = x.T * x.H * (x.H * rnn_gates(x.mode) + 32);
  parallel_for(ctx, x.N, 1 + kThreadWork / row, body);
}

template <class Args>
NN_FN bool takes_part(const Args& x, int64_t t, int64_t n) {
  return !x.lengths || t < x.lengths[n];
}

template <class T>
void copy_rows(T* to, const T* from, int64_t count) {
  for (int64_t i = 0; i < count; ++i) to[i] = from[i];
}

// One direction of one layer, forward: the arrays of RnnArgs with their type.
template <class T, class Unit>
struct Forward {
  static constexpr int G = Unit::gates;
  const RnnArgs& x;
  const int64_t H = x.H;

  void run(const LaunchContext& ctx) const {
    const T* const w = static_cast<const T*>(x.w_hh);
    const Panels<T> panels(H, H, G, ctx, w, 1, H);
    for_rows(x, ctx, [&](int64_t begin, int64_t end) {
      place(x.h_before, first(), begin, x.h0, end);
      if constexpr (Unit::has_c) place(x.c_before, first(), begin, x.c0, end);
      for (int64_t s = 0; s < x.T; ++s) step(panels, s, begin, end);
    });
  }

 private:
  int64_t first() const { return x.reverse ? x.T - 1 : 0; }

  // Row n of step t of an array [T, N, H].
  T* at(void* p, int64_t t, int64_t n) const { return static_cast<T*>(p) + (t * x.N + n) * H; }
  T* gates_at(int64_t t, int64_t n) const { return static_cast<T*>(x.gates) + (t * x.N + n) * G * H; }

  void place(void* to, int64_t t, int64_t begin, const void* from, int64_t end) const {
    copy_rows(at(to, t, begin), static_cast<const T*>(from) + begin * H, (end - begin) * H);
  }

  void step(const Panels<T>& panels, int64_t s, int64_t begin, int64_t end) const {
    const int64_t t = x.reverse ? x.T - 1 - s : s, rows = end - begin;
    const T* const h = at(x.h_before, t, begin);
    const T* const bias = static_cast<const T*>(x.b_hh);
    T* const gates = gates_at(t, begin);
    for (int g = 0; g < G; ++g) {
      const bool apart = Unit::hidden_apart && g == G - 1;
      T* const c = apart ? at(x.extra, t, begin) : gates + g * H;
      panels.multiply(g, rows, h, H, c, apart ? H : G * H, !apart, bias ? bias + g * H : nullptr);
    }
    const bool last = s + 1 == x.T;
    const int64_t next = x.reverse ? t - 1 : t + 1;
    for (int64_t n = begin; n < end; ++n) {
      T* const h_next = last ? at(x.h_n, 0, n) : at(x.h_before, next, n);
      T* const c_next = !Unit::has_c ? nullptr : last ? at(x.c_n, 0, n) : at(x.c_before, next, n);
      if (takes_part(x, t, n)) {
        row(t, n, h_next, c_next);
        continue;
      }
      copy_rows(h_next, at(x.h_before, t, n), H);
      if constexpr (Unit::has_c) copy_rows(c_next, at(x.c_before, t, n), H);
      T* const y = at(x.y, t, n);
      for (int64_t j = 0; j < H; ++j) y[j] = T(0);
    }
  }

  void row(int64_t t, int64_t n, T* h_next, T* c_next) const {
    if constexpr (Unit::has_c)
      cell_row(t, n, h_next, c_next);
    else
      plain_row(t, n, h_next);
  }

  void plain_row(int64_t t, int64_t n, T* h_next) const {
    T* const gates = gates_at(t, n);
    const T* const h = at(x.h_before, t, n);
    T* const y = at(x.y, t, n);
    for_vectors([&](int64_t j, int count) {
      RnnUnit<Vec<T>> u;
      for (int g = 0; g < G; ++g) u.gate[g] = load_part(gates + g * H + j, count);
      u.h = load_part(h + j, count);
      if constexpr (Unit::hidden_apart) u.extra = load_part(at(x.extra, t, n) + j, count);
      Unit::forward(u);
      for (int g = 0; g < G; ++g) store_part(u.gate[g], gates + g * H + j, count);
      store_part(u.h, h_next + j, count);
      store_part(u.h, y + j, count);
    });
  }

  void cell_row(int64_t t, int64_t n, T* h_next, T* c_next) const {
    T* const gates = gates_at(t, n);
    const T* const c = at(x.c_before, t, n);
    T* const tanh_c = at(x.extra, t, n);
    T* const y = at(x.y, t, n);
    for_vectors([&](int64_t j, int count) {
      RnnUnit<Vec<T>> u;
      for (int g = 0; g < G; ++g) u.gate[g] = load_part(gates + g * H + j, count);
      u.c = load_part(c + j, count);
      Unit::forward_cell(u);
      for (int g = 0; g < G; ++g) store_part(u.gate[g], gates + g * H + j, count);
      store_part(u.c, c_next + j, count);
    });
    for_vectors([&](int64_t j, int count) {
      RnnUnit<Vec<T>> u;
      u.gate[G - 1] = load_part(gates + (G - 1) * H + j, count);
      u.c = load_part(c_next + j, count);
      Unit::forward_output(u);
      store_part(u.extra, tanh_c + j, count);
      store_part(u.h, h_next + j, count);
      store_part(u.h, y + j, count);
    });
  }

  // body(j, count) for the units from j on that a vector holds.
  template <class Body>
  void for_vectors(const Body& body) const {
    for (int64_t j = 0; j < H; j += Vec<T>::size) body(j, static_cast<int>(min(Vec<T>::size, H - j)));
  }
};

// The same backward.
template <class T, class Unit>
struct Backward {
  static constexpr int G = Unit::gates;
  const RnnBackwardArgs& x;
  const int64_t H = x.H;

  void run(const LaunchContext& ctx) const {
    const Panels<T> panels(G * H, H, 1, ctx, static_cast<const T*>(x.w_hh), H, 1);
    for_rows(x, ctx, [&](int64_t begin, int64_t end) {
      for (int64_t s = x.T - 1; s >= 0; --s) {
        const int64_t t = x.reverse ? x.T - 1 - s : s;
        for (int64_t n = begin; n < end; ++n) {
          if (takes_part(x, t, n)) {
            row(t, n);
          } else {
            clear(x.gx_gates, t, n);
            if constexpr (Unit::hidden_apart) clear(x.gh_gates, t, n);
          }
        }
        if (s == 0 && !x.wants_gh0) break;
        const T* const g = static_cast<const T*>(x.gh_gates) + (t * x.N + begin) * G * H;
        panels.multiply(0, end - begin, g, G * H, static_cast<T*>(x.gh) + begin * H, H, true, nullptr);
      }
    });
  }

 private:
  const T* at(const void* p, int64_t t, int64_t n) const { return static_cast<const T*>(p) + (t * x.N + n) * H; }
  T* gates_at(void* p, int64_t t, int64_t n) const { return static_cast<T*>(p) + (t * x.N + n) * G * H; }

  void clear(void* p, int64_t t, int64_t n) const {
    T* const g = gates_at(p, t, n);
    for (int64_t j = 0; j < G * H; ++j) g[j] = T(0);
  }

  void row(int64_t t, int64_t n) const {
    const T* const gates = static_cast<const T*>(x.gates) + (t * x.N + n) * G * H;
    const T* const gy = x.gy ? static_cast<const T*>(x.gy) + t * x.gy_step + n * x.gy_row : nullptr;
    T* const gh = static_cast<T*>(x.gh) + n * H;
    T* const gx_gates = gates_at(x.gx_gates, t, n);
    for (int64_t j = 0; j < H; j += Vec<T>::size) {
      const int count = static_cast<int>(min(Vec<T>::size, H - j));
      RnnUnit<Vec<T>> u;
      RnnUnitGradient<Vec<T>> d;
      for (int g = 0; g < G; ++g) u.gate[g] = load_part(gates + g * H + j, count);
      Vec<T> h = load_part(gh + j, count), c = T(0);
      if (gy) h = h + load_part(gy + j, count);
      if constexpr (Unit::hidden_apart) u.h = load_part(at(x.h_before, t, n) + j, count);
      if constexpr (Unit::has_extra) u.extra = load_part(at(x.extra, t, n) + j, count);
      if constexpr (Unit::has_c) {
        u.c = load_part(at(x.c_before, t, n) + j, count);
        c = load_part(static_cast<T*>(x.gc) + n * H + j, count);
      }
      Unit::backward(u, h, c, d);
      for (int g = 0; g < G; ++g) store_part(d.gate[g], gx_gates + g * H + j, count);
      if constexpr (Unit::hidden_apart) {
        T* const gh_gates = gates_at(x.gh_gates, t, n);
        for (int g = 0; g < G - 1; ++g) store_part(d.gate[g], gh_gates + g * H + j, count);
        store_part(d.hidden, gh_gates + (G - 1) * H + j, count);
      }
      store_part(d.h, gh + j, count);
      if constexpr (Unit::has_c) store_part(d.c, static_cast<T*>(x.gc) + n * H + j, count);
    }
  }
};

template <template <class, class> class Walk, class T, class Args>
void run_mode(const Args& args, const LaunchContext& ctx) {
  switch (args.mode) {
    case RnnMode::tanh:
      return Walk<T, RnnUnitPlain<false>>{args}.run(ctx);
    case RnnMode::relu:
      return Walk<T, RnnUnitPlain<true>>{args}.run(ctx);
    case RnnMode::lstm:
      return Walk<T, LstmUnit>{args}.run(ctx);
    case RnnMode::gru:
      return Walk<T, GruUnit>{args}.run(ctx);
  }
}

template <template <class, class> class Walk, class Args>
void run(const Args& args, const LaunchContext& ctx) {
  if (args.N == 0) return;
  args.dtype == DType::float32 ? run_mode<Walk, float>(args, ctx) : run_mode<Walk, double>(args, ctx);
}

}  // namespace

extern const RnnKernels rnn_kernels;
const RnnKernels rnn_kernels = {{"rnn", run<Forward, RnnArgs>}, {"rnn_backward", run<Backward, RnnBackwardArgs>}};

}  // namespace nn::NN_ISA
