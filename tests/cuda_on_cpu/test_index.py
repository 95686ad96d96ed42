"""CUDA indexing and sorting on the CPU: index_test.cpp plain, with the race detector and with the address sanitizer."""

import pytest

from cuda_on_cpu.kernel_program import Mistake, expect_found, expect_right

FILES = ["index", "index_add", "nonzero", "sort"]
SOURCES = [f"cuda/{name}.cu" for name in FILES] + ["tests/cuda_on_cpu/index_test.cpp"]


@pytest.mark.parametrize("kind", ["plain", "race", "address"])
def test_indexing_is_right(builders, kind):
    expect_right(builders(kind).program(SOURCES), *(["few"] if kind != "plain" else []))


# kind of build, file, the source that is compiled with it, what is right there, the mistake instead
SEEDED = {
    "a step of the network without a barrier": ("race", "sort.cu", "sort.cu", "        __syncthreads();\n", ""),
    "merging before the keys are there": (
        "race",
        "sort.cu",
        "sort.cu",
        "source(e)];\n    __syncthreads();",
        "source(e)];",
    ),
    "equal keys change places": ("plain", "sort.cu", "sort.cu", "a[middle] <= b", "a[middle] < b"),
    "counts of warps are overwritten": (
        "race",
        "nonzero.cu",
        "nonzero.cu",
        "__syncthreads();  // the last",
        "// the last",
    ),
    "an index beyond the end is followed": (
        "address",
        "index_lines.cuh",
        "index.cu",
        "at < l.extent",
        "at < l.extent + 9",
    ),
    "a chunk is joined twice": ("plain", "index_add.cu", "index_add.cu", "k = c + 1; k", "k = c; k"),
    "the first of several wins": ("plain", "index.cu", "index.cu", "atomicMax(", "atomicMin("),
}


@pytest.mark.parametrize("mistake", SEEDED)
def test_seeded_mistakes_are_found(builders, mistake):
    expect_found(builders, SOURCES, Mistake(*SEEDED[mistake]), "few")
