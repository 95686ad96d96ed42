// wgmma: the four warps of a warpgroup issue one product together, which runs by itself. Its operands are read, and its
// accumulators written, when the group that it belongs to is waited for.
#include <cmath>
#include <cstring>

#include "async_state.h"

namespace cuda_on_cpu {

// The values of an accumulator array while products on it are under way. In the array itself lie NaNs.
struct Accumulator {
  float* registers;
  std::vector<float> values;
  int products = 0;  // under way
};

struct ThreadPart {
  float* d;
  uint32_t a[4];
};

struct ProductOp {
  WgmmaShape shape;
  uint64_t a, b;
  bool a_in_registers, accumulate;
  int issued = 0;  // threads so far
  ThreadPart part[kWarpgroup];
  Known known;
};

struct Warpgroup {
  std::deque<ProductOp> ops;
  size_t first_op = 0;             // number of ops.front()
  std::vector<size_t> group_ends;  // the number of the op after each group
  size_t complete = 0;             // groups
  std::vector<Accumulator> accumulators[kWarpgroup];
  Barrier fence;
  WaitList waiting;
  Clock clock;
};

BlockAsync::BlockAsync() = default;
BlockAsync::~BlockAsync() = default;

namespace {

struct Me {
  Warpgroup& group;
  AsyncState& state;
  int number;  // in the warpgroup
  int engine;
};

Me me() {
  Thread& thread = *current_thread();
  Block& block = *thread.block;
  if (thread.async == nullptr) thread.async = std::make_unique<AsyncState>();
  if (block.async == nullptr) block.async = std::make_unique<BlockAsync>();
  const int index = thread.number / kWarpgroup;
  std::unique_ptr<Warpgroup>& group = block.async->warpgroups[index];
  if (group == nullptr) {
    group = std::make_unique<Warpgroup>();
    if (static_cast<size_t>(index + 1) * kWarpgroup > block.threads.size())
      report("wgmma: the block's last warps are no whole warpgroup");
  }
  const int per_block = static_cast<int>(block.threads.size()) / kWarpgroup;
  return {*group, *thread.async, thread.number % kWarpgroup, 1 + static_cast<int>(block.rank) * per_block + index};
}

// A matrix in shared memory as a descriptor gives it, in one of the canonical layouts (CUTLASS's documentation of its
// matrix descriptors has them as formulas): pieces of 16 bytes, of which 8 lie at a distance of one span.
struct Matrix {
  uint64_t descriptor;
  int element_bytes;
  bool k_major;
  uint32_t window;  // of the block

  uint32_t field(int bit) const { return static_cast<uint32_t>(descriptor >> bit & 0x3fff) << 4; }

  // The address of element (r, k); r counts M or N.
  uint32_t address(int r, int k) const {
    const uint32_t start = field(0), leading = field(16), stride = field(32);
    const uint32_t mode = static_cast<uint32_t>(descriptor >> 62);
    const uint32_t span = mode == 0 ? 16 : mode == 1 ? 128 : mode == 2 ? 64 : 32;
    const auto along = static_cast<uint32_t>((k_major ? k : r) * element_bytes);  // in memory's direction
    const auto across = static_cast<uint32_t>(k_major ? r : k);
    uint32_t a = start + across % 8 * span + along % span;
    if (k_major)
      a += across / 8 * stride + along / span * leading;
    else if (mode == 0)
      a += across / 8 * leading + along / span * stride;
    else
      a += across / 8 * stride + along / span * leading;
    if (mode != 0) a ^= ((a >> 7) & (span / 16 - 1)) << 4;
    return window | a;
  }

  float at(int r, int k, Product type) const {
    const uint32_t place = address(r, k);
    if ((place & ((1u << kWindowBits) - 1)) + static_cast<uint32_t>(element_bytes) > kSharedLimit + kReservedShared) {
      report("wgmma: a descriptor leads out of shared memory");
      return std::nanf("");
    }
    uint32_t bits = 0;
    std::memcpy(&bits, shared_pointer(place), static_cast<size_t>(element_bytes));
    return value(bits, type);
  }

  static float value(uint32_t bits, Product type) {
    float x;
    if (type == Product::f16) {
      _Float16 half;
      std::memcpy(&half, &bits, sizeof half);
      return static_cast<float>(half);
    }
    bits = type == Product::bf16 ? bits << 16 : bits & 0xffffe000u;
    std::memcpy(&x, &bits, sizeof x);
    return x;
  }
};

Accumulator& accumulator(Warpgroup& group, int thread, float* registers) {
  for (Accumulator& a : group.accumulators[thread])
    if (a.registers == registers) return a;
  group.accumulators[thread].push_back({registers, {}});
  return group.accumulators[thread].back();
}

// A (64 x K) as floats, from shared memory or from the fragments.
void read_a(const ProductOp& op, const Matrix& a, int k_count, int elements, float* out) {
  for (int r = 0; r < 64; ++r)
    for (int k = 0; k < k_count; ++k) {
      float& x = out[r * k_count + k];
      if (!op.a_in_registers) {
        x = a.at(r, k, op.shape.type);
        continue;
      }
      // Register i of a thread has rows + 8 (i % 2) and, from 2 on, the upper half of k.
      const int half = k_count / 2, within = k % half;
      const int thread = r / 16 * 32 + r % 8 * 4 + within / elements;
      const int i = r / 8 % 2 + k / half * 2;
      uint32_t bits = op.part[thread].a[i];
      if (elements == 2) bits = within % 2 != 0 ? bits >> 16 : bits & 0xffff;
      x = Matrix::value(bits, op.shape.type);
    }
}

void run(Warpgroup& group, ProductOp& op, uint32_t window, int engine) {
  const int bytes = op.shape.type == Product::tf32 ? 4 : 2, k_count = 32 / bytes, n = op.shape.n;
  const Matrix a = {op.a, bytes, !op.shape.a_transposed, window}, b = {op.b, bytes, !op.shape.b_transposed, window};
  std::vector<float> a_values(64 * static_cast<size_t>(k_count)), b_values(static_cast<size_t>(n * k_count));
  read_a(op, a, k_count, 4 / bytes, a_values.data());
  for (int c = 0; c < n; ++c)
    for (int k = 0; k < k_count; ++k) b_values[static_cast<size_t>(c * k_count + k)] = b.at(c, k, op.shape.type);
  if (race_detection) {
    for (int k = 0; k < k_count; ++k) {
      for (int r = 0; r < 64 && !op.a_in_registers; ++r)
        race_engine_access(engine, op.known, shared_pointer(a.address(r, k)), static_cast<size_t>(bytes), false);
      for (int c = 0; c < n; ++c)
        race_engine_access(engine, op.known, shared_pointer(b.address(c, k)), static_cast<size_t>(bytes), false);
    }
  }
  const auto sign = static_cast<float>(op.shape.scale_a * op.shape.scale_b);
  for (int t = 0; t < kWarpgroup; ++t) {
    Accumulator& d = accumulator(group, t, op.part[t].d);
    const int row = t / 32 * 16 + t % 32 / 4, column = t % 4 * 2;
    for (int i = 0; i < n / 2; ++i) {  // pairs of columns, rows r and r + 8, then 8 columns on
      const float* x = &a_values[static_cast<size_t>((row + i / 2 % 2 * 8) * k_count)];
      const float* y = &b_values[static_cast<size_t>((column + i / 4 * 8 + i % 2) * k_count)];
      float sum = op.accumulate ? d.values[static_cast<size_t>(i)] : 0.0f;
      for (int k = 0; k < k_count; ++k) sum += sign * x[k] * y[k];
      d.values[static_cast<size_t>(i)] = sum;
    }
    if (--d.products == 0) {
      std::memcpy(d.registers, d.values.data(), d.values.size() * sizeof(float));
      d.registers = nullptr;
    }
    std::erase_if(group.accumulators[t], [](const Accumulator& x) { return x.registers == nullptr; });
  }
}

// Runs what belongs to the first `groups` groups.
void complete(Warpgroup& group, size_t groups, int engine) {
  const uint32_t window = current_thread()->block->rank << kWindowBits;
  for (; group.complete < groups; ++group.complete)
    for (; group.first_op < group.group_ends[group.complete]; ++group.first_op) {
      if (group.ops.front().issued != kWarpgroup) report("wgmma: not all warps of the warpgroup issued it");
      run(group, group.ops.front(), window, engine);
      group.ops.pop_front();
    }
  race_engine_release(engine, group.clock);
}

bool all_committed(const Block& block, int first, size_t groups) {
  for (int t = first; t < first + kWarpgroup; ++t) {
    const Thread& thread = block.threads[static_cast<size_t>(t)];
    if (!thread.done && (thread.async == nullptr || thread.async->wgmma_committed < groups)) return false;
  }
  return true;
}

void issue(const WgmmaShape& shape, float* d, uint64_t a, const uint32_t* a_registers, uint64_t b, bool accumulate) {
  const Me my = me();
  const size_t number = my.state.wgmma_issued++;
  if (shape.n % 8 != 0 || shape.n < 8 || shape.n > 256)
    report("wgmma: n is %d, expected a multiple of 8 up to 256", shape.n);
  while (my.group.first_op + my.group.ops.size() <= number) {
    ProductOp op = {};
    op.shape = shape;
    op.a = a;
    op.b = b;
    op.a_in_registers = a_registers != nullptr;
    op.accumulate = accumulate;
    my.group.ops.push_back(op);
  }
  ProductOp& op = my.group.ops[number - my.group.first_op];
  if (op.a != a || op.b != b || op.accumulate != accumulate || op.shape.n != shape.n)
    report("wgmma: the threads of the warpgroup issued different products");
  ++op.issued;
  ThreadPart& part = op.part[my.number];
  part.d = d;
  if (a_registers != nullptr) std::memcpy(part.a, a_registers, sizeof part.a);
  race_join(op.known);
  Accumulator& values = accumulator(my.group, my.number, d);
  if (values.products++ == 0) {
    values.values.assign(d, d + shape.n / 2);
    std::memset(d, 0xff, static_cast<size_t>(shape.n / 2) * sizeof(float));
  }
}

}  // namespace

void wgmma(const WgmmaShape& shape, float* d, uint64_t a, uint64_t b, bool accumulate) {
  issue(shape, d, a, nullptr, b, accumulate);
}

void wgmma_registers(const WgmmaShape& shape, float* d, const uint32_t (&a)[4], uint64_t b, bool accumulate) {
  issue(shape, d, 0, a, b, accumulate);
}

void wgmma_fence(const Site* site) {
  const Me my = me();
  Barrier& fence = my.group.fence;
  if (++fence.arrived < kWarpgroup) return wait(fence.waiting, "the other warps of its warpgroup", site);
  fence.arrived = 0;
  wake(fence.waiting);
}

void wgmma_commit() {
  const Me my = me();
  const size_t number = my.state.wgmma_committed++;
  if (my.group.group_ends.size() <= number) my.group.group_ends.push_back(my.state.wgmma_issued);
  if (my.group.group_ends[number] != my.state.wgmma_issued)
    report("wgmma: the threads of the warpgroup committed different groups");
  const int first = current_thread()->number - my.number;
  if (!all_committed(*current_thread()->block, first, number + 1)) return;
  if (!options.late_copies) complete(my.group, number + 1, my.engine);
  wake(my.group.waiting);
}

void wgmma_wait(int groups_left, const Site* site) {
  const Me my = me();
  const size_t committed = my.state.wgmma_committed, left = static_cast<size_t>(groups_left);
  if (committed <= left) return;
  const size_t groups = committed - left;
  const int first = current_thread()->number - my.number;
  while (!all_committed(*current_thread()->block, first, groups)) wait(my.group.waiting, "its wgmma groups", site);
  complete(my.group, groups, my.engine);
  my.state.wgmma_waited = groups;
  race_acquire(my.group.clock);
}

}  // namespace cuda_on_cpu
