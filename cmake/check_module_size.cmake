# Fails the build when a module is 15 MB or more: instances of kernels add up, times the architectures.
file(SIZE ${MODULE} size)
math(EXPR kilobytes "${size} / 1000")
message(STATUS "${MODULE}: ${kilobytes} kB")
if(kilobytes GREATER_EQUAL 15000)
  message(FATAL_ERROR "${MODULE} has ${kilobytes} kB; the limit is 15000 kB")
endif()
