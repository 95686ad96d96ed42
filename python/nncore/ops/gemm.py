"""Matrix products, each with its gradient rule right under it."""

from __future__ import annotations

from nncore import _core
from nncore.autograd import record
from nncore.tensor import Tensor, tensor_method


@tensor_method
def mm(input: Tensor, mat2: Tensor) -> Tensor:
    """The product of two matrices: y[m, n] = sum over k of input[m, k] * mat2[k, n].

    >>> nc.mm(nc.tensor([[1.0, 2.0]]), nc.tensor([[3.0], [4.0]]))
    tensor([[11.]])
    """
    if input.ndim != 2 or mat2.ndim != 2:
        raise RuntimeError(f"mm: expected two matrices, got {list(input.shape)} and {list(mat2.shape)}")
    y = Tensor(_core.gemm(input._array, mat2._array))
    return record("mm", y, (input, mat2), _mm_rule, (input, mat2))


_mm_rule = (
    lambda gy, a, b: mm(gy, b.transpose(0, 1)),
    lambda gy, a, b: mm(a.transpose(0, 1), gy),
)
