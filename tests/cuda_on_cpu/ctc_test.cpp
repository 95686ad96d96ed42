// The loss of connectionist temporal classification on the emulation: short samples beside the sum over all paths of
// classes, in which nothing of the recursion occurs; longer ones, with more states than a block has threads, beside the
// recursion over the probabilities of prefixes. Ends with 1 where anything is wrong.
#include "core/kernels/ctc.h"

#include <cmath>
#include <limits>
#include <string>

#include "device_array.h"

namespace nn::cuda {
extern const CtcKernels ctc_kernels;
}

using namespace nn;
using cuda_on_cpu::DeviceArray;
using cuda_on_cpu::expect;

namespace {

using Numbers = std::vector<double>;
using Labels = std::vector<int64_t>;

// Of one sample: the probability of the target, and of each class at each frame together with it.
struct Expected {
  double total = 0;
  Numbers posterior;  // [frames, C]
};

// x: the log probabilities [frames, C].
Expected over_all_paths(const Numbers& x, int64_t frames, int64_t C, int64_t blank, const Labels& target) {
  Expected e{0, Numbers(static_cast<size_t>(frames * C))};
  Labels path(static_cast<size_t>(frames));
  for (bool more = true; more;) {
    Labels collapsed;
    double log_probability = 0;
    for (int64_t t = 0; t < frames; ++t) {
      const auto i = static_cast<size_t>(t);
      if (path[i] != blank && (t == 0 || path[i] != path[i - 1])) collapsed.push_back(path[i]);
      log_probability += x[static_cast<size_t>(t * C + path[i])];
    }
    if (collapsed == target) {
      e.total += std::exp(log_probability);
      for (int64_t t = 0; t < frames; ++t)
        e.posterior[static_cast<size_t>(t * C + path[static_cast<size_t>(t)])] += std::exp(log_probability);
    }
    more = false;  // the next path, as a number in base C
    for (int64_t& c : path) {
      more = ++c < C;
      if (more) break;
      c = 0;
    }
  }
  for (double& p : e.posterior) p /= e.total;
  return e;
}

// The recursion from the front, and from the back on the same states; the numbers are few enough for no logarithms.
Expected by_recursion(const Numbers& x, int64_t frames, int64_t C, int64_t blank, const Labels& target) {
  const auto states = static_cast<int64_t>(2 * target.size() + 1);
  const auto label = [&](int64_t s) { return s % 2 == 0 ? blank : target[static_cast<size_t>(s / 2)]; };
  const auto skips = [&](int64_t s) { return s >= 2 && s < states && s % 2 == 1 && label(s) != label(s - 2); };
  const auto p = [&](int64_t t, int64_t s) { return std::exp(x[static_cast<size_t>(t * C + label(s))]); };
  Numbers front(static_cast<size_t>(frames * states)), back = front;
  const auto at = [&](int64_t t, int64_t s) { return static_cast<size_t>(t * states + s); };
  for (int64_t t = 0; t < frames; ++t)
    for (int64_t s = 0; s < states; ++s) {
      double sum = t == 0 && s < 2;
      if (t > 0)
        sum = front[at(t - 1, s)] + (s > 0 ? front[at(t - 1, s - 1)] : 0) + (skips(s) ? front[at(t - 1, s - 2)] : 0);
      front[at(t, s)] = sum * p(t, s);
    }
  for (int64_t t = frames - 1; t >= 0; --t)
    for (int64_t s = 0; s < states; ++s) {
      double sum = t == frames - 1 && s >= states - 2;
      const auto from = [&](int64_t r) { return back[at(t + 1, r)] * p(t + 1, r); };
      if (t < frames - 1) sum = from(s) + (s + 1 < states ? from(s + 1) : 0) + (skips(s + 2) ? from(s + 2) : 0);
      back[at(t, s)] = sum;
    }
  Expected e{0, Numbers(static_cast<size_t>(frames * C))};
  for (int64_t s = 0; s < states; ++s) e.total += front[at(frames - 1, s)] * back[at(frames - 1, s)];
  for (int64_t t = 0; t < frames; ++t)
    for (int64_t s = 0; s < states; ++s)
      e.posterior[static_cast<size_t>(t * C + label(s))] += front[at(t, s)] * back[at(t, s)] / e.total;
  return e;
}

bool close(double got, double expected, double tolerance) {
  return got == expected || (std::isnan(got) && std::isnan(expected)) || std::abs(got - expected) <= tolerance;
}

// Samples of T frames with `frames` and `lengths` in use; each class more likely than the others now and then.
template <class T>
void check(DType dtype, int64_t frames_at_most, int64_t C, int64_t S, const Labels& frames, const Labels& lengths,
           int64_t blank, bool zero_infinity, bool all_paths, double tolerance) {
  const auto N = static_cast<int64_t>(frames.size());
  std::vector<T> x(static_cast<size_t>(frames_at_most * N * C));
  for (size_t row = 0; row < x.size() / static_cast<size_t>(C); ++row) {
    double sum = 0;
    const auto score = [&](int64_t c) {
      return 2 * std::sin(static_cast<double>(row * 7 + static_cast<size_t>(c * c + 3 * c)));
    };
    for (int64_t c = 0; c < C; ++c) sum += std::exp(score(c));
    for (int64_t c = 0; c < C; ++c)
      x[row * static_cast<size_t>(C) + static_cast<size_t>(c)] = static_cast<T>(score(c) - std::log(sum));
  }
  Labels labels(static_cast<size_t>(N * S), blank);
  for (int64_t n = 0; n < N; ++n)
    for (int64_t s = 0; s < lengths[static_cast<size_t>(n)]; ++s)
      labels[static_cast<size_t>(n * S + s)] = (blank + 1 + (s * s + n) % 5 % (C - 1)) % C;  // some twice in a row
  const DeviceArray<T> dx(x), loss(static_cast<size_t>(N)), gx(x.size()), alone(static_cast<size_t>(N));
  const DeviceArray<int64_t> dlabels(labels), dframes(frames), dlengths(lengths);
  CtcArgs args{dtype, frames_at_most, N,          C,       S, dx.at(0), dlabels.at(0), dframes.at(0), dlengths.at(0),
               blank, zero_infinity,  loss.at(0), gx.at(0)};
  cuda::ctc_kernels.ctc.run(args, {1, nullptr});
  const std::vector<T> got = loss.read(), gradient = gx.read();
  bool right_loss = true, right_gradient = true;
  for (int64_t n = 0; n < N; ++n) {
    const int64_t in_use = frames[static_cast<size_t>(n)];
    Numbers rows;
    for (int64_t t = 0; t < in_use; ++t)
      for (int64_t c = 0; c < C; ++c) rows.push_back(static_cast<double>(x[static_cast<size_t>((t * N + n) * C + c)]));
    const Labels target(labels.begin() + n * S, labels.begin() + n * S + lengths[static_cast<size_t>(n)]);
    const Expected e = (all_paths ? over_all_paths : by_recursion)(rows, in_use, C, blank, target);
    const bool impossible = e.total == 0;
    const double infinity = std::numeric_limits<double>::infinity();
    right_loss &= close(static_cast<double>(got[static_cast<size_t>(n)]),
                        !impossible     ? -std::log(e.total)
                        : zero_infinity ? 0
                                        : infinity,
                        tolerance);
    for (int64_t t = 0; t < frames_at_most; ++t)
      for (int64_t c = 0; c < C; ++c) {
        double expected = 0;
        if (t < in_use && !impossible)
          expected = std::exp(rows[static_cast<size_t>(t * C + c)]) - e.posterior[static_cast<size_t>(t * C + c)];
        else if (t < in_use && !zero_infinity)
          expected = std::nan("");
        right_gradient &=
            close(static_cast<double>(gradient[static_cast<size_t>((t * N + n) * C + c)]), expected, tolerance);
      }
  }
  const std::string name = std::to_string(N) + " samples of up to " + std::to_string(frames_at_most) + " frames, " +
                           std::to_string(C) + " classes";
  expect(right_loss, "the loss", name.c_str());
  expect(right_gradient, "the gradient", name.c_str());
  args.loss = alone.at(0), args.gx = nullptr;
  cuda::ctc_kernels.ctc.run(args, {1, nullptr});
  expect(alone.read() == got, "the loss alone", name.c_str());
}

}  // namespace

int main() {
  for (int order = 0; order < 3; ++order) {
    cuda_on_cpu_configure("order", order);
    // One label, none, as many as there are frames, more than fit, and no frame in use.
    check<double>(DType::float64, 5, 3, 4, {5, 5, 3, 2, 4}, {2, 0, 3, 4, 1}, 0, false, true, 1e-12);
    check<double>(DType::float64, 6, 3, 3, {6, 3, 1}, {3, 3, 1}, 1, true, true, 1e-12);
    check<float>(DType::float32, 5, 4, 3, {5, 4}, {3, 2}, 3, false, true, 1e-5);
    check<double>(DType::float64, 40, 7, 19, {40, 31}, {19, 11}, 2, false, false, 1e-10);
  }
  check<double>(DType::float64, 170, 6, 150, {170}, {150}, 0, false, false, 1e-10);  // 301 states
  return cuda_on_cpu::wrong != 0;
}
