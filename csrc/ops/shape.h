// Operations that need no kernel: another look at the same memory.
#pragma once

#include <optional>

#include "core/array.h"

namespace nn {

Array permute(const Array& x, const Dims& dims);
Array transpose(const Array& x, int64_t dim0, int64_t dim1);
Array expand(const Array& x, const Dims& shape);  // -1 keeps an extent
Array slice(const Array& x, int64_t dim, std::optional<int64_t> start, std::optional<int64_t> stop, int64_t step);
Array select(const Array& x, int64_t dim, int64_t index);
Array unsqueeze(const Array& x, int64_t dim);
Array squeeze(const Array& x, const std::optional<Dims>& dims);  // no dims: all of extent 1
Array flip(const Array& x, const Dims& dims);                    // a view with negative strides
Array as_strided(const Array& x, const Dims& shape, const Dims& strides, int64_t offset);

// One extent may be -1 and is inferred. A view where the strides allow it, otherwise nothing.
std::optional<Array> try_view(const char* operation, const Array& x, const Dims& shape);
Array reshape(const Array& x, const Dims& shape);  // a view where possible, otherwise a copy

}  // namespace nn
