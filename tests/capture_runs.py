"""What the tests of nncore.capture share: training steps, and their course captured and as they stand."""

import numpy as np

import nncore as nc
from nncore import nn
from nncore.nn import functional as F


def inputs(count, *shapes, classes=None):
    """`count` tuples of tensors."""
    rng = np.random.default_rng(0)
    rows = [[nc.tensor(rng.standard_normal(s).astype(np.float32)) for s in shapes] for _ in range(count)]
    if classes is not None:
        for row in rows:
            row.append(nc.tensor(rng.integers(0, classes, shapes[0][0])))
    return rows


def bits(tensors):
    return [t.detach().numpy(force=True).tobytes() for t in tensors]


def trajectory(build, batches, captured, fuse="1", between=lambda i, made: None, monkeypatch=None):
    """The bits of every result, and of all parameters, buffers and gradients at the end."""
    if monkeypatch is not None:
        monkeypatch.setenv("NNCORE_FUSE", fuse)
    nc.manual_seed(1)
    step, model, made = build()
    nc.manual_seed(2)
    run = nc.capture(step) if captured else step
    seen = []
    for i, batch in enumerate(batches):
        result = run(*batch)
        seen += bits(result if isinstance(result, tuple) else (result,))
        between(i, made)
    state = [*model.parameters(), *model.buffers()]
    grads = [p.grad for p in model.parameters() if p.grad is not None]
    return seen + bits(state) + bits(grads), run


def check_same(build, batches, monkeypatch, plans=1, **options):
    plain, _ = trajectory(build, batches, False, **options)
    for fuse in "01":
        replayed, run = trajectory(build, batches, True, fuse, monkeypatch=monkeypatch, **options)
        assert replayed == plain
        assert len(run.plans) == plans
    return run


def trainer(model, optimizer, loss=F.mse_loss, clip=None):
    def step(x, y):
        optimizer.zero_grad()
        value = loss(model(x), y)
        value.backward()
        if clip is not None:
            nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
        return value

    return step, model, optimizer


def mlp(*extra):
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), *extra, nn.Linear(16, 4))
