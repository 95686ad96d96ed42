#include "ops/pool.h"

#include "bind/bind.h"

namespace nn {

namespace {

// kernel_size, stride, padding, dilation and ceil_mode; None for adaptive windows.
using Windows = std::optional<std::tuple<Dims, Dims, Dims, Dims, bool>>;

std::optional<PoolWindows> windows_of(const Windows& given) {
  if (!given) return std::nullopt;
  return std::apply([](const auto&... part) { return PoolWindows{part...}; }, *given);
}

}  // namespace

void bind_pool(py::module_& module) {
  OpModule m(module, {.mixed = Mixed::by_first_array, .is_native = is_on_cuda});
  OpModule by_tables(module, {.mixed = Mixed::by_first_array});  // which are float32
  m.def(
      "max_pool",
      [](const Array& x, const Dims& kernel, const Dims& stride, const Dims& padding, const Dims& dilation,
         bool ceil_mode,
         bool want_index) { return max_pool(x, {kernel, stride, padding, dilation, ceil_mode}, want_index); },
      py::arg("input"), py::arg("kernel_size"), py::arg("stride"), py::arg("padding"), py::arg("dilation"),
      py::arg("ceil_mode"), py::arg("want_index"), Nogil());
  m.def("adaptive_max_pool", adaptive_max_pool, py::arg("input"), py::arg("output_size"), py::arg("want_index"),
        Nogil());
  m.def(
      "max_pool_backward",
      [](const Array& gy, const Array& index, const Dims& shape, int spatial, const Windows& windows) {
        return max_pool_backward(gy, index, shape, spatial, windows_of(windows));
      },
      py::arg("gy"), py::arg("index"), py::arg("shape"), py::arg("spatial"), py::arg("windows"), Nogil());
  m.def(
      "max_pool_gather",
      [](const Array& input, const Array& index, int spatial, const Windows& windows) {
        return max_pool_gather(input, index, spatial, windows_of(windows));
      },
      py::arg("input"), py::arg("index"), py::arg("spatial"), py::arg("windows"), Nogil());
  m.def(
      "avg_pool",
      [](const Array& x, const Dims& kernel, const Dims& stride, const Dims& padding, bool ceil_mode,
         bool count_include_pad, int64_t divisor) {
        const Dims ones = Dims::filled(kernel.size(), 1);
        return avg_pool(x, {kernel, stride, padding, ones, ceil_mode}, count_include_pad, divisor);
      },
      py::arg("input"), py::arg("kernel_size"), py::arg("stride"), py::arg("padding"), py::arg("ceil_mode"),
      py::arg("count_include_pad"), py::arg("divisor"), Nogil());
  m.def(
      "avg_pool_backward",
      [](const Array& gy, const Dims& shape, const Dims& kernel, const Dims& stride, const Dims& padding,
         bool ceil_mode, bool count_include_pad, int64_t divisor) {
        const Dims ones = Dims::filled(kernel.size(), 1);
        return avg_pool_backward(gy, shape, {kernel, stride, padding, ones, ceil_mode}, count_include_pad, divisor);
      },
      py::arg("gy"), py::arg("shape"), py::arg("kernel_size"), py::arg("stride"), py::arg("padding"),
      py::arg("ceil_mode"), py::arg("count_include_pad"), py::arg("divisor"), Nogil());
  by_tables.def(
      "resample",
      [](const Array& x, const std::vector<std::optional<std::tuple<Array, Array>>>& given) {
        std::vector<std::optional<ResampleTable>> tables;
        for (const auto& t : given)
          tables.push_back(t ? std::optional(ResampleTable{std::get<0>(*t), std::get<1>(*t)}) : std::nullopt);
        return resample(x, tables);
      },
      py::arg("x"), py::arg("tables"), Nogil());
  m.def("adaptive_avg_pool", adaptive_avg_pool, py::arg("input"), py::arg("output_size"), Nogil());
  m.def("adaptive_avg_pool_backward", adaptive_avg_pool_backward, py::arg("gy"), py::arg("shape"), py::arg("spatial"),
        Nogil());
}

}  // namespace nn
