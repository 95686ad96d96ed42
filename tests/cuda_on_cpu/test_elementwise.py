"""What moves over memory on CUDA, element by element: elementwise_test.cpp, chain_program_test.cpp and strided_test.cpp
under the address sanitizer, and the last under the race detector."""

import pytest

from cuda_on_cpu.kernel_program import Mistake, expect_found, expect_right

WALK = ["tests/cuda_on_cpu/elementwise_test.cpp"]
MOVES = ["cuda/strided.cu", "cuda/strided_move.cu", "tests/cuda_on_cpu/strided_test.cpp"]


def test_walks_are_right(builders):
    expect_right(builders("address").program(WALK))


@pytest.mark.parametrize("kind", ["race", "address"])
def test_moves_are_right(builders, kind):
    expect_right(builders(kind).program(MOVES))


# what is right in elementwise_walk.cuh, the mistake instead
SEEDED_WALKS = {
    "a pack too many": ("whole = count / kCount,", "whole = ceil_div(count, int64_t{kCount}),"),
    "no tail": ("if (i < count) y[i]", "if (i < whole) y[i]"),
}


@pytest.mark.parametrize("mistake", SEEDED_WALKS)
def test_seeded_walks_are_found(builders, mistake):
    expect_found(builders, WALK, Mistake("address", "elementwise_walk.cuh", WALK[0], *SEEDED_WALKS[mistake]))


# kind of build, file, what is right there, the mistake instead
SEEDED_MOVES = {
    "a tile is read before it is whole": (
        *("race", "strided_move.cu"),
        *("+ lane];\n    __syncthreads();", "+ lane];"),
    ),
    "a tile is written before it is read": (
        *("race", "strided_move.cu"),
        *("__syncthreads();  // the readers", "// the readers"),
    ),
    "a tile beyond the last row": ("address", "strided_move.cu", "w + r < turn.wide && h", "h"),
    "units larger than the start allows": (
        *("race", "strided_move.cu"),
        *("loop.stride[n][d] % 2 == 0;", "loop.stride[n][d] % 2 >= 0;"),
    ),
}


@pytest.mark.parametrize("mistake", SEEDED_MOVES)
def test_seeded_moves_are_found(builders, mistake):
    kind, file, right, seeded = SEEDED_MOVES[mistake]
    expect_found(builders, MOVES, Mistake(kind, file, "strided_move.cu", right, seeded))


CHAINS = ["csrc/core/plan_program.cpp", "tests/cuda_on_cpu/chain_program_test.cpp"]


def test_chains_are_right(builders):
    expect_right(builders("address").program(CHAINS))


# file, what is right there, the mistake instead
SEEDED_CHAINS = {
    "elements beyond the end": ("chain.cuh", "if (turn < place.left) {", "if (turn < kLanes) {"),
    "packs that are not aligned": ("chain.cuh", "% (element * kLanes < 16 ? element * kLanes : 16) == 0", "% 1 == 0"),
}


@pytest.mark.parametrize("mistake", SEEDED_CHAINS)
def test_seeded_chains_are_found(builders, mistake):
    file, right, seeded = SEEDED_CHAINS[mistake]
    expect_found(builders, CHAINS, Mistake("address", file, CHAINS[-1], right, seeded))
