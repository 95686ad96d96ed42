// Elementwise steps of a plan as links of a chain: what they compute, and the memory that they touch.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "core/kernel_table.h"
#include "core/plan.h"

namespace nn {

// An operand of a link: elements of `dtype`, one after the other, or a single one for all places.
struct PlanLinkOperand {
  int place;      // 0 is the result
  size_t offset;  // in the arguments, of the pointer
  const char* data;
  DType dtype;
  int64_t size;  // of an element
  bool single;
  int scratch = -1;     // which piece of working memory takes its place, or -1
  bool pinned = false;  // scratch whose own memory another array of the run has too

  bool written() const { return place == 0; }
};

// One of the joined steps: its arguments, and where the count is in them.
struct PlanLink {
  ErasedKernel kernel{};
  std::vector<std::byte> args;
  size_t count_offset = 0;
  int64_t count = 0;
  std::vector<PlanLinkOperand> operands;  // numbers are left out

  ChainLink program{};         // what it computes, without its operands' memory
  std::optional<DType> dtype;  // in which, where not in any
  bool is_program = false;     // whether a chain can have it
};

// Reads the arguments of elementwise steps.
class LinkReader {
 public:
  explicit LinkReader(const ElementwiseKernels& kernels);

  // The step as a link, where it walks over adjacent elements; else one without operands.
  PlanLink read(const PlanStep& step) const;

 private:
  using Run = void (*)();
  std::map<Run, int> unary_, backward_, binary_;  // numbers of operations
  Run cast_, where_, fill_;
};

// Finds the arrays of steps [from, from + links.size()) that nothing else touches and that the run itself writes first,
// and numbers them in their operands. Returns how many there are.
int find_scratch(std::vector<PlanLink>& links, const std::vector<PlanStep>& steps, size_t from,
                 const std::vector<PlanBlock>& blocks);

// How many of the links, whose scratch is found, can each go through some elements before the links before it have gone
// through the next ones: memory that one of two links writes is the same element by element, or not shared, or one's
// scratch, which is then pinned.
size_t fitting(std::vector<PlanLink>& links);

}  // namespace nn
