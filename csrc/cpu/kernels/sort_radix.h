// Sorting by digits: a stable sort of long lines in a fixed number of passes, one for each byte of an element.
//
// An element becomes an unsigned key in the same order (math/sort_key.h), paired with its place. One pass counts the
// bytes of all keys; each further pass moves the pairs to where their byte belongs, the lowest byte first. A byte that
// all keys share costs no pass. Bytes moved: twice the pairs (8 or 16 bytes each) for each pass; bound: the stores,
// which go to 256 places by turns, 1 to 2 ns each. Merging takes log2 N passes of the same kind: 17 for 100,000
// elements against 4.
#pragma once

#include <cstdint>

#include "math/sort_key.h"

namespace nn::NN_ISA {
namespace {

template <class U>
struct KeyAndPlace {
  U key;
  U place;
};
template <>
struct KeyAndPlace<uint8_t> {
  uint8_t key;
  uint32_t place;
};

// Sorts n < 2^31 pairs with as much room; returns which of the two holds the result.
template <class U>
const KeyAndPlace<U>* radix_sort(KeyAndPlace<U>* items, KeyAndPlace<U>* room, int64_t n) {
  constexpr int kDigits = sizeof(U);
  uint32_t count[kDigits][256] = {};
  for (int64_t i = 0; i < n; ++i)
    for (int d = 0; d < kDigits; ++d) ++count[d][(items[i].key >> (8 * d)) & 255];
  for (int d = 0; d < kDigits; ++d) {
    if (count[d][(items[0].key >> (8 * d)) & 255] == static_cast<uint32_t>(n)) continue;
    uint32_t next[256], sum = 0;
    for (int i = 0; i < 256; ++i) {
      next[i] = sum;
      sum += count[d][i];
    }
    for (int64_t i = 0; i < n; ++i) room[next[(items[i].key >> (8 * d)) & 255]++] = items[i];
    KeyAndPlace<U>* const sorted = room;
    room = items;
    items = sorted;
  }
  return items;
}

}  // namespace
}  // namespace nn::NN_ISA
