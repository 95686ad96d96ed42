// What the files of the normalisations on CUDA share.
#pragma once

#include "core/kernels/norm.h"

namespace nn::cuda {

struct Pair;

// Of float32 (norm_rows.cu), x not empty. given: mean and var are there; otherwise the rows find them, as they may if
// they are taken whole. sums: backward, of each group, of gy weight and of gy weight (x - mean); null if they are to be
// found likewise, and where statistics are fixed. parts: for the sums of gy and of gy (x - mean) r over each of the N *
// C channels of samples, where rows leave them, or null.
bool takes_whole_rows(const NormArgs& args);
bool leaves_parts(const NormArgs& args);
void normalise_rows(const NormArgs& args, bool given, const LaunchContext& ctx);
void normalise_rows_backward(const NormArgs& args, const Pair* sums, Pair* parts, const LaunchContext& ctx);

void local_response(const LocalResponseArgs& args, const LaunchContext& ctx);
void local_response_backward(const LocalResponseArgs& args, const LaunchContext& ctx);

}  // namespace nn::cuda
