"""Splits for cross-validation, under the names and with the folds of scikit-learn's model_selection."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nncore.tensor import Tensor

from .seeds import numpy_rng

if TYPE_CHECKING:
    from collections.abc import Iterator


class _Folds:
    def __init__(self, n_splits: int = 5, *, shuffle: bool = False, generator=None) -> None:
        if not isinstance(n_splits, (int, np.integer)) or n_splits < 2:
            raise ValueError(f"{type(self).__name__}: expected n_splits of 2 or more, got {n_splits}")
        self.n_splits, self.shuffle, self.generator = int(n_splits), shuffle, generator

    def _check_count(self, count: int) -> None:
        if count < self.n_splits:
            raise ValueError(
                f"{type(self).__name__}: cannot have number of splits n_splits={self.n_splits} greater than the number "
                f"of samples: {count}"
            )

    def _pairs(self, fold_of: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for fold in range(self.n_splits):
            yield np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold)

    def get_n_splits(self, *_) -> int:
        """The number of folds."""
        return self.n_splits

    def __repr__(self) -> str:
        return f"{type(self).__name__}(n_splits={self.n_splits}, shuffle={self.shuffle})"


class KFold(_Folds):
    """k parts of nearly one size: each is the test set once, while the others are the training set.

    `split(data)` takes anything with a length and yields k pairs (training indices, test indices), as NumPy arrays.
    Without shuffle the parts are runs of the data; with it they are drawn from `generator`, or from nncore's default
    one.

    >>> for train, test in nc.data.KFold(2).split(range(5)):
    ...     print(train, test)
    [3 4] [0 1 2]
    [0 1 2] [3 4]
    """

    def split(self, data) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """The pairs of index arrays, one for each fold."""
        count = len(data)
        self._check_count(count)
        order = numpy_rng(self.generator).permutation(count) if self.shuffle else np.arange(count)
        fold_of = np.empty(count, np.int64)
        for fold, part in enumerate(np.array_split(order, self.n_splits)):
            fold_of[part] = fold
        return self._pairs(fold_of)


class StratifiedKFold(_Folds):
    """KFold whose parts all have nearly the same share of every class.

    `split(data, labels)`; labels [N] are what has a natural equality: numbers or strings. ValueError where every class
    has fewer members than there are folds.

    >>> for train, test in nc.data.StratifiedKFold(2).split(range(6), [0, 0, 1, 1, 1, 1]):
    ...     print(train, test)
    [1 4 5] [0 2 3]
    [0 2 3] [1 4 5]
    """

    def split(self, data, labels) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """The pairs of index arrays, one for each fold."""
        labels = labels.numpy(force=True) if isinstance(labels, Tensor) else np.asarray(labels)
        if labels.ndim != 1 or len(labels) != len(data):
            raise ValueError(
                f"StratifiedKFold: expected one label for each of {len(data)} samples, got {list(labels.shape)}"
            )
        self._check_count(len(labels))
        _, first, classes = np.unique(labels, return_index=True, return_inverse=True)
        classes = np.argsort(np.argsort(first))[classes]  # numbered by their first appearance
        counts = np.bincount(classes)
        if self.n_splits > counts.max():
            raise ValueError(
                f"StratifiedKFold: n_splits={self.n_splits} cannot be greater than the number of members of each class "
                f"(the largest has {counts.max()})"
            )
        rng = numpy_rng(self.generator) if self.shuffle else None
        # The sorted labels dealt out to the folds one by one say how many of each class a fold gets.
        dealt = np.sort(classes)
        fold_of = np.empty(len(labels), np.int64)
        for c, count in enumerate(counts):
            shares = [np.count_nonzero(dealt[fold :: self.n_splits] == c) for fold in range(self.n_splits)]
            folds = np.repeat(np.arange(self.n_splits), shares)
            assert len(folds) == count
            fold_of[classes == c] = folds if rng is None else rng.permutation(folds)
        return self._pairs(fold_of)
