// Copies of an operand for the tensor cores of 9.0, which want k adjacent, rows at multiples of 16 bytes, and factors
// that are rounded already: any strides in, rows along k out.
//
// A block moves a tile of 32 x 32 through shared memory, reading along whichever axis is adjacent and writing along k.
// Bound: memory; the operand once in, and once out, or one and a half times in three planes of bfloat16.
#include "cuda/gemm_problem.h"
#include "cuda/half.h"
#include "cuda/primitives.cuh"

namespace nn::cuda {
namespace {

struct PackLaunch {
  PackedOperand to;
  const void* from;
  int64_t row, col;  // of `from`, in elements
  int64_t tiles_k;
  bool along_k;  // lanes read along k
};

// What each element becomes.
struct Rounded {  // float32 as TF32
  using From = float;
  static __device__ void store(const PackLaunch& launch, int64_t at, float x) {
    static_cast<uint32_t*>(launch.to.data)[at] = to_tf32(x);
  }
};
template <class T>
struct Moved {
  using From = T;
  static __device__ void store(const PackLaunch& launch, int64_t at, T x) { static_cast<T*>(launch.to.data)[at] = x; }
};
struct Planes {  // float32 as the sum of three bfloat16, one plane of rows after another
  using From = float;
  static __device__ void store(const PackLaunch& launch, int64_t at, float x) {
    auto* const out = static_cast<bfloat16*>(launch.to.data);
    const int64_t plane = launch.to.rows * launch.to.pitch;
    for (int i = 0; i < 3; ++i) {
      const bfloat16 part(x);
      out[i * plane + at] = part;
      // What is left of an infinity, or of a float that rounded to one, is no number, and of NaN: nothing to add.
      const float rest = x - static_cast<float>(part);
      x = rest - rest == 0 ? rest : 0.0f;
    }
  }
};

template <class Kind>
__global__ void __launch_bounds__(256) pack_kernel(const __grid_constant__ PackLaunch launch) {
  using T = typename Kind::From;
  NN_SHARED(T, tile, [32][33]);
  const int64_t rows = launch.to.rows, K = launch.to.cols;
  const int64_t row0 = blockIdx.x / launch.tiles_k * 32, k0 = blockIdx.x % launch.tiles_k * 32;
  const int lane = threadIdx.x % 32;
  for (int i = threadIdx.x / 32; i < 32; i += 8) {
    const int row = launch.along_k ? i : lane, k = launch.along_k ? lane : i;
    if (row0 + row < rows && k0 + k < K)
      tile[row][k] = static_cast<const T*>(launch.from)[(row0 + row) * launch.row + (k0 + k) * launch.col];
  }
  __syncthreads();
  for (int i = threadIdx.x / 32; i < 32; i += 8)
    if (row0 + i < rows && k0 + lane < K) Kind::store(launch, (row0 + i) * launch.to.pitch + k0 + lane, tile[i][lane]);
}

}  // namespace

void pack(const PackedOperand& to, PackKind kind, const void* from, int64_t row, int64_t col,
          const LaunchContext& ctx) {
  PackLaunch launch{to, from, row, col, ceil_div(to.cols, int64_t{32}), row != 1 || col == 1};
  const int64_t blocks = ceil_div(to.rows, int64_t{32}) * launch.tiles_k;
  const dim3 grid(static_cast<unsigned>(blocks));
  switch (kind) {
    case PackKind::tf32:
      NN_LAUNCH(pack_kernel<Rounded>, grid, 256, 0, ctx, launch);
      return;
    case PackKind::move16:
      NN_LAUNCH(pack_kernel<Moved<uint16_t>>, grid, 256, 0, ctx, launch);
      return;
    case PackKind::planes:
      NN_LAUNCH(pack_kernel<Planes>, grid, 256, 0, ctx, launch);
      return;
  }
}

}  // namespace nn::cuda
