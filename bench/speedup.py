"""GPU over CPU: how many times faster nncore runs on the GPU, for each case that was measured on both."""

from __future__ import annotations

from pathlib import Path

from bench.bench import Bench
from bench.report import duration, geometric_mean, line


def table(benches: list[Bench]) -> list[dict]:
    """One row for each case, in the order of measuring."""
    seconds = {(b.device, b.group, b.name): b.seconds.get("nncore") for b in benches}
    rows = []
    for (device, group, name), cpu in seconds.items():
        gpu = seconds.get(("cuda", group, name))
        if device == "cpu" and cpu and gpu:
            rows.append({"group": group, "name": name, "cpu": cpu, "cuda": gpu, "speed-up": cpu / gpu})
    return rows


def by_group(rows: list[dict]) -> dict[str, list[float]]:
    """The speed-ups of each group."""
    groups: dict[str, list[float]] = {}
    for row in rows:
        groups.setdefault(row["group"], []).append(row["speed-up"])
    return groups


def lines(rows: list[dict]) -> list[str]:
    """The table as text: every case, then the groups."""
    text = [line(("nncore", "CPU", "GPU", "CPU/GPU"))]
    text += [line((r["name"], duration(r["cpu"]), duration(r["cuda"]), f"{r['speed-up']:.2f}")) for r in rows]
    text += ["", line(("CPU/GPU", "cases", "geometric mean", "least", "most"))]
    for group, found in by_group(rows).items():
        cells = (geometric_mean(found), min(found), max(found))
        text.append(line((group, str(len(found)), *(f"{c:.2f}" for c in cells))))
    return text


def markdown(rows: list[dict], titles: dict[str, str]) -> list[str]:
    """The groups, as the README shows them."""
    text = [
        "| nncore's time on the CPU over that on the GPU | cases | geometric mean | least | most |",
        "| --- | --- | --- | --- | --- |",
    ]
    for group, found in by_group(rows).items():
        mean = f"**{geometric_mean(found):.1f}**"
        text.append(f"| {titles[group]} | {len(found)} | {mean} | {min(found):.1f} | {max(found):.1f} |")
    return text


def plot(rows: list[dict], title: str, file: Path) -> None:
    """A bar for each case, on a logarithmic axis, coloured by group."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    groups = list(by_group(rows))
    figure, axes = plt.subplots(figsize=(9, 1.5 + 0.19 * len(rows)), layout="constrained")
    colours = [f"C{groups.index(r['group']) % 10}" for r in rows]
    places = range(len(rows), 0, -1)
    axes.barh(places, [r["speed-up"] - 1 for r in rows], left=1, color=colours)
    axes.set_yticks(places, [f"{r['group']}: {r['name']}" for r in rows], fontsize=7)
    axes.set_ylim(0.3, len(rows) + 0.7)
    axes.set_xscale("log")
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xlabel("times faster on the GPU")
    axes.set_title(title, fontsize=10)
    figure.savefig(file, dpi=150)
    plt.close(figure)
