// Elementwise kernels, one element at a time.
#include "core/kernels/elementwise.h"
#include "math/elementwise.h"

namespace nn::NN_ISA {
namespace {

template <int N, class F>
void walk(const StridedLoop<N>& loop, const F& f) {
  int64_t at[kMaxDims] = {};
  int64_t total = 1;
  for (int d = 0; d < loop.ndim; ++d) total *= loop.shape[d];
  for (int64_t i = 0; i < total; ++i) {
    int64_t offset[N] = {};
    for (int n = 0; n < N; ++n)
      for (int d = 0; d < loop.ndim; ++d) offset[n] += at[d] * loop.stride[n][d];
    f(offset);
    for (int d = loop.ndim - 1; d >= 0 && ++at[d] == loop.shape[d]; --d) at[d] = 0;
  }
}

template <class F>
void with_number(DType dtype, const F& f) {
  switch (dtype) {
    case DType::float32: return f(float{});
    case DType::float64: return f(double{});
    case DType::int32: return f(int32_t{});
    case DType::int64: return f(int64_t{});
    default: return f(uint8_t{});
  }
}

template <class F>
void with_type(DType dtype, const F& f) {
  switch (dtype) {
    case DType::float32: return f(float{});
    case DType::float64: return f(double{});
    case DType::int32: return f(int32_t{});
    case DType::int64: return f(int64_t{});
    case DType::uint8: return f(uint8_t{});
    case DType::boolean: return f(bool{});
  }
}

template <class Op>
void run_unary(const UnaryArgs& args, const LaunchContext&) {
  with_type(args.dtype, [&]<class T>(T) {
    walk(args.loop, [&](const int64_t (&o)[2]) {
      static_cast<T*>(args.loop.data[0])[o[0]] = Op{}.forward(static_cast<T*>(args.loop.data[1])[o[1]]);
    });
  });
}
template <class Op>
void run_unary_backward(const UnaryBackwardArgs& args, const LaunchContext&) {
  with_type(args.dtype, [&]<class T>(T) {
    walk(args.loop, [&](const int64_t (&o)[3]) {
      static_cast<T*>(args.loop.data[0])[o[0]] =
          Op{}.backward(static_cast<T*>(args.loop.data[1])[o[1]], static_cast<T*>(args.loop.data[2])[o[2]]);
    });
  });
}
template <class Op>
void run_binary(const BinaryArgs& args, const LaunchContext&) {
  with_number(args.dtype, [&]<class T>(T) {
    walk(args.loop, [&](const int64_t (&o)[3]) {
      static_cast<T*>(args.loop.data[0])[o[0]] = static_cast<T>(
          Op{}.forward(T(static_cast<T*>(args.loop.data[1])[o[1]]) , static_cast<T*>(args.loop.data[2])[o[2]]));
    });
  });
}
void cast(const CastArgs& args, const LaunchContext&) {
  with_type(args.to, [&]<class T>(T) {
    with_type(args.from, [&]<class F>(F) {
      walk(args.loop, [&](const int64_t (&o)[2]) {
        static_cast<T*>(args.loop.data[0])[o[0]] = static_cast<T>(static_cast<F*>(args.loop.data[1])[o[1]]);
      });
    });
  });
}
void fill(const FillArgs& args, const LaunchContext&) {
  with_type(args.dtype, [&]<class T>(T) {
    const bool real = args.dtype == DType::float32 || args.dtype == DType::float64;
    const T value = real ? static_cast<T>(args.real) : static_cast<T>(args.integer);
    walk(args.loop, [&](const int64_t (&o)[1]) { static_cast<T*>(args.loop.data[0])[o[0]] = value; });
  });
}
void where(const WhereArgs& args, const LaunchContext&) {
  with_type(args.dtype, [&]<class T>(T) {
    walk(args.loop, [&](const int64_t (&o)[4]) {
      static_cast<T*>(args.loop.data[0])[o[0]] = static_cast<bool*>(args.loop.data[1])[o[1]]
                                                     ? static_cast<T*>(args.loop.data[2])[o[2]]
                                                     : static_cast<T*>(args.loop.data[3])[o[3]];
    });
  });
}

const Kernel<UnaryArgs> unary_kernels[] = {{ReLU::name, run_unary<ReLU>}};
const Kernel<UnaryBackwardArgs> unary_backward_kernels[] = {{"relu_backward", run_unary_backward<ReLU>}};
const Kernel<BinaryArgs> binary_kernels[] = {{Add::name, run_binary<Add>}, {Mul::name, run_binary<Mul>}};

}  // namespace

extern const ElementwiseKernels elementwise_kernels;
const ElementwiseKernels elementwise_kernels = {unary_kernels,     unary_backward_kernels, binary_kernels,
                                                {"cast", cast},    {"fill", fill},         {"where", where}};

}  // namespace nn::NN_ISA
