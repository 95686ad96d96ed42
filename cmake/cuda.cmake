# nncore._cuda: the CUDA backend, a module of its own. It links the static CUDA runtime and no other library of NVIDIA,
# so it loads on machines without a driver. AUTO is for installations: a build folder of a developer has it with ON.
set(nncore_has_cuda OFF)
string(TOUPPER "${NNCORE_CUDA}" cuda_wish)
if(cuda_wish STREQUAL "AUTO" AND NOT SKBUILD)
  set(cuda_wish OFF)
endif()
if(NOT cuda_wish MATCHES "^(OFF|0|FALSE|NO)$")
  find_program(NNCORE_NVCC nvcc HINTS "$ENV{CUDA_HOME}/bin" "$ENV{CUDA_PATH}/bin" /usr/local/cuda/bin)
  if(NNCORE_NVCC AND cuda_wish STREQUAL "AUTO") # an installation must not fail for a compiler that is too old
    execute_process(COMMAND ${NNCORE_NVCC} --version OUTPUT_VARIABLE nvcc_text)
    string(REGEX MATCH "release ([0-9.]+)" nvcc_release "${nvcc_text}")
    if(NOT nvcc_release OR CMAKE_MATCH_1 VERSION_LESS 13.0)
      message(STATUS "nncore: ${NNCORE_NVCC} is left out: it is not of CUDA 13.0 or newer")
      set(NNCORE_NVCC "")
    endif()
  endif()
  if(NNCORE_NVCC)
    set(nncore_has_cuda ON)
  elseif(NOT cuda_wish STREQUAL "AUTO")
    message(FATAL_ERROR "NNCORE_CUDA is ${NNCORE_CUDA}, but there is no nvcc (looked at PATH, CUDA_HOME, CUDA_PATH)")
  endif()
endif()

if(NOT nncore_has_cuda)
  message(STATUS "nncore: CPU only (NNCORE_CUDA=${NNCORE_CUDA})")
  return()
endif()

set(CMAKE_CUDA_COMPILER ${NNCORE_NVCC})
set(cuda_codes "")
foreach(capability ${NNCORE_CUDA_ARCHITECTURES})
  string(REPLACE "." "" capability ${capability})
  list(APPEND cuda_codes ${capability}-real)
endforeach()
list(GET NNCORE_CUDA_ARCHITECTURES -1 cuda_ptx)
string(REGEX REPLACE "[.af]" "" cuda_ptx ${cuda_ptx})
set(CMAKE_CUDA_ARCHITECTURES ${cuda_codes} ${cuda_ptx}-virtual)
set(CMAKE_CUDA_RUNTIME_LIBRARY Static)
enable_language(CUDA)
string(REPLACE ";" ", " cuda_named "${NNCORE_CUDA_ARCHITECTURES}")
message(STATUS "nncore: CPU and CUDA ${CMAKE_CUDA_COMPILER_VERSION} for compute capability ${cuda_named} and PTX")

# Five architectures of every kernel have to fit into 15 MB: the smallest of what this nvcc knows.
set(cuda_compression -Xfatbin=-compress-all)
if(CMAKE_CUDA_COMPILER_VERSION VERSION_GREATER_EQUAL 13.0)
  set(cuda_compression --compress-mode=size)
endif()

file(GLOB cuda_sources CONFIGURE_DEPENDS cuda/*.cu cuda/*.cpp)
Python_add_library(_cuda MODULE WITH_SOABI ${cuda_sources})
target_include_directories(_cuda PRIVATE ${CMAKE_CURRENT_SOURCE_DIR} csrc)
target_include_directories(_cuda SYSTEM PRIVATE ${CMAKE_CUDA_TOOLKIT_INCLUDE_DIRECTORIES})
target_compile_definitions(_cuda PRIVATE NN_ISA=cuda "NNCORE_CUDA_ARCHITECTURES=\"${cuda_named}, PTX\"")
# Warnings are errors, and so are spilled registers and local memory.
target_compile_options(
  _cuda PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra>
                $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<BOOL:${NNCORE_WERROR}>>:-Werror>
                "$<$<COMPILE_LANGUAGE:CUDA>:SHELL:-std=c++20 -Werror all-warnings -Xcompiler=-Wall,-Wextra>"
                "$<$<COMPILE_LANGUAGE:CUDA>:SHELL:${cuda_compression}>"
                "$<$<COMPILE_LANGUAGE:CUDA>:SHELL:-Xptxas=-v,-warn-spills,-warn-lmem-usage,-Werror>")
# Elementwise operations have the same bits in whichever kernel they are computed, alone or in a chain: nothing is
# contracted but what csrc/math writes as fma.
file(GLOB cuda_elementwise cuda/elementwise*.cu cuda/chain*.cu)
set_source_files_properties(${cuda_elementwise} PROPERTIES COMPILE_OPTIONS "-fmad=false;-DNN_NO_CONTRACTION")
# ptxas tells as mere information that it made wgmma wait (C7508, C7510): cmake/check_ptxas.py makes that an error.
set_target_properties(
  _cuda PROPERTIES CUDA_STANDARD_REQUIRED OFF CUDA_VISIBILITY_PRESET hidden
                   CUDA_COMPILER_LAUNCHER "${Python_EXECUTABLE};${CMAKE_CURRENT_SOURCE_DIR}/cmake/check_ptxas.py")
target_link_options(_cuda PRIVATE -Wl,--gc-sections $<$<CONFIG:Release>:-s>)
add_custom_command(
  TARGET _cuda POST_BUILD
  COMMAND ${CMAKE_COMMAND} -DMODULE=$<TARGET_FILE:_cuda> -P ${CMAKE_CURRENT_SOURCE_DIR}/cmake/check_module_size.cmake
  VERBATIM)
install(TARGETS _cuda LIBRARY DESTINATION nncore)
