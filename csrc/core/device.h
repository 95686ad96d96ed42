// Where an array lives.
#pragma once

#include <string>

namespace nn {

enum class DeviceType : int { cpu, cuda };

struct Device {
  DeviceType type = DeviceType::cpu;
  int index = 0;

  bool operator==(const Device&) const = default;
};

std::string to_string(Device device);          // "cpu", "cuda:0"
Device parse_device(const std::string& name);  // the inverse; "cuda" is the current one

}  // namespace nn
