#include "core/plan_chain.h"

#include <algorithm>
#include <cstring>
#include <set>
#include <string>

#include "core/dtype_info.h"
#include "core/kernel_table.h"
#include "core/parallel.h"
#include "core/scratch.h"
#include "ops/op_info.h"

namespace nn {
namespace {

constexpr int kMaxOperands = 4;

// An operand of a link: elements of `size` bytes, one after the other, or a single one for all places.
struct Operand {
  size_t offset;  // in the arguments, of the pointer
  const char* data;
  int64_t size;
  bool single, written;
  int scratch;  // which piece of working memory takes its place, or -1
};

// One of the joined steps: its arguments, in which the pointers and the count are set for each block of elements.
struct Link {
  ErasedKernel kernel;
  std::vector<std::byte> args;
  size_t count_offset;
  std::vector<Operand> operands;
};

struct Chain {
  std::vector<Link> links;
  int64_t count;
  int scratches;
  int64_t widest;  // bytes of an element of the working memory

  // Elements for a block: few enough that what a block touches stays in the second-level cache, and a multiple of every
  // vector's length, so that kernels see the same full vectors as in one piece.
  int64_t block() const { return 4096; }

  void run(int64_t begin, int64_t end, const LaunchContext& one_thread) const {
    const int64_t piece = block() * widest;
    const Scratch scratch(static_cast<size_t>(std::max<int64_t>(1, piece * scratches)));
    std::vector<std::vector<std::byte>> args;
    for (const Link& link : links) args.push_back(link.args);
    for (int64_t from = begin; from < end; from += block()) {
      const int64_t n = std::min(block(), end - from);
      for (size_t i = 0; i < links.size(); ++i) {
        for (const Operand& x : links[i].operands) {
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
};

void run_chain(const Chain& chain, const LaunchContext& context) {
  const int64_t blocks = (chain.count + chain.block() - 1) / chain.block();
  const LaunchContext one_thread{1, context.stream};
  host::parallel_for(context, blocks, 4, [&](int64_t begin, int64_t end) {
    chain.run(begin * chain.block(), std::min(end * chain.block(), chain.count), one_thread);
  });
}

// Reads the arguments of an elementwise step.
class Reader {
 public:
  Reader() {
    const ElementwiseKernels& e = kernels(Device{}).elementwise;
    for (size_t i = 0; i < unary_ops().size(); ++i) {
      unary_.insert(reinterpret_cast<void (*)()>(e.unary[i].run));
      unary_backward_.insert(reinterpret_cast<void (*)()>(e.unary_backward[i].run));
    }
    for (size_t i = 0; i < binary_ops().size(); ++i) {
      const auto run = reinterpret_cast<void (*)()>(e.binary[i].run);
      (binary_ops()[i].predicate ? predicates_ : binary_).insert(run);
    }
    cast_ = reinterpret_cast<void (*)()>(e.cast.run);
    where_ = reinterpret_cast<void (*)()>(e.where.run);
  }

  // The step as a link, where it walks over adjacent elements; else one without operands.
  Link read(const PlanStep& step, int64_t& count) const {
    Link link{step.kernel, step.args, 0, {}};
    const auto run = step.kernel.run;
    const std::byte* const args = step.args.data();
    const auto all = [&](auto& a, std::initializer_list<DType> dtypes, int number = 0) {
      add(link, a.loop, reinterpret_cast<const std::byte*>(&a.loop) - args, dtypes, number, count);
    };
    if (unary_.contains(run)) {
      auto& a = *reinterpret_cast<const UnaryArgs*>(args);
      all(a, {a.dtype, a.dtype});
    } else if (run != nullptr && unary_backward_.contains(run)) {
      auto& a = *reinterpret_cast<const UnaryBackwardArgs*>(args);
      all(a, {a.dtype, a.dtype, a.dtype});
    } else if (binary_.contains(run)) {
      auto& a = *reinterpret_cast<const BinaryArgs*>(args);
      all(a, {a.dtype, a.dtype, a.dtype}, a.number);
    } else if (predicates_.contains(run)) {
      auto& a = *reinterpret_cast<const BinaryArgs*>(args);
      all(a, {DType::boolean, a.dtype, a.dtype}, a.number);
    } else if (run != nullptr && run == cast_) {
      auto& a = *reinterpret_cast<const CastArgs*>(args);
      all(a, {a.to, a.from});
    } else if (run != nullptr && run == where_) {
      auto& a = *reinterpret_cast<const WhereArgs*>(args);
      all(a, {a.dtype, DType::boolean, a.dtype, a.dtype});
    }
    return link;
  }

 private:
  template <int N>
  static void add(Link& link, const StridedLoop<N>& loop, size_t loop_offset, std::initializer_list<DType> dtypes,
                  int number, int64_t& count) {
    if (loop.ndim != 1 || loop.stride[0][0] != 1) return;
    std::vector<Operand> operands;
    for (int i = 0; i < N; ++i) {
      if (number != 0 && i == number) continue;
      const int64_t stride = loop.stride[i][0];
      if (stride != 1 && stride != 0) return;
      const size_t offset = loop_offset + offsetof(StridedLoop<N>, data) + i * sizeof(void*);
      const auto size = static_cast<int64_t>(itemsize(dtypes.begin()[i]));
      operands.push_back({offset, static_cast<const char*>(loop.data[i]), size, stride == 0, i == 0, -1});
    }
    count = loop.shape[0];
    link.count_offset = loop_offset + offsetof(StridedLoop<N>, shape);
    link.operands = std::move(operands);
  }

  std::set<void (*)()> unary_, unary_backward_, binary_, predicates_;
  void (*cast_)();
  void (*where_)();
};

struct Range {
  const char *begin, *end;
  bool overlaps(const Range& r) const { return begin < r.end && r.begin < end; }
};

Range range_of(const Operand& x, int64_t count) { return {x.data, x.data + x.size * (x.single ? 1 : count)}; }

// Whether a link can go through a block before the links before it have gone through the next ones: memory that one of
// the two writes is the same element by element, or not shared.
bool fits(const Link& link, const std::vector<Link>& before, int64_t count) {
  for (const Operand& x : link.operands)
    for (const Link& other : before)
      for (const Operand& y : other.operands) {
        if (!x.written && !y.written) continue;
        const bool same = x.data == y.data && x.size == y.size && !x.single && !y.single;
        if (!same && range_of(x, count).overlaps(range_of(y, count))) return false;
      }
  return true;
}

// Gives working memory to the arrays of steps [from, to) that nothing else touches and that the run itself writes
// first.
int use_scratch(Chain& chain, const std::vector<PlanStep>& steps, size_t from, size_t to,
                const std::vector<PlanBlock>& blocks) {
  std::set<int> elsewhere;
  for (size_t i = 0; i < steps.size(); ++i)
    if (i < from || i >= to)
      for (const PlanOperand& x : steps[i].operands) elsewhere.insert(x.block);
  int used = 0;
  for (size_t i = from; i < to; ++i)
    for (const PlanOperand& x : steps[i].operands) {
      const PlanBlock& b = blocks[x.block];
      if (b.external || b.died == PlanBlock::kAlive || elsewhere.contains(x.block)) continue;
      elsewhere.insert(x.block);  // done once
      std::vector<Operand*> uses;
      bool whole = true;  // each use begins where the block does
      for (size_t k = i; k < to; ++k)
        for (const PlanOperand& o : steps[k].operands)
          if (o.block == x.block)
            for (Operand& operand : chain.links[k - from].operands)
              if (b.data <= operand.data && operand.data < b.data + b.bytes) {
                uses.push_back(&operand);
                whole = whole && operand.data == b.data;
              }
      const bool plain =
          whole && !uses.empty() && uses[0]->written && std::none_of(uses.begin(), uses.end(), [&](Operand* u) {
            return u->single || u->size != uses[0]->size || u->scratch >= 0;
          });
      // The first link must not read what it writes: there would be nothing in the working memory yet.
      const auto& first = chain.links[i - from].operands;
      const auto named = std::count_if(first.begin(), first.end(), [&](const Operand& o) { return o.data == b.data; });
      if (!plain || named != 1) continue;
      for (Operand* use : uses) use->scratch = used;
      chain.widest = std::max(chain.widest, uses[0]->size);
      ++used;
    }
  return used;
}

// Below this many elements a step is over before a pass could save anything.
constexpr int64_t kLeast = 8192;

}  // namespace

void chain_steps(std::vector<PlanStep>& steps, const std::vector<PlanBlock>& blocks) {
  const Reader reader;
  std::vector<PlanStep> result;
  for (size_t i = 0; i < steps.size();) {
    Chain chain{{}, 0, 0, 1};
    size_t end = i;
    for (; end < steps.size(); ++end) {
      int64_t count = 0;
      Link link = reader.read(steps[end], count);
      if (link.operands.empty() || count < kLeast || (end > i && count != chain.count)) break;
      if (!fits(link, chain.links, count)) break;
      chain.count = count;
      chain.links.push_back(std::move(link));
    }
    if (end - i < 2) {
      result.push_back(std::move(steps[i++]));
      continue;
    }
    chain.scratches = use_scratch(chain, steps, i, end, blocks);
    PlanStep joined;
    for (size_t k = i; k < end; ++k) {
      if (k > i) joined.label.append(" + ");
      joined.label.append(steps[k].kernel.name);
      joined.where = steps[k].where;
      for (const PlanOperand& x : steps[k].operands)
        if (std::none_of(joined.operands.begin(), joined.operands.end(), [&](auto& o) { return o.block == x.block; }))
          joined.operands.push_back(x);
    }
    joined.chain = [chain = std::move(chain)](const LaunchContext& context) { run_chain(chain, context); };
    result.push_back(std::move(joined));
    i = end;
  }
  steps = std::move(result);
}

}  // namespace nn
