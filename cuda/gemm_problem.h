// One product, or a batch of them, as the CUDA kernels take it: GemmArgs made regular. Plain data, passed by value.
#pragma once

#include "core/kernels/gemm.h"
#include "cuda/gemm_index.h"

namespace nn::cuda {

struct BatchStrides {
  int64_t a, b, c;
};

struct GemmProblem {
  const void *a, *b, *bias;
  void* c;
  int64_t M, N, K;
  int64_t a_row, a_col, b_row, b_col, c_row, c_col;
  int64_t bias_row, bias_col;  // C[m, n] gets bias[m * bias_row + n * bias_col]; one of the two is 0
  int64_t batch_count;
  int batch_ndim;
  int64_t batch_shape[kMaxDims];
  BatchStrides batch[kMaxDims];
  bool relu, accumulate;

  // Where the matrices of product `index` begin, in elements.
  NN_INDEX BatchStrides offset(int64_t index) const {
    BatchStrides at{0, 0, 0};
    for (int d = batch_ndim - 1; d >= 0; --d) {
      const int64_t i = index % batch_shape[d];
      index /= batch_shape[d];
      at.a += i * batch[d].a;
      at.b += i * batch[d].b;
      at.c += i * batch[d].c;
    }
    return at;
  }
};

// The problem of `args`; where the columns of C are adjacent rather than its rows, as C^T = B^T A^T.
GemmProblem make_problem(const GemmArgs& args);
// The same problem as C^T = B^T A^T.
GemmProblem transposed(const GemmProblem& p);

// How K is cut among blocks: `count` parts of `size`, a multiple of `unit`, the last one smaller. It depends on the
// shapes alone, so that the order of every sum does.
struct KSplit {
  int64_t size;
  int count;
};
KSplit choose_split(int64_t K, int64_t tiles, int64_t unit);

// Whether `extent` elements that are adjacent may be copied `width` at a time: `step` is the distance of one such row
// to the next, and the matrices of a batch lie at multiples of the batch strides.
bool is_wide(const void* data, int64_t element_size, int64_t width, int64_t step, const GemmProblem& p,
             int64_t BatchStrides::* stride);

// C, of `type`, from `parts` partial sums [parts, batch, M, N], added in their order. The sums are of that type too, or
// float32 for those of 16 bits.
enum class GemmType { float32, float64, int32, int64, uint8, bfloat16, float16 };
void sum_parts(const GemmProblem& p, GemmType type, const void* partial, int parts, const LaunchContext& ctx);

// An operand, [rows, cols] with cols along K, copied for gemm_sm90: rows of adjacent elements, `pitch` of them, which
// are multiples of 16 bytes; as TF32, as it is (16 bits), or as three planes of bfloat16 that add up to it, one after
// another, [3, rows, pitch].
enum class PackKind { tf32, move16, planes };
struct PackedOperand {
  void* data;
  int64_t rows, cols, pitch;
};
void pack(const PackedOperand& to, PackKind kind, const void* from, int64_t row, int64_t col, const LaunchContext& ctx);

// Ten times the major number of the current device's compute capability, and its minor one; 0 where it is not known.
int compute_capability();
// Whether NNCORE_CUDA_SIMT=1 keeps everything off the tensor cores, for comparison and for the search of a mistake.
bool simt_only();

// The kernels to choose from. Each takes every problem of its types, unless it says otherwise.
void gemm_simt(const GemmProblem& p, GemmType type, const LaunchContext& ctx);
// float32, with a matrix of one column or one row, if the elements of the other lie well: in adjacent rows from a
// multiple of 16 bytes on, or in adjacent columns; false where they do not.
bool gemm_vector(const GemmProblem& p, const LaunchContext& ctx);
// float32 with factors rounded to TF32, bfloat16, float16; from compute capability 8.0 on.
void gemm_mma(const GemmProblem& p, GemmType type, const LaunchContext& ctx);
// The same on compute capability 9.0 alone, for single products with K > 0.
void gemm_sm90(const GemmProblem& p, GemmType type, const LaunchContext& ctx);
// float32 by six products of bfloat16, about as exact as float32 itself; conditions as gemm_sm90.
void gemm_bf16x6(const GemmProblem& p, const LaunchContext& ctx);

}  // namespace nn::cuda
