// Copies, casts, fills and choices on the emulation beside plain loops: rows of every alignment, transpositions with
// whole tiles and parts of them, repeated elements, elements of 1 to 8 bytes. What lies between the elements of a
// result stays as it was. Ends with 1 where anything is wrong.
#include "cuda/strided.h"

#include <cstring>
#include <string>

#include "cuda/half.h"
#include "device_array.h"

using namespace nn;
using cuda_on_cpu::DeviceArray;
using cuda_on_cpu::expect;

namespace {

const LaunchContext ctx{1, nullptr};

struct Shape {
  const char* name;
  int ndim;
  int64_t extent[3], y[3], x[3];  // extents, strides of the result and the source
  int64_t y_offset, x_offset;

  int64_t count() const {
    int64_t n = 1;
    for (int d = 0; d < ndim; ++d) n *= extent[d];
    return n;
  }
  int64_t place(int64_t i, const int64_t (&stride)[3]) const {
    int64_t at = 0;
    for (int d = ndim - 1; d >= 0; --d) at += i % extent[d] * stride[d], i /= extent[d];
    return at;
  }
  size_t size(const int64_t (&stride)[3], int64_t offset) const {
    int64_t last = offset;
    for (int d = 0; d < ndim; ++d) last += (extent[d] - 1) * stride[d];
    return static_cast<size_t>(last + 1);
  }
};

template <class T>
std::vector<T> drawn(size_t count, size_t seed) {
  std::vector<T> values(count);
  for (size_t i = 0; i < count; ++i) values[i] = static_cast<T>(static_cast<float>((i * 37 + seed) % 101));
  return values;
}

template <int N>
StridedLoop<N> loop_of(const Shape& s, void* const (&data)[N], const int64_t* const (&strides)[N]) {
  StridedLoop<N> loop{};
  loop.ndim = s.ndim;
  for (int n = 0; n < N; ++n) {
    loop.data[n] = data[n];
    for (int d = 0; d < s.ndim; ++d) loop.shape[d] = s.extent[d], loop.stride[n][d] = strides[n][d];
  }
  return loop;
}

// launch(y) is to write value(i) to each element.
template <class T, class Launch, class Value>
void check(const char* what, const Shape& s, const Launch& launch, const Value& value) {
  const DeviceArray<T> y(s.size(s.y, s.y_offset));
  std::vector<T> expected = y.read();
  for (int64_t i = 0; i < s.count(); ++i) expected[static_cast<size_t>(s.y_offset + s.place(i, s.y))] = value(i);
  launch(y.at(s.y_offset));
  const std::vector<T> got = y.read();
  const bool same = memcmp(got.data(), expected.data(), got.size() * sizeof(T)) == 0;
  expect(same, what, (std::string(s.name) + ", " + std::to_string(sizeof(T)) + " bytes").c_str());
}

template <class To, class From>
void check_cast(DType to, DType from, const Shape& s) {
  const std::vector<From> x = drawn<From>(s.size(s.x, s.x_offset), 1);
  const DeviceArray<From> dx(x);
  check<To>(
      to == from ? "a copy" : "a cast", s,
      [&](To* y) { cuda::cast({loop_of<2>(s, {y, dx.at(s.x_offset)}, {s.y, s.x}), to, from}, ctx); },
      [&](int64_t i) { return To(static_cast<float>(x[static_cast<size_t>(s.x_offset + s.place(i, s.x))])); });
}

template <class T>
void check_moves(DType dtype, const Shape& s) {
  check_cast<T, T>(dtype, dtype, s);
  check<T>(
      "a fill", s, [&](T* y) { cuda::fill({loop_of<1>(s, {y}, {s.y}), dtype, 3, 3}, ctx); },
      [](int64_t) { return static_cast<T>(3.0f); });
  const std::vector<T> a = drawn<T>(s.size(s.x, s.x_offset), 5), b = drawn<T>(s.size(s.y, s.y_offset), 9);
  std::vector<uint8_t> condition(s.size(s.y, s.y_offset));
  for (size_t i = 0; i < condition.size(); ++i) condition[i] = i * i % 7 % 2;
  const DeviceArray<T> da(a), db(b);
  const DeviceArray<uint8_t> chosen(condition);
  const int64_t nothing[3] = {};
  for (const bool number : {false, true})
    check<T>(
        number ? "a choice of a number" : "a choice", s,
        [&](T* y) {
          cuda::where({loop_of<4>(s, {y, chosen.at(s.y_offset), da.at(s.x_offset), db.at(s.y_offset)},
                                  {s.y, s.y, s.x, number ? nothing : s.y}),
                       dtype},
                      ctx);
        },
        [&](int64_t i) {
          const auto at = static_cast<size_t>(s.y_offset + s.place(i, s.y));
          return condition[at] != 0 ? a[static_cast<size_t>(s.x_offset + s.place(i, s.x))]
                                    : b[number ? static_cast<size_t>(s.y_offset) : at];
        });
}

const Shape kShapes[] = {
    {"one element", 1, {1}, {0}, {0}, 0, 0},
    {"neighbours", 1, {1003}, {1}, {1}, 0, 0},
    {"neighbours from 1", 1, {5003}, {1}, {1}, 1, 0},
    {"neighbours from 3, few", 1, {5}, {1}, {1}, 3, 2},
    {"every second", 1, {777}, {1}, {2}, 0, 0},
    {"to every third", 1, {777}, {3}, {1}, 1, 0},
    {"a repeated element", 1, {777}, {1}, {0}, 0, 1},
    {"rows of 16", 2, {9, 16}, {16, 1}, {32, 1}, 0, 0},
    {"rows of 16 from 8", 2, {9, 16}, {48, 1}, {32, 1}, 8, 16},
    {"rows of 6", 2, {9, 6}, {8, 1}, {10, 1}, 2, 4},
    {"rows of 6, 7 apart", 2, {9, 6}, {8, 1}, {7, 1}, 0, 0},
    {"rows of 5", 2, {300, 5}, {5, 1}, {7, 1}, 0, 1},
    {"long rows", 2, {3, 2111}, {2112, 1}, {2113, 1}, 1, 0},
    {"repeated rows", 2, {7, 40}, {40, 1}, {0, 1}, 0, 0},
    {"heads", 3, {3, 5, 12}, {60, 12, 1}, {12, 36, 1}, 0, 0},
    {"a transposition", 2, {64, 32}, {32, 1}, {1, 64}, 0, 0},
    {"a transposition with parts of tiles", 2, {37, 50}, {50, 1}, {1, 41}, 0, 3},
    {"transpositions", 3, {3, 17, 33}, {561, 33, 1}, {600, 1, 17}, 1, 0},
    {"a transposition of the outer dimension", 3, {20, 3, 18}, {54, 18, 1}, {1, 20, 60}, 0, 0},
    {"a transposition of thin rows", 2, {3, 100}, {100, 1}, {1, 3}, 0, 0},
    {"a transposition of repeated elements", 2, {20, 40}, {40, 1}, {1, 0}, 0, 0},
};
// More tiles than blocks, so that a block turns several.
const Shape kManyTiles = {"many transpositions", 3, {2150, 16, 16}, {256, 16, 1}, {256, 1, 16}, 0, 0};

}  // namespace

int main() {
  for (int order = 0; order < 2; ++order) {
    cuda_on_cpu_configure("order", order);
    for (const Shape& s : kShapes) {
      check_moves<uint8_t>(DType::uint8, s);
      check_moves<cuda::bfloat16>(DType::bfloat16, s);
      check_moves<float>(DType::float32, s);
      check_moves<double>(DType::float64, s);
      check_cast<cuda::float16, float>(DType::float16, DType::float32, s);
      check_cast<float, cuda::float16>(DType::float32, DType::float16, s);
      check_cast<float, uint8_t>(DType::float32, DType::uint8, s);
    }
  }
  check_cast<float, float>(DType::float32, DType::float32, kManyTiles);
  return cuda_on_cpu::wrong != 0;
}
