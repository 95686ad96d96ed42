"""A plan as a picture: where its time goes, and how its arrays share memory."""

from __future__ import annotations

from nncore.extras import require


def plan(plan, repeats: int = 10):
    """A plan of `nncore.capture`, launch by launch from left to right: above its time, below the memory of its arrays.

    An array is a rectangle from the launch that first needs it to the one that last does, as high as it is large;
    rectangles in one row follow each other in the same memory. Times are the median of `repeats` replays, after which
    parameters and states are put back. Returns a matplotlib figure.

    >>> step = nc.capture(lambda x: (x * x).sum())
    >>> for _ in range(3):
    ...     y = step(nc.ones(100, 100))
    >>> figure = nc.viz.plan(step.plans[0])
    >>> [axes.get_ylabel() for axes in figure.axes]
    ['time [us]', 'memory [KiB]']
    """
    rows = plan.profile(repeats).rows
    names = list(dict.fromkeys(row.launch.kernel for row in rows))
    figure = require("matplotlib.figure", "drawing").Figure(
        figsize=(max(7, 0.22 * len(rows) + 3), 6.5), layout="constrained"
    )
    above, below = figure.subplots(2, 1, sharex=True)
    for i, name in enumerate(names):
        places = [k for k, row in enumerate(rows) if row.launch.kernel == name]
        times = [rows[k].seconds * 1e6 for k in places]
        above.bar(places, times, 0.9, color=f"C{i % 10}", hatch=["", "//", "..", "xx"][i // 10 % 4], label=name)
    total = _rounded(sum(row.seconds for row in rows) * 1e6)
    above.set(ylabel="time [us]", yscale="log", title=f"{len(rows)} launches, {total} us")
    above.legend(ncols=2, fontsize=7, loc="upper left", bbox_to_anchor=(1, 1))
    lives = _lives(plan)
    base = {}
    for address in sorted({address for address, *_ in lives}):
        base[address] = sum(max(size for a, size, *_ in lives if a == low) for low in base) / 1024
    for i, (address, size, first, last) in enumerate(lives):
        below.broken_barh(
            [(first - 0.5, last - first + 1)], (base[address], size / 1024), color=f"C{i % 10}", ec="k", lw=0.3
        )
    below.set(xlabel="launch", ylabel="memory [KiB]", xlim=(-0.6, len(rows) - 0.4))
    below.set_title(f"{len(lives)} arrays in {_rounded(plan.native.memory_bytes / 1024)} KiB", fontsize=10)
    return figure


def _rounded(x: float) -> str:
    """To three digits, and never with an exponent where it is large."""
    return f"{x:,.0f}" if x >= 100 else f"{x:.3g}"


def _lives(plan) -> list[tuple[int, int, int, int]]:
    """(address, bytes, first launch, last launch) of the arrays that the plan itself made and still uses."""
    uses: dict[int, list[int]] = {}
    for i, (_, _, operands) in enumerate(plan.native.steps()):
        for block, *_ in operands:
            uses.setdefault(block, []).append(i)
    blocks = plan.native.blocks()
    lives = []
    for block, places in uses.items():
        address, size, external, died = blocks[block]
        if not external:
            end = len(plan.native.steps()) - 1 if died is None else places[-1]
            lives.append((address, size, places[0], end))
    return lives
