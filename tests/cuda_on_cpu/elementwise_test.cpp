// The walk of elementwise kernels (cuda/elementwise_walk.cuh) on the emulation: whole packs and tails, arrays that
// begin anywhere, numbers in place of arrays, strided and repeated operands, results of another type. The functions
// are of this file, so that few kernels are compiled. Ends with 1 where anything is wrong.
#include <string>

#include "cuda/elementwise_walk.cuh"
#include "device_array.h"

using namespace nn;
using cuda_on_cpu::DeviceArray;
using cuda_on_cpu::expect;

namespace {

const LaunchContext ctx{1, nullptr};

template <class T>
T twice(T x) {
  return static_cast<T>(x + x);
}
// The difference, or, with a result of another type, which is less.
template <class R, class T>
R compared(T x, T y) {
  if constexpr (std::is_same_v<R, T>)
    return static_cast<T>(x - y);
  else
    return static_cast<R>(x < y);
}

template <class T>
__global__ void unary_kernel(StridedLoop<2> loop, bool is_packed, int64_t count, T number) {
  cuda::walk<2, T, T>(loop, is_packed, count, number, [](T x, T) { return twice(x); });
}
template <class R, class T>
__global__ void binary_kernel(StridedLoop<3> loop, bool is_packed, int64_t count, T number) {
  cuda::walk<3, R, T>(loop, is_packed, count, number, [](T x, T y) { return compared<R>(x, y); });
}

template <class T>
std::vector<T> drawn(int64_t count, int64_t seed) {
  std::vector<T> values(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) values[static_cast<size_t>(i)] = static_cast<T>((i * 7 + seed) % 23);
  return values;
}

// One operand: where it begins, how far its rows and columns are apart; a number where it has no array.
struct Operand {
  int64_t offset, row, column;
  bool number = false;
  int64_t at(int64_t i, int64_t j) const { return offset + i * row + j * column; }
};

// R: T, or a byte for the result of a comparison.
template <class R, class T>
void check(int64_t rows, int64_t columns, const Operand& y, const Operand& a, const Operand& b, const char* name) {
  const auto size = [&](const Operand& o) { return o.at(rows - 1, columns - 1) + 1; };
  const std::vector<T> host_a = drawn<T>(size(a), 3), host_b = drawn<T>(size(b), 11);
  const DeviceArray<T> da(host_a), db(host_b);
  const T number = static_cast<T>(9);
  const auto run = [&](const char* what, const auto& function, const auto& launch) {
    const DeviceArray<R> result(static_cast<size_t>(size(y)));
    std::vector<R> expected = result.read();  // what lies between stays as it was
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t j = 0; j < columns; ++j)
        expected[static_cast<size_t>(y.at(i, j))] =
            function(a.number ? number : host_a[static_cast<size_t>(a.at(i, j))],
                     b.number ? number : host_b[static_cast<size_t>(b.at(i, j))]);
    StridedLoop<3> loop{};
    loop.ndim = rows == 1 ? 1 : 2;
    const Operand operands[3] = {y, a, b};
    for (int n = 0; n < 3; ++n) {
      if (rows > 1) loop.stride[n][0] = operands[n].row;
      loop.stride[n][loop.ndim - 1] = operands[n].column;
    }
    loop.shape[0] = rows, loop.shape[loop.ndim - 1] = columns;
    loop.data[0] = result.at(y.offset);
    loop.data[1] = a.number ? nullptr : da.at(a.offset), loop.data[2] = b.number ? nullptr : db.at(b.offset);
    launch(loop);
    const std::vector<R> got = result.read();
    const bool same = memcmp(got.data(), expected.data(), got.size() * sizeof(R)) == 0;
    expect(same, what, (std::string(name) + ", " + std::to_string(rows) + " x " + std::to_string(columns)).c_str());
  };
  run(
      "a binary kernel", [](T u, T v) { return compared<R>(u, v); },
      [&](const StridedLoop<3>& loop) { cuda::start<R, T>(binary_kernel<R, T>, loop, ctx, number); });
  if constexpr (std::is_same_v<R, T>) {
    if (a.number) return;
    run(
        "a unary kernel", [](T u, T) { return twice(u); },
        [&](const StridedLoop<3>& loop) {
          StridedLoop<2> two{};
          two.ndim = loop.ndim;
          for (int d = 0; d < kMaxDims; ++d) two.shape[d] = loop.shape[d];
          for (int n = 0; n < 2; ++n) {
            two.data[n] = loop.data[n];
            for (int d = 0; d < kMaxDims; ++d) two.stride[n][d] = loop.stride[n][d];
          }
          cuda::start<T, T>(unary_kernel<T>, two, ctx, number);
        });
  }
}

template <class R, class T>
void check() {
  for (const int64_t count : {1, 2, 3, 4, 7, 15, 16, 17, 1023, 6001}) {
    check<R, T>(1, count, {0, 0, 1}, {0, 0, 1}, {0, 0, 1}, "adjacent");
    check<R, T>(1, count, {1, 0, 1}, {0, 0, 1}, {0, 0, 1}, "a result that is not aligned");
    check<R, T>(1, count, {0, 0, 1}, {0, 0, 1}, {3, 0, 1}, "an operand that is not aligned");
    check<R, T>(1, count, {0, 0, 1}, {0, 0, 1}, {0, 0, 0, true}, "a number");
    check<R, T>(1, count, {0, 0, 1}, {0, 0, 0, true}, {0, 0, 1}, "a number first");
    check<R, T>(1, count, {0, 0, 2}, {0, 0, 3}, {0, 0, 0}, "steps and a repeated element");
  }
  check<R, T>(37, 41, {2, 43, 1}, {1, 1, 40}, {0, 0, 1}, "a transposed operand and a repeated row");
  check<R, T>(41, 3, {0, 3, 1}, {0, 5, 1}, {0, 1, 0}, "slices and a repeated column");
}

}  // namespace

int main() {
  check<float, float>();
  check<uint8_t, double>();
  check<uint8_t, uint8_t>();
  return cuda_on_cpu::wrong != 0;
}
