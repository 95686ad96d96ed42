// Normalisations: batch, layer, group, instance and RMS norm, and the running statistics.
//
// The idea: groups of a sample in float32 or 16 bits are rows, whose sums and results are one kernel (norm_rows.cu).
// Otherwise the sums over groups, and those over channels, are reductions of x: by rows of adjacent elements in
// norm_sums.cu, in float64 and of adjacent columns by reduce_walk.cuh. The results are then written by rows too, of
// float64 element by element. Sums are kept in double precision, about the group's first element, so that they keep
// their digits wherever the mean is. Parallel: all elements, and all groups or their chunks. Bound: memory. In float32,
// groups of a sample: x is read and y written, 8 bytes an element; backward x and gy are read and gx written, 12 bytes,
// and x and gy once more for weight and bias, 8 bytes, unless channels are long. Groups of the batch: x is read twice
// and y written, 12 bytes; x and gy are read twice and gx written, 20 bytes. What lies in a cache the second time comes
// off that.
#include "cuda/norm_kernels.h"
#include "cuda/norm_sums.cuh"
#include "cuda/reduce_walk.cuh"

namespace nn::cuda {
namespace {

// Where things lie; plain data of a launch.
struct Layout {
  NormArgs args;
  Divisor S, K, group, channels;  // places of a channel, channels of a group, elements of a group of a sample, C
  int64_t C;
  void* standards;  // of each group, of the arrays' type
  Pair* sums;       // backward, of each group: of gy weight, and of gy weight (x - mean)

  explicit Layout(const NormArgs& a) : args(a), S(a.S), K(a.K), group(a.K * a.S), channels(a.G * a.K), C(a.G * a.K) {}
  __host__ __device__ int64_t groups() const { return args.batch ? args.G : args.N * args.G; }
  __host__ __device__ int64_t group_elements() const { return args.batch ? args.N * args.S : args.K * args.S; }
  template <class T>
  __device__ const Standard<T>& standard(int64_t k) const {
    return static_cast<const Standard<T>*>(standards)[k];
  }
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
    const int64_t first = at.place_in_group(k, 0);
    if (sizeof(T) == 4 && at.args.dtype != DType::float32)
      return static_cast<double>(
          Half{at.args.dtype == DType::bfloat16}.value(static_cast<const uint16_t*>(at.args.x)[first]));
    return static_cast<double>(static_cast<const T*>(at.args.x)[first]);
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
      if (at.args.gweight != nullptr)
        static_cast<T*>(at.args.gweight)[k] = static_cast<T>(sums.b * rsqrt(at.args.var[k] + at.args.eps));
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
    const Standard<T>& of = at.template standard<T>(r / at.S * at.args.G + g);
    return {static_cast<double>(gy), static_cast<double>(gy * (of.centre.deviation(x) * of.r))};
  }
  __device__ void write(void*, int64_t c, Pair sums, int64_t) const {
    if (at.args.gweight != nullptr) static_cast<T*>(at.args.gweight)[c] = static_cast<T>(sums.b);
    if (at.args.gbias != nullptr) static_cast<T*>(at.args.gbias)[c] = static_cast<T>(sums.a);
  }
};

// The results of Op, of partial sums [chunks, outputs].
template <template <class> class Op>
void join(const Layout& at, Pair* parts, int64_t chunks, int64_t outputs, const LaunchContext& ctx) {
  ReduceArgs r{};
  r.kept_ndim = 1;
  r.kept_shape[0] = outputs, r.y_kept[0] = 1;
  ReducePlan plan{};
  plan.outputs = outputs, plan.chunks = Divisor(chunks), plan.parts = parts;
  reduce_parts(r, plan, Joined<Op<float>>{Op<float>(at)}, ctx);
}

// Whether these sums are of adjacent columns.
bool of_columns(const NormArgs& args, Summed what) {
  return (args.batch || what == Summed::channels) && args.G * args.K > 1 && args.S == 1;
}

// Reductions of x over groups or channels, whose results Op<T> writes, numbered one after the other: of adjacent
// columns and of float64 by reduce_walk.cuh, otherwise by norm_sums.cu.
template <template <class> class Op, class T>
void reduce(const Layout& at, Summed what, const LaunchContext& ctx) {
  const NormArgs& args = at.args;
  const bool of_channels = args.batch || what == Summed::channels;
  ReduceArgs r{};
  r.dtype = args.dtype;
  r.x = args.x;
  r.kept_ndim = 1;
  r.kept_shape[0] = of_channels ? at.C : at.groups(), r.y_kept[0] = 1;
  if (r.kept_shape[0] == 0) return;
  if constexpr (sizeof(T) == 4) {
    if (!of_columns(args, what) && args.N * args.S > 0) {
      NormSums sums = plan_sums(args, what);
      const Workspace parts(static_cast<size_t>(sums.chunks * r.kept_shape[0]) * sizeof(Pair), ctx);
      sums.parts = static_cast<Pair*>(parts.data);
      sums.groups = what == Summed::channels ? static_cast<const Standard<float>*>(at.standards) : nullptr;
      sum_rows(sums, what, ctx);
      return join<Op>(at, sums.parts, sums.chunks, r.kept_shape[0], ctx);
    }
  }
  r.x_kept[0] = of_channels ? args.S : args.K * args.S;
  const auto add = [&](int64_t extent, int64_t stride) {
    r.reduced_shape[r.reduced_ndim] = extent;
    r.x_reduced[r.reduced_ndim++] = stride;
  };
  if (!of_channels)
    add(args.K * args.S, 1);
  else if (at.C == 1)
    add(args.N * args.S, 1);
  else
    add(args.N, at.C * args.S);
  if (of_channels && at.C > 1 && args.S != 1) add(args.S, 1);
  reduce_all<Op<T>, sizeof(T) == 8>(r, Op<T>(at), ctx);
}

template <class T>
__global__ void __launch_bounds__(kThreads, 2) standards_kernel(Layout at) {
  const int64_t k = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (k < at.groups())
    static_cast<Standard<T>*>(at.standards)[k] = {Centre<T>(at.args.mean[k]),
                                                  static_cast<T>(1 / sqrt(at.args.var[k] + at.args.eps))};
}
template <class T>
void set_standards(const Layout& at, const LaunchContext& ctx) {
  const auto blocks = static_cast<unsigned>(ceil_div(at.groups(), int64_t{kThreads}));
  NN_LAUNCH(standards_kernel<T>, blocks, kThreads, 0, ctx, at);
}

// body(place) for all elements, in a grid that strides.
template <class Body>
__device__ __forceinline__ void each_place(const Layout& at, const Body& body) {
  const int64_t count = at.args.N * at.C * at.args.S;
  for (int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x; i < count; i += int64_t{gridDim.x} * kThreads) body(i);
}

// Of float64.
__global__ void __launch_bounds__(kThreads, 2) forward_kernel(Layout at) {
  each_place(at, [&](int64_t i) {
    const int64_t c = at.channel_at(i);
    const Standard<double>& of = at.standard<double>(at.group_at(i));
    const double weight = value_or(at.args.weight, c, 1.0), bias = value_or(at.args.bias, c, 0.0);
    static_cast<double*>(at.args.y)[i] =
        of.centre.deviation(static_cast<const double*>(at.args.x)[i]) * (of.r * weight) + bias;
  });
}

__global__ void __launch_bounds__(kThreads, 2) backward_kernel(Layout at) {
  each_place(at, [&](int64_t i) {
    const int64_t k = at.group_at(i);
    const Standard<double>& of = at.standard<double>(k);
    const double gy = static_cast<const double*>(at.args.gy)[i] * value_or(at.args.weight, at.channel_at(i), 1.0);
    double* const gx = static_cast<double*>(at.args.gx) + i;
    if (at.args.fixed) {
      *gx = of.r * gy;
      return;
    }
    const double count = static_cast<double>(at.group_elements());
    const double b = -of.r * at.sums[k].b / count, c = at.args.centered ? -at.sums[k].a / count : 0.0;
    const double h = of.centre.deviation(static_cast<const double*>(at.args.x)[i]) * of.r;
    *gx = of.r * (gy + c + h * b);
  });
}

void forward(const NormArgs& args, const LaunchContext& ctx);
void backward(const NormArgs& args, const LaunchContext& ctx);

// Elements of 16 bits by way of float32, where sums are of columns.
void forward_by_float32(const NormArgs& args, const LaunchContext& ctx) {
  const int64_t elements = args.N * args.G * args.K * args.S;
  const FloatCopy x(args.dtype, args.x, elements, ctx), y(args.dtype, args.y, elements, ctx);
  NormArgs wide = args;
  wide.dtype = DType::float32;
  wide.x = x.memory.data, wide.y = y.memory.data;
  x.read(args.x);
  forward(wide, ctx);
  y.write(args.y);
}
void backward_by_float32(const NormArgs& args, const LaunchContext& ctx) {
  const int64_t elements = args.N * args.G * args.K * args.S;
  const FloatCopy x(args.dtype, args.x, elements, ctx), gy(args.dtype, args.gy, elements, ctx);
  const FloatCopy gx(args.dtype, args.gx, elements, ctx);
  NormArgs wide = args;
  wide.dtype = DType::float32;
  wide.x = x.memory.data, wide.gy = gy.memory.data, wide.gx = gx.memory.data;
  x.read(args.x), gy.read(args.gy);
  backward(wide, ctx);
  gx.write(args.gx);
}

void forward(const NormArgs& args, const LaunchContext& ctx) {
  Layout at(args);
  const int64_t elements = args.N * at.C * args.S;
  if (elements == 0) return;
  if (args.dtype != DType::float64) {
    const bool given = !takes_whole_rows(args);
    if (given && !args.fixed) {
      if (is_half(args.dtype) && of_columns(args, Summed::moments)) return forward_by_float32(args, ctx);
      reduce<Moments, float>(at, Summed::moments, ctx);
    }
    return normalise_rows(args, given, ctx);
  }
  const Workspace memory(static_cast<size_t>(at.groups()) * sizeof(Standard<double>), ctx);
  at.standards = memory.data;
  if (!args.fixed) reduce<Moments, double>(at, Summed::moments, ctx);
  set_standards<double>(at, ctx);
  NN_LAUNCH(forward_kernel, blocks_for(elements), kThreads, 0, ctx, at);
}

void backward(const NormArgs& args, const LaunchContext& ctx) {
  Layout at(args);
  const int64_t elements = args.N * at.C * args.S, groups = at.groups();
  const bool parameters = args.gweight != nullptr || args.gbias != nullptr, wanted = args.gx != nullptr && elements > 0;
  const bool narrow = args.dtype != DType::float64;
  const bool of_groups = wanted && !args.fixed && !(narrow && takes_whole_rows(args));
  if (narrow && wanted && parameters && leaves_parts(args)) {
    const Workspace memory(static_cast<size_t>(args.N * at.C) * sizeof(Pair), ctx);
    Pair* const parts = static_cast<Pair*>(memory.data);
    normalise_rows_backward(args, nullptr, parts, ctx);
    return join<ChannelSums>(at, parts, args.N, at.C, ctx);
  }
  const Summed sums = parameters && !args.batch ? Summed::channels : Summed::groups;
  if (is_half(args.dtype) && (parameters || of_groups) && of_columns(args, sums)) return backward_by_float32(args, ctx);
  const size_t pairs = static_cast<size_t>(groups) * sizeof(Pair);
  const Workspace memory(pairs + static_cast<size_t>(groups) * sizeof(Standard<double>), ctx);
  at.standards = memory.data;
  at.sums = reinterpret_cast<Pair*>(static_cast<Standard<double>*>(at.standards) + groups);
  with_computed(args.dtype, [&]<class T>(T) {
    if (groups > 0 && (!narrow || (parameters && !args.batch))) set_standards<T>(at, ctx);
    if (of_groups || (args.batch && parameters)) reduce<GroupSums, T>(at, Summed::groups, ctx);
    if (parameters && !args.batch) reduce<ChannelSums, T>(at, Summed::channels, ctx);
  });
  if (!wanted) return;
  if (narrow) return normalise_rows_backward(args, of_groups ? at.sums : nullptr, nullptr, ctx);
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
