"""The machine: what it is called, and how fast it multiplies and copies."""

from __future__ import annotations

import datetime
import os
import platform
import time

import numpy as np

import nncore as nc


def processor() -> str:
    """The processor's name, as Linux knows it."""
    try:
        with open("/proc/cpuinfo") as lines:
            return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def copy_bandwidth(mebibytes: int = 256) -> float:
    """Bytes per second that nncore reads and writes together when it copies memory far larger than the caches."""
    x, y = (nc.zeros(mebibytes << 18) for _ in range(2))
    best = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        y.copy_(x)
        best = min(best, time.perf_counter() - start)
    return 2 * x.nbytes / best


def describe(torch) -> dict:
    """Everything that the figures depend on."""
    return {
        "processor": processor(),
        "processors": len(os.sched_getaffinity(0)),
        "threads": nc.get_num_threads(),
        "instruction set": nc.current_isa(),
        "date": datetime.date.today().isoformat(),
        "nncore": nc.__version__,
        "compiler": nc._core.compiler,
        "numpy": np.__version__,
        "torch": torch.__version__ if torch else None,
        "python": platform.python_version(),
        "FMA peak, float32, GFLOP/s": round(nc._core.measure_fma_peak(nc.float32, nc.device("cpu")) / 1e9, 1),
        "copy bandwidth, GB/s": round(copy_bandwidth() / 1e9, 1),
    }
