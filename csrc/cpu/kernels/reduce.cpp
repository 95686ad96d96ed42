// The reductions: what each element contributes and how two partial results join. reduce_walk.h walks.
#include "core/kernels/reduce.h"

#include "cpu/kernels/reduce_walk.h"
#include "cpu/simd/wide.h"
#include "math/functions.h"
#include "math/scalar.h"

namespace nn::NN_ISA {
namespace {

// What most have in common: elements contribute themselves, results are stored as they are.
template <class T, class AccT = T, class OutT = AccT>
struct Plain {
  using In = T;
  using Acc = AccT;
  using Out = OutT;
  static constexpr bool vectors = is_floating<T> && is_floating<AccT>;

  template <class V>
  NN_MEMBER V lift(V x, V) const {
    return x;
  }
  Out finish(Acc a, Acc) const { return static_cast<Out>(a); }
};

// Sums: root(sum / divisor).
template <class T>
struct Sum : Plain<T> {
  T divisor, root;

  explicit Sum(const ReduceArgs& args) : divisor(static_cast<T>(args.divisor)), root(static_cast<T>(args.root)) {}
  T identity() const { return 0; }
  template <class V>
  NN_MEMBER V join(V a, V b) const {
    return a + b;
  }
  T finish(T a, T) const {
    a /= divisor;
    if (root == 1) return a;
    return root == 2 ? sqrt(a) : pow(a, 1 / root);
  }
};

template <class T>
struct SumOfIntegers : Plain<T, int64_t> {
  explicit SumOfIntegers(const ReduceArgs&) {}
  int64_t identity() const { return 0; }
  int64_t join(int64_t a, int64_t b) const { return wrap(a, b); }
  // Overflow wraps around, as in NumPy and PyTorch.
  static int64_t wrap(int64_t a, int64_t b) {
    return static_cast<int64_t>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
  }
};

template <class T>
struct Nonzeros : Sum<T> {
  using Sum<T>::Sum;
  template <class V>
  NN_MEMBER V lift(V x, V) const {
    return select(x != V(0), V(1), V(0));
  }
};

template <class T>
struct Magnitudes : Sum<T> {
  using Sum<T>::Sum;
  template <class V>
  NN_MEMBER V lift(V x, V) const {
    return abs(x);
  }
};

template <class T>
struct Squares : Sum<T> {
  using Sum<T>::Sum;
  template <class V>
  NN_MEMBER V lift(V x, V center) const {
    const V d = x - center;
    return d * d;
  }
};

template <class T>
struct MeanAround : Sum<T> {
  using Sum<T>::Sum;
  template <class V>
  NN_MEMBER V lift(V x, V center) const {
    return x - center;
  }
  T finish(T a, T center) const { return center + a / this->divisor; }
};

template <class T>
struct Powers : Sum<T> {
  T p;

  explicit Powers(const ReduceArgs& args) : Sum<T>(args), p(static_cast<T>(args.power)) {}
  template <class V>
  NN_MEMBER V lift(V x, V) const {
    return pow(abs(x), V(p));
  }
};

template <class T>
struct Exponentials : Sum<T> {
  using Sum<T>::Sum;

  static T finite(T x) { return x - x == 0 ? x : 0; }
  template <class V>
  NN_MEMBER V lift(V x, V center) const {
    const V c = select(center - center == V(0), center, V(0));
    return exp(x - c);
  }
  T finish(T a, T center) const { return log(a) + finite(center); }
};

// Products of integers are int64 and wrap around too.
template <class T, class Acc>
struct Product : Plain<T, Acc> {
  explicit Product(const ReduceArgs&) {}
  Acc identity() const { return 1; }
  template <class V>
  NN_MEMBER V join(V a, V b) const {
    return a * b;
  }
  int64_t join(int64_t a, int64_t b) const {
    return static_cast<int64_t>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
  }
};

template <class T>
struct Max : Plain<T> {
  explicit Max(const ReduceArgs&) {}
  T identity() const { return lowest<T>(); }
  template <class V>
  NN_MEMBER V join(V a, V b) const {
    return max(a, b);
  }
};

template <class T>
struct Min : Plain<T> {
  explicit Min(const ReduceArgs&) {}
  T identity() const { return highest<T>(); }
  template <class V>
  NN_MEMBER V join(V a, V b) const {
    return min(a, b);
  }
};

template <class T>
struct MaxMagnitude : Max<T> {
  using Max<T>::Max;
  T identity() const { return 0; }
  template <class V>
  NN_MEMBER V lift(V x, V) const {
    return abs(x);
  }
};

template <class T>
struct MinMagnitude : Min<T> {
  using Min<T>::Min;
  template <class V>
  NN_MEMBER V lift(V x, V) const {
    return abs(x);
  }
};

// How many elements are not 0; any and all are questions about that number.
template <class T>
struct Count : Plain<T, int64_t> {
  explicit Count(const ReduceArgs&) {}
  int64_t identity() const { return 0; }
  int64_t join(int64_t a, int64_t b) const { return a + b; }
  int64_t contribution(T x) const { return x != T(0); }
};

template <class T>
struct Any : Plain<T, int64_t, bool> {
  explicit Any(const ReduceArgs&) {}
  int64_t identity() const { return 0; }
  int64_t join(int64_t a, int64_t b) const { return a | b; }
  int64_t contribution(T x) const { return x != T(0); }
};

template <class T>
struct All : Plain<T, int64_t, bool> {
  explicit All(const ReduceArgs&) {}
  int64_t identity() const { return 1; }
  int64_t join(int64_t a, int64_t b) const { return a & b; }
  int64_t contribution(T x) const { return x != T(0); }
};

// ---- one kernel for each, over the dtypes it has ----

template <template <class> class Op>
void floating(const ReduceArgs& args, const LaunchContext& ctx) {
  if (args.dtype == DType::float32)
    reduce_all(args, Op<float>(args), ctx);
  else
    reduce_all(args, Op<double>(args), ctx);
}

template <template <class> class Op>
void integers(const ReduceArgs& args, const LaunchContext& ctx) {
  switch (args.dtype) {
    case DType::int32:
      return reduce_all(args, Op<int32_t>(args), ctx);
    case DType::int64:
      return reduce_all(args, Op<int64_t>(args), ctx);
    default:
      return reduce_all(args, Op<uint8_t>(args), ctx);  // booleans are stored as 0 and 1
  }
}

template <template <class> class Real, template <class> class Integer>
void both(const ReduceArgs& args, const LaunchContext& ctx) {
  if (args.dtype == DType::float32 || args.dtype == DType::float64)
    floating<Real>(args, ctx);
  else
    integers<Integer>(args, ctx);
}

template <class T>
using ProductOfReals = Product<T, T>;
template <class T>
using ProductOfIntegers = Product<T, int64_t>;

}  // namespace

extern const ReduceKernels reduce_kernels;
const ReduceKernels reduce_kernels = {
    {"sum", both<Sum, SumOfIntegers>},
    {"prod", both<ProductOfReals, ProductOfIntegers>},
    {"amax", both<Max, Max>},
    {"amin", both<Min, Min>},
    {"count_nonzero", both<Count, Count>},
    {"any", both<Any, Any>},
    {"all", both<All, All>},
    {"sum_of_nonzeros", floating<Nonzeros>},
    {"sum_of_magnitudes", floating<Magnitudes>},
    {"sum_of_squares", floating<Squares>},
    {"mean_around", floating<MeanAround>},
    {"sum_of_powers", floating<Powers>},
    {"max_magnitude", floating<MaxMagnitude>},
    {"min_magnitude", floating<MinMagnitude>},
    {"logsumexp", floating<Exponentials>},
};

}  // namespace nn::NN_ISA
