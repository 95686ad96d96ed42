#include "ops/require.h"

#include "core/plan.h"

namespace nn {

void require(const Array& condition, const std::string& error, const std::string& message) {
  check<TypeError>(condition.dtype == DType::boolean && condition.numel() == 1,
                   "require: expected a boolean array of one element, got ", condition.shape, " of ",
                   info(condition.dtype).name);
  const bool* const holds = condition.as<bool>();
  on_host(
      [=] {
        if (*holds) return;
        if (error == "ValueError") fail<ValueError>(message);
        if (error == "IndexError") fail<IndexError>(message);
        fail(message);
      },
      {holds});
}

}  // namespace nn
