#include "core/faults.h"
#include "core/launch.h"
#include "ops/elementwise.h"
#include "ops/pool.h"
#include "ops/same_device.h"

namespace nn {
namespace {

ResampleAxis axis_of(int64_t in, const ResampleTable& table, DType dtype) {
  const Array &index = table.index, &weight = table.weight;
  check(index.dtype == DType::int32 && weight.dtype == dtype && index.ndim() == 2 && index.shape == weight.shape &&
            index.is_contiguous() && weight.is_contiguous(),
        "resample: expected a contiguous int32 index [taps, out] and weights of its shape and of dtype ",
        info(dtype).name, ", got ", index.shape, " of ", info(index.dtype).name, " and ", weight.shape, " of ",
        info(weight.dtype).name);
  ResampleAxis axis{in, index.shape[1], index.shape[0], false, index.as<int32_t>(), weight.data(), {}};
  const Fault outside{Fault::range, "resample: expected an index from 0 to ", in, 0};
  axis.fault = fault_site(index.device(), outside);
  if (axis.fault.word != nullptr) {  // such kernels look at each index
    axis.padded = true;
    return axis;
  }
  for (int64_t i = 0; i < index.numel(); ++i) {
    if (axis.index[i] < 0 || axis.index[i] > in) raise(outside, axis.index[i]);
    axis.padded |= axis.index[i] == in;
  }
  return axis;
}

}  // namespace

Array resample(const Array& input, const std::vector<std::optional<ResampleTable>>& tables) {
  const int spatial = static_cast<int>(tables.size());
  check(1 <= spatial && spatial <= 3 && input.ndim() >= spatial,
        "resample: expected tables for the last 1 to 3 dimensions, got ", spatial, " for input ", input.shape);
  check(is_floating(input.dtype), "resample: expected dtype float32 or float64, got ", info(input.dtype).name);
  ResampleArgs args{};
  args.dtype = input.dtype;
  args.planes = Dims(input.shape.begin(), input.shape.end() - spatial).product();
  Dims shape = input.shape;
  for (int i = 0; i < 3; ++i) {
    args.axis[i] = {1, 1, 1, false, nullptr, nullptr, {}};
    if (i < 3 - spatial) continue;
    int64_t& extent = shape[shape.size() - 3 + i];
    const std::optional<ResampleTable>& table = tables[i - 3 + spatial];
    if (table) check_same_device("resample", input, table->index, table->weight);
    args.axis[i] =
        table ? axis_of(extent, *table, input.dtype) : ResampleAxis{extent, extent, 1, false, nullptr, nullptr, {}};
    extent = args.axis[i].out;
  }
  const Array x = contiguous(input), y = empty(shape, x.dtype, x.device());
  args.x = x.data();
  args.y = y.data();
  launch(kernels(x.device()).pool.resample, args, x.device());
  return y;
}

}  // namespace nn
