#include "ops/rnn.h"

#include "core/launch.h"
#include "ops/check_range.h"
#include "ops/elementwise.h"
#include "ops/gemm.h"
#include "ops/same_device.h"

namespace nn {
namespace {

RnnMode parse_mode(const std::string& name) {
  if (name == "tanh") return RnnMode::tanh;
  if (name == "relu") return RnnMode::relu;
  if (name == "lstm") return RnnMode::lstm;
  if (name == "gru") return RnnMode::gru;
  fail<ValueError>("rnn: expected mode 'tanh', 'relu', 'lstm' or 'gru', got '", name, "'");
}

void expect(const std::string& mode, const char* what, const Array& x, const Dims& shape, const Array& like) {
  check_same_device(mode, like, x);
  check(x.shape == shape && x.dtype == like.dtype, mode, ": expected ", what, " ", shape, " of ", info(like.dtype).name,
        ", got ", x.shape, " of ", info(x.dtype).name);
}

// Lengths as the kernel reads them; `kept` owns them.
const int64_t* prepare_lengths(const std::string& mode, const MaybeArray& lengths, const Array& like, Array& kept) {
  if (!lengths) return nullptr;
  const int64_t T = like.shape[0], N = like.shape[1];
  check_same_device(mode, like, *lengths);
  check(lengths->dtype == DType::int64 && lengths->shape == Dims{N}, mode, ": expected lengths [", N,
        "] of int64, got ", lengths->shape, " of ", info(lengths->dtype).name);
  kept = contiguous(*lengths);
  check_range(kept, 0, T + 1, {Fault::range, mode + ": expected lengths from 0 to ", T, 0});
  return kept.as<int64_t>();
}

void* data_of(const MaybeArray& x) { return x ? x->data() : nullptr; }

Array zeros_or_copy(const MaybeArray& x, const Dims& shape, const Array& like) {
  if (x) return clone(*x);
  const Array zeros = empty(shape, like.dtype, like.device());
  fill(zeros, Scalar::of(0.0));
  return zeros;
}

}  // namespace

RnnResult rnn_forward(const std::string& mode, const Array& x, const Array& h0, const MaybeArray& c0, const Array& w_ih,
                      const Array& w_hh, const MaybeArray& b_ih, const MaybeArray& b_hh, const MaybeArray& lengths,
                      bool reverse) {
  RnnArgs args{};
  args.mode = parse_mode(mode);
  const int64_t G = rnn_gates(args.mode);
  const bool lstm = args.mode == RnnMode::lstm;
  check(is_floating(x.dtype), mode, ": expected an input of float32 or float64, got ", info(x.dtype).name);
  check(x.ndim() == 3 && x.shape[0] > 0, mode, ": expected an input [T, N, I] with at least one step, got ", x.shape);
  check(w_hh.ndim() == 2 && w_hh.shape[1] > 0 && w_hh.shape[0] == G * w_hh.shape[1], mode, ": expected weight_hh [", G,
        " H, H], got ", w_hh.shape);
  const int64_t T = x.shape[0], N = x.shape[1], H = w_hh.shape[1];
  expect(mode, "weight_hh", w_hh, {G * H, H}, x);
  expect(mode, "weight_ih", w_ih, {G * H, x.shape[2]}, x);
  expect(mode, "the state h0", h0, {N, H}, x);
  check(c0.has_value() == lstm, mode, lstm ? ": expected a cell state c0" : ": expected no cell state");
  if (c0) expect(mode, "the state c0", *c0, {N, H}, x);
  if (b_ih) expect(mode, "bias_ih", *b_ih, {G * H}, x);
  if (b_hh) expect(mode, "bias_hh", *b_hh, {G * H}, x);

  const auto each_step = [&] { return empty({T, N, H}, x.dtype, x.device()); };
  const auto state = [&] { return empty({N, H}, x.dtype, x.device()); };
  RnnResult r{each_step(), state(),      std::nullopt, linear(contiguous(x), w_ih, b_ih),
              each_step(), std::nullopt, std::nullopt};
  if (lstm) r.c_n = state(), r.c_before = each_step();
  if (lstm || args.mode == RnnMode::gru) r.extra = each_step();

  Array kept_lengths;
  const Array w = contiguous(w_hh), h = contiguous(h0);
  MaybeArray b = b_hh, c = c0;
  if (b) b = contiguous(*b);
  if (c) c = contiguous(*c);
  args.dtype = x.dtype;
  args.T = T, args.N = N, args.H = H;
  args.reverse = reverse;
  args.lengths = prepare_lengths(mode, lengths, x, kept_lengths);
  args.w_hh = w.data(), args.b_hh = data_of(b);
  args.h0 = h.data(), args.c0 = data_of(c);
  args.gates = r.gates.data(), args.y = r.y.data();
  args.h_n = r.h_n.data(), args.c_n = data_of(r.c_n);
  args.h_before = r.h_before.data(), args.c_before = data_of(r.c_before), args.extra = data_of(r.extra);
  launch(kernels(x.device()).rnn.forward, args, x.device());
  return r;
}

RnnGradients rnn_backward(const std::string& mode, const MaybeArray& gy, const MaybeArray& gh_n, const MaybeArray& gc_n,
                          const Array& w_hh, const Array& gates, const Array& h_before, const MaybeArray& c_before,
                          const MaybeArray& extra, const MaybeArray& lengths, bool reverse, bool wants_gh0) {
  const std::string name = mode + "_backward";
  RnnBackwardArgs args{};
  args.mode = parse_mode(mode);
  const int64_t G = rnn_gates(args.mode);
  const bool lstm = args.mode == RnnMode::lstm, gru = args.mode == RnnMode::gru;
  check(h_before.ndim() == 3 && is_floating(h_before.dtype), name, ": expected states [T, N, H], got ", h_before.shape);
  const int64_t T = h_before.shape[0], N = h_before.shape[1], H = h_before.shape[2];
  const Dims steps = {T, N, H}, state = {N, H};
  expect(name, "gates", gates, {T, N, G * H}, h_before);
  expect(name, "weight_hh", w_hh, {G * H, H}, h_before);
  if (gy) expect(name, "a gradient of y", *gy, steps, h_before);
  if (gh_n) expect(name, "a gradient of h_n", *gh_n, state, h_before);
  if (gc_n) expect(name, "a gradient of c_n", *gc_n, state, h_before);
  check(c_before.has_value() == lstm && extra.has_value() == (lstm || gru), name,
        ": expected what the forward pass saved");
  if (c_before) expect(name, "cell states", *c_before, steps, h_before);
  if (extra) expect(name, "saved values", *extra, steps, h_before);
  for (const Array* saved : {&gates, &h_before, c_before ? &*c_before : nullptr, extra ? &*extra : nullptr})
    check(saved == nullptr || saved->is_contiguous(), name, ": expected what the forward pass saved, contiguous");

  RnnGradients r;
  r.gx_gates = empty(gates.shape, gates.dtype, gates.device());
  r.gh_gates = gru ? empty(gates.shape, gates.dtype, gates.device()) : r.gx_gates;
  const Array gh = zeros_or_copy(gh_n, state, gates);
  if (wants_gh0) r.gh0 = gh;
  if (lstm) r.gc0 = zeros_or_copy(gc_n, state, gates);

  Array kept_lengths;
  const Array w = contiguous(w_hh);
  MaybeArray g = gy;
  if (g && g->strides.back() != 1) g = contiguous(*g);
  args.dtype = gates.dtype;
  args.T = T, args.N = N, args.H = H;
  args.reverse = reverse;
  args.lengths = prepare_lengths(name, lengths, h_before, kept_lengths);
  args.w_hh = w.data(), args.gy = data_of(g);
  args.gy_step = g ? g->strides[0] : 0, args.gy_row = g ? g->strides[1] : 0;
  args.gates = gates.data(), args.h_before = h_before.data();
  args.c_before = data_of(c_before), args.extra = data_of(extra);
  args.gx_gates = r.gx_gates.data(), args.gh_gates = r.gh_gates.data();
  args.gh = gh.data(), args.gc = data_of(r.gc0);
  args.wants_gh0 = wants_gh0;
  launch(kernels(gates.device()).rnn.backward, args, gates.device());
  return r;
}

}  // namespace nn
