"""Softmax over very many classes, most of them rare."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from nncore.nn import functional as F
from nncore.nn.container import ModuleList, Sequential
from nncore.nn.linear import Linear
from nncore.nn.module import Module
from nncore.ops.join import cat

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nncore.nn.types import Device, DType
    from nncore.tensor import Tensor


class _ASMoutput(NamedTuple):
    """What AdaptiveLogSoftmaxWithLoss returns."""

    output: Tensor
    loss: Tensor


class AdaptiveLogSoftmaxWithLoss(Module):
    """The log-probability of each sample's class among n_classes, sorted from frequent to rare, and the mean loss.

    The head decides among the first cutoffs[0] classes and the clusters behind them, [cutoffs[i], cutoffs[i + 1]);
    a cluster's tail decides among its own classes, and is computed only for samples that are in it:

        log p(class) = log softmax(head)[class]                                           in the head
        log p(class) = log softmax(head)[cluster] + log softmax(tail of the cluster)[class]   otherwise

    Tail i (from 0) goes through in_features // div_value^(i + 1) features, because rare classes need fewer. Only the
    head has a bias, if head_bias.

    input [N, in_features] and target [N], or [in_features] and []; returns (output, loss), output as target and loss
    the mean of -output. ValueError for cutoffs that do not rise from 1 to below n_classes, RuntimeError for targets
    that are no classes.

    Source: Grave, Joulin, Cisse, Grangier, Jegou, "Efficient softmax approximation for GPUs", 2017.

    >>> layer = nc.nn.AdaptiveLogSoftmaxWithLoss(16, 100, cutoffs=[10, 40])
    >>> output, loss = layer(nc.randn(3, 16), nc.tensor([0, 25, 99]))
    >>> output.shape, loss.shape
    (nncore.Size([3]), nncore.Size([]))
    >>> round(layer.log_prob(nc.ones(1, 16)).exp().sum().item(), 3)
    1.0
    """

    def __init__(
        self,
        in_features: int,
        n_classes: int,
        cutoffs: Sequence[int],
        div_value: float = 4.0,
        head_bias: bool = False,
        device: Device = None,
        dtype: DType = None,
    ) -> None:
        super().__init__()
        cutoffs = list(cutoffs)
        if not cutoffs:
            raise ValueError("cutoffs should be a sequence of length larger than 0")
        if any(int(c) != c for c in cutoffs) or cutoffs != sorted({c for c in cutoffs if 0 < c < n_classes}):
            raise ValueError(
                "cutoffs should be a sequence of unique, positive integers sorted in an increasing order, where each "
                f"value is between 1 and n_classes-1, got {cutoffs} for {n_classes} classes"
            )
        self.in_features, self.n_classes, self.cutoffs = in_features, n_classes, [*cutoffs, n_classes]
        self.div_value, self.head_bias = div_value, head_bias
        self.shortlist_size, self.n_clusters = cutoffs[0], len(cutoffs)
        self.head_size = self.shortlist_size + self.n_clusters
        self.head = Linear(in_features, self.head_size, head_bias, device, dtype)
        self.tail = ModuleList()
        for i in range(self.n_clusters):
            narrow = int(in_features // div_value ** (i + 1))
            classes = self.cutoffs[i + 1] - self.cutoffs[i]
            self.tail.append(
                Sequential(
                    Linear(in_features, narrow, False, device, dtype), Linear(narrow, classes, False, device, dtype)
                )
            )

    def reset_parameters(self) -> None:
        """Draw new values."""
        self.head.reset_parameters()
        for narrow, wide in self.tail:
            narrow.reset_parameters()
            wide.reset_parameters()

    def forward(self, input: Tensor, target: Tensor) -> _ASMoutput:
        if target.ndim > 1:
            raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
        if input.ndim != target.ndim + 1:
            raise RuntimeError(
                f"{target.ndim}D target tensor expects {target.ndim + 1}D input tensors, but found inputs with size "
                f"{list(input.shape)}"
            )
        if target.dtype.is_floating_point:
            raise RuntimeError(f"AdaptiveLogSoftmaxWithLoss: expected a target of int64 or int32, got {target.dtype}")
        if target.ndim == 0:
            output, loss = self(input.unsqueeze(0), target.unsqueeze(0))
            return _ASMoutput(output.squeeze(0), loss)
        if input.shape[0] != target.shape[0]:
            raise RuntimeError("Input and target should have the same size in the batch dimension.")
        if target.numel() and not 0 <= target.min().item() <= target.max().item() < self.n_classes:
            raise RuntimeError(
                f"Target values should be in [0, {self.n_classes - 1}], but values in range "
                f"[{target.min().item()}, {target.max().item()}] were found. "
            )
        cluster = sum((target >= cutoff).to(target.dtype) for cutoff in self.cutoffs[:-1])  # 0 is the head
        place = target.where(cluster == 0, cluster + (self.shortlist_size - 1))
        output = F.log_softmax(self.head(input), 1).gather(1, place.unsqueeze(1)).squeeze(1)
        for i, tail in enumerate(self.tail):
            rows = (cluster == i + 1).nonzero().squeeze(1)
            if rows.numel():
                within = (target[rows] - self.cutoffs[i]).unsqueeze(1)
                chosen = F.log_softmax(tail(input[rows]), 1).gather(1, within).squeeze(1)
                output = output.index_add(0, rows, chosen)
        return _ASMoutput(output, (-output).mean())

    def log_prob(self, input: Tensor) -> Tensor:
        """The log-probabilities of all classes [N, n_classes] for input [N, in_features]."""
        return self._all(input, self.head(input))

    def _all(self, input: Tensor, head: Tensor) -> Tensor:
        head = F.log_softmax(head, 1)
        parts = [head[:, : self.shortlist_size]]
        for i, tail in enumerate(self.tail, start=self.shortlist_size):
            parts.append(F.log_softmax(tail(input), 1) + head[:, i : i + 1])
        return cat(parts, 1)

    def predict(self, input: Tensor) -> Tensor:
        """The class [N] that the head finds likeliest; where that is a cluster, the likeliest class of all."""
        head = self.head(input)
        best = head.argmax(1)
        rows = (best >= self.shortlist_size).nonzero().squeeze(1)
        if rows.numel():
            best[rows] = self._all(input[rows], head[rows]).argmax(1)
        return best
