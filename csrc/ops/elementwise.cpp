#include "ops/elementwise.h"

#include "core/launch.h"
#include "core/plan.h"
#include "core/transfer.h"
#include "math/elementwise.h"
#include "math/half.h"
#include "ops/op_info.h"
#include "ops/same_device.h"
#include "ops/strided_loop.h"

namespace nn {
namespace {

// The operands where they are computed with. A 0-d array of the CPU goes wherever the other one is, as in PyTorch: as
// the number that it holds.
struct Placed {
  const Operand *x, *y;
  Device device;

  Placed(const char* operation, const Operand& left, const Operand& right) : x(&left), y(&right) {
    const auto* a = std::get_if<Array>(x);
    const auto* b = std::get_if<Array>(y);
    device = a != nullptr ? a->device() : b != nullptr ? b->device() : Device{};
    if (a == nullptr || b == nullptr || a->device() == b->device()) return;
    const auto goes_along = [](const Array& z) { return z.ndim() == 0 && z.device().type == DeviceType::cpu; };
    if (goes_along(*b)) {
      y = &number.emplace(item(*b));
    } else if (goes_along(*a)) {
      x = &number.emplace(item(*a));
      device = b->device();
    } else {
      fail_devices(operation, a->device(), b->device());
    }
  }
  Placed(const Placed&) = delete;
  Placed& operator=(const Placed&) = delete;

 private:
  std::optional<Operand> number;
};

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

void check_out(const char* operation, const Array& out, const Dims& shape, DType dtype, Device device) {
  if (out.device() != device) fail_devices(operation, device, out.device());
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

void fail_devices(const std::string& operation, Device a, Device b) {
  fail(operation, ": Expected all tensors to be on the same device, but found at least two devices, ", to_string(a),
       " and ", to_string(b), "!");
}

Scalar item(const Array& x) {
  refuse_reading("item()");
  check(x.numel() == 1, "item: a tensor with ", x.numel(), " elements cannot be converted to a number");
  switch (x.dtype) {
    case DType::float32:
      return Scalar::of(static_cast<double>(first_element<float>(x)));
    case DType::float64:
      return Scalar::of(first_element<double>(x));
    case DType::int32:
      return Scalar::of(static_cast<int64_t>(first_element<int32_t>(x)));
    case DType::int64:
      return Scalar::of(first_element<int64_t>(x));
    case DType::uint8:
      return Scalar::of(static_cast<int64_t>(first_element<uint8_t>(x)));
    case DType::boolean:
      return Scalar::of(first_element<bool>(x));
    case DType::float16:
      return Scalar::of(static_cast<double>(static_cast<float>(first_element<host::float16>(x))));
    case DType::bfloat16:
      return Scalar::of(static_cast<double>(static_cast<float>(first_element<host::bfloat16>(x))));
  }
  return Scalar::of(false);
}

bool overlaps_badly(const Array& out, const Array& x) {
  if (!share_memory(out, x)) return false;
  return !(out.offset == x.offset && out.shape == x.shape && out.strides == x.strides && out.dtype == x.dtype);
}

Array unary(int op, const Array& input, const double* params, const std::optional<Array>& out) {
  const OpInfo& op_info = unary_ops()[op];
  const DType dtype = op_info.floating_only && !is_floating(input.dtype) ? DType::float32 : input.dtype;
  if (out) check_out(op_info.name, *out, input.shape, dtype, input.device());
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
  check_same_device(op_info.name, gy, saved);
  const Array gx = empty(broadcast_shapes(op_info.name, gy.shape, saved.shape), gy.dtype, gy.device());
  UnaryBackwardArgs args{loop_over<3>(op_info.name, gx, gy, saved), gy.dtype, {}};
  set_params(args.params, params);
  launch(kernels(gy.device()).elementwise.unary_backward[op], args, gy.device());
  return gx;
}

Array binary(int op, const Operand& left, const Operand& right, const std::optional<Array>& out) {
  const OpInfo& op_info = binary_ops()[op];
  DType dtype = common_dtype(left, right);
  if (op_info.floating_only && !is_floating(dtype)) dtype = DType::float32;
  check<NotImplementedError>(!op_info.integer_only || !is_floating(dtype), op_info.name,
                             ": expected integers or booleans, got ", info(dtype).name);
  check(!op_info.numbers_only || !(is_boolean(left) || is_boolean(right)), op_info.name,
        ": expected numbers, got bool. Where a mask is to be inverted or combined, use `~`, `^` or `logical_xor`.");
  const Placed placed(op_info.name, left, right);
  const Operand &x = *placed.x, &y = *placed.y;
  const Device device = placed.device;
  const DType result_dtype = op_info.predicate ? DType::boolean : dtype;
  const Dims shape = broadcast_shapes(op_info.name, shape_of(x), shape_of(y));
  if (out) check_out(op_info.name, *out, shape, result_dtype, device);
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

Array where(const Array& given, const Operand& left, const Operand& right) {
  check(given.dtype == DType::boolean || given.dtype == DType::uint8, "where: expected a condition of dtype bool, got ",
        info(given.dtype).name);
  const DType dtype = common_dtype(left, right);
  const Placed placed("where", left, right);
  const Operand &x = *placed.x, &y = *placed.y;
  const bool arrays = std::holds_alternative<Array>(x) || std::holds_alternative<Array>(y);
  const Device device = arrays && given.ndim() == 0 ? placed.device : given.device();
  const Array condition = cast(given.ndim() == 0 ? to_device(given, device) : given, DType::boolean);
  for (const Operand* operand : {&x, &y})
    if (const auto* number = std::get_if<Scalar>(operand)) check_fits("where", *number, dtype);
  const auto placed_array = [&](const Operand& operand) {
    const Array array = as_array(operand, dtype, device);
    return array.ndim() == 0 ? to_device(array, device) : array;
  };
  const Array a = placed_array(x), b = placed_array(y);
  check_same_device("where", condition, a, b);
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

Array to_device(const Array& x, Device device) {
  if (x.device() == device) return x;
  const Array y = empty(x.shape, x.dtype, device);
  transfer(y, contiguous(x));
  return y;
}

void copy_into(const Array& destination, const Array& source) {
  if (destination.device() != source.device()) {
    // What is broadcast is so after the journey, what is converted before it.
    const Array x = contiguous(cast(source, destination.dtype));
    if (destination.is_contiguous() && destination.shape == x.shape) {
      transfer(destination, x);
      destination.touch();
    } else {
      copy_into(destination, to_device(x, destination.device()));
    }
    return;
  }
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
