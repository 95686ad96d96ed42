"""Softmax and cross-entropy of CUDA on the CPU: softmax_xent_test.cpp with the race detector."""

import pytest

from cuda_on_cpu.kernel_program import run

SOURCES = ["cuda/softmax_xent.cu", "cuda/softmax_xent_loss.cu", "tests/cuda_on_cpu/softmax_xent_test.cpp"]

# file, the source that is compiled with it, what is right there, the mistake instead
SEEDED = {
    "a barrier less": ("teams.cuh", "softmax_xent.cu", "= x;\n    __syncthreads();", "= x;\n"),
    "a sum that is not scaled": ("softmax_xent_row.cuh", "softmax_xent.cu", "if (m != all) s *=", "if (false) s *="),
}


def test_rows_are_right(builders):
    result = run(builders("race").program(SOURCES))
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("mistake", SEEDED)
def test_seeded_mistakes_are_found(builders, mistake):
    file, compiled, right, seeded = SEEDED[mistake]
    program = builders("race").seeded(SOURCES, f"cuda/{file}", right, seeded, f"cuda/{compiled}")
    assert run(program).returncode != 0
