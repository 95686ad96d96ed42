// Indexing and sorting on the emulation: slices and elements picked, put and added, lines sorted whole and in part,
// what is not 0 found, against loops. Indices name places often, and one in each array names none. Values are small
// whole numbers, so that results are compared bit by bit. Prints what is wrong; ends with 1 where anything is.
// index_test [few].
#include "core/kernels/index.h"

#include <algorithm>
#include <cstdio>
#include <numeric>
#include <random>
#include <vector>

#include "cuda/kernel.cuh"
#include "emulation/report.h"

namespace nn::cuda {
extern const IndexKernels index_kernels;
}

using namespace nn;
using namespace nn::cuda;

namespace {

int wrong = 0;
std::mt19937 generator(1);
int64_t below(int64_t n) { return static_cast<int64_t>(generator() % static_cast<unsigned>(n)); }
const LaunchContext ctx{1, nullptr};

// Memory of the device with the values of a vector.
template <class T>
class Array {
 public:
  explicit Array(std::vector<T> values) : values_(std::move(values)) {
    if (cudaMalloc(&data_, values_.size() * sizeof(T) + 1) != cudaSuccess) std::abort();
    if (!values_.empty()) cudaMemcpy(data_, values_.data(), values_.size() * sizeof(T), cudaMemcpyHostToDevice);
  }
  ~Array() { cudaFree(data_); }
  Array(const Array&) = delete;
  T* data() { return static_cast<T*>(data_); }
  std::vector<T> read() {
    cudaDeviceSynchronize();
    if (!values_.empty()) cudaMemcpy(values_.data(), data_, values_.size() * sizeof(T), cudaMemcpyDeviceToHost);
    return values_;
  }

 private:
  std::vector<T> values_;
  void* data_ = nullptr;
};

template <class T>
std::vector<T> drawn(int64_t count, int64_t range = 19) {
  std::vector<T> values(static_cast<size_t>(count));
  for (T& x : values) x = static_cast<T>(below(range) - range / 2);
  return values;
}
// Places in [0, extent), the last of which is `bad` instead.
std::vector<int64_t> places(int64_t count, int64_t extent, int64_t bad) {
  std::vector<int64_t> values(static_cast<size_t>(count));
  for (int64_t& i : values) i = std::min(below(extent), below(extent));
  values.back() = bad;
  return values;
}

template <class T>
void expect(const char* what, int64_t a, int64_t b, int64_t c, Array<T>& got, const std::vector<T>& expected) {
  const bool same = got.read() == expected;
  const int64_t reported = cuda_on_cpu_report_count();
  if (same && reported == 0) return;
  std::printf("%s of %lld, %lld, %lld: %s, %lld reports\n", what, static_cast<long long>(a), static_cast<long long>(b),
              static_cast<long long>(c), same ? "right" : "WRONG", static_cast<long long>(reported));
  ++wrong;
}

// x [extent, width], y [count, width], index [count]; or, for elements, index [count, width].
template <class T>
void check_places(DType dtype, int64_t extent, int64_t count, int64_t width, bool turned) {
  Array<FaultWord> fault({FaultWord{}});
  const FaultSite site{fault.data(), 7};
  // `turned`: the indexed dimension is the one whose elements are neighbours.
  const auto at = [&](int64_t i, int64_t j, int64_t height) {
    return static_cast<size_t>(turned ? j * height + i : i * width + j);
  };
  const std::vector<T> x = drawn<T>(extent * width), y = drawn<T>(count * width);
  for (const bool elements : {false, true}) {
    const std::vector<int64_t> index = places(elements ? count * width : count, extent, extent + 3);
    const auto place = [&](int64_t i, int64_t j) { return index[elements ? at(i, j, count) : static_cast<size_t>(i)]; };
    std::vector<T> picked(y.size()), put = x, added = x;
    for (int64_t i = 0; i < count; ++i)
      for (int64_t j = 0; j < width; ++j) {
        const int64_t to = place(i, j);
        if (to >= extent) continue;
        picked[at(i, j, count)] = x[at(to, j, extent)];
        put[at(to, j, extent)] = y[at(i, j, count)];
        added[at(to, j, extent)] += y[at(i, j, count)];
      }
    Array<int64_t> named(index);
    Array<T> picked_x(x), picked_y(y), put_x(x), added_x(x), source(y);
    const int64_t x_step = turned ? 1 : width, y_step = x_step, x_next = turned ? extent : 1;
    const int64_t y_next = turned ? count : 1;
    const auto run = [&](const auto& slices, const auto& single, Array<T>& to_x, Array<T>& to_y) {
      if (elements) {
        GatherArgs args{dtype, {}, count, extent, {y_step, y_step, x_step}, site};
        args.loop.ndim = 1;
        args.loop.shape[0] = width;
        args.loop.stride[0][0] = args.loop.stride[1][0] = y_next, args.loop.stride[2][0] = x_next;
        args.loop.data[0] = to_y.data(), args.loop.data[1] = named.data(), args.loop.data[2] = to_x.data();
        single.run(args, ctx);
      } else {
        const IndexArgs args{dtype,  to_x.data(), to_y.data(), named.data(), extent,   count, x_step,
                             y_step, 1,           {width},     {x_next},     {y_next}, site};
        slices.run(args, ctx);
      }
    };
    run(index_kernels.select, index_kernels.gather, picked_x, picked_y);
    run(index_kernels.copy, index_kernels.scatter, put_x, source);
    run(index_kernels.add, index_kernels.scatter_add, added_x, source);
    expect(elements ? "gather" : "select", extent, count, width, picked_y, picked);
    expect(elements ? "scatter" : "copy", extent, count, width, put_x, put);
    expect(elements ? "scatter_add" : "add", extent, count, width, added_x, added);
  }
  const FaultWord word = fault.read()[0];
  if (word.code == 7 && word.value == extent + 3) return;
  std::printf("a wrong place was not reported\n");
  ++wrong;
}

template <class T>
void check_sort(DType dtype, int64_t lines, int64_t count, int64_t keep, bool descending) {
  const std::vector<T> x = drawn<T>(lines * count, count < 50 ? 9 : 999);
  std::vector<T> values;
  std::vector<int64_t> index;
  for (int64_t line = 0; line < lines; ++line) {
    std::vector<int64_t> order(static_cast<size_t>(count));
    std::iota(order.begin(), order.end(), 0);
    const T* const first = x.data() + line * count;
    std::stable_sort(order.begin(), order.end(),
                     [&](int64_t a, int64_t b) { return descending ? first[a] > first[b] : first[a] < first[b]; });
    order.resize(static_cast<size_t>(keep));
    for (const int64_t i : order) values.push_back(first[i]);
    index.insert(index.end(), order.begin(), order.end());
  }
  Array<T> from(x), sorted(std::vector<T>(values.size(), T(77)));
  Array<int64_t> place(std::vector<int64_t>(index.size(), -1));
  const SortArgs args{dtype, descending, from.data(), sorted.data(), place.data(), count, keep,
                      1,     1,          1,           {lines},       {count},      {keep}};
  index_kernels.sort.run(args, ctx);
  expect("sort", lines, count, keep, sorted, values);
  expect("places of sort", lines, count, keep, place, index);
}

void check_nonzero(int64_t rows, int64_t columns) {
  const std::vector<float> x = drawn<float>(rows * columns, 3);
  std::vector<int64_t> found;
  for (int64_t i = 0; i < rows * columns; ++i)
    if (x[static_cast<size_t>(i)] != 0) found.insert(found.end(), {i / columns, i % columns});
  Array<float> from(x);
  Array<int64_t> y(std::vector<int64_t>(found.size(), -1));
  const int64_t count = static_cast<int64_t>(found.size()) / 2;
  index_kernels.nonzero.run({DType::float32, from.data(), y.data(), count, 2, {rows, columns}}, ctx);
  expect("nonzero", rows, columns, count, y, found);
}

}  // namespace

int main(int count, char**) {
  const bool few = count > 1;
  for (int order = 0; order < (few ? 1 : 3); ++order) {
    cuda_on_cpu_configure("order", order);
    for (const bool turned : {false, true}) {
      check_places<float>(DType::float32, 3, 150, 8, turned);  // each place in several chunks
      check_places<float>(DType::float32, 40, 70, 3, turned);
      check_places<double>(DType::float64, 5, 1, 6, turned);
      check_places<int64_t>(DType::int64, 70, 65, 1, turned);
    }
    check_places<float>(DType::float32, 300, 2500, 1, true);
    for (const bool descending : {false, true}) {
      check_sort<float>(DType::float32, 7, 5, 5, descending);
      check_sort<int32_t>(DType::int32, 3, 300, 4, descending);
      check_sort<double>(DType::float64, 2, 2049, 2049, descending);
    }
    check_sort<float>(DType::float32, 1, 7000, 30, true);
    check_sort<int64_t>(DType::int64, 2, 4500, 4500, false);
    if (!few) check_sort<int64_t>(DType::int64, 2, 9000, 5000, false);
    check_nonzero(3, 5);
    check_nonzero(70, 90);
  }
  std::printf("%d cases wrong\n", wrong);
  return wrong != 0;
}
