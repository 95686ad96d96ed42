"""Matrix products, each with its gradient rule right under it."""

from __future__ import annotations

from nncore import _core
from nncore.autocast_mode import casts_products
from nncore.autograd import record
from nncore.ops.inplace import inplace_method
from nncore.ops.reduce import unbroadcast
from nncore.tensor import Tensor, tensor_method


@tensor_method
@casts_products("cpu", "cuda")
def matmul(input: Tensor, other: Tensor) -> Tensor:
    """The product of matrices, y[..., m, n] = sum over k of input[..., m, k] * other[..., k, n].

    Leading dimensions broadcast. A vector [K] is a row as the first argument and a column as the second; the dimension
    of extent 1 that this adds is not in the result, so that two vectors give a number.

    Shapes: input [..., M, K] or [K], other [..., K, N] or [K]. Floating and integer dtypes, the same for both.
    Raises RuntimeError where a shape is (), inner dimensions differ, or leading ones do not broadcast.

    >>> nc.matmul(nc.tensor([[1.0, 2.0], [3.0, 4.0]]), nc.tensor([1.0, -1.0]))
    tensor([-1., -1.])
    """
    return _product(input, other)


def _product(input: Tensor, other: Tensor) -> Tensor:
    y = Tensor(_core.matmul(input._array, other._array))
    return record("matmul", y, (input, other), _matmul_rule, (input, other))


def _matrices(gy: Tensor, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The three with vectors as the rows and columns that they stand for."""
    shape = list(gy.shape)
    if b.ndim == 1:
        shape.append(1)
        b = b.reshape(-1, 1)
    if a.ndim == 1:
        shape.insert(len(shape) - 1, 1)
        a = a.reshape(1, -1)
    return gy if gy.ndim == len(shape) else gy.reshape(shape), a, b


def _flat(x: Tensor) -> Tensor:
    """[..., M, K] as one matrix [... M, K]."""
    return x if x.ndim == 2 else x.reshape(_rows(x), x.shape[-1])


def _rows(x: Tensor) -> int:
    rows = 1
    for extent in x.shape[:-1]:
        rows *= extent
    return rows


def _matmul_input(gy: Tensor, a: Tensor, b: Tensor) -> Tensor:
    shape = a.shape
    gy, a, b = _matrices(gy, a, b)
    return unbroadcast(matmul(gy, b.transpose(-2, -1)), a.shape).reshape(shape)


def _matmul_other(gy: Tensor, a: Tensor, b: Tensor) -> Tensor:
    shape = b.shape
    gy, a, b = _matrices(gy, a, b)
    if b.ndim == 2:  # one matrix for the whole batch: its gradient is one product
        return matmul(_flat(a).transpose(0, 1), _flat(gy)).reshape(shape)
    return unbroadcast(matmul(a.transpose(-2, -1), gy), b.shape).reshape(shape)


_matmul_rule = (_matmul_input, _matmul_other)
Tensor.__matmul__ = lambda self, other: matmul(self, other) if isinstance(other, Tensor) else NotImplemented


def _check(name: str, what: str, a: Tensor, a_ndim: int, b: Tensor, b_ndim: int) -> None:
    """The number of dimensions of each tensor, where an operation allows one only."""
    if a._array.ndim != a_ndim or b._array.ndim != b_ndim:
        raise RuntimeError(f"{name}: expected {what}, got {list(a.shape)} and {list(b.shape)}")


@tensor_method
@casts_products("cpu", "cuda")
def mm(input: Tensor, mat2: Tensor) -> Tensor:
    """The product of two matrices: y[m, n] = sum over k of input[m, k] * mat2[k, n].

    Shapes: input [M, K], mat2 [K, N]; no broadcasting (`matmul` does that).

    >>> nc.mm(nc.tensor([[1.0, 2.0]]), nc.tensor([[3.0], [4.0]]))
    tensor([[11.]])
    """
    _check("mm", "two matrices", input, 2, mat2, 2)
    return matmul(input, mat2)


@tensor_method
@casts_products("cpu", "cuda")
def bmm(input: Tensor, mat2: Tensor) -> Tensor:
    """The products of two batches of matrices: y[b] = input[b] @ mat2[b].

    Shapes: input [B, M, K], mat2 [B, K, N]; no broadcasting.

    >>> nc.bmm(nc.tensor([[[2.0]], [[3.0]]]), nc.tensor([[[5.0]], [[7.0]]])).shape
    nncore.Size([2, 1, 1])
    """
    _check("bmm", "two batches of matrices", input, 3, mat2, 3)
    if input.shape[0] != mat2.shape[0]:
        raise RuntimeError(f"bmm: expected batches of one size, got {list(input.shape)} and {list(mat2.shape)}")
    return matmul(input, mat2)


@tensor_method
@casts_products("cuda")
def mv(input: Tensor, vec: Tensor) -> Tensor:
    """A matrix times a vector: y[m] = sum over k of input[m, k] * vec[k].

    >>> nc.mv(nc.tensor([[1.0, 2.0], [3.0, 4.0]]), nc.tensor([1.0, 1.0]))
    tensor([3., 7.])
    """
    _check("mv", "a matrix and a vector", input, 2, vec, 1)
    return _product(input, vec)


@tensor_method
def dot(input: Tensor, tensor: Tensor) -> Tensor:
    """The sum of the products of two vectors' elements.

    >>> nc.dot(nc.tensor([1.0, 2.0]), nc.tensor([3.0, 4.0]))
    tensor(11.)
    """
    _check("dot", "two vectors", input, 1, tensor, 1)
    return _product(input, tensor)


@tensor_method
def outer(input: Tensor, vec2: Tensor) -> Tensor:
    """Every product of an element of one vector and an element of another: y[m, n] = input[m] * vec2[n].

    >>> nc.outer(nc.tensor([1.0, 2.0]), nc.tensor([3.0, 4.0]))
    tensor([[3., 4.],
            [6., 8.]])
    """
    _check("outer", "two vectors", input, 1, vec2, 1)
    return input.reshape(-1, 1) * vec2  # nothing is summed: a pass over the result, and dtypes that promote


_product_only_rule = (lambda gy: gy, lambda gy: gy * 0.0)


def _scaled_sum(input: Tensor, product: Tensor, beta: float, alpha: float) -> Tensor:
    """beta * input + alpha * product; with beta = 0 what input holds, NaN included, does not matter."""
    if not product.is_floating_point():
        alpha, beta = int(alpha), int(beta)
    if alpha != 1:
        product = product * alpha
    input = input.expand(product.shape)
    if beta == 0:
        # Takes part with a gradient of zero, whatever the values are.
        return record("scaled_sum", product, (product, input), _product_only_rule)
    return product + (input if beta == 1 else input * beta)


@tensor_method
@casts_products("cpu", "cuda")
def addmm(input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """beta * input + alpha * (mat1 @ mat2), where input broadcasts to the product's shape.

    Shapes: mat1 [M, K], mat2 [K, N]. With beta = 0 the values of input do not matter.

    >>> nc.addmm(nc.tensor([10.0]), nc.tensor([[1.0, 2.0]]), nc.tensor([[3.0], [4.0]]))
    tensor([[21.]])
    """
    _check("addmm", "two matrices", mat1, 2, mat2, 2)
    return _scaled_sum(input, matmul(mat1, mat2), beta, alpha)


@tensor_method
@casts_products("cpu", "cuda")
def baddbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """beta * input + alpha * (batch1 @ batch2) for batches of matrices; input broadcasts to the product's shape.

    Shapes: batch1 [B, M, K], batch2 [B, K, N]. With beta = 0 the values of input do not matter.

    >>> nc.baddbmm(nc.tensor(1.0), nc.ones(2, 1, 3), nc.ones(2, 3, 1)).shape
    nncore.Size([2, 1, 1])
    """
    _check("baddbmm", "two batches of matrices", batch1, 3, batch2, 3)
    return _scaled_sum(input, bmm(batch1, batch2), beta, alpha)


@casts_products("cpu", "cuda")
def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """y[..., n] = sum over k of input[..., k] * weight[n, k] + bias[n], in one pass over y.

    Shapes: input [..., K], weight [N, K] or [K] (then y is [...]), bias [N] or ().
    Raises RuntimeError where the features of input and weight differ.

    >>> nc.nn.functional.linear(nc.tensor([1.0, 2.0]), nc.tensor([[1.0, 1.0], [1.0, -1.0]]), nc.tensor([0.0, 10.0]))
    tensor([3., 9.])
    """
    y = Tensor(_core.linear(input._array, weight._array, None if bias is None else bias._array))
    saved = (input, weight, None if bias is None else bias.shape)
    return record("linear", y, (input, weight, bias), _linear_rule, saved)


def _linear_input(gy: Tensor, x: Tensor, weight: Tensor, bias_shape) -> Tensor:
    if weight.ndim == 1:
        return matmul(gy.reshape(*gy.shape, 1), weight.reshape(1, -1)).reshape(x.shape)
    return matmul(gy, weight)


def _linear_weight(gy: Tensor, x: Tensor, weight: Tensor, bias_shape) -> Tensor:
    rows, out = _rows(x), 1 if weight.ndim == 1 else weight.shape[0]
    g = matmul(gy.reshape(rows, out).transpose(0, 1), x.reshape(rows, x.shape[-1]))
    return g.reshape(weight.shape)


_linear_rule = (
    _linear_input,
    _linear_weight,
    lambda gy, x, weight, bias_shape: unbroadcast(gy, bias_shape),
)


def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """y[..., o] = sum over i and j of input1[..., i] * weight[o, i, j] * input2[..., j] + bias[o].

    Shapes: input1 [..., I], input2 [..., J] with the same leading dimensions, weight [O, I, J], bias [O].

    >>> one = nc.ones(1)
    >>> nc.nn.functional.bilinear(2 * one, 3 * one, nc.ones(1, 1, 1), one)
    tensor([7.])
    """
    lead = tuple(input1.shape[:-1])
    fits = weight.ndim == 3 and input1.ndim > 0 and input2.ndim > 0 and lead == tuple(input2.shape[:-1])
    if not fits or tuple(weight.shape[1:]) != (input1.shape[-1], input2.shape[-1]):
        raise RuntimeError(
            f"bilinear: expected inputs [..., I] and [..., J] with weight [O, I, J], got {list(input1.shape)}, "
            f"{list(input2.shape)} and {list(weight.shape)}"
        )
    rows = _rows(input1)
    halves = _product(input1.reshape(rows, input1.shape[-1]), weight)  # [O, rows, J]
    y = _product(halves.permute(1, 0, 2), input2.reshape(rows, input2.shape[-1], 1)).reshape(*lead, weight.shape[0])
    return y if bias is None else y + bias.expand(y.shape)


for _operation in (addmm, baddbmm):
    inplace_method(_operation)
