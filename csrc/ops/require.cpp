#include "ops/require.h"

#include "core/plan.h"
#include "core/transfer.h"

namespace nn {

void require(const Array& condition, const std::string& error, const std::string& message) {
  check<TypeError>(condition.dtype == DType::boolean && condition.numel() == 1,
                   "require: expected a boolean array of one element, got ", condition.shape, " of ",
                   info(condition.dtype).name);
  const auto demand = [=](bool holds) {
    if (holds) return;
    if (error == "ValueError") fail<ValueError>(message);
    if (error == "IndexError") fail<IndexError>(message);
    fail(message);
  };
  if (condition.device().type != DeviceType::cpu) {
    demand(first_element<bool>(condition));
    return;
  }
  const bool* const holds = condition.as<bool>();
  on_host([=] { demand(*holds); }, {holds});
}

}  // namespace nn
