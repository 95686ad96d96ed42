"""Timing on a GPU: between two events of the library's own, on tensors that change from run to run.

A GPU's second-level cache holds 50 MB and more. One run after another on the same tensors would read from it what a
program reads from memory; so each contestant has as many copies of its tensors as make twice the cache, and the runs
take turns on them. What is so small that MOST_COPIES do not fill it is marked: there the launches are what is measured.
"""

from __future__ import annotations

import math
import statistics

import nncore as nc
from bench.bench import Bench, Run

MOST_COPIES = 64


class Contestant:
    """A library on a benchmark: its copies, and how long they take."""

    def __init__(self, library, make):
        self.library = library
        cache = library.cuda.get_device_properties(0).L2_cache_size
        before = library.cuda.memory_allocated()
        self.runs: list[Run] = [make()]
        self.result = self.runs[0]()
        self.library.cuda.synchronize()
        touched = max(1, library.cuda.memory_allocated() - before)
        wanted = math.ceil(2 * cache / touched)
        self.in_cache = wanted > MOST_COPIES
        self.runs += [make() for _ in range(min(wanted, MOST_COPIES) - 1)]
        for run in self.runs:
            run()
        self.once = self.elapsed(len(self.runs)) / len(self.runs)

    def elapsed(self, count: int) -> float:
        """Seconds of so many runs in a row."""
        start, end = (self.library.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        for i in range(count):
            self.runs[i % len(self.runs)]()
        end.record()
        end.synchronize()
        return start.elapsed_time(end) / 1e3

    def block(self, seconds: float) -> float:
        """Seconds of one run, over as many as fit into a block."""
        count = max(1, int(seconds / max(self.once, 1e-7)))
        return self.elapsed(count) / count


def set_precision(precision: str, torch) -> None:
    """Of float32 products and convolutions, in both libraries."""
    nc.set_float32_matmul_precision(precision)
    if torch:
        torch.set_float32_matmul_precision(precision)
        torch.backends.cudnn.allow_tf32 = precision != "highest"


def measure(bench: Bench, repeat: int, seconds: float, torch) -> None:
    """Fills in the seconds of each contestant; they take turns."""
    libraries = {"nncore": nc, "torch": torch}
    set_precision(bench.precision, torch)
    try:
        contestants = {name: Contestant(libraries[name], make) for name, make in bench.make.items()}
        times: dict[str, list[float]] = {name: [] for name in contestants}
        for _ in range(repeat):
            for name, contestant in contestants.items():
                times[name].append(contestant.block(seconds))
    finally:
        set_precision("highest", torch)
    bench.seconds = {name: statistics.median(t) for name, t in times.items()}
    bench.in_cache = contestants["nncore"].in_cache


def copy_bandwidth() -> float:
    """Bytes per second that nncore reads and writes together in a copy of arrays far larger than the cache."""
    properties = nc.cuda.get_device_properties()
    count = min(4 * properties.L2_cache_size, properties.total_memory // 8) // 4
    x, y = (nc.zeros(count, device="cuda") for _ in range(2))
    contestant = Contestant(nc, lambda: lambda: y.copy_(x))
    return 2 * x.nbytes / min(contestant.block(0.01) for _ in range(5))


def describe(torch) -> dict:
    """Everything that the figures depend on."""
    properties = nc.cuda.get_device_properties()
    facts = {
        "GPU": properties.name,
        "compute capability": f"{properties.major}.{properties.minor}",
        "multiprocessors": properties.multi_processor_count,
        "L2, MB": round(properties.L2_cache_size / 1e6, 1),
        "torch": f"{torch.__version__}, CUDA {torch.version.cuda}" if torch else None,
        "copy bandwidth, GB/s": round(copy_bandwidth() / 1e9, 1),
    }
    try:
        facts["FMA peak, float32, GFLOP/s"] = round(nc._core.measure_fma_peak(nc.float32, nc.device("cuda")) / 1e9, 1)
    except RuntimeError as error:
        print(f"the multiply-add peak of the GPU is not measured: {error}")
    return facts
