// Reductions over any dimensions. `dims` absent or empty means all of them. With keepdim they stay, with extent 1.
#pragma once

#include <optional>
#include <utility>

#include "core/array.h"

namespace nn {

using OptionalDims = std::optional<Dims>;

Array sum(const Array& x, const OptionalDims& dims, bool keepdim);   // int64 for integers and booleans
Array mean(const Array& x, const OptionalDims& dims, bool keepdim);  // floating only
Array prod(const Array& x, const OptionalDims& dims, bool keepdim);
Array amax(const Array& x, const OptionalDims& dims, bool keepdim);  // an error over nothing, like amin
Array amin(const Array& x, const OptionalDims& dims, bool keepdim);
Array count_nonzero(const Array& x, const OptionalDims& dims);
Array any(const Array& x, const OptionalDims& dims, bool keepdim);
Array all(const Array& x, const OptionalDims& dims, bool keepdim);

// sum (x - mean)^2 / max(0, count - correction), its square root where `root`; and the mean.
std::pair<Array, Array> var_mean(const Array& x, const OptionalDims& dims, double correction, bool keepdim, bool root);
// (sum |x|^p)^(1/p); p may be 0 (the number of nonzeros) and plus or minus infinity.
Array vector_norm(const Array& x, double p, const OptionalDims& dims, bool keepdim);
Array logsumexp(const Array& x, const OptionalDims& dims, bool keepdim);

// The largest (least) elements along one dimension and where they are, as int64.
std::pair<Array, Array> max_with_index(const Array& x, int64_t dim, bool keepdim);
std::pair<Array, Array> min_with_index(const Array& x, int64_t dim, bool keepdim);

Array cumsum(const Array& x, int64_t dim);
Array cumprod(const Array& x, int64_t dim);

}  // namespace nn
