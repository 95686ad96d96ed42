"""Module: registration, walking, state, modes, hooks, printing, copies."""

import copy
import pickle
from collections import OrderedDict

import numpy as np
import pytest

import nncore as nc
from nncore import nn


class Affine(nn.Module):
    """A small layer with a parameter, a buffer and a buffer that is not saved."""

    def __init__(self, size=2):
        super().__init__()
        self.size = size
        self.weight = nn.Parameter(nc.ones(size))
        self.register_buffer("shift", nc.zeros(size))
        self.register_buffer("cache", nc.ones(1), persistent=False)

    def forward(self, x, scale=1.0):
        return (x * self.weight + self.shift) * scale

    def extra_repr(self):
        return f"size={self.size}"


class Net(nn.Module):
    """Layers inside of layers, one of them shared."""

    def __init__(self):
        super().__init__()
        self.first = Affine()
        self.body = nn.Sequential(Affine(), Affine())
        self.again = self.first

    def forward(self, x):
        return self.body(self.first(x))


def names(pairs):
    return [name for name, _ in pairs]


def test_registration():
    module = Affine()
    assert names(module.named_parameters()) == ["weight"]
    assert names(module.named_buffers()) == ["shift", "cache"]
    assert "weight" in dir(module)
    module.plain = 3
    assert module.__dict__["plain"] == 3
    module.weight = None
    assert list(module.parameters()) == []
    module.weight = nn.Parameter(nc.zeros(3))
    assert module.weight.shape == (3,)
    module.shift = nc.ones(5)
    assert names(module.named_buffers()) == ["shift", "cache"]
    module.plain = nn.Parameter(nc.ones(1))
    assert names(module.named_parameters()) == ["weight", "plain"]
    del module.weight, module.shift, module.plain
    assert names(module.named_parameters()) == []
    with pytest.raises(AttributeError, match="'Affine' object has no attribute 'weight'"):
        _ = module.weight
    del module.cache
    assert module._non_persistent_buffers_set == set()


def test_walking():
    net = Net()
    assert names(net.named_modules()) == ["", "first", "body", "body.0", "body.1"]
    assert names(net.named_modules(remove_duplicate=False)) == ["", "first", "body", "body.0", "body.1", "again"]
    assert names(net.named_children()) == ["first", "body"]
    assert names(net.named_parameters()) == ["first.weight", "body.0.weight", "body.1.weight"]
    assert names(net.named_parameters(prefix="net", recurse=True))[0] == "net.first.weight"
    assert names(net.named_parameters(recurse=False)) == []
    assert "again.weight" in names(net.named_parameters(remove_duplicate=False))
    assert len(list(net.modules())) == 5
    assert len(list(net.buffers())) == 6
    assert net.get_submodule("body.1") is net.body[1]
    assert net.get_submodule("") is net
    assert net.get_parameter("body.1.weight") is net.body[1].weight
    assert net.get_buffer("first.shift") is net.first.shift
    seen = []
    assert net.apply(seen.append) is net
    assert seen[-1] is net
    assert len(seen) == 5


def test_modes():
    net = Net()
    assert net.training
    assert net.eval() is net
    assert not any(m.training for m in net.modules())
    assert net.train().body[0].training
    net.requires_grad_(False)
    assert not any(p.requires_grad for p in net.parameters())
    for p in net.requires_grad_().parameters():
        p.grad = nc.ones(2)
    net.zero_grad(set_to_none=False)
    assert all((p.grad.numpy() == 0).all() for p in net.parameters())
    net.zero_grad()
    assert all(p.grad is None for p in net.parameters())


def test_conversions_keep_the_parameters():
    net = Net()
    net.register_buffer("count", nc.tensor([3]))
    before = list(net.parameters())
    before[0].grad = nc.ones(2)
    assert net.double() is net
    assert all(a is b for a, b in zip(before, net.parameters(), strict=True))
    assert {t.dtype for t in [*before, net.first.shift, before[0].grad]} == {nc.float64}
    assert net.count.dtype == nc.int64
    assert net.to(nc.float32).first.weight.dtype == nc.float32
    assert net.to("cpu", nc.float64).first.weight.dtype == nc.float64
    assert net.to(nc.ones(1)).first.weight.dtype == nc.float32
    assert net.float().cpu().first.weight.dtype == nc.float32
    assert net.type(nc.float64).count.dtype == nc.float64
    assert all(p.requires_grad and p.is_leaf for p in before)


def test_state_dict():
    net = Net()
    state = net.state_dict()
    assert isinstance(state, OrderedDict)
    keys = [f"{m}.{t}" for m in ("first", "body.0", "body.1", "again") for t in ("weight", "shift")]
    assert list(state) == keys
    assert not state["first.weight"].requires_grad
    assert net.state_dict(keep_vars=True)["first.weight"] is net.first.weight
    assert next(iter(net.state_dict(prefix="net."))) == "net.first.weight"
    state["body.1.weight"].numpy()[:] = 7  # shares memory
    assert net.body[1].weight.tolist() == [7, 7]

    other = Net()
    weight = other.body[1].weight
    result = other.load_state_dict(state)
    assert str(result) == "<All keys matched successfully>"
    assert other.body[1].weight is weight
    assert weight.tolist() == [7, 7]
    assert weight.requires_grad


def test_load_state_dict_problems():
    net = Net()
    state = net.state_dict()
    del state["body.0.weight"]
    state["body.2.weight"] = nc.ones(1)
    state["extra"] = nc.ones(1)
    result = net.load_state_dict(state, strict=False)
    assert result.missing_keys == ["body.0.weight"]
    assert result.unexpected_keys == ["extra", "body.2.weight"]
    state["first.shift"] = nc.ones(3)
    with pytest.raises(RuntimeError) as caught:
        net.load_state_dict(state)
    assert str(caught.value) == (
        "Error(s) in loading state_dict for Net:\n"
        '\tMissing key(s) in state_dict: "body.0.weight". \n'
        '\tUnexpected key(s) in state_dict: "extra", "body.2.weight". \n'
        "\tsize mismatch for first.shift: copying a param with shape nncore.Size([3]) from checkpoint, the shape in "
        "current model is nncore.Size([2])."
    )
    with pytest.raises(RuntimeError, match=r"size mismatch for first.shift"):
        net.load_state_dict(state, strict=False)
    with pytest.raises(TypeError, match="Expected state_dict to be dict-like, got <class 'int'>"):
        net.load_state_dict(3)
    with pytest.raises(RuntimeError, match=r'While copying the parameter named "weight", expected nncore.Tensor'):
        Affine().load_state_dict({"weight": 3, "shift": nc.ones(2)})


def test_load_state_dict_assign():
    module, weight = Affine().requires_grad_(False), nc.full((2,), 5.0, dtype=nc.float64)
    module.load_state_dict({"weight": weight, "shift": nc.ones(2)}, assign=True)
    assert isinstance(module.weight, nn.Parameter)
    assert module.weight.dtype == nc.float64
    assert module.weight.data_ptr() == weight.data_ptr()
    assert not module.weight.requires_grad


def test_state_dict_hooks():
    module = Affine()
    pre = module.register_load_state_dict_pre_hook(lambda m, state, prefix, *rest: state.pop("old", None))
    module.load_state_dict({**module.state_dict(), "old": nc.ones(1)})
    pre.remove()
    module.register_load_state_dict_post_hook(lambda m, keys: keys.missing_keys.clear())
    module.load_state_dict({"shift": nc.ones(2)})
    module.register_state_dict_post_hook(lambda m, state, prefix, meta: state.update(more=1))
    module.register_state_dict_pre_hook(lambda m, prefix, keep_vars: setattr(m, "saved", True))
    assert module.state_dict()["more"] == 1
    assert module.saved


def test_containers():
    a, b, c = Affine(), Affine(), Affine()
    chain = nn.Sequential(OrderedDict(a=a, b=b))
    assert (chain.a, chain[0], chain[-1], len(chain)) == (a, a, b, 2)
    assert names(chain[1:].named_children()) == ["b"]
    assert list(nn.Sequential(a).append(b).extend([c])) == [a, b, c]
    assert list(nn.Sequential(a, b) + nn.Sequential(c)) == [a, b, c]
    chain = nn.Sequential(a, b).insert(1, c)
    assert list(chain) == [a, c, b]
    assert chain.pop(1) is c
    assert list(chain) == [a, b]
    chain[0] = c
    del chain[1]
    assert list(chain) == [c]
    assert len(nn.Sequential(a, b) * 2) == 4

    items = nn.ModuleList([a]) + nn.ModuleList([b])
    items += [c]
    items.insert(0, c)
    assert list(items) == [c, a, b, c]
    assert list(items[1:3]) == [a, b]
    assert items.pop(0) is c
    del items[-1]
    items[1] = c
    assert list(items) == [a, c]
    assert names(items.named_parameters()) == ["0.weight", "1.weight"]

    table = nn.ModuleDict({"x": a, "y": b})
    table["z"] = c
    assert list(table) == ["x", "y", "z"]
    assert (table.pop("y"), "y" in table, len(table)) == (b, False, 2)
    assert list(table.values()) == [a, c]
    table.update([("w", b)])
    del table["x"]
    assert list(table.items()) == [("z", c), ("w", b)]
    table.clear()
    assert len(table) == 0


def test_parameter_containers():
    items = nn.ParameterList([nc.ones(2), nn.Parameter(nc.zeros(3)), 5])
    items.append(nc.ones(1))
    assert all(isinstance(p, nn.Parameter) for p in items.parameters())
    assert names(items.named_parameters()) == ["0", "1", "3"]
    assert items[2] == 5
    assert items.pop(0).shape == (2,)
    assert [getattr(v, "shape", v) for v in items] == [(3,), 5, (1,)]
    items += [nc.ones(4)]
    assert len(items[1:]) == 3

    table = nn.ParameterDict({"b": nc.ones(1), "a": nc.ones(2)})
    assert list(table.keys()) == ["a", "b"]
    assert table.setdefault("c", nc.ones(3)).shape == (3,)
    assert (table.get("d"), "a" in table, len(table | {"e": 3})) == (None, True, 4)
    assert table.popitem()[0] == "c"
    del table["a"]
    assert [k for k, _ in table.items()] == ["b"]


def test_repr():
    assert repr(Net()) == (
        "Net(\n  (first): Affine(size=2)\n  (body): Sequential(\n    (0): Affine(size=2)\n    (1): Affine(size=2)\n"
        "  )\n  (again): Affine(size=2)\n)"
    )
    assert repr(nn.Module()) == "Module()"
    assert repr(nn.ModuleList([Affine(1), Affine(2), Affine(2)])) == (
        "ModuleList(\n  (0): Affine(size=1)\n  (1-2): 2 x Affine(size=2)\n)"
    )
    assert repr(nn.ParameterList([nc.ones(2, 3), 1])) == (
        "ParameterList(\n    (0): Parameter containing: [nncore.float32 of size 2x3]\n    (1): Object of type: int\n)"
    )
    assert repr(nn.Parameter(nc.ones(2))) == "Parameter containing:\ntensor([1., 1.], requires_grad=True)"


def test_copies():
    net = Net()
    for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert other.first is other.again
        assert other.first.weight is not net.first.weight
        assert isinstance(other.first.weight, nn.Parameter)
        assert names(other.named_parameters()) == names(net.named_parameters())
        np.testing.assert_array_equal(other.first.weight.detach().numpy(), net.first.weight.detach().numpy())
    assert list(net.first.state_dict()) == ["weight", "shift"]


def test_parameter():
    data = nc.ones(2)
    param = nn.Parameter(data, requires_grad=False)
    assert isinstance(param, nc.Tensor)
    assert param.data_ptr() == data.data_ptr()
    assert not param.requires_grad
    assert nn.Parameter().shape == (0,)
    assert nn.Parameter(data).is_leaf
    clone = copy.deepcopy(nn.Parameter(data))
    assert isinstance(clone, nn.Parameter)
    assert clone.requires_grad
    with pytest.raises(RuntimeError, match="floating point"):
        nn.Parameter(nc.tensor([1]))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda m: setattr(m, "weight", nc.ones(2)), TypeError, "as parameter 'weight' .*Parameter or None expected"),
        (lambda m: setattr(m, "shift", 3), TypeError, "cannot assign 'int' as buffer 'shift'"),
        (lambda m: setattr(nn.Sequential(m), "0", 3), TypeError, "cannot assign 'int' as child module '0'"),
        (lambda m: m.register_parameter("training", None), KeyError, "attribute 'training' already exists"),
        (lambda m: m.register_parameter("a.b", None), KeyError, "parameter name can.* contain"),
        (lambda m: m.register_parameter("", None), KeyError, "parameter name can.* be empty string"),
        (lambda m: m.register_parameter(3, None), TypeError, "parameter name should be a string. Got int"),
        (lambda m: m.register_parameter("q", nc.ones(2)), TypeError, "object to parameter 'q'"),
        (lambda m: m.register_buffer("b", 3), TypeError, "cannot assign 'int' object to buffer 'b'"),
        (lambda m: m.register_buffer("weight", None), KeyError, "attribute 'weight' already exists"),
        (lambda m: m.add_module("weight", nn.Module()), KeyError, "attribute 'weight' already exists"),
        (lambda m: m.add_module("a.b", nn.Module()), KeyError, 'module name can.* contain ".", got: a.b'),
        (lambda m: m.add_module("a", 3), TypeError, "int is not a Module subclass"),
        (lambda m: m.get_submodule("a.b"), AttributeError, "Affine has no attribute `a`"),
        (lambda m: m.get_submodule("weight"), AttributeError, "`weight` is not an nn.Module"),
        (lambda m: m.get_parameter("shift"), AttributeError, "`shift` is not an nn.Parameter"),
        (lambda m: m.get_buffer("weight"), AttributeError, "`weight` is not a buffer"),
        (lambda m: m.to(nc.int32), TypeError, "only accepts floating point"),
        (lambda m: m.train(3), ValueError, "training mode is expected to be boolean"),
        (lambda m: nn.Module()(3), NotImplementedError, 'Module .Module. is missing the required "forward" function'),
        (lambda m: nn.Sequential(m)[3], IndexError, "index 3 is out of range"),
        (lambda m: nn.ModuleList([m])[-2], IndexError, "index -2 is out of range"),
        (lambda m: nn.ModuleList(3), TypeError, "should be called with an iterable, but got int"),
        (lambda m: nn.ModuleDict([3]), TypeError, "update sequence element #0 should be Iterable; isint"),
        (lambda m: nn.ModuleDict([(1, 2, 3)]), ValueError, "element #0 has length 3; 2 is required"),
        (lambda m: nn.Sequential(m) * 0, ValueError, "Non-positive multiplication factor 0"),
        (lambda m: nn.Sequential(m) + 3, ValueError, "add operator supports only objects of Sequential class"),
        (lambda m: nn.ParameterList([])(3), RuntimeError, "ParameterList should not be called"),
        (lambda m: nn.Parameter(3), TypeError, "expected data to be a Tensor, got int"),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call(Affine())


def test_before_init():
    class Early(nn.Module):
        def __init__(self, value):
            self.value = value

    for value, what in ((nn.Parameter(nc.ones(1)), "parameters"), (Affine(), "module")):
        with pytest.raises(AttributeError, match=f"cannot assign {what} before Module.__init__.. call"):
            Early(value)
