"""Where the time goes: the launches of each kernel, counted and timed in the launch funnel."""

from __future__ import annotations

from typing import NamedTuple

from nncore import _core


class KernelTime(NamedTuple):
    """The launches of one kernel and their time in seconds."""

    kernel: str
    launches: int
    seconds: float


class profile:  # noqa: N801
    """Counts and times every kernel launch of the process inside of the block.

    >>> x = nc.ones(1000)
    >>> with nc.profile() as times:
    ...     y = nc.relu(x)
    >>> times.rows[0].kernel, times.rows[0].launches
    ('relu', 1)
    """

    def __init__(self):
        self.rows: list[KernelTime] = []

    def __enter__(self) -> profile:
        _core.take_profile()
        _core.set_profiling(True)
        return self

    def __exit__(self, *exception) -> None:
        _core.set_profiling(False)
        self.rows = [KernelTime(*row) for row in _core.take_profile()]

    def __str__(self) -> str:
        total = sum(row.seconds for row in self.rows)
        lines = [f"{'kernel':<28}{'launches':>10}{'total ms':>12}{'each us':>12}{'share':>8}"]
        for name, launches, seconds in self.rows:
            each = seconds / launches * 1e6
            lines.append(f"{name:<28}{launches:>10}{seconds * 1e3:>12.3f}{each:>12.2f}{seconds / total:>8.1%}")
        return "\n".join(lines)
