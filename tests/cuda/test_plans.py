"""Captured functions on CUDA: a plan is a graph, with the bits of running the function."""

import gc

import numpy as np
import pytest

import nncore as nc
from nncore import nn
from nncore.nn import functional as F

pytestmark = pytest.mark.skipif(not nc.cuda.is_available(), reason="there is no GPU")


def bits(tensors):
    return [t.detach().cpu().numpy().tobytes() for t in tensors]


def batches(count, shape, classes):
    rng = np.random.default_rng(0)
    for _ in range(count):
        x = nc.tensor(rng.standard_normal(shape).astype(np.float32)).cuda()
        yield x, nc.tensor(rng.integers(0, classes, shape[0])).cuda()


class LastOfLSTM(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm, self.out = nn.LSTM(5, 6, batch_first=True), nn.Linear(6, 4)

    def forward(self, x):
        return self.out(self.lstm(x)[0][:, -1])


NETWORKS = {
    "MLP": (lambda: nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 4)), (6, 8)),
    "CNN": (
        lambda: nn.Sequential(
            nn.Conv2d(1, 3, 3, padding=1), nn.BatchNorm2d(3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(27, 4)
        ),
        (2, 1, 6, 6),
    ),
    "LSTM": (LastOfLSTM, (3, 4, 5)),
}
OPTIMIZERS = {
    "sgd": lambda p: nc.optim.SGD(p, lr=0.05, momentum=0.9),
    "adam": lambda p: nc.optim.AdamW(p, lr=0.01),
}


def train(network, optimizer, captured, steps=7):
    nc.manual_seed(0)
    build, shape = NETWORKS[network]
    model = build().cuda()
    optimizer = OPTIMIZERS[optimizer](model.parameters())

    def step(x, y):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss

    run = nc.capture(step) if captured else step
    seen = []
    for i, (x, y) in enumerate(batches(steps, shape, 4)):
        if i == 5:
            optimizer.param_groups[0]["lr"] *= 0.5
        seen += bits([run(x, y)])
    return seen + bits([*model.parameters(), *model.buffers()]), run


@pytest.mark.parametrize("fuse", ["0", "1"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("network", NETWORKS)
def test_training_has_the_bits_of_the_function(network, optimizer, fuse, monkeypatch):
    monkeypatch.setenv("NNCORE_FUSE", fuse)
    plain, _ = train(network, optimizer, False)
    replayed, run = train(network, optimizer, True)
    assert replayed == plain
    assert len(run.plans) == 1


def test_inference_and_what_a_plan_shows():
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4)).cuda().eval()

    @nc.capture
    def predict(x):
        with nc.no_grad():
            return F.softmax(model(x), 1)

    for i in range(6):
        x = nc.full((3, 8), i - 2.0, device="cuda")
        with nc.no_grad():
            assert bits([predict(x)]) == bits([F.softmax(model(x), 1)])
    (plan,) = predict.plans
    summary = plan.summary()
    assert "gemm + relu" in summary
    assert "softmax" in summary
    assert plan.profile(repeats=2).rows


@pytest.mark.parametrize("precision", ["high", "medium"])
@pytest.mark.parametrize("shape", [(3, 8, 16), (70, 33, 130), (4, 2000, 8)])
def test_relu_joins_products_on_tensor_cores(precision, shape, monkeypatch):
    m, k, n = shape
    x, w = nc.randn(m, k, device="cuda"), nc.randn(k, n, device="cuda")
    nc.set_float32_matmul_precision(precision)
    try:
        plain = bits([F.relu(x @ w)])
        for fuse, kernels in (("0", ["gemm", "relu"]), ("1", ["gemm + relu"])):
            monkeypatch.setenv("NNCORE_FUSE", fuse)
            run = nc.capture(lambda x: F.relu(x @ w))
            for _ in range(4):
                assert bits([run(x)]) == plain
            assert [row.kernel for row in run.plans[0].launches()] == kernels
    finally:
        nc.set_float32_matmul_precision("highest")


def test_shapes_devices_and_functions_have_plans_of_their_own():
    double = nc.capture(lambda x: x * 2)
    triple = nc.capture(lambda x: x * 3)
    for i in range(4):
        for device in ("cpu", "cuda"):
            for n in (1, 3):
                x = nc.full((n,), i, device=device)
                assert double(x).cpu().tolist() == [2 * i] * n
                assert triple(x).cpu().tolist() == [3 * i] * n
                assert double(x).device.type == device
    assert len(double.plans) == len(triple.plans) == 4


def test_without_arguments():
    x = nc.ones(3, device="cuda")
    add = nc.capture(lambda: x.add_(1))
    for _ in range(5):
        result = add()
    assert result.cpu().tolist() == [6, 6, 6]
    assert len(add.plans) == 1


REFUSED = {
    "item": lambda x: x.max().item(),
    "numpy": lambda x: x.cpu().numpy(),
    "cpu": lambda x: x.cpu() + 1,
    "cuda": lambda x: x + nc.ones(3).cuda(),
    "tensor": lambda x: x + nc.tensor([1.0, 2.0, 3.0]).cuda(),
    "to": lambda x: x + nc.tensor([1.0, 2.0, 3.0], device="cuda"),
    "print": lambda x: print(x),
    "nonzero": lambda x: x.nonzero(),
    "mask": lambda x: x[x > 0],
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_recorded_is_refused(name):
    run = nc.capture(REFUSED[name])
    x = nc.ones(3, device="cuda")
    run(x)
    with pytest.raises(nc.CaptureError, match=r"capture: .*test_plans.py"):
        run(x)
    assert run.plans == []


def test_wrong_labels_and_indices_in_replays_show_at_the_next_synchronisation():
    loss = nc.capture(lambda x, t: F.cross_entropy(x, t, reduction="none"))
    x = nc.ones(2, 3, device="cuda")
    for _ in range(4):
        loss(x, nc.tensor([0, 2]).cuda())
    nc.cuda.synchronize()
    loss(x, nc.tensor([0, 3]).cuda())
    with pytest.raises(IndexError, match="Target 3 is out of bounds"):
        nc.cuda.synchronize()
    good = loss(x, nc.tensor([0, 1]).cuda())
    np.testing.assert_allclose(good.cpu().numpy(), np.log([3, 3]), rtol=1e-6)


def test_replays_on_another_stream_come_after_each_other():
    add = nc.capture(lambda x, y: (x + y) * 2 + x)
    streams = [nc.cuda.Stream(), nc.cuda.Stream()]
    for i in range(8):
        x, y = nc.full((5,), float(i), device="cuda"), nc.full((5,), 1.0, device="cuda")
        nc.cuda.synchronize()
        with nc.cuda.stream(streams[i % 2]):
            result = add(x, y)
            assert result.cpu().tolist() == [2 * (i + 1.0) + i] * 5


def test_memory_comes_back():
    gc.collect()
    before = nc.cuda.memory_allocated()
    matmul = nc.capture(lambda x, y: (x @ y) @ y)
    x = nc.ones(70, 70, device="cuda")
    for _ in range(5):
        y = matmul(x, x)
    assert y.cpu().numpy()[0, 0] == 4900
    assert nc.cuda.memory_allocated() > before
    nc.cuda.empty_cache()  # what the graph works in is not in the cache
    assert matmul(x, x).cpu().numpy()[0, 0] == 4900
    del x, y, matmul
    gc.collect()
    assert nc.cuda.memory_allocated() == before
