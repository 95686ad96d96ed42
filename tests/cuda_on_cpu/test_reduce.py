"""Reductions and cumulative sums of CUDA beside plain loops, under the race detector and the address sanitizer."""

import pytest

from cuda_on_cpu.kernel_program import Mistake, expect_found, expect_right

SOURCES = ["cuda/reduce.cu", "cuda/scan.cu", "cuda/probe.cu", "tests/cuda_on_cpu/reduce_test.cpp"]


@pytest.mark.parametrize("kind", ["race", "address"])
def test_reductions_are_right(builders, kind):
    expect_right(builders(kind).program(SOURCES))


# kind of build, file, the source that is compiled with it, what is right there, the mistake instead
SEEDED = {
    "a tile before the one before": ("race", "scan.cu", "scan.cu", "__syncthreads();  // everyone", "// everyone"),
    "columns are joined too early": (
        "race",
        "reduce_walk.cuh",
        "reduce.cu",
        "    __syncthreads();\n#pragma",
        "#pragma",
    ),
    "an element too many": ("address", "scan.cu", "scan.cu", "first + p < end ? x", "first + p <= end ? x"),
    "a chunk too short": (
        "race",
        "reduce_walk.cuh",
        "reduce.cu",
        "chunk * plan.size + own",
        "chunk * plan.size + own + 1",
    ),
}


@pytest.mark.parametrize("mistake", SEEDED)
def test_seeded_mistakes_are_found(builders, mistake):
    expect_found(builders, SOURCES, Mistake(*SEEDED[mistake]))
