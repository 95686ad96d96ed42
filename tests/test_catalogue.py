"""An operation that is in no case table does not exist."""

from __future__ import annotations

import inspect
import types

import nncore as nc
from op_cases import all_cases


def public_operations() -> dict[str, types.FunctionType]:
    """The functions of nncore.ops under their public names."""
    found = {}
    for place in (nc, nc.nn.functional, nc.linalg):
        for name, value in vars(place).items():
            module = getattr(inspect.unwrap(value), "__module__", None) or "" if callable(value) else ""
            if isinstance(value, types.FunctionType) and not name.startswith("_") and module.startswith("nncore.ops."):
                found[name] = value
    return found


def covered() -> set:
    """The functions that a case calls, and the names of the cases."""
    return {case.function for case in all_cases()} | {case.name for case in all_cases()}


def test_every_public_operation_has_a_case():
    known = covered()
    missing = [n for n, f in public_operations().items() if f not in known and n not in known]
    assert sorted(set(missing) - ELSEWHERE.keys()) == []


def test_the_list_of_exceptions_is_not_longer_than_needed():
    known = covered()
    operations = public_operations()
    stale = [n for n in ELSEWHERE if n not in operations or n in known or operations[n] in known]
    assert stale == []


RANDOM = "draws random numbers: tests/test_random.py"
INPLACE = "the activation in place: tests/test_random_activation.py"
CREATION = "makes tensors from values: tests/test_interop.py and the examples in its docstring"
STATE = "reads or sets a state and computes nothing"

ELSEWHERE = {
    **dict.fromkeys(
        ["alpha_dropout", "dropout", "dropout1d", "dropout2d", "dropout3d", "feature_alpha_dropout"], RANDOM
    ),
    **dict.fromkeys(["gumbel_softmax", "rrelu", "rrelu_"], "draws random numbers: tests/test_random_activation.py"),
    **dict.fromkeys(["celu_", "elu_", "hardtanh_", "leaky_relu_", "relu_", "selu_", "threshold_"], INPLACE),
    "gradient_penalty": "draws random numbers: tests/test_divergence.py",
    **dict.fromkeys(["bernoulli", "multinomial", "normal", "rand", "rand_like", "randint", "randint_like"], RANDOM),
    **dict.fromkeys(["randn", "randn_like", "randperm"], RANDOM),
    **dict.fromkeys(["arange", "as_tensor", "empty", "empty_like", "eye", "from_dlpack", "from_numpy"], CREATION),
    **dict.fromkeys(["full", "full_like", "linspace", "ones", "ones_like", "tensor", "zeros", "zeros_like"], CREATION),
    **dict.fromkeys(["get_default_dtype", "set_default_dtype", "get_rng_state", "set_rng_state"], STATE),
    **dict.fromkeys(["initial_seed", "manual_seed", "seed", "is_tensor", "broadcast_shapes"], STATE),
    "concat": "cat under another name",
    "concatenate": "cat under another name",
    "norm": "linalg.vector_norm and matrix_norm under their former name: tests/peer/calls.txt",
    "index_put": "x[...] = y: tests/test_inplace_views.py and tests/peer/calls.txt",
}
