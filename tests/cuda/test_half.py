"""float16 and bfloat16 on CUDA where kernels take them: the bits of computing float32 copies, without the copies."""

import numpy as np
import pytest

import nncore as nc
import nncore.nn.functional as F

pytestmark = pytest.mark.skipif(not nc.cuda.is_available(), reason="there is no GPU")

HALVES = [nc.float16, nc.bfloat16]


def drawn(shape, dtype, seed=0, extreme=False):
    """Numbers with many ties, on the device; with `extreme` also NaN, infinities, subnormal and the largest numbers."""
    rng = np.random.default_rng(seed)
    values = np.where(rng.random(shape) < 0.5, rng.integers(-3, 4, shape), rng.standard_normal(shape))
    if extreme:
        values = np.where(
            rng.random(shape) < 0.2, rng.choice([np.nan, np.inf, -np.inf, 3e-7, 6e4, -0.0], shape), values
        )
    return nc.from_numpy(values.astype(np.float32)).to(dtype).cuda()


def strided(x):
    """The same numbers in other places."""
    if x.ndim == 0:
        return x
    y = nc.zeros(*x.shape[:-1], 2 * x.shape[-1] + 1, dtype=x.dtype, device=x.device)[..., 1::2]
    return y.copy_(x)


def values(x):
    return x.detach().float().cpu().numpy()


def bits(x):
    """Of NaN only that it is one."""
    v = values(x)
    return np.where(np.isnan(v), np.float32(np.nan), v).view(np.uint32)


def expect_bits(got, expected, dtype):
    """What was computed in `dtype` beside what was computed of float32 copies, rounded."""
    got, expected = (list(y) if isinstance(y, (tuple, list)) else [y] for y in (got, expected))
    for g, e in zip(got, expected, strict=True):
        assert g.shape == e.shape
        assert g.dtype is (dtype if e.dtype is nc.float32 else e.dtype)
        np.testing.assert_array_equal(bits(g), bits(e.to(g.dtype)))


def casts(function, *args):
    """How often the kernel of copies and casts is launched."""
    with nc.profile() as times:
        function(*args)
    return sum(row.launches for row in times.rows if row.kernel == "cast")


def compare(function, x, *others, gradient=True):
    """function(x, *others) and, where it has one, its gradient of x."""
    wide = x.float()
    expected = function(wide, *others)
    expect_bits(function(x, *others), expected, x.dtype)
    expect_bits(function(strided(x), *others), expected, x.dtype)
    assert casts(function, x, *others) == casts(function, wide, *others)
    if not gradient:
        return
    narrow, wide = x.detach().requires_grad_(), wide.detach().requires_grad_()
    y, expected = function(narrow, *others), function(wide, *others)
    gy = drawn(y.shape, x.dtype, 7)
    (g,) = nc.autograd.grad(y, narrow, gy)
    (e,) = nc.autograd.grad(expected, wide, gy.float())
    expect_bits(g, e, x.dtype)


POOLS = {
    "max 2x2": lambda x: F.max_pool2d(x, 2),
    "max 3x3": lambda x: F.max_pool2d(x, 3, 2, 1),
    "max 3x2 paving": lambda x: F.max_pool2d(x, (3, 2)),
    "max dilated": lambda x: F.max_pool2d(x, 2, 1, 1, 2),
    "adaptive max": lambda x: F.adaptive_max_pool2d(x, (2, 3)),
    "avg 2x2": lambda x: F.avg_pool2d(x, 2),
    "avg 3x3": lambda x: F.avg_pool2d(x, 3, 2, 1),
    "avg 3x3 inside": lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False),
    "avg paving by 4": lambda x: F.avg_pool2d(x, (1, 4)),
    "adaptive avg": lambda x: F.adaptive_avg_pool2d(x, (2, 3)),
    "global avg": lambda x: F.adaptive_avg_pool2d(x, 1),
}


@pytest.mark.parametrize("dtype", HALVES, ids=str)
@pytest.mark.parametrize("name", POOLS)
@pytest.mark.parametrize("shape", [(2, 3, 8, 12), (1, 2, 7, 9), (3, 1, 4, 6), (0, 2, 8, 8), (1, 1, 50, 61)])
def test_pools(name, shape, dtype):
    compare(POOLS[name], drawn(shape, dtype))
    if name.startswith("max"):
        compare(POOLS[name], drawn(shape, dtype, 1, extreme=True), gradient=False)


@pytest.mark.parametrize("dtype", HALVES, ids=str)
@pytest.mark.parametrize("pool", [F.max_pool1d, F.avg_pool1d])
def test_long_pools_go_by_float32(pool, dtype):
    """Extents that positions in 32 bits are not made for."""
    x = drawn((1, 2, 20_001), dtype)
    narrow, wide = x.requires_grad_(), x.float().requires_grad_()
    y, expected = pool(narrow, 3, 2, 1), pool(wide, 3, 2, 1)
    expect_bits(y, expected, dtype)
    gy = drawn(y.shape, dtype, 7)
    expect_bits(nc.autograd.grad(y, narrow, gy)[0], nc.autograd.grad(expected, wide, gy.float())[0], dtype)


@pytest.mark.parametrize("dtype", HALVES, ids=str)
@pytest.mark.parametrize("p", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("shape", [(1,), (3, 63), (5, 64), (2, 1031), (0,)])
def test_dropout(shape, p, dtype):
    def dropout(x):
        nc.manual_seed(3)
        return F.dropout(x, p, True)

    compare(dropout, drawn(shape, dtype, extreme=True), gradient=False)
    compare(dropout, drawn(shape, dtype))


def places(*numbers):
    return nc.tensor(np.array(numbers, np.int64)).cuda()


MOVES = {
    "index_select": lambda x: x.index_select(-1, places(2, 0, 2)),
    "rows": lambda x: x.index_select(0, places(0, 1, 0)),
    "gather": lambda x: x.gather(-1, places(*range(x.shape[-1])).flip(0).expand(*x.shape)),
    "embedding": lambda x: F.embedding(places(1, 0, 1), x.reshape(x.shape[0], -1)),
    "indexing": lambda x: x[places(1, 0)],
    "scatter": lambda x: x.scatter(-1, places(*([0] * x.shape[-1])).expand(*x.shape), x.flip(-1)),
    "index_copy": lambda x: x.index_copy(0, places(1), x[:1]),
    "index_fill": lambda x: x.index_fill(-1, places(1), 3.0),
    "cat": lambda x: nc.cat([x, x.flip(0)], -1),
    "stack": lambda x: nc.stack([x, x]),
}


@pytest.mark.parametrize("dtype", HALVES, ids=str)
@pytest.mark.parametrize("name", MOVES)
@pytest.mark.parametrize("shape", [(2, 3), (3, 8), (2, 5, 7), (2, 4, 16)])
def test_moves(name, shape, dtype):
    compare(MOVES[name], drawn(shape, dtype, extreme=True), gradient=False)
    if name not in ("rows", "embedding", "indexing", "index_select", "gather"):  # of which gradients are sums
        compare(MOVES[name], drawn(shape, dtype))


@pytest.mark.parametrize("dtype", HALVES, ids=str)
def test_captured(dtype):
    def step(x):
        x = x.detach().requires_grad_()
        y = F.avg_pool2d(F.max_pool2d(F.dropout(x, 0.25), 2), 2)[places_kept]
        y.float().square().sum().backward()
        return y, x.grad

    places_kept = places(1, 0)
    x = drawn((2, 3, 8, 8), dtype)
    captured = nc.capture(step)
    for _ in range(4):
        nc.manual_seed(1)
        expected = step(x)
        nc.manual_seed(1)
        for g, e in zip(captured(x), expected, strict=True):
            np.testing.assert_array_equal(values(g), values(e))


ROWS = {
    "softmax": lambda x: x.softmax(-1),
    "softmax of the first": lambda x: x.softmax(0),
    "log_softmax": lambda x: x.log_softmax(-1),
    "log_softmax of the second": lambda x: x.log_softmax(1),
    "sum": lambda x: x.sum(),
    "sum of rows": lambda x: x.sum(-1),
    "sum of columns": lambda x: x.sum(0),
    "mean": lambda x: x.mean(),
    "mean of the second": lambda x: x.mean(1, keepdim=True),
    "mean of outer ones": lambda x: x.mean((0, -1)),
}


@pytest.mark.parametrize("dtype", HALVES, ids=str)
@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize(
    "shape", [(1, 1), (3, 7), (5, 64), (2, 3, 9), (6, 33, 4), (2, 5000), (4100, 3), (0, 4), (3, 0)]
)
def test_rows_and_columns(name, shape, dtype):
    compare(ROWS[name], drawn(shape, dtype), gradient="softmax" not in name)
    compare(ROWS[name], drawn(shape, dtype, 1, extreme=True), gradient=False)


@pytest.mark.parametrize("dtype", HALVES, ids=str)
@pytest.mark.parametrize("softmax", [nc.softmax, nc.log_softmax])
@pytest.mark.parametrize(("shape", "dim"), [((3, 7), 1), ((5, 64), 0), ((2, 33, 9), 1), ((2, 5000), 1), ((0, 4), 1)])
def test_gradients_of_softmax(softmax, shape, dim, dtype):
    """Of the results as they are kept, rounded."""
    x, gy = drawn(shape, dtype).requires_grad_(), drawn(shape, dtype, 7)
    y = softmax(x, dim)
    (g,) = nc.autograd.grad(y, x, gy)
    y, gy = y.detach().float(), gy.float()
    given = (t._array for t in (gy, y))
    expect_bits(g, nc.Tensor(nc._core.softmax_backward(*given, dim, softmax is nc.log_softmax)), dtype)


def batch_norm(x, weight=None, bias=None):
    return F.batch_norm(x, None, None, weight, bias, True)


def batch_norm_eval(x, weight=None, bias=None):
    channels = x.shape[1]
    mean, var = (nc.linspace(a, 1.5, channels, device="cuda") for a in (-1, 0.5))
    return F.batch_norm(x, mean, var, weight, bias, False)


def group_norm(x, weight=None, bias=None):
    return F.group_norm(x, 2, weight, bias)


def layer_norm(x, weight=None, bias=None):
    return F.layer_norm(x.transpose(1, -1), x.shape[1:2], weight, bias)


def instance_norm(x, weight=None, bias=None):
    return F.instance_norm(x, weight=weight, bias=bias)


def rms_norm(x, weight=None, bias=None):
    return F.rms_norm(x.transpose(1, -1), x.shape[1:2], weight)


NORMS = [batch_norm, batch_norm_eval, group_norm, layer_norm, instance_norm, rms_norm]
PARAMETERS = [None, "float32", "same"]


@pytest.mark.parametrize("dtype", HALVES, ids=str)
@pytest.mark.parametrize("parameters", PARAMETERS, ids=str)
@pytest.mark.parametrize(
    "shape", [(3, 4, 5, 7), (2, 2, 16, 8), (5, 6, 3), (1, 4, 70, 61), (2, 2, 130, 133), (40, 4, 1)]
)
@pytest.mark.parametrize("norm", NORMS)
def test_norms(norm, shape, parameters, dtype):
    """Parameters and their gradients are float32, or, where everything has 16 bits, are rounded to those."""
    kind = {None: None, "float32": nc.float32, "same": dtype}[parameters]
    if (norm is instance_norm and shape[2:] == (1,)) or (norm is rms_norm and kind is nc.float32):
        pytest.skip("refused; weighed in float32 after it was rounded")
    x = drawn(shape, dtype)
    given = [] if kind is None else [drawn(shape[1:2], dtype, seed).to(kind) for seed in (1, 2)]
    narrow = [t.detach().requires_grad_() for t in (x, *given)]
    wide = [t.detach().float().requires_grad_() for t in (x, *given)]
    y, expected = norm(*narrow), norm(*wide)
    expect_bits(y, expected, dtype)
    expect_bits(norm(strided(x), *given), expected, dtype)
    gy = drawn(y.shape, dtype, 7)
    found = nc.autograd.grad(y, narrow, gy, allow_unused=True)
    for g, e, t in zip(found, nc.autograd.grad(expected, wide, gy.float(), allow_unused=True), narrow, strict=True):
        if e is not None:
            expect_bits(g, e, t.dtype)
    if norm in (batch_norm, group_norm, instance_norm) and shape != (40, 4, 1):
        plain = [t.detach() for t in wide]
        assert casts(norm, x, *plain[1:]) == casts(norm, *plain)


@pytest.mark.parametrize("dtype", HALVES, ids=str)
@pytest.mark.parametrize("shape", [(0, 3, 4, 4), (2, 3, 4, 4)])
def test_a_layer_of_batch_norm(shape, dtype):
    """Running statistics in float32, and the second derivative."""
    found = []
    for kind in (dtype, nc.float32):
        layer = nc.nn.BatchNorm2d(3).cuda()
        x = drawn(shape, dtype).to(kind).requires_grad_()
        if shape[0] == 0:
            layer.eval()
        y = layer(x)
        (g,) = nc.autograd.grad(y.float().square().sum(), x, create_graph=True)
        g.float().square().sum().backward()
        found.append([y, layer.running_mean, layer.running_var, x.grad])
        assert all(p.grad is None or p.grad.dtype is nc.float32 for p in layer.parameters())
    expect_bits(found[0][0], found[1][0], dtype)
    for g, e in zip(found[0][1:3], found[1][1:3], strict=True):
        np.testing.assert_array_equal(values(g), values(e))
    digits = 2.0 ** (-6 if dtype is nc.bfloat16 else -9)
    np.testing.assert_allclose(values(found[0][3]), values(found[1][3]), rtol=digits, atol=8 * digits)
