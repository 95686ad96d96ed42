"""Matrices as tables of coloured cells: confusion matrices, weights, kernels."""

from __future__ import annotations

from collections.abc import Sequence

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
    image = axes.imshow(values, cmap="Blues", aspect="auto")
    middle = (values.min() + values.max()) / 2 if values.size else 0
    for (i, j), value in np.ndenumerate(values):
        axes.text(j, i, f"{value:g}", ha="center", va="center", color="white" if value > middle else "black")
    axes.set_xticks(range(values.shape[1]), columns or range(values.shape[1]))
    axes.set_yticks(range(values.shape[0]), rows or range(values.shape[0]))
    figure.colorbar(image, label=unit)
    axes.set_title(title, fontsize=10)
    return figure
