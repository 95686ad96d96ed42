// Linear maps of the axes of planes, given as tables of places and weights: interpolation and its adjoint.
//
// The axes are separable, so a plane goes through up to three passes: each row along the last axis gathers its taps;
// rows, and whole slices, are combined, a register of columns at a time, with one weight for each tap. Rows are
// combined first where that leaves fewer of them. What lies between the passes stays in the level-2 cache, because they
// follow each other slice by slice. Parallel over planes; a sum has the order of its taps. Where all that a table does
// is copy, as in padding, both axes are one pass. Bytes: x and y once. Bound: memory for nearest neighbours, the
// gathers of the first pass for more taps.
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

// The last two axes of one slice, whichever first makes less of it.
template <class T>
struct SliceMaps {
  const ResampleAxis &height, &width;
  const RowGather<T>& gather;
  bool copied = only_copies<T>(height);

  void gather_rows(const T* x, int64_t rows, T* y) const {
    for (int64_t row = 0; row < rows; ++row) gather(x + row * width.in, y + row * width.out);
  }

  void operator()(const T* x, T* between, T* y) const {
    if (!height.index && !width.index) {
      __builtin_memcpy(y, x, height.in * width.in * sizeof(T));
    } else if (!height.index) {
      gather_rows(x, height.in, y);
    } else if (!width.index) {
      combine_rows(x, width.in, height, y);
    } else if (copied) {
      copy_rows(x, height, width, gather, y);
    } else if (height.out < height.in) {
      combine_rows(x, width.in, height, between);
      gather_rows(between, height.out, y);
    } else {
      gather_rows(x, height.in, between);
      combine_rows(between, width.out, height, y);
    }
  }
};

// The planes [begin, end): every slice of a plane, and then, where the first axis has a table, the slices combined.
template <class T>
void resample_planes(const ResampleArgs& a, int64_t begin, int64_t end) {
  const ResampleAxis &depth = a.axis[0], &height = a.axis[1], &width = a.axis[2];
  const int64_t in = height.in * width.in, out = height.out * width.out;
  const int64_t between = height.out < height.in ? height.out * width.in : height.in * width.out;
  const Scratch memory((width.in + 1 + between + (depth.index ? depth.in * out : 0)) * sizeof(T));
  T *spare = static_cast<T*>(memory.data), *middle = spare + width.in + 1, *slices = middle + between;
  const RowGather<T> gather(width, spare);
  const SliceMaps<T> maps{height, width, gather};
  for (int64_t p = begin; p < end; ++p) {
    const T* x = static_cast<const T*>(a.x) + p * depth.in * in;
    T* y = static_cast<T*>(a.y) + p * depth.out * out;
    T* to = depth.index ? slices : y;
    for (int64_t d = 0; d < depth.in; ++d) maps(x + d * in, middle, to + d * out);
    if (depth.index) combine_rows(slices, out, depth, y);
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
