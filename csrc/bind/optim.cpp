#include "ops/optim.h"

#include <deque>

#include "bind/bind.h"

namespace nn {
namespace {

// One row for each parameter: (param, grad, state0, state1, state2, step, group, flags), None where there is none, and
// after it the scalar states that the algorithm has.
std::vector<OptimItem> read_items(const py::list& rows) {
  const auto array = [](const py::handle& h) { return h.is_none() ? nullptr : &h.cast<const Array&>(); };
  const auto scalar = [&](const py::tuple& row, size_t i) { return row.size() > 8 + i ? array(row[8 + i]) : nullptr; };
  std::vector<OptimItem> items;
  items.reserve(rows.size());
  for (const py::handle entry : rows) {
    const auto row = py::reinterpret_borrow<py::tuple>(entry);
    check<TypeError>(py::isinstance<py::tuple>(entry) && 8 <= row.size() && row.size() <= 8 + kOptimScalars,
                     "optim_step: expected rows of 8 to 10 values");
    check<TypeError>(!row[0].is_none() && !row[1].is_none(), "optim_step: a parameter or gradient is None");
    items.push_back({array(row[0]),
                     array(row[1]),
                     {array(row[2]), array(row[3]), array(row[4])},
                     array(row[5]),
                     {scalar(row, 0), scalar(row, 1)},
                     row[6].cast<int64_t>(),
                     row[7].cast<int32_t>()});
  }
  return items;
}

// Parameters of 16 bits are stepped in float32, their state with them, and rounded once.
bool step(const std::string& algorithm, std::vector<OptimItem> items, const std::vector<Array>& hypers) {
  Opmath math;
  std::deque<Array> wide;  // whose elements stay where they are
  const auto lift = [&](const Array*& x) {
    if (x != nullptr && is_half(x->dtype)) x = &wide.emplace_back(math.lift(*x));
  };
  for (OptimItem& item : items) {
    check(item.grad->dtype == item.param->dtype, algorithm, ": the gradient expects the dtype ",
          info(item.param->dtype).name, " of its parameter, got ", info(item.grad->dtype).name);
    lift(item.param);
    lift(item.grad);
    for (const Array*& state : item.state) lift(state);
    for (const Array*& scalar : item.scalar) lift(scalar);
  }
  const bool done = optim_step(algorithm, items, hypers);
  math.write_back();
  return done;
}

}  // namespace

void bind_optim(py::module_& m) {
  m.def(
      "optim_step",
      [](const std::string& algorithm, const py::list& rows, const std::vector<Array>& hypers) {
        const std::vector<OptimItem> items = read_items(rows);  // the list keeps the arrays alive
        const WithoutLock unlocked;
        return step(algorithm, items, hypers);
      },
      py::arg("algorithm"), py::arg("rows"), py::arg("hypers"),
      "One step of an optimizer for all parameters; rows as csrc/core/kernels/optim.h names them. False where a "
      "parameter lies on a device without hyperparameters; nothing is done then.");
}

}  // namespace nn
