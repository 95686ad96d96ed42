#include "ops/require.h"

#include "core/plan.h"
#include "core/transfer.h"
#include "ops/check_range.h"
#include "ops/elementwise.h"

namespace nn {

void require(const Array& condition, const std::string& error, const std::string& message, bool at_once) {
  check<TypeError>(condition.dtype == DType::boolean && condition.numel() == 1,
                   "require: expected a boolean array of one element, got ", condition.shape, " of ",
                   info(condition.dtype).name);
  const Fault fault{error == "ValueError"   ? Fault::value_error
                    : error == "IndexError" ? Fault::index_error
                                            : Fault::runtime_error,
                    message, 0, 0};
  const bool on_cpu = condition.device().type == DeviceType::cpu;
  if (on_cpu) {
    const bool* const holds = condition.as<bool>();
    on_host(
        [holds, kind = fault.kind, message] {
          if (!*holds) raise({kind, message, 0, 0}, 0);
        },
        {holds});
  } else if (!at_once || (some_thread_records() && Recording::current() != nullptr)) {  // a replay does not wait
    check_range(cast(condition, DType::int64), 1, 2, fault);
  } else if (!first_element<bool>(condition)) {
    raise(fault, 0);
  }
}

void require_range(const Array& values, int64_t low, int64_t high, const std::string& message) {
  check_range(contiguous(cast(values, DType::int64)), low, high, {Fault::number, message, 0, 0});
}

}  // namespace nn
