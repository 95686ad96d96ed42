#include "ops/op_info.h"

#include "math/elementwise.h"

namespace nn {
namespace {

template <class Op>
OpInfo describe() {
  OpInfo op{Op::name, {}, false, false, false, false, false};
  if constexpr (requires { Op::params; }) op.params.assign(std::begin(Op::params), std::end(Op::params));
  if constexpr (requires { Op::floating_only; }) op.floating_only = Op::floating_only;
  if constexpr (requires { Op::integer_only; }) op.integer_only = Op::integer_only;
  if constexpr (requires { Op::numbers_only; }) op.numbers_only = Op::numbers_only;
  if constexpr (requires { Op::predicate; }) op.predicate = Op::predicate;
  op.has_backward = requires(Op f) { f.backward(1.0f, 1.0f); };
  return op;
}

template <class Ops>
std::vector<OpInfo> describe_all() {
  std::vector<OpInfo> all;
  host::for_each_op(Ops{}, [&]<class Op>(int) { all.push_back(describe<Op>()); });
  return all;
}

}  // namespace

const std::vector<OpInfo>& unary_ops() {
  static const std::vector<OpInfo> ops = describe_all<host::UnaryOps>();
  return ops;
}

const std::vector<OpInfo>& binary_ops() {
  static const std::vector<OpInfo> ops = describe_all<host::BinaryOps>();
  return ops;
}

}  // namespace nn
