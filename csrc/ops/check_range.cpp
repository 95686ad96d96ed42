#include "ops/check_range.h"

#include "core/launch.h"
#include "core/plan.h"

namespace nn {

void check_range(const Array& values, int64_t low, int64_t high, const Fault& fault) {
  const Device device = values.device();
  const int64_t* const first = values.as<int64_t>();
  CheckIndexArgs args{first, values.numel(), low, high, nullptr, fault_site(device, fault)};
  if (device.type != DeviceType::cpu) {
    launch(kernels(device).index.check, args, device);
    return;
  }
  if (!some_thread_records()) [[likely]] {
    int64_t bad = -1;
    args.first_bad = &bad;
    launch(kernels(device).index.check, args, device);
    if (bad >= 0) raise(fault, first[bad]);
    return;
  }
  // In memory of the plan, for a replay finds something else there.
  const Array found = empty({}, DType::int64, device);
  args.first_bad = found.as<int64_t>();
  launch(kernels(device).index.check, args, device);
  on_host(
      [first, bad = args.first_bad, fault, name = std::string(fault.operation)] {
        if (*bad >= 0) raise({fault.kind, name, fault.a, fault.b}, first[*bad]);
      },
      {first, args.first_bad});
}

}  // namespace nn
