// Matrix multiplication on CUDA: the arguments made regular, the choice of the kernel, and the sum of the parts where K
// was split.
//
// The sum of parts reads every part once and writes C once: bound by memory; one thread for each element of C.
#include <cstdlib>

#include "cuda/gemm_finish.cuh"

namespace nn::cuda {

extern const GemmKernels gemm_kernels;

GemmProblem make_problem(const GemmArgs& args) {
  GemmProblem p{};
  p.a = args.a, p.b = args.b, p.c = args.c, p.bias = args.bias;
  p.M = args.M, p.N = args.N, p.K = args.K;
  p.a_row = args.a_row, p.a_col = args.a_col, p.b_row = args.b_row, p.b_col = args.b_col;
  p.c_row = args.c_row, p.c_col = args.c_col;
  p.bias_col = args.bias_stride;
  p.batch_ndim = args.batch_ndim, p.batch_count = 1;
  for (int d = 0; d < args.batch_ndim; ++d) {
    p.batch_shape[d] = args.batch_shape[d], p.batch_count *= args.batch_shape[d];
    p.batch[d] = {args.a_batch[d], args.b_batch[d], args.c_batch[d]};
  }
  p.relu = args.activation == Activation::relu, p.accumulate = args.accumulate;
  return (p.c_col == 1 && p.N > 1) || p.c_row != 1 ? p : transposed(p);
}

GemmProblem transposed(const GemmProblem& p) {
  GemmProblem t = p;
  t.a = p.b, t.b = p.a, t.M = p.N, t.N = p.M;
  t.a_row = p.b_col, t.a_col = p.b_row, t.b_row = p.a_col, t.b_col = p.a_row;
  t.c_row = p.c_col, t.c_col = p.c_row, t.bias_row = p.bias_col, t.bias_col = p.bias_row;
  for (int d = 0; d < p.batch_ndim; ++d) t.batch[d] = {p.batch[d].b, p.batch[d].a, p.batch[d].c};
  return t;
}

KSplit choose_split(int64_t K, int64_t tiles, int64_t unit) {
  constexpr int64_t kFew = 96, kBlocks = 256;                // tiles that call for it, blocks aimed at
  constexpr int64_t kLeast = 256, kMost = int64_t{1} << 30;  // of K in a part, whose kernels count in int
  const int64_t by_blocks = tiles < kFew ? kBlocks / tiles : 1, by_depth = K / kLeast;
  int64_t count = by_blocks < by_depth ? by_blocks : by_depth;
  if (count <= K / kMost) count = K / kMost + 1;
  if (count < 2) return {K, 1};
  const int64_t size = ceil_div(ceil_div(K, count), unit) * unit;
  return {size, static_cast<int>(ceil_div(K, size))};
}

bool is_wide(const void* data, int64_t element_size, int64_t width, int64_t step, const GemmProblem& p,
             int64_t BatchStrides::* stride) {
  if (reinterpret_cast<uintptr_t>(data) % static_cast<uintptr_t>(element_size * width) != 0) return false;
  bool wide = step % width == 0;
  for (int d = 0; d < p.batch_ndim; ++d) wide = wide && p.batch[d].*stride % width == 0;
  return wide;
}

namespace {

template <class T>
__global__ void sum_parts_kernel(const __grid_constant__ GemmProblem p, const typename GemmTypes<T>::Sum* partial,
                                 int parts) {
  const int64_t size = p.M * p.N, total = p.batch_count * size, step = int64_t{gridDim.x} * blockDim.x;
  for (int64_t e = int64_t{blockIdx.x} * blockDim.x + threadIdx.x; e < total; e += step) {
    auto sum = partial[e];
    for (int i = 1; i < parts; ++i) sum += partial[i * total + e];
    const int64_t m = e % size / p.N, n = e % p.N;
    T& place = static_cast<T*>(p.c)[p.offset(e / size).c + m * p.c_row + n * p.c_col];
    place = finish<T>(p, sum, p.accumulate ? place : T{}, m, n);
  }
}

template <class T>
void launch_sum(const GemmProblem& p, const void* partial, int parts, const LaunchContext& ctx) {
  constexpr int64_t kThreads = 256, kMostBlocks = 4096;
  const int64_t blocks = ceil_div(p.batch_count * p.M * p.N, kThreads);
  const dim3 grid(static_cast<unsigned>(blocks < kMostBlocks ? blocks : kMostBlocks));
  const auto* const sums = static_cast<const typename GemmTypes<T>::Sum*>(partial);
  NN_LAUNCH(sum_parts_kernel<T>, grid, kThreads, 0, ctx, p, sums, parts);
}

GemmType type_of(DType dtype) {
  switch (dtype) {
    case DType::float32:
      return GemmType::float32;
    case DType::float64:
      return GemmType::float64;
    case DType::int32:
      return GemmType::int32;
    case DType::int64:
      return GemmType::int64;
    case DType::bfloat16:
      return GemmType::bfloat16;
    case DType::float16:
      return GemmType::float16;
    default:
      return GemmType::uint8;
  }
}

bool is_set(const char* name) {
  const char* const value = std::getenv(name);
  return value != nullptr && *value != '\0' && *value != '0';
}

// float32. NNCORE_CUDA_BF16X6=1 uses the tensor cores for exact products too. Small problems do not fill their tiles.
void gemm_float32(const GemmProblem& p, Precision precision, const LaunchContext& ctx) {
  constexpr int64_t kSmall = 64, kMany = int64_t{1} << 29;  // M or N; rows of three planes are fewer than 2^31
  const bool exact = precision == Precision::highest, six = exact && is_set("NNCORE_CUDA_BF16X6");
  if (p.M < kSmall || p.N < kSmall || p.K == 0 || (exact && !six) || simt_only())
    return gemm_simt(p, GemmType::float32, ctx);
  const int capability = compute_capability();
  const bool single = p.batch_count == 1 && p.M < kMany && p.N < kMany && p.K < kMany;
  if (six) return capability == 90 && single ? gemm_bf16x6(p, ctx) : gemm_simt(p, GemmType::float32, ctx);
  constexpr int64_t kTiles = 64;  // of 128 x 128: with fewer, K is better split among blocks
  const bool fills = ceil_div(p.M, int64_t{128}) * ceil_div(p.N, int64_t{128}) >= kTiles || p.K < 1024;
  if (capability == 90 && single && fills) return gemm_sm90(p, GemmType::float32, ctx);
  if (capability >= 80) return gemm_mma(p, GemmType::float32, ctx);
  gemm_simt(p, GemmType::float32, ctx);
}

// Of 16 bits, with sums in float32.
void gemm_half(const GemmProblem& p, GemmType type, const LaunchContext& ctx) {
  constexpr int64_t kSmall = 64, kMany = int64_t{1} << 29, kTiles = 64;  // as above
  const int capability = compute_capability();
  if (p.K == 0 || capability < 80 || simt_only()) return gemm_simt(p, type, ctx);
  const bool single = p.batch_count == 1 && p.M < kMany && p.N < kMany && p.K < kMany;
  const bool fills = p.M >= kSmall && p.N >= kSmall &&
                     (ceil_div(p.M, int64_t{128}) * ceil_div(p.N, int64_t{128}) >= kTiles || p.K < 1024);
  if (capability == 90 && single && fills) return gemm_sm90(p, type, ctx);
  gemm_mma(p, type, ctx);
}

void gemm(const GemmArgs& args, const LaunchContext& ctx) {
  const GemmProblem p = make_problem(args);
  if (p.M <= 0 || p.N <= 0 || p.batch_count <= 0) return;
  if (args.dtype == DType::float32 && (p.M == 1 || p.N == 1) && !simt_only() && gemm_vector(p, ctx)) return;
  if (args.dtype == DType::float32) return gemm_float32(p, args.precision, ctx);
  if (is_half(args.dtype)) return gemm_half(p, type_of(args.dtype), ctx);
  gemm_simt(p, type_of(args.dtype), ctx);
}

}  // namespace

int compute_capability() {
  int device = 0, major = 0, minor = 0;
  if (cudaGetDevice(&device) != cudaSuccess ||
      cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device) != cudaSuccess ||
      cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, device) != cudaSuccess)
    return 0;
  return major * 10 + minor;
}

bool simt_only() { return is_set("NNCORE_CUDA_SIMT"); }

void sum_parts(const GemmProblem& p, GemmType type, const void* partial, int parts, const LaunchContext& ctx) {
  switch (type) {
    case GemmType::float32:
      return launch_sum<float>(p, partial, parts, ctx);
    case GemmType::float64:
      return launch_sum<double>(p, partial, parts, ctx);
    case GemmType::int32:
      return launch_sum<uint32_t>(p, partial, parts, ctx);
    case GemmType::int64:
      return launch_sum<uint64_t>(p, partial, parts, ctx);
    case GemmType::uint8:
      return launch_sum<uint8_t>(p, partial, parts, ctx);
    case GemmType::bfloat16:
      return launch_sum<bfloat16>(p, partial, parts, ctx);
    case GemmType::float16:
      return launch_sum<float16>(p, partial, parts, ctx);
  }
}

const GemmKernels gemm_kernels = {{"gemm", gemm}};

}  // namespace nn::cuda
