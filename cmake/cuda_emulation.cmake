# nncore._cuda_emulation: the files of nncore._cuda compiled with the C++ compiler on the emulation of tests/cuda_on_cpu,
# for tests on machines without a GPU (NNCORE_CUDA_EMULATION=1 in the environment of Python). Never installed.
set(emulation tests/cuda_on_cpu)
file(GLOB emulation_sources CONFIGURE_DEPENDS ${emulation}/emulation/*.cpp)
list(FILTER emulation_sources EXCLUDE REGEX "/race_hooks.cpp$")
if(nncore_has_cuda)
  message(FATAL_ERROR "NNCORE_CUDA_EMULATION needs a build folder of its own: without NNCORE_CUDA")
elseif(NOT emulation_sources)
  message(FATAL_ERROR "NNCORE_CUDA_EMULATION needs ${emulation}/emulation")
endif()
file(GLOB emulated_sources CONFIGURE_DEPENDS cuda/*.cu cuda/*.cpp)
set_source_files_properties(${emulated_sources} PROPERTIES LANGUAGE CXX)
Python_add_library(_cuda_emulation MODULE WITH_SOABI ${emulated_sources} ${emulation_sources})
target_include_directories(_cuda_emulation BEFORE PRIVATE ${emulation}/include ${emulation} ${emulation}/emulation
                                                          ${CMAKE_CURRENT_SOURCE_DIR} csrc)
target_compile_definitions(_cuda_emulation PRIVATE NN_ISA=cuda NNCORE_CUDA_MODULE=_cuda_emulation
                                                   NNCORE_CUDA_ARCHITECTURES="emulation")
target_compile_options(_cuda_emulation PRIVATE -x c++ -Wall -Wextra -Wno-unknown-pragmas -ffp-contract=off -O1)
