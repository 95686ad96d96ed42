#include "ops/require.h"

#include "core/plan.h"
#include "core/transfer.h"
#include "ops/check_range.h"
#include "ops/elementwise.h"

namespace nn {

void require(const Array& condition, const std::string& error, const std::string& message) {
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
  } else if (some_thread_records() && Recording::current() != nullptr) {
    check_range(cast(condition, DType::int64), 1, 2, fault);  // a replay does not wait to look
  } else if (!first_element<bool>(condition)) {
    raise(fault, 0);
  }
}

}  // namespace nn
