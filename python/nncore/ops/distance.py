"""Distances and similarities of vectors, composed of other operations, so their gradients follow from those."""

from __future__ import annotations

import numpy as np

from nncore import _core
from nncore.autocast_mode import casts_wide
from nncore.ops.creation import tensor
from nncore.ops.elementwise import div, where
from nncore.ops.index import broadcast_tensors, index_select
from nncore.ops.statistics import vector_norm
from nncore.tensor import Tensor


def pairwise_distance(x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Tensor:
    """||x1 - x2 + eps||_p along the last dimension. x1 and x2 broadcast.

    >>> F.pairwise_distance(nc.tensor([[3.0, 4.0]]), nc.zeros(1, 2))
    tensor([5.0000])
    """
    return vector_norm(x1 - x2 + eps, p, -1, keepdim)


@casts_wide("cuda")
def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """x1 . x2 / (max(||x1||, eps) max(||x2||, eps)) along dim. x1 and x2 broadcast; RuntimeError if both are integer.

    >>> F.cosine_similarity(nc.tensor([1.0, 0.0]), nc.tensor([1.0, 1.0]), dim=0)
    tensor(0.7071)
    """
    common = _core.promote_types(x1.dtype, x2.dtype)
    if not common.is_floating_point:
        raise RuntimeError(f"cosine_similarity: expected a common dtype that is floating point, got {common}")
    x1, x2 = (_unit(x.to(common), dim, eps) for x in broadcast_tensors(x1, x2))
    return (x1 * x2).sum(dim)


def _unit(x: Tensor, dim: int, eps: float) -> Tensor:
    """x over its norm, or over eps. As in PyTorch eps takes the place of the value only: the slope stays the norm's."""
    length = vector_norm(x, 2, dim, keepdim=True)
    value = length.detach()
    return x / where(value < eps, length - value + eps, length)


@casts_wide("cpu", "cuda")
def cdist(x1: Tensor, x2: Tensor, p: float = 2.0, compute_mode: str = "use_mm_for_euclid_dist_if_necessary") -> Tensor:
    """||x1[..., i, :] - x2[..., j, :]||_p for every pair: [..., P, M] and [..., R, M] give [..., P, R].

    Every difference is formed, in P R M numbers of memory, so that equal vectors have a distance of exactly 0;
    compute_mode, PyTorch's choice among shortcuts, is checked and changes nothing.

    >>> nc.cdist(nc.tensor([[0.0, 0.0], [3.0, 0.0]]), nc.tensor([[0.0, 4.0]]))
    tensor([[4.],
            [5.]])
    """
    if compute_mode.removesuffix("_if_necessary") not in ("use_mm_for_euclid_dist", "donot_use_mm_for_euclid_dist"):
        raise ValueError(f"{compute_mode} is not a valid value for compute_mode")
    if x1.ndim < 2 or x2.ndim < 2:
        raise RuntimeError(f"cdist: expected inputs of at least 2 dimensions, got {x1.ndim} and {x2.ndim}")
    if x1.shape[-1] != x2.shape[-1]:
        raise RuntimeError(f"cdist: expected vectors of one length, got {list(x1.shape)} and {list(x2.shape)}")
    _check_order("cdist", p)
    return vector_norm(x1.unsqueeze(-2) - x2.unsqueeze(-3), p, -1)


@casts_wide("cuda")
def pdist(input: Tensor, p: float = 2.0) -> Tensor:
    """||input[i] - input[j]||_p for i < j: the N (N - 1) / 2 distances between rows of [N, M].

    >>> F.pdist(nc.tensor([[0.0], [1.0], [3.0]]))
    tensor([1., 3., 2.])
    """
    if input.ndim != 2:
        raise RuntimeError(f"pdist: expected an input of 2 dimensions, got {list(input.shape)}")
    _check_order("pdist", p)
    first, second = (tensor(rows, device=input.device) for rows in np.triu_indices(input.shape[0], 1))
    return vector_norm(index_select(input, 0, first) - index_select(input, 0, second), p, -1)


def _check_order(operation: str, p: float) -> None:
    if not p >= 0:
        raise RuntimeError(f"{operation}: expected p of at least 0, got {p}")


def normalize(input: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12, out: Tensor | None = None) -> Tensor:
    """input / max(||input||_p, eps) along dim.

    >>> F.normalize(nc.tensor([[3.0, 4.0]]))
    tensor([[0.6000, 0.8000]])
    """
    return div(input, vector_norm(input, p, dim, keepdim=True).clamp_min(eps), out=out)
