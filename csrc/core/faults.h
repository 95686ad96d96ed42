// What is wrong with a value that a kernel was given, and the error that says so: at once where the host checks the
// values itself, at the next synchronisation where a kernel does.
#pragma once

#include <cstdint>
#include <string_view>

#include "core/device.h"
#include "core/kernels/fault.h"

namespace nn {

struct Fault {
  enum Kind {
    slice,    // IndexError: an index outside dimension a of size b
    element,  // the same as RuntimeError, which PyTorch raises for single elements
    target,   // IndexError: a class outside [0, a) that is not b
    range,    // RuntimeError: a number outside [0, a]; `operation` is the message up to a
    number,   // RuntimeError: a number that may not be there; `operation` is the message up to it
    // The error of that name, with `operation` as its message.
    runtime_error,
    value_error,
    index_error,
  };
  Kind kind;
  std::string_view operation;
  int64_t a, b;
};

[[noreturn]] void raise(const Fault& fault, int64_t value);

// Where a launch on the device reports the fault: nowhere on the CPU.
FaultSite fault_site(Device device, const Fault& fault);

// Raises what the kernels of a device have reported, and forgets it. Called after each synchronisation.
void raise_reported(Device device);

}  // namespace nn
