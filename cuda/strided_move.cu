// Copies, fills and choices over strided arrays, which move bits: of an element only the size matters.
//
// Adjacent elements are copied, and adjacent zeros written, by the runtime itself. For everything else:
//
// The idea: rows that lie side by side are walked in units of up to 16 bytes, as long and as aligned as all rows are;
// others element by element (cuda/strided_rows.cuh). A copy that turns one dimension into another, of elements of 2 or
// 4 bytes, goes by tiles of 32 x 32 through shared memory, which both sides pass along their own rows; tile rows are 33
// apart, so that a column's elements lie in different banks. An adjacent fill repeats 16 bytes, from the first multiple
// of 16 on. An adjacent choice takes 16 bytes of each operand and as many conditions; a number that is repeated is read
// once. Parallel: all units, elements or tiles. Bound: memory bandwidth, each operand once.
#include <cmath>
#include <cstring>

#include "cuda/strided.h"
#include "cuda/strided_rows.cuh"

namespace nn::cuda {
namespace {

using Unit16 = Pack<uint64_t, 2>;

// body(Unit{}) for the unit of this many bytes.
template <class Body>
void with_element(int bytes, const Body& body) {
  switch (bytes) {
    case 1:
      return body(uint8_t{});
    case 2:
      return body(uint16_t{});
    case 4:
      return body(uint32_t{});
    default:
      return body(uint64_t{});
  }
}
template <class Body>
void with_unit(int bytes, const Body& body) {
  if (bytes == 16) return body(Unit16{});
  with_element(bytes, body);
}

int bytes_of(DType dtype) {
  int bytes = 0;
  with_any_type(dtype, [&]<class T>(T) { bytes = sizeof(T); });
  return bytes;
}

// Takes neighbours together where they are neighbours in all operands, and begin at multiples of what they become.
// Returns their bytes.
template <int N>
int widen(StridedLoop<N>& loop, int bytes) {
  const int last = loop.ndim - 1;
  for (; bytes < 16; bytes *= 2) {
    bool pairs = loop.shape[last] % 2 == 0;
    for (int n = 0; n < N; ++n) {
      pairs = pairs && loop.stride[n][last] == 1 && reinterpret_cast<uintptr_t>(loop.data[n]) % (2 * bytes) == 0;
      for (int d = 0; d < last; ++d) pairs = pairs && loop.stride[n][d] % 2 == 0;
    }
    if (!pairs) break;
    loop.shape[last] /= 2;
    for (int n = 0; n < N; ++n)
      for (int d = 0; d < last; ++d) loop.stride[n][d] /= 2;
  }
  return bytes;
}

constexpr int kEach = 4;  // elements of a row that a thread takes at once

template <class Unit>
__global__ void __launch_bounds__(kThreads) copy_kernel(RowWalk<2> walk) {
  walk_rows<kEach>(
      walk, [&](const int64_t (&at)[2]) { return static_cast<const Unit*>(walk.data[1])[at[1]]; },
      [&](const int64_t (&at)[2], Unit x) { static_cast<Unit*>(walk.data[0])[at[0]] = x; });
}

// ---- Transposition: the loop's last dimension is adjacent in y, the one before in x.

constexpr int kTile = 32, kTileRows = kThreads / kTile;

struct Turn {
  uint32_t tiles, high, wide;            // all tiles; elements along the last dimension but one, and the last
  int ndim;                              // of the outer dimensions
  NarrowDivisor along_high, along_wide;  // tiles
  int64_t y_step, x_step;                // of y along `high`, of x along `wide`
  NarrowDivisor extent[kMaxDims];
  int64_t y_stride[kMaxDims], x_stride[kMaxDims];
  void* y;
  const void* x;
};

template <class Unit>
__global__ void __launch_bounds__(kThreads) turn_kernel(Turn turn) {
  NN_SHARED(Unit, tile, [kTile][kTile + 1]);
  const uint32_t lane = threadIdx.x % kTile, first = threadIdx.x / kTile;
#pragma unroll 1
  for (uint32_t t = blockIdx.x; t < turn.tiles; t += gridDim.x) {
    const uint32_t strip = t / turn.along_wide, column = t - strip * turn.along_wide.number;
    uint32_t plane = strip / turn.along_high;
    const uint32_t h = (strip - plane * turn.along_high.number) * kTile, w = column * kTile;
    const Unit* x = static_cast<const Unit*>(turn.x);
    Unit* y = static_cast<Unit*>(turn.y);
#pragma unroll 1
    for (int d = turn.ndim - 1; d >= 0; --d) {
      const uint32_t rest = plane / turn.extent[d];
      const int64_t at = plane - rest * turn.extent[d].number;
      x += at * turn.x_stride[d], y += at * turn.y_stride[d];
      plane = rest;
    }
    __syncthreads();  // the readers of the last tile
#pragma unroll
    for (uint32_t r = first; r < kTile; r += kTileRows)
      if (w + r < turn.wide && h + lane < turn.high) tile[r][lane] = x[(w + r) * turn.x_step + h + lane];
    __syncthreads();
#pragma unroll
    for (uint32_t r = first; r < kTile; r += kTileRows)
      if (h + r < turn.high && w + lane < turn.wide) y[(h + r) * turn.y_step + w + lane] = tile[lane][r];
  }
}

// Copies by tiles, if the loop is such a transposition, and large enough to fill half of a tile's rows and columns.
bool turns(StridedLoop<2> loop, int bytes, const LaunchContext& ctx) {
  const int last = loop.ndim - 1;
  if ((bytes != 2 && bytes != 4) || last < 1 || loop.stride[0][last] != 1 || loop.shape[last] < kTile / 2) return false;
  int other = last - 1;
  while (other >= 0 && loop.stride[1][other] != 1) --other;
  if (other < 0 || loop.shape[other] < kTile / 2 || !is_narrow(count_of(loop))) return false;
  Turn turn{};
  turn.high = static_cast<uint32_t>(loop.shape[other]), turn.wide = static_cast<uint32_t>(loop.shape[last]);
  turn.y_step = loop.stride[0][other], turn.x_step = loop.stride[1][last];
  turn.y = loop.data[0], turn.x = loop.data[1];
  const int64_t high = ceil_div(loop.shape[other], int64_t{kTile}), wide = ceil_div(loop.shape[last], int64_t{kTile});
  turn.along_high = NarrowDivisor(high), turn.along_wide = NarrowDivisor(wide);
  turn.tiles = static_cast<uint32_t>(high * wide);
  for (int d = 0; d < last; ++d) {
    if (d == other) continue;
    turn.tiles *= static_cast<uint32_t>(loop.shape[d]);
    turn.extent[turn.ndim] = NarrowDivisor(loop.shape[d]);
    turn.y_stride[turn.ndim] = loop.stride[0][d], turn.x_stride[turn.ndim] = loop.stride[1][d];
    ++turn.ndim;
  }
  const auto blocks = static_cast<unsigned>(least(int64_t{turn.tiles}, kMaxBlocks));
  const auto kernel = bytes == 4 ? turn_kernel<uint32_t> : turn_kernel<uint16_t>;
  NN_LAUNCH(kernel, blocks, kThreads, 0, ctx, turn);
  return true;
}

// ---- Fill

template <class Unit>
__global__ void __launch_bounds__(kThreads) fill_kernel(RowWalk<1> walk, uint64_t bits) {
  const auto value = [&](const int64_t (&)[1]) {
    if constexpr (sizeof(Unit) == 16)
      return Unit16{bits, bits};
    else
      return static_cast<Unit>(bits);
  };
  walk_rows<1>(walk, value, [&](const int64_t (&at)[1], Unit x) { static_cast<Unit*>(walk.data[0])[at[0]] = x; });
}

// `bytes` bytes from y on, which begin with `before` bytes up to a multiple of 16; of the 8 bytes of `bits` each
// address has its own.
__global__ void __launch_bounds__(kThreads) fill_adjacent_kernel(uint8_t* y, int64_t bytes, int before, uint64_t bits) {
  const int64_t whole = (bytes - before) / 16, step = int64_t{gridDim.x} * kThreads;
  const int64_t first = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  Unit16* const packs = reinterpret_cast<Unit16*>(y + before);
#pragma unroll 1
  for (int64_t i = first; i < whole; i += step) packs[i] = {bits, bits};
  // At most 15 bytes before and 15 after.
  const int64_t after = before + whole * 16, i = first < before ? first : after + first - before;
  if (i < bytes && first < 32) {
    const uint32_t at = static_cast<uint32_t>(reinterpret_cast<uintptr_t>(y + i)) % 8;
    y[i] = static_cast<uint8_t>(bits >> (at * 8));
  }
}

// ---- Choice

template <class Unit>
__global__ void __launch_bounds__(kThreads) where_kernel(RowWalk<4> walk) {
  walk_rows<kEach>(
      walk,
      [&](const int64_t (&at)[4]) {
        const bool condition = static_cast<const uint8_t*>(walk.data[1])[at[1]] != 0;
        return static_cast<const Unit*>(walk.data[condition ? 2 : 3])[condition ? at[2] : at[3]];
      },
      [&](const int64_t (&at)[4], Unit x) { static_cast<Unit*>(walk.data[0])[at[0]] = x; });
}

// Of one dimension; x and y may be numbers, which are repeated.
template <class Unit>
__global__ void __launch_bounds__(kThreads) where_packed_kernel(StridedLoop<4> loop) {
  constexpr int kCount = 16 / sizeof(Unit);
  using Units = Pack<Unit, kCount>;
  Unit* const z = static_cast<Unit*>(loop.data[0]);
  const uint8_t* const condition = static_cast<const uint8_t*>(loop.data[1]);
  const Unit *const x = static_cast<const Unit*>(loop.data[2]), *const y = static_cast<const Unit*>(loop.data[3]);
  const bool x_repeats = loop.stride[2][0] == 0, y_repeats = loop.stride[3][0] == 0;
  const int64_t count = loop.shape[0], whole = count / kCount, step = int64_t{gridDim.x} * kThreads;
  const int64_t first = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  Units a, b;
#pragma unroll
  for (int k = 0; k < kCount; ++k) a.at[k] = x[0], b.at[k] = y[0];
#pragma unroll 1
  for (int64_t i = first; i < whole; i += step) {
    const auto c = reinterpret_cast<const Pack<uint8_t, kCount>*>(condition)[i];
    if (!x_repeats) a = reinterpret_cast<const Units*>(x)[i];
    if (!y_repeats) b = reinterpret_cast<const Units*>(y)[i];
    Units r;
#pragma unroll
    for (int k = 0; k < kCount; ++k) r.at[k] = c.at[k] != 0 ? a.at[k] : b.at[k];
    reinterpret_cast<Units*>(z)[i] = r;
  }
  const int64_t i = whole * kCount + first;
  if (i < count) z[i] = condition[i] != 0 ? x[x_repeats ? 0 : i] : y[y_repeats ? 0 : i];
}

// Whether a choice goes by packs: adjacent and aligned, but for numbers that are repeated.
bool is_packed_choice(StridedLoop<4> loop) {
  for (int n = 2; n < 4; ++n)
    if (loop.ndim == 1 && loop.stride[n][0] == 0) loop.data[n] = nullptr;
  return is_packed(loop);
}

}  // namespace

void copy(const StridedLoop<2>& loop, int bytes, const LaunchContext& ctx) {
  if (is_adjacent(loop)) {
    check(cudaMemcpyAsync(loop.data[0], loop.data[1], static_cast<size_t>(count_of(loop) * bytes),
                          cudaMemcpyDeviceToDevice, static_cast<cudaStream_t>(ctx.stream)),
          "copying");
    return;
  }
  if (turns(loop, bytes, ctx)) return;
  StridedLoop<2> wide = loop;
  const int unit = widen(wide, bytes);
  void (*kernel)(RowWalk<2>) = nullptr;
  with_unit(unit, [&]<class Unit>(Unit) { kernel = copy_kernel<Unit>; });
  by_rows(wide, {unit, unit},
          [&](const RowWalk<2>& walk) { NN_LAUNCH(kernel, walk.blocks(kEach), kThreads, 0, ctx, walk); });
}

void fill(const FillArgs& args, const LaunchContext& ctx) {
  const int64_t count = count_of(args.loop);
  if (count == 0) return;
  StridedLoop<1> loop = args.loop;
  const int element = bytes_of(args.dtype);
  const auto size = static_cast<size_t>(count * element);
  if (args.integer == 0 && args.real == 0 && !std::signbit(args.real) && is_adjacent(loop)) {
    check(cudaMemsetAsync(loop.data[0], 0, size, static_cast<cudaStream_t>(ctx.stream)), "filling with zeros");
    return;
  }
  uint64_t bits;  // the value, as often as it fits
  with_any_type(args.dtype, [&]<class T>(T) {
    T v = static_cast<T>(args.integer);
    if constexpr (std::is_floating_point_v<T> || is_half_type<T>) v = static_cast<T>(args.real);
    for (size_t at = 0; at < sizeof bits; at += sizeof v)
      std::memcpy(reinterpret_cast<char*>(&bits) + at, &v, sizeof v);
  });
  if (is_adjacent(loop)) {
    auto* const y = static_cast<uint8_t*>(loop.data[0]);
    const auto before = least(static_cast<int64_t>(-reinterpret_cast<uintptr_t>(y) % 16), static_cast<int64_t>(size));
    const int64_t threads = ceil_div(static_cast<int64_t>(size), int64_t{16});
    NN_LAUNCH(fill_adjacent_kernel, blocks_for(threads), kThreads, 0, ctx, y, static_cast<int64_t>(size),
              static_cast<int>(before), bits);
    return;
  }
  const int bytes = widen(loop, element);
  void (*kernel)(RowWalk<1>, uint64_t) = nullptr;
  with_unit(bytes, [&]<class Unit>(Unit) { kernel = fill_kernel<Unit>; });
  by_rows(loop, {bytes},
          [&](const RowWalk<1>& walk) { NN_LAUNCH(kernel, walk.blocks(1), kThreads, 0, ctx, walk, bits); });
}

void where(const WhereArgs& args, const LaunchContext& ctx) {
  const StridedLoop<4>& loop = args.loop;
  const int64_t count = count_of(loop);
  if (count == 0) return;
  const int bytes = bytes_of(args.dtype);
  void (*rows)(RowWalk<4>) = nullptr;
  void (*packed)(StridedLoop<4>) = nullptr;
  with_element(bytes, [&]<class Unit>(Unit) { rows = where_kernel<Unit>, packed = where_packed_kernel<Unit>; });
  if (is_packed_choice(loop)) {
    NN_LAUNCH(packed, blocks_for(ceil_div(count * bytes, int64_t{16})), kThreads, 0, ctx, loop);
    return;
  }
  by_rows(loop, {bytes, 1, bytes, bytes},
          [&](const RowWalk<4>& walk) { NN_LAUNCH(rows, walk.blocks(kEach), kThreads, 0, ctx, walk); });
}

}  // namespace nn::cuda
