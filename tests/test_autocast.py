"""nncore.autocast and nncore.amp.GradScaler; beside PyTorch's autocast on the CPU where that is installed."""

import copy
import subprocess
import sys
import threading
import warnings

import numpy as np
import pytest

import nncore as nc
import nncore.nn.functional as F


def floats(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def operations(m):
    """Operations by name, for nncore or PyTorch: on float32 arguments, on bfloat16 ones, and on both."""
    f = m.nn.functional
    t = lambda *shape, seed=0: m.from_numpy(floats(*shape, seed=seed))  # noqa: E731
    a, b, v, image, volume = t(4, 4), t(4, 4, seed=1), t(4), t(1, 2, 5, 5), t(1, 2, 4, 4, 4)
    h, sign, index = a.bfloat16(), t(4).sign(), m.from_numpy(np.arange(4))
    p = (h * 0.1).sigmoid()
    return {
        "matmul": lambda: a @ b,
        "vector matmul": lambda: v @ a,
        "mm": lambda: a.mm(b),
        "bmm": lambda: a[None].bmm(b[None]),
        "mv": lambda: a.mv(v),
        "dot": lambda: v.dot(v),
        "outer": lambda: m.outer(v, v),
        "addmm": lambda: m.addmm(a, a, b),
        "baddbmm": lambda: m.baddbmm(a[None], a[None], b[None]),
        "linear": lambda: f.linear(a, b, v),
        "bilinear": lambda: f.bilinear(a, b, t(2, 4, 4)),
        "conv1d": lambda: f.conv1d(t(1, 2, 5), t(3, 2, 3)),
        "conv2d": lambda: f.conv2d(image, t(3, 2, 3, 3)),
        "conv3d": lambda: f.conv3d(volume, t(3, 2, 3, 3, 3)),
        "conv_transpose2d": lambda: f.conv_transpose2d(image, t(2, 3, 3, 3)),
        "attention": lambda: f.scaled_dot_product_attention(a[None], a[None], b[None]),
        "prelu": lambda: f.prelu(a, m.ones(1)),
        "softmax": lambda: h.softmax(-1),
        "exp": lambda: h.exp(),
        "pow": lambda: h**2,
        "sum": lambda: h.sum(),
        "prod": lambda: h.prod(),
        "layer_norm": lambda: f.layer_norm(h, (4,)),
        "batch_norm": lambda: f.batch_norm(image.bfloat16(), m.zeros(2), m.ones(2), m.ones(2), m.zeros(2), True),
        "gelu": lambda: f.gelu(h),
        "cross_entropy": lambda: f.cross_entropy(h, index),
        "nll_loss": lambda: f.nll_loss(h, index),
        "mse_loss": lambda: f.mse_loss(h, h * 2),
        "l1_loss": lambda: f.l1_loss(h, b),
        "smooth_l1_loss": lambda: f.smooth_l1_loss(h, b),
        "huber_loss": lambda: f.huber_loss(h, b),
        "binary_cross_entropy": lambda: f.binary_cross_entropy(p, p),
        "with_logits": lambda: f.binary_cross_entropy_with_logits(h, p),
        "kl_div": lambda: f.kl_div(h, p, reduction="sum"),
        "poisson_nll_loss": lambda: f.poisson_nll_loss(h, p),
        "hinge_embedding_loss": lambda: f.hinge_embedding_loss(h[0], sign),
        "margin_ranking_loss": lambda: f.margin_ranking_loss(h[0], h[1], sign),
        "soft_margin_loss": lambda: f.soft_margin_loss(h[0], sign),
        "multi_margin_loss": lambda: f.multi_margin_loss(h, index),
        "cosine_embedding_loss": lambda: f.cosine_embedding_loss(h, h * 2, sign),
        "triplet_margin_loss": lambda: f.triplet_margin_loss(h, h * 2, h + 1),
        "cdist": lambda: m.cdist(h, h + 1),
        "avg_pool3d": lambda: f.avg_pool3d(volume.bfloat16(), 2),
        "max_pool2d": lambda: f.max_pool2d(image.bfloat16(), 2),
        "cat": lambda: m.cat([a, h]),
        "add": lambda: a + h,
    }


@pytest.mark.parametrize("name", operations(nc))
def test_beside_pytorch(name):
    torch = pytest.importorskip("torch")
    with nc.autocast("cpu"):
        ours = operations(nc)[name]()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        theirs = operations(torch)[name]()
    assert str(ours.dtype).split(".")[1] == str(theirs.dtype).split(".")[1]
    np.testing.assert_allclose(ours.float().numpy(), theirs.float().numpy(), rtol=0.02, atol=0.02)


def test_training_beside_pytorch():
    torch = pytest.importorskip("torch")

    def losses(m):
        f = m.nn.functional
        layers = (m.nn.Conv2d(1, 4, 3), m.nn.BatchNorm2d(4), m.nn.ReLU(), m.nn.Flatten(), m.nn.Linear(64, 3))
        net = m.nn.Sequential(*layers)
        for i, p in enumerate(net.parameters()):
            with m.no_grad():
                p.copy_(m.from_numpy(floats(*p.shape, seed=i) * 0.2))
        x, target = m.from_numpy(floats(8, 1, 6, 6)), m.from_numpy(np.arange(8) % 3)
        optimizer, found = m.optim.SGD(net.parameters(), lr=0.1), []
        for _ in range(15):
            optimizer.zero_grad()
            with m.autocast("cpu", dtype=m.bfloat16):
                loss = f.cross_entropy(net(x), target)
            loss.backward()
            assert all(p.grad.dtype is m.float32 for p in net.parameters())
            optimizer.step()
            found.append(float(loss.detach()))
        return found

    ours, theirs = losses(nc), losses(torch)
    assert ours[-1] < ours[0] * 0.5
    np.testing.assert_allclose(ours, theirs, rtol=0.05)


def test_on_cuda_exponentials_sums_and_norms_are_wide():
    """The lists are by kind of device: which one an operation is in is seen without a device."""
    from nncore import autocast_mode

    x = nc.ones(4, dtype=nc.bfloat16)
    seen = autocast_mode._device_type
    autocast_mode._device_type = lambda args, kwargs: "cuda"
    try:
        with nc.autocast("cuda", dtype=nc.bfloat16):
            for wide in (x.exp(), x.log(), x**2, x.sum(), x.softmax(0), x.norm(), F.layer_norm(x, (4,))):
                assert wide.dtype is nc.float32
            assert (x + x).dtype is x.relu().dtype is nc.bfloat16
            assert nc.ones(2, 2).mv(nc.ones(2)).dtype is nc.bfloat16
    finally:
        autocast_mode._device_type = seen


def test_without_autocast_operations_are_as_written():
    program = (
        "import inspect, nncore as nc; from nncore.nn.functional import linear; from nncore.ops.gemm import matmul\n"
        "x = nc.ones(2, 2); before = matmul.__code__.co_name, str(inspect.signature(linear)), (x @ x).dtype\n"
        "with nc.autocast('cpu'): inside = matmul(x, x).dtype, nc.matmul(x, other=x).dtype, linear(x, weight=x).dtype\n"
        "print(before == ('matmul', str(inspect.signature(linear)), matmul(x, x).dtype), set(inside), x.exp().dtype)"
    )
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert out == "True {nncore.bfloat16} nncore.float32\n"


def test_blocks_nest_and_end():
    x = nc.ones(2, 2)
    assert not nc.is_autocast_enabled("cpu")
    with nc.autocast("cpu", dtype=nc.float16):
        assert nc.is_autocast_enabled("cpu")
        assert not nc.is_autocast_enabled()
        assert nc.get_autocast_dtype("cpu") is (x @ x).dtype is nc.float16
        with nc.autocast("cpu", enabled=False):
            assert (x @ x).dtype is nc.float32
        with nc.autocast("cpu"), nc.autocast("cuda"):
            assert (x @ x).dtype is nc.bfloat16
        assert (x @ x).dtype is nc.float16
        assert (x.double() @ x.double()).dtype is nc.float64
        other = []
        thread = threading.Thread(target=lambda: other.append((x @ x).dtype))
        thread.start()
        thread.join()
        assert other == [nc.float32]
        with pytest.raises(RuntimeError, match="inner dimensions"):
            x @ nc.ones(3, 3)
        assert nc.is_autocast_enabled("cpu")
    assert (x @ x).dtype is nc.float32

    @nc.autocast("cpu")
    def product(y):
        return y @ y

    assert product(x).dtype is nc.bfloat16
    assert (x @ x).dtype is nc.float32


def test_parameters_are_cast_once():
    w = nc.ones(2, 2, requires_grad=True)
    x = nc.ones(2, 2)
    for cache, casts in ((True, 1), (False, 2)):
        with nc.autocast("cpu", cache_enabled=cache):
            first, second = x @ w, x @ w
        nodes = {id(y.grad_fn.next_functions[1][0]) for y in (first, second)}
        assert len(nodes) == casts
        w.grad = None
        (first + second).sum().backward()
        assert w.grad.tolist() == [[4, 4], [4, 4]]
    with nc.autocast("cpu"):
        x @ w
        with nc.no_grad():
            w.mul_(2)
            y = x @ w
        assert y.tolist() == [[4, 4], [4, 4]]
        assert not y.requires_grad
        assert (x @ w).requires_grad


def test_captured():
    """A plan belongs to the casts that it was recorded with, and follows its parameters."""
    w, x = nc.ones(2, 2, requires_grad=True), nc.ones(2, 2)
    product = nc.capture(lambda y: y @ w)
    for _ in range(4):
        assert product(x).dtype is nc.float32
        with nc.autocast("cpu"):
            before = float(w[0, 0].detach())
            assert (x @ w).tolist() == product(x).tolist() == [[2 * before] * 2] * 2
            assert product(x).dtype is nc.bfloat16
            with nc.no_grad():
                w.add_(1)
            assert product(x).tolist() == [[2 * before + 2] * 2] * 2


def test_what_autocast_refuses():
    with pytest.raises(RuntimeError, match="unsupported autocast device_type 'tpu'"):
        nc.autocast("tpu")
    with pytest.raises(ValueError, match="Expected `device_type` of type `str`"):
        nc.autocast(3)
    with pytest.warns(UserWarning, match="Disabling autocast"), nc.autocast("cpu", dtype=nc.float64):
        assert not nc.is_autocast_enabled("cpu")


# ---- GradScaler ----


def test_scaler_beside_pytorch():
    torch = pytest.importorskip("torch")

    def run(m):
        w = m.ones(2, requires_grad=True)
        optimizer = m.optim.SGD([w], lr=0.1)
        scaler = m.amp.GradScaler("cpu", init_scale=8.0, growth_interval=2)
        seen = []
        for factor in (1.0, float("inf"), 2.0, 3.0, float("nan"), 1.0):
            optimizer.zero_grad()
            scaler.scale((w * factor).sum()).backward()
            scaler.unscale_(optimizer)
            scaler.step(optimizer)
            scaler.update()
            seen.append((scaler.get_scale(), [round(x, 5) for x in w.tolist()], scaler.state_dict()))
        return seen

    assert run(nc) == run(torch)


def test_scaler_order_of_calls():
    w = nc.ones(2, requires_grad=True)
    optimizer, scaler = nc.optim.SGD([w], lr=1.0), nc.amp.GradScaler("cpu")
    with pytest.raises(AssertionError, match="No inf checks were recorded prior to update"):
        scaler.update()
    assert [x.tolist() for x in scaler.scale((nc.ones(1), nc.zeros(1)))] == [[65536], [0]]
    with pytest.raises(AssertionError, match="No inf checks were recorded for this optimizer"):
        scaler.step(optimizer)
    scaler.update(4.0)
    scaler.scale(w.sum()).backward()
    scaler.unscale_(optimizer)
    assert w.grad.tolist() == [1, 1]
    with pytest.raises(RuntimeError, match="already been called on this optimizer"):
        scaler.unscale_(optimizer)
    scaler.step(optimizer)
    with pytest.raises(RuntimeError, match="being called after step"):
        scaler.unscale_(optimizer)
    with pytest.raises(RuntimeError, match="step\\(\\) has already been called"):
        scaler.step(optimizer)
    scaler.update()
    with pytest.raises(RuntimeError, match="Closure use"):
        scaler.step(optimizer, closure=lambda: None)
    h = nc.ones(2, dtype=nc.float16, requires_grad=True)
    h.sum().backward()
    with pytest.raises(ValueError, match="Attempting to unscale FP16 gradients"):
        scaler.unscale_(nc.optim.SGD([h], lr=1.0))


def test_scaler_state():
    scaler = nc.amp.GradScaler("cpu", init_scale=3.0, growth_factor=1.5, backoff_factor=0.25, growth_interval=7)
    state = copy.deepcopy(scaler.state_dict())
    other = nc.amp.GradScaler("cpu")
    other.load_state_dict(state)
    assert other.state_dict() == state
    assert state["scale"] == 3.0
    with pytest.raises(RuntimeError, match="source state dict is empty"):
        other.load_state_dict({})
    for wrong in ({"growth_factor": 1.0}, {"backoff_factor": 1.0}):
        with pytest.raises(AssertionError, match=r"factor must be"):
            nc.amp.GradScaler("cpu", **wrong)
    off = nc.amp.GradScaler("cpu", enabled=False)
    x = nc.ones(1)
    assert off.scale(x) is x
    assert off.state_dict() == {}
    assert (off.get_scale(), off.is_enabled()) == (1.0, False)


def test_scaler_without_cuda():
    if nc.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.warns(UserWarning, match="CUDA is not available"):
        assert not nc.amp.GradScaler().is_enabled()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nc.amp.GradScaler(enabled=False)
