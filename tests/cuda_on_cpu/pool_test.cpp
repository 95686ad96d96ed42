// Max and average pooling on the emulation beside plain loops over the windows: windows that pave the plane, that
// overlap, leave gaps, or are the whole plane; rows of every alignment, arrays that begin at any. Values are small
// whole numbers, so that there are ties and results are compared bit by bit. Ends with 1 where anything is wrong.
#include <random>
#include <string>

#include "cuda/half.h"
#include "cuda/pool_kernels.h"
#include "cuda/strided.h"
#include "device_array.h"

using namespace nn;

// What pooling by way of float32 would use; none here is so large.
void cuda::cast(const CastArgs&, const LaunchContext&) { std::abort(); }

using cuda_on_cpu::DeviceArray;
using cuda_on_cpu::expect;

namespace {

const LaunchContext ctx{1, nullptr};
std::mt19937 generator(1);

template <class T>
std::vector<T> drawn(int64_t count) {
  std::vector<T> values(static_cast<size_t>(count));
  for (T& v : values) v = static_cast<T>(static_cast<int>(generator() % 9) - 4);
  return values;
}

int64_t volume(const int64_t (&extent)[3]) { return extent[0] * extent[1] * extent[2]; }

// body(o, i): each input that lies in the window of each output of one plane, in order.
template <class Body>
void each_pair(const PoolGeometry& g, const Body& body) {
  for (int64_t o = 0; o < volume(g.out); ++o) {
    const int64_t at[3] = {o / g.out[2] / g.out[1], o / g.out[2] % g.out[1], o % g.out[2]};
    for (int64_t k = 0; k < volume(g.kernel); ++k) {
      const int64_t tap[3] = {k / g.kernel[2] / g.kernel[1], k / g.kernel[2] % g.kernel[1], k % g.kernel[2]};
      int64_t i = 0;
      bool inside = true;
      for (int a = 0; a < 3; ++a) {
        const int64_t place = at[a] * g.stride[a] - g.pad[a] + tap[a] * g.dilation[a];
        inside &= 0 <= place && place < g.in[a];
        i = i * g.in[a] + place;
      }
      if (inside) body(o, i);
    }
  }
}

template <class T>
std::vector<T> at(const std::vector<T>& from, int64_t first) {
  return std::vector<T>(from.begin() + first, from.end());
}

// Values as they are stored, and whether an array holds, from `first` on, what is expected, rounded likewise.
template <class S, class T>
std::vector<S> to(const std::vector<T>& values) {
  std::vector<S> stored;
  for (const T& v : values) stored.push_back(static_cast<S>(v));
  return stored;
}
template <class S, class T>
bool holds(const DeviceArray<S>& array, int64_t first, const std::vector<T>& expected) {
  return to<T>(at(array.read(), first)) == to<T>(to<S>(expected));
}

// The arrays begin `offset` elements after an aligned address.
template <class T, class S = T>
void check(DType dtype, const PoolGeometry& g, int64_t offset, bool maximum, int64_t divisor) {
  const int64_t in = volume(g.in), out = volume(g.out), inputs = g.planes * in, outputs = g.planes * out;
  const std::vector<T> x = drawn<T>(offset + inputs), gy = drawn<T>(offset + outputs);
  std::vector<T> y(static_cast<size_t>(outputs)), gx(static_cast<size_t>(inputs)), picked = y;
  std::vector<int32_t> index(static_cast<size_t>(outputs), -1);
  for (int64_t p = 0; p < g.planes; ++p) {
    std::vector<T> count(static_cast<size_t>(out));
    each_pair(g, [&](int64_t o, int64_t) { count[static_cast<size_t>(o)] += 1; });
    each_pair(g, [&](int64_t o, int64_t i) {
      const auto to = static_cast<size_t>(p * out + o), from = static_cast<size_t>(p * in + i);
      const T v = x[static_cast<size_t>(offset) + from],
              scale = divisor != 0 ? static_cast<T>(divisor) : count[static_cast<size_t>(o)];
      if (!maximum) {
        y[to] += v / scale;  // exact: the divisors are powers of 2
        gx[from] += gy[static_cast<size_t>(offset) + to] / scale;
      } else if (index[to] < 0 || v > y[to]) {
        y[to] = v, index[to] = static_cast<int32_t>(i);
      }
    });
    for (int64_t o = 0; o < out && maximum; ++o) {
      const auto to = static_cast<size_t>(p * out + o), from = static_cast<size_t>(p * in + index[to]);
      gx[from] += gy[static_cast<size_t>(offset) + to];
      picked[to] = x[static_cast<size_t>(offset) + from];
    }
  }
  const DeviceArray<S> dx(to<S>(x)), dgy(to<S>(gy)), dy(static_cast<size_t>(offset + outputs)),
      dgx(static_cast<size_t>(offset + inputs)), dpicked(static_cast<size_t>(offset + outputs));
  const DeviceArray<int32_t> places(static_cast<size_t>(offset + outputs));
  const std::string name = std::to_string(g.planes) + " planes of " + std::to_string(g.in[0]) + ", " +
                           std::to_string(g.in[1]) + ", " + std::to_string(g.in[2]) + " by " +
                           std::to_string(g.kernel[1]) + " x " + std::to_string(g.kernel[2]) + " from " +
                           std::to_string(offset);
  if (maximum) {
    cuda::run_max_forward({dtype, g, dx.at(offset), dy.at(offset), places.at(offset)}, ctx);
    expect(holds(dy, offset, y) && at(places.read(), offset) == index, "max_pool", name.c_str());
    const MaxPoolIndexArgs back{dtype, g, dgx.at(offset), dgy.at(offset), places.at(offset)};
    cuda::run_max_backward(back, ctx);
    expect(holds(dgx, offset, gx), "max_pool_backward", name.c_str());
    const MaxPoolIndexArgs gather{dtype, g, dx.at(offset), dpicked.at(offset), places.at(offset)};
    cuda::run_max_gather(gather, ctx);
    expect(holds(dpicked, offset, picked), "max_pool_gather", name.c_str());
    cuda::run_max_forward({dtype, g, dx.at(offset), dpicked.at(offset), nullptr}, ctx);
    expect(holds(dpicked, offset, y), "max_pool without an index", name.c_str());
  } else {
    cuda::run_avg_forward({dtype, g, false, divisor, dx.at(offset), dy.at(offset)}, ctx);
    expect(holds(dy, offset, y), "avg_pool", name.c_str());
    cuda::run_avg_backward({dtype, g, false, divisor, dgx.at(offset), dgy.at(offset)}, ctx);
    expect(holds(dgx, offset, gx), "avg_pool_backward", name.c_str());
  }
}

// planes of height x width by windows of `high` x `wide`; the divisor of averages, or 0.
void check(int64_t planes, int64_t height, int64_t width, int64_t high, int64_t wide, int64_t divisor, int64_t step = 0,
           int64_t pad = 0, int64_t dilation = 1, int64_t depth = 1) {
  PoolGeometry g{planes,
                 {depth, height, width},
                 {},
                 {depth, high, wide},
                 {depth, step ? step : high, step ? step : wide},
                 {0, pad, pad},
                 {1, dilation, dilation},
                 false};
  for (int a = 0; a < 3; ++a)
    g.out[a] = (g.in[a] + 2 * g.pad[a] - g.dilation[a] * (g.kernel[a] - 1) - 1) / g.stride[a] + 1;
  for (const int64_t offset : {0, 1, 2}) {
    check<float>(DType::float32, g, offset, true, 0);
    if (dilation == 1) check<float>(DType::float32, g, offset, false, divisor);
  }
  check<float, cuda::float16>(DType::float16, g, 0, true, 0);
  check<float, cuda::bfloat16>(DType::bfloat16, g, 1, true, 0);
  if (dilation == 1) check<float, cuda::float16>(DType::float16, g, 1, false, divisor);
  if (dilation == 1) check<float, cuda::bfloat16>(DType::bfloat16, g, 0, false, divisor);
  check<double>(DType::float64, g, 1, true, 0);
  if (dilation == 1) check<double>(DType::float64, g, 1, false, divisor);
}

}  // namespace

int main() {
  for (int order = 0; order < 3; ++order) {
    cuda_on_cpu_configure("order", order);
    check(3, 8, 8, 2, 2, 0);  // rows of 16 bytes
    check(2, 6, 10, 2, 2, 0);
    check(1, 5, 7, 2, 2, 0);  // a row and a column that no window covers, a tail
    check(3, 7, 9, 3, 3, 8);
    check(3, 5, 5, 4, 2, 0);
    check(5, 1, 13, 1, 4, 0);
    check(2, 4, 3, 1, 1, 0);
    check(2, 6, 5, 2, 2, 4, 1);        // overlapping
    check(2, 6, 7, 2, 2, 4, 3);        // apart
    check(2, 6, 7, 3, 3, 2, 2, 1);     // padded
    check(2, 7, 7, 2, 2, 1, 2, 0, 2);  // dilated
    check(2, 4, 4, 2, 2, 4, 0, 0, 1, 3);
    check(40, 2, 4, 2, 4, 0);     // the whole plane, by lanes
    check(2, 32, 32, 32, 32, 0);  // and by a block
    check(1, 31, 41, 31, 41, 2);
  }
  return cuda_on_cpu::wrong != 0;
}
