"""Optimizer steps and recurrent layers of CUDA on the CPU: steps_test.cpp plain, and under both sanitizers."""

import pytest

from cuda_on_cpu.kernel_program import Mistake, expect_found, expect_right

SOURCES = ["cuda/optim.cu", "cuda/rnn.cu", "tests/cuda_on_cpu/steps_test.cpp"]


@pytest.mark.parametrize("kind", ["plain", "race", "address"])
def test_steps_are_right(builders, kind):
    expect_right(builders(kind).program(SOURCES), *(["few"] if kind != "plain" else []))


# kind of build, file, the source that is compiled with it, what is right there, the mistake instead
BARRIER = "__syncthreads();\n    for (int i = thread; i < units"
SEEDED = {
    "units before their sums": ("race", "rnn_rows.cuh", "rnn.cu", BARRIER, BARRIER.split("\n", 1)[1]),
    "a row too many": ("address", "rnn_rows.cuh", "rnn.cu", "x.N - first < kRows ? x.N - first : kRows", "kRows"),
    "a part of a sum left out": ("plain", "rnn_rows.cuh", "rnn.cu", "part < parts; ++part", "part < 1; ++part"),
    "the last tensor of a look": ("plain", "optim.cu", "optim.cu", "first_block <= b", "first_block < b"),
    "elements behind the end": ("address", "optim.cu", "optim.cu", "i < end; i += kThreads", "i <= end; i += kThreads"),
}


@pytest.mark.parametrize("mistake", SEEDED)
def test_seeded_mistakes_are_found(builders, mistake):
    expect_found(builders, SOURCES, Mistake(*SEEDED[mistake]), "few")
