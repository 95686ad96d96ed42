#include "ops/norm.h"

#include "core/launch.h"
#include "ops/elementwise.h"
#include "ops/same_device.h"

namespace nn {
namespace {

int64_t count_groups(const NormGroups& groups) {
  return groups.batch ? groups.extents[1] : groups.extents[0] * groups.extents[1];
}

void check_groups(const char* operation, const Array& x, const NormGroups& groups) {
  check(is_floating(x.dtype), operation, ": expected dtype float32 or float64, got ", info(x.dtype).name);
  check(
      groups.extents.size() == 4 && groups.extents.product() == x.numel() && (!groups.batch || groups.extents[2] == 1),
      operation, ": the groups ", groups.extents, " do not fit the input ", x.shape);
}

// A parameter or a statistic of `count` elements, contiguous.
Array checked(const char* operation, const char* what, const Array& given, int64_t count, DType dtype) {
  check(given.numel() == count, operation, ": ", what, " should contain ", count, " elements not ", given.numel());
  check(given.dtype == dtype, operation, ": expected ", what, " of dtype ", info(dtype).name, ", got ",
        info(given.dtype).name);
  return contiguous(given);
}

// The arguments that both steps share. They own nothing: the arrays must live until the launch is over.
NormArgs start(const Array& x, const Array& stats, const NormGroups& groups, bool fixed) {
  NormArgs args{};
  args.dtype = x.dtype;
  args.N = groups.extents[0];
  args.G = groups.extents[1];
  args.K = groups.extents[2];
  args.S = groups.extents[3];
  args.batch = groups.batch;
  args.centered = groups.centered;
  args.fixed = fixed;
  args.eps = groups.eps;
  args.x = x.data();
  args.mean = stats.as<double>();
  args.var = args.mean + count_groups(groups);
  return args;
}

// What belongs to channels is float32 where x has 16 bits, and may come in 16 bits too.
DType of_channels(const Array& x) { return is_half(x.dtype) ? DType::float32 : x.dtype; }
Array parameter(const char* operation, const char* what, const Array& given, int64_t count, const Array& x) {
  const bool lifted = is_half(x.dtype) && is_half(given.dtype);
  return checked(operation, what, lifted ? cast(given, DType::float32) : given, count, of_channels(x));
}

int64_t channels(const NormGroups& groups) { return groups.extents[1] * groups.extents[2]; }

}  // namespace

std::tuple<Array, Array> norm_forward(const Array& input, const std::optional<Array>& weight,
                                      const std::optional<Array>& bias, const NormGroups& groups,
                                      const std::optional<Statistics>& fixed) {
  const char* operation = "norm";
  check_groups(operation, input, groups);
  check_same_device(operation, input, weight, bias);
  if (fixed) check_same_device(operation, input, fixed->mean, fixed->var);
  const Array x = contiguous(input), y = empty(x.shape, x.dtype, x.device());
  const int64_t count = count_groups(groups);
  const Array stats = empty({2, count}, DType::float64, x.device());
  if (fixed) {
    copy_into(view(stats, {count}, {1}, 0), checked(operation, "running_mean", fixed->mean, count, fixed->mean.dtype));
    copy_into(view(stats, {count}, {1}, count), checked(operation, "running_var", fixed->var, count, fixed->var.dtype));
  }
  std::optional<Array> w, b;
  if (weight) w = parameter(operation, "weight", *weight, channels(groups), x);
  if (bias) b = parameter(operation, "bias", *bias, channels(groups), x);
  NormArgs args = start(x, stats, groups, fixed.has_value());
  args.weight = w ? w->data() : nullptr;
  args.bias = b ? b->data() : nullptr;
  args.y = y.data();
  launch(kernels(x.device()).norm.forward, args, x.device());
  return {y, stats};
}

std::tuple<std::optional<Array>, std::optional<Array>, std::optional<Array>> norm_backward(
    const Array& given, const Array& input, const std::optional<Array>& weight, const Array& statistics,
    const NormGroups& groups, bool fixed, const NormWanted& wanted) {
  const char* operation = "norm_backward";
  check_groups(operation, input, groups);
  check_same_device(operation, input, given, weight, statistics);
  const bool mixed = is_floating(given.dtype) && (is_half(given.dtype) || is_half(input.dtype));
  const Array gradient = mixed ? cast(given, input.dtype) : given;
  check(gradient.dtype == input.dtype && gradient.shape == input.shape, operation, ": expected a gradient ",
        input.shape, " of ", info(input.dtype).name, ", got ", gradient.shape, " of ", info(gradient.dtype).name);
  const Array stats = checked(operation, "the statistics", statistics, 2 * count_groups(groups), DType::float64);
  const Array gy = contiguous(gradient), x = contiguous(input);
  std::optional<Array> w, gx, gweight, gbias;
  if (weight) w = parameter(operation, "weight", *weight, channels(groups), x);
  for (const auto& shape : {wanted.weight, wanted.bias})
    check(!shape || shape->product() == channels(groups), operation, ": expected parameters of ", channels(groups),
          " elements");
  if (wanted.x) gx = empty(x.shape, x.dtype, x.device());
  if (wanted.weight) gweight = empty(*wanted.weight, of_channels(x), x.device());
  if (wanted.bias) gbias = empty(*wanted.bias, of_channels(x), x.device());
  NormArgs args = start(x, stats, groups, fixed);
  const auto data = [](const std::optional<Array>& array) { return array ? array->data() : nullptr; };
  args.weight = data(w);
  args.gy = gy.data();
  args.gx = data(gx);
  args.gweight = data(gweight);
  args.gbias = data(gbias);
  launch(kernels(x.device()).norm.backward, args, x.device());
  return {gx, gweight, gbias};
}

void update_running_statistics(const Array& running_mean, const Array& running_var, const Array& stats, int64_t count,
                               double momentum, const std::optional<Array>& batches) {
  const char* operation = "update_running_statistics";
  const int64_t channels = running_mean.numel(), samples = channels > 0 ? stats.numel() / (2 * channels) : 0;
  check_same_device(operation, running_mean, running_var, stats, batches);
  check(is_floating(running_mean.dtype) && stats.dtype == DType::float64 && stats.is_contiguous() &&
            stats.numel() == 2 * samples * channels,
        operation, ": expected statistics of ", channels, " channels, got ", stats.shape);
  const Array mean = checked(operation, "running_mean", running_mean, channels, running_mean.dtype);
  const Array var = checked(operation, "running_var", running_var, channels, running_mean.dtype);
  check(!batches || (batches->dtype == DType::int64 && batches->numel() == 1), operation,
        ": expected the number of batches as one int64");
  const double* values = stats.as<double>();
  launch(kernels(mean.device()).norm.running,
         RunningArgs{mean.dtype, samples, channels, count, momentum, batches ? batches->as<int64_t>() : nullptr, values,
                     values + samples * channels, mean.data(), var.data()},
         mean.device());
  if (mean.data() != running_mean.data()) copy_into(running_mean, mean);
  if (var.data() != running_var.data()) copy_into(running_var, var);
  running_mean.touch();
  running_var.touch();
}

namespace {

LocalResponseArgs response_args(const Array& x, const LocalResponse& options) {
  const char* operation = "local_response_norm";
  check(is_floating(x.dtype), operation, ": expected dtype float32 or float64, got ", info(x.dtype).name);
  check<ValueError>(x.ndim() >= 3, operation, ": Expected 3D or higher dimensionality input (got ", x.ndim(),
                    " dimensions)");
  check(options.size > 0, operation, ": size should be greater than zero, but got ", options.size);
  const int64_t inner = Dims(x.shape.begin() + 2, x.shape.end()).product();
  return {x.dtype,      x.shape[0], x.shape[1], inner,   options.size, options.alpha,
          options.beta, options.k,  nullptr,    nullptr, nullptr};
}

}  // namespace

Array local_response_norm(const Array& input, const LocalResponse& options) {
  LocalResponseArgs args = response_args(input, options);
  const Array x = contiguous(input), y = empty(x.shape, x.dtype, x.device());
  args.x = x.data();
  args.y = y.data();
  launch(kernels(x.device()).norm.local_response, args, x.device());
  return y;
}

Array local_response_norm_backward(const Array& gradient, const Array& input, const LocalResponse& options) {
  LocalResponseArgs args = response_args(input, options);
  check_same_device("local_response_norm_backward", input, gradient);
  check(gradient.dtype == input.dtype && gradient.shape == input.shape,
        "local_response_norm_backward: expected a gradient ", input.shape, " of ", info(input.dtype).name, ", got ",
        gradient.shape, " of ", info(gradient.dtype).name);
  const Array gy = contiguous(gradient), x = contiguous(input), gx = empty(x.shape, x.dtype, x.device());
  args.x = x.data();
  args.gy = gy.data();
  args.y = gx.data();
  launch(kernels(x.device()).norm.local_response_backward, args, x.device());
  return gx;
}

}  // namespace nn
