"""What a plan consists of and where its time goes, as text and as a trace."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nncore import _core

if TYPE_CHECKING:
    from nncore.plans.plan import Plan


class Launch(NamedTuple):
    """One step of a plan."""

    kernel: str
    operands: tuple[str, ...]  # such as "float32[32, 64]"
    bytes: int  # of the operands
    where: str


class Timing(NamedTuple):
    """A launch with its time: seconds since the replay began, and seconds that it took."""

    launch: Launch
    start: float
    seconds: float


def launches(plan: Plan) -> list[Launch]:
    """The steps of a plan in order."""
    found = []
    for kernel, where, operands in plan.native.steps():
        shown, total = [], 0
        for _, dtype, shape in operands:
            shown.append(f"{str(dtype).removeprefix('nncore.')}{list(shape)}")
            total += int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        found.append(Launch(kernel, tuple(shown), total, where))
    return found


def summary(plan: Plan) -> str:
    """A table of the launches, then the memory."""
    native = plan.native
    rows = launches(plan)
    width = max([len(row.kernel) for row in rows], default=6)
    lines = [f"{'':>4} {'kernel':<{width}} {'bytes':>11}  operands"]
    last = None
    for i, row in enumerate(rows):
        if row.where != last:
            lines.append(f"     -- {short(row.where)}")
            last = row.where
        lines.append(f"{i:>4} {row.kernel:<{width}} {row.bytes:>11,}  {' '.join(row.operands)}")
    lines.append(f"{len(rows)} steps of {native.recorded_launches} recorded launches")
    lines.append(
        f"memory: {native.memory_bytes:,} bytes of the plan (eager execution peaks at {native.peak_bytes:,}), "
        f"{native.fixed_bytes:,} bytes of parameters, states and inputs"
    )
    return "\n".join(lines)


def short(where: str) -> str:
    """A line of a program without the folders of its file."""
    name, colon, rest = where.partition(":")
    return os.path.basename(name) + colon + rest


class Profile:
    """The times of the launches of a plan, the median of several replays. Prints as a table, the slowest kernel first.

    rows: a Timing for each launch in order, of the replay that took the median time.
    """

    def __init__(self, rows: list[Timing], repeats: int):
        self.rows = rows
        self.repeats = repeats

    @property
    def seconds(self) -> float:
        """Of the whole replay."""
        last = self.rows[-1] if self.rows else None
        return last.start + last.seconds if last else 0.0

    def by_kernel(self) -> list[tuple[str, int, float]]:
        """(kernel, launches, seconds), the slowest first."""
        found: dict[str, list] = {}
        for row in self.rows:
            entry = found.setdefault(row.launch.kernel, [0, 0.0])
            entry[0] += 1
            entry[1] += row.seconds
        return sorted(((k, n, s) for k, (n, s) in found.items()), key=lambda row: -row[2])

    def __str__(self) -> str:
        total = sum(row.seconds for row in self.rows) or 1.0
        lines = [f"{'kernel':<28}{'launches':>10}{'total us':>12}{'each us':>12}{'share':>8}"]
        for kernel, count, seconds in self.by_kernel():
            each = seconds / count * 1e6
            lines.append(f"{kernel:<28}{count:>10}{seconds * 1e6:>12.2f}{each:>12.2f}{seconds / total:>8.1%}")
        lines.append(f"{'a replay':<28}{len(self.rows):>10}{self.seconds * 1e6:>12.2f}")
        return "\n".join(lines)

    def save_trace(self, path: str | os.PathLike) -> None:
        """Writes the replay in the Trace Event Format, which chrome://tracing and ui.perfetto.dev open."""
        events = [
            {
                "name": row.launch.kernel,
                "cat": "kernel",
                "ph": "X",
                "ts": row.start * 1e6,
                "dur": row.seconds * 1e6,
                "pid": os.getpid(),
                "tid": 0,
                "args": {"operands": list(row.launch.operands), "bytes": row.launch.bytes, "where": row.launch.where},
            }
            for row in self.rows
        ]
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"traceEvents": events, "displayTimeUnit": "ns"}, file)


def profile(plan: Plan, repeats: int) -> Profile:
    """Replays with the inputs as they are, and puts back afterwards everything that a replay changes."""
    if repeats < 1:
        raise ValueError(f"profile: expected at least 1 repeat, got {repeats}")
    changed = plan.native.written_from_outside()
    kept = [_core.clone(array) for array in changed]
    try:
        runs = [plan.native.replay_timed() for _ in range(repeats)]
    finally:
        for array, before in zip(changed, kept, strict=True):
            _core.copy(array, before)
    runs.sort(key=lambda times: sum(seconds for _, seconds in times))
    median = runs[len(runs) // 2]
    return Profile([Timing(row, *time) for row, time in zip(launches(plan), median, strict=True)], repeats)
