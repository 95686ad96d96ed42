// Normalisations of float32 by rows: all that layer, group, instance and RMS norm do forward, and their gradient of x;
// and with statistics or sums that are already there, what is left to be written, of batch norm too.
//
// The idea: a team of threads for each row (cuda/teams.cuh). The rows are the groups, or with groups of the batch, the
// elements of one channel of a sample. The team goes through its row for the sums, then again for the results; the
// second time most of the row still lies in a cache. What is the same along a row is computed once.
// Parallel: rows, and each row among the threads of its team. Where rows are so few and long that this would leave the
// GPU idle, norm.cu has their sums from a reduction, and they are cut into pieces here.
// Bound: memory bandwidth. x is read and y written, 8 bytes an element forward; x and gy are read and gx written, 12
// bytes backward; with sums from elsewhere as much again as they were read there.
#include "cuda/divisor.cuh"
#include "cuda/norm_kernels.h"
#include "cuda/norm_rows.cuh"
#include "cuda/teams.cuh"

namespace nn::cuda {
namespace {

// A row of fewer elements is no work for several blocks; and from so many rows on, each is left whole.
constexpr int64_t kShortRow = 1 << 14, kManyRows = 2 * 132;

// Plain data of a launch.
struct NormRows {
  NormArgs args;
  const double* inverse;  // 1 / sqrt(var + eps) of each group, or null: found from the statistics
  const Pair* sums;       // backward, of each group, or null: found here
  Divisor pieces, G, S;   // of a row; rows of a sample; elements of a channel
  int64_t length, piece;  // elements of a row and of a piece
  double share;           // of an element in the mean of its group
  bool aligned, aligned_affine;

  __host__ __device__ int64_t count() const { return args.N * G.number * pieces.number; }
};

// A piece of a row: elements from to from + row.n of the `K` channels from `channel` on.
struct Piece {
  Row row;
  int64_t from, group, channel;
};

__device__ __forceinline__ Piece piece_of(const NormRows& of, const Row& r) {
  const int64_t index = r.live ? r.index : 0, number = index / of.pieces;
  const int64_t from = (index - number * of.pieces.number) * of.piece, g = number - number / of.G * of.G.number;
  const int64_t n = r.live ? least(of.piece, of.length - from) : 0;
  return {{index, number * of.length + from, 1, n, r.live}, from, of.args.batch ? g : number, g * of.args.K};
}

// Weight or bias, or `otherwise`, of the elements c to c + kCount of a piece.
template <int kCount>
__device__ __forceinline__ Pack<float, kCount> affine(const NormRows& of, const Piece& piece, const void* values,
                                                      int64_t c, float otherwise) {
  Pack<float, kCount> pack;
  if (values == nullptr) {
#pragma unroll
    for (int k = 0; k < kCount; ++k) pack.at[k] = otherwise;
    return pack;
  }
  const float* const from = static_cast<const float*>(values) + piece.channel;
  const int64_t place = piece.from + c;
  if (of.S.number == 1) return load_pack<kCount>(from + place, of.aligned_affine);
  int64_t channel = of.args.K == 1 ? 0 : place / of.S;
  int64_t left = (channel + 1) * of.S.number - place;
  float value = from[channel];
#pragma unroll
  for (int k = 0; k < kCount; ++k) {
    if (k > 0 && --left == 0) {
      left = of.S.number;
      value = from[++channel];
    }
    pack.at[k] = value;
  }
  return pack;
}

template <class Team>
__global__ void __launch_bounds__(kThreads) norm_rows_kernel(Team team, NormRows of) {
  const NormArgs& args = of.args;
  const float* const x = static_cast<const float*>(args.x);
  each_row(team, Rows{of.count(), 1, 1}, [&](const Row& r) {
    const Piece piece = piece_of(of, r);
    const Row& row = piece.row;
    double mean, inverse;
    if (of.inverse != nullptr) {
      mean = args.mean[piece.group], inverse = of.inverse[piece.group];
    } else {
      const float pivot = args.centered && row.live ? x[row.first] : 0.0f;
      Pair sums = {0, 0};
      each_pack_ahead<float, 2>(
          team, row,
          [&](auto count, int64_t c) { return load_pack<decltype(count)::value>(x + row.at(c), of.aligned); },
          [&](auto, int64_t, const auto& v) { add_moments(sums, v, pivot); });
      sums = team.reduce(sums, JoinPairs{});
      const double shift = args.centered ? sums.a * of.share : 0.0, var = sums.b * of.share - shift * shift;
      const double kept = var < 0 ? 0.0 : var;
      mean = static_cast<double>(pivot) + shift, inverse = rsqrt(kept + args.eps);
      if (row.live && team.rank() == 0) args.mean[piece.group] = mean, args.var[piece.group] = kept;
    }
    const Centre<float> centre(mean);
    const float scale = static_cast<float>(inverse);
    each_pack<float>(team, row, [&](auto count, int64_t c) {
      constexpr int kCount = decltype(count)::value;
      Pack<float, kCount> v = load_pack<kCount>(x + row.at(c), of.aligned);
      const Pack<float, kCount> weight = affine<kCount>(of, piece, args.weight, c, 1);
      const Pack<float, kCount> bias = affine<kCount>(of, piece, args.bias, c, 0);
#pragma unroll
      for (int k = 0; k < kCount; ++k) v.at[k] = fmaf(centre.deviation(v.at[k]) * scale, weight.at[k], bias.at[k]);
      store_pack<kCount>(static_cast<float*>(args.y) + row.at(c), v, of.aligned);
    });
  });
}

// x and gy of the same elements.
template <int kCount>
struct Both {
  Pack<float, kCount> x, g;
};

template <class Team>
__global__ void __launch_bounds__(kThreads) norm_rows_backward_kernel(Team team, NormRows of) {
  const NormArgs& args = of.args;
  each_row(team, Rows{of.count(), 1, 1}, [&](const Row& r) {
    const Piece piece = piece_of(of, r);
    const Row& row = piece.row;
    const Centre<float> centre(args.mean[piece.group]);
    const double inverse = of.inverse != nullptr ? of.inverse[piece.group] : rsqrt(args.var[piece.group] + args.eps);
    const auto load = [&](auto count, int64_t c) {
      constexpr int kCount = decltype(count)::value;
      return Both<kCount>{load_pack<kCount>(static_cast<const float*>(args.x) + row.at(c), of.aligned),
                          load_pack<kCount>(static_cast<const float*>(args.gy) + row.at(c), of.aligned)};
    };
    // Of gy, gy weight.
    const auto weigh = [&](auto count, int64_t c, auto& g) {
      constexpr int kCount = decltype(count)::value;
      const Pack<float, kCount> weight = affine<kCount>(of, piece, args.weight, c, 1);
#pragma unroll
      for (int k = 0; k < kCount; ++k) g.at[k] *= weight.at[k];
    };
    Pair sums = {0, 0};
    if (of.sums != nullptr) {
      sums = of.sums[piece.group];
    } else if (!args.fixed) {
      each_pack_ahead<float, 2>(team, row, load, [&](auto count, int64_t c, auto v) {
        weigh(count, c, v.g);
        add_gradients(sums, v.g, v.x, centre);
      });
      sums = team.reduce(sums, JoinPairs{});
    }
    const float scale = static_cast<float>(inverse), along = static_cast<float>(-inverse * sums.b * of.share);
    const float shift = args.centered ? static_cast<float>(-sums.a * of.share) : 0.0f;
    each_pack<float>(team, row, [&](auto count, int64_t c) {
      constexpr int kCount = decltype(count)::value;
      Both<kCount> v = load(count, c);
      weigh(count, c, v.g);
#pragma unroll
      for (int k = 0; k < kCount; ++k) {
        const float h = centre.deviation(v.x.at[k]) * scale;
        v.g.at[k] = args.fixed ? scale * v.g.at[k] : scale * fmaf(h, along, v.g.at[k] + shift);
      }
      store_pack<kCount>(static_cast<float*>(args.gx) + row.at(c), v.g, of.aligned);
    });
  });
}

int64_t length_of(const NormArgs& args) { return args.batch ? args.S : args.K * args.S; }

NormRows rows_of(const NormArgs& args, const double* inverse) {
  NormRows of{};
  of.args = args;
  of.inverse = inverse;
  of.length = of.piece = length_of(args);
  const int64_t rows = args.N * args.G;
  if (inverse != nullptr && rows < kManyRows && of.length > kShortRow) {
    const int64_t even = ceil_div(of.length, ceil_div(kMaxBlocks, rows)) / 4 * 4;
    of.piece = even > kShortRow / 4 ? even : kShortRow / 4;
  }
  of.pieces = Divisor(ceil_div(of.length, of.piece));
  of.G = Divisor(args.G), of.S = Divisor(args.S);
  of.share = 1 / static_cast<double>(args.batch ? args.N * args.S : of.length);
  of.aligned_affine = args.K % 4 == 0 && are_aligned(args.weight, args.bias);
  return of;
}

}  // namespace

bool takes_whole_rows(const NormArgs& args) {
  return !args.batch && !args.fixed && (length_of(args) <= kShortRow || args.N * args.G >= kManyRows);
}

void normalise_rows(const NormArgs& args, const double* inverse, const LaunchContext& ctx) {
  NormRows of = rows_of(args, inverse);
  of.aligned = are_aligned(args.x, args.y);
  with_team<float>(Rows{of.count(), of.piece, 1}, [&]<class Team>(const Team& team, unsigned blocks) {
    if constexpr (Team::adjacent) NN_LAUNCH(norm_rows_kernel<Team>, blocks, kThreads, 0, ctx, team, of);
  });
}

void normalise_rows_backward(const NormArgs& args, const double* inverse, const Pair* sums, const LaunchContext& ctx) {
  NormRows of = rows_of(args, inverse);
  of.sums = sums;
  of.aligned = are_aligned(args.x, args.gy, args.gx);
  with_team<float>(Rows{of.count(), of.piece, 1}, [&]<class Team>(const Team& team, unsigned blocks) {
    if constexpr (Team::adjacent) NN_LAUNCH(norm_rows_backward_kernel<Team>, blocks, kThreads, 0, ctx, team, of);
  });
}

}  // namespace nn::cuda
