// Errors that reach Python: each class becomes the exception that PyTorch raises in the same place.
// The message says the operation, what was expected, and what came.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>

namespace nn {

struct Error : std::runtime_error {  // RuntimeError: shapes that do not fit, devices, state
  using std::runtime_error::runtime_error;
};
struct OutOfMemoryError : Error {  // OutOfMemoryError, a RuntimeError: no memory for an array or a kernel
  using Error::Error;
};
struct IndexError : std::runtime_error {  // IndexError: a dimension or position out of range
  using std::runtime_error::runtime_error;
};
struct ValueError : std::runtime_error {  // ValueError: an argument outside its domain
  using std::runtime_error::runtime_error;
};
struct NotImplementedError : std::runtime_error {  // NotImplementedError: a dtype that an operation has no kernel for
  using std::runtime_error::runtime_error;
};
struct TypeError : std::runtime_error {  // TypeError: a dtype or a kind of argument
  using std::runtime_error::runtime_error;
};

template <class... Parts>
std::string text(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

template <class E = Error, class... Parts>
[[noreturn]] void fail(const Parts&... parts) {
  throw E(text(parts...));
}

template <class E = Error, class... Parts>
void check(bool condition, const Parts&... parts) {
  if (!condition) fail<E>(parts...);
}

}  // namespace nn
