#include "cuda/staging.h"

#include <algorithm>
#include <cstring>

#include "cuda/device.h"

namespace nn::cuda {

void Staging::prepare() {
  if (pinned_ != nullptr) return;
  void* memory = nullptr;
  check(cudaMallocHost(&memory, kPieces * kPieceBytes), "allocating pinned memory");
  for (cudaEvent_t& event : done_)
    check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "making an event for copies");
  pinned_ = static_cast<char*>(memory);
}

void Staging::upload(void* to, const void* from, size_t bytes, cudaStream_t stream) {
  const std::lock_guard lock(mutex_);
  prepare();
  for (size_t at = 0; at < bytes; at += kPieceBytes) {
    const size_t size = std::min(kPieceBytes, bytes - at);
    const int piece = next_;
    next_ = (next_ + 1) % kPieces;
    check(cudaEventSynchronize(done_[piece]), "copying to the device");
    char* const memory = pinned_ + piece * kPieceBytes;
    std::memcpy(memory, static_cast<const char*>(from) + at, size);
    check(cudaMemcpyAsync(static_cast<char*>(to) + at, memory, size, cudaMemcpyHostToDevice, stream),
          "copying to the device");
    check(cudaEventRecord(done_[piece], stream), "copying to the device");
  }
}

void Staging::download(void* to, const void* from, size_t bytes, cudaStream_t stream) {
  const std::lock_guard lock(mutex_);
  prepare();
  const size_t pieces = (bytes + kPieceBytes - 1) / kPieceBytes;
  const int first = next_;
  const auto slot = [&](size_t i) { return static_cast<int>((static_cast<size_t>(first) + i) % kPieces); };
  const auto size = [&](size_t i) { return std::min(kPieceBytes, bytes - i * kPieceBytes); };
  const auto start = [&](size_t i) {
    check(cudaEventSynchronize(done_[slot(i)]), "copying from the device");
    check(cudaMemcpyAsync(pinned_ + slot(i) * kPieceBytes, static_cast<const char*>(from) + i * kPieceBytes, size(i),
                          cudaMemcpyDeviceToHost, stream),
          "copying from the device");
    check(cudaEventRecord(done_[slot(i)], stream), "copying from the device");
  };
  for (size_t i = 0; i < pieces && i + 1 < kPieces; ++i) start(i);
  for (size_t i = 0; i < pieces; ++i) {
    check(cudaEventSynchronize(done_[slot(i)]), "copying from the device");
    std::memcpy(static_cast<char*>(to) + i * kPieceBytes, pinned_ + slot(i) * kPieceBytes, size(i));
    if (i + kPieces - 1 < pieces) start(i + kPieces - 1);
  }
  next_ = slot(pieces);
}

}  // namespace nn::cuda
