// Teams: the threads that go through one row of an array together, and combine what each of them has found. The array
// is seen as [outer, n, inner]; its rows are the outer * inner lines along n.
//
// Rows of neighbours belong to 1 to 32 lanes, or, if long, to a block; a thread takes 16 bytes at a time, counted from
// a multiple of 16 bytes on, whatever the row's length. Rows along another dimension lie side by side: neighbouring
// threads take neighbouring rows, and where there are few of these, up to 32 threads share each.
// Which element goes to which thread depends on the shape alone, and sums with it.
#pragma once

#include <type_traits>

#include "cuda/block.cuh"
#include "cuda/loops.cuh"

namespace nn::cuda {

struct Rows {
  int64_t outer, n, inner;
  __host__ __device__ int64_t count() const { return outer * inner; }
};

// Element c of a row lies at first + c * step. A thread without a row has one of n = 0.
struct Row {
  int64_t index, first, step, n;
  bool live;
  __device__ int64_t at(int64_t c) const { return first + c * step; }
};

template <int kCount>
using Count = std::integral_constant<int, kCount>;

template <class... Pointers>
bool are_aligned(Pointers... pointers) {
  return ((reinterpret_cast<uintptr_t>(pointers) % 16 == 0) && ...);
}

// `aligned`: the array begins at a multiple of 16 bytes, so that the pack does too.
template <int kCount, class T>
__device__ __forceinline__ Pack<T, kCount> load_pack(const T* from, bool aligned) {
  if (kCount > 1 && aligned) return *reinterpret_cast<const Pack<T, kCount>*>(from);
  Pack<T, kCount> pack;
#pragma unroll
  for (int k = 0; k < kCount; ++k) pack.at[k] = from[k];
  return pack;
}
template <int kCount, class T>
__device__ __forceinline__ void store_pack(T* to, const Pack<T, kCount>& pack, bool aligned) {
  // Of a plain store of a structure the compiler may make one for each element, as below.
  if constexpr (std::is_same_v<Pack<T, kCount>, Pack<float, 4>>) {
    if (aligned)
      return __stwb(reinterpret_cast<float4*>(to), make_float4(pack.at[0], pack.at[1], pack.at[2], pack.at[3]));
  } else if (kCount > 1 && aligned) {
    *reinterpret_cast<Pack<T, kCount>*>(to) = pack;
    return;
  }
#pragma unroll
  for (int k = 0; k < kCount; ++k) to[k] = pack.at[k];
}

// `size` neighbouring lanes, a power of two up to 32.
struct LaneTeam {
  static constexpr bool adjacent = true;
  int size;
  __host__ __device__ int rows_in_block() const { return kThreads / size; }
  __device__ int place() const { return static_cast<int>(threadIdx.x) / size; }
  __device__ int rank() const { return static_cast<int>(threadIdx.x) % size; }
  template <class T, class Op>
  __device__ __forceinline__ T reduce(T x, const Op& op) const {
    return warp_reduce(x, op, size);
  }
};

struct BlockTeam {
  static constexpr bool adjacent = true;
  int size = kThreads;
  __host__ __device__ int rows_in_block() const { return 1; }
  __device__ int place() const { return 0; }
  __device__ int rank() const { return static_cast<int>(threadIdx.x); }
  template <class T, class Op>
  __device__ __forceinline__ T reduce(T x, const Op& op) const {
    NN_SHARED(T, of_warps, [kThreads / kWarp]);
    return block_reduce<kThreads>(x, op, of_warps, rank());
  }
};

// `size` threads, a power of two, one in each of as many groups of neighbours; a row of each group lies side by side.
struct ColumnTeam {
  static constexpr bool adjacent = false;
  int size;
  __host__ __device__ int rows_in_block() const { return kThreads / size; }
  __device__ int place() const { return static_cast<int>(threadIdx.x) % rows_in_block(); }
  __device__ int rank() const { return static_cast<int>(threadIdx.x) / rows_in_block(); }
  template <class T, class Op>
  __device__ __forceinline__ T reduce(T x, const Op& op) const {
    if (size == 1) return x;
    NN_SHARED(T, of_threads, [kThreads]);
    __syncthreads();  // the readers of the last time
    of_threads[threadIdx.x] = x;
    __syncthreads();
    T result = of_threads[place()];
    for (int i = 1; i < size; ++i) result = op(result, of_threads[i * rows_in_block() + place()]);
    return result;
  }
};

// body(row) for the rows of this thread's team. All threads of a block run equally often, with a row or without.
template <class Team, class Body>
__device__ __forceinline__ void each_row(const Team& team, const Rows& rows, const Body& body) {
  const int64_t count = rows.count(), per_block = team.rows_in_block();
  for (int64_t first = blockIdx.x * per_block; first < count; first += gridDim.x * per_block) {
    const int64_t index = first + team.place();
    const bool live = index < count;
    if (Team::adjacent)
      body(Row{index, index * rows.n, 1, live ? rows.n : 0, live});
    else
      body(Row{index, index / rows.inner * rows.n * rows.inner + index % rows.inner, rows.inner, live ? rows.n : 0,
               live});
  }
}

// body(Count<k>, c) for the elements c to c + k of the row that are this thread's; where k > 1 they are neighbours.
template <class T, class Team, class Body>
__device__ __forceinline__ void each_pack(const Team& team, const Row& row, const Body& body) {
  constexpr int kCount = Team::adjacent ? 16 / sizeof(T) : 1;
  const int64_t to_boundary = (kCount - row.first % kCount) % kCount;
  const int64_t before = to_boundary < row.n ? to_boundary : row.n, packs = (row.n - before) / kCount;
  for (int64_t i = team.rank(); i < packs; i += team.size) body(Count<kCount>{}, before + i * kCount);
  if constexpr (kCount > 1)
    for (int64_t i = team.rank(); i < row.n - packs * kCount; i += team.size)
      body(Count<1>{}, i < before ? i : i + packs * kCount);
}

// The same for what is only read: use(Count<k>, c, load(Count<k>, c)), with kAhead loads in flight. Rows have fewer
// than 2^31 elements less those of one round, so that they are counted in 32 bits, which takes fewer registers.
template <class T, int kAhead, class Team, class Load, class Use>
__device__ __forceinline__ void each_pack_ahead(const Team& team, const Row& row, const Load& load, const Use& use) {
  static_assert(Team::adjacent);
  constexpr int kCount = 16 / sizeof(T);
  const int n = static_cast<int>(row.n), to_boundary = static_cast<int>(-row.first) & (kCount - 1);
  const int before = to_boundary < n ? to_boundary : n, whole = before + (n - before) / kCount * kCount;
  const int step = team.size * kCount;
  int c = before + team.rank() * kCount;
  for (; c + (kAhead - 1) * step < whole; c += kAhead * step) {
    decltype(load(Count<kCount>{}, c)) loaded[kAhead];
#pragma unroll
    for (int u = 0; u < kAhead; ++u) loaded[u] = load(Count<kCount>{}, c + u * step);
#pragma unroll
    for (int u = 0; u < kAhead; ++u) use(Count<kCount>{}, c + u * step, loaded[u]);
  }
#pragma unroll 1
  for (; c < whole; c += step) use(Count<kCount>{}, c, load(Count<kCount>{}, c));
  for (int i = team.rank(); i < n - (whole - before); i += team.size) {
    const int at = i < before ? i : i + (whole - before);
    use(Count<1>{}, at, load(Count<1>{}, at));
  }
}

// launch(team, blocks) for the team that suits the shape.
template <class T, class Launch>
void with_team(const Rows& rows, const Launch& launch) {
  constexpr int64_t kShort = 2048, kFew = 1024;  // elements of a row; rows that leave multiprocessors idle
  const int64_t count = rows.count(), packs = ceil_div(rows.n, int64_t{16 / sizeof(T)});
  const auto start = [&](const auto& team) {
    const int64_t blocks = ceil_div(count, int64_t{team.rows_in_block()});
    launch(team, static_cast<unsigned>(blocks < kMaxBlocks ? blocks : kMaxBlocks));
  };
  if (count == 0) return;
  int size = 1;
  if (rows.inner > 1) {
    while (size < kWarp && 4 * size < rows.n && count * size < kFew * kWarp) size *= 2;
    return start(ColumnTeam{size});
  }
  if (rows.n > kShort || (rows.n > kShort / 4 && count < kFew)) return start(BlockTeam{});
  while (size < kWarp && size < packs) size *= 2;
  start(LaneTeam{size});
}

}  // namespace nn::cuda
