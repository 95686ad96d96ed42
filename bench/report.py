"""The table and the JSON file."""

from __future__ import annotations

import math

from bench.bench import Bench, target


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
    if bench.trouble or not (bench.flops or bench.bytes):
        return "", ""
    limit = "FMA peak, float32, GFLOP/s" if bench.flops else "copy bandwidth, GB/s"
    rate = (bench.flops or bench.bytes) / bench.seconds["nncore"] / 1e9
    unit = "FLOP/s" if bench.flops else "B/s"
    reached = f"{rate:.1f} G{unit}" if bench.device == "cpu" else f"{rate / 1e3:.3g} T{unit}"
    comparable = limit in machine and bench.precision == "highest" and bench.group != "tensor_cores"
    return reached, f"{100 * rate / machine[limit]:.0f} %" if comparable else ""


HEADER = ("", "nncore", "NumPy", "PyTorch", "PyTorch/nncore", "nncore reaches", "of the peak")


def row(bench: Bench, machine: dict) -> tuple[str, ...]:
    """One line of the table."""
    if bench.trouble:
        return (bench.name, bench.trouble)
    times = [duration(bench.seconds.get(name)) for name in ("nncore", "numpy", "torch")]
    ratio = "-" if bench.ratio is None else f"{bench.ratio:.2f}"
    return (bench.name + (" (in L2)" if bench.in_cache else ""), *times, ratio, *speed(bench, machine))


def record(bench: Bench, machine: dict) -> dict:
    """Everything of a line, for the JSON file."""
    reached, share = speed(bench, machine)
    measured = {"seconds": bench.seconds, "ratio": bench.ratio, "reached": reached, "of the peak": share}
    more = {} if bench.device == "cpu" else {"in L2": bench.in_cache, "trouble": bench.trouble}
    return {"group": bench.group, "name": bench.name, "device": bench.device, **measured, **more}


def line(cells: tuple[str, ...]) -> str:
    """The first column to the left, the others to the right."""
    return f"{cells[0]:<36}" + "".join(f"{c:>15}" for c in cells[1:])


def summary(benches: list[Bench]) -> list[dict]:
    """For each group: how many cases, the geometric mean of the ratios, the least, and what it aims at."""
    rows = []
    for device, group in dict.fromkeys((b.device, b.group) for b in benches):
        here = [b for b in benches if (b.device, b.group) == (device, group)]
        ratios = {b.name: b.ratio for b in here if b.ratio is not None}
        if not ratios:
            continue
        worst = min(ratios, key=ratios.__getitem__)
        mean, least = geometric_mean(list(ratios.values())), ratios[worst]
        aim = target(group, device)
        wanted, floor = aim or (None, None)
        rows.append(
            {
                "group": group,
                "device": device,
                "cases": len(ratios),
                "geometric mean": round(mean, 3),
                "target": wanted,
                "least": round(least, 3),
                "least at": worst,
                "least allowed": floor,
                "reached": mean >= wanted and least >= floor if aim else None,
            }
        )
    return rows


def summary_lines(rows: list[dict]) -> list[str]:
    """The summary as text."""
    lines = [line(("group", "cases", "geometric mean", "target", "least", "", "")) + "  at"]
    for r in rows:
        aim = "-" if r["target"] is None else f"{r['target']:.2f}"
        became = {True: "reached", False: "missed", None: ""}[r["reached"]]
        cells = (
            f"{r['group']}, {r['device']}",
            str(r["cases"]),
            f"{r['geometric mean']:.2f}",
            aim,
            f"{r['least']:.2f}",
        )
        lines.append(line((*cells, became, "")) + f"  {r['least at']}")
    return lines
