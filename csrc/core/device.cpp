#include "core/device.h"

#include "core/backend.h"
#include "core/error.h"

namespace nn {

std::string to_string(Device device) { return device.type == DeviceType::cpu ? "cpu" : text("cuda:", device.index); }

Device parse_device(const std::string& name) {
  if (name == "cpu") return {DeviceType::cpu, 0};
  if (name == "cuda") return {DeviceType::cuda, current_device()};
  if (name.rfind("cuda:", 0) == 0 && name.size() > 5 && name.size() < 8 &&
      name.find_first_not_of("0123456789", 5) == std::string::npos)
    return {DeviceType::cuda, std::stoi(name.substr(5))};
  fail("device: expected 'cpu', 'cuda' or 'cuda:N', got '", name, "'");
}

}  // namespace nn
