"""The CUDA convolutions on the CPU: conv_test.cpp plain, with the race detector and with the address sanitizer."""

import pytest

from cuda_on_cpu.kernel_program import PRODUCTS, Mistake, expect_found, expect_right

FILES = ["conv.cu", "conv_tile.cu", "conv_mma.cu", "conv_direct.cu", "conv_unfold.cu", "conv_problem.cpp"]
SOURCES = [*(f"cuda/{name}" for name in FILES), *PRODUCTS, "tests/cuda_on_cpu/conv_test.cpp"]


@pytest.mark.parametrize("kind", ["plain", "race", "address"])
def test_convolutions_are_right(builders, kind):
    expect_right(builders(kind).program(SOURCES), *(["few"] if kind != "plain" else []))


# kind of build, file, the source that is compiled with it, what is right there, the mistake instead
SEEDED = {
    "a barrier less": ("race", "conv_tile.cu", "conv_tile.cu", "__syncthreads();  // everyone", "// everyone"),
    "entries before they are there": ("race", "conv_tile.cu", "conv_tile.cu", "__syncthreads();\n\n", "\n\n"),
    "a column too many": ("address", "conv_tile.cu", "conv_tile.cu", "work.n + col >= p.N", "work.n + col > p.N"),
    "sums of a block unfinished": ("plain", "conv_direct.cu", "conv_direct.cu", "half > 0", "half > 1"),
    "the last phase is left out": ("plain", "conv.cu", "conv.cu", "phase[2] < stride[2]", "phase[2] < stride[2] - 1"),
    "bounds of the first axis only": ("plain", "conv_index.h", "conv_tile.cu", "i < 3; ++i) all", "i < 2; ++i) all"),
}


@pytest.mark.parametrize("mistake", SEEDED)
def test_seeded_mistakes_are_found(builders, mistake):
    expect_found(builders, SOURCES, Mistake(*SEEDED[mistake]), "few")
