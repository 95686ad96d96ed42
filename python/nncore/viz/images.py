"""Grids of images, alone or with what a network says about them, and of the kernels of a convolution."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nncore.extras import require

_RIGHT, _WRONG = "#00734D", "#C1121F"


@dataclass(frozen=True)
class Examples:
    """Images [N, H, W] under one heading, with their labels [N], predictions [N] and the probabilities of these [N]."""

    heading: str
    images: np.ndarray
    labels: np.ndarray
    predictions: np.ndarray
    probabilities: np.ndarray


def prediction_grid(sections: Sequence[Examples], classes: Sequence[str], title: str = "", columns: int = 8):
    """Images with their predictions: green where right; red, with the true class below, where wrong.

    Returns a matplotlib figure.
    """
    sections = [section for section in sections if len(section.images)]
    rows = [math.ceil(len(section.images) / columns) for section in sections]
    figure = require("matplotlib.figure", "drawing").Figure(
        figsize=(1.32 * columns, 1.75 * sum(rows) + 0.45 * len(rows) + 0.7), layout="constrained"
    )
    figure.suptitle(title, fontsize=13)
    if not sections:
        return figure
    parts = figure.subfigures(len(sections), 1, height_ratios=[1.75 * n + 0.45 for n in rows], squeeze=False)[:, 0]
    for part, section, count in zip(parts, sections, rows, strict=True):
        part.suptitle(section.heading, fontsize=11)
        cells = part.subplots(count, columns, squeeze=False).ravel()
        for axes in cells:
            axes.axis("off")
        for i, axes in zip(range(len(section.images)), cells, strict=False):
            _draw(axes, section, i, classes)
    return figure


def _draw(axes, section: Examples, i: int, classes: Sequence[str]) -> None:
    right = section.predictions[i] == section.labels[i]
    colour = _RIGHT if right else _WRONG
    axes.imshow(section.images[i], cmap="gray_r", interpolation="nearest")
    said = f"{classes[section.predictions[i]]} ({100 * section.probabilities[i]:.0f} %)"
    truth = "" if right else f"\nis {classes[section.labels[i]]}"
    axes.set_title(said + truth, color=colour, fontsize=8.5, pad=3)
    axes.axis("on")
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set(color=colour, linewidth=1.8)


def image_grid(rows: Mapping[str, Sequence[np.ndarray]], titles: Sequence[str] = (), title: str = "", limits=(0, 1)):
    """Images in rows that are named on the left: grey [H, W], white for limits[0] and black for limits[1], or in
    colours [H, W, 3]. `titles` stand above the columns. Returns a matplotlib figure.

    >>> figure = nc.viz.image_grid({"before": np.zeros((4, 8, 8)), "after": np.ones((4, 8, 8))}, "abcd")
    >>> [axes.get_title() for axes in figure.axes[:4]]
    ['a', 'b', 'c', 'd']
    """
    columns = max((len(images) for images in rows.values()), default=0)
    if columns == 0:
        raise ValueError("image_grid: expected at least one row with an image")
    figure = require("matplotlib.figure", "drawing").Figure(
        figsize=(0.85 * columns + 0.4, 0.9 * len(rows) + 0.3 * bool(title) + 0.3 * bool(titles)), layout="constrained"
    )
    cells = figure.subplots(len(rows), columns, squeeze=False)
    for row, (name, images) in zip(cells, rows.items(), strict=True):
        for axes, image in zip(row, images, strict=False):
            axes.imshow(image, cmap="gray_r", vmin=limits[0], vmax=limits[1], interpolation="nearest")
        for axes in row:
            axes.set(xticks=[], yticks=[])
        for axes in row[len(images) :]:
            axes.axis("off")
        row[0].set_ylabel(name, fontsize=9)
    for axes, text in zip(cells[0], titles, strict=False):
        axes.set_title(text, fontsize=9)
    figure.suptitle(title)
    return figure


def kernels(weight, columns: int = 8, title: str = ""):
    """The kernels of a convolution as images: weight [K, C, R, S], as `Conv2d.weight` is.

    One or three channels are shown as one image each, negative weights blue and positive red, or as colours; of more
    channels the first is shown. Returns a matplotlib figure.

    >>> figure = nc.viz.kernels(nc.nn.Conv2d(1, 6, 5).weight, columns=3)
    >>> sum(bool(axes.images) for axes in figure.axes[:6])
    6
    """
    weight = np.asarray(weight.detach() if hasattr(weight, "detach") else weight)
    if weight.ndim != 4 or 0 in weight.shape:
        raise ValueError(f"kernels: expected a weight [K, C, R, S] with elements, got {list(weight.shape)}")
    columns = min(columns, len(weight))
    rows = math.ceil(len(weight) / columns)
    figure = require("matplotlib.figure", "drawing").Figure(
        figsize=(1.1 * columns + 1.2, 1.15 * rows + 0.5), layout="constrained"
    )
    cells = figure.subplots(rows, columns, squeeze=False).ravel()
    limit = float(np.abs(weight).max()) or 1.0
    for axes, kernel in zip(cells, weight, strict=False):
        if len(kernel) == 3:
            axes.imshow(np.moveaxis(0.5 + 0.5 * kernel / limit, 0, -1), interpolation="nearest")
        else:
            shown = axes.imshow(kernel[0], cmap="RdBu_r", vmin=-limit, vmax=limit, interpolation="nearest")
        axes.set(xticks=[], yticks=[])
    for axes in cells[len(weight) :]:
        axes.axis("off")
    if weight.shape[1] != 3:
        figure.colorbar(shown, ax=list(cells), label="weight")
    figure.suptitle(title)
    return figure
