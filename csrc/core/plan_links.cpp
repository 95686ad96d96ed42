#include "core/plan_links.h"

#include <algorithm>
#include <cstring>
#include <set>

#include "core/dtype_info.h"
#include "ops/op_info.h"

namespace nn {
namespace {

template <class Args>
void (*run_of(const Kernel<Args>& kernel))() {
  return reinterpret_cast<void (*)()>(kernel.run);
}

// The operands of a loop of `args`, whose elements have these dtypes; operand `number` is one.
template <class Args, size_t N>
void read_loop(PlanLink& link, const Args& args, const DType (&dtypes)[N], int number) {
  const auto& loop = args.loop;
  const bool alone = loop.shape[0] == 1;  // whose strides say nothing
  if (loop.ndim != 1 || loop.shape[0] == 0 || (loop.stride[0][0] != 1 && !alone)) return;
  const size_t at = reinterpret_cast<const std::byte*>(&loop) - reinterpret_cast<const std::byte*>(&args);
  std::vector<PlanLinkOperand> operands;
  for (int i = 0; i < static_cast<int>(N); ++i) {
    link.program.operand[std::max(i, 1) - 1].slot = -1;
    if (number != 0 && i == number) continue;
    const int64_t stride = loop.stride[i][0];
    if (stride != 1 && stride != 0) return;
    const size_t offset = at + offsetof(StridedLoop<N>, data) + i * sizeof(void*);
    operands.push_back({i, offset, static_cast<const char*>(loop.data[i]), dtypes[i],
                        static_cast<int64_t>(itemsize(dtypes[i])), stride == 0 && !alone});
  }
  link.count = loop.shape[0];
  link.count_offset = at + offsetof(StridedLoop<N>, shape);
  link.operands = std::move(operands);
}

// In what a chain computes with this dtype.
DType computed(DType dtype) { return is_half(dtype) ? DType::float32 : dtype; }

// Booleans are 0 and 1 in any dtype, where their bits are what their truth is.
std::optional<int> logical(int op) {
  static const std::map<std::string, std::string> twins = {
      {"bitwise_and", "logical_and"}, {"bitwise_or", "logical_or"}, {"bitwise_xor", "logical_xor"}};
  const auto& ops = binary_ops();
  if (ops[op].predicate) return op;
  const auto twin = twins.find(ops[op].name);
  if (twin == twins.end()) return std::nullopt;
  return static_cast<int>(std::find_if(ops.begin(), ops.end(), [&](auto& o) { return o.name == twin->second; }) -
                          ops.begin());
}

void describe(PlanLink& link, ChainKind kind, int op, DType result, std::optional<DType> dtype) {
  link.program.kind = kind;
  link.program.op = static_cast<int16_t>(op);
  link.program.slot = -1;
  link.program.dtype = result;
  link.dtype = dtype;
  link.is_program = true;
}

void describe_binary(PlanLink& link, const BinaryArgs& a, int op) {
  const bool predicate = binary_ops()[op].predicate;
  for (ChainOperand& x : link.program.operand) x.real = a.real, x.integer = a.integer;
  const DType result = predicate ? DType::boolean : a.dtype;
  const std::optional<int> twin = a.dtype == DType::boolean ? logical(op) : std::nullopt;
  if (twin)
    describe(link, ChainKind::binary, *twin, DType::boolean, std::nullopt);
  else
    describe(link, ChainKind::binary, op, result, computed(a.dtype));
  if (twin && a.number != 0) link.is_program = false;  // a number of no certain dtype
}

// Conversions among what memory of one chain may hold.
void describe_cast(PlanLink& link, DType from, DType to) {
  const auto floats = [](DType dtype) { return computed(dtype) == DType::float32; };
  if (from == to && is_half(to)) return;  // on the way through float32 the bits of a NaN could change
  if (from == to || to == DType::boolean)
    describe(link, ChainKind::cast, 0, to, from == DType::boolean ? std::nullopt : std::optional(computed(from)));
  else if (from == DType::boolean)
    describe(link, ChainKind::cast, 0, to, computed(to));
  else if (floats(to) && (floats(from) || from == DType::uint8))
    describe(link, ChainKind::cast, 0, to, DType::float32);
}

}  // namespace

LinkReader::LinkReader(const ElementwiseKernels& e)
    : cast_(run_of(e.cast)), where_(run_of(e.where)), fill_(run_of(e.fill)) {
  for (size_t i = 0; i < unary_ops().size(); ++i) {
    unary_[run_of(e.unary[i])] = static_cast<int>(i);
    if (e.unary_backward[i].run != nullptr) backward_[run_of(e.unary_backward[i])] = static_cast<int>(i);
  }
  for (size_t i = 0; i < binary_ops().size(); ++i) binary_[run_of(e.binary[i])] = static_cast<int>(i);
}

PlanLink LinkReader::read(const PlanStep& step) const {
  PlanLink link;
  link.kernel = step.kernel;
  link.args = step.args;
  const auto run = step.kernel.run;
  const std::byte* const args = step.args.data();
  const auto params = [&](const double* from) { std::copy_n(from, kUnaryParams, link.program.params); };
  if (run == nullptr || step.table != nullptr) return link;
  if (const auto unary = unary_.find(run); unary != unary_.end()) {
    const auto& a = *reinterpret_cast<const UnaryArgs*>(args);
    read_loop(link, a, {a.dtype, a.dtype}, 0);
    describe(link, ChainKind::unary, unary->second, a.dtype, computed(a.dtype));
    params(a.params);
  } else if (const auto backward = backward_.find(run); backward != backward_.end()) {
    const auto& a = *reinterpret_cast<const UnaryBackwardArgs*>(args);
    read_loop(link, a, {a.dtype, a.dtype, a.dtype}, 0);
    describe(link, ChainKind::unary_backward, backward->second, a.dtype, computed(a.dtype));
    params(a.params);
  } else if (const auto binary = binary_.find(run); binary != binary_.end()) {
    const auto& a = *reinterpret_cast<const BinaryArgs*>(args);
    const DType result = binary_ops()[binary->second].predicate ? DType::boolean : a.dtype;
    read_loop(link, a, {result, a.dtype, a.dtype}, a.number);
    describe_binary(link, a, binary->second);
  } else if (run == cast_) {
    const auto& a = *reinterpret_cast<const CastArgs*>(args);
    read_loop(link, a, {a.to, a.from}, 0);
    describe_cast(link, a.from, a.to);
  } else if (run == where_) {
    const auto& a = *reinterpret_cast<const WhereArgs*>(args);
    read_loop(link, a, {a.dtype, DType::boolean, a.dtype, a.dtype}, 0);
    describe(link, ChainKind::where, 0, a.dtype,
             a.dtype == DType::boolean ? std::nullopt : std::optional(computed(a.dtype)));
    link.is_program = !is_half(a.dtype);  // as with copies
  } else if (run == fill_) {
    const auto& a = *reinterpret_cast<const FillArgs*>(args);
    read_loop(link, a, {a.dtype}, 0);
    describe(link, ChainKind::cast, 0, a.dtype, computed(a.dtype));
    link.program.operand[0] = {nullptr, computed(a.dtype), -1, false, a.real, a.integer};
  }
  return link;
}

namespace {

struct Range {
  const char *begin, *end;
  bool overlaps(const Range& r) const { return begin < r.end && r.begin < end; }
};

Range range_of(const PlanLinkOperand& x, int64_t count) { return {x.data, x.data + x.size * (x.single ? 1 : count)}; }

// Whether it matters which of the two links is through with its elements first.
bool collide(const PlanLinkOperand& x, const PlanLinkOperand& y, int64_t count) {
  if (!x.written() && !y.written()) return false;
  const bool same = x.data == y.data && x.size == y.size && !x.single && !y.single;
  return !same && range_of(x, count).overlaps(range_of(y, count));
}

}  // namespace

size_t fitting(std::vector<PlanLink>& links) {
  for (size_t l = 0; l < links.size(); ++l)
    for (size_t before = 0; before < l; ++before)
      for (PlanLinkOperand& x : links[l].operands)
        for (PlanLinkOperand& y : links[before].operands) {
          if (!collide(x, y, links[l].count)) continue;
          if (x.scratch < 0 && y.scratch < 0) return l;
          for (PlanLinkOperand* operand : {&x, &y}) operand->pinned = operand->scratch >= 0;
        }
  return links.size();
}

int find_scratch(std::vector<PlanLink>& links, const std::vector<PlanStep>& steps, size_t from,
                 const std::vector<PlanBlock>& blocks) {
  const size_t to = from + links.size();
  for (PlanLink& link : links)
    for (PlanLinkOperand& x : link.operands) x.scratch = -1, x.pinned = false;
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
      std::vector<PlanLinkOperand*> uses;
      bool whole = true;  // each use begins where the block does
      for (size_t k = i; k < to; ++k)
        for (const PlanOperand& o : steps[k].operands)
          if (o.block == x.block)
            for (PlanLinkOperand& operand : links[k - from].operands)
              if (b.data <= operand.data && operand.data < b.data + b.bytes) {
                uses.push_back(&operand);
                whole = whole && operand.data == b.data;
              }
      const bool plain =
          whole && !uses.empty() && uses[0]->written() && std::none_of(uses.begin(), uses.end(), [&](auto* u) {
            return u->single || u->dtype != uses[0]->dtype || u->scratch >= 0;
          });
      // The first link must not read what it writes: there would be nothing in the working memory yet.
      const auto& first = links[i - from].operands;
      const auto named = std::count_if(first.begin(), first.end(), [&](auto& o) { return o.data == b.data; });
      if (!plain || named != 1) continue;
      for (PlanLinkOperand* use : uses) use->scratch = used;
      ++used;
    }
  return used;
}

}  // namespace nn
