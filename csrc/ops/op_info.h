// What the lists of csrc/math/elementwise.h say about each operation, readable at run time: the result's dtype and the
// bindings come from here.
#pragma once

#include <string>
#include <vector>

namespace nn {

struct OpInfo {
  const char* name;
  std::vector<const char*> params;  // names of its numeric parameters
  bool floating_only;               // integers become float32 first
  bool integer_only;                // floating inputs are an error
  bool numbers_only;                // booleans are an error
  bool predicate;                   // the result is boolean
  bool has_backward;                // there is a fused derivative, `name`_backward
};

const std::vector<OpInfo>& unary_ops();
const std::vector<OpInfo>& binary_ops();

}  // namespace nn
