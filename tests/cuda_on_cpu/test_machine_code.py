"""What the CUDA compiler makes of the products and convolutions: no warning, no spilled register, and the instructions
that their speed rests on. Skipped where nvcc, or for the instructions the disassembler, is missing."""

import importlib.util
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = {
    "gemm": ["75", "90a"],
    "gemm_simt": ["75", "80", "90a"],
    "gemm_mma": ["75", "80", "90a"],
    "gemm_sm90": ["80", "90a"],
    "gemm_pack": ["90a"],
    "tensor_map": ["90a"],
    "conv_tile": ["75", "90a"],
    "conv_mma": ["75", "80", "90a"],
    "conv_direct": ["90a"],
    "conv_unfold": ["90a"],
    "strided": ["75", "90a"],
    "elementwise": ["90a"],
}
FLAGS = (
    "-std=c++20 -DNN_ISA=cuda -Werror all-warnings -Xcompiler -Wall,-Wextra -Xptxas -v,-warn-spills,-warn-lmem-usage"
)


def compile_for(name: str, architecture: str, target: Path) -> str:
    """Compiles one file and returns what the compiler said."""
    nvcc = shutil.which("nvcc")
    if nvcc is None or not (ROOT / "cuda/kernel.cuh").exists():
        pytest.skip("needs nvcc")
    code = f"arch=compute_{architecture},code=sm_{architecture}"
    files = ["-I", ROOT, "-I", ROOT / "csrc", "-c", ROOT / f"cuda/{name}.cu", "-o", target]
    result = subprocess.run([nvcc, *FLAGS.split(), "-gencode", code, *files], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout + result.stderr


@pytest.mark.parametrize(("name", "architecture"), [(n, a) for n, all_of in SOURCES.items() for a in all_of])
def test_no_warnings_and_no_spills(tmp_path, name, architecture):
    said = compile_for(name, architecture, tmp_path / "object.o")
    assert not re.search(r"C75\d\d|warning", said), said
    for spilled in re.findall(r"(\d+) bytes spill", said):
        assert spilled == "0", said


def disassemble(target: Path) -> str:
    spec = importlib.util.find_spec("nvidia")
    roots = [Path(p) for p in spec.submodule_search_locations] if spec else []
    folders = [str(p.parent) for root in roots for p in root.glob("*/bin/nvdisasm")]
    path = os.pathsep.join([*folders, os.environ.get("PATH", "")])
    tool = shutil.which("cuobjdump", path=path)
    if tool is None or shutil.which("nvdisasm", path=path) is None:
        pytest.skip("needs cuobjdump and nvdisasm")
    result = subprocess.run([tool, "-sass", target], capture_output=True, text=True, env=dict(os.environ, PATH=path))
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.parametrize(
    ("name", "instructions"),
    [
        ("gemm_simt", ["LDGSTS.E.BYPASS.128", "LDGSTS.E ", "LDS.128", "FFMA ", "DFMA ", "STG.E.128"]),
        (
            "gemm_mma",
            ["LDGSTS.E.BYPASS.128", "LDSM.16.M88.4", "LDSM.16.MT88.4", "HMMA.1688.F32.TF32", "HMMA.16816.F32.BF16"],
        ),
        ("gemm_sm90", ["HGMMA.64x256x8.F32.TF32", "HGMMA.64x256x16.F32.BF16", "UTMALDG.2D", "USETMAXREG"]),
        ("conv_tile", ["LDGSTS.E ", "LDS.128", "FFMA "]),
        ("conv_mma", ["LDGSTS.E ", "LDSM.16.M88.4", "HMMA.1688.F32.TF32"]),
    ],
)
def test_instructions(tmp_path, name, instructions):
    compile_for(name, "90a", tmp_path / "object.o")
    code = disassemble(tmp_path / "object.o")
    assert not re.search(r"\b(LDL|STL)\b", code), "local memory"
    for instruction in instructions:
        assert instruction in code, f"no {instruction}"
