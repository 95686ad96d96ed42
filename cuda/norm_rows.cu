// Normalisations of float32, and of 16 bits, by rows: all that layer, group, instance and RMS norm do forward, and
// their gradient of x; and with statistics or sums that are already there, what is left to be written, of batch norm
// too.
//
// The idea: a team of threads for each row (cuda/teams.cuh). The rows are the groups, or with groups of the batch, the
// elements of one channel of a sample. The team goes through its row for the sums, then again for the results; the
// second time most of the row still lies in a cache. What is the same along a row is computed once.
// Parallel: rows, and each row among the threads of its team. Where rows are so few and long that this would leave the
// GPU idle, their sums come from norm_sums.cu, and they are cut into pieces here.
// Bound: memory bandwidth. Of float32, x is read and y written, 8 bytes an element forward; x and gy are read and gx
// written, 12 bytes backward, which gives the sums of channels on the way where they are long; with sums from elsewhere
// as much again as they were read there.
#include "cuda/norm_kernels.h"
#include "cuda/norm_rows.cuh"

namespace nn::cuda {
namespace {

constexpr int64_t kManyRows = 2 * 132;          // from so many on, each is left whole
constexpr int64_t kLongest = int64_t{1} << 30;  // elements of a piece, which are counted in 32 bits
constexpr int64_t kMostParts = 4096;            // of a sum, which few threads add

__device__ __forceinline__ Rows all_pieces(const NormRows& of) {
  return {of.args.N * of.G.number * of.pieces.number, 1, 1};
}

// The piece of a thread's team, of 0 elements where there is none.
__device__ __forceinline__ Piece piece_of(const NormRows& of, const Row& r) {
  const int64_t index = r.live ? r.index : 0, number = index / of.pieces;
  const int64_t from = (index - number * of.pieces.number) * of.piece, g = number - number / of.G * of.G.number;
  const int64_t n = r.live ? least(of.piece, of.length - from) : 0;
  return {{index, number * of.length + from, 1, n, r.live}, from, of.args.batch ? g : number, g * of.args.K};
}

// given: the statistics are there. share: of an element in the mean of its group.
template <class Team, class A, class X = typename A::Stored>
__global__ void __launch_bounds__(kThreads, 3)
    norm_rows_kernel(Team team, A as, NormRows of, bool given, double share) {
  const NormArgs& args = of.args;
  const X* const x = static_cast<const X*>(args.x);
  each_row(team, all_pieces(of), [&](const Row& r) {
    const Piece piece = piece_of(of, r);
    const Row& row = piece.row;
    double mean, var;
    if (given) {
      mean = args.mean[piece.group], var = args.var[piece.group];
    } else {
      const float pivot = args.centered && row.live ? as.value(x[row.first]) : 0.0f;
      Pair sums = {0, 0};
      each_pack_ahead<float, 2>(
          team, row,
          [&](auto count, int64_t c) { return load_values<decltype(count)::value>(as, x + row.at(c), of.aligned); },
          [&](auto, int64_t, const auto& v) { add_moments(sums, v, pivot); });
      sums = team.reduce(sums, JoinPairs{});
      const double shift = args.centered ? sums.a * share : 0.0, found = sums.b * share - shift * shift;
      mean = static_cast<double>(pivot) + shift, var = found < 0 ? 0.0 : found;
      if (row.live && team.rank() == 0) args.mean[piece.group] = mean, args.var[piece.group] = var;
    }
    const Centre<float> centre(mean);
    const float scale = static_cast<float>(rsqrt(var + args.eps));
    each_pack<float>(team, row, [&](auto count, int64_t c) {
      constexpr int kCount = decltype(count)::value;
      Pack<float, kCount> v = load_values<kCount>(as, x + row.at(c), of.aligned);
      const Pack<float, kCount> weight = affine<kCount>(of, piece, args.weight, c, 1);
      const Pack<float, kCount> bias = affine<kCount>(of, piece, args.bias, c, 0);
#pragma unroll
      for (int k = 0; k < kCount; ++k) v.at[k] = fmaf(centre.deviation(v.at[k]) * scale, weight.at[k], bias.at[k]);
      store_values<kCount>(as, static_cast<X*>(args.y) + row.at(c), v, of.aligned);
    });
  });
}

// given: the sums of each group, or null. parts: where the sums of gy and of gy (x - mean) r of each channel of a
// sample are wanted; then the team goes through one channel after the other.
template <class Team, class A, class X = typename A::Stored>
__global__ void __launch_bounds__(kThreads, 3)
    norm_rows_backward_kernel(Team team, A as, NormRows of, const Pair* given, Pair* parts, double share) {
  const NormArgs& args = of.args;
  each_row(team, all_pieces(of), [&](const Row& r) {
    const Piece piece = piece_of(of, r);
    const Row& row = piece.row;
    const Centre<float> centre(args.mean[piece.group]);
    const double inverse = rsqrt(args.var[piece.group] + args.eps);
    Pair sums = {0, 0};
    if (given != nullptr) {
      sums = given[piece.group];
    } else if (!args.fixed) {
      const bool by_channel = parts != nullptr;
      const int64_t runs = by_channel ? args.K : 1, n = by_channel ? least(row.n, args.S) : row.n;
      for (int64_t k = 0; k < runs; ++k) {
        const Row run = {row.index, row.first + k * n, 1, n, row.live};
        Pair part = {0, 0};
        each_pack_ahead<float, 2>(
            team, run, [&](auto count, int64_t c) { return load_both<decltype(count)::value>(as, of, run, c); },
            [&](auto, int64_t c, auto v) {
              if (!by_channel) weigh(of, piece, c, v.g);
              add_gradients(part, v.g, v.x, centre);
            });
        part = team.reduce(part, JoinPairs{});
        if (by_channel) {
          if (row.live && team.rank() == 0) parts[piece.group * args.K + k] = {part.a, part.b * inverse};
          if (args.weight != nullptr) {
            const double weight = static_cast<double>(static_cast<const float*>(args.weight)[piece.channel + k]);
            part = {part.a * weight, part.b * weight};
          }
        }
        sums = JoinPairs{}(sums, part);
      }
    }
    const float scale = static_cast<float>(inverse), along = static_cast<float>(-inverse * sums.b * share);
    const float shift = args.centered ? static_cast<float>(-sums.a * share) : 0.0f;
    each_pack<float>(team, row, [&](auto count, int64_t c) {
      constexpr int kCount = decltype(count)::value;
      Both<kCount> v = load_both<kCount>(as, of, row, c);
      weigh(of, piece, c, v.g);
#pragma unroll
      for (int k = 0; k < kCount; ++k) {
        const float h = centre.deviation(v.x.at[k]) * scale;
        v.g.at[k] = args.fixed ? scale * v.g.at[k] : scale * fmaf(h, along, v.g.at[k] + shift);
      }
      store_values<kCount>(as, static_cast<X*>(args.gx) + row.at(c), v.g, of.aligned);
    });
  });
}

int64_t length_of(const NormArgs& args) { return args.batch ? args.S : args.K * args.S; }

// launch(team, blocks, access to x, rows, share)
template <class Launch>
void with_rows(const NormArgs& args, bool in_pieces, bool aligned, const Launch& launch) {
  const int64_t length = length_of(args), rows = args.N * args.G;
  int64_t piece = length;
  if (in_pieces && length > kShortRow && (rows < kManyRows || length > kLongest)) {
    piece = least(kLongest, ceil_div(length, ceil_div(kMaxBlocks, rows)) / 4 * 4);
    if (piece < kShortRow / 4) piece = kShortRow / 4;
  }
  const NormRows of(args, length, piece, aligned);
  const double share = 1 / static_cast<double>(args.batch ? args.N * args.S : length);
  with_team<float>(Rows{rows * of.pieces.number, piece, 1}, [&]<class Team>(const Team& team, unsigned blocks) {
    if constexpr (Team::adjacent) with_narrow(args.dtype, [&](const auto& as) { launch(team, blocks, as, of, share); });
  });
}

}  // namespace

bool takes_whole_rows(const NormArgs& args) {
  const int64_t length = length_of(args), rows = args.N * args.G;
  return !args.batch && !args.fixed && (length <= kShortRow || (rows >= kManyRows && length <= kLongest));
}

void normalise_rows(const NormArgs& args, bool given, const LaunchContext& ctx) {
  with_rows(args, given, are_aligned(args.x, args.y),
            [&]<class Team, class A>(const Team& team, unsigned blocks, const A& as, const NormRows& of, double share) {
              const auto kernel = norm_rows_kernel<Team, A>;
              NN_LAUNCH(kernel, blocks, kThreads, 0, ctx, team, as, of, given, share);
            });
}

// Not where a team has less to read of a channel than it takes to join what its threads have found.
bool leaves_parts(const NormArgs& args) {
  return takes_whole_rows(args) && args.N <= kMostParts && (args.K == 1 ? args.S > 1 : args.S >= 4 * kThreads);
}

void normalise_rows_backward(const NormArgs& args, const Pair* sums, Pair* parts, const LaunchContext& ctx) {
  with_rows(args, sums != nullptr || args.fixed, are_aligned(args.x, args.gy, args.gx),
            [&]<class Team, class A>(const Team& team, unsigned blocks, const A& as, const NormRows& of, double share) {
              const auto kernel = norm_rows_backward_kernel<Team, A>;
              NN_LAUNCH(kernel, blocks, kThreads, 0, ctx, team, as, of, sums, parts, share);
            });
}

}  // namespace nn::cuda
