"""Matrices as tables of coloured cells: confusion matrices, weights, kernels."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from nncore.extras import require


def matrix(values, rows: Sequence[str] = (), columns: Sequence[str] = (), title: str = "", unit: str = ""):
    """A matrix [M, N] as coloured cells with their values written in, its rows and columns named.

    `unit` labels the colour bar. Returns a matplotlib figure.

    >>> figure = nc.viz.matrix([[5, 1], [0, 6]], ["is cat", "is dog"], ["said cat", "said dog"])
    >>> [text.get_text() for text in figure.axes[0].texts]
    ['5', '1', '0', '6']
    """
    values = np.asarray(values)
    size = (1.1 * values.shape[1] + 2.4, 0.8 * values.shape[0] + 1.6)
    figure = require("matplotlib.figure", "drawing").Figure(figsize=size, layout="constrained")
    axes = figure.subplots()
    figure.colorbar(_cells(axes, values), label=unit)
    axes.set_xticks(range(values.shape[1]), columns or range(values.shape[1]))
    axes.set_yticks(range(values.shape[0]), rows or range(values.shape[0]))
    axes.set_title(title, fontsize=10)
    return figure


def matrices(tables: Mapping[str, np.ndarray], columns: int = 4, title: str = ""):
    """Several matrices side by side, each under its heading. Returns a matplotlib figure.

    >>> figure = nc.viz.matrices({"input": [[1, 2], [3, 4]], "sum": [[10]]})
    >>> [axes.get_title() for axes in figure.axes]
    ['input', 'sum']
    """
    columns = min(columns, len(tables))
    rows = math.ceil(len(tables) / columns)
    figure = require("matplotlib.figure", "drawing").Figure(
        figsize=(2.7 * columns, 2.5 * rows + 0.4), layout="constrained"
    )
    for i, (name, values) in enumerate(tables.items()):
        axes = figure.add_subplot(rows, columns, i + 1)
        _cells(axes, np.asarray(values))
        axes.set(xticks=[], yticks=[])
        axes.set_title(name, fontsize=10)
    figure.suptitle(title)
    return figure


def _cells(axes, values: np.ndarray):
    """Cells from white to blue, with the values in black or white, whichever can be read there."""
    image = axes.imshow(values, cmap="Blues", aspect="auto")
    middle = (values.min() + values.max()) / 2 if values.size else 0
    for (i, j), value in np.ndenumerate(values):
        colour = "white" if value > middle else "black"
        axes.text(j, i, f"{value:.4g}", ha="center", va="center", color=colour)
    return image
