#include "ops/softmax_xent.h"

#include "core/faults.h"
#include "core/launch.h"
#include "core/plan.h"
#include "ops/elementwise.h"
#include "ops/same_device.h"

namespace nn {
namespace {

struct Extents {
  int64_t outer = 1, n = 1, inner = 1;
};

Extents around(const char* operation, const Dims& shape, int64_t dim) {
  const int d = normalize_dim(operation, dim, shape.size());
  Extents e;
  for (int i = 0; i < shape.size(); ++i) (i < d ? e.outer : i == d ? e.n : e.inner) *= shape[i];
  return e;
}

LossReduction parse_reduction(const std::string& name) {
  if (name == "none") return LossReduction::none;
  if (name == "mean") return LossReduction::mean;
  if (name == "sum") return LossReduction::sum;
  fail<ValueError>(name, " is not a valid value for reduction");
}

void check_scores(const char* operation, const Dims& x, const Array& target) {
  check<ValueError>(x.size() >= 1, operation, ": Expected 1 or more dimensions (got 0)");
  check(target.dtype == DType::int64 || target.dtype == DType::uint8, operation,
        ": expected target dtype to be int64 or uint8, but got ", info(target.dtype).name);
  if (x.size() > 1)
    check<ValueError>(target.ndim() >= 1 && target.shape[0] == x[0], operation, ": Expected input batch_size (", x[0],
                      ") to match target batch_size (", target.ndim() >= 1 ? target.shape[0] : 1, ").");
  if (x.size() <= 2) {
    check(target.ndim() <= 1, operation, ": 0D or 1D target tensor expected, multi-target not supported");
    if (x.size() == 1)
      check<ValueError>(target.numel() == 1, operation,
                        ": For 1D input, 1D target must have size 1, but got target size: ", target.numel());
    return;
  }
  Dims expected = x;
  expected.erase(1);
  check(target.shape == expected, operation, ": Expected target size ", expected, ", got ", target.shape,
        " (size mismatch for input ", x, ")");
}

void check_weight(const char* operation, const std::optional<Array>& weight, int64_t classes, DType dtype) {
  if (!weight) return;
  check(weight->ndim() == 1 && weight->shape[0] == classes, operation,
        ": weight tensor should be defined either for all ", classes,
        " classes or no classes but got weight tensor of shape: ", weight->shape);
  check(weight->dtype == dtype, operation, ": expected weight of dtype ", info(dtype).name, " but found ",
        info(weight->dtype).name);
}

// The arguments that all four kernels share. What they point to is owned by `target` and `weight`.
struct Prepared {
  Array target;
  std::optional<Array> weight;
  ClassLossArgs args{};
};

Prepared prepare(const char* operation, const Dims& x, DType dtype, const ClassLoss& loss) {
  check(is_floating(dtype), operation, ": expected scores of dtype float32 or float64, got ", info(dtype).name);
  check_scores(operation, x, loss.target);
  Prepared p;
  p.args.dtype = dtype;
  p.args.N = x.size() == 1 ? 1 : x[0];
  p.args.C = x.size() == 1 ? x[0] : x[1];
  p.args.inner = 1;
  for (int i = 2; i < x.size(); ++i) p.args.inner *= x[i];
  check_weight(operation, loss.weight, p.args.C, dtype);
  p.target = contiguous(cast(loss.target, DType::int64));
  if (loss.weight) p.weight = contiguous(*loss.weight);
  p.args.reduction = parse_reduction(loss.reduction);
  p.args.ignore_index = loss.ignore_index;
  p.args.smoothing = loss.smoothing;
  p.args.target = p.target.as<int64_t>();
  p.args.weight = p.weight ? p.weight->data() : nullptr;
  return p;
}

// Where the parts of `saved` lie: `stats` numbers for each row, then the sum of weights.
void point_to_saved(ClassLossArgs& args, const Array& saved, int64_t stats) {
  const int64_t count = stats * args.N * args.inner;
  args.stats = stats > 0 ? saved.data() : nullptr;
  args.total = static_cast<char*>(saved.data()) + count * static_cast<int64_t>(itemsize(saved.dtype));
}

std::tuple<Array, Array> forward(const char* operation, const Kernel<ClassLossArgs>& kernel, const Array& input,
                                 const ClassLoss& loss, int64_t stats, const std::optional<Array>& gx = {}) {
  check_same_device(operation, input, loss.target, loss.weight);
  Prepared p = prepare(operation, input.shape, input.dtype, loss);
  const Array x = contiguous(input);
  const bool each = p.args.reduction == LossReduction::none && x.ndim() > 1;
  const Array result = empty(each ? p.target.shape : Dims{}, x.dtype, x.device());
  const Array saved = empty({stats * p.args.N * p.args.inner + 1}, x.dtype, x.device());
  p.args.x = x.data();
  p.args.gx = gx ? gx->data() : nullptr;
  p.args.loss = result.data();
  const Fault fault{Fault::target, operation, p.args.C, p.args.ignore_index};
  p.args.fault = fault_site(x.device(), fault);
  std::optional<Array> wrong;
  if (p.args.fault.word == nullptr) wrong = empty({2}, DType::int64, x.device());
  p.args.wrong = wrong ? wrong->as<int64_t>() : nullptr;
  point_to_saved(p.args, saved, stats);
  launch(kernel, p.args, x.device());
  if (wrong)
    on_host(
        [fault, name = std::string(operation), found = p.args.wrong] {
          if (found[0] != 0) raise({fault.kind, name, fault.a, fault.b}, found[1]);
        },
        {p.args.wrong});
  return {result, saved};
}

// Without `found`, the result is new; with it, it holds the gradient for gy = 1.
Array backward(const char* operation, const Kernel<ClassLossArgs>& kernel, const Array& gradient, const Dims& shape,
               const Array* input, const ClassLoss& loss, const Array& saved, int64_t stats,
               const Array* found = nullptr) {
  check_same_device(operation, gradient, input != nullptr ? *input : gradient, loss.target, loss.weight, saved);
  Prepared p = prepare(operation, shape, saved.dtype, loss);
  const bool each = p.args.reduction == LossReduction::none && shape.size() > 1;
  check(gradient.dtype == saved.dtype && gradient.numel() == (each ? p.target.numel() : 1) &&
            saved.numel() == stats * p.args.N * p.args.inner + 1 && (input == nullptr || input->dtype == saved.dtype),
        operation, ": expected a gradient of ", info(saved.dtype).name, " for each ", each ? "row" : "loss", ", got ",
        gradient.shape, " of ", info(gradient.dtype).name);
  const Array gy = contiguous(gradient), gx = found ? *found : empty(shape, gy.dtype, gy.device());
  const Array x = input ? contiguous(*input) : gy;
  p.args.x = input ? x.data() : nullptr;
  p.args.loss = gy.data();
  p.args.gx = gx.data();
  point_to_saved(p.args, saved, stats);
  launch(kernel, p.args, gy.device());
  return gx;
}

}  // namespace

Array softmax(const Array& input, int64_t dim, bool log) {
  const char* operation = log ? "log_softmax" : "softmax";
  check<NotImplementedError>(is_floating(input.dtype), operation, ": expected dtype float32 or float64, got ",
                             info(input.dtype).name);
  const Extents e = around(operation, input.shape, dim);
  const Array x = contiguous(input), y = empty(x.shape, x.dtype, x.device());
  launch(kernels(x.device()).softmax_xent.softmax, SoftmaxArgs{x.dtype, e.outer, e.n, e.inner, log, x.data(), y.data()},
         x.device());
  return y;
}

Array softmax_backward(const Array& given, const Array& result, int64_t dim, bool log) {
  const Extents e = around("softmax_backward", result.shape, dim);
  check_same_device("softmax_backward", given, result);
  const bool mixed = is_floating(given.dtype) && (is_half(given.dtype) || is_half(result.dtype));
  const Array gradient = mixed ? cast(given, result.dtype) : given;
  check(gradient.dtype == result.dtype && gradient.shape == result.shape, "softmax_backward: expected a gradient ",
        result.shape, " of ", info(result.dtype).name, ", got ", gradient.shape, " of ", info(gradient.dtype).name);
  const Array gy = contiguous(gradient), y = contiguous(result), gx = empty(y.shape, y.dtype, y.device());
  launch(kernels(y.device()).softmax_xent.softmax_backward,
         SoftmaxBackwardArgs{y.dtype, e.outer, e.n, e.inner, log, y.data(), gy.data(), gx.data()}, y.device());
  return gx;
}

std::tuple<Array, Array> nll_loss(const Array& x, const ClassLoss& loss) {
  return forward("nll_loss", kernels(x.device()).softmax_xent.nll_forward, x, loss, 0);
}

std::tuple<Array, Array, std::optional<Array>> cross_entropy(const Array& x, const ClassLoss& loss,
                                                             bool wants_gradient) {
  std::optional<Array> gx;
  if (wants_gradient && x.device().type != DeviceType::cpu) gx = empty(x.shape, x.dtype, x.device());
  const auto [y, saved] =
      forward("cross_entropy", kernels(x.device()).softmax_xent.cross_entropy_forward, x, loss, 3, gx);
  return {y, saved, gx};
}

Array nll_loss_backward(const Array& gy, const Dims& shape, const ClassLoss& loss, const Array& saved) {
  return backward("nll_loss_backward", kernels(gy.device()).softmax_xent.nll_backward, gy, shape, nullptr, loss, saved,
                  0);
}

Array cross_entropy_backward(const Array& gy, const Array& x, const ClassLoss& loss, const Array& saved) {
  return backward("cross_entropy_backward", kernels(gy.device()).softmax_xent.cross_entropy_backward, gy, x.shape, &x,
                  loss, saved, 3);
}

void cross_entropy_scale(const Array& gy, const Array& gx, const ClassLoss& loss, const Array& saved) {
  check(gx.is_contiguous() && gx.dtype == saved.dtype,
        "cross_entropy_scale: expected the gradient that cross_entropy left");
  backward("cross_entropy_backward", kernels(gy.device()).softmax_xent.cross_entropy_backward, gy, gx.shape, nullptr,
           loss, saved, 3, &gx);
}

}  // namespace nn
