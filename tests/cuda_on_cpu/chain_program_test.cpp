// Programs of chains (csrc/core/plan_program.cpp) and the kernel that runs them (cuda/chain.cuh) on the emulation:
// which results stay in registers and which reach memory, ends of any length, arrays that begin anywhere, and results
// right where more values live than there are registers. Ends with 1 where anything is wrong.
#include <deque>
#include <string>

#include "core/plan_program.h"
#include "cuda/chain.cuh"
#include "device_array.h"

using namespace nn;
using cuda_on_cpu::DeviceArray;
using cuda_on_cpu::expect;

namespace nn::cuda {
NN_CHAIN_OF(float);
}

namespace {

const LaunchContext ctx{1, nullptr};

template <class Op, class... Ops>
int16_t number_of(cuda::List<Ops...>) {
  int number = 0;
  (void)((++number, __is_same(Op, Ops)) || ...);
  return static_cast<int16_t>(number - 1);
}

// Links over named arrays of floats; an array that is scratch is made by its first link and nobody else's.
struct Builder {
  std::vector<PlanLink> links;
  int64_t count;
  int scratches = 0;

  PlanLinkOperand operand(int place, const float* data, int scratch) const {
    PlanLinkOperand x{place, 0, reinterpret_cast<const char*>(data), DType::float32, 4, false};
    x.scratch = scratch;
    return x;
  }
  void binary(int16_t op, const float* z, const float* x, const float* y, float number, int scratch) {
    PlanLink link;
    link.count = count;
    link.is_program = true;
    link.dtype = DType::float32;
    link.program.kind = ChainKind::binary;
    link.program.op = op;
    link.program.slot = -1;
    link.program.dtype = DType::float32;
    for (ChainOperand& o : link.program.operand) o.slot = -1, o.real = number;
    link.operands.push_back(operand(0, z, scratch));
    if (x != nullptr) link.operands.push_back(operand(1, x, -1));
    if (y != nullptr) link.operands.push_back(operand(2, y, -1));
    links.push_back(link);
  }
  ChainArgs program() const {
    ChainArgs args;
    expect(make_program(links, args) == links.size(), "room for all links", "a chain");
    return args;
  }
  void run() const { cuda::run_chain<float>(program(), cuda::LinkLoop{}, ctx); }
};

const int16_t kAdd = number_of<cuda::Add>(cuda::BinaryOps{}), kMul = number_of<cuda::Mul>(cuda::BinaryOps{}),
              kSub = number_of<cuda::Sub>(cuda::BinaryOps{});

std::vector<float> drawn(int64_t count, int64_t seed) {
  std::vector<float> values(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) values[static_cast<size_t>(i)] = static_cast<float>((i * 7 + seed) % 23) - 11;
  return values;
}

// What the arrays hold before: to see what was written.
constexpr float kUntouched = -12345;

template <class F>
void check(const DeviceArray<float>& array, int64_t offset, int64_t count, const char* what, const F& expected) {
  const std::vector<float> got = array.read();
  bool right = true;
  for (int64_t i = 0; i < count; ++i)
    right = right && got[static_cast<size_t>(offset + i)] == static_cast<float>(expected(i));
  for (size_t i = 0; i < got.size(); ++i)  // what lies around it stays
    if (static_cast<int64_t>(i) < offset || static_cast<int64_t>(i) >= offset + count)
      right = right && got[i] == kUntouched;
  expect(right, what, std::to_string(count).c_str());
}

// t = x y, never in memory; u = t + 1; w = u t; in place v = v w, then v = v - t.
void check_chain(int64_t count, int64_t offset) {
  const std::vector<float> around(static_cast<size_t>(count + 9), kUntouched);
  const std::vector<float> x = drawn(count + 9, 1), y = drawn(count + 9, 2);
  std::vector<float> v = around;
  for (int64_t i = 0; i < count; ++i) v[static_cast<size_t>(offset + i)] = static_cast<float>(i % 5);
  const DeviceArray<float> dx(x), dy(y), dt(around), du(around), dw(around), dv(v);
  Builder b{{}, count};
  float *const t = dt.at(offset), *const u = du.at(offset), *const w = dw.at(offset), *const in_place = dv.at(offset);
  b.binary(kMul, t, dx.at(offset), dy.at(offset), 0, 0);
  b.binary(kAdd, u, t, nullptr, 1, -1);
  b.binary(kMul, w, u, t, 0, 1);
  b.binary(kMul, in_place, in_place, w, 0, -1);
  b.binary(kSub, in_place, in_place, t, 0, -1);
  b.run();
  const auto at = [&](const std::vector<float>& a, int64_t i) { return a[static_cast<size_t>(offset + i)]; };
  check(dt, 0, 0, "a result that nobody else reads stays in registers", [](int64_t) { return 0.0f; });
  check(dw, 0, 0, "a second one too", [](int64_t) { return 0.0f; });
  check(du, offset, count, "a result that is read later reaches memory",
        [&](int64_t i) { return at(x, i) * at(y, i) + 1; });
  check(dv, offset, count, "in place", [&](int64_t i) {
    const float product = at(x, i) * at(y, i);
    return static_cast<float>(i % 5) * ((product + 1) * product) - product;
  });
  const ChainArgs program = b.program();
  expect(program.link[3].data == nullptr && program.link[4].data == in_place, "what is written over is written once",
         "");
}

// kMany products x k that all live until they are summed: those without a slot wait in memory.
void check_many_values(int64_t count) {
  constexpr int kMany = 7;
  static_assert(kMany > kChainSlots + 1 && 2 * kMany <= kChainLinks);
  const std::vector<float> around(static_cast<size_t>(count), kUntouched), x = drawn(count, 3);
  const DeviceArray<float> dx(x), sum(around);
  std::deque<DeviceArray<float>> arrays;
  Builder b{{}, count};
  for (int k = 0; k < kMany; ++k) {
    arrays.emplace_back(around);
    b.binary(kMul, arrays.back().at(0), dx.at(0), nullptr, static_cast<float>(k + 1), k);
  }
  b.binary(kSub, sum.at(0), arrays[0].at(0), arrays[1].at(0), 0, -1);
  for (int k = 2; k < kMany; ++k) b.binary(kAdd, sum.at(0), sum.at(0), arrays[static_cast<size_t>(k)].at(0), 0, -1);
  b.run();
  check(sum, 0, count, "more values than registers",
        [&](int64_t i) { return x[static_cast<size_t>(i)] * static_cast<float>(kMany * (kMany + 1) / 2 - 4); });
  const ChainArgs program = b.program();
  int stored = 0;
  for (int k = 0; k < kMany; ++k) stored += program.link[k].data != nullptr;
  expect(stored == kMany - kChainSlots, "as many values in memory as have no register", std::to_string(stored).c_str());
  for (PlanLink& link : b.links) link.operands[0].pinned = true;
  ChainArgs args;
  expect(make_program(b.links, args) == kChainSlots, "what may not reach memory ends the chain", "");
}

}  // namespace

int main() {
  for (const int64_t count : {1, 3, 4, 5, 1023, 5000})
    for (const int64_t offset : {0, 1, 4}) check_chain(count, offset);
  check_many_values(1);
  check_many_values(1026);
  return cuda_on_cpu::wrong != 0;
}
