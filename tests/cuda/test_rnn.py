"""Recurrent layers on CUDA beside the same on the CPU. The rest: tests/test_ops.py --device cuda."""

import numpy as np
import pytest

import nncore as nc

pytestmark = pytest.mark.skipif(not nc.cuda.is_available(), reason="there is no GPU")

RUN = {"tanh": 1, "relu": 1, "lstm": 4, "gru": 3}


def arrays(mode, steps, batch, inputs, units, dtype):
    random = np.random.default_rng(steps * batch + units)
    width = RUN[mode] * units
    shapes = {"x": (steps, batch, inputs), "h0": (batch, units), "c0": (batch, units), "w_ih": (width, inputs)}
    shapes |= {"w_hh": (width, units), "b_ih": (width,), "b_hh": (width,)}
    values = {name: (random.standard_normal(shape) * shape[-1] ** -0.5).astype(dtype) for name, shape in shapes.items()}
    return values if mode == "lstm" else values | {"c0": None}


def forward_and_back(mode, values, device, reverse, biases, lengths=None):
    """All that one layer computes, and what its backward pass makes of it, from the native calls alone."""
    values = values if biases else values | {"b_ih": None, "b_hh": None}
    given = [None if v is None else nc.tensor(v, device=device)._array for v in values.values()]
    where = None if lengths is None else nc.tensor(lengths, device=device)._array
    y, h_n, c_n, *kept = nc._core.rnn_forward(mode, *given, where, reverse)
    gc_n = None if c_n is None else h_n
    results = [y, h_n, c_n, *kept]
    for gy, gh, wants_gh0 in ((y, h_n, True), (None, h_n, True), (y, None, True), (y, h_n, False)):
        results += nc._core.rnn_backward(mode, gy, gh, gc_n, given[4], *kept, where, reverse, wants_gh0)
    return [None if r is None else nc.Tensor(r).cpu().numpy() for r in results]


@pytest.mark.parametrize("mode", RUN)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("steps", "batch", "inputs", "units"), [(1, 1, 1, 1), (5, 3, 4, 7), (3, 0, 2, 3), (2, 70, 3, 65), (3, 2, 1, 257)]
)
def test_as_on_the_cpu(mode, dtype, steps, batch, inputs, units):
    values = arrays(mode, steps, batch, inputs, units, dtype)
    rtol, atol = (2e-5, 2e-5) if dtype == "float32" else (1e-11, 1e-11)
    for reverse, biases in ((False, True), (True, False)):
        expected = forward_and_back(mode, values, "cpu", reverse, biases)
        got = forward_and_back(mode, values, "cuda", reverse, biases)
        for g, e in zip(got, expected, strict=True):
            if e is None:
                assert g is None
            else:
                np.testing.assert_allclose(g, e, rtol=rtol, atol=atol)


def test_same_bits_again():
    values = arrays("lstm", 4, 3, 5, 33, "float32")
    first, second = (forward_and_back("lstm", values, "cuda", False, True) for _ in range(2))
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)
