"""What is no tensor where one is needed gets a TypeError that names the operation, for every public operation."""

from __future__ import annotations

import inspect
import pickle

import numpy as np
import pytest

import nncore as nc
from test_catalogue import public_operations

NO_TENSORS = [None, "text", [1.0], {}, object(), 3 + 0j, b"bytes", np.zeros(2)]

# What is given for the parameters that are not at issue: enough to get as far as the one that is.
OTHERS = {"dim": 0, "dims": 0, "mask": nc.tensor([[True, False], [False, True]]), "index": nc.tensor([0, 1])}

# Not about tensors, or about anything that NumPy understands.
FREE = {"broadcast_shapes", "from_dlpack", "is_tensor", "tensor", "as_tensor"}


def tensors_of(function) -> list[tuple[str, bool]]:
    """The required parameters, each with whether only a tensor will do."""
    parameters = [p for p in inspect.signature(function).parameters.values() if p.default is p.empty]
    return [(p.name, p.annotation == "Tensor") for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]


CALLS = [
    (name, place)
    for name, function in sorted(public_operations().items())
    if name not in FREE
    for place, (_, only) in enumerate(tensors_of(function))
    if only
]


@pytest.mark.filterwarnings("ignore:Implicit dimension")
@pytest.mark.parametrize(("name", "place"), CALLS)
@pytest.mark.parametrize("value", NO_TENSORS, ids=lambda v: type(v).__name__)
def test_no_tensor(name, place, value):
    function = public_operations()[name]
    arguments = [OTHERS.get(parameter, nc.ones(2, 2)) for parameter, _ in tensors_of(function)]
    arguments[place] = value
    if isinstance(value, np.ndarray) and accepts(function, arguments):
        return  # NumPy arrays are operands of arithmetic
    # RuntimeError and its like: another argument did not fit, and was noticed first.
    with pytest.raises((TypeError, RuntimeError, ValueError, IndexError, AssertionError)) as caught:
        function(*arguments)
    assert str(caught.value)
    if isinstance(caught.value.__cause__, AttributeError):
        assert type(caught.value) is TypeError
        assert name.rstrip("_") in str(caught.value) or "expected a tensor" in str(caught.value)


def accepts(function, arguments: list) -> bool:
    try:
        function(*arguments)
    except (TypeError, RuntimeError, ValueError, IndexError, AssertionError):
        return False
    return True


@pytest.mark.parametrize("value", [None, "text", [1.0], 3 + 0j, object()], ids=lambda v: type(v).__name__)
@pytest.mark.parametrize("method", ["matmul", "expand_as", "view_as", "type_as", "where", "copy_", "masked_fill"])
def test_methods(method, value):
    arguments = {"where": (value, nc.ones(2, 2)), "masked_fill": (value, 0.0)}.get(method, (value,))
    with pytest.raises(TypeError):
        getattr(nc.ones(2, 2), method)(*arguments)
    with pytest.raises(TypeError):
        nc.ones(2, 2) @ value
    with pytest.raises(TypeError):
        nc.ones(2, 2) + value


def test_message():
    with pytest.raises(TypeError, match=r"^matmul: expected a tensor, got NoneType$"):
        nc.matmul(nc.ones(2, 2), None)
    with pytest.raises(TypeError, match=r"^mse_loss: expected a tensor, got ndarray$"):
        nc.nn.functional.mse_loss(np.zeros(2), np.zeros(2))


def test_other_attribute_errors_stay():
    class Broken(nc.Tensor):
        @property
        def ndim(self):
            raise AttributeError("of the user's own")

    with pytest.raises(AttributeError, match="user's own"):
        nc.flatten(Broken(nc.ones(2)._array))


def test_operations_are_one_function_under_all_their_names_and_can_be_pickled():
    assert nc.relu is nc.nn.functional.relu
    assert nc.concat is nc.cat
    for name in ("relu", "matmul", "cat"):
        assert pickle.loads(pickle.dumps(getattr(nc, name))) is getattr(nc, name)
    assert pickle.loads(pickle.dumps(nc.nn.functional.mse_loss)) is nc.nn.functional.mse_loss
