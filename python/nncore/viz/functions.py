"""Functions of one number with their derivatives."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import nncore
from nncore.extras import require

_VALUE, _SLOPE = "#0072B2", "#D55E00"


def with_derivative(
    functions: Mapping[str, Callable], low: float = -4.0, high: float = 4.0, columns: int = 4, title: str = ""
):
    """A panel for each function with its values and, from the tape, its derivative between low and high.

    `functions` maps a heading to a function of a tensor, element by element. Returns a matplotlib figure.

    >>> figure = nc.viz.with_derivative({"sigmoid": nc.sigmoid, "tanh": nc.tanh})
    >>> [axes.get_title() for axes in figure.axes[:2]]
    ['sigmoid', 'tanh']
    """
    columns = min(columns, len(functions))
    rows = math.ceil(len(functions) / columns)
    size = (2.9 * columns, 2.5 * rows + 0.5)
    figure = require("matplotlib.figure", "drawing").Figure(figsize=size, layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True).ravel()
    for axes, (name, function) in zip(panels, functions.items(), strict=False):
        x = nncore.linspace(low, high, 401, dtype=nncore.float64, requires_grad=True)
        y = function(x)
        (slope,) = nncore.autograd.grad(y.sum(), x)
        x = x.detach().numpy()
        axes.plot(x, y.detach().numpy(), color=_VALUE, label="f(x)")
        axes.plot(x, slope.numpy(), color=_SLOPE, linestyle="--", label="f'(x)")
        axes.axhline(0, color="black", linewidth=0.6)
        axes.axvline(0, color="black", linewidth=0.6)
        axes.grid(alpha=0.3)
        axes.set_title(name, fontsize=10)
    for axes in panels[len(functions) :]:
        axes.axis("off")
    for axes in panels[max(0, len(functions) - columns) : len(functions)]:
        axes.set_xlabel("x")
        axes.tick_params(labelbottom=True)
    panels[0].legend(fontsize=8)
    figure.suptitle(title)
    return figure
