#include "ops/ctc.h"

#include "core/launch.h"
#include "ops/check_range.h"
#include "ops/elementwise.h"
#include "ops/same_device.h"

namespace nn {
namespace {

// Contiguous int64 of the shape given, with values from 0 to `most`.
Array checked(const char* what, const Array& values, const Dims& shape, int64_t most) {
  check(values.dtype == DType::int64 && values.shape == shape, "ctc_loss: expected ", what, " ", shape,
        " of int64, got ", values.shape, " of ", info(values.dtype).name);
  const Array dense = contiguous(values);
  check_range(dense, 0, most + 1, {Fault::range, text("ctc_loss: expected ", what, " of 0 to "), most, 0});
  return dense;
}

}  // namespace

std::tuple<Array, std::optional<Array>> ctc_loss(const Array& input, const Array& labels, const Array& frames,
                                                 const Array& lengths, int64_t blank, bool zero_infinity,
                                                 bool gradient) {
  check(is_floating(input.dtype) && input.ndim() == 3 && labels.ndim() == 2,
        "ctc_loss: expected log_probs [T, N, C] of float32 or float64 and labels [N, S], got ", input.shape, " of ",
        info(input.dtype).name, " and ", labels.shape);
  check_same_device("ctc_loss", input, labels, frames, lengths);
  const int64_t T = input.shape[0], N = input.shape[1], C = input.shape[2], S = labels.shape[1];
  check(0 <= blank && blank < C, "ctc_loss: blank must be in label range, 0 to ", C - 1, ", got ", blank);
  const Array x = contiguous(input);
  const Array classes = checked("labels", labels, {N, S}, C - 1);
  const Array steps = checked("frames", frames, {N}, T), counts = checked("lengths", lengths, {N}, S);
  const Array loss = empty({N}, x.dtype, x.device());
  std::optional<Array> gx;
  if (gradient) gx = empty(x.shape, x.dtype, x.device());
  launch(kernels(x.device()).ctc.ctc,
         CtcArgs{x.dtype, T, N, C, S, x.data(), classes.as<int64_t>(), steps.as<int64_t>(), counts.as<int64_t>(), blank,
                 zero_infinity, loss.data(), gx ? gx->data() : nullptr},
         x.device());
  return {loss, gx};
}

}  // namespace nn
