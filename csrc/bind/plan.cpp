// Recording and replaying. What a user sees of it stands in nncore/plans/.
#include "core/plan.h"

#include <pybind11/functional.h>

#include "bind/bind.h"
#include "ops/require.h"

namespace nn {
namespace {

// Asks Python which line of the user's program runs, from kernels' threads too, which hold no interpreter lock.
std::function<std::string()> where_from(const py::function& where) {
  const auto keep = std::shared_ptr<py::function>(new py::function(where), [](py::function* f) {
    const WithLock locked;
    delete f;
  });
  return [keep] {
    const WithLock locked;
    return (*keep)().cast<std::string>();
  };
}

// New memory laid out as x is: kernels read it in the same order, which may decide in which order they sum.
Array laid_out_like(const Array& x) {
  const Span span = span_of(x.shape, x.strides);
  const Array memory = empty({x.numel() > 0 ? span.size() : 0}, x.dtype, x.device());
  return view(memory, x.shape, x.strides, -span.low);
}

// x = given, element by element, where both may show an element several times, in the same way.
void put(const Array& x, const Array& given) {
  Dims shape = x.shape;
  for (int i = 0; i < x.ndim(); ++i)
    if (x.strides[i] == 0 && shape[i] > 1) shape[i] = 1;
  copy_into(view(x, shape, x.strides, x.offset), view(given, shape, given.strides, given.offset));
}

bool call(Plan& plan, const py::sequence& given) {
  if (!plan.is_current() || plan.orphan() != nullptr) return false;
  std::vector<const Array*> from;
  for (const py::handle h : given) from.push_back(&h.cast<const Array&>());
  check(from.size() == plan.inputs().size(), "plan: expected ", plan.inputs().size(), " inputs, got ", from.size());
  const WithoutLock unlocked;
  plan.follow();
  for (size_t i = 0; i < from.size(); ++i)
    if (from[i]->data() != plan.inputs()[i].data()) put(plan.inputs()[i], *from[i]);
  plan.replay();
  return true;
}

py::list steps(const Plan& plan) {
  py::list rows;
  for (const PlanStep& step : plan.steps()) {
    py::list operands;
    for (const PlanOperand& x : step.operands) operands.append(py::make_tuple(x.block, x.dtype, x.shape));
    rows.append(py::make_tuple(step.name(), step.where, operands));
  }
  return rows;
}

py::list blocks(const Plan& plan) {
  py::list rows;
  for (const PlanBlock& b : plan.blocks()) {
    const py::object died = b.died == PlanBlock::kAlive ? py::object(py::none()) : py::int_(b.died);
    rows.append(py::make_tuple(reinterpret_cast<uintptr_t>(b.data), b.bytes, b.external, died));
  }
  return rows;
}

}  // namespace

void bind_plan(py::module_& m) {
  py::register_exception<CaptureError>(m, "CaptureError", PyExc_RuntimeError);
  py::class_<Plan>(m, "Plan", "Recorded launches.")
      .def("replay", &Plan::replay, Nogil())
      .def("replay_timed",
           [](Plan& plan) {
             std::vector<StepTime> times;
             {
               const WithoutLock unlocked;
               times = plan.replay_timed();
             }
             py::list rows;
             for (const StepTime& t : times) rows.append(py::make_tuple(t.start, t.seconds));
             return rows;
           })
      .def("add_results", &Plan::add_results, py::arg("results"), "Arrays that count as written after each replay.")
      .def(
          "is_stale", [](const Plan& plan) { return plan.orphan() != nullptr; },
          "Whether an array from outside is held by nobody else any more.")
      .def("set_inputs", &Plan::set_inputs, py::arg("inputs"))
      .def("call", &call, py::arg("given"),
           "Copies the arrays into the inputs and replays; False where the plan is stale or for another instruction "
           "set.")
      .def("steps", &steps,
           "(kernel, line of the program, arrays that it may touch as (block, dtype, shape)) of each step.")
      .def("blocks", &blocks, "(address, bytes, from outside, died before step) of each array's memory.")
      .def("written_from_outside", &Plan::written_from_outside)
      .def_property_readonly("recorded_launches", &Plan::recorded_launches)
      .def_property_readonly("fixed_bytes", &Plan::fixed_bytes)
      .def_property_readonly("memory_bytes", [](const Plan& p) { return p.memory().total_bytes(); })
      .def_property_readonly("peak_bytes", [](const Plan& p) { return p.memory().peak_bytes(); });
  py::class_<Recording>(m, "Recording", "Records the launches of this thread until finish() or stop().")
      .def(py::init([](const py::function& where, Device device) { return new Recording(where_from(where), device); }),
           py::arg("where"), py::arg("device"))
      .def("finish", &Recording::finish, py::arg("fuse"))
      .def("stop", &Recording::stop);
  m.def(
      "refuse_while_recording",
      [](const std::string& what, const std::string& instead) {
        refuse_while_recording(what.c_str(), instead.c_str());
      },
      py::arg("what"), py::arg("instead"));
  m.def(
      "input_like",
      [](const Array& x) {
        const Array own = laid_out_like(x);
        put(own, x);
        return own;
      },
      py::arg("given"), Nogil(), "A copy with the same strides.");
  m.def("require", &require, py::arg("condition"), py::arg("error"), py::arg("message"), py::arg("at_once"), Nogil());
  m.def("require_range", &require_range, py::arg("values"), py::arg("low"), py::arg("high"), py::arg("message"),
        Nogil());
  m.def("refuse_reading", [](const std::string& what) { refuse_reading(what.c_str()); }, py::arg("what"));
}

}  // namespace nn
