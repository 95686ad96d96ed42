// Partial sums of float32 normalisations, which norm.cu joins: what they are of, and how they are cut (norm_sums.cu).
#pragma once

#include "cuda/norm_rows.cuh"

namespace nn::cuda {

enum class Summed {
  moments,   // of groups: x - first element, and its square
  groups,    // of groups: gy, and gy (x - mean); with groups of a sample, of gy weight
  channels,  // of channels, with groups of a sample: gy, and gy (x - mean) r
};

// A chunk is `chunk` of the `units` of an output, and a unit is a piece of one of its rows.
struct NormSums {
  NormRows of;
  Divisor outputs, K;
  int64_t apart, step;  // from output to output, and from row to row of one
  int64_t units = 0, chunk = 0, chunks = 0;
  const Standard<float>* groups = nullptr;  // where the sums are of channels
  Pair* parts = nullptr;                    // [chunks, outputs]
};

// Without `parts` and `groups`.
NormSums plan_sums(const NormArgs& args, Summed what);
void sum_rows(const NormSums& sums, Summed what, const LaunchContext& ctx);

}  // namespace nn::cuda
