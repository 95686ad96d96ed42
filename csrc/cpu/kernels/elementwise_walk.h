// How the elementwise kernels go through memory: one driver for all of them. A kernel is an inner function over
// contiguous elements, instantiated once for each operation and dtype. Operands that are not contiguous along the inner
// dimension pass through small buffers in the first-level cache, so an element's bits do not depend on its layout.
// Transposed operands are read in tiles of whole cache lines.
#pragma once

#include "core/kernels/kernel.h"
#include "core/parallel.h"
#include "cpu/simd/transpose.h"

namespace nn::NN_ISA {
namespace {

// Computes n contiguous elements: data[0] is the result. `context` is what the kernel handed to walk. None at all means
// that operand 0 is a copy of operand 1, bit by bit.
using Inner = void (*)(char* const* data, int64_t n, const void* context);

// A tile has the rows that one cache line of a transposed float operand spans.
constexpr int64_t kTileRows = 16, kTileColumns = 64, kBufferElements = kTileRows * kTileColumns;

template <class T>
void gather_as(char* buffer, const char* source, int64_t stride, int64_t n) {
  T* const to = reinterpret_cast<T*>(buffer);
  const T* const from = reinterpret_cast<const T*>(source);
  if (stride == 0) {
    const T x = *from;
    for (int64_t i = 0; i < n; ++i) to[i] = x;
  } else if (stride == -1) {
    for (int64_t i = 0; i < n; ++i) to[i] = from[-i];
  } else if (stride == 2) {
    for (int64_t i = 0; i < n; ++i) to[i] = from[2 * i];
  } else {
    for (int64_t i = 0; i < n; ++i) to[i] = from[i * stride];
  }
}

// A tile whose rows are adjacent in the source: row r of the buffer starts at r * pitch.
template <class T>
void gather_tile_as(char* buffer, int64_t pitch, const char* source, int64_t stride, int64_t rows, int64_t columns) {
  T* const to = reinterpret_cast<T*>(buffer);
  const T* const from = reinterpret_cast<const T*>(source);
  if constexpr (sizeof(T) > 2) {  // through registers, which move the bits of any type
    constexpr int64_t V = Vec<T>::size;
    for (int64_t j = 0; j < columns; j += V)
      transpose_rows(from + j * stride, stride, static_cast<int>(columns - j < V ? columns - j : V), to + j, pitch,
                     rows);
  } else {
    for (int64_t j = 0; j < columns; ++j)
      for (int64_t r = 0; r < rows; ++r) to[r * pitch + j] = from[j * stride + r];
  }
}

template <class T>
void scatter_as(char* target, const char* buffer, int64_t stride, int64_t n) {
  T* const to = reinterpret_cast<T*>(target);
  const T* const from = reinterpret_cast<const T*>(buffer);
  for (int64_t i = 0; i < n; ++i) to[i * stride] = from[i];
}

// Strides count elements of `bytes` bytes: 1, 2, 4 or 8.
void gather(char* buffer, const char* source, int64_t stride, int bytes, int64_t n) {
  if (bytes == 4) return gather_as<uint32_t>(buffer, source, stride, n);
  if (bytes == 8) return gather_as<uint64_t>(buffer, source, stride, n);
  if (bytes == 2) return gather_as<uint16_t>(buffer, source, stride, n);
  gather_as<uint8_t>(buffer, source, stride, n);
}
void gather_tile(char* buffer, int64_t pitch, const char* source, int64_t stride, int bytes, int64_t rows,
                 int64_t columns) {
  if (bytes == 4) return gather_tile_as<float>(buffer, pitch, source, stride, rows, columns);
  if (bytes == 8) return gather_tile_as<double>(buffer, pitch, source, stride, rows, columns);
  if (bytes == 2) return gather_tile_as<uint16_t>(buffer, pitch, source, stride, rows, columns);
  gather_tile_as<uint8_t>(buffer, pitch, source, stride, rows, columns);
}
void scatter(char* target, const char* buffer, int64_t stride, int bytes, int64_t n) {
  if (bytes == 4) return scatter_as<uint32_t>(target, buffer, stride, n);
  if (bytes == 8) return scatter_as<uint64_t>(target, buffer, stride, n);
  if (bytes == 2) return scatter_as<uint16_t>(target, buffer, stride, n);
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
    if (last_ == 0) return;
    for (int n = 1; n < N; ++n) tiled_ = tiled_ || transposed(n);
    tiles_per_plane_ = (loop.shape[last_ - 1] + kTileRows - 1) / kTileRows;
  }

  int64_t total() const { return total_; }
  bool tiled() const { return tiled_ && total_ > 0; }
  int64_t tiles() const { return total_ / (loop_.shape[last_] * loop_.shape[last_ - 1]) * tiles_per_plane_; }

  // Elements [begin, end) of the loop in its own order.
  void run(int64_t begin, int64_t end) const {
    const int64_t row_length = loop_.shape[last_];
    int64_t at[kMaxDims], start = begin % row_length;
    char* data[N];
    locate(begin / row_length, last_, at, data);
    for (int n = 0; n < N; ++n) data[n] += start * loop_.stride[n][last_] * bytes_[n];
    while (true) {
      const int64_t count = row_length - start < end - begin ? row_length - start : end - begin;
      if (contiguous_)
        compute(data, count);
      else
        run_buffered(data, count);
      begin += count;
      if (begin >= end) return;
      next_row(at, data, start);
      start = 0;
    }
  }

  // Tiles [begin, end): kTileRows rows of one plane each.
  void run_tiles(int64_t begin, int64_t end) const {
    const int64_t row_count = loop_.shape[last_ - 1], column_count = loop_.shape[last_];
    for (int64_t tile = begin; tile < end; ++tile) {
      int64_t at[kMaxDims];
      char* plane[N];
      locate(tile / tiles_per_plane_, last_ - 1, at, plane);
      const int64_t r = tile % tiles_per_plane_ * kTileRows;
      const int64_t rows = row_count - r < kTileRows ? row_count - r : kTileRows;
      for (int n = 0; n < N; ++n) plane[n] += r * loop_.stride[n][last_ - 1] * bytes_[n];
      for (int64_t c = 0; c < column_count; c += kTileColumns)
        run_tile(plane, c, rows, column_count - c < kTileColumns ? column_count - c : kTileColumns);
    }
  }

 private:
  // Whether neighbours of operand n lie in the last dimension but one, and a tile is worth filling.
  bool transposed(int n) const {
    return loop_.stride[n][last_] != 1 && loop_.stride[n][last_] != 0 && loop_.stride[n][last_ - 1] == 1 &&
           loop_.shape[last_] >= 4 && loop_.shape[last_ - 1] >= 4;
  }

  void compute(char* const* data, int64_t n) const {
    if constexpr (N == 2)
      if (inner_ == nullptr) {
        __builtin_memmove(data[0], data[1], n * bytes_[0]);
        return;
      }
    inner_(data, n, context_);
  }

  // Position `index` of the first `dims` dimensions, as coordinates and addresses.
  void locate(int64_t index, int dims, int64_t (&at)[kMaxDims], char* (&data)[N]) const {
    for (int n = 0; n < N; ++n) data[n] = static_cast<char*>(loop_.data[n]);
    for (int d = dims - 1; d >= 0; --d) {
      at[d] = index % loop_.shape[d];
      index /= loop_.shape[d];
      for (int n = 0; n < N; ++n) data[n] += at[d] * loop_.stride[n][d] * bytes_[n];
    }
  }

  void run_tile(char* const (&plane)[N], int64_t column, int64_t rows, int64_t columns) const {
    alignas(64) char buffers[N][kBufferElements * sizeof(double)];
    if constexpr (N == 2)
      if (inner_ == nullptr && loop_.stride[0][last_] == 1)
        return gather_tile(plane[0] + column * bytes_[0], loop_.stride[0][last_ - 1],
                           plane[1] + column * loop_.stride[1][last_] * bytes_[1], loop_.stride[1][last_], bytes_[1],
                           rows, columns);
    for (int n = 1; n < N; ++n)
      if (transposed(n))
        gather_tile(buffers[n], kTileColumns, plane[n] + column * loop_.stride[n][last_] * bytes_[n],
                    loop_.stride[n][last_], bytes_[n], rows, columns);
    for (int64_t r = 0; r < rows; ++r) {
      char *data[N], *here[N];
      for (int n = 0; n < N; ++n) {
        const int64_t stride = loop_.stride[n][last_];
        here[n] = plane[n] + (r * loop_.stride[n][last_ - 1] + column * stride) * bytes_[n];
        data[n] = stride == 1 ? here[n] : buffers[n] + r * kTileColumns * bytes_[n];
        if (stride != 1 && n > 0 && !transposed(n)) gather(data[n], here[n], stride, bytes_[n], columns);
      }
      compute(data, columns);
      if (data[0] != here[0]) scatter(here[0], data[0], loop_.stride[0][last_], bytes_[0], columns);
    }
  }

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
    if constexpr (N == 2)
      if (inner_ == nullptr && loop_.stride[0][last_] == 1)
        return gather(row[0], row[1], loop_.stride[1][last_], bytes_[1], count);
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
      compute(data, n_here);
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
  bool tiled_ = false;
  int64_t tiles_per_plane_ = 0;
};

// Calls inner for all of the loop, in parallel; each thread gets at least `grain` elements.
template <int N>
void walk(const StridedLoop<N>& loop, const int (&bytes)[N], int64_t grain, const LaunchContext& ctx, Inner inner,
          const void* context) {
  const Walk<N> w(loop, bytes, inner, context);
  if (w.tiled()) {
    const int64_t tile = kTileRows * loop.shape[loop.ndim - 1];
    parallel_for(ctx, w.tiles(), (grain + tile - 1) / tile,
                 [&](int64_t begin, int64_t end) { w.run_tiles(begin, end); });
  } else {
    parallel_for(ctx, w.total(), grain, [&](int64_t begin, int64_t end) { w.run(begin, end); });
  }
}

}  // namespace
}  // namespace nn::NN_ISA
