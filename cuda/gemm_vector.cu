// A matrix times a vector, float32: products of which A has one row, or B one column.
//
// The idea: every element of the matrix is used once, so all that counts is to read it 16 bytes at a time with much on
// its way. Where its rows are adjacent, a team of threads (cuda/teams.cuh) multiplies a row with the vector, which
// comes from the first-level cache. Where its columns are, 32 lanes take 128 rows, the 8 warps of a block every eighth
// column, and their sums are added in shared memory. Parallel: rows, products of a batch, and parts of K where there
// are few rows (choose_split; the parts are added in their order by a second kernel). Bound: memory bandwidth, 4 bytes
// for each multiply-add.
#include "cuda/gemm_finish.cuh"
#include "cuda/gemm_tiles.cuh"
#include "cuda/teams.cuh"

namespace nn::cuda {
namespace {

struct AddFloats {
  __device__ float operator()(float a, float b) const { return a + b; }
};

// Stores the sum of row m, whose place is c.
__device__ __forceinline__ void store(const GemmProblem& p, float* c, int64_t m, float sum) {
  *c = finish<float>(p, sum, p.accumulate ? *c : 0.0f, m, 0);
}

// A team's work is one row of A over one part of K.
template <class Team>
__global__ void __launch_bounds__(kThreads) vector_rows_kernel(const __grid_constant__ TiledLaunch launch, Team team) {
  const GemmProblem& p = launch.p;
  each_row(team, Rows{launch.work, 1, 1}, [&](const Row& r) {
    const BlockWork at = block_work<1, 1>(launch, r.live ? r.index : 0);
    const BatchStrides offset = p.offset(at.product);
    const Row row{r.index, offset.a + at.m * p.a_row + at.k_begin, 1, r.live ? at.depth : 0, r.live};
    const float* const a = static_cast<const float*>(p.a);
    const float* const x = static_cast<const float*>(p.b) + offset.b + at.k_begin * p.b_row;
    float* const c = static_cast<float*>(p.c) + part_offset(launch, at) + offset.c + at.m * p.c_row;
    float sum = 0;
    each_pack_ahead<float, 2>(
        team, row, [&](auto count, int64_t k) { return load_pack<decltype(count)::value>(a + row.at(k), true); },
        [&](auto count, int64_t k, const auto& v) {
#pragma unroll
          for (int i = 0; i < decltype(count)::value; ++i) sum = fmaf(v.at[i], x[(k + i) * p.b_row], sum);
        });
    sum = team.reduce(sum, AddFloats{});
    if (r.live && team.rank() == 0) store(p, c, at.m, sum);
  });
}

// A block's work is kRows rows of A over one part of K.
constexpr int kWidth = 4, kRows = kWarp * kWidth, kWarps = kThreads / kWarp;

__device__ __forceinline__ Pack<float, kWidth> load_rows(const float* from, int64_t left, bool wide) {
  if (wide && left >= kWidth) return *reinterpret_cast<const Pack<float, kWidth>*>(from);
  Pack<float, kWidth> pack{};
#pragma unroll
  for (int i = 0; i < kWidth; ++i)
    if (i < left) pack.at[i] = from[i];
  return pack;
}

__global__ void __launch_bounds__(kThreads)
    vector_columns_kernel(const __grid_constant__ TiledLaunch launch, bool wide) {
  NN_SHARED(float, of_warps, [kWarps][kRows]);
  const GemmProblem& p = launch.p;
  if (block_number() >= launch.work) return;
  const BlockWork at = block_work<kRows, 1>(launch, block_number());
  const BatchStrides offset = p.offset(at.product);
  const int warp = threadIdx.x / kWarp, lane = threadIdx.x % kWarp;
  const int64_t m = at.m + lane * kWidth, left = p.M - m;
  const float* const a = static_cast<const float*>(p.a) + offset.a + m + at.k_begin * p.a_col;
  const float* const x = static_cast<const float*>(p.b) + offset.b + at.k_begin * p.b_row;
  float sums[kWidth] = {};
#pragma unroll 4
  for (int k = warp; k < at.depth; k += kWarps) {
    const Pack<float, kWidth> v = load_rows(a + k * p.a_col, left, wide);
    const float factor = x[k * p.b_row];
#pragma unroll
    for (int i = 0; i < kWidth; ++i) sums[i] = fmaf(v.at[i], factor, sums[i]);
  }
#pragma unroll
  for (int i = 0; i < kWidth; ++i) of_warps[warp][lane * kWidth + i] = sums[i];
  __syncthreads();
  const int row = threadIdx.x;
  if (row >= kRows || at.m + row >= p.M) return;
  float sum = of_warps[0][row];
  for (int i = 1; i < kWarps; ++i) sum += of_warps[i][row];
  float* const c = static_cast<float*>(p.c) + part_offset(launch, at) + offset.c + (at.m + row) * p.c_row;
  store(p, c, at.m + row, sum);
}

}  // namespace

bool gemm_vector(const GemmProblem& given, const LaunchContext& ctx) {
  const GemmProblem p = given.N == 1 ? given : transposed(given);
  const bool rows = p.a_col == 1, columns = p.a_row == 1;
  if (!(rows ? are_aligned(p.a) : columns) || p.K == 0) return false;
  TiledLaunch launch = plan_tiles(p, rows ? 1 : kRows, 1, kWarps);
  const Partial<float> partial(launch, ctx);
  if (rows) {
    with_team<float>(Rows{launch.work, launch.k_size, 1}, [&]<class Team>(const Team& team, unsigned blocks) {
      if constexpr (Team::adjacent) NN_LAUNCH(vector_rows_kernel<Team>, blocks, kThreads, 0, ctx, launch, team);
    });
  } else {
    const bool wide = is_wide(p.a, sizeof(float), kWidth, p.a_col, p, &BatchStrides::a);
    NN_LAUNCH(vector_columns_kernel, tile_grid(launch), kThreads, 0, ctx, launch, wide);
  }
  if (launch.parts > 1) sum_parts(p, GemmType::float32, partial.data(), launch.parts, ctx);
  return true;
}

}  // namespace nn::cuda
