// float16 and bfloat16 are computed in float32 and rounded once, as PyTorch does (it calls this opmath). This is the
// one place where that happens: every binding of an operation goes through `in_float32`, which hands copies in float32
// to the operation, rounds what it returns, and writes back what it wrote to.
#pragma once

#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "ops/elementwise.h"

namespace nn {

// What is rounded of an operation's results in float32: all, or the first, where the others are kept for its backward;
// and whether arrays of several floating dtypes are its own affair (it promotes or refuses them) or the first array
// decides, as where parameters and statistics are wider than what they are applied to.
enum class Rounding { all, first_result };
enum class Mixed { by_operation, by_first_array };
struct OpmathRule {
  Rounding rounding = Rounding::all;
  Mixed mixed = Mixed::by_operation;
  bool (*is_native)(const Array& first) = nullptr;  // whether kernels there take 16 bits
};

// An operation's kernels take 16 bits on CUDA, or it only moves bits, which all devices do.
inline bool is_on_cuda(const Array& first) { return first.device().type == DeviceType::cuda; }
inline bool is_anywhere(const Array&) { return true; }

class Opmath {
 public:
  // The array in float32, where it is one of 16 bits.
  Array lift(const Array& x) {
    if (!is_half(x.dtype)) return x;
    const Array wide = cast(x, DType::float32);
    lifted_.push_back({x, wide, wide.storage->version.load()});
    return wide;
  }

  // Rounds what was written to the copies back to where they came from.
  void write_back() const {
    for (const Lifted& l : lifted_)
      if (l.was_written()) copy_into(l.given, l.wide);
  }

  // A result rounded to dtype; an array that was written to is itself the result.
  Array lower(const Array& y, DType dtype) const {
    for (const Lifted& l : lifted_)
      if (l.was_written() && share_memory(y, l.wide)) return l.given;
    return y.dtype == DType::float32 ? cast(y, dtype) : y;
  }

 private:
  struct Lifted {
    Array given, wide;
    int64_t version;
    bool was_written() const { return wide.storage->version.load() != version; }
  };
  std::vector<Lifted> lifted_;
};

namespace opmath {

// visit(array) for each array among the arguments of an operation.
template <class T, class Visit>
void for_arrays(const T&, const Visit&) {}
template <class Visit>
void for_arrays(const Array& x, const Visit& visit) {
  visit(x);
}
template <class Visit>
void for_arrays(const Operand& x, const Visit& visit) {
  if (const auto* array = std::get_if<Array>(&x)) visit(*array);
}
template <class T, class Visit>
void for_arrays(const std::optional<T>& x, const Visit& visit) {
  if (x) for_arrays(*x, visit);
}
template <class T, class Visit>
void for_arrays(const std::vector<T>& all, const Visit& visit) {
  for (const T& x : all) for_arrays(x, visit);
}
template <class... T, class Visit>
void for_arrays(const std::tuple<T...>& all, const Visit& visit) {
  std::apply([&](const T&... x) { (for_arrays(x, visit), ...); }, all);
}

// The same arguments with every array replaced by replace(array).
template <class T, class Replace>
const T& replaced(const T& x, const Replace&) {
  return x;
}
template <class Replace>
Array replaced(const Array& x, const Replace& replace) {
  return replace(x);
}
template <class Replace>
Operand replaced(const Operand& x, const Replace& replace) {
  if (const auto* array = std::get_if<Array>(&x)) return replace(*array);
  return x;
}
template <class T, class Replace>
std::optional<T> replaced(const std::optional<T>& x, const Replace& replace) {
  if (!x) return std::nullopt;
  return replaced(*x, replace);
}
template <class T, class Replace>
std::vector<T> replaced(const std::vector<T>& all, const Replace& replace) {
  std::vector<T> result;
  for (const T& x : all) result.push_back(replaced(x, replace));
  return result;
}
template <class... T, class Replace>
std::tuple<T...> replaced(const std::tuple<T...>& all, const Replace& replace) {
  return std::apply([&](const T&... x) { return std::tuple<T...>{replaced(x, replace)...}; }, all);
}
template <class A, class B, class Replace>
std::pair<A, B> replaced(const std::pair<A, B>& x, const Replace& replace) {
  A first = replaced(x.first, replace);
  return {std::move(first), replaced(x.second, replace)};
}

}  // namespace opmath

// f(args...), computed in float32 where the arguments hold arrays of 16 bits whose dtype the result would have.
template <class F, class... Args>
auto in_float32(OpmathRule rule, const F& f, const Args&... args) {
  using R = std::invoke_result_t<const F&, const Args&...>;
  bool half = false;
  (opmath::for_arrays(args, [&](const Array& x) { half = half || is_half(x.dtype); }), ...);
  if (!half) return f(args...);
  if (rule.is_native != nullptr) {
    const Array* array = nullptr;
    (opmath::for_arrays(args, [&](const Array& x) { array = array != nullptr ? array : &x; }), ...);
    if (rule.is_native(*array)) return f(args...);
  }

  std::optional<DType> first, with_dims, without;
  const auto meet = [](std::optional<DType>& a, DType b) { a = a ? promote(*a, b) : b; };
  const auto look = [&](const Array& x) {
    if (!is_floating(x.dtype)) return;
    if (!first) first = x.dtype;
    meet(x.ndim() > 0 ? with_dims : without, x.dtype);
  };
  (opmath::for_arrays(args, look), ...);
  DType dtype = with_dims ? *with_dims : *without;
  if (rule.mixed == Mixed::by_first_array)
    dtype = *first;
  else if (!is_half(dtype))
    return f(args...);

  Opmath math;
  const auto lift = [&](const Array& x) { return math.lift(x); };
  const auto given = [&](const Array& y) {  // one of the arguments, such as `out`
    bool found = false;
    (opmath::for_arrays(args, [&](const Array& x) { found = found || share_memory(x, y); }), ...);
    return found;
  };
  if constexpr (std::is_void_v<R>) {
    f(opmath::replaced(args, lift)...);
    math.write_back();
  } else {
    const R result = f(opmath::replaced(args, lift)...);
    math.write_back();
    bool kept = false;
    return opmath::replaced(result, [&](const Array& y) {
      if (kept || given(y)) return y;
      kept = rule.rounding == Rounding::first_result;
      return math.lower(y, dtype);
    });
  }
}

}  // namespace nn
