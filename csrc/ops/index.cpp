#include "ops/index.h"

#include <algorithm>

#include "core/launch.h"
#include "core/plan.h"
#include "core/transfer.h"
#include "ops/check_range.h"
#include "ops/elementwise.h"
#include "ops/reduce.h"
#include "ops/reduce_plan.h"
#include "ops/same_device.h"
#include "ops/shape.h"
#include "ops/strided_loop.h"

namespace nn {
namespace {

const IndexKernels& table(const Array& x) { return kernels(x.device()).index; }

// An index along a dimension as kernels read it: contiguous int64 in [-size or 0, size), and where kernels report
// what is not.
struct Places {
  Array array;
  FaultSite fault;
};

Places places_in(const char* operation, Fault::Kind kind, const Array& index, int64_t size, int64_t dim,
                 bool negative = false) {
  check(index.dtype == DType::int64 || index.dtype == DType::int32, operation,
        ": expected an index of dtype int64 or int32, got ", info(index.dtype).name);
  const Array array = contiguous(cast(index, DType::int64));
  const Fault fault{kind, operation, dim, size};
  if (index.device().type != DeviceType::cpu) return {array, fault_site(index.device(), fault)};
  check_range(array, negative ? -size : 0, size, fault);
  return {array, {}};
}

// A 0-d array as one of a single element, so that there is a dimension to index.
Array with_dim(const Array& x) { return x.ndim() > 0 ? x : unsqueeze(x, 0); }

// source as something that writing to x does not change.
Array apart(const Array& source, const Array& x) { return share_memory(source, x) ? clone(source) : source; }

IndexArgs slices(const char* operation, const Array& x, int d, const Places& places, const Array& y) {
  const Reduction along(operation, x, Dims{d}, true);
  IndexArgs args{};
  args.dtype = x.dtype;
  args.x = x.data();
  args.y = y.data();
  args.index = places.array.as<int64_t>();
  args.extent = x.shape[d];
  args.count = places.array.numel();
  args.fault = places.fault;
  args.x_step = x.strides[d];
  args.y_step = y.strides[d];
  set_kept(args, kept_loops(x, y, along));
  return args;
}

void put_slices(const char* operation, const Kernel<IndexArgs>& kernel, const Array& input, int64_t dim,
                const Array& index, const Array& given) {
  const int d = normalize_dim(operation, dim, input.ndim());
  check_same_device(operation, input, index, given);
  const Array x = with_dim(input), source = apart(with_dim(given), input);
  check<IndexError>(index.ndim() <= 1, operation, ": Index is supposed to be a vector, got shape ", index.shape);
  check(source.dtype == x.dtype, operation, ": expected a source of dtype ", info(x.dtype).name, ", got ",
        info(source.dtype).name);
  Dims expected = x.shape;
  expected[d] = index.numel();
  check(source.shape == expected, operation, ": expected a source of shape ", expected, " for an index of ",
        index.numel(), " places along dimension ", d, " of ", x.shape, ", got ", source.shape);
  const Places places = places_in(operation, Fault::slice, index, x.shape[d], d);
  launch(kernel, slices(operation, x, d, places, source), x.device());
  input.touch();
}

GatherArgs lines(const Array& x, int d, const Places& places, const Array& y) {
  GatherArgs args{};
  args.dtype = x.dtype;
  Dims shape = places.array.shape, strides[3] = {y.strides, places.array.strides, x.strides};
  args.count = shape[d];
  args.extent = x.shape[d];
  args.fault = places.fault;
  shape.erase(d);
  for (int n = 0; n < 3; ++n) {
    args.step[n] = strides[n][d];
    strides[n].erase(d);
  }
  args.loop = simplify<3>(shape, strides);
  args.loop.data[0] = y.data();
  args.loop.data[1] = places.array.data();
  args.loop.data[2] = x.data();
  return args;
}

void check_lines(const char* operation, const Array& x, int d, const Array& index) {
  check(index.ndim() == x.ndim(), operation,
        ": Index tensor must have the same number of dimensions as input tensor, got ", index.shape, " and ", x.shape);
  for (int i = 0; i < x.ndim(); ++i)
    check(i == d || index.shape[i] <= x.shape[i], operation, ": Size does not match at dimension ", i,
          ": expected an index of at most the input's shape ", x.shape, " apart from dimension ", d, ", got ",
          index.shape);
}

}  // namespace

Array wrap_index(const Array& index, int64_t size, int64_t dim) {
  const Places places = places_in("", Fault::slice, index, size, dim, true);
  const Array wrapped = empty(places.array.shape, DType::int64, index.device());
  const WrapIndexArgs args{places.array.as<int64_t>(), wrapped.as<int64_t>(), wrapped.numel(), size, places.fault};
  launch(table(index).wrap, args, index.device());
  return wrapped;
}

Array index_select(const char* operation, const Array& input, int64_t dim, const Array& index) {
  const int d = normalize_dim(operation, dim, input.ndim());
  const Array x = with_dim(input);
  check_same_device(operation, input, index);
  check<IndexError>(index.ndim() <= 1, operation, ": Index is supposed to be a vector, got shape ", index.shape);
  const Places places = places_in(operation, Fault::slice, index, x.shape[d], d);
  Dims shape = x.shape;
  shape[d] = index.numel();
  const Array y = empty(shape, x.dtype, x.device());
  if (y.numel() > 0) launch(table(x).select, slices(operation, x, d, places, y), x.device());
  return input.ndim() > 0 ? y : reshape(y, {});
}

void index_copy_into(const char* operation, const Array& x, int64_t dim, const Array& index, const Array& source) {
  put_slices(operation, table(x).copy, x, dim, index, source);
}

void index_add_into(const char* operation, const Array& x, int64_t dim, const Array& index, const Array& source) {
  put_slices(operation, table(x).add, x, dim, index, source);
}

Array gather(const char* operation, const Array& input, int64_t dim, const Array& index) {
  const int d = normalize_dim(operation, dim, input.ndim());
  check_same_device(operation, input, index);
  if (index.numel() == 0) return empty(index.shape, input.dtype, input.device());  // of any shape, as in PyTorch
  const Array x = with_dim(input), at = with_dim(index);
  check_lines(operation, x, d, at);
  const Places places = places_in(operation, Fault::element, at, x.shape[d], d);
  const Array y = empty(at.shape, x.dtype, x.device());
  if (y.numel() > 0) launch(table(x).gather, lines(x, d, places, y), x.device());
  return index.ndim() > 0 ? y : reshape(y, {});
}

void scatter_into(const char* operation, const Array& input, int64_t dim, const Array& index, const Array& given,
                  bool accumulate) {
  const int d = normalize_dim(operation, dim, input.ndim());
  check_same_device(operation, input, index, given);
  const Array x = with_dim(input), at = with_dim(index), source = apart(with_dim(given), input);
  if (at.numel() == 0) return;
  check(source.dtype == x.dtype, operation, ": Expected self.dtype to be equal to src.dtype, got ", info(x.dtype).name,
        " and ", info(source.dtype).name);
  check_lines(operation, x, d, at);
  check(source.ndim() == at.ndim(), operation,
        ": Index tensor must have the same number of dimensions as src tensor, got ", at.shape, " and ", source.shape);
  for (int i = 0; i < at.ndim(); ++i)
    check(at.shape[i] <= source.shape[i], operation, ": Expected index ", at.shape, " to be no larger than src ",
          source.shape, " in dimension ", i);
  const Places places = places_in(operation, Fault::element, at, x.shape[d], d);
  const GatherArgs args = lines(x, d, places, view(source, at.shape, source.strides, source.offset));
  launch(accumulate ? table(x).scatter_add : table(x).scatter, args, x.device());
  input.touch();
}

Array nonzero(const Array& input) {
  const Array x = contiguous(input);
  refuse_reading("a shape that depends on values (nonzero, boolean masks)");
  const auto count = first_element<int64_t>(count_nonzero(x, std::nullopt));
  const Array y = empty({count, x.ndim()}, DType::int64, x.device());
  NonzeroArgs args{x.dtype, x.data(), y.as<int64_t>(), count, x.ndim(), {}};
  std::copy(x.shape.begin(), x.shape.end(), args.shape);
  if (y.numel() > 0) launch(table(x).nonzero, args, x.device());
  return y;
}

std::pair<Array, Array> sort(const Array& input, int64_t dim, bool descending, std::optional<int64_t> keep) {
  const int d = normalize_dim("sort", dim, input.ndim());
  const Array x = with_dim(input);
  Dims shape = x.shape;
  if (keep) shape[d] = *keep;
  check(0 <= shape[d] && shape[d] <= x.shape[d], "sort: expected to keep at most ", x.shape[d], " elements, got ",
        shape[d]);
  const Array values = empty(shape, x.dtype, x.device()), index = empty(shape, DType::int64, x.device());
  const Reduction along("sort", x, Dims{d}, true);
  SortArgs args{};
  args.dtype = x.dtype;
  args.descending = descending;
  args.x = x.data();
  args.values = values.data();
  args.index = index.as<int64_t>();
  args.count = x.shape[d];
  args.keep = shape[d];
  args.x_step = x.strides[d];
  args.y_step = values.strides[d];
  set_kept(args, kept_loops(x, values, along));
  if (values.numel() > 0) launch(table(x).sort, args, x.device());
  if (input.ndim() > 0) return {values, index};
  return {reshape(values, {}), reshape(index, {})};
}

Array cat(const std::vector<Array>& arrays, int64_t dim) {
  check<ValueError>(!arrays.empty(), "cat: expected a non-empty list of tensors");
  const Array* like = &arrays[0];
  DType dtype = arrays[0].dtype;
  for (const Array& x : arrays) {
    check_same_device("cat", arrays[0], x);
    check(x.ndim() > 0, "cat: zero-dimensional tensor cannot be concatenated");
    dtype = promote(dtype, x.dtype);
    if (like->shape == Dims{0}) like = &x;  // a 1-d empty array fits everything, as in PyTorch
  }
  const int d = normalize_dim("cat", dim, like->ndim());
  Dims shape = like->shape;
  shape[d] = 0;
  for (const Array& x : arrays) {
    if (x.shape == Dims{0}) continue;
    Dims beside = x.shape;
    check(x.ndim() == like->ndim(), "cat: Tensors must have same number of dimensions: got ", like->ndim(), " and ",
          x.ndim());
    beside[d] = like->shape[d];
    check(beside == like->shape, "cat: Sizes of tensors must match except in dimension ", d, ": expected ", like->shape,
          ", got ", x.shape);
    shape[d] += x.shape[d];
  }
  const Array y = empty(shape, dtype, like->device());
  int64_t at = 0;
  for (const Array& x : arrays) {
    if (x.shape == Dims{0}) continue;
    copy_into(slice(y, d, at, at + x.shape[d], 1), x);
    at += x.shape[d];
  }
  return y;
}

Array bag_max(const char* operation, const Array& x, const Array& index, const Array& start, int64_t padding) {
  check_same_device(operation, x, index, start);
  check(is_floating(x.dtype) && x.ndim() == 2, operation, ": expected a floating matrix, got ", x.shape, " of ",
        info(x.dtype).name);
  check(start.dtype == DType::int64 && start.ndim() == 1 && start.numel() > 0 && start.is_contiguous(), operation,
        ": expected the bounds of bags, got ", start.shape, " of ", info(start.dtype).name);
  const Places places = places_in(operation, Fault::slice, index, x.shape[0], 0);
  const Array place = empty({start.numel() - 1, x.shape[1]}, DType::int64, x.device());
  const BagMaxArgs args{x.dtype,
                        x.data(),
                        places.array.as<int64_t>(),
                        start.as<int64_t>(),
                        place.as<int64_t>(),
                        place.shape[0],
                        place.shape[1],
                        places.array.numel(),
                        x.shape[0],
                        padding,
                        x.strides[0],
                        x.strides[1],
                        places.fault};
  if (place.numel() > 0) launch(table(x).bag_max, args, x.device());
  return place;
}

Array sequence(Scalar start, Scalar step, const Dims& count, DType dtype, Device device, std::optional<Scalar> end) {
  check(count.size() == 1, "sequence: expected one extent, got ", count);
  const bool integers = start.category < 2 && step.category < 2 && !end;
  const Array y = empty(count, integers ? DType::int64 : DType::float64, device);
  const double last = end ? end->real : 0;
  const SequenceArgs args{y.dtype,       y.data(),     count[0],
                          start.integer, step.integer, start.real,
                          last,          step.real,    end ? count[0] / 2 : count[0]};
  if (count[0] > 0) launch(kernels(device).index.sequence, args, device);
  return cast(y, dtype);
}

}  // namespace nn
