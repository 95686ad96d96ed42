// Random numbers and dropout. Element i depends on the seed, the offset of the call and i alone, so threads share the
// elements as they like. Groups of 16 blocks of Philox are made together, in vectors; dropout uses each word once and
// moves 9 bytes for a float, which is what bounds it where the arithmetic does not.
#include "core/kernels/random.h"

#include "core/parallel.h"
#include "cpu/kernels/odometer.h"
#include "math/functions.h"
#include "math/philox.h"

namespace nn::NN_ISA {
namespace {

constexpr int64_t kGroupsPerThread = 128;

// f(first element, number of elements, words) for each group of `size` elements.
template <int size, class F>
void for_groups(const RandomState* state, int64_t count, const LaunchContext& ctx, const F& f) {
  const RandomState s = *state;
  parallel_for(ctx, ceil_div(count, size), kGroupsPerThread, [&](int64_t begin, int64_t end) {
    alignas(64) PhiloxGroup words;
    for (int64_t g = begin; g < end; ++g) {
      philox_group(static_cast<uint64_t>(g), s.offset, s.seed, words);
      f(g * size, static_cast<int>(least(size, count - g * size)), words);
    }
  });
}

void uniform(const RandomArgs& args, const LaunchContext& ctx) {
  if (args.dtype == DType::float32) {
    auto* const y = static_cast<float*>(args.y);
    const auto a = static_cast<float>(args.a), span = static_cast<float>(args.b - args.a);
    for_groups<64>(args.state, args.count, ctx, [=](int64_t first, int n, const PhiloxGroup& words) {
      const uint32_t* const w = words.word[0];
      for (int e = 0; e < n; ++e) y[first + e] = unit_float(w[e]) * span + a;
    });
  } else {
    auto* const y = static_cast<double*>(args.y);
    const double a = args.a, span = args.b - args.a;
    for_groups<32>(args.state, args.count, ctx, [=](int64_t first, int n, const PhiloxGroup& words) {
      for (int e = 0; e < n; ++e)
        y[first + e] = unit_double(wide_word(words, e / kPhiloxBlocks, e % kPhiloxBlocks)) * span + a;
    });
  }
}

// Two uniform numbers make two normal ones: sqrt(-2 log u) cos(2 pi v) and ... sin(2 pi v), u in (0, 1], v in [0, 1).
// In double also for float32, so that float32 results hardly ever depend on how the instruction set rounds.
NN_FN void box_muller(double u, double v, double& z0, double& z1) {
  const double r = sqrt(-2 * log(u)), angle = 0x1.921fb54442d18p+2 * v;
  z0 = r * cos(angle);
  z1 = r * sin(angle);
}

void normal(const RandomArgs& args, const LaunchContext& ctx) {
  constexpr int kBlocks = kPhiloxBlocks;
  const double mean = args.a, deviation = args.b;
  if (args.dtype == DType::float32) {
    auto* const y = static_cast<float*>(args.y);
    for_groups<64>(args.state, args.count, ctx, [=](int64_t first, int n, const PhiloxGroup& words) {
      double z[4][kBlocks];
      for (int pair = 0; pair < 4; pair += 2)
        for (int b = 0; b < kBlocks; ++b)
          box_muller((words.word[pair][b] + 1.0) * 0x1p-32, words.word[pair + 1][b] * 0x1p-32, z[pair][b],
                     z[pair + 1][b]);
      for (int e = 0; e < n; ++e) y[first + e] = static_cast<float>(mean + deviation * z[e / kBlocks][e % kBlocks]);
    });
  } else {
    auto* const y = static_cast<double*>(args.y);
    for_groups<32>(args.state, args.count, ctx, [=](int64_t first, int n, const PhiloxGroup& words) {
      double z[2][kBlocks];
      for (int b = 0; b < kBlocks; ++b)
        box_muller(unit_double(wide_word(words, 0, b)) + 0x1p-53, unit_double(wide_word(words, 1, b)), z[0][b],
                   z[1][b]);
      for (int e = 0; e < n; ++e) y[first + e] = mean + deviation * z[e / kBlocks][e % kBlocks];
    });
  }
}

void integers(const RandomArgs& args, const LaunchContext& ctx) {
  auto* const y = static_cast<int64_t*>(args.y);
  const uint64_t range = args.range, low = static_cast<uint64_t>(args.low);
  for_groups<32>(args.state, args.count, ctx, [=](int64_t first, int n, const PhiloxGroup& words) {
    for (int e = 0; e < n; ++e) {
      const uint64_t word = wide_word(words, e / kPhiloxBlocks, e % kPhiloxBlocks);
      const uint64_t x =
          range == 0 ? word : static_cast<uint64_t>((static_cast<unsigned __int128>(word) * range) >> 64);
      y[first + e] = static_cast<int64_t>(low + x);
    }
  });
}

template <class T>
void drop(const DropoutArgs& args, const LaunchContext& ctx) {
  const auto* const x = static_cast<const T*>(args.x);
  auto* const y = static_cast<T*>(args.y);
  // An all-or-nothing threshold of 2^32 does not fit a word: then no word is kept.
  const auto threshold = static_cast<uint32_t>(args.threshold);
  const bool none = args.threshold >> 32 != 0;
  const T scale = none ? T(0) : static_cast<T>(args.scale);
  for_groups<64>(args.state, args.count, ctx, [=, mask = args.mask](int64_t first, int n, const PhiloxGroup& words) {
    const uint32_t* const w = words.word[0];
    const T* const from = x + first;
    T* const to = y + first;
    bool* const keep = mask + first;
    const auto one = [=](int e) NN_LAMBDA {
      const bool kept = !none & (w[e] >= threshold);
      keep[e] = kept;
      to[e] = from[e] * (kept ? scale : T(0));
    };
    if (n == 64)  // a number of steps that the compiler knows
#pragma omp simd
      for (int e = 0; e < 64; ++e) one(e);
    else
      for (int e = 0; e < n; ++e) one(e);
  });
}

void dropout(const DropoutArgs& args, const LaunchContext& ctx) {
  args.dtype == DType::float32 ? drop<float>(args, ctx) : drop<double>(args, ctx);
}

template <class T>
void scale_by_mask(const MaskScaleArgs& args, const LaunchContext& ctx) {
  const auto* const x = static_cast<const T*>(args.x);
  auto* const y = static_cast<T*>(args.y);
  const T scale = static_cast<T>(args.scale);
  parallel_for(ctx, args.count, 1 << 15, [=, mask = args.mask](int64_t begin, int64_t end) {
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) y[i] = x[i] * (mask[i] ? scale : T(0));
  });
}

void mask_scale(const MaskScaleArgs& args, const LaunchContext& ctx) {
  args.dtype == DType::float32 ? scale_by_mask<float>(args, ctx) : scale_by_mask<double>(args, ctx);
}

void advance(const AdvanceArgs& args, const LaunchContext&) { ++args.state->offset; }

}  // namespace

extern const RandomKernels random_kernels;
const RandomKernels random_kernels = {
    {"uniform", uniform}, {"normal", normal},         {"integers", integers},
    {"dropout", dropout}, {"mask_scale", mask_scale}, {"advance", advance},
};

}  // namespace nn::NN_ISA
