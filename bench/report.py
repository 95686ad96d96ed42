"""The table and the JSON file."""

from __future__ import annotations

import math

from bench.bench import TARGETS, Bench


def duration(seconds: float | None) -> str:
    """Seconds in the unit that fits."""
    if seconds is None:
        return "-"
    for factor, unit in ((1, "s"), (1e3, "ms")):
        if seconds * factor >= 1:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds * 1e6:.3g} us"


def geometric_mean(values: list[float]) -> float:
    """The n-th root of the product."""
    return math.exp(sum(map(math.log, values)) / len(values))


def speed(bench: Bench, machine: dict) -> tuple[str, str]:
    """What nncore reached, and how much of what the machine can do."""
    seconds = bench.seconds["nncore"]
    if bench.flops:
        rate = bench.flops / seconds / 1e9
        return f"{rate:.1f} GFLOP/s", f"{100 * rate / machine['FMA peak, float32, GFLOP/s']:.0f} %"
    if bench.bytes:
        rate = bench.bytes / seconds / 1e9
        return f"{rate:.1f} GB/s", f"{100 * rate / machine['copy bandwidth, GB/s']:.0f} %"
    return "", ""


HEADER = ("", "nncore", "NumPy", "PyTorch", "PyTorch/nncore", "nncore reaches", "of the peak")


def row(bench: Bench, machine: dict) -> tuple[str, ...]:
    """One line of the table."""
    times = [duration(bench.seconds.get(name)) for name in ("nncore", "numpy", "torch")]
    ratio = "-" if bench.ratio is None else f"{bench.ratio:.2f}"
    return (bench.name, *times, ratio, *speed(bench, machine))


def record(bench: Bench, machine: dict) -> dict:
    """Everything of a line, for the JSON file."""
    reached, share = speed(bench, machine)
    measured = {"seconds": bench.seconds, "ratio": bench.ratio, "reached": reached, "of the peak": share}
    return {"group": bench.group, "name": bench.name, **measured}


def line(cells: tuple[str, ...]) -> str:
    """The first column to the left, the others to the right."""
    return f"{cells[0]:<36}" + "".join(f"{c:>15}" for c in cells[1:])


def summary(benches: list[Bench]) -> list[dict]:
    """For each group: how many cases, the geometric mean of the ratios, the least, and what it aims at."""
    rows = []
    for group in dict.fromkeys(b.group for b in benches):
        ratios = {b.name: b.ratio for b in benches if b.group == group and b.ratio is not None}
        if not ratios:
            continue
        worst = min(ratios, key=ratios.__getitem__)
        mean, least = geometric_mean(list(ratios.values())), ratios[worst]
        wanted, floor = TARGETS[group]
        rows.append(
            {
                "group": group,
                "cases": len(ratios),
                "geometric mean": round(mean, 3),
                "target": wanted,
                "least": round(least, 3),
                "least at": worst,
                "least allowed": floor,
                "reached": mean >= wanted and least >= floor,
            }
        )
    return rows


def summary_lines(rows: list[dict]) -> list[str]:
    """The summary as text."""
    lines = [line(("group", "cases", "geometric mean", "target", "least", "", "")) + "  at"]
    for r in rows:
        cells = (r["group"], str(r["cases"]), f"{r['geometric mean']:.2f}", f"{r['target']:.1f}", f"{r['least']:.2f}")
        lines.append(line((*cells, "reached" if r["reached"] else "missed", "")) + f"  {r['least at']}")
    return lines
