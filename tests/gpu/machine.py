"""python machine.py FILE: what the check ran on, as JSON."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

ASKED = "name,driver_version,compute_cap,memory.total,clocks.max.sm,clocks.max.mem"
PACKAGES = ("numpy", "pytest", "pytest-xdist", "pybind11", "scikit-build-core", "hypothesis", "torch", "cupy-cuda13x")
NEEDED = ("numpy", "pytest", "pybind11")


def output(*command: str) -> str:
    """What a program prints, or why it does not run."""
    try:
        result = subprocess.run(command, capture_output=True, text=True)
    except OSError as error:
        return f"not found ({error})"
    return (result.stdout or result.stderr).strip()


def version(package: str) -> str | None:
    """Of an installed package."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def facts() -> dict:
    """All that the results may depend on."""
    gpu = output("nvidia-smi", f"--query-gpu={ASKED}", "--format=csv,noheader").splitlines()[0]
    return {
        "gpu": dict(zip(ASKED.split(","), (word.strip() for word in gpu.split(",")), strict=False)),
        "nvcc": output("nvcc", "--version").splitlines()[-1],
        "cmake": output("cmake", "--version").splitlines()[0],
        "compute-sanitizer": output("compute-sanitizer", "--version").splitlines()[-1],
        "compiler": output(os.environ.get("CXX", "g++"), "--version").splitlines()[0],
        "processors": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
    }


def main() -> None:
    found = facts()
    packages = [f"{name} {number or 'missing'}" for name, number in found["packages"].items()]
    found["lines"] = [
        ", ".join(found["gpu"].values()),
        f"{found['nvcc']}; {found['cmake']}; {found['compiler']}; {found['processors']} processors",
        f"Python {found['python']}: {', '.join(packages)}",
    ]
    Path(sys.argv[1]).write_text(json.dumps(found))
    print(*found["lines"], sep="\n")
    missing = [name for name in NEEDED if found["packages"][name] is None]
    if missing:
        sys.exit(f"Python lacks {', '.join(missing)}")


if __name__ == "__main__":
    main()
