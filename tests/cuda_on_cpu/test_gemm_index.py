"""The index arithmetic of the CUDA matrix products, all of it; and that the checks see what they claim to."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COMPILER = os.environ.get("CXX") or shutil.which("g++") or shutil.which("clang++")


def run(include: Path, folder: Path) -> subprocess.CompletedProcess:
    if COMPILER is None:
        pytest.skip("no C++ compiler")
    program = folder / "gemm_index_test"
    source = ROOT / "tests/cuda_on_cpu/gemm_index_test.cpp"
    flags = ["-std=c++20", "-O1", "-Wall", "-Wextra", "-Werror", f"-I{include}", f"-I{ROOT / 'csrc'}"]
    subprocess.run([COMPILER, *flags, source, "-o", program], check=True)
    return subprocess.run([program], capture_output=True, text=True)


def test_every_index_is_right(tmp_path):
    result = run(ROOT, tmp_path)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(
    ("file", "right", "seeded"),
    [
        ("gemm_index.h", "inside % height", "inside % kBand"),
        ("gemm_index.h", "extent + 16 / element_size", "extent + 32 / element_size"),
        ("gemm_index.h", "outer / (depth / 8) * 4", "outer / (depth / 8) * 8"),
        ("mma_index.h", "lane / 4 + r % 2 * 8", "lane / 4 + r / 2 * 8"),
        ("mma_index.h", "{lane / 16 * 8 + lane % 8, lane / 8 % 2 * 16}", "{lane % 16, lane / 16 * 16}"),
        ("mma_index.h", "row / 2 % 4", "row % 4"),
        ("mma_index.h", "extent * 4 + 32", "extent * 4 + 16"),
        ("mma_index.h", "1024 >> 4", "512 >> 4"),
        ("gemm_ring.h", "0x010210", "0x010110"),
        ("gemm_ring.h", "parity ^= 1", "parity ^= 0"),
    ],
)
def test_seeded_mistakes_are_found(tmp_path, file, right, seeded):
    shutil.copytree(ROOT / "cuda", tmp_path / "cuda")
    text = (tmp_path / "cuda" / file).read_text()
    assert right in text
    (tmp_path / "cuda" / file).write_text(text.replace(right, seeded, 1))
    assert run(tmp_path, tmp_path).returncode == 1
