"""Drawings of small fully connected networks, with what each neuron and each connection holds."""

from __future__ import annotations

from collections.abc import Sequence

from nncore.extras import require

_NEURON, _WEIGHT, _LINE = "#E8F1F8", "#8A3B00", "#9AA5AE"


def network(
    neurons: Sequence[Sequence[str]],
    connections: Sequence[Sequence[Sequence[str]]] = (),
    captions: Sequence[str] = (),
    title: str = "",
):
    """The layers of a network from left to right: a circle or a box for each neuron, a line for each connection.

    `neurons[l][i]` is written into neuron i of layer l; `connections[l][i][j]` beside the line that leads from neuron j
    of layer l to neuron i of layer l + 1, so that a weight matrix [outputs, inputs] goes in as it is. `captions` stand
    under the layers. Returns a matplotlib figure.

    >>> figure = nc.viz.network([["2", "3"], ["12"]], [[["3", "2"]]], ["input", "output"])
    >>> [text.get_text() for text in figure.axes[0].texts]
    ['3', '2', '2', '3', '12', 'input', 'output']
    """
    tallest = max(len(layer) for layer in neurons)
    size = (3.2 * len(neurons), 1.2 * tallest + 1.2)
    figure = require("matplotlib.figure", "drawing").Figure(figsize=size, layout="constrained")
    axes = figure.subplots()
    places = [[(3.0 * at, (len(layer) - 1) / 2 - i) for i in range(len(layer))] for at, layer in enumerate(neurons)]
    for at, rows in enumerate(connections):
        for i, row in enumerate(rows):
            for j, label in enumerate(row):
                _connect(axes, places[at][j], places[at + 1][i], label, share=0.33 + 0.12 * (j % 2))
    for layer, labels in zip(places, neurons, strict=True):
        short = all(len(line) < 6 for label in labels for line in label.split("\n"))
        shape = "circle,pad=0.5" if short else "round,pad=0.5,rounding_size=0.8"
        for place, label in zip(layer, labels, strict=True):
            box = {"boxstyle": shape, "facecolor": _NEURON, "edgecolor": "black"}
            axes.text(*place, label, ha="center", va="center", fontsize=10, bbox=box, zorder=3)
    for at, caption in enumerate(captions):
        axes.text(3.0 * at, -tallest / 2 - 0.1, caption, ha="center", va="top", fontsize=10)
    axes.set(xlim=(-0.9, 3.0 * len(neurons) - 2.1), ylim=(-tallest / 2 - 0.55, tallest / 2))
    axes.axis("off")
    figure.suptitle(title)
    return figure


def _connect(axes, start: tuple, end: tuple, label: str, share: float) -> None:
    """A line with its label on it, the given share of the way along."""
    (x0, y0), (x1, y1) = start, end
    axes.plot([x0, x1], [y0, y1], color=_LINE, linewidth=1.2, zorder=1)
    box = {"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none"}
    at = (x0 + share * (x1 - x0), y0 + share * (y1 - y0))
    axes.text(*at, label, ha="center", va="center", fontsize=9, color=_WEIGHT, bbox=box, zorder=2)
