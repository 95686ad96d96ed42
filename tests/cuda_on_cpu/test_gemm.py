"""The CUDA matrix products on the CPU: gemm_test.cpp plain, with the race detector and with the address sanitizer; and
that these checks find the mistakes that such kernels are prone to."""

import pytest

from cuda_on_cpu.kernel_program import PRODUCTS, Mistake, expect_found, expect_right

SOURCES = [*PRODUCTS, "tests/cuda_on_cpu/gemm_test.cpp"]


@pytest.mark.parametrize("kind", ["plain", "race", "address"])
@pytest.mark.parametrize("kernel", ["simt", "vector", "mma", "sm90", "bf16x6", "table"])
def test_products_are_right(builders, kind, kernel):
    expect_right(builders(kind).program(SOURCES), kernel, *(["few"] if kind != "plain" else []))


# kernel, kind of build, file, what is right there, the mistake instead
SEEDED = {
    "simt without a barrier": ("simt", "race", "gemm_simt.cu", "__syncthreads();", ";"),
    "simt waits for a slab too few": ("simt", "plain", "gemm_simt.cu", "Tile::kStages - 2>", "Tile::kStages - 1>"),
    "simt stores a row too many": ("simt", "plain", "gemm_epilogue.cuh", "m >= p.M ||", "m > p.M ||"),
    "simt copies a row too many": ("simt", "address", "gemm_simt.cu", "i < inside ?", "i <= inside ?"),
    "vector without a barrier": ("vector", "race", "gemm_vector.cu", "__syncthreads();", ";"),
    "vector takes a row too many": ("vector", "plain", "gemm_vector.cu", "at.m + row >= p.M", "at.m + row > p.M"),
    "vector reads a row too many": ("vector", "address", "gemm_vector.cu", "if (i < left)", "if (i <= left)"),
    "mma without a barrier": ("mma", "race", "gemm_mma.cu", "__syncthreads();", ";"),
    "mma waits for a slab too few": ("mma", "plain", "gemm_mma.cu", "wait<kStages - 2>", "wait<kStages - 1>"),
    "mma takes B's fragments for A's": ("mma", "plain", "mma_tile.cuh", ": ldmatrix_b(lane)", ": ldmatrix_a(lane)"),
    "sm90 waits for the wrong phase": ("sm90", "plain", "gemm_sm90.cu", "place.parity ^ 1);", "place.parity);"),
    "sm90 announces too few bytes": ("sm90", "plain", "gemm_sm90.cu", "Ring<kN>::kBytes)", "Ring<kN>::kBytes / 2)"),
    "sm90 gives a place back too early": (
        "sm90",
        "plain",
        "gemm_sm90.cu",
        "empty[last]);\n      l",
        "empty[i]);\n      l",
    ),
    "sm90 does not wait for its product": ("sm90", "plain", "gemm_sm90.cu", "wgmma_wait<1>();", ""),
    "sm90 expects an arrival too many": ("sm90", "plain", "gemm_ring.h", "kRingWarps = 8", "kRingWarps = 9"),
}


@pytest.mark.parametrize("mistake", SEEDED)
def test_seeded_mistakes_are_found(builders, mistake):
    kernel, kind, file, right, seeded = SEEDED[mistake]
    expect_found(builders, SOURCES, Mistake(kind, file, f"gemm_{kernel}.cu", right, seeded), kernel, "few")
