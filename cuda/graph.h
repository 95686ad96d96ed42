// Plans on the device: csrc/core/backend.h's LaunchGraph as a CUDA graph.
#pragma once

#include <memory>

#include "core/backend.h"

namespace nn::cuda {

std::unique_ptr<LaunchGraph> make_graph(int index);

// Working memory of what this thread launches for a graph; null where it launches for none.
class GraphMemory;
GraphMemory* graph_memory();
void* allocate(GraphMemory& memory, size_t bytes);
void release(GraphMemory& memory, void* data, size_t bytes) noexcept;

}  // namespace nn::cuda
