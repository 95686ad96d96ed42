#include "ops/random.h"

#include <cmath>

#include "core/launch.h"
#include "ops/elementwise.h"
#include "ops/same_device.h"

namespace nn {
namespace {

RandomState* state_of(const char* operation, const Array& state, Device device) {
  check(state.device() == device, operation, ": Expected a '", to_string(device),
        "' device type for generator but found '", to_string(state.device()), "'");
  check(state.dtype == DType::int64 && state.shape == Dims{2} && state.is_contiguous(), operation,
        ": expected the state of a generator");
  return reinterpret_cast<RandomState*>(state.as<int64_t>());
}

void advance(const Array& state) {
  const AdvanceArgs args{reinterpret_cast<RandomState*>(state.as<int64_t>())};
  launch(kernels(state.device()).random.advance, args, state.device());
  state.touch();
}

// Runs a kernel that fills adjacent elements, and copies them where y's are not.
void fill_random(const char* operation, const Kernel<RandomArgs>& kernel, const Array& y, const Array& state,
                 RandomArgs args, DType dtype) {
  const Array to = y.is_contiguous() && y.dtype == dtype ? y : empty(y.shape, dtype, y.device());
  args.dtype = dtype;
  args.y = to.data();
  args.count = to.numel();
  args.state = state_of(operation, state, y.device());
  launch(kernel, args, y.device());
  advance(state);
  if (!share_memory(to, y))
    copy_into(y, to);
  else
    y.touch();
}

void check_floating(const char* operation, const Array& y) {
  check(is_floating(y.dtype), operation, ": expected a floating dtype, got ", info(y.dtype).name);
}

}  // namespace

void uniform_into(const Array& y, const Array& state, double low, double high) {
  check_floating("uniform", y);
  RandomArgs args{};
  args.a = low;
  args.b = high;
  fill_random("uniform", kernels(y.device()).random.uniform, y, state, args, y.dtype);
}

void normal_into(const Array& y, const Array& state, double mean, double deviation) {
  check_floating("normal", y);
  RandomArgs args{};
  args.a = mean;
  args.b = deviation;
  fill_random("normal", kernels(y.device()).random.normal, y, state, args, y.dtype);
}

void integers_into(const Array& y, const Array& state, int64_t low, uint64_t range) {
  RandomArgs args{};
  args.low = low;
  args.range = range;
  fill_random("randint", kernels(y.device()).random.integers, y, state, args, DType::int64);
}

std::pair<Array, Array> dropout(const Array& input, double p, const Array& state) {
  check_floating("dropout", input);
  const Array x = contiguous(input);
  const Array y = empty(x.shape, x.dtype, x.device()), mask = empty(x.shape, DType::boolean, x.device());
  DropoutArgs args{};
  args.dtype = x.dtype;
  args.x = x.data();
  args.y = y.data();
  args.mask = mask.as<bool>();
  args.count = x.numel();
  args.state = state_of("dropout", state, x.device());
  args.threshold = static_cast<uint64_t>(std::llround(p * 0x1p32));
  args.scale = p < 1 ? 1 / (1 - p) : 0;
  launch(kernels(x.device()).random.dropout, args, x.device());
  advance(state);
  return {y, mask};
}

Array mask_scale(const Array& input, const Array& given, double scale) {
  check_same_device("mask_scale", input, given);
  check(given.dtype == DType::boolean && given.shape == input.shape, "mask_scale: expected a boolean mask of shape ",
        input.shape, ", got ", given.shape, " of ", info(given.dtype).name);
  const Array x = contiguous(input), mask = contiguous(given);
  const Array y = empty(x.shape, x.dtype, x.device());
  const MaskScaleArgs args{x.dtype, x.data(), mask.as<bool>(), y.data(), x.numel(), scale};
  launch(kernels(x.device()).random.mask_scale, args, x.device());
  return y;
}

Array draw(const Array& weights, const Array& sums, const Array& u) {
  check_same_device("multinomial", weights, sums);
  check_same_device("multinomial", weights, u);
  for (const Array* x : {&weights, &sums, &u})
    check(x->dtype == DType::float64 && x->ndim() == 2 && x->is_contiguous() && x->shape[0] == weights.shape[0],
          "multinomial: expected contiguous float64 rows, got ", x->shape, " of ", info(x->dtype).name);
  check(sums.shape == weights.shape && weights.shape[1] > 0, "multinomial: expected weights and their sums, got ",
        weights.shape, " and ", sums.shape);
  const Array y = empty(u.shape, DType::int64, u.device());
  const DrawArgs args{weights.as<double>(), sums.as<double>(), u.as<double>(), y.as<int64_t>(),
                      weights.shape[0],     weights.shape[1],  u.shape[1]};
  if (y.numel() > 0) launch(kernels(u.device()).random.draw, args, u.device());
  return y;
}

}  // namespace nn
