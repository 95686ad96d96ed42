"""The ways that optimizers take over a loss of two weights: as a picture and as an animation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

import nncore
from nncore.extras import require

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8A3B00")


@dataclass(frozen=True)
class Landscape:
    """A loss of two weights: `loss(x, y)` on tensors, shown for x and y between the limits.

    `minimum` is marked with a star where it is given.
    """

    name: str
    loss: Callable
    x: tuple[float, float]
    y: tuple[float, float]
    minimum: tuple[float, float] | None = None

    def draw(self, axes) -> None:
        """Lines of equal loss, closer together towards the lowest."""
        x, y = np.meshgrid(np.linspace(*self.x, 201), np.linspace(*self.y, 201))
        with nncore.no_grad():
            heights = self.loss(nncore.tensor(x), nncore.tensor(y)).numpy()
        low, high = heights.min(), heights.max()
        axes.contour(x, y, heights, levels=low + (high - low) * np.linspace(0.002, 1, 26) ** 3, colors="#BBBBBB")
        if self.minimum is not None:
            axes.plot(*self.minimum, "*", color="black", markersize=12, label="minimum")
        axes.set(xlim=self.x, ylim=self.y, xlabel="weight x", ylabel="weight y", title=self.name)


def paths(landscapes: Mapping[Landscape, Mapping[str, np.ndarray]]):
    """A panel for each landscape with the ways over it, each [steps, 2] and beginning at a dot.

    Returns a matplotlib figure.

    >>> bowl = nc.viz.Landscape("bowl", lambda x, y: x * x + y * y, (-1, 1), (-1, 1), (0, 0))
    >>> figure = nc.viz.paths({bowl: {"straight": np.array([[1.0, 1.0], [0.5, 0.5], [0.0, 0.0]])}})
    >>> figure.axes[0].get_title()
    'bowl'
    """
    figure, _ = _panels(landscapes, drawn=True)
    return figure


def animate_paths(landscapes: Mapping[Landscape, Mapping[str, np.ndarray]], frames: int = 60):
    """The same as a matplotlib animation in which all walk at once; `animation.save("walk.gif")` keeps it."""
    figure, walks = _panels(landscapes, drawn=False)
    steps = max(len(way) for _, way in walks)

    def show(frame: int):
        until = 1 + round((steps - 1) * frame / (frames - 1))
        for (line, head), way in walks:
            line.set_data(*way[:until].T)
            head.set_data(*way[min(until, len(way)) - 1 : until][:1].T)
        return [artist for lines, _ in walks for artist in lines]

    animation = require("matplotlib.animation", "drawing")
    require("matplotlib.backends.backend_agg", "drawing").FigureCanvasAgg(figure)
    return animation.FuncAnimation(figure, show, frames=frames, interval=80, blit=False)


def _panels(landscapes: Mapping[Landscape, Mapping[str, np.ndarray]], drawn: bool):
    """The figure, and for each way its line and its head, with the way that they show, or will show."""
    width = 4.6 * len(landscapes)
    figure = require("matplotlib.figure", "drawing").Figure(figsize=(width, 4.6), layout="constrained")
    walks = []
    for axes, (landscape, ways) in zip(
        figure.subplots(1, len(landscapes), squeeze=False)[0], landscapes.items(), strict=True
    ):
        landscape.draw(axes)
        for number, (name, way) in enumerate(ways.items()):
            colour = _COLOURS[number % len(_COLOURS)]
            way = np.asarray(way, float)
            way = np.where(np.isfinite(way).all(1, keepdims=True), way, np.nan)
            shown = way if drawn else way[:1]
            dashes = "-" if number % 2 == 0 else (0, (4, 1.5))  # two that take the same way are both seen
            (line,) = axes.plot(*shown.T, linestyle=dashes, color=colour, linewidth=1.4, alpha=0.85, label=name)
            (head,) = axes.plot(*shown[-1:].T, "o", color=colour, markersize=5)
            walks.append(((line, head), way))
        first = next(iter(ways.values()))[0]
        axes.plot(*first, "o", color="black", markersize=4)
    axes = figure.axes[0]
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=8, fontsize=9)
    return figure, walks
