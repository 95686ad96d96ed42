// Chains of float32, and of float16 and bfloat16, which are computed in it; and what chooses among the dtypes. The idea
// is in chain.cuh.
#include "cuda/chain.cuh"

namespace nn::cuda {

NN_CHAIN_OF(float);

namespace {

void run(const ChainArgs& args, const LinkLoop& loop, const LaunchContext& ctx) {
  if (args.count > 0) with_type(args.dtype, [&]<class T>(T) { run_chain<T>(args, loop, ctx); });
}

int bytes_of(DType dtype) {
  int bytes = 0;
  with_any_type(dtype, [&]<class T>(T) { bytes = sizeof(T); });
  return bytes;
}

// A link over a loop, in parts where that is too long for places of 32 bits.
void run_link(ChainArgs args, const StridedLoop<3>& loop, const LaunchContext& ctx) {
  ChainLink& link = args.link[0];
  args.count = count_of(loop);
  bool adjacent = loop.ndim == 1 && loop.stride[0][0] == 1;
  for (int n = 1; n < 3 && adjacent; ++n) {
    adjacent = loop.data[n] == nullptr || loop.stride[n][0] == 1 || loop.stride[n][0] == 0;
    link.operand[n - 1].single = adjacent && loop.data[n] != nullptr && loop.stride[n][0] == 0;
  }
  if (!adjacent && !is_narrow(args.count)) {
    const int element = bytes_of(link.operand[0].dtype);
    const Halves<3> halves(loop, {bytes_of(link.dtype), element, element});
    run_link(args, halves.first, ctx);
    return run_link(args, halves.rest, ctx);
  }
  link.data = loop.data[0], link.operand[0].data = loop.data[1], link.operand[1].data = loop.data[2];
  LinkLoop strided;
  if (!adjacent) {
    link.operand[0].single = link.operand[1].single = false;
    strided.ndim = loop.ndim;
    for (int d = 0; d < loop.ndim; ++d) {
      strided.extent[d] = NarrowDivisor(loop.shape[d]);
      for (int n = 0; n < 3; ++n) strided.stride[n][d] = loop.stride[n][d];
    }
  }
  run(args, strided, ctx);
}

// One link of operands and a result of these dtypes. Halves are computed in float32.
ChainArgs one_link(ChainKind kind, int op, DType result, DType operands, const double* params) {
  ChainArgs args{};
  args.dtype = is_half(operands) ? DType::float32 : operands;
  args.links = 1;
  ChainLink& link = args.link[0];
  link.kind = kind, link.op = static_cast<int16_t>(op), link.slot = -1, link.dtype = result;
  for (ChainOperand& x : link.operand) x.dtype = operands, x.slot = -1;
  for (int i = 0; params != nullptr && i < kChainParams; ++i) link.params[i] = params[i];
  return args;
}

}  // namespace

void chain(const ChainArgs& args, const LaunchContext& ctx) { run(args, LinkLoop{}, ctx); }

void interpret(int op, const UnaryArgs& args, const LaunchContext& ctx) {
  StridedLoop<3> loop{};
  loop.ndim = args.loop.ndim;
  for (int d = 0; d < loop.ndim; ++d) {
    loop.shape[d] = args.loop.shape[d];
    for (int n = 0; n < 2; ++n) loop.stride[n][d] = args.loop.stride[n][d];
  }
  for (int n = 0; n < 2; ++n) loop.data[n] = args.loop.data[n];
  run_link(one_link(ChainKind::unary, op, args.dtype, args.dtype, args.params), loop, ctx);
}

void interpret(int op, const UnaryBackwardArgs& args, const LaunchContext& ctx) {
  run_link(one_link(ChainKind::unary_backward, op, args.dtype, args.dtype, args.params), args.loop, ctx);
}

void interpret(int op, bool is_predicate, const BinaryArgs& args, const LaunchContext& ctx) {
  const DType result = is_predicate ? DType::boolean : args.dtype;
  ChainArgs link = one_link(ChainKind::binary, op, result, args.dtype, nullptr);
  for (ChainOperand& x : link.link[0].operand) x.real = args.real, x.integer = args.integer;
  run_link(link, args.loop, ctx);
}

}  // namespace nn::cuda
