"""What else a module's state can hold, submodules by path, Buffer, and what backward hooks get and say."""

from __future__ import annotations

import copy
from collections import OrderedDict

import numpy as np
import pytest

import nncore as nc


class Counting(nc.nn.Module):
    def __init__(self):
        super().__init__()
        self.steps = 0

    def get_extra_state(self):
        return {"steps": self.steps}

    def set_extra_state(self, state):
        self.steps = state["steps"]


def test_extra_state():
    net = nc.nn.Sequential(Counting(), nc.nn.Linear(1, 1))
    net[0].steps = 5
    state = net.state_dict()
    assert state["0._extra_state"] == {"steps": 5}
    other = nc.nn.Sequential(Counting(), nc.nn.Linear(1, 1))
    other.load_state_dict(state)
    assert other[0].steps == 5
    del state["0._extra_state"]
    with pytest.raises(RuntimeError, match=r'Missing key\(s\) in state_dict: "0._extra_state"'):
        other.load_state_dict(state)
    with pytest.raises(RuntimeError, match=r'Unexpected key\(s\) in state_dict: "_extra_state"'):
        nc.nn.ReLU().load_state_dict({"_extra_state": 1})


def test_state_dict_with_positional_arguments():
    state = OrderedDict()
    with pytest.warns(FutureWarning, match="positional"):
        assert nc.nn.Linear(1, 1).state_dict(state, "a.", True) is state
    assert list(state) == ["a.weight", "a.bias"]
    assert state["a.weight"].requires_grad


def test_hooks_that_replace_the_state():
    net = nc.nn.Linear(1, 1)
    seen = []
    net._register_load_state_dict_pre_hook(lambda state, prefix, *rest: seen.append(prefix))
    net.load_state_dict(net.state_dict())
    assert seen == [""]
    net._register_state_dict_hook(lambda module, state, prefix, metadata: OrderedDict(only=1))
    assert net.state_dict() == {"only": 1}
    wrong = nc.nn.ReLU()
    wrong.register_state_dict_post_hook(lambda *given: {})
    with pytest.raises(RuntimeError, match="must return None"):
        wrong.state_dict()


def test_set_submodule():
    net = nc.nn.Sequential(nc.nn.Sequential(nc.nn.Linear(1, 1)), nc.nn.ReLU())
    net.set_submodule("0.0", nc.nn.Tanh())
    assert isinstance(net[0][0], nc.nn.Tanh)
    net.set_submodule("0.new", nc.nn.ReLU())
    assert len(net[0]) == 2
    for wrong, error in (("", ValueError), ("0.none", AttributeError), ("7.0", AttributeError)):
        with pytest.raises(error):
            net.set_submodule(wrong, nc.nn.ReLU(), strict=True)
    with pytest.raises(ValueError, match="not an nn"):
        net.set_submodule("1", 3)


def test_to_empty():
    net = nc.nn.Linear(3, 2)
    weight = net.weight
    assert net.to_empty(device="cpu").weight is weight
    assert weight.shape == (2, 3)


def test_buffers_by_assignment():
    class Statistics(nc.nn.Module):
        def __init__(self):
            super().__init__()
            self.mean = nc.nn.Buffer(nc.zeros(2))
            self.scratch = nc.nn.Buffer(nc.ones(2), persistent=False)

    made = copy.deepcopy(Statistics()).double()
    assert [name for name, _ in made.named_buffers()] == ["mean", "scratch"]
    assert list(made.state_dict()) == ["mean"]
    assert made.mean.dtype == nc.float64
    assert not list(made.parameters())
    with pytest.raises(TypeError, match="expected data to be a Tensor"):
        nc.nn.Buffer(3)


class Two(nc.nn.Module):
    def forward(self, x, y, factor=None):
        return x * 2, y * 3


@pytest.mark.parametrize(("used", "gx", "gy"), [(0, 2, 0), (1, 0, 3)])
def test_backward_hooks_get_zeros_for_what_was_not_used(used, gx, gy):
    module, seen = Two(), []
    module.register_full_backward_hook(lambda m, gi, go: seen.append((gi, go)))
    x, y = (nc.ones(2, requires_grad=True) for _ in range(2))
    module(x, y, 3)[used].sum().backward()
    ((grad_input, grad_output),) = seen
    np.testing.assert_array_equal(grad_input[0].numpy(), gx)
    np.testing.assert_array_equal(grad_input[1].numpy(), gy)
    assert grad_input[2] is None
    assert grad_output[1 - used] is None
    np.testing.assert_array_equal(x.grad.numpy(), gx)


def test_backward_hooks_say_when_they_cannot_do_their_work():
    class Named(nc.nn.Module):
        def forward(self, x):
            return {"y": x}

    module = Named()
    module.register_full_backward_hook(lambda *given: None)
    with pytest.warns(UserWarning, match="should be a Tensor or a tuple of Tensors"):
        module(nc.ones(1, requires_grad=True))
    layer = nc.nn.Linear(1, 1)
    layer.register_full_backward_hook(lambda *given: None)
    y = layer(nc.ones(1))
    with pytest.warns(UserWarning, match="no inputs require gradients"):
        y.backward()


def test_parameter_dict_prints_the_kind_of_tensor():
    table = nc.nn.ParameterDict({"a": nc.ones(2), "b": nc.ones(1, dtype=nc.float64)})
    assert repr(table).splitlines()[1:3] == [
        "    (a): Parameter containing: [nncore.FloatTensor of size 2]",
        "    (b): Parameter containing: [nncore.DoubleTensor of size 1]",
    ]
