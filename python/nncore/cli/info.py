"""`python -m nncore info`: versions, instruction sets, threads, devices, build options, memory."""

import importlib
import importlib.metadata
import os
import platform
from pathlib import Path

import numpy as np

import nncore
from nncore import _core


def add_parser(commands) -> None:
    parser = commands.add_parser("info", help="print versions, instruction sets, threads, devices and build options")
    parser.set_defaults(run=lambda _: print(report()) or 0)


def report() -> str:
    """What there is, as lines of `name: value`."""
    rows = {
        "nncore": f"{nncore.__version__} ({Path(nncore.__file__).parent})",
        "Python": f"{platform.python_version()} ({platform.python_implementation()})",
        "NumPy": np.__version__,
        "extra demo": _extras("matplotlib", "safetensors", "tqdm"),
        "system": f"{platform.system()} {platform.release()}, {_processor()}",
        "instruction sets": _isas(),
        "threads": _core.describe_threads(),
        "devices": _devices(),
        "build": _build(),
        "compiler": _core.compiler,
        "build options": _core.build_flags.strip() or "none",
        "memory": _memory(),
    }
    return "\n".join(f"{name + ':':<18}{value}" for name, value in rows.items())


def _extras(*packages: str) -> str:
    def version(package: str) -> str:
        try:
            return f"{package} {importlib.metadata.version(package)}"
        except importlib.metadata.PackageNotFoundError:
            return f"{package} not installed"

    return ", ".join(map(version, packages))


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as lines:
            return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _isas() -> str:
    why = "NNCORE_ISA" if os.environ.get("NNCORE_ISA") else "the best that this machine has"
    return f"{', '.join(nncore.available_isas())}; in use: {nncore.current_isa()} ({why})"


def _devices() -> str:
    gpus = [nncore.cuda.get_device_name(i) for i in range(nncore.cuda.device_count())]
    return f"cpu, cuda ({', '.join(gpus)})" if gpus else f"cpu; no cuda: {nncore.cuda.unavailable_reason()}"


def _build() -> str:
    try:
        architectures = importlib.import_module("nncore._cuda").architectures
    except ImportError:
        return "CPU"
    return f"CPU and CUDA for compute capability {architectures}"


def _memory() -> str:
    stats = nncore.memory_stats()
    sizes = ", ".join(f"{key.removesuffix('_bytes')} {stats[key] / 2**20:.1f} MiB" for key in stats if "_bytes" in key)
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return sizes
    return f"{sizes} of {total / 2**30:.1f} GiB"
