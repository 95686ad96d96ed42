// Random numbers and dropout.
//
// The idea: a thread makes four neighbouring blocks of Philox, whose words belong to runs of four neighbouring elements
// (csrc/math/philox.h), and loads and stores each run at once. Parallel: all blocks; nothing is carried from one to the
// next. Bytes moved: what is written, for dropout 9 for a float; ten rounds are about 100 instructions for four words,
// a tenth of what a multiprocessor has time for, so that the memory bounds them, but for normal numbers: a logarithm, a
// sine and a cosine in double precision for two of them. The words are those of the CPU's kernels, bit for bit.
#include "core/kernels/random.h"
#include "cuda/loops.cuh"
#include "cuda/math.cuh"
#include "cuda/stored.cuh"
#include "math/draw.h"
#include "math/functions.h"
#include "math/philox.h"

namespace nn::cuda {
extern const RandomKernels random_kernels;

namespace {

constexpr int kRun = 4;  // blocks of a thread, and elements in a run

// A run of elements from `first` on, of which `n` exist. `whole`: the run may move at once.
template <class T>
struct Run {
  int64_t first;
  int n;
  bool whole;
};

template <class T>
__device__ __forceinline__ void store(T* y, const Run<T>& run, const T (&values)[kRun]) {
  using Four = Pack<T, kRun>;
  T* const to = y + run.first;
  if (run.whole && reinterpret_cast<uintptr_t>(to) % sizeof(Four) == 0) {
    Four four;
#pragma unroll
    for (int e = 0; e < kRun; ++e) four.at[e] = values[e];
    *reinterpret_cast<Four*>(to) = four;
  } else {
#pragma unroll
    for (int e = 0; e < kRun; ++e)
      if (e < run.n) to[e] = values[e];
  }
}

template <class T>
__device__ __forceinline__ void load(const T* x, const Run<T>& run, T (&values)[kRun]) {
  using Four = Pack<T, kRun>;
  const T* const from = x + run.first;
  if (run.whole && reinterpret_cast<uintptr_t>(from) % sizeof(Four) == 0) {
    const Four four = *reinterpret_cast<const Four*>(from);
#pragma unroll
    for (int e = 0; e < kRun; ++e) values[e] = four.at[e];
  } else {
#pragma unroll
    for (int e = 0; e < kRun; ++e) values[e] = e < run.n ? from[e] : T(0);
  }
}

// make(words, r, values) for the runs r of this thread, which are kept in y. A group of 16 blocks is four threads; it
// has kRuns elements for each block.
template <int kRuns, class T, class Make>
__device__ __forceinline__ void for_runs(const RandomState* state, int64_t count, const Make& make) {
  constexpr int kThreadsOfGroup = kPhiloxBlocks / kRun;
  const uint64_t seed = state->seed, offset = state->offset;
  const int64_t groups = ceil_div(count, int64_t{kRuns * kPhiloxBlocks});
  const int64_t step = int64_t{gridDim.x} * kThreads;
  for (int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x; i < groups * kThreadsOfGroup; i += step) {
    PhiloxWords<kRun> words;
    philox(static_cast<uint64_t>(i) * kRun, offset, seed, words);
    const int64_t first = i / kThreadsOfGroup * (kRuns * kPhiloxBlocks) + i % kThreadsOfGroup * kRun;
    const auto run = [&](int r) {
      const int64_t at = first + r * kPhiloxBlocks, left = count - at;
      return Run<T>{at, static_cast<int>(left < kRun ? left : kRun), left >= kRun};
    };
    make(words, run);
  }
}

template <class T>
inline constexpr int runs_of = sizeof(T) == 4 ? 4 : 2;  // words of 32 or of 64 bits in a block

template <class T>
__global__ void __launch_bounds__(kThreads) uniform_kernel(T* y, int64_t count, const RandomState* state, T a, T span) {
  for_runs<runs_of<T>, T>(state, count, [&](const PhiloxWords<kRun>& words, const auto& run) {
#pragma unroll
    for (int r = 0; r < runs_of<T>; ++r) {
      T values[kRun];
#pragma unroll
      for (int b = 0; b < kRun; ++b) {
        if constexpr (sizeof(T) == 4)
          values[b] = unit_float(words.word[r][b]) * span + a;
        else
          values[b] = unit_double(wide_word(words, r, b)) * span + a;
      }
      store(y, run(r), values);
    }
  });
}

// Two uniform numbers make two normal ones: sqrt(-2 log u) cos(2 pi v) and ... sin(2 pi v), u in (0, 1], v in [0, 1).
// In double also for float32, as on the CPU.
__device__ __forceinline__ void box_muller(double u, double v, double& z0, double& z1) {
  const double r = sqrt(-2.0 * log(u)), angle = 0x1.921fb54442d18p+2 * v;
  z0 = r * sin_shifted<1>(angle);
  z1 = r * sin_shifted<0>(angle);
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    normal_kernel(T* y, int64_t count, const RandomState* state, double mean, double deviation) {
  for_runs<runs_of<T>, T>(state, count, [&](const PhiloxWords<kRun>& words, const auto& run) {
#pragma unroll
    for (int pair = 0; pair < runs_of<T>; pair += 2) {
      T values[2][kRun];
#pragma unroll
      for (int b = 0; b < kRun; ++b) {
        double u, v, z[2];
        if constexpr (sizeof(T) == 4) {
          u = (words.word[pair][b] + 1.0) * 0x1p-32;
          v = words.word[pair + 1][b] * 0x1p-32;
        } else {
          u = unit_double(wide_word(words, 0, b)) + 0x1p-53;
          v = unit_double(wide_word(words, 1, b));
        }
        box_muller(u, v, z[0], z[1]);
        for (int k = 0; k < 2; ++k) values[k][b] = static_cast<T>(mean + deviation * z[k]);
      }
      for (int k = 0; k < 2; ++k) store(y, run(pair + k), values[k]);
    }
  });
}

__global__ void __launch_bounds__(kThreads)
    integers_kernel(int64_t* y, int64_t count, const RandomState* state, int64_t low, uint64_t range) {
  for_runs<2, int64_t>(state, count, [&](const PhiloxWords<kRun>& words, const auto& run) {
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      int64_t values[kRun];
#pragma unroll
      for (int b = 0; b < kRun; ++b) {
        const uint64_t word = wide_word(words, r, b);
        const uint64_t x =
            range == 0 ? word : static_cast<uint64_t>((static_cast<unsigned __int128>(word) * range) >> 64);
        values[b] = static_cast<int64_t>(static_cast<uint64_t>(low) + x);
      }
      store(y, run(r), values);
    }
  });
}

// A run of x, and to y, in T or, of float, in 16 bits: one kernel for the three, most of which is Philox.
template <class T>
__device__ __forceinline__ void load_as(const void* x, DType dtype, const Run<T>& run, T (&values)[kRun]) {
  if constexpr (sizeof(T) == 4) {
    if (dtype != DType::float32) {
      const Half as{dtype == DType::bfloat16};
      uint16_t bits[kRun];
      load(static_cast<const uint16_t*>(x), Run<uint16_t>{run.first, run.n, run.whole}, bits);
#pragma unroll
      for (int e = 0; e < kRun; ++e) values[e] = as.value(bits[e]);
      return;
    }
  }
  load(static_cast<const T*>(x), run, values);
}
template <class T>
__device__ __forceinline__ void store_as(void* y, DType dtype, const Run<T>& run, const T (&values)[kRun]) {
  if constexpr (sizeof(T) == 4) {
    if (dtype != DType::float32) {
      const Half as{dtype == DType::bfloat16};
      uint16_t bits[kRun];
#pragma unroll
      for (int e = 0; e < kRun; ++e) bits[e] = as.stored(values[e]);
      return store(static_cast<uint16_t*>(y), Run<uint16_t>{run.first, run.n, run.whole}, bits);
    }
  }
  store(static_cast<T*>(y), run, values);
}

// Words of 32 bits decide for all types.
template <class T>
__global__ void __launch_bounds__(kThreads) dropout_kernel(DropoutArgs args, T scale) {
  for_runs<4, T>(args.state, args.count, [&](const PhiloxWords<kRun>& words, const auto& run) {
#pragma unroll
    for (int r = 0; r < 4; ++r) {
      const Run<T> here = run(r);
      T values[kRun];
      bool kept[kRun];
      load_as(args.x, args.dtype, here, values);
#pragma unroll
      for (int b = 0; b < kRun; ++b) {
        kept[b] = words.word[r][b] >= args.threshold;
        values[b] = values[b] * (static_cast<T>(kept[b]) * scale);
      }
      store(args.mask, Run<bool>{here.first, here.n, here.whole}, kept);
      store_as(args.y, args.dtype, here, values);
    }
  });
}

template <class T>
__global__ void __launch_bounds__(kThreads) mask_scale_kernel(MaskScaleArgs args, T scale) {
  const int64_t step = int64_t{gridDim.x} * kThreads;
#pragma unroll 1
  for (int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x; i * kRun < args.count; i += step) {
    const int64_t first = i * kRun, left = args.count - first;
    const int n = static_cast<int>(left < kRun ? left : kRun);
    const Run<T> here = {first, n, n == kRun};
    T values[kRun];
    bool kept[kRun];
    load_as(args.x, args.dtype, here, values);
    load(args.mask, Run<bool>{first, n, n == kRun}, kept);
#pragma unroll
    for (int e = 0; e < kRun; ++e) values[e] = values[e] * (static_cast<T>(kept[e]) * scale);
    store_as(args.y, args.dtype, here, values);
  }
}

__global__ void __launch_bounds__(kThreads) draw_kernel(DrawArgs args) {
  const int64_t step = int64_t{gridDim.x} * kThreads;
#pragma unroll 1
  for (int64_t row = blockIdx.y; row < args.rows; row += gridDim.y)
#pragma unroll 1
    for (int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x; i < args.draws; i += step) {
      const int64_t from = row * args.count, at = row * args.draws + i;
      args.y[at] = place_of(args.sums + from, args.weights + from, args.count, args.u[at]);
    }
}

__global__ void advance_kernel(RandomState* state) { ++state->offset; }

// Blocks of the grid for so many elements, of which a thread makes `each`.
unsigned grid_for(int64_t count, int each) { return blocks_for(ceil_div(count, int64_t{each})); }

void uniform(const RandomArgs& args, const LaunchContext& ctx) {
  if (args.count == 0) return;
  with_floating(args.dtype, [&]<class T>(T) {
    NN_LAUNCH(uniform_kernel<T>, grid_for(args.count, kRun * runs_of<T>), kThreads, 0, ctx, static_cast<T*>(args.y),
              args.count, args.state, static_cast<T>(args.a), static_cast<T>(args.b - args.a));
  });
}

void normal(const RandomArgs& args, const LaunchContext& ctx) {
  if (args.count == 0) return;
  with_floating(args.dtype, [&]<class T>(T) {
    NN_LAUNCH(normal_kernel<T>, grid_for(args.count, kRun * runs_of<T>), kThreads, 0, ctx, static_cast<T*>(args.y),
              args.count, args.state, args.a, args.b);
  });
}

void integers(const RandomArgs& args, const LaunchContext& ctx) {
  if (args.count == 0) return;
  NN_LAUNCH(integers_kernel, grid_for(args.count, kRun * 2), kThreads, 0, ctx, static_cast<int64_t*>(args.y),
            args.count, args.state, args.low, args.range);
}

void dropout(const DropoutArgs& args, const LaunchContext& ctx) {
  if (args.count == 0) return;
  with_computed(args.dtype, [&]<class T>(T) {
    const auto scale = static_cast<T>(args.scale);
    NN_LAUNCH(dropout_kernel<T>, grid_for(args.count, kRun * 4), kThreads, 0, ctx, args, scale);
  });
}

void mask_scale(const MaskScaleArgs& args, const LaunchContext& ctx) {
  if (args.count == 0) return;
  with_computed(args.dtype, [&]<class T>(T) {
    const auto scale = static_cast<T>(args.scale);
    NN_LAUNCH(mask_scale_kernel<T>, grid_for(args.count, kRun), kThreads, 0, ctx, args, scale);
  });
}

void draw(const DrawArgs& args, const LaunchContext& ctx) {
  if (args.rows * args.draws == 0) return;
  const dim3 grid(blocks_for(args.draws), static_cast<unsigned>(least(args.rows, int64_t{1} << 15)));
  NN_LAUNCH(draw_kernel, grid, kThreads, 0, ctx, args);
}

void advance(const AdvanceArgs& args, const LaunchContext& ctx) { NN_LAUNCH(advance_kernel, 1, 1, 0, ctx, args.state); }

}  // namespace

const RandomKernels random_kernels = {
    {"uniform", uniform},       {"normal", normal}, {"integers", integers}, {"dropout", dropout},
    {"mask_scale", mask_scale}, {"draw", draw},     {"advance", advance},
};

}  // namespace nn::cuda
