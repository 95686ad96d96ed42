"""How tensors print."""

import numpy as np
import pytest

import nncore as nc


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (np.array([1, 2.5], "f"), "tensor([1.0000, 2.5000])"),
        (np.array([1, 2, np.nan], "f"), "tensor([1., 2., nan])"),
        (np.array([100000, 2], "f"), "tensor([1.0000e+05, 2.0000e+00])"),
        (np.array([1e-5, 1], "f"), "tensor([1.0000e-05, 1.0000e+00])"),
        (np.array([np.inf, -1.5]), "tensor([    inf, -1.5000], dtype=nncore.float64)"),
        (np.array(3.5, "f"), "tensor(3.5000)"),
        (np.array([[True, False]]), "tensor([[ True, False]])"),
        (np.zeros((0, 3), "f"), "tensor([], size=(0, 3))"),
        (np.arange(3, dtype="uint8"), "tensor([0, 1, 2], dtype=nncore.uint8)"),
        (np.arange(1001), "tensor([   0,    1,    2,  ...,  998,  999, 1000])"),
        (np.eye(2, dtype="f"), "tensor([[1., 0.],\n        [0., 1.]])"),
    ],
)
def test_repr(values, text):
    assert repr(nc.from_numpy(values)) == text


def test_repr_says_what_the_tape_does():
    x = nc.tensor([1.0], requires_grad=True)
    assert repr(x) == "tensor([1.], requires_grad=True)"
    assert repr(x * 2) == "tensor([2.], grad_fn=<mul>)"
    assert repr(nc.nn.Parameter(nc.ones(1))) == "Parameter containing:\ntensor([1.], requires_grad=True)"
