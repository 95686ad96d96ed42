"""Normalisations of CUDA on the CPU: norm_test.cpp with the race detector and the address sanitizer."""

import pytest

from cuda_on_cpu.kernel_program import Mistake, expect_found, expect_right

SOURCES = [f"cuda/{name}.cu" for name in ("norm", "norm_rows", "norm_sums", "norm_local_response")]
SOURCES += ["tests/cuda_on_cpu/norm_test.cpp"]


@pytest.mark.parametrize("kind", ["race", "address"])
def test_rows_are_right(builders, kind):
    expect_right(builders(kind).program(SOURCES))


# kind of build, file, the source that is compiled with it, what is right there, the mistake instead
SEEDED = {
    "a barrier less": ("race", "block.cuh", "norm_rows.cu", "= x;\n  __syncthreads();", "= x;\n"),
    "a row that is not there is read": ("race", "norm_rows.cu", "norm_rows.cu", "d && row.live ?", "d ?"),
    "a piece too long": ("address", "norm_rows.cu", "norm_rows.cu", "least(of.piece, of.length - from)", "of.piece"),
    "the weight of the channel before": ("race", "norm_rows.cuh", "norm_rows.cu", "from[++channel]", "from[channel++]"),
    "a chunk too long": (
        "address",
        "norm_sums.cu",
        "norm_sums.cu",
        "least(first + s.chunk, s.units)",
        "first + s.chunk",
    ),
    "sums of channels without their scale": ("race", "norm_rows.cu", "norm_rows.cu", "part.b * inverse}", "part.b}"),
    "elements twice": ("race", "teams.cuh", "norm_rows.cu", "const int at = i < before ? i :", "const int at ="),
}


@pytest.mark.parametrize("mistake", SEEDED)
def test_seeded_mistakes_are_found(builders, mistake):
    expect_found(builders, SOURCES, Mistake(*SEEDED[mistake]))
