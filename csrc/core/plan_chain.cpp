#include "core/plan_chain.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "core/parallel.h"
#include "core/plan_links.h"
#include "core/plan_program.h"
#include "core/scratch.h"

namespace nn {
namespace {

// A run of steps through the CPU's kernels.
struct Pass {
  std::vector<PlanLink> links;
  int scratches;
  int64_t count, widest = 1;  // bytes of an element of the working memory

  Pass(std::vector<PlanLink> joined, int scratch_count)
      : links(std::move(joined)), scratches(scratch_count), count(links[0].count) {
    for (const PlanLink& link : links)
      for (const PlanLinkOperand& x : link.operands)
        if (x.scratch >= 0) widest = std::max(widest, x.size);
  }

  // Elements for a block: few enough that what a block touches stays in the second-level cache, and a multiple of every
  // vector's length, so that kernels see the same full vectors as in one piece.
  static constexpr int64_t kBlock = 4096;

  void run(int64_t begin, int64_t end, const LaunchContext& one_thread) const {
    const int64_t piece = kBlock * widest;
    const Scratch scratch(static_cast<size_t>(std::max<int64_t>(1, piece * scratches)));
    std::vector<std::vector<std::byte>> args;
    for (const PlanLink& link : links) args.push_back(link.args);
    for (int64_t from = begin; from < end; from += kBlock) {
      const int64_t n = std::min(kBlock, end - from);
      for (size_t i = 0; i < links.size(); ++i) {
        for (const PlanLinkOperand& x : links[i].operands) {
          const char* p = x.scratch >= 0 ? static_cast<const char*>(scratch.data) + x.scratch * piece
                          : x.single     ? x.data
                                         : x.data + from * x.size;
          std::memcpy(args[i].data() + x.offset, &p, sizeof p);
        }
        std::memcpy(args[i].data() + links[i].count_offset, &n, sizeof n);
        links[i].kernel.call(links[i].kernel.run, args[i].data(), one_thread);
      }
    }
  }

  void run(const LaunchContext& context) const {
    const int64_t blocks = (count + kBlock - 1) / kBlock;
    const LaunchContext one_thread{1, context.stream};
    host::parallel_for(context, blocks, 4, [&](int64_t begin, int64_t end) {
      run(begin * kBlock, std::min(end * kBlock, count), one_thread);
    });
  }
};

// Below this many elements a step is over on the CPU before a pass could save anything.
constexpr int64_t kLeast = 8192;

// The longest run of links from a step on.
std::vector<PlanLink> read_run(const LinkReader& reader, const std::vector<PlanStep>& steps, size_t from,
                               bool is_program) {
  std::vector<PlanLink> links;
  std::optional<DType> dtype;
  for (size_t i = from; i < steps.size(); ++i) {
    PlanLink link = reader.read(steps[i]);
    if (link.operands.empty() || (!links.empty() && link.count != links[0].count)) break;
    if (is_program ? links.size() == kChainLinks || !joins(link, dtype) : link.count < kLeast) break;
    links.push_back(std::move(link));
  }
  return links;
}

}  // namespace

void chain_steps(std::vector<PlanStep>& steps, const std::vector<PlanBlock>& blocks, const ElementwiseKernels& table) {
  const LinkReader reader(table);
  const bool is_program = table.chain.run != nullptr;
  std::vector<PlanStep> result;
  for (size_t i = 0; i < steps.size();) {
    std::vector<PlanLink> links = read_run(reader, steps, i, is_program);
    int scratches = 0;
    ChainArgs program;
    for (size_t fit = 0; links.size() > 1; links.resize(fit)) {
      scratches = find_scratch(links, steps, i, blocks);
      fit = fitting(links);
      if (is_program && fit == links.size()) fit = make_program(links, program);
      if (fit == links.size()) break;
    }
    if (links.size() < 2) {
      result.push_back(std::move(steps[i++]));
      continue;
    }
    const size_t end = i + links.size();
    PlanStep joined;
    for (size_t k = i; k < end; ++k) {
      if (k > i) joined.label.append(" + ");
      joined.label.append(steps[k].kernel.name);
      joined.where = steps[k].where;
      for (const PlanOperand& x : steps[k].operands)
        if (std::none_of(joined.operands.begin(), joined.operands.end(), [&](auto& o) { return o.block == x.block; }))
          joined.operands.push_back(x);
    }
    if (is_program) {
      joined.kernel = erased(table.chain);
      joined.args.resize(sizeof program);
      std::memcpy(joined.args.data(), &program, sizeof program);
    } else {
      joined.chain = [pass = Pass(std::move(links), scratches)](const LaunchContext& context) { pass.run(context); };
    }
    result.push_back(std::move(joined));
    i = end;
  }
  steps = std::move(result);
}

}  // namespace nn
