// The rest of the runtime: errors, the one device, memory and its pools, launches. Streams are in streams.cpp.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>

#include "device.h"
#include "memory.h"
#include "report.h"
#include "streams.h"

struct CUmemPoolHandle_st {
  uint64_t threshold = 0;
};

using namespace cuda_on_cpu;

namespace {

using Lock = std::lock_guard<std::recursive_mutex>;

thread_local cudaError_t last_error = cudaSuccess;
thread_local const char* launch_name = "(a kernel)";
std::map<const void*, size_t> shared_opt_in;  // by kernel
std::map<const void*, size_t> pinned;         // by address
CUmemPoolHandle_st default_pool;
CUmemPoolHandle_st* current_pool = &default_pool;

cudaError_t keep(cudaError_t error) {
  if (error != cudaSuccess) last_error = error;
  return error;
}

// After a mistake nothing works any more, as on a GPU.
cudaError_t state() { return cuda_on_cpu_report_count() > 0 ? cudaErrorLaunchFailure : cudaSuccess; }

cudaError_t allocate(void** pointer, size_t bytes) {
  const Lock lock(device_mutex());
  *pointer = nullptr;
  if (const cudaError_t error = state(); error != cudaSuccess) return keep(error);
  if (bytes == 0) return cudaSuccess;
  *pointer = device_allocate(bytes);
  return keep(*pointer != nullptr ? cudaSuccess : cudaErrorMemoryAllocation);
}

// Whether the two ends of a copy are what `kind` says.
bool as_said(const void* to, const void* from, cudaMemcpyKind kind) {
  if (kind == cudaMemcpyDefault) return true;
  const bool to_device = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
  const bool from_device = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
  return in_device(to) == to_device && in_device(from) == from_device;
}

bool owned(const void* p, size_t bytes) { return !in_device(p) || device_owns(p, bytes); }

}  // namespace

// ---- Errors

cudaError_t cudaPeekAtLastError() { return last_error != cudaSuccess ? last_error : state(); }

cudaError_t cudaGetLastError() {
  const cudaError_t error = cudaPeekAtLastError();
  last_error = cudaSuccess;
  return error;
}

const char* cudaGetErrorString(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return "no error";
    case cudaErrorMemoryAllocation:
      return "out of memory";
    case cudaErrorLaunchFailure:
      return cuda_on_cpu_report_count() > 0 ? cuda_on_cpu_report_text() : "unspecified launch failure";
    case cudaErrorInvalidConfiguration:
      return "invalid configuration argument";
    case cudaErrorNotReady:
      return "device not ready";
    case cudaErrorInvalidValue:
      return "invalid argument";
    case cudaErrorInvalidDevice:
      return "invalid device ordinal";
    default:
      return "error of the CUDA runtime";
  }
}

const char* cudaGetErrorName(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return "cudaSuccess";
    case cudaErrorMemoryAllocation:
      return "cudaErrorMemoryAllocation";
    case cudaErrorLaunchFailure:
      return "cudaErrorLaunchFailure";
    case cudaErrorInvalidConfiguration:
      return "cudaErrorInvalidConfiguration";
    case cudaErrorNotReady:
      return "cudaErrorNotReady";
    case cudaErrorInvalidValue:
      return "cudaErrorInvalidValue";
    case cudaErrorInvalidDevice:
      return "cudaErrorInvalidDevice";
    default:
      return "cudaErrorUnknown";
  }
}

// ---- The device: a small one of compute capability 9.0

cudaError_t cudaDriverGetVersion(int* version) { return *version = CUDART_VERSION, cudaSuccess; }
cudaError_t cudaRuntimeGetVersion(int* version) { return *version = CUDART_VERSION, cudaSuccess; }
cudaError_t cudaGetDeviceCount(int* count) { return *count = 1, cudaSuccess; }
cudaError_t cudaGetDevice(int* device) { return *device = 0, cudaSuccess; }
cudaError_t cudaSetDevice(int device) { return keep(device == 0 ? cudaSuccess : cudaErrorInvalidDevice); }

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* p, int device) {
  if (device != 0) return keep(cudaErrorInvalidDevice);
  *p = {};
  std::snprintf(p->name, sizeof p->name, "CUDA on the CPU");
  p->totalGlobalMem = options.memory;
  p->sharedMemPerBlock = kStaticShared;
  p->sharedMemPerBlockOptin = p->sharedMemPerMultiprocessor = kSharedLimit;
  p->reservedSharedMemPerBlock = kReservedShared;
  p->regsPerBlock = p->regsPerMultiprocessor = 65536;
  p->warpSize = kWarp;
  p->maxThreadsPerBlock = 1024;
  p->maxThreadsPerMultiProcessor = 2048;
  p->maxBlocksPerMultiProcessor = 32;
  for (int i = 0; i < 3; ++i) p->maxThreadsDim[i] = i < 2 ? 1024 : 64, p->maxGridSize[i] = i < 1 ? 0x7fffffff : 65535;
  p->major = 9;
  p->multiProcessorCount = 3;
  p->l2CacheSize = 1 << 20;
  p->memoryBusWidth = 64;
  p->unifiedAddressing = p->concurrentKernels = p->asyncEngineCount = p->memoryPoolsSupported = p->clusterLaunch = 1;
  return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  cudaDeviceProp p;
  if (const cudaError_t error = cudaGetDeviceProperties(&p, device); error != cudaSuccess) return error;
  switch (attribute) {
    case cudaDevAttrMaxThreadsPerBlock:
      return *value = p.maxThreadsPerBlock, cudaSuccess;
    case cudaDevAttrMaxSharedMemoryPerBlock:
      return *value = static_cast<int>(p.sharedMemPerBlock), cudaSuccess;
    case cudaDevAttrWarpSize:
      return *value = p.warpSize, cudaSuccess;
    case cudaDevAttrMultiProcessorCount:
      return *value = p.multiProcessorCount, cudaSuccess;
    case cudaDevAttrL2CacheSize:
      return *value = p.l2CacheSize, cudaSuccess;
    case cudaDevAttrMaxThreadsPerMultiProcessor:
      return *value = p.maxThreadsPerMultiProcessor, cudaSuccess;
    case cudaDevAttrComputeCapabilityMajor:
      return *value = p.major, cudaSuccess;
    case cudaDevAttrComputeCapabilityMinor:
      return *value = p.minor, cudaSuccess;
    case cudaDevAttrMaxSharedMemoryPerMultiprocessor:
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
      return *value = static_cast<int>(p.sharedMemPerBlockOptin), cudaSuccess;
    case cudaDevAttrMemoryPoolsSupported:
    case cudaDevAttrClusterLaunch:
      return *value = 1, cudaSuccess;
  }
  return keep(cudaErrorInvalidValue);
}

cudaError_t cudaDeviceSynchronize() {
  const Lock lock(device_mutex());
  run_all();
  return cudaPeekAtLastError();
}
cudaError_t cudaDeviceReset() { return cudaDeviceSynchronize(); }

// ---- Memory

cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* pointer) {
  const Lock lock(device_mutex());
  *attributes = {};
  auto* p = const_cast<void*>(pointer);
  auto host = pinned.upper_bound(pointer);
  if (in_device(pointer)) {
    *attributes = {cudaMemoryTypeDevice, 0, p, nullptr};
  } else if (host != pinned.begin() &&
             static_cast<const char*>((--host)->first) + host->second > static_cast<const char*>(pointer)) {
    *attributes = {cudaMemoryTypeHost, 0, p, p};
  }
  return cudaSuccess;
}

cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  const Lock lock(device_mutex());
  *free = device_bytes_free();
  *total = options.memory;
  return cudaSuccess;
}

cudaError_t cudaMalloc(void** pointer, size_t bytes) { return allocate(pointer, bytes); }
cudaError_t cudaMallocAsync(void** pointer, size_t bytes, cudaStream_t) { return allocate(pointer, bytes); }
cudaError_t cudaMallocFromPoolAsync(void** pointer, size_t bytes, cudaMemPool_t, cudaStream_t) {
  return allocate(pointer, bytes);
}

cudaError_t cudaFree(void* pointer) {
  const Lock lock(device_mutex());
  if (pointer == nullptr) return cudaSuccess;
  run_all();
  return keep(device_release(pointer) ? cudaSuccess : cudaErrorInvalidValue);
}

cudaError_t cudaFreeAsync(void* pointer, cudaStream_t stream) {
  const Lock lock(device_mutex());
  if (!device_owns(pointer, 1)) return keep(cudaErrorInvalidValue);
  enqueue(stream_of(stream), [pointer] { device_release(pointer); });
  return cudaSuccess;
}

cudaError_t cudaHostAlloc(void** pointer, size_t bytes, unsigned) {
  const Lock lock(device_mutex());
  *pointer = std::malloc(bytes > 0 ? bytes : 1);
  if (*pointer == nullptr) return keep(cudaErrorMemoryAllocation);
  pinned[*pointer] = bytes;
  return cudaSuccess;
}
cudaError_t cudaMallocHost(void** pointer, size_t bytes, unsigned flags) {
  return cudaHostAlloc(pointer, bytes, flags);
}

cudaError_t cudaFreeHost(void* pointer) {
  const Lock lock(device_mutex());
  if (pointer == nullptr) return cudaSuccess;
  if (pinned.erase(pointer) == 0) return keep(cudaErrorInvalidValue);
  run_all();
  std::free(pointer);
  return cudaSuccess;
}

cudaError_t cudaMemcpy2DAsync(void* to, size_t to_pitch, const void* from, size_t from_pitch, size_t width,
                              size_t height, cudaMemcpyKind kind, cudaStream_t stream) {
  const Lock lock(device_mutex());
  if (width == 0 || height == 0) return state();
  if (width > to_pitch || width > from_pitch) return keep(cudaErrorInvalidPitchValue);
  if (!as_said(to, from, kind)) return keep(cudaErrorInvalidMemcpyDirection);
  if (!owned(to, to_pitch * (height - 1) + width) || !owned(from, from_pitch * (height - 1) + width))
    return keep(cudaErrorInvalidValue);
  if (const cudaError_t error = state(); error != cudaSuccess) return error;
  enqueue(stream_of(stream), [=] {
    const DeviceAccess access;
    for (size_t i = 0; i < height; ++i)
      std::memcpy(static_cast<char*>(to) + i * to_pitch, static_cast<const char*>(from) + i * from_pitch, width);
  });
  return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
  return cudaMemcpy2DAsync(to, bytes, from, bytes, bytes, 1, kind, stream);
}

cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  const cudaError_t error = cudaMemcpyAsync(to, from, bytes, kind, nullptr);
  return error != cudaSuccess ? error : cudaStreamSynchronize(nullptr);
}

cudaError_t cudaMemsetAsync(void* to, int value, size_t bytes, cudaStream_t stream) {
  const Lock lock(device_mutex());
  if (bytes == 0) return state();
  if (!in_device(to) || !device_owns(to, bytes)) return keep(cudaErrorInvalidValue);
  enqueue(stream_of(stream), [=] {
    const DeviceAccess access;
    std::memset(to, value, bytes);
  });
  return cudaSuccess;
}
cudaError_t cudaMemset(void* to, int value, size_t bytes) { return cudaMemsetAsync(to, value, bytes, nullptr); }

// ---- Pools: names only, all memory is one

cudaError_t cudaMemPoolCreate(cudaMemPool_t* pool, const cudaMemPoolProps*) {
  *pool = new CUmemPoolHandle_st;
  return cudaSuccess;
}
cudaError_t cudaMemPoolDestroy(cudaMemPool_t pool) {
  if (pool == current_pool) current_pool = &default_pool;
  if (pool != &default_pool) delete pool;
  return cudaSuccess;
}
cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t pool, cudaMemPoolAttr attribute, void* value) {
  if (attribute == cudaMemPoolAttrReleaseThreshold) std::memcpy(&pool->threshold, value, sizeof pool->threshold);
  return cudaSuccess;
}
cudaError_t cudaMemPoolGetAttribute(cudaMemPool_t pool, cudaMemPoolAttr attribute, void* value) {
  uint64_t answer = options.memory - device_bytes_free();
  if (attribute == cudaMemPoolAttrReleaseThreshold) answer = pool->threshold;
  std::memcpy(value, &answer, sizeof answer);
  return cudaSuccess;
}
cudaError_t cudaMemPoolTrimTo(cudaMemPool_t, size_t) { return cudaSuccess; }
cudaError_t cudaDeviceGetDefaultMemPool(cudaMemPool_t* pool, int) { return *pool = &default_pool, cudaSuccess; }
cudaError_t cudaDeviceGetMemPool(cudaMemPool_t* pool, int) { return *pool = current_pool, cudaSuccess; }
cudaError_t cudaDeviceSetMemPool(int, cudaMemPool_t pool) { return current_pool = pool, cudaSuccess; }

// ---- Launches

cudaError_t cudaFuncSetAttribute(const void* kernel, cudaFuncAttribute attribute, int value) {
  const Lock lock(device_mutex());
  if (attribute != cudaFuncAttributeMaxDynamicSharedMemorySize) return cudaSuccess;
  if (value < 0 || static_cast<size_t>(value) > kSharedLimit) return keep(cudaErrorInvalidValue);
  shared_opt_in[kernel] = static_cast<size_t>(value);
  return cudaSuccess;
}

cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, const void*, int threads, size_t shared) {
  const size_t by_threads = 2048 / static_cast<size_t>(threads > 0 ? threads : 1);
  const size_t by_shared = kSharedLimit / (shared + kReservedShared);
  *blocks = static_cast<int>(by_threads < by_shared ? by_threads : by_shared);
  return cudaSuccess;
}

cudaError_t cudaGetDriverEntryPointByVersion(const char*, void** function, unsigned, unsigned long long,
                                             cudaDriverEntryPointQueryResult* result) {
  *function = nullptr;
  if (result != nullptr) *result = cudaDriverEntryPointSymbolNotFound;
  return cudaSuccess;
}

namespace cuda_on_cpu {

void name_launch(const char* name) { launch_name = name; }

cudaError_t launch(const cudaLaunchConfig_t& config, const void* kernel, void (*body)(const void*),
                   const void* arguments, size_t bytes, size_t alignment) {
  const Lock lock(device_mutex());
  const dim3 grid = config.gridDim, block = config.blockDim;
  dim3 cluster(1, 1, 1);
  for (unsigned i = 0; i < config.numAttrs; ++i)
    if (config.attrs[i].id == cudaLaunchAttributeClusterDimension) {
      const auto& size = config.attrs[i].val.clusterDim;
      cluster = dim3(size.x, size.y, size.z);
    }
  const uint64_t threads = uint64_t{block.x} * block.y * block.z, blocks = uint64_t{cluster.x} * cluster.y * cluster.z;
  const auto opted = shared_opt_in.find(kernel);
  const size_t limit = opted != shared_opt_in.end() ? opted->second : kStaticShared;
  if (threads == 0 || threads > 1024 || block.z > 64 || blocks == 0 || blocks > 8 ||
      config.dynamicSmemBytes > (limit > kStaticShared ? limit : kStaticShared) || grid.x == 0 || grid.x > 0x7fffffff ||
      grid.y == 0 || grid.y > 65535 || grid.z == 0 || grid.z > 65535 || grid.x % cluster.x != 0 ||
      grid.y % cluster.y != 0 || grid.z % cluster.z != 0)
    return keep(cudaErrorInvalidConfiguration);
  if (const cudaError_t error = state(); error != cudaSuccess) return error;
  // The arguments as they are now; with the alignment that they had.
  const std::shared_ptr<void> copy(std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment),
                                   std::free);
  std::memcpy(copy.get(), arguments, bytes);
  const Launch what = {launch_name, grid, block, cluster, config.dynamicSmemBytes};
  enqueue(stream_of(config.stream), [=] { run(what, body, copy.get()); });
  return cudaSuccess;
}

}  // namespace cuda_on_cpu
