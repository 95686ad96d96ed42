// The CPU's kernel tables, one for each instruction set in this build, and the choice among them.
#include <atomic>
#include <cstdlib>

#include "core/backend.h"
#include "core/error.h"
#include "core/kernel_table.h"

// Every family, once, in the order of KernelTable: the kernels of family `f` are `f##_kernels` in the namespace of the
// instruction set.
#define NN_FAMILIES(X)         \
  X(Elementwise, elementwise)  \
  X(Gemm, gemm)                \
  X(Conv, conv)                \
  X(Optim, optim)              \
  X(Reduce, reduce)            \
  X(Scan, scan)                \
  X(Pool, pool)                \
  X(SoftmaxXent, softmax_xent) \
  X(Ctc, ctc)                  \
  X(Rnn, rnn)                  \
  X(Norm, norm)                \
  X(Index, index)              \
  X(Random, random)            \
  X(Probe, probe)
#define NN_EXTERN(Family, family) extern const Family##Kernels family##_kernels;
#define NN_ENTRY(Family, family) , family##_kernels
#define NN_DECLARE_TABLE(isa)                                           \
  namespace nn::isa {                                                   \
  NN_FAMILIES(NN_EXTERN)                                                \
  static const KernelTable table = {"cpu-" #isa NN_FAMILIES(NN_ENTRY)}; \
  }

NN_DECLARE_TABLE(generic)
#ifdef NNCORE_HAS_avx2
NN_DECLARE_TABLE(avx2)
#endif
#ifdef NNCORE_HAS_avx512
NN_DECLARE_TABLE(avx512)
#endif

namespace nn {
namespace {

// `supported` is what cpuid and the operating system's register state say, as the compiler's runtime reads them.
struct Isa {
  const char* name;
  const KernelTable* table;
  bool supported;
};

const std::vector<Isa>& isas() {
  static const std::vector<Isa> all = [] {
    std::vector<Isa> list = {{"generic", &generic::table, true}};
#ifdef NNCORE_HAS_avx2
    __builtin_cpu_init();
    list.push_back({"avx2", &avx2::table,
                    __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") &&
                        __builtin_cpu_supports("bmi2")});
#endif
#ifdef NNCORE_HAS_avx512
    list.push_back({"avx512", &avx512::table,
                    list.back().supported && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                        __builtin_cpu_supports("avx512cd")});
#endif
    return list;
  }();
  return all;
}

const Isa& find(const std::string& name, const char* asked_by) {
  std::string known;
  for (const Isa& isa : isas()) {
    if (isa.name == name) {
      check<ValueError>(isa.supported, asked_by, ": this machine lacks the instruction set '", name, "'");
      return isa;
    }
    known += text(known.empty() ? "" : ", ", isa.name);
  }
  fail<ValueError>(asked_by, ": expected one of ", known, ", got '", name, "'");
}

const Isa* first_choice() {
  const char* name = std::getenv("NNCORE_ISA");
  if (name != nullptr && *name != '\0') return &find(name, "NNCORE_ISA");
  const Isa* best = nullptr;
  for (const Isa& candidate : isas())
    if (candidate.supported) best = &candidate;
  return best;
}

std::atomic<const Isa*>& chosen() {
  static std::atomic<const Isa*> isa = first_choice();
  return isa;
}

}  // namespace

const KernelTable& kernels(Device device) {
  if (device.type == DeviceType::cpu) return *chosen().load(std::memory_order_relaxed)->table;
  return backend(device).kernels(device.index);
}

std::vector<std::string> available_isas() {
  std::vector<std::string> names;
  for (const Isa& isa : isas())
    if (isa.supported) names.push_back(isa.name);
  return names;
}

std::string current_isa() { return chosen().load()->name; }

void use_isa(const std::string& name) { chosen() = &find(name, "use_isa"); }

}  // namespace nn
