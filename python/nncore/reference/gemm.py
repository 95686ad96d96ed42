"""Matrix products, summed in float64 and rounded once; integers wrap around."""

import numpy as np


def matmul(a, b):
    if a.dtype.kind in "iu":
        return np.asarray(np.matmul(a.astype(np.int64), b.astype(np.int64))).astype(a.dtype)
    return np.asarray(np.matmul(a.astype(np.float64), b.astype(np.float64))).astype(a.dtype)


mm = bmm = mv = dot = matmul


def outer(a, b):
    return matmul(a[:, None], b[None, :])


def addmm(c, a, b, *, beta=1, alpha=1):
    product = alpha * np.matmul(a.astype(np.float64), b.astype(np.float64))
    return (product if beta == 0 else product + beta * c.astype(np.float64)).astype(a.dtype)


baddbmm = addmm


def linear(x, weight, bias=None):
    y = np.matmul(x.astype(np.float64), weight.astype(np.float64).T)
    return np.asarray(y if bias is None else y + bias).astype(x.dtype)


def bilinear(x1, x2, weight, bias=None):
    wide = [x.astype(np.float64) for x in (x1, weight, x2)]
    y = np.einsum("...i,oij,...j->...o", *wide)
    return (y if bias is None else y + bias).astype(x1.dtype)
