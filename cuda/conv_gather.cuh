// What the tiled convolutions share: which tile a block computes, and how slabs are gathered.
#pragma once

#include "cuda/conv_kernels.h"
#include "cuda/gemm_problem.h"
#include "cuda/primitives.cuh"

namespace nn::cuda {

struct ConvLaunch {
  ConvProblem p;
  const ConvEntry* k_entries;
  int64_t k_period;  // entries in the table; further ones differ by the outer strides of the axis
  void* partial;     // [parts, groups, M, N], or null
  int64_t tile_rows, tile_cols, work, k_size;
  int parts;
};

// What a block works on.
struct ConvWork {
  int64_t m, n, group, part, k_begin;
  int64_t outer;  // k_begin over the period of the table, and what is left of it
  uint32_t rest;
  int depth;
};

template <int kM, int kN>
__device__ __forceinline__ ConvWork conv_work(const ConvLaunch& launch, int64_t work) {
  const int64_t tiles = launch.tile_rows * launch.tile_cols, part = work / tiles % launch.parts;
  const MatrixPlace tile = tile_place(work % tiles, launch.tile_rows, launch.tile_cols);
  const int64_t begin = part * launch.k_size, left = launch.p.K - begin;
  const int64_t outer = launch.k_period > 0 ? begin / launch.k_period : 0;
  return {tile.row * kM,
          tile.col * kN,
          work / tiles / launch.parts,
          part,
          begin,
          outer,
          static_cast<uint32_t>(begin - outer * launch.k_period),
          static_cast<int>(left < launch.k_size ? left : launch.k_size)};
}

// The entry of the k that lies `offset` behind the block's first. kImages: k runs over images (p.reduces), and the
// table has the entries of one. A period has less than 2^31 entries, a part of K at most 2^30: 32 bits are enough.
template <bool kImages>
__device__ __forceinline__ ConvEntry k_entry(const ConvLaunch& launch, const ConvWork& work, int offset) {
  if constexpr (!kImages) return launch.k_entries[work.k_begin + offset];
  const uint32_t at = work.rest + static_cast<uint32_t>(offset), period = static_cast<uint32_t>(launch.k_period);
  ConvEntry e = launch.k_entries[at % period];
  e.gathered += (work.outer + at / period) * launch.p.k.outer;
  e.other += (work.outer + at / period) * launch.p.k.other_outer;
  return e;
}

// Starts the copies of a slab of A, kExtent rows by kK, which lies along k. to(row, k) is where an element goes; `k` is
// the entry of this thread's k, and k_inside whether there is one.
template <class T, int kExtent, int kK, int kThreads, class To>
__device__ __forceinline__ void copy_a(const ConvProblem& p, const T* a, int64_t rows, const ConvEntry& k,
                                       bool k_inside, const To& to) {
  const CopyPlan plan = single_copies(threadIdx.x, kThreads, kExtent, kK, true);
  const T* from = a + plan.row * p.a_row + k.other;
#pragma unroll
  for (int i = 0; i < kExtent * kK / kThreads; ++i) {
    const int row = plan.row + i * plan.row_step;
    copy_async<sizeof(T)>(to(row, plan.k), from, k_inside && row < rows ? sizeof(T) : 0);
    from += plan.row_step * p.a_row;
  }
}

// The same of B, gathered. `k` is the entry of this thread's k where lanes go along k, and not used otherwise.
template <class T, int kExtent, int kK, int kThreads, bool kAlongK, class To>
__device__ __forceinline__ void copy_b(const ConvLaunch& launch, const T* b, const ConvEntry* n_entries, int columns,
                                       int64_t k_first, int k_left, const ConvEntry& k, const To& to) {
  const CopyPlan plan = single_copies(threadIdx.x, kThreads, kExtent, kK, kAlongK);
#pragma unroll
  for (int i = 0; i < kExtent * kK / kThreads; ++i) {
    const int row = plan.row + i * plan.row_step, depth = plan.k + i * plan.k_step;
    int64_t offset = 0;
    bool valid = false;
    if (row < columns && depth < k_left) {
      const ConvEntry n = n_entries[row];
      const ConvEntry at = kAlongK ? k : launch.k_entries[k_first + depth];
      valid = inside(n, at, launch.p.bound);
      offset = n.gathered + at.gathered;
    }
    copy_async<sizeof(T)>(to(row, depth), b + offset, valid ? sizeof(T) : 0);
  }
}

// Starts the copies of slab number `slab` of both.
template <class T, int kM, int kN, int kK, int kThreads, bool kAlongK, class ToA, class ToB>
__device__ __forceinline__ void copy_slabs(const ConvLaunch& launch, const ConvWork& work, const ConvEntry* n_entries,
                                           int columns, int slab, const ToA& to_a, const ToB& to_b) {
  const ConvProblem& p = launch.p;
  const T* const a = static_cast<const T*>(p.a) + work.group * p.a_group + work.m * p.a_row;
  const T* const b = static_cast<const T*>(p.b) + work.group * p.b_group;
  const int first = slab * kK, own = first + single_copies(threadIdx.x, kThreads, kM, kK, true).k;
  ConvEntry k{};
  if (own < work.depth) k = k_entry<kAlongK>(launch, work, own);
  copy_a<T, kM, kK, kThreads>(p, a, p.M - work.m, k, own < work.depth, to_a);
  copy_b<T, kN, kK, kThreads, kAlongK>(launch, b, n_entries, columns, work.k_begin + first, work.depth - first, k,
                                       to_b);
}

// Fills the entries of the tile's columns, and returns how many there are. A barrier must follow.
template <int kN, int kThreads>
__device__ __forceinline__ int fill_columns(const ConvProblem& p, const ConvWork& work, ConvEntry* n_entries) {
  const int columns = static_cast<int>(p.N - work.n < kN ? p.N - work.n : kN);
  for (int i = threadIdx.x; i < columns; i += kThreads) n_entries[i] = describe(p.n, work.n + i);
  return columns;
}

// A launch of tiles with the memory that it needs: the table of entries, and partial sums where K is in parts. T: the
// type of the sums.
template <class T>
class ConvPlan {
 public:
  ConvPlan(const ConvProblem& p, int64_t tile_m, int64_t tile_n, int64_t unit, const LaunchContext& ctx)
      : rows_(ceil_div(p.M, tile_m)),
        cols_(ceil_div(p.N, tile_n)),
        split_(choose_split(p.K, rows_ * cols_ * p.groups, unit)),
        period_(p.reduces ? p.k.extent[0] * p.k.extent[1] * p.k.extent[2] : p.K),
        entries_(static_cast<size_t>(period_) * sizeof(ConvEntry), ctx),
        partial_(split_.count > 1 ? static_cast<size_t>(split_.count * p.groups * p.M * p.N) * sizeof(T) : 0, ctx),
        launch_{p,
                static_cast<const ConvEntry*>(entries_.data),
                period_,
                split_.count > 1 ? partial_.data : nullptr,
                rows_,
                cols_,
                rows_ * cols_ * p.groups * split_.count,
                split_.size,
                split_.count} {
    fill_entries(p.k, period_, static_cast<ConvEntry*>(entries_.data), ctx);
  }

  const ConvLaunch& launch() const { return launch_; }
  dim3 grid() const {
    constexpr int64_t kMost = INT32_MAX;  // of a grid along x
    return dim3(static_cast<unsigned>(launch_.work < kMost ? launch_.work : kMost),
                static_cast<unsigned>(ceil_div(launch_.work, kMost)));
  }

 private:
  const int64_t rows_, cols_;
  const KSplit split_;
  const int64_t period_;
  const Workspace entries_, partial_;
  const ConvLaunch launch_;
};

// Adds the parts of K, where there are several, float32 or float64.
void sum_conv_parts(const ConvLaunch& launch, DType dtype, const LaunchContext& ctx);

}  // namespace nn::cuda
