"""float16 and bfloat16: stored, moved and converted as they are, computed in float32 and rounded once."""

import copy
import pickle
import subprocess
import sys

import numpy as np
import pytest

import nncore as nc
import nncore.nn.functional as F

HALVES = (nc.float16, nc.bfloat16)


def random(shape, dtype, seed=0):
    values = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    return nc.from_numpy(values).to(dtype)


def same(x, y):
    assert x.dtype is y.dtype
    assert x.shape == y.shape
    x, y = x.detach().cpu().float().numpy(), y.detach().cpu().float().numpy()
    np.testing.assert_array_equal(x, y)


def test_every_float16_and_its_rounding(isa, device):
    bits = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    wide = nc.from_numpy(bits).to(device).float()
    np.testing.assert_array_equal(wide.cpu().numpy(), bits.astype(np.float32))
    np.testing.assert_array_equal(wide.half().cpu().numpy(), bits)
    middle = wide.cpu().numpy()[:0x7C00]  # all positive finite ones, and the middles between them, which are ties
    ties = (middle[1:] + middle[:-1]) / 2
    np.testing.assert_array_equal(nc.from_numpy(ties).to(device).half().cpu().numpy(), ties.astype(np.float16))


def test_every_bfloat16_and_its_rounding(isa, device):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    bits = np.arange(1 << 16, dtype=np.uint16).view(ml_dtypes.bfloat16)
    wide = nc.from_numpy(bits).to(device).float()
    np.testing.assert_array_equal(wide.cpu().numpy(), bits.astype(np.float32))
    words = np.random.default_rng(0).integers(0, 1 << 32, 1 << 17, dtype=np.uint64).astype(np.uint32)
    words[::2] = words[::2] & 0xFFFF0000 | 0x8000  # ties
    floats = words.view(np.float32)
    with np.errstate(invalid="ignore"):
        theirs = floats.astype(ml_dtypes.bfloat16).astype(np.float32)
    np.testing.assert_array_equal(nc.from_numpy(floats).to(device).bfloat16().float().cpu().numpy(), theirs)


@pytest.mark.parametrize("dtype", HALVES)
def test_conversions_to_and_from_every_dtype(isa, device, dtype):
    x = nc.tensor([0.0, 1.0, 2.75, -3.5], dtype=dtype, device=device)
    assert x.bool().tolist() == [False, True, True, True]
    assert x.int().tolist() == x.long().tolist() == [0, 1, 2, -3]
    assert x.byte().tolist() == [0, 1, 2, 253]
    assert x.double().tolist() == [0.0, 1.0, 2.75, -3.5]
    for other in (nc.int32, nc.int64, nc.uint8, nc.bool, nc.float64, *HALVES):
        assert nc.tensor([0, 1, 1], dtype=other, device=device).to(dtype).tolist() == [0.0, 1.0, 1.0]


@pytest.mark.parametrize("dtype", HALVES)
def test_moves(isa, device, dtype):
    """Copies of transposed, strided, reversed and repeated arrays, fills and choices."""
    x = random((37, 41), dtype).to(device)
    wide = x.float()
    for move in (
        lambda t: t.t().contiguous(),
        lambda t: t[::2, 1::3].contiguous(),
        lambda t: t.flip(0, 1),
        lambda t: t[:1].expand(5, 41).contiguous(),
        lambda t: nc.where(t > 0, t, 0),
        lambda t: nc.where(t.t() > 0, t.t(), t.flip(0, 1).t()),
        lambda t: nc.zeros_like(t).copy_(t.flip(0)),
        lambda t: nc.zeros_like(t).t().copy_(t.t()),
        lambda t: t.clone().fill_(0.1)[0],
        lambda t: nc.cat([t, t], 1),
        lambda t: t[nc.tensor([3, 0, 3], device=device)],
        lambda t: t.reshape(-1)[:0],
    ):
        same(move(x), move(wide).to(dtype))


def test_promotion():
    h, b, f, i = (nc.ones(2, dtype=d) for d in (nc.float16, nc.bfloat16, nc.float32, nc.int64))
    assert (h + f).dtype is (f * b).dtype is (h + b).dtype is nc.float32
    assert (h + i).dtype is (h + 1).dtype is (h * 1.5).dtype is (h + nc.tensor(2.0)).dtype is nc.float16
    assert (f + nc.tensor(2.0, dtype=nc.float16)).dtype is nc.float32
    assert (i + nc.tensor(2.0, dtype=nc.bfloat16)).dtype is nc.bfloat16
    assert (b + nc.ones(2, dtype=nc.float64)).dtype is nc.float64
    assert nc.cat([h, f]).dtype is nc.cat([h, b]).dtype is nc.float32
    assert (h == b).dtype is nc.bool
    assert h.argmax().dtype is nc.int64


ONCE = {  # one native operation each, so that the result is that in float32, rounded
    "add": lambda x, y: x + y,
    "mul": lambda x, y: x * y,
    "div": lambda x, y: x / y,
    "exp": lambda x, y: x.exp(),
    "gelu": lambda x, y: F.gelu(x),
    "sum": lambda x, y: x.sum(1),
    "mean": lambda x, y: x.mean(),
    "var": lambda x, y: x.var(0),
    "cumsum": lambda x, y: x.cumsum(1),
    "amax": lambda x, y: x.amax(0),
    "sort": lambda x, y: x.sort().values,
    "softmax": lambda x, y: x.softmax(-1),
    "log_softmax": lambda x, y: x.log_softmax(0),
    "matmul": lambda x, y: x @ y.t(),
    "linear": lambda x, y: F.linear(x, y, y[:, 0]),
    "conv2d": lambda x, y: F.conv2d(x.reshape(1, 2, 6, 8), y.reshape(4, 2, 3, 4)),
    "max_pool2d": lambda x, y: F.max_pool2d(x.reshape(1, 2, 6, 8), 2),
    "avg_pool2d": lambda x, y: F.avg_pool2d(x.reshape(1, 2, 6, 8), 2),
    "interpolate": lambda x, y: F.interpolate(x.reshape(1, 2, 6, 8), scale_factor=2.0, mode="bilinear"),
    "pad": lambda x, y: F.pad(x.reshape(2, 6, 8), (2, 1), mode="reflect"),
    "layer_norm": lambda x, y: F.layer_norm(x, (8,), y[0], y[1]),
    "cross_entropy": lambda x, y: F.cross_entropy(x, nc.arange(12, device=x.device) % 8),
    "embedding": lambda x, y: F.embedding(nc.tensor([1, 1, 5], device=x.device), x),
    "index_add": lambda x, y: x.index_add(0, nc.tensor([1, 1], device=x.device), y[:2]),
    "gather": lambda x, y: x.gather(1, nc.zeros(12, 3, dtype=nc.int64, device=x.device)),
}


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("name", ONCE)
def test_computed_in_float32_and_rounded_once(name, dtype, device):
    x, y = random((12, 8), dtype, 1).to(device), random((12, 8), dtype, 2).to(device)
    wide = [x.float().requires_grad_(), y.float().requires_grad_()]
    half = [x.requires_grad_(), y.requires_grad_()]
    result, expected = ONCE[name](*half), ONCE[name](*wide)
    if device == "cpu":
        same(result, expected.to(dtype))
    digits = 2.0 ** (-8 if dtype is nc.bfloat16 else -11)
    close = {"rtol": digits * 2, "atol": digits * 4}  # sums in another order on the tensor cores
    np.testing.assert_allclose(result.detach().float().cpu().numpy(), expected.detach().cpu().numpy(), **close)
    seed = random(tuple(result.shape), dtype, 3).to(device)
    result.backward(seed)
    expected.backward(seed.float())
    for h, w in zip(half, wide, strict=True):
        if w.grad is None:
            assert h.grad is None
            continue
        assert h.grad.dtype is dtype
        size = float(w.grad.abs().max())
        np.testing.assert_allclose(h.grad.float().cpu().numpy(), w.grad.cpu().numpy(), rtol=0, atol=size * digits * 6)


@pytest.mark.parametrize("dtype", HALVES)
def test_in_place(dtype, device):
    x = nc.zeros(4, 5, dtype=dtype, device=device)
    x.t()[1:3].add_(1.5)
    assert x.tolist() == [[0, 1.5, 1.5, 0, 0]] * 4
    x.add_(nc.ones(4, 5, device=device)).mul_(x)
    assert x[0].tolist() == [1, 6.25, 6.25, 1, 1]
    x.exp_()
    x[1] = 7
    x[nc.tensor([0, 3], device=device)] = nc.ones(5, dtype=dtype, device=device)
    assert x[0].tolist() == [1] * 5
    assert x[1].tolist() == [7] * 5
    nc.mul(x, 2, out=(wide := nc.empty(4, 5, device=device)))
    assert wide[1].tolist() == [14] * 5
    x.uniform_()
    assert float(x.min()) >= 0
    assert float(x.max()) < 1
    x.sub_(5).relu_()
    assert x.tolist() == [[0] * 5] * 4


@pytest.mark.parametrize("dtype", HALVES)
def test_random_numbers_stay_below_one(dtype):
    x = nc.rand(20000, dtype=dtype, generator=nc.Generator().manual_seed(0))
    assert x.dtype is dtype
    assert float(x.max()) < 1
    assert float(x.min()) >= 0
    assert abs(float(x.float().mean()) - 0.5) < 0.01
    assert abs(float(nc.randn(20000, dtype=dtype).float().std()) - 1) < 0.03


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("optimizer", ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "NAdam", "ASGD"])
def test_training(dtype, optimizer, device):
    nc.manual_seed(0)
    layers = (nc.nn.Linear(6, 16), nc.nn.BatchNorm1d(16), nc.nn.ReLU(), nc.nn.LayerNorm(16), nc.nn.Linear(16, 3))
    net = nc.nn.Sequential(*layers).to(device)
    net = net.half() if dtype is nc.float16 else net.bfloat16()
    step = getattr(nc.optim, optimizer)(net.parameters(), lr=0.01)
    x, target = random((32, 6), dtype).to(device), nc.arange(32, device=device) % 3
    losses = []
    for _ in range(30):
        step.zero_grad()
        loss = F.cross_entropy(net(x), target)
        loss.backward()
        step.step()
        losses.append(float(loss))
    assert loss.dtype is dtype
    assert losses[-1] < losses[0] * 0.97
    assert all(p.dtype is dtype and p.grad.dtype is dtype for p in net.parameters())
    assert net[1].running_mean.dtype is dtype
    assert float(net[1].running_mean.abs().max()) > 0


def test_wider_parameters_keep_their_dtype():
    norm, x = nc.nn.LayerNorm(8), random((4, 8), nc.bfloat16).requires_grad_()
    norm(x).sum().backward()
    assert norm(x).dtype is x.grad.dtype is nc.bfloat16
    assert norm.weight.grad.dtype is norm.bias.grad.dtype is nc.float32
    exact = F.layer_norm(x.detach().float(), (8,)).sum(0)
    np.testing.assert_allclose(norm.weight.grad.numpy(), exact.numpy(), atol=1e-5)


@pytest.mark.parametrize("dtype", HALVES)
def test_recurrent(dtype):
    net = nc.nn.LSTM(3, 4).to(dtype)
    y, (h, c) = net(random((5, 2, 3), dtype))
    y.sum().backward()
    assert y.dtype is h.dtype is c.dtype is net.weight_hh_l0.grad.dtype is dtype


@pytest.mark.parametrize("dtype", HALVES)
def test_copies_and_text(dtype):
    x = nc.tensor([[1.5, -2.25]], dtype=dtype)
    name = str(dtype)
    assert repr(x) == f"tensor([[ 1.5000, -2.2500]], dtype={name})"
    for y in (pickle.loads(pickle.dumps(x)), copy.deepcopy(x), nc.from_dlpack(x)):
        same(y, x)
    assert (x.itemsize, x.nbytes, x[0, 1].item(), x.tolist()) == (2, 4, -2.25, [[1.5, -2.25]])
    assert nc.arange(4, dtype=dtype).tolist() == [0, 1, 2, 3]
    assert nc.linspace(0, 1, 5, dtype=dtype).tolist() == [0, 0.25, 0.5, 0.75, 1]


@pytest.mark.parametrize("dtype", HALVES)
def test_files(tmp_path, dtype):
    from nncore.serialization import load_file, save_file

    x = random((3, 5), dtype)
    save_file({"x": x.t(), "y": nc.ones(2)}, tmp_path / "w")
    same(load_file(tmp_path / "w")["x"], x.t().contiguous())
    assert load_file(tmp_path / "w", widen=True)["x"].dtype is nc.float32
    torch = pytest.importorskip("torch")
    from safetensors import torch as peer

    assert torch.equal(peer.load_file(tmp_path / "w")["x"], torch.from_dlpack(x.t()))


def test_numpy():
    a = np.ones(3, np.float16)
    t = nc.from_numpy(a)
    a[0] = 5
    assert t.tolist() == [5, 1, 1]
    assert t.numpy().dtype == np.float16
    assert nc.tensor(a).dtype is nc.float16
    ml_dtypes = pytest.importorskip("ml_dtypes")
    b = np.ones((2, 3), ml_dtypes.bfloat16)
    t = nc.from_numpy(b).t()
    b[0, 1] = 2
    assert t.dtype is nc.bfloat16
    assert t.numpy().dtype == ml_dtypes.bfloat16
    assert t.numpy()[1, 0] == 2
    assert nc.tensor(b).dtype is nc.as_tensor(b).dtype is nc.bfloat16


def test_numpy_without_the_extra():
    program = (
        "import sys; sys.modules['ml_dtypes'] = None; import nncore as nc; x = nc.ones(2, dtype=nc.bfloat16)\n"
        "print(x, x.tolist())\n"
        "try: x.numpy()\nexcept ImportError as e: print(e)"
    )
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert "[1.0, 1.0]" in out
    assert "pip install 'nncore[half]'" in out


def test_what_is_refused_leaves_everything_as_it_was():
    x = nc.ones(2, dtype=nc.bfloat16)
    with pytest.raises(RuntimeError, match="without overflow"):
        nc.full((1,), 1e6, dtype=nc.float16)
    with pytest.raises(RuntimeError, match="same dtype, got bfloat16 and float32"):
        x @ nc.ones(2)
    with pytest.raises(NotImplementedError, match="bitwise_and: expected integers"):
        x & 1
    with pytest.raises(TypeError, match="set_default_dtype: expected float16"):
        nc.set_default_dtype(nc.bfloat16)
    with pytest.raises(RuntimeError, match=r"index_select"):
        nc.ones(3).index_select(0, x)
    assert x.tolist() == [1, 1]
