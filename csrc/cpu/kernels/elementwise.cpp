// Elementwise kernels. What is parallel: the elements, cut into one part per thread. What bounds them: memory, except
// the transcendental functions in cache, which are bound by arithmetic: 4 to 12 cycles for each vector of 16 floats,
// with four vectors abreast (simd/wide.h). So floating types go through vectors by hand, and the compiler vectorises
// the integers. One instance of the inner loop for each operation and dtype serves every
// layout (elementwise_walk.h), which also keeps this file quick to compile.
#include "core/kernels/elementwise.h"

#include "cpu/kernels/elementwise_walk.h"
#include "cpu/simd/wide.h"
#include "math/elementwise.h"
#include "math/half.h"

namespace nn::NN_ISA {
extern const ElementwiseKernels elementwise_kernels;

namespace {

// Elements for which a thread is worth waking: an addition takes about 0.1 ns each, a transcendental function 1 ns.
constexpr int64_t kCheapGrain = 32768, kDearGrain = 8192;

template <class Op>
constexpr int64_t grain() {
  return is_floating_only<Op> ? kDearGrain : kCheapGrain;
}

// Whether a unary operation is bound by its arithmetic, and not element by element in the C library.
template <class Op>
constexpr bool is_dear = is_floating_only<Op> && !is_by_library<Op>;

constexpr int bytes_of(DType dtype) {
  switch (dtype) {
    case DType::float32:
    case DType::int32:
      return 4;
    case DType::float64:
    case DType::int64:
      return 8;
    case DType::float16:
    case DType::bfloat16:
      return 2;
    default:
      return 1;
  }
}

// f.template operator()<T>(), T the C++ type of dtype: of one that is computed with, and of any.
template <class F>
auto with_type(DType dtype, const F& f) {
  switch (dtype) {
    case DType::float32:
      return f.template operator()<float>();
    case DType::float64:
      return f.template operator()<double>();
    case DType::int32:
      return f.template operator()<int32_t>();
    case DType::int64:
      return f.template operator()<int64_t>();
    case DType::uint8:
      return f.template operator()<uint8_t>();
    default:
      return f.template operator()<bool>();
  }
}
template <class F>
auto with_any_type(DType dtype, const F& f) {
  if (dtype == DType::float16) return f.template operator()<float16>();
  if (dtype == DType::bfloat16) return f.template operator()<bfloat16>();
  return with_type(dtype, f);
}

// y[i] = f(x[i]...) by vectors. One instance of f serves whole vectors and the tail alike. y may be one of the x.
template <class T, class F, class... Inputs>
NN_FN void vector_loop(int64_t n, const F& f, T* y, const Inputs*... x) {
  using V = Vec<T>;
  for (int64_t i = 0; i < n; i += V::size) {
    const int left = static_cast<int>(n - i < V::size ? n - i : V::size);
    const V r = left == V::size ? f(V::load(x + i)...) : f(V::load(x + i, left)...);
    left == V::size ? r.store(y + i) : r.store(y + i, left);
  }
}

// The same for what takes long: several vectors abreast. The rest passes through a block of its own, so that there is
// one instance of f here too.
template <class T, int K, class F, int... I>
NN_FN void wide_loop(int64_t n, const F& f, T* y, const T* (&&x)[K], Indices<I...>) {
  using V = Wide<T, 4>;
  alignas(64) T rest[K][V::size];
  for (T* to = y; n > 0; n -= V::size, to += V::size) {
    if (n < V::size) ((V::load(x[I], n).store(rest[I]), x[I] = rest[I]), ...);
    f(V::load(x[I])...).store(n < V::size ? rest[0] : to);
    if (n < V::size) V::load(rest[0]).store(to, n);
    ((x[I] += V::size), ...);
  }
}

template <class T>
const T* input(char* const* data, int i) {
  return reinterpret_cast<const T*>(data[i]);
}

template <class Op, class T>
void unary_inner(char* const* data, int64_t n, const void* params) {
  const Op op = with_params<Op>(static_cast<const double*>(params));
  T* const y = reinterpret_cast<T*>(data[0]);
  const T* const x = input<T>(data, 1);
  if constexpr (is_integer<T>) {
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) y[i] = op.forward(x[i]);
  } else if constexpr (is_dear<Op>) {
    wide_loop(n, [&](Wide<T, 4> a) NN_LAMBDA { return op.forward(a); }, y, {x}, Places<1>{});
  } else {
    vector_loop(n, [&](Vec<T> a) NN_LAMBDA { return op.forward(a); }, y, x);
  }
}

template <class Op, class T>
void unary_backward_inner(char* const* data, int64_t n, const void* params) {
  const Op op = with_params<Op>(static_cast<const double*>(params));
  T* const gx = reinterpret_cast<T*>(data[0]);
  const T *const gy = input<T>(data, 1), *const saved = input<T>(data, 2);
  if constexpr (is_dear<Op>)
    wide_loop(n, [&](Wide<T, 4> g, Wide<T, 4> s) NN_LAMBDA { return op.backward(g, s); }, gx, {gy, saved}, Places<2>{});
  else
    vector_loop(n, [&](Vec<T> g, Vec<T> s) NN_LAMBDA { return op.backward(g, s); }, gx, gy, saved);
}

template <class Op, class T>
void binary_inner(char* const* data, int64_t n, const void*) {
  using Result = decltype(Op{}.forward(T{}, T{}));
  Result* const z = reinterpret_cast<Result*>(data[0]);
  const T* const x = input<T>(data, 1);
  const T* const y = input<T>(data, 2);
  if constexpr (is_integer<T> || is_predicate<Op>) {
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) z[i] = Op{}.forward(x[i], y[i]);
  } else {
    vector_loop(n, [](Vec<T> a, Vec<T> b) NN_LAMBDA { return Op{}.forward(a, b); }, z, x, y);
  }
}

// A floating type only, or any type: by what the operation takes. The op layer launches nothing else.
template <class Op, class F>
Inner choose(DType dtype, const F& f) {
  if constexpr (is_floating_only<Op>)
    return dtype == DType::float64 ? f.template operator()<double>() : f.template operator()<float>();
  else
    return with_type(dtype, f);
}

template <class Op>
void unary(const UnaryArgs& args, const LaunchContext& ctx) {
  const int b = bytes_of(args.dtype);
  walk<2>(args.loop, {b, b}, grain<Op>(), ctx,
          choose<Op>(args.dtype, []<class T>() -> Inner { return unary_inner<Op, T>; }), args.params);
}

template <class Op>
void unary_backward(const UnaryBackwardArgs& args, const LaunchContext& ctx) {
  const int b = bytes_of(args.dtype);
  walk<3>(args.loop, {b, b, b}, grain<Op>(), ctx,
          args.dtype == DType::float64 ? unary_backward_inner<Op, double> : unary_backward_inner<Op, float>,
          args.params);
}

template <class Op>
void binary(const BinaryArgs& args, const LaunchContext& ctx) {
  const int b = bytes_of(args.dtype);
  StridedLoop<3> loop = args.loop;
  double number;  // room for an element of any type
  if (args.number != 0) {
    with_type(args.dtype, [&]<class T>() {
      *reinterpret_cast<T*>(&number) = is_integer<T> ? static_cast<T>(args.integer) : static_cast<T>(args.real);
    });
    loop.data[args.number] = &number;
  }
  walk<3>(loop, {is_predicate<Op> ? 1 : b, b, b}, grain<Op>(), ctx,
          choose<Op>(args.dtype,
                     []<class T>() -> Inner {
                       if constexpr (is_integer_only<Op> && !is_integer<T>)
                         return nullptr;
                       else
                         return binary_inner<Op, T>;
                     }),
          nullptr);
}

// Floating numbers to integers: toward zero, those out of range to the nearest end, NaN to 0. To uint8 by way of int64,
// so that whole numbers wrap around as integers do.
template <class To, class From>
NN_FN To convert(From x) {
  if constexpr (is_half_type<From>) {
    return convert<To>(static_cast<float>(x));
  } else if constexpr (is_half_type<To>) {
    return To(static_cast<float>(x));
  } else if constexpr (!is_integer<From> && is_integer<To> && sizeof(To) > 1) {
    constexpr From end = sizeof(To) == 4 ? From(0x1p31) : From(0x1p63);
    constexpr To lowest = sizeof(To) == 4 ? To(INT32_MIN) : To(INT64_MIN);
    return x >= end ? To(-(lowest + 1)) : x >= -end ? To(x) : x < -end ? lowest : To(0);
  } else if constexpr (!is_integer<From> && sizeof(To) == 1 && !__is_same(To, bool)) {
    return static_cast<To>(convert<int64_t>(x));
  } else {
    return static_cast<To>(x);
  }
}

template <class To, class From>
void cast_inner(char* const* data, int64_t n, const void*) {
  To* const y = reinterpret_cast<To*>(data[0]);
  const From* const x = input<From>(data, 1);
  for (int64_t i = 0; i < n; ++i) y[i] = convert<To>(x[i]);
}

void cast(const CastArgs& args, const LaunchContext& ctx) {
  const Inner inner = with_any_type(args.to, [&]<class To>() {
    return with_any_type(args.from, []<class From>() -> Inner {
      if constexpr (__is_same(To, From))
        return nullptr;  // a copy
      else
        return cast_inner<To, From>;
    });
  });
  walk<2>(args.loop, {bytes_of(args.to), bytes_of(args.from)}, kCheapGrain, ctx, inner, nullptr);
}

template <class T>
void fill_inner(char* const* data, int64_t n, const void* value) {
  const T v = *static_cast<const T*>(value);
  T* const y = reinterpret_cast<T*>(data[0]);
  const T zero{};
  if (__builtin_memcmp(&v, &zero, sizeof v) == 0)  // the C library does it without reading the lines first
    __builtin_memset(y, 0, n * sizeof(T));
  else
    for (int64_t i = 0; i < n; ++i) y[i] = v;
}

void fill(const FillArgs& args, const LaunchContext& ctx) {
  with_any_type(args.dtype, [&]<class T>() {
    const T value = is_integer<T> ? static_cast<T>(args.integer) : static_cast<T>(args.real);
    walk<1>(args.loop, {static_cast<int>(sizeof(T))}, kCheapGrain, ctx, fill_inner<T>, &value);
  });
}

// Only moves elements, so a type of the same size stands for the dtype.
template <class T>
void where_inner(char* const* data, int64_t n, const void*) {
  T* const z = reinterpret_cast<T*>(data[0]);
  const uint8_t* const condition = input<uint8_t>(data, 1);
  const T *const x = input<T>(data, 2), *const y = input<T>(data, 3);
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) z[i] = condition[i] != 0 ? x[i] : y[i];
}

void where(const WhereArgs& args, const LaunchContext& ctx) {
  const int b = bytes_of(args.dtype);
  const Inner inner = b == 4   ? where_inner<uint32_t>
                      : b == 8 ? where_inner<uint64_t>
                      : b == 2 ? where_inner<uint16_t>
                               : where_inner<uint8_t>;
  walk<4>(args.loop, {b, 1, b, b}, kCheapGrain, ctx, inner, nullptr);
}

// The kernels of a list of operations. An operation without a backward has an empty slot, which is never launched.
template <class Ops>
struct Tables;
template <class... Ops>
struct Tables<List<Ops...>> {
  template <class Op>
  static constexpr Kernel<UnaryBackwardArgs> backward_kernel() {
    if constexpr (has_backward<Op>)
      return {Op::name, unary_backward<Op>};
    else
      return {Op::name, nullptr};
  }
  static constexpr Kernel<UnaryArgs> unary_kernels[] = {{Ops::name, unary<Ops>}...};
  static constexpr Kernel<UnaryBackwardArgs> unary_backward_kernels[] = {backward_kernel<Ops>()...};
};
template <class Ops>
struct BinaryTable;
template <class... Ops>
struct BinaryTable<List<Ops...>> {
  static constexpr Kernel<BinaryArgs> kernels[] = {{Ops::name, binary<Ops>}...};
};

}  // namespace

const ElementwiseKernels elementwise_kernels = {Tables<UnaryOps>::unary_kernels,
                                                Tables<UnaryOps>::unary_backward_kernels,
                                                BinaryTable<BinaryOps>::kernels,
                                                {"cast", cast},
                                                {"fill", fill},
                                                {"where", where},
                                                {"chain", nullptr}};

}  // namespace nn::NN_ISA
