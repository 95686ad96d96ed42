"""Pooling of CUDA beside plain loops: pool_test.cpp under the race detector and the address sanitizer."""

import pytest

from cuda_on_cpu.kernel_program import Mistake, expect_found, expect_right

SOURCES = ["cuda/pool_max.cu", "cuda/pool_avg.cu", "tests/cuda_on_cpu/pool_test.cpp"]


@pytest.mark.parametrize("kind", ["race", "address"])
def test_pooling_is_right(builders, kind):
    expect_right(builders(kind).program(SOURCES))


# kind of build, file, the source that is compiled with it, what is right there, the mistake instead
SEEDED = {
    "a sum of a block without a barrier": (
        *("race", "block.cuh", "pool_avg.cu"),
        *("= x;\n  __syncthreads();", "= x;\n"),
    ),
    "windows beyond the last plane": (
        *("address", "pool_paving.cuh", "pool_max.cu"),
        *(" && i + k < p.inputs;", ";"),
    ),
    "loads of 16 bytes wherever a row begins": (
        *("address", "pool_paving.cuh", "pool_max.cu"),
        *("g.in[2] % 4 == 0 && ", ""),
    ),
    "a whole store at the end": (
        *("address", "pool_paving.cuh", "pool_max.cu"),
        *("if (i + kCount <= p.inputs) {", "if (i < p.inputs) {"),
    ),
    "the last of equals": ("race", "pool_max.cu", "pool_max.cu", "v > best.at[k]", "v >= best.at[k]"),
}


@pytest.mark.parametrize("mistake", SEEDED)
def test_seeded_mistakes_are_found(builders, mistake):
    expect_found(builders, SOURCES, Mistake(*SEEDED[mistake]))
