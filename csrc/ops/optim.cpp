#include "ops/optim.h"

#include "core/kernel_table.h"
#include "core/launch.h"
#include "core/transfer.h"
#include "ops/elementwise.h"
#include "ops/same_device.h"

namespace nn {
namespace {

const Kernel<OptimArgs>& find_kernel(const std::string& algorithm, Device device) {
  const OptimKernels& table = kernels(device).optim;
  for (const Kernel<OptimArgs>* kernel : {&table.sgd, &table.adagrad, &table.rmsprop, &table.adam, &table.adamax,
                                          &table.nadam, &table.radam, &table.adadelta, &table.asgd, &table.rprop})
    if (algorithm == kernel->name) return *kernel;
  fail<ValueError>("optim_step: unknown algorithm '", algorithm, "'");
}

void check_like(const std::string& algorithm, const char* what, const Array& x, const Array& param) {
  check_same_device(algorithm, param, x);
  check(x.shape == param.shape && x.dtype == param.dtype, algorithm, ": ", what, " expects shape ", param.shape,
        " and dtype ", info(param.dtype).name, " of its parameter, got ", x.shape, " and ", info(x.dtype).name);
}

void check_item(const std::string& algorithm, const OptimItem& item, const Array& hyper) {
  const Array& param = *item.param;
  check<TypeError>(is_floating(param.dtype), algorithm, ": expected floating point parameters, got ",
                   info(param.dtype).name);
  check_same_device(algorithm, hyper, param, *item.grad);
  check_like(algorithm, "the gradient", *item.grad, param);
  for (const Array* state : item.state) {
    if (state == nullptr) continue;
    check_like(algorithm, "the state", *state, param);
    check(state->is_contiguous(), algorithm, ": expected contiguous state");
  }
  if (item.step != nullptr) {
    check_same_device(algorithm, param, *item.step);
    check(item.step->dtype == DType::float32 && item.step->numel() == 1, algorithm,
          ": expected `step` to be one float32, got shape ", item.step->shape, " and ", info(item.step->dtype).name);
  }
  const int scalars = algorithm == "asgd" ? 2 : algorithm == "nadam" ? 1 : 0;
  for (int i = 0; i < scalars; ++i)
    check<TypeError>(item.scalar[i] != nullptr && item.step != nullptr, algorithm, ": expected `step` and ", scalars,
                     " scalar states");
  for (const Array* scalar : item.scalar)
    if (scalar != nullptr) {
      check_same_device(algorithm, param, *scalar);
      check(is_floating(scalar->dtype) && scalar->numel() == 1, algorithm,
            ": expected a scalar state to be one float32 or float64, got shape ", scalar->shape, " and ",
            info(scalar->dtype).name);
    }
  check(0 <= item.group && item.group < hyper.shape[0], algorithm, ": group ", item.group, " of ", hyper.shape[0]);
}

// The step of the items on one device.
void step_there(const std::string& algorithm, const std::vector<OptimItem>& items, const Array& hyper) {
  const Kernel<OptimArgs>& kernel = find_kernel(algorithm, hyper.device());
  // The table is an array so that it comes from the same memory as everything else that a launch reads.
  const int64_t bytes = static_cast<int64_t>(items.size() * sizeof(OptimTensor));
  const Array table = empty({bytes}, DType::uint8, hyper.device());
  std::vector<OptimTensor> rows;
  rows.reserve(items.size());
  std::vector<Array> copies;                  // keeps contiguous copies alive until the kernel has run
  std::vector<std::pair<Array, Array>> back;  // (parameter, its contiguous copy)
  int64_t blocks = 0;
  for (const OptimItem& item : items) {
    const auto dense = [&](const Array& x) {
      if (x.is_contiguous()) return x.data();
      copies.push_back(contiguous(x));
      return copies.back().data();
    };
    void* const param = dense(*item.param);
    if (param != item.param->data()) back.emplace_back(*item.param, copies.back());
    OptimTensor row{item.param->dtype,
                    item.flags,
                    item.param->numel(),
                    blocks,
                    param,
                    dense(*item.grad),
                    {},
                    nullptr,
                    {},
                    hyper.as<double>() + item.group * OptimHyper::kCount};
    for (int i = 0; i < kOptimStates; ++i) row.state[i] = item.state[i] != nullptr ? item.state[i]->data() : nullptr;
    if (item.step != nullptr) row.step = item.step->as<float>();
    for (int i = 0; i < kOptimScalars; ++i)
      if (item.scalar[i] != nullptr) row.scalar[i] = {item.scalar[i]->dtype, item.scalar[i]->data()};
    blocks += (row.size + kOptimBlock - 1) / kOptimBlock;
    rows.push_back(row);
  }
  upload(table, rows.data(), static_cast<size_t>(bytes));
  launch(kernel, {table.as<OptimTensor>(), static_cast<int64_t>(items.size()), blocks}, hyper.device());
  for (const auto& [param, copy] : back) copy_into(param, copy);
  for (const OptimItem& item : items) {
    item.param->touch();
    for (const Array* state : item.state)
      if (state != nullptr) state->touch();
    if (item.step != nullptr) item.step->touch();
    for (const Array* scalar : item.scalar)
      if (scalar != nullptr) scalar->touch();
  }
}

}  // namespace

bool optim_step(const std::string& algorithm, const std::vector<OptimItem>& items, const std::vector<Array>& hypers) {
  for (const Array& hyper : hypers)
    check(hyper.dtype == DType::float64 && hyper.ndim() == 2 && hyper.shape[1] == OptimHyper::kCount &&
              hyper.is_contiguous(),
          "optim_step: expected hyperparameters in float64 [groups, ", static_cast<int>(OptimHyper::kCount), "], got ",
          hyper.shape);
  std::vector<std::vector<OptimItem>> there(hypers.size());
  for (const OptimItem& item : items) {
    size_t i = 0;
    while (i < hypers.size() && !(hypers[i].device() == item.param->device())) ++i;
    if (i == hypers.size()) return false;
    check_item(algorithm, item, hypers[i]);
    there[i].push_back(item);
  }
  for (size_t i = 0; i < hypers.size(); ++i)
    if (!there[i].empty()) step_there(algorithm, there[i], hypers[i]);
  return true;
}

}  // namespace nn
