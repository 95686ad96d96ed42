// The sizes in which allocators keep blocks: four for each power of two, so a reused block is at most a quarter larger
// than asked.
#pragma once

#include <bit>
#include <cstddef>

namespace nn {

inline constexpr size_t kBlockAlignment = 64;

struct SizeClass {
  int index;
  size_t bytes;
};

inline SizeClass size_class(size_t bytes) {
  if (bytes <= 4 * kBlockAlignment) {
    const size_t units = bytes == 0 ? 1 : (bytes + kBlockAlignment - 1) / kBlockAlignment;
    return {static_cast<int>(units) - 1, units * kBlockAlignment};
  }
  const int log = std::bit_width(bytes - 1) - 1;  // 2^log < bytes <= 2^(log + 1)
  const size_t step = size_t{1} << (log - 2);
  const size_t quarters = (bytes + step - 1) / step;  // 5 to 8
  return {4 + (log - 8) * 4 + static_cast<int>(quarters) - 5, quarters * step};
}

}  // namespace nn
