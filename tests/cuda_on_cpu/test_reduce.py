"""Reductions and cumulative sums of CUDA beside plain loops, under the race detector."""

from cuda_on_cpu.kernel_program import run

SOURCES = ["cuda/reduce.cu", "cuda/scan.cu", "cuda/probe.cu", "tests/cuda_on_cpu/reduce_test.cpp"]


def test_reductions_are_right(builders):
    result = run(builders("race").program(SOURCES))
    assert result.returncode == 0, result.stdout + result.stderr
