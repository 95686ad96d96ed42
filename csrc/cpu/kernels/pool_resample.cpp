// Linear maps of the axes of planes, given as tables of places and weights: interpolation and its adjoint.
//
// The axes are separable, so a plane goes through up to three passes, last axis first: each row along the last axis
// gathers its taps; then rows, and after them whole slices, are combined, a register of columns at a time, with one
// weight for each tap. What lies between the passes stays in the level-2 cache, because they follow each other plane by
// plane. Parallel over planes; a sum has the order of its taps.
// Bytes: x and y once. Bound: memory for nearest neighbours, the gathers of the first pass for more taps.
#include "core/parallel.h"
#include "cpu/kernels/pool_kernels.h"
#include "cpu/kernels/pool_window.h"
#include "cpu/simd/simd.h"

namespace nn::NN_ISA {
namespace {

// y[o] = sum over t of w[t, o] * x[index[t, o]] for a number of taps known here.
template <class T, int taps>
void gather_row(const T* x, const ResampleAxis& a, T* y) {
  const T* w = static_cast<const T*>(a.weight);
  const int64_t out = a.out;
  for (int64_t o = 0; o < out; ++o) {
    T sum = w[o] * x[a.index[o]];
#pragma GCC unroll 4
    for (int t = 1; t < taps; ++t) sum += w[t * out + o] * x[a.index[t * out + o]];
    y[o] = sum;
  }
}

template <class T>
void gather_any(const T* x, const ResampleAxis& a, T* y) {
  const T* w = static_cast<const T*>(a.weight);
  for (int64_t o = 0; o < a.out; ++o) y[o] = T(0);
  for (int64_t t = 0; t < a.taps; ++t) {
    const T* wt = w + t * a.out;
    const int32_t* at = a.index + t * a.out;
    for (int64_t o = 0; o < a.out; ++o) y[o] += wt[o] * x[at[o]];
  }
}

// Whether every output is one element of the input as it is.
template <class T>
bool only_copies(const ResampleAxis& a) {
  if (!a.index || a.taps != 1 || a.padded) return false;
  for (int64_t o = 0; o < a.out; ++o)
    if (static_cast<const T*>(a.weight)[o] != T(1)) return false;
  return true;
}

// The pass along the last axis, whose rows are prepared for here.
template <class T>
class RowGather {
 public:
  RowGather(const ResampleAxis& axis, T* spare) : a_(axis), spare_(spare) {
    if (!only_copies<T>(axis)) return;
    // The longest run of neighbours, as padding has one: it is copied in one piece.
    for (int64_t o = 0, end; o < a_.out; o = end) {
      for (end = o + 1; end < a_.out && a_.index[end] == a_.index[end - 1] + 1;) ++end;
      if (end - o > run_end_ - run_begin_) run_begin_ = o, run_end_ = end;
    }
    if (2 * (run_end_ - run_begin_) < a_.out) run_begin_ = run_end_ = 0;
  }

  void operator()(const T* x, T* y) const {
    if (run_begin_ < run_end_) {
      for (int64_t o = 0; o < run_begin_; ++o) y[o] = x[a_.index[o]];
      __builtin_memcpy(y + run_begin_, x + a_.index[run_begin_], (run_end_ - run_begin_) * sizeof(T));
      for (int64_t o = run_end_; o < a_.out; ++o) y[o] = x[a_.index[o]];
      return;
    }
    if (a_.padded) {  // a copy of the row, with the zero behind it that the table names
      __builtin_memcpy(spare_, x, a_.in * sizeof(T));
      spare_[a_.in] = T(0);
      x = spare_;
    }
    gather_(x, a_, y);
  }

 private:
  const ResampleAxis& a_;
  T* spare_;
  int64_t run_begin_ = 0, run_end_ = 0;
  void (*gather_)(const T*, const ResampleAxis&, T*) = a_.taps == 1   ? gather_row<T, 1>
                                                       : a_.taps == 2 ? gather_row<T, 2>
                                                       : a_.taps == 3 ? gather_row<T, 3>
                                                       : a_.taps == 4 ? gather_row<T, 4>
                                                                      : gather_any<T>;
};

// Both of the last axes at once where rows are copied: only those that y has are gathered, and each but once.
template <class T>
void copy_rows(const T* x, const ResampleAxis& height, const ResampleAxis& width, const RowGather<T>& gather, T* y) {
  for (int64_t o = 0; o < height.out; ++o, y += width.out)
    if (o > 0 && height.index[o] == height.index[o - 1])
      __builtin_memcpy(y, y - width.out, width.out * sizeof(T));
    else
      gather(x + height.index[o] * width.in, y);
}

// y[o] = sum over t of w[t, o] * x[index[t, o]] where these are rows of `columns` elements.
template <class T>
void combine_rows(const T* x, int64_t columns, const ResampleAxis& a, T* y) {
  constexpr int V = Vec<T>::size;
  const T* w = static_cast<const T*>(a.weight);
  for (int64_t o = 0; o < a.out; ++o, y += columns) {
    const auto combined = [&](int64_t k, int n) NN_LAMBDA {
      Vec<T> sum = a.index[o] == a.in ? T(0) : T(-0.0);  // a copy of -0 stays -0; a sum of nothing is 0
      for (int64_t t = 0; t < a.taps; ++t) {
        const int64_t row = a.index[t * a.out + o];
        if (row == a.in) continue;
        const T* from = x + row * columns + k;
        sum = fma(Vec<T>(w[t * a.out + o]), n == V ? Vec<T>::load(from) : Vec<T>::load(from, n), sum);
      }
      n == V ? sum.store(y + k) : sum.store(y + k, n);
    };
    int64_t k = 0;
    for (; k + V <= columns; k += V) combined(k, V);
    if (k < columns) combined(k, static_cast<int>(columns - k));
  }
}

// The planes [begin, end), each through the passes that have a table; the last of them writes y.
template <class T>
void resample_planes(const ResampleArgs& a, int64_t begin, int64_t end) {
  const ResampleAxis &depth = a.axis[0], &height = a.axis[1], &width = a.axis[2];
  const int64_t in = depth.in * height.in * width.in, out = depth.out * height.out * width.out;
  const int64_t wide = depth.in * height.in * width.out, high = depth.in * height.out * width.out;
  const Scratch memory((width.in + 1 + wide + high) * sizeof(T));
  T *spare = static_cast<T*>(memory.data), *after_width = spare + width.in + 1, *after_height = after_width + wide;
  const RowGather<T> gather(width, spare);
  const bool copied = width.index && only_copies<T>(height);
  for (int64_t p = begin; p < end; ++p) {
    const T* from = static_cast<const T*>(a.x) + p * in;
    T* y = static_cast<T*>(a.y) + p * out;
    if (width.index && !copied) {
      T* to = height.index || depth.index ? after_width : y;
      for (int64_t row = 0; row < depth.in * height.in; ++row) gather(from + row * width.in, to + row * width.out);
      from = to;
    }
    if (copied) {
      T* to = depth.index ? after_height : y;
      for (int64_t d = 0; d < depth.in; ++d)
        copy_rows(from + d * height.in * width.in, height, width, gather, to + d * height.out * width.out);
      from = to;
    } else if (height.index) {
      T* to = depth.index ? after_height : y;
      for (int64_t d = 0; d < depth.in; ++d)
        combine_rows(from + d * height.in * width.out, width.out, height, to + d * height.out * width.out);
      from = to;
    }
    if (depth.index) combine_rows(from, height.out * width.out, depth, y);
    if (!width.index && !height.index && !depth.index) __builtin_memcpy(y, from, out * sizeof(T));
  }
}

}  // namespace

void run_resample(const ResampleArgs& a, const LaunchContext& ctx) {
  int64_t moved = 0, in = 1, out = 1;
  for (const ResampleAxis& axis : a.axis) {
    in *= axis.in;
    out *= axis.out;
    moved += axis.taps;
  }
  if (out == 0) return;
  parallel_for(ctx, a.planes, pool_grain(in + moved * out), [&](int64_t begin, int64_t end) {
    a.dtype == DType::float32 ? resample_planes<float>(a, begin, end) : resample_planes<double>(a, begin, end);
  });
}

}  // namespace nn::NN_ISA
