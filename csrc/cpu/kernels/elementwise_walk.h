// How the elementwise kernels go through memory: one driver for all of them. A kernel is an inner function over
// contiguous elements, instantiated once for each operation and dtype. Operands that are not contiguous along the inner
// dimension pass through small buffers in the first-level cache, so an element's bits do not depend on its layout.
#pragma once

#include "core/kernels/kernel.h"
#include "core/parallel.h"

namespace nn::NN_ISA {
namespace {

// Computes n contiguous elements: data[0] is the result. `context` is what the kernel handed to walk.
using Inner = void (*)(char* const* data, int64_t n, const void* context);

constexpr int64_t kBufferElements = 512;

template <class T>
void gather_as(char* buffer, const char* source, int64_t stride, int64_t n) {
  T* const to = reinterpret_cast<T*>(buffer);
  const T* const from = reinterpret_cast<const T*>(source);
  for (int64_t i = 0; i < n; ++i) to[i] = from[i * stride];
}

template <class T>
void scatter_as(char* target, const char* buffer, int64_t stride, int64_t n) {
  T* const to = reinterpret_cast<T*>(target);
  const T* const from = reinterpret_cast<const T*>(buffer);
  for (int64_t i = 0; i < n; ++i) to[i * stride] = from[i];
}

// Strides count elements of `bytes` bytes: 1, 4 or 8.
void gather(char* buffer, const char* source, int64_t stride, int bytes, int64_t n) {
  if (bytes == 4) return gather_as<uint32_t>(buffer, source, stride, n);
  if (bytes == 8) return gather_as<uint64_t>(buffer, source, stride, n);
  gather_as<uint8_t>(buffer, source, stride, n);
}
void scatter(char* target, const char* buffer, int64_t stride, int bytes, int64_t n) {
  if (bytes == 4) return scatter_as<uint32_t>(target, buffer, stride, n);
  if (bytes == 8) return scatter_as<uint64_t>(target, buffer, stride, n);
  scatter_as<uint8_t>(target, buffer, stride, n);
}

template <int N>
class Walk {
 public:
  Walk(const StridedLoop<N>& loop, const int (&bytes)[N], Inner inner, const void* context)
      : loop_(loop), bytes_(bytes), inner_(inner), context_(context), last_(loop.ndim - 1), total_(1) {
    for (int d = 0; d <= last_; ++d) total_ *= loop.shape[d];
    contiguous_ = true;
    for (int n = 0; n < N; ++n) contiguous_ = contiguous_ && loop.stride[n][last_] == 1;
  }

  int64_t total() const { return total_; }

  // Elements [begin, end) of the loop in its own order.
  void run(int64_t begin, int64_t end) const {
    const int64_t row_length = loop_.shape[last_];
    int64_t at[kMaxDims], row = begin / row_length, start = begin % row_length;
    for (int d = last_ - 1; d >= 0; --d) {
      at[d] = row % loop_.shape[d];
      row /= loop_.shape[d];
    }
    char* data[N];
    for (int n = 0; n < N; ++n) {
      int64_t offset = start * loop_.stride[n][last_];
      for (int d = 0; d < last_; ++d) offset += at[d] * loop_.stride[n][d];
      data[n] = static_cast<char*>(loop_.data[n]) + offset * bytes_[n];
    }
    while (true) {
      const int64_t count = row_length - start < end - begin ? row_length - start : end - begin;
      if (contiguous_)
        inner_(data, count, context_);
      else
        run_buffered(data, count);
      begin += count;
      if (begin >= end) return;
      next_row(at, data, start);
      start = 0;
    }
  }

 private:
  // From position `start` of one row to the beginning of the next.
  void next_row(int64_t (&at)[kMaxDims], char* (&data)[N], int64_t start) const {
    for (int n = 0; n < N; ++n) data[n] -= start * loop_.stride[n][last_] * bytes_[n];
    int d = last_ - 1;
    while (++at[d] == loop_.shape[d]) {
      for (int n = 0; n < N; ++n) data[n] -= (loop_.shape[d] - 1) * loop_.stride[n][d] * bytes_[n];
      at[d--] = 0;
    }
    for (int n = 0; n < N; ++n) data[n] += loop_.stride[n][d] * bytes_[n];
  }

  // A repeated element is spread over its buffer once for the whole row.
  void run_buffered(char* const (&row)[N], int64_t count) const {
    alignas(64) char buffers[N][kBufferElements * sizeof(double)];
    for (int64_t i = 0; i < count; i += kBufferElements) {
      const int64_t n_here = count - i < kBufferElements ? count - i : kBufferElements;
      char* data[N];
      for (int n = 0; n < N; ++n) {
        const int64_t stride = loop_.stride[n][last_];
        char* const here = row[n] + i * stride * bytes_[n];
        data[n] = stride == 1 ? here : buffers[n];
        if (stride != 1 && n > 0 && (stride != 0 || i == 0)) gather(buffers[n], here, stride, bytes_[n], n_here);
      }
      inner_(data, n_here, context_);
      if (data[0] == buffers[0]) {
        const int64_t stride = loop_.stride[0][last_];
        scatter(row[0] + i * stride * bytes_[0], buffers[0], stride, bytes_[0], n_here);
      }
    }
  }

  const StridedLoop<N>& loop_;
  const int (&bytes_)[N];
  const Inner inner_;
  const void* const context_;
  const int last_;
  int64_t total_;
  bool contiguous_;
};

// Calls inner for all of the loop, in parallel; each thread gets at least `grain` elements.
template <int N>
void walk(const StridedLoop<N>& loop, const int (&bytes)[N], int64_t grain, const LaunchContext& ctx, Inner inner,
          const void* context) {
  const Walk<N> w(loop, bytes, inner, context);
  parallel_for(ctx, w.total(), grain, [&](int64_t begin, int64_t end) { w.run(begin, end); });
}

}  // namespace
}  // namespace nn::NN_ISA
