// A short list of extents or strides, held in place: no allocation for a shape.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <ostream>

#include "core/error.h"
#include "core/kernels/kernel.h"

namespace nn {

class Dims {
 public:
  Dims() = default;
  Dims(std::initializer_list<int64_t> values) {
    for (int64_t v : values) push_back(v);
  }
  template <class Iterator>
  Dims(Iterator first, Iterator last) {
    for (; first != last; ++first) push_back(*first);
  }
  static Dims filled(int count, int64_t value) {
    Dims dims;
    for (int i = 0; i < count; ++i) dims.push_back(value);
    return dims;
  }

  int size() const { return size_; }
  bool empty() const { return size_ == 0; }
  int64_t operator[](int i) const { return values_[i]; }
  int64_t& operator[](int i) { return values_[i]; }
  int64_t back() const { return values_[size_ - 1]; }
  int64_t& back() { return values_[size_ - 1]; }
  const int64_t* begin() const { return values_; }
  const int64_t* end() const { return values_ + size_; }

  void push_back(int64_t value) { insert(size_, value); }
  void insert(int at, int64_t value) {
    check(size_ < kMaxDims, "an array has at most ", kMaxDims, " dimensions");
    for (int i = size_++; i > at; --i) values_[i] = values_[i - 1];
    values_[at] = value;
  }
  void erase(int at) {
    for (int i = at + 1; i < size_; ++i) values_[i - 1] = values_[i];
    --size_;
  }

  int64_t product() const {
    int64_t total = 1;
    for (int64_t v : *this) total *= v;
    return total;
  }

  bool operator==(const Dims& other) const {
    if (size_ != other.size_) return false;
    for (int i = 0; i < size_; ++i)
      if (values_[i] != other.values_[i]) return false;
    return true;
  }

 private:
  int size_ = 0;
  int64_t values_[kMaxDims] = {};
};

inline std::ostream& operator<<(std::ostream& out, const Dims& dims) {
  out << '[';
  for (int i = 0; i < dims.size(); ++i) out << (i ? ", " : "") << dims[i];
  return out << ']';
}

// The dimension that `dim` names in an array of `ndim` dimensions, counting from the end where negative.
// A 0-d array accepts 0 and -1, as in PyTorch.
inline int normalize_dim(const char* operation, int64_t dim, int ndim) {
  const int64_t range = ndim > 0 ? ndim : 1;
  check<IndexError>(-range <= dim && dim < range, operation, ": Dimension out of range (expected to be in range of [",
                    -range, ", ", range - 1, "], but got ", dim, ")");
  return static_cast<int>(dim < 0 ? dim + range : dim);
}

}  // namespace nn
