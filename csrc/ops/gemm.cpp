#include "ops/gemm.h"

#include "core/launch.h"
#include "ops/strided_loop.h"

namespace nn {
namespace {

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

void check_inputs(const Array& a, const Array& b, const std::optional<Array>& bias) {
  check(a.ndim() >= 2 && b.ndim() >= 2, "gemm: expected matrices, got ", a.shape, " and ", b.shape);
  check(a.dtype == b.dtype, "gemm: expected both inputs to have the same dtype, got ", info(a.dtype).name, " and ",
        info(b.dtype).name);
  check(is_floating(a.dtype), "gemm: expected dtype float32 or float64, got ", info(a.dtype).name);
  check(a.device() == b.device(), "gemm: expected both inputs on one device, got ", to_string(a.device()), " and ",
        to_string(b.device()));
  check(a.shape.back() == b.shape[b.ndim() - 2], "gemm: inner dimensions do not agree (", a.shape, " @ ", b.shape, ")");
  if (!bias) return;
  check(bias->ndim() == 1 && bias->shape[0] == b.shape.back() && bias->dtype == a.dtype && bias->device() == a.device(),
        "gemm: expected a bias of ", b.shape.back(), " elements with the inputs' dtype and device, got ", bias->shape,
        " of ", info(bias->dtype).name);
}

}  // namespace

Array gemm(const Array& a, const Array& b, const std::optional<Array>& bias, const std::string& activation) {
  check_inputs(a, b, bias);
  Dims shape = broadcast_shapes("gemm", without_matrix(a.shape), without_matrix(b.shape));
  const Dims batch = shape;
  shape.push_back(a.shape[a.ndim() - 2]);
  shape.push_back(b.shape.back());
  const Array c = empty(shape, a.dtype, a.device());

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
  args.bias_stride = bias ? bias->strides[0] : 0;
  args.activation = parse_activation(activation);
  launch(kernels(a.device()).gemm.gemm, args, a.device());
  return c;
}

}  // namespace nn
