// The reductions: what each element contributes and how two partial results join. reduce_walk.cuh walks.
// What several of the table's kernels share is one kernel with a number in it: the largest and the least, the counts
// and the questions about them.
#include "core/kernels/reduce.h"
#include "cuda/keys.cuh"
#include "cuda/math.cuh"
#include "cuda/reduce_walk.cuh"
#include "cuda/stored.cuh"
#include "math/functions.h"
#include "math/scalar.h"

namespace nn::cuda {
namespace {

// Sums of floating numbers: sum / divisor or its square root. (The code of any other root is long: Powers alone has
// it.)
template <class T>
struct Sum {
  using In = T;
  using Acc = T;
  static constexpr int ahead = sizeof(T) == 4 ? 4 : 2;
  T divisor, root;

  explicit Sum(const ReduceArgs& args) : divisor(static_cast<T>(args.divisor)), root(static_cast<T>(args.root)) {}
  __device__ T identity() const { return 0; }
  __device__ T lift(T x, T, int64_t) const { return x; }
  __device__ T join(T a, T b) const { return a + b; }
  __device__ void write(void* y, int64_t at, T a, T) const {
    a /= divisor;
    static_cast<T*>(y)[at] = root == 2 ? sqrt(a) : a;
  }
};

// Of 16 bits, added in float and rounded once.
struct SumOfHalves : Sum<float> {
  using In = uint16_t;
  Half as;

  explicit SumOfHalves(const ReduceArgs& args) : Sum<float>(args), as{args.dtype == DType::bfloat16} {}
  __device__ float lift(uint16_t x, float, int64_t) const { return as.value(x); }
  __device__ void write(void* y, int64_t at, float a, float center) const {
    float sum = 0;
    Sum<float>::write(&sum, 0, a, center);
    static_cast<uint16_t*>(y)[at] = as.stored(sum);
  }
};

template <class T>
struct Nonzeros : Sum<T> {
  using Sum<T>::Sum;
  __device__ T lift(T x, T, int64_t) const { return x != 0 ? T(1) : T(0); }
};

template <class T>
struct Magnitudes : Sum<T> {
  using Sum<T>::Sum;
  __device__ T lift(T x, T, int64_t) const { return abs(x); }
};

template <class T>
struct Squares : Sum<T> {
  using Sum<T>::Sum;
  static constexpr int ahead = sizeof(T) == 4 ? 4 : 1;
  __device__ T lift(T x, T center, int64_t) const { return (x - center) * (x - center); }
};

template <class T>
struct MeanAround : Sum<T> {
  using Sum<T>::Sum;
  __device__ T lift(T x, T center, int64_t) const { return x - center; }
  __device__ void write(void* y, int64_t at, T a, T center) const {
    static_cast<T*>(y)[at] = center + a / this->divisor;
  }
};

template <class T>
struct Powers : Sum<T> {
  static constexpr int ahead = 1;  // the code of a power is long
  T p;

  explicit Powers(const ReduceArgs& args) : Sum<T>(args), p(static_cast<T>(args.power)) {}
  __device__ T lift(T x, T, int64_t) const { return pow(abs(x), p); }
  __device__ void write(void* y, int64_t at, T a, T) const { static_cast<T*>(y)[at] = pow(a, 1 / this->root); }
};

template <class T>
struct Exponentials : Sum<T> {
  using Sum<T>::Sum;
  static constexpr int ahead = sizeof(T) == 4 ? 2 : 1;

  __device__ static T finite(T x) { return x - x == 0 ? x : T(0); }
  __device__ T lift(T x, T center, int64_t) const { return exp(x - finite(center)); }
  __device__ void write(void* y, int64_t at, T a, T center) const { static_cast<T*>(y)[at] = log(a) + finite(center); }
};

// Sums and products of integers are int64. Overflow wraps around, as in NumPy and PyTorch.
template <class T>
struct SumOfIntegers {
  using In = T;
  using Acc = int64_t;
  static constexpr int ahead = 4;

  explicit SumOfIntegers(const ReduceArgs&) {}
  __device__ int64_t identity() const { return 0; }
  __device__ int64_t lift(T x, int64_t, int64_t) const { return x; }
  __device__ int64_t join(int64_t a, int64_t b) const {
    return static_cast<int64_t>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
  }
  __device__ void write(void* y, int64_t at, int64_t a, int64_t) const { static_cast<int64_t*>(y)[at] = a; }
};

template <class T>
struct ProductOfIntegers : SumOfIntegers<T> {
  using SumOfIntegers<T>::SumOfIntegers;
  __device__ int64_t identity() const { return 1; }
  __device__ int64_t join(int64_t a, int64_t b) const {
    return static_cast<int64_t>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
  }
};

template <class T>
struct Product : Sum<T> {
  using Sum<T>::Sum;
  __device__ T identity() const { return 1; }
  __device__ T join(T a, T b) const { return a * b; }
  __device__ void write(void* y, int64_t at, T a, T) const { static_cast<T*>(y)[at] = a; }
};

// The largest or least number, or magnitude. NaN where one is NaN.
template <class T>
struct Extreme {
  using In = T;
  using Acc = typename Keys<T>::Key;
  static constexpr int ahead = sizeof(T) == 8 ? 2 : 4;
  Keys<T> keys;

  __device__ Acc identity() const { return lowest<Acc>(); }
  __device__ Acc lift(T x, Acc, int64_t) const { return keys.key(x); }
  __device__ Acc join(Acc a, Acc b) const { return max(a, b); }
  __device__ void write(void* y, int64_t at, Acc a, Acc) const { static_cast<T*>(y)[at] = keys.value(a); }
};

// How many elements are not 0, and whether any or all are.
enum class Question { count, any, all };
template <class T>
struct Count : SumOfIntegers<T> {
  Question question;
  int64_t elements;

  Count(const ReduceArgs& args, Question asked)
      : SumOfIntegers<T>(args), question(asked), elements(product_of(args.reduced_shape, args.reduced_ndim)) {}
  __device__ int64_t lift(T x, int64_t, int64_t) const { return x != T(0); }
  __device__ void write(void* y, int64_t at, int64_t a, int64_t) const {
    if (question == Question::count)
      static_cast<int64_t*>(y)[at] = a;
    else
      static_cast<bool*>(y)[at] = question == Question::any ? a > 0 : a == elements;
  }
};

// ---- one kernel for each, over the dtypes it has; booleans are read as bytes, 0 and 1

template <template <class> class Op>
void floating(const ReduceArgs& args, const LaunchContext& ctx) {
  with_floating(args.dtype, [&]<class T>(T) { reduce_all(args, Op<T>(args), ctx); });
}

template <class Body>
void with_numbers(DType dtype, const Body& body) {
  with_type(dtype, [&]<class T>(T) { body(std::conditional_t<std::is_same_v<T, bool>, uint8_t, T>{}); });
}

template <template <class> class Real, template <class> class Integer>
void both(const ReduceArgs& args, const LaunchContext& ctx) {
  with_numbers(args.dtype, [&]<class T>(T) {
    if constexpr (std::is_floating_point_v<T>)
      reduce_all(args, Real<T>(args), ctx);
    else
      reduce_all(args, Integer<T>(args), ctx);
  });
}

void sum(const ReduceArgs& args, const LaunchContext& ctx) {
  if (is_half(args.dtype)) return reduce_all(args, SumOfHalves(args), ctx);
  both<Sum, SumOfIntegers>(args, ctx);
}

template <bool largest>
void extreme(const ReduceArgs& args, const LaunchContext& ctx) {
  with_numbers(args.dtype, [&]<class T>(T) { reduce_all(args, Extreme<T>{Keys<T>(largest)}, ctx); });
}

template <bool largest>
void extreme_magnitude(const ReduceArgs& args, const LaunchContext& ctx) {
  with_floating(args.dtype, [&]<class T>(T) { reduce_all(args, Extreme<T>{Keys<T>(largest, true)}, ctx); });
}

template <Question question>
void count(const ReduceArgs& args, const LaunchContext& ctx) {
  with_numbers(args.dtype, [&]<class T>(T) { reduce_all(args, Count<T>(args, question), ctx); });
}

}  // namespace

extern const ReduceKernels reduce_kernels;
const ReduceKernels reduce_kernels = {
    {"sum", sum},
    {"prod", both<Product, ProductOfIntegers>},
    {"amax", extreme<true>},
    {"amin", extreme<false>},
    {"count_nonzero", count<Question::count>},
    {"any", count<Question::any>},
    {"all", count<Question::all>},
    {"sum_of_nonzeros", floating<Nonzeros>},
    {"sum_of_magnitudes", floating<Magnitudes>},
    {"sum_of_squares", floating<Squares>},
    {"mean_around", floating<MeanAround>},
    {"sum_of_powers", floating<Powers>},
    {"max_magnitude", extreme_magnitude<true>},
    {"min_magnitude", extreme_magnitude<false>},
    {"logsumexp", floating<Exponentials>},
};

}  // namespace nn::cuda
