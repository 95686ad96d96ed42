// Sums of normalisations of float32 and of 16 bits where groups or channels have several rows, or so few and long ones
// that each must be shared by several blocks: batch norm, the gradients of weight and bias, and groups of a sample that
// norm_rows.cu does not take whole.
//
// The idea: as in norm_rows.cu, a team of threads (cuda/teams.cuh) goes through rows of adjacent elements, 16 bytes a
// thread from a multiple of 16 bytes on whatever the row's length; one row after the other, where many are short. Each
// team leaves one pair, and these are joined as columns by a second launch.
// Parallel: outputs, and chunks of their rows or of pieces of them, as many as fill a large GPU.
// Bound: memory bandwidth: x is read once, 4 or 2 bytes an element, and backward gy too; a pair has 16 bytes.
#include "cuda/norm_sums.cuh"
#include "cuda/reduce_walk.cuh"

namespace nn::cuda {
namespace {

constexpr int64_t kPiece = 1 << 13;

template <class Team, class A, bool kBackward, class X = typename A::Stored>
__global__ void __launch_bounds__(kThreads, 3) norm_sums_kernel(Team team, A as, NormSums s) {
  const NormRows& of = s.of;
  const NormArgs& args = of.args;
  const X* const x = static_cast<const X*>(args.x);
  each_row(team, Rows{s.outputs.number * s.chunks, 1, 1}, [&](const Row& r) {
    const int64_t task = r.live ? r.index : 0, chunk = task / s.outputs, k = task - chunk * s.outputs.number;
    const int64_t first = chunk * s.chunk, end = r.live ? least(first + s.chunk, s.units) : 0;
    const bool of_channels = kBackward && s.groups != nullptr;
    const int64_t group = of_channels ? k / s.K : k, channel = args.batch ? k : (k - k / of.G * of.G.number) * args.K;
    Standard<float> standard{{}, 1};
    if (kBackward && !of_channels) standard.centre = Centre<float>(args.mean[k]);
    const float pivot = !kBackward && args.centered ? as.value(x[k * s.apart]) : 0.0f;
    Pair sums = {0, 0};
    for (int64_t unit = first; unit < end; ++unit) {
      const int64_t i = unit / of.pieces, from = (unit - i * of.pieces.number) * of.piece;
      const Row row = {task, k * s.apart + i * s.step + from, 1, least(of.piece, of.length - from), true};
      if constexpr (kBackward) {
        if (of_channels) standard = s.groups[i * of.G.number + group];
        const Piece piece = {row, from, group, channel};
        Pair part = {0, 0};
        each_pack_ahead<float, 2>(
            team, row, [&](auto count, int64_t c) { return load_both<decltype(count)::value>(as, of, row, c); },
            [&](auto, int64_t c, auto v) {
              if (!of_channels && !args.batch) weigh(of, piece, c, v.g);
              add_gradients(part, v.g, v.x, standard.centre);
            });
        sums = {sums.a + part.a, fma(part.b, static_cast<double>(standard.r), sums.b)};
      } else {
        each_pack_ahead<float, 2>(
            team, row,
            [&](auto count, int64_t c) { return load_values<decltype(count)::value>(as, x + row.at(c), of.aligned); },
            [&](auto, int64_t, const auto& v) { add_moments(sums, v, pivot); });
      }
    }
    sums = team.reduce(sums, JoinPairs{});
    if (r.live && team.rank() == 0) s.parts[task] = sums;
  });
}

template <bool kBackward>
void launch(const NormSums& s, const LaunchContext& ctx) {
  with_team<float>(Rows{s.outputs.number * s.chunks, s.of.piece, 1},
                   [&]<class Team>(const Team& team, unsigned blocks) {
                     if constexpr (Team::adjacent)
                       with_narrow(s.of.args.dtype, [&]<class A>(const A& as) {
                         const auto kernel = norm_sums_kernel<Team, A, kBackward>;
                         NN_LAUNCH(kernel, blocks, kThreads, 0, ctx, team, as, s);
                       });
                   });
}

}  // namespace

NormSums plan_sums(const NormArgs& args, Summed what) {
  const int64_t C = args.G * args.K;
  const bool of_channels = args.batch || what == Summed::channels;
  const bool one_row = !of_channels || (args.batch && C == 1);
  const int64_t outputs = of_channels ? C : args.N * args.G, apart = of_channels ? args.S : args.K * args.S;
  const int64_t length = one_row && of_channels ? args.N * args.S : apart, piece = length > kShortRow ? kPiece : length;
  const bool aligned = are_aligned(args.x, what == Summed::moments ? nullptr : args.gy);
  NormSums s{NormRows(args, length, piece, aligned), Divisor(outputs), Divisor(args.K), apart, C * args.S};
  s.units = (one_row ? 1 : args.N) * s.of.pieces.number;
  const int64_t threads = piece > 2048 ? kThreads : power_of_two(ceil_div(piece, int64_t{4}), kWarp);
  const int64_t wanted = ceil_div(kEnoughBlocks * kThreads, threads * outputs);
  s.chunk = ceil_div(s.units, least(least(wanted, s.units), kMostChunks));
  s.chunks = ceil_div(s.units, s.chunk);
  return s;
}

void sum_rows(const NormSums& sums, Summed what, const LaunchContext& ctx) {
  if (what == Summed::moments)
    launch<false>(sums, ctx);
  else
    launch<true>(sums, ctx);
}

}  // namespace nn::cuda
