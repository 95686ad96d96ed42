// Contract of chains: elementwise operations in a row as one pass over memory, for devices on which a launch and a way
// to memory cost more than the reading of a program.
#pragma once

#include "core/kernels/kernel.h"

namespace nn {

inline constexpr int kChainLinks = 16;    // of one chain, at most
inline constexpr int kChainOperands = 3;  // of one link
inline constexpr int kChainSlots = 4;     // results that are kept for later links
inline constexpr int kChainParams = 3;

// What a link reads: `slot` where it is not negative, else memory, else a number. Memory holds adjacent elements, or
// one for all places (`single`), of the chain's dtype, or boolean; where that is float32, of float16, bfloat16 or uint8
// too.
struct ChainOperand {
  const void* data;  // null: the number, `real` for floating dtypes
  DType dtype;
  int16_t slot;
  bool single;
  double real;
  int64_t integer;
};

// cast gives operand 0 itself; where is operand 0 != 0 ? operand 1 : operand 2; the others are operations of the lists
// in csrc/math/elementwise.h.
enum class ChainKind : int16_t { unary, unary_backward, binary, cast, where };

// The result is rounded to `dtype`, which is one that an operand may have (x != 0 for boolean), kept in
// `slot` where that is not negative, and written to `data` where that is not null. Memory that one link writes and
// another one reads or writes is the same, element by element.
struct ChainLink {
  ChainKind kind;
  int16_t op;  // its place in the list
  int16_t slot;
  DType dtype;
  void* data;
  ChainOperand operand[kChainOperands];
  double params[kChainParams];
};

struct ChainArgs {
  int64_t count;  // of elements, at each link
  DType dtype;    // in which all is computed: not float16 nor bfloat16
  int32_t links;
  ChainLink link[kChainLinks];
};

}  // namespace nn
