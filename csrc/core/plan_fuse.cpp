#include "core/plan_fuse.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <string>

#include "core/device_bytes.h"
#include "core/kernel_table.h"
#include "core/plan_chain.h"

namespace nn {
namespace {

template <class Args>
bool runs(const PlanStep& step, const Kernel<Args>& kernel) {
  return step.kernel.run == reinterpret_cast<void (*)()>(kernel.run);
}

template <class Args>
Args& args_of(PlanStep& step) {
  return *reinterpret_cast<Args*>(step.args.data());
}

void drop(PlanStep& step) { step = PlanStep{}; }

bool dropped(const PlanStep& step) { return step.on_host() && !step.host; }

struct Fuser {
  std::vector<PlanStep>& steps;
  const std::vector<PlanBlock>& blocks;
  const KernelTable& kernels;
  const Device device;

  bool touches(const PlanStep& step, int block) const {
    return std::any_of(step.operands.begin(), step.operands.end(), [=](auto& x) { return x.block == block; });
  }

  // Whether a step may touch memory that the block occupies, under whatever name.
  bool overlaps(const PlanStep& step, int block) const {
    const PlanBlock& b = blocks[block];
    return std::any_of(step.operands.begin(), step.operands.end(), [&](const PlanOperand& x) {
      const PlanBlock& a = blocks[x.block];
      return a.data < b.data + b.bytes && b.data < a.data + a.bytes;
    });
  }

  int block_of(const PlanStep& step, const void* pointer) const {
    for (const PlanOperand& x : step.operands) {
      const PlanBlock& b = blocks[x.block];
      if (b.data <= pointer && pointer < b.data + b.bytes) return x.block;
    }
    return -1;
  }

  // The first step after `i` that touches the block's memory, or the number of steps.
  size_t next_touch(size_t i, int block) const {
    for (++i; i < steps.size(); ++i)
      if (overlaps(steps[i], block)) return i;
    return steps.size();
  }

  // Whether nobody touches the block after step `i`, and nobody can see it when the plan is over.
  bool dead_after(size_t i, int block) const {
    const PlanBlock& b = blocks[block];
    if (b.external || b.died == PlanBlock::kAlive) return false;
    for (size_t j = i + 1; j < steps.size(); ++j)
      if (touches(steps[j], block)) return false;
    return true;
  }

  void zero_then_add(size_t i) {
    if (dropped(steps[i]) || !runs(steps[i], kernels.elementwise.fill)) return;
    const FillArgs fill = args_of<FillArgs>(steps[i]);
    if (!is_whole(fill.loop) || fill.real != 0 || std::signbit(fill.real) || fill.integer != 0) return;
    const int block = block_of(steps[i], fill.loop.data[0]);
    if (block < 0) return;
    const size_t j = next_touch(i, block);
    if (j == steps.size() || dropped(steps[j]) || !runs(steps[j], add())) return;
    BinaryArgs& sum = args_of<BinaryArgs>(steps[j]);
    const auto& loop = sum.loop;
    if (sum.number != 0 || !is_whole(loop) || loop.shape[0] != fill.loop.shape[0] || sum.dtype != fill.dtype) return;
    if (loop.data[0] != fill.loop.data[0] || loop.data[1] != fill.loop.data[0] || loop.data[2] == loop.data[0]) return;
    // 0 + x and x + 0 are the same number, the sign of a zero included.
    sum.loop.data[1] = sum.loop.data[2];
    sum.loop.data[2] = nullptr;
    sum.loop.stride[2][0] = 0;
    sum.number = 2;
    sum.real = 0;
    sum.integer = 0;
    drop(steps[i]);
  }

  // A step whose epilogue can hold an activation: where it writes, contiguously, and how much.
  struct Writer {
    DType dtype;
    int64_t count;
    void** to;
    Activation* activation;
    bool accumulates;
  };

  bool writer(PlanStep& step, Writer& w) const {
    if (dropped(step)) return false;
    if (runs(step, kernels.gemm.gemm)) {
      GemmArgs& a = args_of<GemmArgs>(step);
      if (a.batch_ndim != 0 || a.c_col != 1 || (a.c_row != a.N && a.M != 1)) return false;
      w = {a.dtype, a.M * a.N, &a.c, &a.activation, a.accumulate};
    } else if (runs(step, kernels.conv.forward)) {
      ConvArgs& a = args_of<ConvArgs>(step);
      const auto& out = a.geometry.out;
      w = {a.dtype, a.geometry.N * a.geometry.K * out[0] * out[1] * out[2], &a.y, &a.activation, false};
    } else {
      return false;
    }
    return *w.activation == Activation::none;
  }

  void relu_into_writer(size_t i) {
    Writer w{};
    if (!writer(steps[i], w)) return;
    const int block = block_of(steps[i], *w.to);
    if (block < 0) return;
    const size_t j = next_touch(i, block);
    if (j == steps.size() || dropped(steps[j]) || !runs(steps[j], relu())) return;
    const UnaryArgs& act = args_of<UnaryArgs>(steps[j]);
    if (!is_whole(act.loop) || act.loop.shape[0] != w.count || act.dtype != w.dtype) return;
    if (act.loop.data[1] != *w.to) return;
    void* const y = act.loop.data[0];
    if (y != *w.to) {
      // The result is written where relu's belongs, earlier than that was: nobody may use that memory meanwhile.
      const int target = block_of(steps[j], y);
      if (target < 0 || w.accumulates || !dead_after(j, block)) return;
      for (size_t k = i; k < j; ++k)
        if (overlaps(steps[k], target)) return;
      *w.to = y;
      steps[i].operands.push_back(*std::find_if(steps[j].operands.begin(), steps[j].operands.end(),
                                                [=](const PlanOperand& x) { return x.block == target; }));
      std::erase_if(steps[i].operands, [=](const PlanOperand& x) { return x.block == block; });
    }
    *w.activation = Activation::relu;
    steps[i].label = std::string(steps[i].kernel.name) + " + relu";
    drop(steps[j]);
  }

  // A step's table was written into an array by the step before it. As a part of the plan it needs no copying, and
  // tables of one algorithm can be joined, where no parameter is in both: each row has its own settings.
  void optimizers() {
    size_t last = steps.size();
    std::vector<OptimTensor> table;  // of the last one
    for (size_t i = 0; i < steps.size(); ++i) {
      if (dropped(steps[i]) || !is_optimizer(steps[i])) continue;
      OptimArgs& args = args_of<OptimArgs>(steps[i]);
      const size_t bytes = static_cast<size_t>(args.count) * sizeof(OptimTensor);
      if (i == 0 || steps[i - 1].uploaded.size() != bytes || steps[i - 1].upload_to != args.tensors) continue;
      std::vector<OptimTensor> rows(static_cast<size_t>(args.count));
      std::memcpy(rows.data(), steps[i - 1].uploaded.data(), bytes);
      drop(steps[i - 1]);
      if (last < i && steps[last].kernel.run == steps[i].kernel.run && next_to(last, i) && !share(table, rows)) {
        OptimArgs& before = args_of<OptimArgs>(steps[last]);
        for (OptimTensor& row : rows) row.first_block += before.blocks;
        table.insert(table.end(), rows.begin(), rows.end());
        before = {nullptr, before.count + args.count, before.blocks + args.blocks};
        steps[last].operands.insert(steps[last].operands.end(), steps[i].operands.begin(), steps[i].operands.end());
        drop(steps[i]);
      } else {
        table = std::move(rows);
        last = i;
      }
      args_of<OptimArgs>(steps[last]).tensors = keep(steps[last], table);
    }
  }

  static bool share(const std::vector<OptimTensor>& a, const std::vector<OptimTensor>& b) {
    for (const OptimTensor& x : a)
      for (const OptimTensor& y : b)
        if (x.param == y.param) return true;
    return false;
  }

  // The table as a part of the step, where its kernel reads it.
  const OptimTensor* keep(PlanStep& step, const std::vector<OptimTensor>& table) const {
    if (device.type == DeviceType::cpu) {
      const auto kept = std::make_shared<std::vector<OptimTensor>>(table);
      step.table = kept;
      return kept->data();
    }
    const auto kept = std::make_shared<DeviceBytes>(device, table.data(), table.size() * sizeof(OptimTensor));
    step.table = kept;
    return static_cast<const OptimTensor*>(kept->data);
  }

  // Whether step j comes right after step i.
  bool next_to(size_t i, size_t j) const {
    for (size_t k = i + 1; k < j; ++k)
      if (!dropped(steps[k])) return false;
    return true;
  }

  bool is_optimizer(const PlanStep& step) const {
    const OptimKernels& o = kernels.optim;
    for (const Kernel<OptimArgs>* k :
         {&o.sgd, &o.adagrad, &o.rmsprop, &o.adam, &o.adamax, &o.nadam, &o.radam, &o.adadelta, &o.asgd, &o.rprop})
      if (runs(step, *k)) return true;
    return false;
  }

  const Kernel<BinaryArgs>& add() const { return kernels.elementwise.binary[0]; }
  const Kernel<UnaryArgs>& relu() const {
    const Kernel<UnaryArgs>* kernel = kernels.elementwise.unary;
    while (std::strcmp(kernel->name, "relu") != 0) ++kernel;
    return *kernel;
  }

  template <int N>
  static bool is_whole(const StridedLoop<N>& loop) {
    if (loop.ndim != 1) return false;
    for (int i = 0; i < N; ++i)
      if (loop.stride[i][0] != 1) return false;
    return true;
  }
};

}  // namespace

void fuse_steps(std::vector<PlanStep>& steps, const std::vector<PlanBlock>& blocks, Device device) {
  Fuser fuser{steps, blocks, kernels(device), device};
  for (size_t i = 0; i < steps.size(); ++i) fuser.zero_then_add(i);
  for (size_t i = 0; i < steps.size(); ++i) fuser.relu_into_writer(i);
  fuser.optimizers();
  std::erase_if(steps, dropped);
  chain_steps(steps, blocks, kernels(device).elementwise);
}

}  // namespace nn
