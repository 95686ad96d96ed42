"""Builds test programs from CUDA sources and the emulation, with one sanitizer or none."""

from __future__ import annotations

import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
HERE = ROOT / "tests/cuda_on_cpu"
# The matrix products, which convolutions use too.
PRODUCTS = [f"cuda/{path.name}" for path in sorted((ROOT / "cuda").glob("gemm*.cu"))] + ["cuda/tensor_map.cu"]
COMPILER = os.environ.get("CXX") or shutil.which("g++")

# "race": the accesses of kernels go to the emulation's own race detector. "address": bounds of every array.
SANITIZERS = {
    "plain": [],
    "race": ["-fsanitize=thread"],
    "address": ["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"],
}


class Builder:
    """Compiles the emulation and each source once; and again what a test has changed."""

    def __init__(self, folder: Path, kind: str):
        if COMPILER is None or not (HERE / "emulation").is_dir():
            pytest.skip("needs a C++ compiler and the emulation")
        self.folder, self.kind, self.objects = folder, kind, {}
        hooks = kind == "race"
        self.emulation = [HERE / "device_on_cpu.cpp"]
        self.emulation += [p for p in sorted((HERE / "emulation").glob("*.cpp")) if hooks or p.stem != "race_hooks"]

    def _compile(self, source: Path, target: Path, root: Path) -> Path:
        flags = ["-std=c++20", "-O1", "-g1", "-Wall", "-Wextra", "-Wno-unknown-pragmas", "-DNN_ISA=cuda"]
        if source not in self.emulation or self.kind == "address":
            flags += SANITIZERS[self.kind]
        includes = [HERE / "include", HERE, HERE / "emulation", root, ROOT / "csrc"]
        command = [COMPILER, *flags, *(f"-I{i}" for i in includes), "-x", "c++", "-c", source, "-o", target]
        subprocess.run(command, check=True)
        return target

    def _link(self, objects: list[Path], name: str) -> Path:
        flags = SANITIZERS[self.kind] if self.kind == "address" else []
        subprocess.run([COMPILER, *flags, *objects, "-o", self.folder / name], check=True)
        return self.folder / name

    def program(self, sources: list[str]) -> Path:
        """An executable of these files, named from the root, and the emulation."""
        paths = [*(ROOT / source for source in sources), *self.emulation]
        missing = [path for path in paths if path not in self.objects]
        with ThreadPoolExecutor(2) as pool:
            targets = pool.map(lambda p: self._compile(p, self.folder / f"{p.stem}.o", ROOT), missing)
            self.objects |= dict(zip(missing, targets, strict=True))
        return self._link([self.objects[path] for path in paths], Path(sources[-1]).stem)

    def seeded(self, sources: list[str], file: str, right: str, seeded: str, compiled: str) -> Path:
        """The same with a text of one file replaced, in the one source that is compiled with it."""
        self.program(sources)
        root = self.folder / "seeded"
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(ROOT / "cuda", root / "cuda")
        text = (root / file).read_text()
        assert right in text, f"{file} has no {right!r}"
        (root / file).write_text(text.replace(right, seeded, 1))
        source = root / compiled if compiled.startswith("cuda/") else ROOT / compiled
        changed = self._compile(source, self.folder / "seeded.o", root)
        others = [path for path in [*(ROOT / source for source in sources), *self.emulation] if path != ROOT / compiled]
        return self._link([changed, *(self.objects[path] for path in others)], "seeded_program")


def run(program: Path, *arguments: str, seconds: int = 300) -> subprocess.CompletedProcess:
    """Runs it; fibers have stacks of their own, which the address sanitizer must not take for one."""
    environment = dict(os.environ, ASAN_OPTIONS="detect_stack_use_after_return=0:detect_leaks=0")
    return subprocess.run([program, *arguments], capture_output=True, text=True, env=environment, timeout=seconds)


class Mistake(NamedTuple):
    """A seeded mistake: the kind of build that finds it, the file of cuda/ and the source that is compiled with it
    (there too, or named from the root), what is right, and what stands there instead."""

    kind: str
    file: str
    compiled: str
    right: str
    seeded: str


def expect_right(program: Path, *arguments: str) -> None:
    """The program finds nothing."""
    result = run(program, *arguments)
    assert result.returncode == 0, result.stdout + result.stderr


def expect_found(builders: Callable[[str], Builder], sources: list[str], mistake: Mistake, *arguments: str) -> None:
    """The program finds the mistake."""
    kind, file, compiled, right, seeded = mistake
    source = compiled if "/" in compiled else f"cuda/{compiled}"
    program = builders(kind).seeded(sources, f"cuda/{file}", right, seeded, source)
    assert run(program, *arguments).returncode != 0
