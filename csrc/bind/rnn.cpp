#include "ops/rnn.h"

#include "bind/bind.h"

namespace nn {

void bind_rnn(py::module_& module) {
  OpModule m(module, {});
  m.def(
      "rnn_forward",
      [](const std::string& mode, const Array& x, const Array& h0, const MaybeArray& c0, const Array& w_ih,
         const Array& w_hh, const MaybeArray& b_ih, const MaybeArray& b_hh, const MaybeArray& lengths, bool reverse) {
        RnnResult r = rnn_forward(mode, x, h0, c0, w_ih, w_hh, b_ih, b_hh, lengths, reverse);
        return std::make_tuple(r.y, r.h_n, r.c_n, r.gates, r.h_before, r.c_before, r.extra);
      },
      py::arg("mode"), py::arg("x"), py::arg("h0"), py::arg("c0"), py::arg("w_ih"), py::arg("w_hh"), py::arg("b_ih"),
      py::arg("b_hh"), py::arg("lengths"), py::arg("reverse"), Nogil());
  m.def(
      "rnn_backward",
      [](const std::string& mode, const MaybeArray& gy, const MaybeArray& gh_n, const MaybeArray& gc_n,
         const Array& w_hh, const Array& gates, const Array& h_before, const MaybeArray& c_before,
         const MaybeArray& extra, const MaybeArray& lengths, bool reverse, bool wants_gh0) {
        RnnGradients r =
            rnn_backward(mode, gy, gh_n, gc_n, w_hh, gates, h_before, c_before, extra, lengths, reverse, wants_gh0);
        return std::make_tuple(r.gx_gates, r.gh_gates, r.gh0, r.gc0);
      },
      py::arg("mode"), py::arg("gy"), py::arg("gh_n"), py::arg("gc_n"), py::arg("w_hh"), py::arg("gates"),
      py::arg("h_before"), py::arg("c_before"), py::arg("extra"), py::arg("lengths"), py::arg("reverse"),
      py::arg("wants_gh0"), Nogil());
}

}  // namespace nn
