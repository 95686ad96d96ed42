// Walking over the rows of strided arrays: the lines along the loop's last dimension.
//
// A block of threads is a rectangle: as many neighbours along a row as it has elements, up to all threads of a block,
// and the rest on the next rows. So an element costs an addition for each operand, and only a row costs divisions, by
// numbers that the host knows: one for each further dimension.
#pragma once

#include "cuda/divisor.cuh"
#include "cuda/loops.cuh"

namespace nn::cuda {

// What a loop's operands are when seen by rows. There are fewer than 2^31 elements.
template <int N>
struct RowWalk {
  uint32_t rows, length;
  int ndim;         // of the outer dimensions
  int log_width;    // how many threads stand along a row
  int64_t step[N];  // from an element to its neighbour
  void* data[N];
  NarrowDivisor extent[kMaxDims];
  int64_t stride[N][kMaxDims];

  explicit RowWalk(const StridedLoop<N>& loop) : rows(1), ndim(loop.ndim - 1), log_width(0) {
    length = static_cast<uint32_t>(loop.shape[ndim]);
    for (int d = 0; d < ndim; ++d) {
      rows *= static_cast<uint32_t>(loop.shape[d]);
      extent[d] = NarrowDivisor(loop.shape[d]);
    }
    for (int n = 0; n < N; ++n) {
      data[n] = loop.data[n], step[n] = loop.stride[n][ndim];
      for (int d = 0; d < ndim; ++d) stride[n][d] = loop.stride[n][d];
    }
    while ((1 << log_width) < kThreads && (1u << log_width) < length) ++log_width;
  }

  // each: how many elements of a row a thread takes.
  dim3 blocks(int each) const {
    const auto most = static_cast<uint32_t>(kMaxBlocks);
    const uint32_t along = least(ceil_div(length, static_cast<uint32_t>(each) << log_width), most);
    const uint32_t across = ceil_div(rows, static_cast<uint32_t>(kThreads) >> log_width);
    return dim3(along, least(across, ceil_div(4 * most, along)));
  }
};

// Where a row begins in each operand.
template <int N>
__device__ __forceinline__ void locate_row(const RowWalk<N>& walk, uint32_t row, int64_t (&place)[N]) {
  for (int n = 0; n < N; ++n) place[n] = 0;
#pragma unroll 1
  for (int d = walk.ndim - 1; d >= 0; --d) {
    const uint32_t rest = row / walk.extent[d];
    const int64_t at = row - rest * walk.extent[d].number;
#pragma unroll
    for (int n = 0; n < N; ++n) place[n] += at * walk.stride[n][d];
    row = rest;
  }
}

// store(place, load(place)) for the elements of this thread, of which kEach are loaded before the first is stored.
template <int kEach, int N, class Load, class Store>
__device__ __forceinline__ void walk_rows(const RowWalk<N>& walk, const Load& load, const Store& store) {
  using Value = decltype(load(walk.step));
  const uint32_t width = 1u << walk.log_width, apart = gridDim.x << walk.log_width;
  const uint32_t first = (blockIdx.x << walk.log_width) + (threadIdx.x & (width - 1));
  const uint32_t across = kThreads >> walk.log_width;
#pragma unroll 1
  for (uint32_t row = blockIdx.y * across + (threadIdx.x >> walk.log_width); row < walk.rows;
       row += gridDim.y * across) {
    int64_t begin[N];
    locate_row(walk, row, begin);
#pragma unroll 1
    for (uint32_t c = first; c < walk.length; c += kEach * apart) {
      Value value[kEach];
      const auto place = [&](int e, int64_t (&at)[N]) {
#pragma unroll
        for (int n = 0; n < N; ++n) at[n] = begin[n] + static_cast<int64_t>(c + e * apart) * walk.step[n];
        return c + e * apart < walk.length;
      };
      int64_t at[N];
#pragma unroll
      for (int e = 0; e < kEach; ++e)
        if (place(e, at)) value[e] = load(at);
#pragma unroll
      for (int e = 0; e < kEach; ++e)
        if (place(e, at)) store(at, value[e]);
    }
  }
}

// launch(walk) for the loop, or for its parts where it is too long for numbers of 32 bits. bytes: of an element.
template <int N, class Launch>
void by_rows(const StridedLoop<N>& loop, const int (&bytes)[N], const Launch& launch) {
  if (is_narrow(count_of(loop))) return launch(RowWalk<N>(loop));
  const Halves<N> halves(loop, bytes);
  by_rows(halves.first, bytes, launch);
  by_rows(halves.rest, bytes, launch);
}

}  // namespace nn::cuda
