// Elements picked from, and put to, places that an array of integers names. Those that write, do so in place: `x` is
// the array written to.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "core/array.h"

namespace nn {

// Contiguous int64 places in [0, size): negative ones count from the end. IndexError where one lies outside.
Array wrap_index(const Array& index, int64_t size, int64_t dim);

// Whole slices along `dim`; index has one dimension or none, and no negative elements.
Array index_select(const char* operation, const Array& x, int64_t dim, const Array& index);
void index_copy_into(const char* operation, const Array& x, int64_t dim, const Array& index, const Array& source);
void index_add_into(const char* operation, const Array& x, int64_t dim, const Array& index, const Array& source);

// y[..., i, ...] = x[..., index[..., i, ...], ...]; index has the number of dimensions of x and nowhere exceeds it but
// along dim. Scattering is the reverse.
Array gather(const char* operation, const Array& x, int64_t dim, const Array& index);
void scatter_into(const char* operation, const Array& x, int64_t dim, const Array& index, const Array& source,
                  bool accumulate);

// The first `keep` in stable order along dim, or all.
Array nonzero(const Array& x);  // [count, ndim]
std::pair<Array, Array> sort(const Array& x, int64_t dim, bool descending, std::optional<int64_t> keep);
Array cat(const std::vector<Array>& arrays, int64_t dim);

// place[b, d]: the row, among those that index[start[b]] ... index[start[b + 1] - 1] name and that are not `padding`,
// in which column d of x is largest; -1 where there is none. start, contiguous int64, is in order.
Array bag_max(const char* operation, const Array& x, const Array& index, const Array& start, int64_t padding);

// start, start + step, ..., counted in int64 where both are integers, else in float64, and converted to dtype. With an
// end the second half is counted back from there.
Array sequence(Scalar start, Scalar step, const Dims& count, DType dtype, Device device, std::optional<Scalar> end);

}  // namespace nn
