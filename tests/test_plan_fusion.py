"""What plans join (csrc/core/plan_fuse.cpp): each fusion happens where it should, and changes no bit."""

import copy

import numpy as np
import pytest

import nncore as nc
from nncore import nn
from nncore.nn import functional as F


def kernels(function, *args, monkeypatch, fuse):
    """The kernels of the plan, and the bits of the results of five calls, the state of the generator put back."""
    monkeypatch.setenv("NNCORE_FUSE", fuse)
    run = nc.capture(function)
    found = []
    for _ in range(5):
        result = run(*args)
        found += [t.numpy(force=True).tobytes() for t in (result if isinstance(result, tuple) else (result,))]
    (plan,) = run.plans
    return [row.kernel for row in plan.launches()], found


def fused(function, *args, monkeypatch, restore=lambda: None):
    """The kernels without and with fusion; results are equal to the last bit, and to those of running the function."""
    restore()
    plain = [function(*args) for _ in range(5)]
    plain = [t.numpy(force=True).tobytes() for r in plain for t in (r if isinstance(r, tuple) else (r,))]
    restore()
    apart, first = kernels(function, *args, monkeypatch=monkeypatch, fuse="0")
    restore()
    joined, second = kernels(function, *args, monkeypatch=monkeypatch, fuse="1")
    assert first == plain
    assert second == plain
    return apart, joined


SPECIAL = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-42, -3.0, 5.0], np.float32)


def special(count):
    values = np.random.default_rng(0).standard_normal(count).astype(np.float32)
    values[: len(SPECIAL)] = SPECIAL[:count]
    return nc.from_numpy(values)


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("bias", [True, False])
def test_relu_joins_the_product_before_it(bias, device, monkeypatch):
    layer = nn.Linear(8, 16, bias=bias).to(device)
    x = nc.randn(5, 8, device=device)
    x[0, 0] = float("nan")
    with nc.no_grad():
        apart, joined = fused(lambda x: F.relu(layer(x)), x, monkeypatch=monkeypatch)
    assert apart == ["gemm", "relu"]
    assert joined == ["gemm + relu"]


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("shape", [(1, 3), (3, 5), (17, 40), (64, 64)])
def test_the_epilogue_keeps_the_sign_of_zero(shape, device, monkeypatch):
    """A negative number too small for the format is -0, and relu leaves -0 as it is."""
    x, w = nc.full((shape[0], 4), 1e-30, device=device), nc.full((4, shape[1]), -1e-30, device=device)
    _, joined = fused(lambda x: F.relu(x @ w), x, monkeypatch=monkeypatch)
    assert joined == ["gemm + relu"]


CONVOLUTIONS = {
    "1-D": (nn.Conv1d(3, 5, 3, padding=1), (2, 3, 17)),
    "2-D": (nn.Conv2d(3, 20, 3, padding=1), (2, 3, 19, 17)),
    "3-D": (nn.Conv3d(2, 3, 2), (2, 2, 5, 6, 7)),
    "strided": (nn.Conv2d(4, 6, 5, stride=2, padding=2, bias=False), (3, 4, 12, 31)),
    "dilated": (nn.Conv2d(4, 6, 3, dilation=2), (3, 4, 12, 14)),
    "1 by 1": (nn.Conv2d(32, 40, 1), (2, 32, 7, 7)),
    "grouped": (nn.Conv2d(8, 8, 3, groups=2), (2, 8, 9, 9)),
    "depthwise 3 by 3": (nn.Conv2d(8, 8, 3, padding=1, groups=8), (2, 8, 14, 14)),
    "depthwise strided": (nn.Conv2d(8, 8, 3, padding=1, stride=2, groups=8), (2, 8, 14, 14)),
    "depthwise 5 by 5": (nn.Conv2d(8, 8, 5, groups=8), (2, 8, 33, 50)),
    "many channels": (nn.Conv2d(64, 64, 3, padding=1), (4, 64, 8, 8)),
    "nothing to sum": (nn.Conv2d(2, 3, 3, padding=2), (2, 2, 0, 4)),
}


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("name", CONVOLUTIONS)
@pytest.mark.parametrize("dtype", [nc.float32, nc.float64])
def test_relu_joins_the_convolution_before_it(name, dtype, device, monkeypatch):
    layer, shape = CONVOLUTIONS[name]
    layer = copy.deepcopy(layer).to(device, dtype)
    if layer.bias is not None:
        layer.bias.data[0] = -1.0
    x = nc.randn(*shape, dtype=dtype, device=device)
    if x.numel():
        x.view(-1)[0] = float("nan")
    with nc.no_grad():
        apart, joined = fused(lambda x: F.relu(layer(x)), x, monkeypatch=monkeypatch)
        assert apart == ["conv_forward", "relu"]
        assert joined == ["conv_forward + relu"]
        # Of a strided input there is a contiguous copy, whose memory relu's result may take over: then they stay apart.
        strided = x.transpose(0, 1).contiguous().transpose(0, 1)
        fused(lambda x: F.relu(layer(x)), strided, monkeypatch=monkeypatch)


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("name", [name for name in CONVOLUTIONS if name != "nothing to sum"])
def test_the_epilogue_of_a_convolution_keeps_the_sign_of_zero(name, device, monkeypatch):
    layer, shape = copy.deepcopy(CONVOLUTIONS[name])
    layer.to(device)
    layer.weight.data.fill_(-1e-30)
    if layer.bias is not None:
        layer.bias.data.fill_(-0.0)
    with nc.no_grad():
        _, joined = fused(lambda x: F.relu(layer(x)), nc.full(shape, 1e-30, device=device), monkeypatch=monkeypatch)
    assert joined == ["conv_forward + relu"]


def test_relu_stays_where_the_convolution_is_needed(monkeypatch):
    layer, shape = CONVOLUTIONS["2-D"]

    def both(x):
        y = layer(x)
        return F.relu(y), y.sum()

    with nc.no_grad():
        apart, joined = fused(both, nc.randn(*shape), monkeypatch=monkeypatch)
    assert apart == joined


def test_relu_stays_where_the_product_is_needed(monkeypatch):
    layer = nn.Linear(8, 16)

    def both(x):
        y = layer(x)
        return F.relu(y), y + 1

    with nc.no_grad():
        apart, joined = fused(both, nc.randn(5, 8), monkeypatch=monkeypatch)
    assert apart == joined == ["gemm", "relu", "add"]


def test_relu_stays_where_the_product_is_a_result(monkeypatch):
    layer = nn.Linear(8, 16)

    def both(x):
        y = layer(x)
        return y, F.relu(y)

    with nc.no_grad():
        apart, joined = fused(both, nc.randn(5, 8), monkeypatch=monkeypatch)
    assert apart == joined == ["gemm", "relu"]


def test_relu_stays_where_the_product_s_own_input_lies_in_the_way(monkeypatch):
    """relu's result takes the memory of the product's input, which the product still reads."""
    square = nc.randn(16, 16)

    def run(x):
        a = x + 1
        y = a @ square
        del a
        return F.relu(y).sum()

    fused(run, nc.randn(16, 16), monkeypatch=monkeypatch)


def test_elementwise_steps_become_one_pass(monkeypatch):
    def run(x, y):
        z = (x * y + 2).tanh()
        return nc.where(z > 0, z - x, z.exp()).sigmoid()

    apart, joined = fused(run, special(20001), special(20001).flip(0), monkeypatch=monkeypatch)
    assert len(apart) == 8
    assert joined == [" + ".join(apart)]


@pytest.mark.parametrize("count", [8192, 12289, 40000, 123457])
@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.usefixtures("isa")
def test_passes_have_the_same_bits_for_any_length_and_number_of_threads(count, threads, monkeypatch):
    before = nc.get_num_threads()
    nc.set_num_threads(threads)
    try:
        apart, joined = fused(
            lambda x: (x.exp().log1p() * 2, (x < 1) & (x > -1)), special(count), monkeypatch=monkeypatch
        )
        assert len(joined) < len(apart)
    finally:
        nc.set_num_threads(before)


def test_integers_and_casts_take_part(monkeypatch):
    x = nc.from_numpy(np.arange(-9000, 9001))
    apart, joined = fused(lambda x: ((x * 3) % 7).to(nc.float32) / 2, x, monkeypatch=monkeypatch)
    assert len(joined) < len(apart)


def test_steps_on_other_layouts_stay_apart(monkeypatch):
    x = nc.randn(120, 120)
    _, joined = fused(lambda x: (x + x.T).exp() * x[:, :1], x, monkeypatch=monkeypatch)
    assert joined[0] == "add"  # of a transposed operand


def test_results_and_memory_in_place(monkeypatch):
    w = nc.zeros(20000)

    def restore():
        w.fill_(0.5)

    def run(x):
        w.mul_(0.9).add_(x)
        return w * 1

    apart, joined = fused(run, special(20000), monkeypatch=monkeypatch, restore=restore)
    assert len(joined) < len(apart)


def test_a_step_that_reads_neighbours_of_what_was_written_stays_apart(device, monkeypatch):
    y = nc.zeros(20001, device=device)

    def run(x):
        y[:20000].copy_(x).mul_(2)
        return y[1:] + 1

    x = special(20000).to(device)
    _, joined = fused(run, x, monkeypatch=monkeypatch, restore=lambda: y.fill_(1))
    assert joined[-1] == "add"


def test_a_result_that_takes_over_memory_of_the_run_joins_it(device, monkeypatch):
    """The mask lies where the product was, of which each element has four times its bytes."""
    x = special(20000).to(device)
    apart, joined = fused(lambda x: ((x * 3).exp(), x > 0), x, monkeypatch=monkeypatch)
    assert apart == ["mul", "exp", "gt"]
    assert joined == ["mul + exp + gt"]


def drawn_program(seed):
    """A function of two tensors that is a random sequence of elementwise steps: results of several dtypes, some of them
    changed in place, some dropped so that others take over their memory, some returned."""

    def run(x, y):
        rng = np.random.default_rng(seed)
        floats, masks = [x * 1.5, y], []

        def pick(values):
            return values[rng.integers(len(values))]

        for _ in range(rng.integers(6, 30)):
            a, b = pick(floats), pick(floats)
            kind = rng.integers(9)
            if kind == 0:
                floats.append(pick([nc.add, nc.mul, nc.maximum, nc.sub])(a, b))
            elif kind == 1:
                floats.append(pick([nc.tanh, nc.relu, nc.neg, nc.square])(a))
            elif kind == 2:
                masks.append(pick([nc.lt, nc.ge, nc.ne])(a, b))
            elif kind == 3 and masks:
                floats.append(nc.where(pick(masks), a, b))
            elif kind == 4 and len(masks) > 1:
                masks.append(pick(masks) & pick(masks))
            elif kind == 5:
                floats.append(a.to(pick([nc.float16, nc.bfloat16])).float())
            elif kind == 6 and a is not x and a is not y:
                a.mul_(0.5).add_(b)
            elif kind == 7 and masks:
                floats.append(pick(masks).float())
            elif len(floats) > 3:
                del a, b
                floats.pop(rng.integers(2, len(floats)))
                if len(masks) > 1:
                    masks.pop(0)
        return (*floats[2:][:3], *masks[:1], floats[0])

    return run


@pytest.mark.parametrize("seed", range(40))
def test_drawn_programs_keep_their_bits(seed, device, monkeypatch):
    count = 8200 if device == "cpu" else 523
    x, y = special(count).to(device), special(count).flip(0).to(device)
    fused(drawn_program(seed), x, y, monkeypatch=monkeypatch)


def test_a_sum_with_zeros_is_written(monkeypatch):
    g = nc.zeros(40)

    def run(x):
        g.zero_()
        g.add_(x)
        return g * 2

    apart, joined = fused(run, special(40), monkeypatch=monkeypatch)
    assert apart == ["fill", "add", "mul"]
    assert joined == ["add", "mul"]
    assert not np.signbit(g.numpy()[4])  # 0 + -0 is 0


def test_a_sum_with_negative_zeros_is_a_sum(monkeypatch):
    g = nc.zeros(40)

    def run(x):
        g.fill_(-0.0)
        g.add_(x)
        return g * 2

    apart, joined = fused(run, special(40), monkeypatch=monkeypatch)
    assert apart == joined
    assert np.signbit(g.numpy()[4])  # -0 + -0 is -0


def test_zeros_stay_where_somebody_reads_them(monkeypatch):
    g = nc.zeros(40)

    def run(x):
        g.zero_()
        y = g + 1
        g.add_(x)
        return g * y

    apart, joined = fused(run, special(40), monkeypatch=monkeypatch)
    assert apart == joined


def test_optimizers_of_one_kind_step_together(device, monkeypatch):
    first, second = nn.Linear(4, 3).to(device), nn.Linear(3, 2).to(device)
    one = nc.optim.SGD(first.parameters(), lr=0.1, momentum=0.9)
    two = nc.optim.SGD(second.parameters(), lr=0.01)
    start = [p.detach().clone() for p in (*first.parameters(), *second.parameters())]

    def restore():
        for p, s in zip((*first.parameters(), *second.parameters()), start, strict=True):
            p.data.copy_(s)
        for state in one.state.values():
            state["momentum_buffer"].zero_()

    def run(x):
        one.zero_grad()
        two.zero_grad()
        loss = second(first(x)).square().mean()
        loss.backward()
        one.step()
        two.step()
        return loss.detach()

    apart, joined = fused(run, nc.randn(6, 4, device=device), monkeypatch=monkeypatch, restore=restore)
    assert apart.count("sgd") == 2
    assert joined.count("sgd") == 1
    assert not {"host", "copy of a table"} & set(joined)  # the tables are part of the plan


def test_optimizers_of_one_parameter_step_in_turn(device, monkeypatch):
    w = nn.Parameter(nc.ones(5, device=device))
    one, two = nc.optim.SGD([w], lr=0.1), nc.optim.SGD([w], lr=0.01)

    def run(x):
        w.grad = None
        (w * x).square().sum().backward()
        one.step()
        two.step()
        return w.detach().clone()

    restore = lambda: w.data.fill_(1)  # noqa: E731
    _, joined = fused(run, nc.randn(5, device=device), monkeypatch=monkeypatch, restore=restore)
    assert joined.count("sgd") == 2


def test_settings_reach_joined_optimizers(monkeypatch):
    monkeypatch.setenv("NNCORE_FUSE", "1")

    def trained(captured):
        nc.manual_seed(0)
        first, second = nn.Linear(4, 3), nn.Linear(3, 2)
        one, two = nc.optim.Adam(first.parameters(), lr=0.1), nc.optim.Adam(second.parameters(), lr=0.01)

        def run(x):
            one.zero_grad()
            two.zero_grad()
            second(first(x)).square().mean().backward()
            one.step()
            two.step()

        run = nc.capture(run) if captured else run
        for i in range(20):
            one.param_groups[0]["lr"] = 0.1 / (i + 1)
            two.param_groups[0]["weight_decay"] = 0.01 * i
            run(nc.full((6, 4), i / 10))
        return [p.detach().numpy().tobytes() for p in (*first.parameters(), *second.parameters())]

    assert trained(True) == trained(False)
