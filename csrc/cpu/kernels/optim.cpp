// Optimizer steps on the CPU.
//
// All tensors of the launch form one row of blocks of kOptimBlock elements, and threads share the row evenly, however
// the elements are spread over tensors. A step is a few operations on each number that it reads and writes (Adam: 16
// bytes read, 12 written per float32 parameter), so large models run at the speed of memory. A core reaches that only
// with lines on their way into the second-level cache well before they are used: the hardware's own prefetch stops at
// each page. The last vector of a tensor is a partial one through the same code, so every element is computed alike for
// any number of threads.
#include "core/kernels/optim.h"

#include "core/parallel.h"
#include "cpu/simd/simd.h"
#include "math/optim_more.h"

namespace nn::NN_ISA {
extern const OptimKernels optim_kernels;

namespace {

// Blocks that are worth another thread: some ten microseconds of work.
constexpr int64_t kGrain = 16;

template <class T>
struct Pointers {
  T* param;
  const T* grad;
  T* state[kOptimStates];

  Pointers(const OptimTensor& t, int64_t offset)
      : param(static_cast<T*>(t.param) + offset), grad(static_cast<const T*>(t.grad) + offset) {
    for (int i = 0; i < kOptimStates; ++i)
      state[i] = t.state[i] != nullptr ? static_cast<T*>(t.state[i]) + offset : nullptr;
  }
};

// How far ahead lines are fetched, in bytes. SGD over 25 million parameters in memory takes 7.0 ms with it, 9.6 without
// (AVX-512, 2 threads).
constexpr int64_t kAhead = 4096;
constexpr int64_t kLine = 64;

template <class T>
NN_FN void prefetch(const Pointers<T>& at, int64_t i) {
  const int64_t ahead = i + kAhead / static_cast<int64_t>(sizeof(T));
  __builtin_prefetch(at.param + ahead, 1, 2);
  __builtin_prefetch(at.grad + ahead, 0, 2);
  for (int k = 0; k < kOptimStates; ++k)
    if (at.state[k] != nullptr) __builtin_prefetch(at.state[k] + ahead, 1, 2);
}

// `n` elements are given in the last vector, which may be partial; a full one needs no count.
template <class T, class Step, class... Count>
NN_FN void update_vector(const Step& step, const Pointers<T>& at, int64_t i, Count... n) {
  using V = Vec<T>;
  V p = V::load(at.param + i, n...), s[kOptimStates];
  for (int k = 0; k < kOptimStates; ++k) s[k] = at.state[k] != nullptr ? V::load(at.state[k] + i, n...) : V(T(0));
  step(p, V::load(at.grad + i, n...), s[0], s[1], s[2]);
  p.store(at.param + i, n...);
  for (int k = 0; k < kOptimStates; ++k)
    if (at.state[k] != nullptr) s[k].store(at.state[k] + i, n...);
}

template <template <class> class Step, class T>
void update(const OptimTensor& t, int64_t begin, int64_t end) {
  const Step<T> step(t, t.step != nullptr ? static_cast<double>(*t.step) : 0.0);
  const Pointers<T> at(t, begin);
  constexpr int64_t line = kLine / static_cast<int64_t>(sizeof(T));
  const int64_t size = end - begin;
  int64_t i = 0;
  while (i + line <= size) {
    prefetch(at, i);
    for (const int64_t stop = i + line; i < stop; i += Vec<T>::size) update_vector<T>(step, at, i);
  }
  for (; i + Vec<T>::size <= size; i += Vec<T>::size) update_vector<T>(step, at, i);
  if (i < size) update_vector<T>(step, at, i, static_cast<int>(size - i));
}

// The tensor that block `b` belongs to: the last that does not begin after it. (Empty ones begin where the next does.)
const OptimTensor* find(const OptimArgs& a, int64_t b) {
  int64_t low = 0, high = a.count;
  while (high - low > 1) {
    const int64_t middle = (low + high) / 2;
    (a.tensors[middle].first_block <= b ? low : high) = middle;
  }
  return a.tensors + low;
}

template <template <class> class Step>
void run(const OptimArgs& a, const LaunchContext& ctx) {
  for (int64_t i = 0; i < a.count; ++i)
    if (a.tensors[i].step != nullptr) *a.tensors[i].step += 1;
  if constexpr (requires { Step<float>::begin(*a.tensors); })
    for (int64_t i = 0; i < a.count; ++i) Step<float>::begin(a.tensors[i]);
  parallel_for(ctx, a.blocks, kGrain, [&](int64_t b, int64_t end) {
    for (const OptimTensor* t = find(a, b); b < end; ++t) {
      const int64_t from = (b - t->first_block) * kOptimBlock;
      const int64_t until = (end - t->first_block) * kOptimBlock;
      const int64_t to = until < t->size ? until : t->size;
      if (to <= from) continue;
      t->dtype == DType::float32 ? update<Step, float>(*t, from, to) : update<Step, double>(*t, from, to);
      b += (to - from + kOptimBlock - 1) / kOptimBlock;
    }
  });
  if constexpr (requires { Step<float>::finish(*a.tensors); })
    for (int64_t i = 0; i < a.count; ++i) Step<float>::finish(a.tensors[i]);
}

}  // namespace

const OptimKernels optim_kernels = {
    {"sgd", run<SgdStep>},     {"adagrad", run<AdagradStep>},   {"rmsprop", run<RmspropStep>},
    {"adam", run<AdamStep>},   {"adamax", run<AdamaxStep>},     {"nadam", run<NadamStep>},
    {"radam", run<RadamStep>}, {"adadelta", run<AdadeltaStep>}, {"asgd", run<AsgdStep>},
    {"rprop", run<RpropStep>},
};

}  // namespace nn::NN_ISA
