"""Connectionist temporal classification of CUDA beside the sum over all paths: ctc_test.cpp under the race detector and
the address sanitizer."""

import pytest

from cuda_on_cpu.kernel_program import Mistake, expect_found, expect_right

SOURCES = ["cuda/ctc.cu", "tests/cuda_on_cpu/ctc_test.cpp"]


@pytest.mark.parametrize("kind", ["race", "address"])
def test_samples_are_right(builders, kind):
    expect_right(builders(kind).program(SOURCES))


# kind of build, what is right in ctc.cu, the mistake instead
SEEDED = {
    "a frame before the one before": ("race", "z.emission(t, s);\n    __syncthreads();", "z.emission(t, s);"),
    "a frame too early backward": (
        "race",
        "gx[z.at(t) + own] -= sum;\n    }\n    __syncthreads();",
        "gx[z.at(t) + own] -= sum;\n    }",
    ),
    "equal labels merge": ("race", " && label(s) != label(s - 2) ?", " ?"),
    "a state too many": (
        "address",
        "row_of(const CtcArgs& a) { return 2 * a.S + 1 + 2 * kPad;",
        "row_of(const CtcArgs& a) { return 2 * a.S + 1;",
    ),
}


@pytest.mark.parametrize("mistake", SEEDED)
def test_seeded_mistakes_are_found(builders, mistake):
    kind, right, seeded = SEEDED[mistake]
    expect_found(builders, SOURCES, Mistake(kind, "ctc.cu", "ctc.cu", right, seeded))
