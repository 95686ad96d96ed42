"""Grids of images with what a network says about them."""

import math
from collections.abc import Sequence
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
