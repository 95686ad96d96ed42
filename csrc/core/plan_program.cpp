#include "core/plan_program.h"

namespace nn {
namespace {

// What becomes of a link's result.
struct Value {
  const PlanLinkOperand* operand;
  std::vector<int> readers;  // links, in order
  bool stored;               // in memory
  int slot = -1;

  int next_reader(int after) const {
    for (const int reader : readers)
      if (reader > after) return reader;
    return -1;
  }
};

const PlanLinkOperand& result_of(const PlanLink& link) { return link.operands[0]; }

// The link before `before` that wrote last what the operand reads, or -1.
int writer_of(const std::vector<PlanLink>& links, const PlanLinkOperand& x, int before) {
  for (int l = before - 1; l >= 0; --l)
    if (result_of(links[l]).data == x.data) return l;
  return -1;
}

std::vector<Value> values_of(const std::vector<PlanLink>& links) {
  std::vector<Value> values;
  for (const PlanLink& link : links) values.push_back({&result_of(link), {}, result_of(link).scratch < 0});
  const int count = static_cast<int>(links.size());
  for (int l = 0; l < count; ++l)  // what is written over need not be written
    if (const int writer = writer_of(links, result_of(links[l]), l); writer >= 0) values[writer].stored = false;
  for (int l = 0; l < count; ++l)
    for (const PlanLinkOperand& x : links[l].operands)
      if (const int writer = x.written() ? -1 : writer_of(links, x, l); writer >= 0) {
        if (result_of(links[writer]).dtype == x.dtype)
          values[writer].readers.push_back(l);
        else
          values[writer].stored = true;  // seen as another dtype
      }
  return values;
}

}  // namespace

bool joins(const PlanLink& link, std::optional<DType>& dtype) {
  if (!link.is_program || (link.dtype && dtype && *link.dtype != *dtype)) return false;
  if (link.dtype) dtype = link.dtype;
  return true;
}

size_t make_program(const std::vector<PlanLink>& links, ChainArgs& args) {
  args = {};
  std::optional<DType> dtype;
  for (const PlanLink& link : links) joins(link, dtype);
  args.count = links[0].count;
  args.dtype = dtype.value_or(DType::boolean);
  args.links = static_cast<int32_t>(links.size());
  std::vector<Value> values = values_of(links);
  int kept[kChainSlots];  // whose result a slot has, or -1
  std::fill_n(kept, kChainSlots, -1);
  for (int l = 0; l < args.links; ++l) {
    ChainLink& link = args.link[l] = links[l].program;
    for (const PlanLinkOperand& x : links[l].operands) {
      if (x.written()) continue;
      ChainOperand& operand = link.operand[x.place - 1];
      operand.dtype = x.dtype;
      operand.single = x.single;
      const int writer = writer_of(links, x, l);
      if (writer >= 0 && values[writer].slot >= 0 && result_of(links[writer]).dtype == x.dtype)
        operand.slot = static_cast<int16_t>(values[writer].slot);
      else
        operand.data = x.data;
    }
    for (int& value : kept)
      if (value >= 0 && values[value].next_reader(l) < 0) value = -1;
    if (values[l].readers.empty()) continue;
    // A free slot, or that of the result that is needed last, this one among them.
    int free = -1, victim = -1, last = values[l].operand->pinned ? -1 : values[l].next_reader(l);
    for (int s = 0; s < kChainSlots; ++s) {
      if (kept[s] < 0)
        free = s;
      else if (!values[kept[s]].operand->pinned && values[kept[s]].next_reader(l) > last)
        victim = s, last = values[kept[s]].next_reader(l);
    }
    if (free < 0 && victim < 0 && values[l].operand->pinned) return static_cast<size_t>(l);
    if (free < 0) {
      Value& loser = victim < 0 ? values[l] : values[kept[victim]];
      loser.stored = true, loser.slot = -1;
      if (victim < 0) continue;
    }
    const int slot = free >= 0 ? free : victim;
    kept[slot] = l;
    values[l].slot = slot;
    link.slot = static_cast<int16_t>(slot);
  }
  for (int l = 0; l < args.links; ++l)
    if (values[l].stored) args.link[l].data = const_cast<char*>(values[l].operand->data);
  return links.size();
}

}  // namespace nn
