#include "ops/strided_loop.h"

#include <cstdlib>
#include <utility>

namespace nn {

Dims broadcast_shapes(const char* operation, const Dims& a, const Dims& b) {
  const Dims& longer = a.size() >= b.size() ? a : b;
  const Dims& shorter = a.size() >= b.size() ? b : a;
  Dims shape = longer;
  for (int i = longer.size() - 1, j = shorter.size() - 1; j >= 0; --i, --j) {
    if (longer[i] == shorter[j] || shorter[j] == 1) continue;
    check(longer[i] == 1, operation, ": shapes ", a, " and ", b,
          " do not broadcast: counted from the last, each pair of dimensions must be equal or contain a 1");
    shape[i] = shorter[j];
  }
  return shape;
}

Array broadcast_to(const char* operation, const Array& x, const Dims& shape) {
  const int lead = shape.size() - x.ndim();
  check(lead >= 0, operation, ": shape ", x.shape, " does not broadcast to ", shape);
  Dims strides = Dims::filled(shape.size(), 0);
  for (int i = 0; i < x.ndim(); ++i) {
    if (x.shape[i] == shape[lead + i])
      strides[lead + i] = x.strides[i];
    else
      check(x.shape[i] == 1, operation, ": shape ", x.shape, " does not broadcast to ", shape);
  }
  return view(x, shape, strides, x.offset);
}

template <int N>
StridedLoop<N> simplify(const Dims& shape, const Dims (&strides)[N]) {
  int order[kMaxDims], count = 0;
  for (int i = 0; i < shape.size(); ++i)
    if (shape[i] != 1) order[count++] = i;
  for (int i = 1; i < count; ++i)  // stable insertion sort: outermost first
    for (int j = i; j > 0 && std::abs(strides[0][order[j - 1]]) < std::abs(strides[0][order[j]]); --j)
      std::swap(order[j - 1], order[j]);

  StridedLoop<N> loop{};
  loop.ndim = 0;
  for (int i = 0; i < count; ++i) {
    const int dim = order[i];
    bool merges = loop.ndim > 0;
    for (int n = 0; n < N && merges; ++n) merges = loop.stride[n][loop.ndim - 1] == strides[n][dim] * shape[dim];
    const int at = merges ? loop.ndim - 1 : loop.ndim++;
    loop.shape[at] = merges ? loop.shape[at] * shape[dim] : shape[dim];
    for (int n = 0; n < N; ++n) loop.stride[n][at] = strides[n][dim];
  }
  if (loop.ndim == 0) {
    loop.ndim = 1;
    loop.shape[0] = 1;
  }
  return loop;
}

template StridedLoop<1> simplify<1>(const Dims&, const Dims (&)[1]);
template StridedLoop<2> simplify<2>(const Dims&, const Dims (&)[2]);
template StridedLoop<3> simplify<3>(const Dims&, const Dims (&)[3]);
template StridedLoop<4> simplify<4>(const Dims&, const Dims (&)[4]);

}  // namespace nn
