// Normalisations: batch, layer, group, instance and RMS norm, and the running statistics.
//
// The idea: groups of a sample in float32 are rows, whose sums and results are one kernel (norm_rows.cu). Otherwise the
// sums over groups, and those over channels always, are reductions of x, which reduce_walk.cuh cuts into rows, columns
// or chunks by the shape; the results are then written by rows too, of float64 element by element. Sums are kept in
// double precision, about the group's first element, so that they keep their digits wherever the mean is.
// Parallel: all elements, and all groups or their chunks.
// Bound: memory. Groups of a sample: x is read and y written, 8 bytes for each float32; backward x and gy are read and
// gx written, 12 bytes, and x and gy once more for the parameters. Groups of the batch: x is read twice, 12 bytes, and
// x and gy twice, 20 bytes. What lies in a cache the second time comes off that.
#include "cuda/norm_kernels.h"
#include "cuda/norm_rows.cuh"
#include "cuda/reduce_walk.cuh"

namespace nn::cuda {
namespace {

// Where things lie; plain data of a launch.
struct Layout {
  NormArgs args;
  Divisor S, K, group, channels;  // places of a channel, channels of a group, elements of a group of a sample, C
  int64_t C;
  double* inverse;  // 1 / sqrt(var + eps) of each group
  Pair* sums;       // backward, of each group: of gy weight, and of gy weight (x - mean)

  explicit Layout(const NormArgs& a) : args(a), S(a.S), K(a.K), group(a.K * a.S), channels(a.G * a.K), C(a.G * a.K) {}
  __host__ __device__ int64_t groups() const { return args.batch ? args.G : args.N * args.G; }
  __host__ __device__ int64_t group_elements() const { return args.batch ? args.N * args.S : args.K * args.S; }
  __device__ int64_t channel_at(int64_t place) const {
    const int64_t row = place / S;
    return row - row / channels * C;
  }
  __device__ int64_t group_at(int64_t place) const { return args.batch ? channel_at(place) : place / group; }
  // Element r of group k.
  __device__ int64_t place_in_group(int64_t k, int64_t r) const {
    if (!args.batch) return k * group.number + r;
    const int64_t n = r / S;
    return (n * C + k) * S.number + (r - n * S.number);
  }
};

template <class T>
__device__ __forceinline__ T value_or(const void* values, int64_t i, T otherwise) {
  return values != nullptr ? static_cast<const T*>(values)[i] : otherwise;
}

struct PairSum {
  using Acc = Pair;
  static constexpr int ahead = 2;
  __device__ Pair identity() const { return {0, 0}; }
  __device__ Pair join(Pair u, Pair v) const { return JoinPairs{}(u, v); }
};

// Mean and variance of the groups.
template <class T>
struct Moments : PairSum {
  using In = T;
  Layout at;

  explicit Moments(const Layout& layout) : at(layout) {}
  __device__ double center(int64_t k) const {
    return static_cast<double>(static_cast<const T*>(at.args.x)[at.place_in_group(k, 0)]);
  }
  __device__ Pair lift(T x, double pivot, int64_t) const {
    const double z = static_cast<double>(x) - (at.args.centered ? pivot : 0.0);
    return {z, z * z};
  }
  __device__ void write(void*, int64_t k, Pair sums, double pivot) const {
    const double count = static_cast<double>(at.group_elements());
    const double shift = at.args.centered ? sums.a / count : 0.0, var = sums.b / count - shift * shift;
    at.args.mean[k] = at.args.centered ? pivot + shift : 0.0;
    at.args.var[k] = var < 0 ? 0.0 : var;
  }
};

template <class T>
struct Group {
  Centre<T> centre;
  int64_t channel;  // its first one
};

// What the gradients of the groups are made of, and with groups of the batch those of weight and bias.
template <class T>
struct GroupSums : PairSum {
  using In = T;
  Layout at;

  explicit GroupSums(const Layout& layout) : at(layout) {}
  __host__ __device__ const T* beside() const { return static_cast<const T*>(at.args.gy); }
  __device__ Group<T> center(int64_t k) const { return {Centre<T>(at.args.mean[k]), k % at.args.G * at.args.K}; }
  __device__ Pair lift(T x, T gy, const Group<T>& of, int64_t r) const {
    double a = static_cast<double>(gy);
    if (!at.args.batch && at.args.weight != nullptr)
      a *= static_cast<double>(static_cast<const T*>(at.args.weight)[of.channel + r / at.S]);
    return {a, a * static_cast<double>(of.centre.deviation(x))};
  }
  __device__ void write(void*, int64_t k, Pair sums, const Group<T>&) const {
    if (at.args.batch) {
      if (at.args.gweight != nullptr) static_cast<T*>(at.args.gweight)[k] = static_cast<T>(sums.b * at.inverse[k]);
      if (at.args.gbias != nullptr) static_cast<T*>(at.args.gbias)[k] = static_cast<T>(sums.a);
      const double weight = static_cast<double>(value_or(at.args.weight, k, T(1)));
      sums = {sums.a * weight, sums.b * weight};
    }
    at.sums[k] = sums;
  }
};

// The gradients of weight and bias: sums of each channel over all samples.
template <class T>
struct ChannelSums : PairSum {
  using In = T;
  Layout at;

  explicit ChannelSums(const Layout& layout) : at(layout) {}
  __host__ __device__ const T* beside() const { return static_cast<const T*>(at.args.gy); }
  __device__ int64_t center(int64_t c) const { return c / at.K; }  // the group's number in its sample
  __device__ Pair lift(T x, T gy, int64_t g, int64_t r) const {
    const int64_t k = r / at.S * at.args.G + g;
    const double a = static_cast<double>(gy), h = static_cast<double>(Centre<T>(at.args.mean[k]).deviation(x));
    return {a, a * h * at.inverse[k]};
  }
  __device__ void write(void*, int64_t c, Pair sums, int64_t) const {
    if (at.args.gweight != nullptr) static_cast<T*>(at.args.gweight)[c] = static_cast<T>(sums.b);
    if (at.args.gbias != nullptr) static_cast<T*>(at.args.gbias)[c] = static_cast<T>(sums.a);
  }
};

// Reductions of x over groups and channels. Results are numbered one after the other.
template <class T, class Op>
void reduce_groups(const Layout& at, int64_t outputs, int64_t apart, bool over_samples, const LaunchContext& ctx) {
  ReduceArgs r{};
  r.dtype = at.args.dtype;
  r.x = at.args.x;
  r.kept_ndim = 1;
  r.kept_shape[0] = outputs, r.x_kept[0] = apart, r.y_kept[0] = 1;
  const auto add = [&](int64_t extent, int64_t stride) {
    r.reduced_shape[r.reduced_ndim] = extent;
    r.x_reduced[r.reduced_ndim++] = stride;
  };
  if (!over_samples)
    add(apart, 1);
  else if (at.C == 1)
    add(at.args.N * at.args.S, 1);
  else
    add(at.args.N, at.C * at.args.S);
  if (over_samples && at.C > 1 && at.args.S != 1) add(at.args.S, 1);
  reduce_all(r, Op(at), ctx);
}
template <class T, template <class> class Op>
void over_groups(const Layout& at, const LaunchContext& ctx) {
  reduce_groups<T, Op<T>>(at, at.groups(), at.args.batch ? at.args.S : at.args.K * at.args.S, at.args.batch, ctx);
}

__global__ void __launch_bounds__(kThreads, 2) inverse_kernel(Layout at) {
  const int64_t k = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (k < at.groups()) at.inverse[k] = 1 / sqrt(at.args.var[k] + at.args.eps);
}

// body(place) for all elements, in a grid that strides.
template <class Body>
__device__ __forceinline__ void each_place(const Layout& at, const Body& body) {
  const int64_t count = at.args.N * at.C * at.args.S;
  for (int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x; i < count; i += int64_t{gridDim.x} * kThreads) body(i);
}

__global__ void __launch_bounds__(kThreads, 2) forward_kernel(Layout at) {
  using T = double;
  each_place(at, [&](int64_t i) {
    const int64_t c = at.channel_at(i), k = at.group_at(i);
    const T weight = value_or(at.args.weight, c, T(1)), bias = value_or(at.args.bias, c, T(0));
    const T scale = static_cast<T>(at.inverse[k] * static_cast<double>(weight));
    static_cast<T*>(at.args.y)[i] =
        Centre<T>(at.args.mean[k]).deviation(static_cast<const T*>(at.args.x)[i]) * scale + bias;
  });
}

__global__ void __launch_bounds__(kThreads, 2) backward_kernel(Layout at) {
  using T = double;
  each_place(at, [&](int64_t i) {
    const int64_t k = at.group_at(i);
    const T weight = value_or(at.args.weight, at.channel_at(i), T(1)), r = static_cast<T>(at.inverse[k]);
    const T gy = static_cast<const T*>(at.args.gy)[i] * weight;
    T* const gx = static_cast<T*>(at.args.gx) + i;
    if (at.args.fixed) {
      *gx = r * gy;
      return;
    }
    const double count = static_cast<double>(at.group_elements());
    const T b = static_cast<T>(-at.inverse[k] * at.sums[k].b / count);
    const T c = at.args.centered ? static_cast<T>(-at.sums[k].a / count) : T(0);
    const T h = Centre<T>(at.args.mean[k]).deviation(static_cast<const T*>(at.args.x)[i]) * r;
    *gx = r * (gy + c + h * b);
  });
}

void invert(const Layout& at, const LaunchContext& ctx) {
  const auto blocks = static_cast<unsigned>(ceil_div(at.groups(), int64_t{kThreads}));
  NN_LAUNCH(inverse_kernel, blocks, kThreads, 0, ctx, at);
}

void forward(const NormArgs& args, const LaunchContext& ctx) {
  Layout at(args);
  const int64_t elements = args.N * at.C * args.S;
  if (elements == 0) return;
  const bool narrow = args.dtype == DType::float32;
  if (narrow && takes_whole_rows(args)) return normalise_rows(args, nullptr, ctx);
  const Workspace memory(static_cast<size_t>(at.groups()) * sizeof(double), ctx);
  at.inverse = static_cast<double*>(memory.data);
  with_floating(args.dtype, [&]<class T>(T) {
    if (!args.fixed) over_groups<T, Moments>(at, ctx);
  });
  invert(at, ctx);
  if (narrow) return normalise_rows(args, at.inverse, ctx);
  NN_LAUNCH(forward_kernel, blocks_for(elements), kThreads, 0, ctx, at);
}

void backward(const NormArgs& args, const LaunchContext& ctx) {
  Layout at(args);
  const int64_t elements = args.N * at.C * args.S, groups = at.groups();
  const bool parameters = args.gweight != nullptr || args.gbias != nullptr, wanted = args.gx != nullptr && elements > 0;
  const bool narrow = args.dtype == DType::float32, whole = narrow && takes_whole_rows(args);
  const bool of_groups = wanted && !args.fixed && !whole;
  const Workspace memory(static_cast<size_t>(groups) * (sizeof(double) + sizeof(Pair)), ctx);
  at.sums = static_cast<Pair*>(memory.data);
  at.inverse = reinterpret_cast<double*>(at.sums + groups);
  if (groups > 0 && (parameters || !whole)) invert(at, ctx);
  with_floating(args.dtype, [&]<class T>(T) {
    if (of_groups || (args.batch && parameters)) over_groups<T, GroupSums>(at, ctx);
    if (parameters && !args.batch) reduce_groups<T, ChannelSums<T>>(at, at.C, args.S, true, ctx);
  });
  if (!wanted) return;
  if (narrow) return normalise_rows_backward(args, whole ? nullptr : at.inverse, of_groups ? at.sums : nullptr, ctx);
  NN_LAUNCH(backward_kernel, blocks_for(elements), kThreads, 0, ctx, at);
}

template <class T>
__global__ void __launch_bounds__(kThreads, 2) running_kernel(RunningArgs args) {
  const int64_t c = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (c >= args.C) return;
  const double f = args.batches != nullptr ? 1 / static_cast<double>(*args.batches) : args.momentum;
  const double count = static_cast<double>(args.count), samples = static_cast<double>(args.N);
  double m = 0, v = 0;
  for (int64_t n = 0; n < args.N; ++n) {
    m += args.mean[n * args.C + c];
    v += args.var[n * args.C + c];
  }
  T& mean = static_cast<T*>(args.running_mean)[c];
  T& var = static_cast<T*>(args.running_var)[c];
  mean = static_cast<T>((1 - f) * static_cast<double>(mean) + f * (m / samples));
  var = static_cast<T>((1 - f) * static_cast<double>(var) + f * (v / samples * (count / (count - 1))));
}

void running(const RunningArgs& args, const LaunchContext& ctx) {
  if (args.C == 0) return;
  const auto blocks = static_cast<unsigned>(ceil_div(args.C, int64_t{kThreads}));
  with_floating(args.dtype, [&]<class T>(T) { NN_LAUNCH(running_kernel<T>, blocks, kThreads, 0, ctx, args); });
}

}  // namespace

extern const NormKernels norm_kernels;
const NormKernels norm_kernels = {
    {"norm", forward},
    {"norm_backward", backward},
    {"running_statistics", running},
    {"local_response_norm", local_response},
    {"local_response_norm_backward", local_response_backward},
};

}  // namespace nn::cuda
