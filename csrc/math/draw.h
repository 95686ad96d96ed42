// Places drawn with given probabilities.
#pragma once

#include <cstdint>

#include "math/config.h"

namespace nn::NN_ISA {

// The place at which the sums of the weights so far pass the part u of them all, u in [0, 1): a place of a positive
// weight, whatever rounding does to the sums.
NN_FN int64_t place_of(const double* sums, const double* weights, int64_t count, double u) {
  const double passed = u * sums[count - 1];
  int64_t place = 0;
  for (int64_t end = count; place < end;) {
    const int64_t middle = place + (end - place) / 2;
    if (sums[middle] <= passed)
      place = middle + 1;
    else
      end = middle;
  }
  while (place < count && !(weights[place] > 0)) ++place;
  if (place < count) return place;
  while (place > 1 && !(weights[place - 1] > 0)) --place;
  return place - 1;
}

}  // namespace nn::NN_ISA
