"""Normalisations on CUDA beside the CPU and NumPy in float64: every way through the rows, and their edges."""

import numpy as np
import pytest

import nncore as nc
import nncore.nn.functional as F

pytestmark = pytest.mark.skipif(not nc.cuda.is_available(), reason="there is no GPU")

EPS = 1e-5


def placed(values: np.ndarray, device: str, offset: int) -> nc.Tensor:
    """The values `offset` elements after the beginning of an array, contiguous."""
    memory = nc.zeros(offset + values.size, dtype=nc.float32)
    memory[offset:] = nc.from_numpy(values.astype(np.float32).reshape(-1))
    return memory.to(device)[offset:].view(values.shape)


def expected(x, gy, weight, bias, groups, batch=False, centered=True):
    """The largest 1 / sqrt(var + eps), and y, gx, gweight and gbias; `groups` is [N, G, K, S]."""
    axes = (0, 2, 3) if batch else (2, 3)
    w = np.ones(groups[1:3]) if weight is None else weight.astype(np.float64).reshape(groups[1:3])
    b = np.zeros(groups[1:3]) if bias is None else bias.astype(np.float64).reshape(groups[1:3])
    w, b = w[None, :, :, None], b[None, :, :, None]
    v, g = x.astype(np.float64).reshape(groups), gy.astype(np.float64).reshape(groups)
    deviation = v - v.mean(axes, keepdims=True) if centered else v
    r = 1 / np.sqrt((deviation**2).mean(axes, keepdims=True) + EPS)
    h, a = deviation * r, g * w
    gx = r * (a - (a.mean(axes, keepdims=True) if centered else 0) - h * (a * h).mean(axes, keepdims=True))
    return r.max(), [t.reshape(x.shape) for t in (h * w + b, gx)] + [(g * h).sum((0, 3)), g.sum((0, 3))]


def check(function, groups, seed=0, mean=0.0, deviation=1.0, offset=0, affine="wb", **kind):
    """function(x, weight, bias) on both devices; a x of [N, G, K, S]."""
    random = np.random.default_rng(seed)
    shape = (groups[0], groups[1] * groups[2], groups[3])
    x = (mean + deviation * random.standard_normal(shape)).astype(np.float32)
    gy = random.standard_normal(shape).astype(np.float32)
    weight = random.standard_normal(shape[1]).astype(np.float32) if "w" in affine else None
    bias = random.standard_normal(shape[1]).astype(np.float32) if "b" in affine else None
    steepest, right = expected(x, gy, weight, bias, groups, **kind)
    for device in ("cuda", "cpu"):
        leaves = [t if t is None else placed(t, device, offset).requires_grad_() for t in (x, weight, bias)]
        y = function(*leaves)
        y.backward(placed(gy, device, offset))
        got = [y.detach(), *(None if t is None else t.grad for t in leaves)]
        for name, g, e in zip(("y", "gx", "gweight", "gbias"), got, right, strict=True):
            if g is None or g.numel() == 0:
                continue
            # Sums of many numbers have the rounding of many, and gx is a difference of numbers times `steepest`.
            scale = max(np.sqrt(x.size / e.size), np.abs(e).max(), steepest if name == "gx" else 1)
            np.testing.assert_allclose(
                g.cpu().numpy().reshape(e.shape), e, rtol=2e-5, atol=2e-6 * scale, err_msg=f"{name} {device} {groups}"
            )


def rows(x, weight, bias):
    """Layer norm of [N, K, 1]."""
    return F.layer_norm(x.flatten(1), x.shape[1:2], weight, bias, EPS).view(x.shape)


def squares(x, weight, _):
    return F.rms_norm(x.flatten(1), x.shape[1:2], weight, EPS).view(x.shape)


def batches(x, weight, bias):
    return F.batch_norm(x, None, None, weight, bias, True, eps=EPS)


def instances(x, weight, bias):
    return F.instance_norm(x, None, None, weight, bias, eps=EPS)


def of_groups(count):
    return lambda x, weight, bias: F.group_norm(x, count, weight, bias, EPS)


LENGTHS = [1, 2, 3, 4, 5, 127, 1023, 1024, 2049, 4099]


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("offset", [0, 1])
def test_rows(length, offset):
    for samples in (1, 3, 35):
        check(rows, (samples, 1, length, 1), length, offset=offset)
        check(squares, (samples, 1, length, 1), length, offset=offset, affine="w", centered=False)
    check(rows, (3, 1, length, 1), length, offset=offset, affine="")
    check(rows, (3, 1, length, 1), length, offset=offset, affine="b")
    check(squares, (3, 1, length, 1), length, offset=offset, affine="", centered=False)


@pytest.mark.parametrize("offset", [0, 3])
def test_long_rows_in_pieces(offset):
    """Few rows of many elements are cut: at a multiple of 4, and their weights with them."""
    for length in (16385, 20000):
        check(rows, (2, 1, length, 1), length, offset=offset)
    check(squares, (1, 1, 18001, 1), offset=offset, affine="w", centered=False)
    check(of_groups(1), (2, 1, 3, 5463), offset=offset)
    check(instances, (1, 2, 1, 16644), offset=offset)
    check(batches, (2, 2, 1, 16389), offset=offset, batch=True)


SPACES = [2, 3, 4, 5, 16, 49, 63, 256, 1023, 1024, 1025, 4100]


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("offset", [0, 2])
def test_channels(space, offset):
    for affine in ("wb", ""):
        check(batches, (6, 5, 1, space), space, offset=offset, affine=affine, batch=True)
        check(instances, (3, 5, 1, space), space, offset=offset, affine=affine)
        check(of_groups(2), (3, 2, 3, space), space, offset=offset, affine=affine)
    check(of_groups(1), (2, 1, 4, space), space, offset=offset)


def test_many_rows_to_a_sum():
    """Whole numbers of rows are a chunk, the last of which is shorter, and pieces of long ones."""
    check(batches, (9001, 2, 1, 3), batch=True)
    check(batches, (9001, 1, 1, 4), batch=True)
    check(batches, (3, 3, 1, 20001), batch=True, offset=1)
    check(batches, (5, 4300, 1, 33), batch=True)
    check(instances, (4099, 2, 1, 2))
    check(of_groups(2), (4100, 2, 2, 3), offset=1)
    check(of_groups(1), (3, 1, 2, 18001), offset=1)


def test_features():
    """One element in a channel: batch norm of columns, group norm of rows with several groups."""
    for features in (1, 3, 4, 70):
        check(batches, (33, features, 1, 1), features, batch=True)
    for count, channels in ((2, 3), (3, 4), (5, 33)):
        check(of_groups(count), (7, count, channels, 1), count)


@pytest.mark.parametrize("place", [0, 1, 3, 4000])
@pytest.mark.parametrize(
    ("function", "shape", "axes"),
    [
        (lambda x: F.layer_norm(x, (4096,)), (3, 4096), (1,)),
        (lambda x: F.layer_norm(x, (20_001,)), (2, 20_001), (1,)),
        (lambda x: F.batch_norm(x, None, None, training=True), (1, 2, 70, 61), (0, 2, 3)),
        (lambda x: F.batch_norm(x, None, None, training=True), (150, 2, 5, 9), (0, 2, 3)),
        (lambda x: F.group_norm(x, 2), (2, 4, 2500), None),
    ],
)
def test_one_element_far_from_all_others(function, shape, axes, place):
    """Wherever it is, the first of its group too, the others keep their digits in the mean."""
    values = (0.02 + 1e-3 * np.random.default_rng(0).standard_normal(shape)).astype(np.float32)
    values.reshape(-1)[place] = 1e6
    v = values.astype(np.float64)
    grouped = v.reshape(2, 2, -1) if axes is None else v
    over = (2,) if axes is None else axes
    mean, var = grouped.mean(over, keepdims=True), grouped.var(over, keepdims=True)
    right = ((grouped - mean) / np.sqrt(var + EPS)).reshape(shape)
    np.testing.assert_allclose(function(nc.from_numpy(values).cuda()).cpu().numpy(), right, rtol=1e-6)


@pytest.mark.parametrize("deviation", [1.0, 0.05])
def test_far_from_0(deviation):
    """Differences of neighbours are exact there: the mean must have more digits than x."""
    far = {"mean": 1e4, "deviation": deviation}
    for length in (5, 1024, 4099):
        check(rows, (5, 1, length, 1), length, **far)
    check(rows, (2, 1, 20001, 1), **far)
    for space in (7, 64, 2500):
        check(batches, (5, 3, 1, space), space, **far, batch=True)
        check(instances, (2, 3, 1, space), space, **far)
        check(of_groups(2), (2, 2, 2, space), space, **far)


def test_beyond_the_range_of_squares():
    """Squares that float32 cannot hold, too large or too small, are added in double precision."""
    random = np.random.default_rng(0)
    for scale in (1e25, 1e-25):
        values = (scale * random.standard_normal((4, 70))).astype(np.float32)
        x = nc.from_numpy(values).cuda().requires_grad_()
        y = F.layer_norm(x, (70,), eps=0.0)
        v = values.astype(np.float64)
        right = (v - v.mean(1, keepdims=True)) / v.std(1, keepdims=True)
        np.testing.assert_allclose(y.detach().cpu().numpy(), right, rtol=2e-5, atol=1e-5)
        y.backward(gy := nc.from_numpy(random.standard_normal((4, 70)).astype(np.float32)).cuda())
        g = gy.cpu().numpy().astype(np.float64)
        gx = (g - g.mean(1, keepdims=True) - right * (g * right).mean(1, keepdims=True)) / v.std(1, keepdims=True)
        np.testing.assert_allclose(x.grad.cpu().numpy() * scale, gx * scale, rtol=2e-5, atol=1e-5)


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_what_is_not_a_number_stays_in_its_group(value):
    x = np.random.default_rng(0).standard_normal((4, 6, 9)).astype(np.float32)
    x[1, 2, 3] = value
    for function in (rows_of_samples, batches, instances, of_groups(2)):
        on_cpu, on_cuda = (function(nc.from_numpy(x).to(d), None, None).cpu().numpy() for d in ("cpu", "cuda"))
        np.testing.assert_array_equal(np.isnan(on_cuda), np.isnan(on_cpu))
        np.testing.assert_allclose(on_cuda, on_cpu, rtol=1e-5, atol=1e-5)
        assert np.isnan(on_cuda).any()
        assert np.isfinite(on_cuda).any()


def rows_of_samples(x, weight, bias):
    return F.layer_norm(x, x.shape[1:], weight, bias, EPS)


def test_nothing():
    for shape in ((0, 5), (3, 0)):
        x = nc.zeros(shape, device="cuda").requires_grad_()
        weight = nc.ones(shape[1], device="cuda").requires_grad_()
        y = F.layer_norm(x, shape[1:], weight)
        y.backward(nc.zeros(shape, device="cuda"))
        assert y.shape == x.grad.shape == shape
        assert weight.grad.tolist() == [0] * shape[1]


def test_evaluation():
    """Statistics that are given: y and gx are written, nothing is summed but the parameters' gradients."""
    random = np.random.default_rng(0)
    for shape in ((5, 3), (5, 3, 7), (2, 3, 8, 8)):
        host = [random.standard_normal(s).astype(np.float32) for s in (shape, shape, (3,), (3,), (3,))]
        grads = []
        for device in ("cpu", "cuda"):
            x, gy, mean, weight, bias = (nc.from_numpy(t).to(device) for t in host)
            leaves = [t.requires_grad_() for t in (x, weight, bias)]
            y = F.batch_norm(x, mean, mean.square() + 1, weight, bias)
            y.backward(gy)
            grads.append([t.cpu().numpy() for t in (y.detach(), *(leaf.grad for leaf in leaves))])
        for a, b in zip(*grads, strict=True):
            np.testing.assert_allclose(b, a, rtol=1e-5, atol=1e-5)


def test_the_same_bits_again():
    x = nc.from_numpy(np.random.default_rng(0).standard_normal((40, 3, 33)).astype(np.float32)).cuda()
    for function in (rows_of_samples, batches, instances):
        once, again = (function(x, None, None) for _ in range(2))
        assert nc.equal(once, again)
