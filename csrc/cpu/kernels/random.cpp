// Random numbers and dropout. Element i depends on the seed, the offset of the call and i alone, so threads share the
// elements as they like. Groups of 16 blocks of Philox are made together, in vectors; dropout uses each word once and
// moves 9 bytes for a float, which is what bounds it where the arithmetic does not.
#include "core/kernels/random.h"

#include "core/parallel.h"
#include "cpu/kernels/odometer.h"
#include "cpu/simd/simd.h"
#include "math/draw.h"
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
      philox(static_cast<uint64_t>(g) * kPhiloxBlocks, s.offset, s.seed, words);
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
NN_FN void box_muller(const double (&u)[kPhiloxBlocks], const double (&v)[kPhiloxBlocks], double* z0, double* z1) {
  using V = Vec<double>;
  for (int b = 0; b < kPhiloxBlocks; b += V::size) {
    const V r = sqrt(V(-2.0) * log(V::load(u + b))), angle = V(0x1.921fb54442d18p+2) * V::load(v + b);
    (r * cos(angle)).store(z0 + b);
    (r * sin(angle)).store(z1 + b);
  }
}

void normal(const RandomArgs& args, const LaunchContext& ctx) {
  constexpr int kBlocks = kPhiloxBlocks;
  const double mean = args.a, deviation = args.b;
  if (args.dtype == DType::float32) {
    auto* const y = static_cast<float*>(args.y);
    for_groups<64>(args.state, args.count, ctx, [=](int64_t first, int n, const PhiloxGroup& words) {
      double z[4][kBlocks], u[kBlocks], v[kBlocks];
      for (int pair = 0; pair < 4; pair += 2) {
        for (int b = 0; b < kBlocks; ++b) {
          u[b] = (words.word[pair][b] + 1.0) * 0x1p-32;
          v[b] = words.word[pair + 1][b] * 0x1p-32;
        }
        box_muller(u, v, z[pair], z[pair + 1]);
      }
      for (int e = 0; e < n; ++e) y[first + e] = static_cast<float>(mean + deviation * z[e / kBlocks][e % kBlocks]);
    });
  } else {
    auto* const y = static_cast<double*>(args.y);
    for_groups<32>(args.state, args.count, ctx, [=](int64_t first, int n, const PhiloxGroup& words) {
      double z[2][kBlocks], u[kBlocks], v[kBlocks];
      for (int b = 0; b < kBlocks; ++b) {
        u[b] = unit_double(wide_word(words, 0, b)) + 0x1p-53;
        v[b] = unit_double(wide_word(words, 1, b));
      }
      box_muller(u, v, z[0], z[1]);
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
  const int32_t some = args.threshold >> 32 == 0;
  const T scale = static_cast<T>(args.scale);
  for_groups<64>(args.state, args.count, ctx,
                 [=, mask = reinterpret_cast<uint8_t*>(args.mask)](int64_t first, int n, const PhiloxGroup& words) {
                   const uint32_t* const w = words.word[0];
                   // Numbers, not choices: a branch on a random bit is predicted wrongly every other time.
                   alignas(64) int32_t kept[64];
                   for (int e = 0; e < 64; ++e) kept[e] = static_cast<int32_t>(w[e] >= threshold) & some;
                   for (int e = 0; e < n; ++e) mask[first + e] = static_cast<uint8_t>(kept[e]);
                   for (int e = 0; e < n; ++e) y[first + e] = x[first + e] * (static_cast<T>(kept[e]) * scale);
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
  const auto* const mask = reinterpret_cast<const uint8_t*>(args.mask);
  parallel_for(ctx, args.count, 1 << 15, [=](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) y[i] = x[i] * (static_cast<T>(mask[i]) * scale);
  });
}

void mask_scale(const MaskScaleArgs& args, const LaunchContext& ctx) {
  args.dtype == DType::float32 ? scale_by_mask<float>(args, ctx) : scale_by_mask<double>(args, ctx);
}

void draw(const DrawArgs& args, const LaunchContext& ctx) {
  parallel_for(ctx, args.rows * args.draws, 1 << 9, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t row = i / args.draws * args.count;
      args.y[i] = place_of(args.sums + row, args.weights + row, args.count, args.u[i]);
    }
  });
}

void advance(const AdvanceArgs& args, const LaunchContext&) { ++args.state->offset; }

}  // namespace

extern const RandomKernels random_kernels;
const RandomKernels random_kernels = {
    {"uniform", uniform},       {"normal", normal}, {"integers", integers}, {"dropout", dropout},
    {"mask_scale", mask_scale}, {"draw", draw},     {"advance", advance},
};

}  // namespace nn::NN_ISA
