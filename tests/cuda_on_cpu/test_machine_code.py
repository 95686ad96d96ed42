"""What the CUDA compiler makes of the kernels: no warning, no spilled register, and the instructions that the speed of
products, convolutions and of kernels bound by memory rests on. Skipped where nvcc, or for the instructions the
disassembler, is missing."""

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
    "gemm_vector": ["75", "90a"],
    "gemm_mma": ["75", "80", "90a"],
    "gemm_sm90": ["80", "90a"],
    "gemm_pack": ["90a"],
    "tensor_map": ["90a"],
    "conv_tile": ["75", "90a"],
    "conv_mma": ["75", "80", "90a"],
    "conv_direct": ["90a"],
    "conv_unfold": ["90a"],
    "strided": ["90a"],
    "strided_move": ["75", "90a"],
    "pool_max": ["90a"],
    "pool_avg": ["90a"],
    "elementwise": ["90a"],
    "elementwise_backward": ["90a"],
    "elementwise_binary": ["90a"],
    "chain": ["75", "90a"],
    "chain_double": ["90a"],
    "chain_integer": ["90a"],
    "softmax_xent": ["90a"],
    "softmax_xent_loss": ["90a"],
    "optim": ["90a"],
    "norm": ["90a"],
    "norm_rows": ["75", "90a"],
    "norm_sums": ["75", "90a"],
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


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """compiled(name, architecture): the object of a file, and what the compiler said; each is compiled once."""
    folder, made = tmp_path_factory.mktemp("machine_code"), {}

    def compiled(name: str, architecture: str = "90a") -> tuple[Path, str]:
        target = folder / f"{name}_{architecture}.o"
        if target not in made:
            made[target] = compile_for(name, architecture, target)
        return target, made[target]

    return compiled


@pytest.mark.parametrize(("name", "architecture"), [(n, a) for n, all_of in SOURCES.items() for a in all_of])
def test_no_warnings_and_no_spills(compiled, name, architecture):
    _, said = compiled(name, architecture)
    assert not re.search(r"C75\d\d|warning", said), said
    for spilled in re.findall(r"(\d+) bytes spill", said):
        assert spilled == "0", said


def disassemble(target: Path, functions: list[str] | None = None) -> str:
    """The instructions of an object, or of some of its functions."""
    spec = importlib.util.find_spec("nvidia")
    roots = [Path(p) for p in spec.submodule_search_locations] if spec else []
    folders = [str(p.parent) for root in roots for p in root.glob("*/bin/nvdisasm")]
    path = os.pathsep.join([*folders, os.environ.get("PATH", "")])
    tool = shutil.which("cuobjdump", path=path)
    if tool is None or shutil.which("nvdisasm", path=path) is None:
        pytest.skip("needs cuobjdump and nvdisasm")
    only = ["-fun", ",".join(functions)] if functions else []
    result = subprocess.run(
        [tool, "-sass", *only, target], capture_output=True, text=True, env=dict(os.environ, PATH=path)
    )
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
def test_instructions(compiled, name, instructions):
    code = disassemble(compiled(name)[0])
    assert not re.search(r"\b(LDL|STL)\b", code), "local memory"
    for instruction in instructions:
        assert instruction in code, f"no {instruction}"


# Kernels bound by memory: file, kernel with what it is made for, as in the mangled name, and how many there are; their
# loads and stores where one side is of another width, as with halves, which are taken by four.
WIDE = [
    ("elementwise", r"unary_kernelINS0_\d+(?:ReLU|GELU|Exp|Tanh|Sigmoid)E", 5),
    ("elementwise_backward", r"backward_kernelINS0_\d+(?:ReLU|GELU|Tanh|Sigmoid)E", 4),
    ("elementwise_binary", r"binary_kernelINS0_\d+(?:Add|Sub|Mul)E", 3),
    ("chain", r"chain_kernelIf", 1, "LDG.E.128", "STG.E.128", "LDG.E.64", "STG.E.64"),
    ("chain_double", r"chain_kernelId", 1),
    ("chain_integer", r"chain_kernelI[il]", 2),
    ("gemm_vector", r"vector_rows_kernel", 2, "LDG.E.128"),
    ("gemm_vector", r"vector_columns_kernel", 1, "LDG.E.128"),
    ("softmax_xent", r"softmax_kernelINS0_\d+(?:Lane|Block)TeamENS0_5PlainI[fd]E", 4),
    ("softmax_xent", r"softmax_kernelINS0_\d+(?:Lane|Block)TeamENS0_4HalfE", 2, "LDG.E.64", "STG.E.64"),
    ("softmax_xent", r"softmax_backward_kernelINS0_\d+(?:Lane|Block)TeamENS0_5PlainI[fd]E", 4),
    ("softmax_xent", r"softmax_backward_kernelINS0_\d+(?:Lane|Block)TeamENS0_4HalfE", 2, "LDG.E.64", "STG.E.64"),
    ("softmax_xent_loss", r"cross_entropy_kernelINS0_\d+(?:Lane|Block)TeamE[fd]", 4),
    ("softmax_xent_loss", r"cross_entropy_backward_kernelINS0_\d+BlockTeamE[fd]", 2),
    ("softmax_xent_loss", r"scale_kernelINS0_\d+(?:Lane|Block)TeamE[fd]", 4),
    ("optim", r"step_kernelINS0_\d+\w+StepE", 10),
    ("strided", r"cast_packed_kernelIfNS0_", 2, "LDG.E.64", "STG.E.128"),
    ("strided", r"cast_packed_kernelINS0_\d+b?float16Ef", 2, "LDG.E.128", "STG.E.64"),
    ("strided_move", r"copy_kernelINS0_4Pack", 1),
    ("strided_move", r"where_packed_kernel", 4),
    ("strided_move", r"fill_adjacent_kernel", 1, "STG.E.128"),
    ("strided_move", r"turn_kernelI[jt]", 2, "LDS", "STS"),
    ("norm_rows", r"norm_rows_kernelINS0_\d+(?:Lane|Block)TeamENS0_5PlainIfE", 2),
    ("norm_rows", r"norm_rows_kernelINS0_\d+(?:Lane|Block)TeamENS0_4HalfE", 2, "LDG.E.64", "STG.E.64"),
    ("norm_rows", r"norm_rows_backward_kernelINS0_\d+(?:Lane|Block)TeamENS0_5PlainIfE", 2),
    ("norm_rows", r"norm_rows_backward_kernelINS0_\d+(?:Lane|Block)TeamENS0_4HalfE", 2, "LDG.E.64", "STG.E.64"),
    ("pool_max", r"max_square_kernelILi2ENS0_5PlainIfE", 1, "LDG.E.128", "STG.E.64"),
    ("pool_max", r"max_square_kernelILi2ENS0_4HalfE", 1, "LDG.E.64"),
    ("pool_max", r"max_pave_kernelINS0_5PlainIfE", 1, "STG.E.128"),
    ("pool_max", r"max_pave_kernelINS0_4HalfE", 1, "STG.E.64"),
    ("pool_avg", r"avg_square_kernelILi2ENS0_5PlainIfE", 1, "LDG.E.128", "STG.E.64"),
    ("pool_avg", r"avg_square_kernelILi2ENS0_4HalfE", 1, "LDG.E.64"),
    ("pool_avg", r"avg_pave_kernelINS0_5PlainIfE", 1, "STG.E.128"),
    ("pool_avg", r"avg_pave_kernelINS0_4HalfE", 1, "STG.E.64"),
    ("norm_sums", r"norm_sums_kernelINS0_\d+(?:Lane|Block)TeamENS0_5PlainIfE", 4, "LDG.E.128"),
    ("norm_sums", r"norm_sums_kernelINS0_\d+(?:Lane|Block)TeamENS0_4HalfE", 4, "LDG.E.64"),
]


@pytest.mark.parametrize("row", WIDE, ids=lambda row: row[1])
def test_memory_is_read_and_written_16_bytes_at_a_time(compiled, row):
    name, kernel, count, *instructions = row
    target, said = compiled(name)
    functions = [f for f in re.findall(r"entry function '(\w+)'", said) if re.search(kernel, f)]
    assert len(functions) == count, functions
    parts = disassemble(target, functions).split("Function : ")[1:]
    assert len(parts) == count
    for part in parts:
        for instruction in instructions or ("LDG.E.128", "STG.E.128"):
            assert re.search(instruction.replace(".E.", r"\.E(?:\.EF)?\."), part), part[:200]
        assert not re.search(r"\b(LDL|STL)\b", part), part[:200]
