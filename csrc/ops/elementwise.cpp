#include "ops/elementwise.h"

#include "core/launch.h"
#include "math/elementwise.h"
#include "ops/op_info.h"
#include "ops/strided_loop.h"

namespace nn {
namespace {

Device device_of(const char* operation, const Operand& x, const Operand& y) {
  const auto* a = std::get_if<Array>(&x);
  const auto* b = std::get_if<Array>(&y);
  // A 0-d array goes wherever the other one is, as in PyTorch.
  if (a != nullptr && b != nullptr)
    check(a->device() == b->device(), operation, ": expected both inputs on one device, got ", to_string(a->device()),
          " and ", to_string(b->device()));
  return a != nullptr ? a->device() : b != nullptr ? b->device() : Device{};
}

// PyTorch's promotion has three levels: arrays with dimensions, 0-d arrays, numbers. A lower level counts only where
// its category is higher.
struct Level {
  int rank;  // 2 dimensioned, 1 zero-dimensional, 0 number
  DType dtype;
};

Level level(const Operand& x) {
  if (const auto* a = std::get_if<Array>(&x)) return {a->ndim() > 0 ? 2 : 1, a->dtype};
  return {0, default_dtype(std::get<Scalar>(x))};
}

}  // namespace

DType common_dtype(const Operand& x, const Operand& y) {
  const Level a = level(x), b = level(y);
  if (a.rank == b.rank) return promote(a.dtype, b.dtype);
  const Level& high = a.rank > b.rank ? a : b;
  const Level& low = a.rank > b.rank ? b : a;
  return info(high.dtype).category >= info(low.dtype).category ? high.dtype : low.dtype;
}

namespace {

bool is_boolean(const Operand& x) { return level(x).dtype == DType::boolean; }

Array as_array(const Operand& x, DType dtype, Device device) {
  if (const auto* a = std::get_if<Array>(&x)) return cast(*a, dtype);
  return full({}, std::get<Scalar>(x), dtype, device);
}

const Dims& shape_of(const Operand& x) {
  static const Dims scalar;
  const auto* a = std::get_if<Array>(&x);
  return a != nullptr ? a->shape : scalar;
}

void check_out(const char* operation, const Array& out, const Dims& shape, DType dtype) {
  check(out.shape == shape, operation, ": output with shape ", out.shape, " doesn't match the broadcast shape ", shape);
  check(info(out.dtype).category >= info(dtype).category, operation, ": result type ", info(dtype).name,
        " can't be cast to the desired output type ", info(out.dtype).name);
}

// Where a kernel that makes `dtype` may write: `out` itself if it is fit for that, otherwise new memory.
Array result_for(const std::optional<Array>& out, const Dims& shape, DType dtype, Device device) {
  return out && out->dtype == dtype ? *out : empty(shape, dtype, device);
}

Array finish(const Array& result, const std::optional<Array>& out) {
  if (!out) return result;
  if (!share_memory(result, *out)) copy_into(*out, result);
  out->touch();
  return *out;
}

Array safe_input(const Array& x, const std::optional<Array>& out) {
  return out && overlaps_badly(*out, x) ? clone(x) : x;
}

void set_params(double (&target)[kUnaryParams], const double* params) {
  for (int i = 0; i < kUnaryParams; ++i) target[i] = params != nullptr ? params[i] : 0;
}

}  // namespace

bool overlaps_badly(const Array& out, const Array& x) {
  if (!share_memory(out, x)) return false;
  return !(out.offset == x.offset && out.shape == x.shape && out.strides == x.strides && out.dtype == x.dtype);
}

Array unary(int op, const Array& input, const double* params, const std::optional<Array>& out) {
  const OpInfo& op_info = unary_ops()[op];
  const DType dtype = op_info.floating_only && !is_floating(input.dtype) ? DType::float32 : input.dtype;
  if (out) check_out(op_info.name, *out, input.shape, dtype);
  const Array x = cast(safe_input(input, out), dtype);
  const Array y = result_for(out, x.shape, dtype, x.device());
  UnaryArgs args{loop_over<2>(op_info.name, y, x), dtype, {}};
  set_params(args.params, params);
  launch(kernels(x.device()).elementwise.unary[op], args, x.device());
  return finish(y, out);
}

Array unary_backward(int op, const Array& gy, const Array& saved, const double* params) {
  const OpInfo& op_info = unary_ops()[op];
  check(gy.dtype == saved.dtype && is_floating(gy.dtype), op_info.name,
        "_backward: expected two arrays of one floating dtype, got ", info(gy.dtype).name, " and ",
        info(saved.dtype).name);
  const Array gx = empty(broadcast_shapes(op_info.name, gy.shape, saved.shape), gy.dtype, gy.device());
  UnaryBackwardArgs args{loop_over<3>(op_info.name, gx, gy, saved), gy.dtype, {}};
  set_params(args.params, params);
  launch(kernels(gy.device()).elementwise.unary_backward[op], args, gy.device());
  return gx;
}

Array binary(int op, const Operand& x, const Operand& y, const std::optional<Array>& out) {
  const OpInfo& op_info = binary_ops()[op];
  const Device device = device_of(op_info.name, x, y);
  DType dtype = common_dtype(x, y);
  if (op_info.floating_only && !is_floating(dtype)) dtype = DType::float32;
  check<NotImplementedError>(!op_info.integer_only || !is_floating(dtype), op_info.name,
                             ": expected integers or booleans, got ", info(dtype).name);
  check(!op_info.numbers_only || !(is_boolean(x) || is_boolean(y)), op_info.name,
        ": expected numbers, got bool. Where a mask is to be inverted or combined, use `~`, `^` or `logical_xor`.");
  const DType result_dtype = op_info.predicate ? DType::boolean : dtype;
  const Dims shape = broadcast_shapes(op_info.name, shape_of(x), shape_of(y));
  if (out) check_out(op_info.name, *out, shape, result_dtype);
  const Array z = result_for(out, shape, result_dtype, device);
  // A number goes along by value; the loop sees it as one element that is repeated.
  const auto* const x_number = std::get_if<Scalar>(&x);
  const auto* const y_number = x_number != nullptr ? nullptr : std::get_if<Scalar>(&y);
  const Array place = view(z, {}, {}, z.offset);
  const Array a = x_number != nullptr ? place : safe_input(as_array(x, dtype, device), out);
  const Array b = y_number != nullptr ? place : safe_input(as_array(y, dtype, device), out);
  BinaryArgs args{loop_over<3>(op_info.name, z, a, b), dtype, 0, 0, 0};
  if (const Scalar* const number = x_number != nullptr ? x_number : y_number) {
    args.number = x_number != nullptr ? 1 : 2;
    args.loop.data[args.number] = nullptr;
    args.real = number->real;
    args.integer = number->integer;
  }
  launch(kernels(device).elementwise.binary[op], args, device);
  return finish(z, out);
}

Array where(const Array& given, const Operand& x, const Operand& y) {
  check(given.dtype == DType::boolean || given.dtype == DType::uint8, "where: expected a condition of dtype bool, got ",
        info(given.dtype).name);
  const Array condition = cast(given, DType::boolean);
  const DType dtype = common_dtype(x, y);
  const Device device = condition.device();
  for (const Operand* operand : {&x, &y})
    if (const auto* number = std::get_if<Scalar>(operand)) check_fits("where", *number, dtype);
  const Array a = as_array(x, dtype, device), b = as_array(y, dtype, device);
  check(a.device() == device && b.device() == device, "where: expected all inputs on one device");
  const Dims shape = broadcast_shapes("where", broadcast_shapes("where", condition.shape, a.shape), b.shape);
  const Array z = empty(shape, dtype, device);
  launch(kernels(device).elementwise.where, WhereArgs{loop_over<4>("where", z, condition, a, b), dtype}, device);
  return z;
}

Array cast(const Array& x, DType dtype) {
  if (x.dtype == dtype) return x;
  const Array y = empty(x.shape, dtype, x.device());
  copy_into(y, x);
  return y;
}

Array contiguous(const Array& x) { return x.is_contiguous() ? x : clone(x); }

Array clone(const Array& x) {
  const Array y = empty(x.shape, x.dtype, x.device());
  copy_into(y, x);
  return y;
}

void copy_into(const Array& destination, const Array& source) {
  check(destination.device() == source.device(), "copy: expected both arrays on one device, got ",
        to_string(destination.device()), " and ", to_string(source.device()));
  const Array x = overlaps_badly(destination, source) ? clone(source) : source;
  const CastArgs args{loop_over<2>("copy", destination, x), destination.dtype, x.dtype};
  launch(kernels(destination.device()).elementwise.cast, args, destination.device());
  destination.touch();
}

void check_fits(const char* operation, Scalar value, DType dtype) {
  check(fits(value, dtype), operation, ": value cannot be converted to type ", info(dtype).name,
        " without overflow: ", value.category == 2 ? text(value.real) : text(value.integer));
}

void fill(const Array& x, Scalar value) {
  const int64_t integer = x.dtype == DType::boolean ? value.real != 0 : value.integer;
  const FillArgs args{loop_over<1>("fill", x), x.dtype, value.real, integer};
  launch(kernels(x.device()).elementwise.fill, args, x.device());
  x.touch();
}

Array full(const Dims& shape, Scalar value, DType dtype, Device device) {
  const Array x = empty(shape, dtype, device);
  fill(x, value);
  return x;
}

}  // namespace nn
