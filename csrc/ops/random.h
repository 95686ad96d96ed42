// Random numbers and dropout. `state` is the generator's: two int64, the seed and the offset of the next call; every
// function here is one call and moves the offset on by one.
#pragma once

#include <utility>

#include "core/array.h"

namespace nn {

void uniform_into(const Array& y, const Array& state, double low, double high);
void normal_into(const Array& y, const Array& state, double mean, double deviation);
void integers_into(const Array& y, const Array& state, int64_t low, uint64_t range);  // range 0: all of int64

// (x with elements dropped with probability p and the others divided by 1 - p, which were kept)
std::pair<Array, Array> dropout(const Array& x, double p, const Array& state);
Array mask_scale(const Array& x, const Array& mask, double scale);

// y[r, i]: the place in row r of the weights that u[r, i] falls on; sums are the weights' cumulative sums. All float64.
Array draw(const Array& weights, const Array& sums, const Array& u);

}  // namespace nn
