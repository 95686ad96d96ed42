"""Where in the plane a classifier says what."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

import nncore
from nncore.extras import require

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442", "#000000")


def decision_boundary(model: Callable, points, labels, classes: Sequence[str] = (), title: str = "", steps: int = 200):
    """The points [N, 2] of a data set over the regions in which `model` decides for each class.

    model maps points [M, 2] to scores [M, C], or [M] or [M, 1] for two classes, of which the second is meant where the
    score is above 0. labels [N] are class numbers; `classes` names them. A module is asked in evaluation mode and left
    in the mode in which it was. Returns a matplotlib figure.

    >>> points = nc.tensor([[0.0, 0.0], [1.0, 1.0]])
    >>> figure = nc.viz.decision_boundary(lambda x: x.sum(1) - 1, points, nc.tensor([0, 1]), ["low", "high"])
    >>> [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    ['low', 'high']
    """
    points, labels = (np.asarray(t.detach() if isinstance(t, nncore.Tensor) else t) for t in (points, labels))
    low, high = points.min(0), points.max(0)
    border = 0.1 * (high - low) + 1e-3
    x, y = (np.linspace(a, b, steps) for a, b in zip(low - border, high + border, strict=True))
    plane = np.stack(np.meshgrid(x, y), -1).reshape(-1, 2)
    said = _decided(model, nncore.tensor(plane, dtype=nncore.float32)).reshape(steps, steps)
    count = max(int(labels.max()), int(said.max())) + 1

    figure = require("matplotlib.figure", "drawing").Figure(figsize=(5.6, 5.0), layout="constrained")
    colours = require("matplotlib.colors", "drawing").ListedColormap([_COLOURS[c % 8] for c in range(count)])
    axes = figure.subplots()
    limits = {"vmin": -0.5, "vmax": count - 0.5}
    axes.imshow(
        said, origin="lower", extent=(x[0], x[-1], y[0], y[-1]), aspect="auto", cmap=colours, alpha=0.3, **limits
    )
    for c in range(count):
        mine = points[labels == c]
        name = classes[c] if classes else f"class {c}"
        axes.plot(*mine.T, "o", markersize=4, color=_COLOURS[c % 8], markeredgecolor="white", label=name)
    axes.set(xlabel="x", ylabel="y", title=title)
    axes.legend()
    return figure


def _decided(model: Callable, points) -> np.ndarray:
    """The class of each point."""
    training = getattr(model, "training", None)
    if training:
        model.eval()
    with nncore.no_grad():
        scores = model(points)
    if training:
        model.train()
    if scores.ndim == 1 or scores.shape[1] == 1:
        return (scores.reshape(-1) > 0).numpy().astype(int)
    return scores.argmax(1).numpy()
