"""Categories as numbers: multi-hot rows, and target encoding. One-hot rows: `nn.functional.one_hot`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

import nncore as nc

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def multi_hot(labels: Iterable[Sequence[int]], num_classes: int, dtype=None) -> nc.Tensor:
    """[N, num_classes] with 1 at every label of each row and 0 elsewhere: targets of several labels per sample.

    labels holds one sequence of class numbers for each of N samples, of any lengths; float32 unless dtype says
    otherwise. Raises ValueError for a label outside 0 to num_classes - 1.

    >>> nc.data.multi_hot([[0, 2], [], [1]], 3)
    tensor([[1., 0., 1.],
            [0., 0., 0.],
            [0., 1., 0.]])
    """
    rows = [np.asarray(row.tolist() if isinstance(row, nc.Tensor) else row).reshape(-1) for row in labels]
    out = np.zeros((len(rows), num_classes), np.float32)
    for i, row in enumerate(rows):
        if row.size == 0:
            continue
        if row.dtype.kind not in "iu" or row.min() < 0 or row.max() >= num_classes:
            raise ValueError(f"multi_hot: expected labels of 0 to {num_classes - 1}, got {row.tolist()} for sample {i}")
        out[i, row] = 1
    result = nc.tensor(out)
    return result if dtype is None else result.to(dtype)


class TargetEncoder:
    """Each category as the mean of its targets, drawn to the mean of all where the category is rare.

        code(c) = (n_c * mean_c + smoothing * mean) / (n_c + smoothing)

    n_c is how often c occurs and mean_c the mean target there: `smoothing` counts as that many samples at the overall
    mean. With 0 the code is mean_c itself, which for rare categories gives the target away; a category that `fit` has
    not seen gets the overall mean (Micci-Barreca, "A preprocessing scheme for high-cardinality categorical attributes
    in classification and prediction problems", 2001). Fit it on training data alone; `fit_transform` with folds codes
    each sample by the others.

    categories: N values of any one sortable type. targets: N numbers (0 and 1 for two classes).

    >>> encoder = nc.data.TargetEncoder(smoothing=1.0).fit(["a", "a", "b"], [1.0, 0.0, 1.0])
    >>> [round(value, 4) for value in encoder.transform(["a", "b", "c"]).tolist()]
    [0.5556, 0.8333, 0.6667]
    """

    def __init__(self, smoothing: float = 10.0) -> None:
        if not smoothing >= 0:
            raise ValueError(f"TargetEncoder: expected a smoothing of at least 0, got {smoothing}")
        self.smoothing = smoothing

    def fit(self, categories, targets) -> TargetEncoder:
        """Learn the codes; returns itself."""
        categories, targets = _column(categories), _column(targets).astype(np.float64)
        if len(categories) != len(targets) or not len(targets):
            raise ValueError(
                f"TargetEncoder: expected as many categories as targets, at least one, got {len(categories)} and "
                f"{len(targets)}"
            )
        self.mean_ = float(targets.mean())
        self.categories_, place, counts = np.unique(categories, return_inverse=True, return_counts=True)
        sums = np.bincount(place, weights=targets)
        self.codes_ = (sums + self.smoothing * self.mean_) / (counts + self.smoothing)
        return self

    def transform(self, categories) -> nc.Tensor:
        """The codes of the categories, float64 [N]."""
        if not hasattr(self, "codes_"):
            raise RuntimeError("TargetEncoder: call fit before transform")
        categories = _column(categories)
        place = np.searchsorted(self.categories_, categories).clip(max=len(self.categories_) - 1)
        known = self.categories_[place] == categories
        return nc.tensor(np.where(known, self.codes_[place], self.mean_))

    def fit_transform(self, categories, targets, folds=None) -> nc.Tensor:
        """Codes of the training data themselves; the encoder ends fitted on all of it.

        folds, a KFold or anything with its `split`, codes each part by what the others say, so that no sample's code
        contains its own target.
        """
        categories, targets = _column(categories), _column(targets)
        codes = np.empty(len(categories))
        for train, test in folds.split(categories) if folds is not None else ():
            self.fit(categories[train], targets[train])
            codes[test] = self.transform(categories[test]).numpy()
        self.fit(categories, targets)
        return self.transform(categories) if folds is None else nc.tensor(codes)


def _column(values) -> np.ndarray:
    return (values.numpy(force=True) if isinstance(values, nc.Tensor) else np.asarray(values)).reshape(-1)
