"""Timing that is fair to libraries which bring a thread pool each.

The contestants take turns in blocks. A block first sleeps, so that the pool of the one before stops spinning and leaves
the cores, then runs once without the clock, so that its own pool is awake and its memory is warm, then runs until the
block's time is over. The median over the blocks is the result: a disturbance of the machine hits a few blocks, not all.

Every thread is bound to a processor of its own among its library's, the main thread to the first: left to itself the
system at times puts two threads of one pool on one processor, where they wait for each other for whole time slices.
"""

from __future__ import annotations

import os
import statistics
import time

from bench.bench import Bench

SLEEP = 0.05  # longer than the pools of libgomp and OpenBLAS spin when they have nothing to do


class Binding:
    """Which processor each thread of this process runs on."""

    def __init__(self):
        self.processors = sorted(os.sched_getaffinity(0))
        self.seen = {os.getpid()}
        self.workers: dict[str, int] = {}
        self.bind("NumPy")  # OpenBLAS starts its threads when NumPy is imported

    def bind_main(self) -> None:
        """Binds the thread that calls the libraries. A pool that starts afterwards begins on its processor alone, so
        what is measured outside the blocks is measured before this."""
        os.sched_setaffinity(os.getpid(), {self.processors[0]})

    def bind(self, library: str) -> None:
        """Binds the threads that the library started since the last call."""
        for thread in sorted(int(name) for name in os.listdir("/proc/self/task")):
            if thread in self.seen:
                continue
            self.seen.add(thread)
            count = self.workers[library] = self.workers.get(library, 0) + 1
            try:
                os.sched_setaffinity(thread, {self.processors[count % len(self.processors)]})
            except ProcessLookupError:
                continue


def block(run, seconds: float, settle) -> float:
    """Seconds for one run, over as many runs as fit into the block."""
    time.sleep(SLEEP)
    run()
    settle()
    start = time.perf_counter()
    run()
    once = time.perf_counter() - start
    count = max(1, int(seconds / max(once, 1e-7)))
    start = time.perf_counter()
    for _ in range(count):
        run()
    return (time.perf_counter() - start) / count


def measure(bench: Bench, repeat: int, seconds: float, binding: Binding) -> None:
    """Fills in the seconds of each contestant."""
    runs = {name: make() for name, make in bench.make.items()}
    times: dict[str, list[float]] = {name: [] for name in runs}
    order = list(runs)
    for _ in range(repeat):
        for name in order:
            times[name].append(block(runs[name], seconds, lambda n=name: binding.bind(n)))
        order.append(order.pop(0))
    bench.seconds = {name: statistics.median(t) for name, t in times.items()}
