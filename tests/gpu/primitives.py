"""python primitives.py FOLDER CAPABILITY: builds primitives.cu for the GPU and for the CPU, runs every experiment on
both, and says which differ. CAPABILITY: 8.0, 9.0 and so on. Ends with 1 where any differs, faults or hangs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from cuda_on_cpu.kernel_program import Builder, run  # noqa: E402

SOURCES = ["cuda/tensor_map.cu", "tests/gpu/primitives.cu"]
SECONDS = 15  # of one experiment, after which it hangs


def code_of(capability: str) -> str:
    """What nvcc calls a compute capability: 9.0 with its own instructions."""
    digits = capability.replace(".", "")
    return "90a" if digits == "90" else digits


def build_for_gpu(folder: Path, capability: str) -> Path:
    """The program as nvcc makes it."""
    code, target = code_of(capability), folder / "primitives_on_gpu"
    files = [*SOURCES, "tests/cuda_on_cpu/device_on_cpu.cpp"]
    flags = [
        "-std=c++20",
        "-DNN_ISA=cuda",
        "-Werror",
        "all-warnings",
        "-gencode",
        f"arch=compute_{code},code=sm_{code}",
    ]
    includes = ["-I", ROOT, "-I", ROOT / "csrc"]
    nvcc = os.environ.get("NNCORE_NVCC", "nvcc")
    subprocess.run([nvcc, *flags, *includes, *(ROOT / f for f in files), "-o", target], check=True)
    return target


def build_for_cpu(folder: Path) -> Path:
    """The same with the primitives' twins."""
    return Builder(folder, "plain").program(SOURCES)


def experiment(program: Path, name: str) -> tuple[list[str], str]:
    """(The words that it prints, what went wrong or "")."""
    try:
        result = run(program, name, seconds=SECONDS)
    except subprocess.TimeoutExpired:
        return [], f"hangs: no result within {SECONDS} s"
    said = (result.stderr or result.stdout).strip().splitlines()
    return result.stdout.split(), f"fails: {said[-1] if said else result.returncode}" if result.returncode else ""


def difference(name: str, gpu: Path, cpu: Path) -> str:
    """Where the two disagree, or ""."""
    got, trouble = experiment(gpu, name)
    expected, broken = experiment(cpu, name)
    if trouble or broken:
        return trouble or f"its CPU twin {broken}"
    if len(got) != len(expected) or not got:
        return f"{len(got)} words, expected {len(expected)}"
    wrong = [i for i, (g, e) in enumerate(zip(got, expected, strict=True)) if g != e]
    if not wrong:
        return ""
    first = wrong[0]
    return f"{len(wrong)} of {len(got)} words differ, the first is number {first}: {got[first]}, CPU {expected[first]}"


def compare(gpu: Path, cpu: Path) -> dict[str, str]:
    """Every experiment that the GPU has the instructions for, with its difference or ""."""
    listed = subprocess.run([gpu, "list"], capture_output=True, text=True, check=True, timeout=60)
    names = listed.stdout.split()
    with ThreadPoolExecutor(4) as pool:
        return dict(zip(names, pool.map(lambda name: difference(name, gpu, cpu), names), strict=True))


def report(differences: dict[str, str]) -> dict:
    """What the check's summary shows."""
    bad = {name: text for name, text in differences.items() if text}
    lines = [f"{len(differences) - len(bad)} of {len(differences)} primitives do what their CPU twins do"]
    return {"differences": differences, "lines": lines + [f"{name}: {text}" for name, text in bad.items()]}


def main() -> int:
    folder, capability = Path(sys.argv[1]), sys.argv[2]
    folder.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(2) as pool:
        gpu, cpu = pool.submit(build_for_gpu, folder, capability), pool.submit(build_for_cpu, folder)
        result = report(compare(gpu.result(), cpu.result()))
    print(*result["lines"], sep="\n")
    if "OUT" in os.environ:
        Path(os.environ["OUT"], "parts/primitives.json").write_text(json.dumps(result))
    return int(not result["differences"] or any(result["differences"].values()))


if __name__ == "__main__":
    sys.exit(main())
