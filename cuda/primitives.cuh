// Every instruction of the GPU that C++ has no word for: asynchronous copies, tensor cores, barriers in shared memory,
// the tensor memory accelerator. One small function for each, with the PTX instruction's name; there is no inline PTX
// anywhere else. What they do on a CPU, for the tests, is in tests/cuda_on_cpu/primitives_on_cpu.h, function by
// function.
//
// Where the target lacks an instruction: cp.async becomes an ordinary copy; what needs compute capability 8.0 traps;
// what needs 9.0a does not exist unless NN_HAS_WGMMA is defined.
#pragma once

#include "cuda/half.h"
#include "cuda/kernel.cuh"
#include "cuda/mma_index.h"

#ifdef NN_CUDA_EMULATION
#include "primitives_on_cpu.h"
#else

#include <cuda.h>

#if !defined(__CUDA_ARCH__) || defined(__CUDA_ARCH_FEAT_SM90_ALL)
#define NN_HAS_WGMMA 1
#endif

#define NN_PRIMITIVE __device__ __forceinline__

namespace nn::cuda {

using TensorMap = CUtensorMap;

NN_PRIMITIVE uint32_t shared_address(const void* p) { return static_cast<uint32_t>(__cvta_generic_to_shared(p)); }

// ---- cp.async: copies from global to shared memory that go on while the thread does something else ------------------

// Copies kBytes (1, 2, 4, 8, 16), of which the first `valid` are read and the others written as 0. Both addresses are
// multiples of kBytes; where valid is 0, `global` may be any address.
template <int kBytes>
NN_PRIMITIVE void copy_async(void* shared, const void* global, int valid) {
#if __CUDA_ARCH__ >= 800
  if constexpr (kBytes == 16) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(shared)), "l"(global), "r"(valid)
                 : "memory");
    return;
  } else if constexpr (kBytes >= 4) {
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;" ::"r"(shared_address(shared)), "l"(global),
                 "n"(kBytes), "r"(valid)
                 : "memory");
    return;
  }
#endif
  if constexpr (kBytes == 1) {
    *static_cast<uint8_t*>(shared) = valid ? *static_cast<const uint8_t*>(global) : uint8_t{0};
  } else if constexpr (kBytes == 4) {
    *static_cast<uint32_t*>(shared) = valid ? *static_cast<const uint32_t*>(global) : 0u;
  } else if constexpr (kBytes == 16) {
    uint4 value = make_uint4(0, 0, 0, 0);
    if (valid == 16) {
      value = *static_cast<const uint4*>(global);
      *static_cast<uint4*>(shared) = value;
      return;
    }
#pragma unroll
    for (int i = 0; i < 8; ++i)
      static_cast<uint16_t*>(shared)[i] = i * 2 < valid ? static_cast<const uint16_t*>(global)[i] : uint16_t{0};
  } else {
#pragma unroll
    for (int i = 0; i < kBytes / 2; ++i)
      static_cast<uint16_t*>(shared)[i] = i * 2 < valid ? static_cast<const uint16_t*>(global)[i] : uint16_t{0};
  }
}

// Closes the group of this thread's copies since the last one.
NN_PRIMITIVE void copy_async_commit() {
#if __CUDA_ARCH__ >= 800
  asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}

// Waits until at most the kGroups youngest groups are under way. Other threads see the copies after a barrier.
template <int kGroups>
NN_PRIMITIVE void copy_async_wait() {
#if __CUDA_ARCH__ >= 800
  asm volatile("cp.async.wait_group %0;" ::"n"(kGroups) : "memory");
#endif
}

// ---- mma.sync: a warp's products on the tensor cores ----------------------------------------------------------------

// Four matrices of 8 rows of 16 bytes: lane 8 i + j gives the address of row j of matrix i. Register i of a lane gets
// four bytes of matrix i: of row lane / 4, from byte lane % 4 * 4 on.
NN_PRIMITIVE void ldmatrix_x4(uint32_t (&r)[4], const void* shared) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(shared_address(shared))
               : "memory");
}

// The same of matrices of 8 x 8 elements of 16 bits, transposed.
NN_PRIMITIVE void ldmatrix_x4_trans(uint32_t (&r)[4], const void* shared) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(shared_address(shared))
               : "memory");
}

// ---- float16 and bfloat16, rounded to nearest, ties to even; of NaN only that it stays one

NN_PRIMITIVE uint16_t to_float16(float x) {
  uint16_t bits;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(x));
  return bits;
}
NN_PRIMITIVE uint16_t to_bfloat16(float x) {
#if __CUDA_ARCH__ >= 800
  uint16_t bits;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(bits) : "f"(x));
  return bits;
#else
  return bfloat16(x).bits;
#endif
}
NN_PRIMITIVE float from_float16(uint16_t bits) {
  float x;
  asm("cvt.f32.f16 %0, %1;" : "=f"(x) : "h"(bits));
  return x;
}

#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 800
#define NN_FROM_80(...) asm volatile(__VA_ARGS__)
#else
#define NN_FROM_80(...) __trap()
#endif

// x rounded to TF32, half away from zero, as the bits of a float.
NN_PRIMITIVE uint32_t to_tf32(float x) {
  uint32_t bits = 0;
  NN_FROM_80("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(x));
  return bits;
}

// sums [16, 8] += A [16, k] B [k, 8]; the places of the registers are those of mma_a_place and so on.
#define NN_MMA(name, shape, type)                                                                                      \
  NN_PRIMITIVE void name(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {                              \
    NN_FROM_80("mma.sync.aligned." shape ".row.col.f32." type "." type                                                 \
               ".f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};" : "+f"(d[0]),                    \
               "+f"(d[1]), "+f"(d[2]), "+f"(d[3]) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1])); \
  }
NN_MMA(mma_tf32, "m16n8k8", "tf32")
NN_MMA(mma_bf16, "m16n8k16", "bf16")
NN_MMA(mma_f16, "m16n8k16", "f16")
#undef NN_MMA
#undef NN_FROM_80

#ifdef NN_HAS_WGMMA

// ---- mbarrier: a barrier in shared memory that counts arrivals, and bytes of copies ---------------------------------

// Phase 0 begins; it ends with `arrivals` arrivals and with all bytes that were announced.
NN_PRIMITIVE void mbarrier_init(uint64_t* barrier, int arrivals) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(barrier)), "r"(arrivals) : "memory");
}
// Makes the initialisation visible to the copy engine and to the cluster; a barrier of threads must follow.
NN_PRIMITIVE void fence_mbarrier_init() { asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory"); }

NN_PRIMITIVE void mbarrier_arrive(uint64_t* barrier) {
  asm volatile("mbarrier.arrive.release.cta.shared::cta.b64 _, [%0];" ::"r"(shared_address(barrier)) : "memory");
}
// Announces `bytes` of copies for this phase, and arrives.
NN_PRIMITIVE void mbarrier_arrive_expect_tx(uint64_t* barrier, uint32_t bytes) {
  asm volatile("mbarrier.arrive.expect_tx.release.cta.shared::cta.b64 _, [%0], %1;" ::"r"(shared_address(barrier)),
               "r"(bytes)
               : "memory");
}
// Waits until the phase of that parity has ended. Of a new barrier, "the phase before", of parity 1, has.
NN_PRIMITIVE void mbarrier_wait(uint64_t* barrier, uint32_t parity) {
  asm volatile(
      "{\n"
      ".reg .pred done;\n"
      "again:\n"
      "mbarrier.try_wait.parity.acquire.cta.shared::cta.b64 done, [%0], %1;\n"
      "@!done bra.uni again;\n"
      "}" ::"r"(shared_address(barrier)),
      "r"(parity)
      : "memory");
}

// ---- TMA: copies of tiles of matrices by a machine of their own -----------------------------------------------------

// Copies the box of `map` whose first element is column x of row y. Elements outside the matrix arrive as 0. Completes
// on `barrier`, in bytes; the whole box counts.
NN_PRIMITIVE void tma_load_2d(void* shared, const TensorMap* map, uint64_t* barrier, int x, int y) {
  asm volatile(
      "cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4}], [%2];" ::"r"(
          shared_address(shared)),
      "l"(map), "r"(shared_address(barrier)), "r"(x), "r"(y)
      : "memory");
}
NN_PRIMITIVE void tma_prefetch(const TensorMap* map) { asm volatile("prefetch.tensormap [%0];" ::"l"(map) : "memory"); }

// ---- wgmma: products of a warpgroup on operands in shared memory ----------------------------------------------------

// Registers written by the threads are from here on the tensor cores' to read.
NN_PRIMITIVE void wgmma_fence() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
NN_PRIMITIVE void wgmma_commit() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
template <int kGroups>
NN_PRIMITIVE void wgmma_wait() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(kGroups) : "memory");
}
// Tells the compiler that these registers change here, where the tensor cores have written them.
template <int kCount>
NN_PRIMITIVE void wgmma_touch(float (&d)[kCount]) {
#pragma unroll
  for (int i = 0; i < kCount; ++i) asm volatile("" : "+f"(d[i])::"memory");
}

// d [64, N] = A [64, k] B [k, N] (+ d where `accumulate`), A and B by their descriptors, k adjacent. The places of d
// are those of wgmma_c_place. The list of registers is spelled ten names, and eight operands, at a time.
#define NN_TEN(t) "%" #t "0,%" #t "1,%" #t "2,%" #t "3,%" #t "4,%" #t "5,%" #t "6,%" #t "7,%" #t "8,%" #t "9,"
#define NN_NAMES_60 NN_TEN() NN_TEN(1) NN_TEN(2) NN_TEN(3) NN_TEN(4) NN_TEN(5)
#define NN_NAMES_64 NN_NAMES_60 "%60,%61,%62,%63"
#define NN_NAMES_128 \
  NN_NAMES_60 NN_TEN(6) NN_TEN(7) NN_TEN(8) NN_TEN(9) NN_TEN(10) NN_TEN(11) "%120,%121,%122,%123,%124,%125,%126,%127"
#define NN_FOUR(i) "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3])
#define NN_SIXTEEN(i) NN_FOUR(i), NN_FOUR(i + 4), NN_FOUR(i + 8), NN_FOUR(i + 12)
#define NN_OPERANDS_64(i) NN_SIXTEEN(i), NN_SIXTEEN(i + 16), NN_SIXTEEN(i + 32), NN_SIXTEEN(i + 48)
#define NN_OPERANDS_128 NN_OPERANDS_64(0), NN_OPERANDS_64(64)

#define NN_WGMMA(name, count, shape, type, names, operands, a, b, accumulates, layouts)                      \
  NN_PRIMITIVE void name(float (&d)[count], uint64_t a_descriptor, uint64_t b_descriptor, bool accumulate) { \
    asm volatile("{\n.reg .pred accumulate;\nsetp.ne.b32 accumulate, " accumulates                           \
                 ", 0;\nwgmma.mma_async.sync.aligned." shape ".f32." type "." type " {" names "}, " a ", " b \
                 ", accumulate, 1, 1" layouts ";\n}"                                                         \
                 : operands                                                                                  \
                 : "l"(a_descriptor), "l"(b_descriptor), "r"(static_cast<int>(accumulate)));                 \
  }
#define NN_WGMMA_64(name, shape, type, layouts) \
  NN_WGMMA(name, 64, shape, type, NN_NAMES_64, NN_OPERANDS_64(0), "%64", "%65", "%66", layouts)
#define NN_WGMMA_128(name, shape, type, layouts) \
  NN_WGMMA(name, 128, shape, type, NN_NAMES_128, NN_OPERANDS_128, "%128", "%129", "%130", layouts)

NN_WGMMA_64(wgmma_tf32, "m64n128k8", "tf32", "")
NN_WGMMA_128(wgmma_tf32, "m64n256k8", "tf32", "")
NN_WGMMA_64(wgmma_bf16, "m64n128k16", "bf16", ", 0, 0")
NN_WGMMA_128(wgmma_bf16, "m64n256k16", "bf16", ", 0, 0")
NN_WGMMA_64(wgmma_f16, "m64n128k16", "f16", ", 0, 0")
NN_WGMMA_128(wgmma_f16, "m64n256k16", "f16", ", 0, 0")

#undef NN_WGMMA_128
#undef NN_WGMMA_64
#undef NN_WGMMA
#undef NN_OPERANDS_128
#undef NN_OPERANDS_64
#undef NN_SIXTEEN
#undef NN_FOUR
#undef NN_NAMES_128
#undef NN_NAMES_64
#undef NN_NAMES_60
#undef NN_TEN

// ---- registers: a warpgroup that only copies gives some of its own to those that compute ----------------------------

template <int kRegisters>
NN_PRIMITIVE void setmaxnreg_dec() {
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(kRegisters));
}
template <int kRegisters>
NN_PRIMITIVE void setmaxnreg_inc() {
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(kRegisters));
}

#endif  // NN_HAS_WGMMA

}  // namespace nn::cuda

#endif  // NN_CUDA_EMULATION
