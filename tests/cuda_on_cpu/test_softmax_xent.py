"""Softmax and cross-entropy of CUDA on the CPU: softmax_xent_test.cpp with the race detector."""

import pytest

from cuda_on_cpu.kernel_program import Mistake, expect_found, expect_right

SOURCES = ["cuda/softmax_xent.cu", "cuda/softmax_xent_loss.cu", "tests/cuda_on_cpu/softmax_xent_test.cpp"]

# file, the source that is compiled with it, what is right there, the mistake instead
SEEDED = {
    "a barrier less": ("teams.cuh", "softmax_xent.cu", "= x;\n    __syncthreads();", "= x;\n"),
    "a gradient by the losses of a mean that is not there yet": (
        *("softmax_xent_loss.cu", "softmax_xent_loss.cu"),
        *("if (a.gx != nullptr && a.reduction == LossReduction::mean)", "if (false)"),
    ),
    "a sum that is not scaled": ("softmax_xent_row.cuh", "softmax_xent.cu", "if (m != all) s *=", "if (false) s *="),
}


def test_rows_are_right(builders):
    expect_right(builders("race").program(SOURCES))


@pytest.mark.parametrize("mistake", SEEDED)
def test_seeded_mistakes_are_found(builders, mistake):
    expect_found(builders, SOURCES, Mistake("race", *SEEDED[mistake]))
