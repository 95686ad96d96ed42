// Working memory of one kernel launch, from the caching allocator of the CPU: 64-byte aligned, not initialised.
// Members are not inline, because kernel files of several instruction sets share this class.
#pragma once

#include <cstddef>

namespace nn {

class Scratch {
 public:
  explicit Scratch(size_t bytes);
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  void* const data;

 private:
  const size_t bytes_;
};

// Throws the error of a kernel whose threads found no memory to work with.
[[noreturn]] void throw_scratch_exhausted();

}  // namespace nn
