// The coordinates of the elements that are not 0.
//
// The idea: blocks count what they find in 2048 elements each, one block makes running totals of the counts, and the
// blocks look again and write their finds where the totals say. Bytes moved: x twice, each find's coordinates once.
#include "core/kernels/index.h"
#include "cuda/block.cuh"
#include "cuda/loops.cuh"

namespace nn::cuda {

void nonzero(const NonzeroArgs& args, const LaunchContext& ctx);

namespace {

constexpr int kPart = 8 * kThreads;  // elements of a block
constexpr int kWarps = kThreads / kWarp;

// How many of the block's threads before this one say yes; all of them in `total`. All threads take part.
__device__ __forceinline__ int rank_in_block(bool yes, int (&of_warp)[kWarps], int& total) {
  const int lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp;
  const unsigned votes = __ballot_sync(kAllLanes, yes);
  __syncthreads();  // the last round's readers are done
  if (lane == 0) of_warp[warp] = __popc(votes);
  __syncthreads();
  int before = __popc(votes & ((1u << lane) - 1));
  total = 0;
  for (int w = 0; w < kWarps; ++w) {
    if (w < warp) before += of_warp[w];
    total += of_warp[w];
  }
  return before;
}

template <class T>
__global__ void __launch_bounds__(kThreads) count_kernel(const T* x, int64_t count, int64_t parts, int64_t* found) {
  NN_SHARED(int, of_warp, [kWarps]);
  for (int64_t part = blockIdx.x; part < parts; part += gridDim.x) {
    int mine = 0;
    for (int64_t i = part * kPart + threadIdx.x; i < (part + 1) * kPart && i < count; i += kThreads)
      mine += x[i] != T(0);
    const int total = block_reduce<kThreads>(mine, [](int a, int b) { return a + b; }, of_warp, threadIdx.x);
    if (threadIdx.x == 0) found[part] = total;
  }
}

// found[p] = the sum of those before p. One block: each thread has a range of them.
__global__ void __launch_bounds__(kThreads) totals_kernel(int64_t* found, int64_t parts) {
  NN_SHARED(int64_t, sums, [kThreads]);
  const int64_t each = ceil_div(parts, int64_t{kThreads}), begin = threadIdx.x * each;
  const int64_t end = begin + each < parts ? begin + each : parts;
  int64_t sum = 0;
  for (int64_t p = begin; p < end; ++p) sum += found[p];
  sums[threadIdx.x] = sum;
  __syncthreads();
  sum = 0;
  for (unsigned t = 0; t < threadIdx.x; ++t) sum += sums[t];
  for (int64_t p = begin; p < end; ++p) {
    const int64_t here = found[p];
    found[p] = sum;
    sum += here;
  }
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    write_kernel(const __grid_constant__ NonzeroArgs args, int64_t count, int64_t parts, const int64_t* before) {
  NN_SHARED(int, of_warp, [kWarps]);
  const T* const x = static_cast<const T*>(args.x);
  for (int64_t part = blockIdx.x; part < parts; part += gridDim.x) {
    int64_t row = before[part];
    for (int64_t first = part * kPart; first < (part + 1) * kPart && first < count; first += kThreads) {
      const int64_t i = first + threadIdx.x;
      const bool yes = i < count && x[i] != T(0);
      int total;
      const int64_t mine = row + rank_in_block(yes, of_warp, total);
      row += total;
      if (!yes || mine >= args.found) continue;
      int64_t rest = i;
      for (int d = args.ndim - 1; d >= 0; --d) {
        const int64_t up = rest / args.shape[d];
        args.y[mine * args.ndim + d] = rest - up * args.shape[d];
        rest = up;
      }
    }
  }
}

}  // namespace

void nonzero(const NonzeroArgs& args, const LaunchContext& ctx) {
  int64_t count = 1;
  for (int d = 0; d < args.ndim; ++d) count *= args.shape[d];
  if (count == 0 || args.found == 0) return;
  const int64_t parts = ceil_div(count, int64_t{kPart});
  const unsigned blocks = static_cast<unsigned>(parts < kMaxBlocks ? parts : kMaxBlocks);
  const Workspace workspace(static_cast<size_t>(parts) * sizeof(int64_t), ctx);
  int64_t* const found = static_cast<int64_t*>(workspace.data);
  with_type(args.dtype, [&]<class T>(T) {
    NN_LAUNCH(count_kernel<T>, blocks, kThreads, 0, ctx, static_cast<const T*>(args.x), count, parts, found);
    NN_LAUNCH(totals_kernel, 1, kThreads, 0, ctx, found, parts);
    NN_LAUNCH(write_kernel<T>, blocks, kThreads, 0, ctx, args, count, parts, found);
  });
}

}  // namespace nn::cuda
