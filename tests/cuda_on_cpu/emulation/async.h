// What runs by itself on a GPU, beside the thread that started it: cp.async, copies by TMA, and wgmma; and the
// mbarriers in shared memory that tell of their end. All of it completes as late as it may: its sources are read then,
// and its destinations are full of ones until then, so that a wait too few or in the wrong place shows in the results.
// After the PTX ISA manual 9.0, sections 9.7.9 (data movement), 9.7.13 (mbarrier) and 9.7.16 (wgmma).
#pragma once

#include <cstdint>

#include "device.h"

namespace cuda_on_cpu {

struct Thread;

// cp.async: `bytes` from global to shared memory, of which those from `source_bytes` on are zero. Complete for the
// thread that issued it when it waits.
void copy_async(void* shared, const void* global, int bytes, int source_bytes);
void copy_async_commit();
void copy_async_wait(int groups_left);  // until at most so many groups are under way
void copy_async_wait_all();

// mbarrier. A phase ends when all arrivals have come and all bytes announced have been copied.
void mbarrier_init(uint64_t* barrier, uint32_t arrivals);
void mbarrier_invalidate(uint64_t* barrier);
void mbarrier_arrive(uint64_t* barrier, uint32_t count = 1);
void mbarrier_arrive_at(uint32_t shared_address, uint32_t count = 1);  // in another block of the cluster
void mbarrier_expect(uint64_t* barrier, uint32_t bytes);               // announces, without arriving
bool mbarrier_test(uint64_t* barrier, uint32_t parity);                // whether the phase of that parity has ended
void mbarrier_wait(uint64_t* barrier, uint32_t parity, const Site* site);
// Arrives when the cp.async of this thread so far have completed (.noinc).
void copy_async_arrive(uint64_t* barrier);

// What a CUtensorMap holds here: a tensor of up to 5 dimensions, the first contiguous, and the box that is copied.
struct TensorMap {
  char* base;
  uint32_t element_bytes, dims;
  uint64_t size[5];
  uint64_t stride[5];  // in bytes; stride[0] is element_bytes
  uint32_t box[5], step[5];
  uint32_t swizzle;  // 0, 32, 64 or 128: the span in bytes whose pieces of 16 are permuted
  bool fill_nan;     // outside of the tensor, instead of zero
};

// One box to shared memory, in every block of the cluster that `blocks` names, at the same place in their windows; each
// one's mbarrier gets the bytes.
void tensor_load(void* shared, const TensorMap& map, uint64_t* barrier, const int (&at)[5], uint16_t blocks = 0);
void tensor_store(const TensorMap& map, const void* shared, const int (&at)[5]);
void bulk_load(void* shared, const void* global, uint32_t bytes, uint64_t* barrier);
void bulk_store(void* global, const void* shared, uint32_t bytes);
void bulk_commit();
void bulk_wait(int groups_left, bool sources_only);

// wgmma.mma_async m64nNk(32 bytes): d += a b, with d as the manual's accumulator fragment, a and b by descriptors of
// matrices in shared memory, or a in registers.
enum class Product { bf16, f16, tf32 };
struct WgmmaShape {
  int n;
  Product type;
  bool a_transposed = false, b_transposed = false;  // M- or N-major, for 16 bit types
  int scale_a = 1, scale_b = 1;                     // or -1
};
void wgmma(const WgmmaShape& shape, float* d, uint64_t a, uint64_t b, bool accumulate);
void wgmma_registers(const WgmmaShape& shape, float* d, const uint32_t (&a)[4], uint64_t b, bool accumulate);
void wgmma_fence(const Site* site);
void wgmma_commit();
void wgmma_wait(int groups_left, const Site* site);

// For the scheduler.
int async_engines();  // in a cluster, for the race detector
void async_cluster_started();
void async_cluster_ends();
bool complete_one_copy();  // the one that waited longest; false where none is under way
void async_thread_ends(Thread& thread);

}  // namespace cuda_on_cpu
