// Links of a plan as the program of a chain (core/kernels/chain.h).
#pragma once

#include <optional>
#include <vector>

#include "core/plan_links.h"

namespace nn {

// Whether a program that computes in `dtype` (none: in any) can have the link; its dtype is then the link's too.
bool joins(const PlanLink& link, std::optional<DType>& dtype);

// Makes the program of links that fit together. Results stay in registers as long as later links need them and there is
// room; they reach memory where they are no scratch, or where they had to make room, which what is pinned cannot.
// Returns how many links there was room for; the program is whole where that is all.
size_t make_program(const std::vector<PlanLink>& links, ChainArgs& args);

}  // namespace nn
