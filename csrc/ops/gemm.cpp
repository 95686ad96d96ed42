#include "ops/gemm.h"

#include <atomic>

#include "core/launch.h"
#include "ops/same_device.h"
#include "ops/shape.h"
#include "ops/strided_loop.h"

namespace nn {
namespace {

constexpr const char* kPrecisions[] = {"highest", "high", "medium"};  // in the order of Precision
std::atomic<Precision> float32_precision{Precision::highest};

Dims without_matrix(const Dims& shape) { return Dims(shape.begin(), shape.end() - 2); }

// Strides of the batch dimensions of x, seen with `batch`, to which they broadcast.
void batch_strides(const Array& x, const Dims& batch, int64_t (&strides)[kMaxDims]) {
  const Array matrices = view(x, without_matrix(x.shape), without_matrix(x.strides), x.offset);
  const Dims seen = broadcast_to("gemm", matrices, batch).strides;
  for (int i = 0; i < seen.size(); ++i) strides[i] = seen[i];
}

Activation parse_activation(const std::string& name) {
  if (name == "none") return Activation::none;
  if (name == "relu") return Activation::relu;
  fail<ValueError>("gemm: expected activation 'none' or 'relu', got '", name, "'");
}

void check_inputs(const char* operation, const Array& a, const Array& b, const std::optional<Array>& bias) {
  check(a.ndim() >= 2 && b.ndim() >= 2, operation, ": expected matrices, got ", a.shape, " and ", b.shape);
  check(a.dtype == b.dtype, operation, ": expected both inputs to have the same dtype, got ", info(a.dtype).name,
        " and ", info(b.dtype).name);
  check<NotImplementedError>(a.dtype != DType::boolean, operation, ": expected numbers, got bool");
  check<NotImplementedError>(!is_half(a.dtype) || a.device().type == DeviceType::cuda, operation,
                             ": not implemented for float16 and bfloat16");
  check_same_device(operation, a, b, bias);
  check(a.shape.back() == b.shape[b.ndim() - 2], operation, ": inner dimensions do not agree (", a.shape, " @ ",
        b.shape, ")");
  if (!bias) return;
  const bool fits = bias->ndim() == 1 && (bias->shape[0] == b.shape.back() || bias->shape[0] == 1);
  check(fits && bias->dtype == a.dtype, operation, ": expected a bias of ", b.shape.back(),
        " elements with the inputs' dtype, got ", bias->shape, " of ", info(bias->dtype).name);
}

// a [..., M, K] as one matrix [... M, K], where b is a single matrix and the strides of a allow it.
Array folded(const Array& a, const Array& b) {
  if (a.ndim() == 2 || b.ndim() > 2 || a.numel() == 0) return a;
  return try_view("gemm", a, Dims{-1, a.shape.back()}).value_or(a);
}

Array multiply(const char* operation, const Array& left, const Array& b, const std::optional<Array>& bias,
               const std::string& activation) {
  check_inputs(operation, left, b, bias);
  Dims shape = broadcast_shapes(operation, without_matrix(left.shape), without_matrix(b.shape));
  shape.push_back(left.shape[left.ndim() - 2]);
  shape.push_back(b.shape.back());
  const Array result = empty(shape, left.dtype, left.device());
  const Array a = folded(left, b);
  const Array c = a.ndim() == left.ndim()
                      ? result
                      : view(result, Dims{a.shape[0], shape.back()}, Dims{shape.back(), 1}, result.offset);
  const Dims batch = without_matrix(c.shape);

  GemmArgs args{};
  args.dtype = a.dtype;
  args.M = a.shape[a.ndim() - 2];
  args.N = b.shape.back();
  args.K = a.shape.back();
  args.a = a.data();
  args.b = b.data();
  args.c = c.data();
  args.a_row = a.strides[a.ndim() - 2];
  args.a_col = a.strides.back();
  args.b_row = b.strides[b.ndim() - 2];
  args.b_col = b.strides.back();
  args.c_row = c.strides[c.ndim() - 2];
  args.c_col = c.strides.back();
  args.batch_ndim = batch.size();
  for (int i = 0; i < batch.size(); ++i) args.batch_shape[i] = batch[i];
  batch_strides(a, batch, args.a_batch);
  batch_strides(b, batch, args.b_batch);
  batch_strides(c, batch, args.c_batch);
  args.bias = bias ? bias->data() : nullptr;
  args.bias_stride = bias && bias->shape[0] > 1 ? bias->strides[0] : 0;
  args.activation = parse_activation(activation);
  args.precision = float32_matmul_precision();
  launch(kernels(a.device()).gemm.gemm, args, a.device());
  return result;
}

// x without the dimensions at `first` and `second`, counted from the end (0: none).
Array without(const Array& x, int first, int second) {
  if (first == 0 && second == 0) return x;
  Dims shape, strides;
  for (int i = 0; i < x.ndim(); ++i) {
    if (i == x.ndim() - first || i == x.ndim() - second) continue;
    shape.push_back(x.shape[i]);
    strides.push_back(x.strides[i]);
  }
  return view(x, shape, strides, x.offset);
}

}  // namespace

void set_float32_matmul_precision(const std::string& precision) {
  for (int i = 0; i < 3; ++i)
    if (precision == kPrecisions[i]) {
      float32_precision = static_cast<Precision>(i);
      return;
    }
  fail<ValueError>("set_float32_matmul_precision: expected 'highest', 'high' or 'medium', got '", precision, "'");
}

Precision float32_matmul_precision() { return float32_precision.load(std::memory_order_relaxed); }

std::string get_float32_matmul_precision() { return kPrecisions[static_cast<int>(float32_matmul_precision())]; }

Array gemm(const Array& a, const Array& b, const std::optional<Array>& bias, const std::string& activation) {
  return multiply("gemm", a, b, bias, activation);
}

Array matmul(const Array& a, const Array& b) {
  check(a.ndim() > 0 && b.ndim() > 0, "matmul: expected both inputs to have a dimension, got ", a.shape, " and ",
        b.shape);
  if (a.ndim() > 1 && b.ndim() > 1) return multiply("matmul", a, b, std::nullopt, "none");
  const int64_t a_last = a.shape.back(), b_inner = b.ndim() == 1 ? b.shape[0] : b.shape[b.ndim() - 2];
  check(a_last == b_inner, "matmul: inner dimensions do not agree (", a.shape, " @ ", b.shape, ")");
  const Array row = a.ndim() == 1 ? unsqueeze(a, 0) : a, column = b.ndim() == 1 ? unsqueeze(b, 1) : b;
  return without(multiply("matmul", row, column, std::nullopt, "none"), a.ndim() == 1 ? 2 : 0, b.ndim() == 1 ? 1 : 0);
}

Array linear(const Array& x, const Array& weight, const std::optional<Array>& bias) {
  const bool one = weight.ndim() == 1;
  check(x.ndim() > 0 && (one || weight.ndim() == 2), "linear: expected input [..., K] and weight [N, K] or [K], got ",
        x.shape, " and ", weight.shape);
  check(x.shape.back() == weight.shape.back(), "linear: weight expects ", weight.shape.back(),
        " input features, input has ", x.shape.back(), " (input ", x.shape, ", weight ", weight.shape, ")");
  const Array row = x.ndim() == 1 ? unsqueeze(x, 0) : x;
  const Array columns = one ? unsqueeze(weight, 1) : transpose(weight, 0, 1);
  const std::optional<Array> added = bias && bias->ndim() == 0 ? unsqueeze(*bias, 0) : bias;
  return without(multiply("linear", row, columns, added, "none"), x.ndim() == 1 ? 2 : 0, one ? 1 : 0);
}

}  // namespace nn
