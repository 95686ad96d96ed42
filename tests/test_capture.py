"""nncore.capture: what replays compute is, bit for bit, what the function computes when it runs as it stands."""

import numpy as np
import pytest

import nncore as nc
from capture_runs import check_same, inputs, mlp, trainer, trajectory
from nncore import nn
from nncore.nn import functional as F

OPTIMIZERS = {
    "sgd": lambda p: nc.optim.SGD(p, lr=0.05),
    "momentum": lambda p: nc.optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True, weight_decay=0.01),
    "dampened": lambda p: nc.optim.SGD(p, lr=0.05, momentum=0.9, dampening=0.5),
    "adagrad": lambda p: nc.optim.Adagrad(p, lr=0.05, lr_decay=0.01),
    "rmsprop": lambda p: nc.optim.RMSprop(p, lr=0.01, momentum=0.5, centered=True),
    "adam": lambda p: nc.optim.Adam(p, lr=0.01, amsgrad=True, weight_decay=0.01),
    "adamw": lambda p: nc.optim.AdamW(p, lr=0.01),
    "adamax": lambda p: nc.optim.Adamax(p, lr=0.01),
    "nadam": lambda p: nc.optim.NAdam(p, lr=0.01),
    "radam": lambda p: nc.optim.RAdam(p, lr=0.01),
    "adadelta": lambda p: nc.optim.Adadelta(p, lr=0.5),
    "asgd": lambda p: nc.optim.ASGD(p, lr=0.05, t0=10),
    "rprop": lambda p: nc.optim.Rprop(p, lr=0.01),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer(name, monkeypatch):
    def build():
        model = mlp(nn.Dropout(0.3))
        return trainer(model, OPTIMIZERS[name](model.parameters()))

    check_same(build, inputs(60, (5, 8), (5, 4)), monkeypatch)


def test_hundreds_of_steps_with_schedule_and_clipping(monkeypatch):
    def build():
        model = mlp(nn.Dropout(0.5))
        optimizer = nc.optim.Adam(model.parameters(), lr=0.01)
        step, model, optimizer = trainer(model, optimizer, clip=0.1)
        return step, model, nc.optim.lr_scheduler.CosineAnnealingLR(optimizer, 50)

    check_same(build, inputs(300, (5, 8), (5, 4)), monkeypatch, between=lambda i, scheduler: scheduler.step())


@pytest.mark.parametrize("momentum", [0.1, None])
def test_batch_norm_counts_and_averages(momentum, monkeypatch):
    def build():
        model = mlp(nn.BatchNorm1d(16, momentum=momentum))
        return trainer(model, nc.optim.SGD(model.parameters(), lr=0.05, momentum=0.9))

    check_same(build, inputs(100, (6, 8), (6, 4)), monkeypatch)


def test_convolutions_and_classes(monkeypatch):
    def build():
        model = nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(64, 3)
        )
        return trainer(model, nc.optim.Adam(model.parameters(), lr=0.01), F.cross_entropy)

    check_same(build, inputs(30, (6, 1, 8, 8), classes=3), monkeypatch)


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_recurrent(kind, monkeypatch):
    def build():
        class Last(nn.Module):
            def __init__(self):
                super().__init__()
                self.layer = getattr(nn, kind)(3, 5, num_layers=2, dropout=0.2, batch_first=True)
                self.head = nn.Linear(5, 2)

            def forward(self, x):
                return self.head(self.layer(x)[0][:, -1])

        model = Last()
        return trainer(model, nc.optim.RMSprop(model.parameters(), lr=0.01))

    check_same(build, inputs(30, (4, 6, 3), (4, 2)), monkeypatch)


def test_attention_and_embedding(monkeypatch):
    def build():
        class Reader(nn.Module):
            def __init__(self):
                super().__init__()
                self.table = nn.Embedding(11, 8)
                self.layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.1, batch_first=True)
                self.head = nn.Linear(8, 11)

            def forward(self, tokens):
                return self.head(self.layer(self.table(tokens))).flatten(0, 1)

        model = Reader()
        return trainer(model, nc.optim.AdamW(model.parameters(), lr=0.01), lambda y, t: F.cross_entropy(y, t.flatten()))

    rng = np.random.default_rng(0)
    batches = [tuple(nc.tensor(rng.integers(0, 11, (3, 5))) for _ in range(2)) for _ in range(20)]
    check_same(build, batches, monkeypatch)


def test_gradients_added_up_over_several_calls(monkeypatch):
    """The optimizer's step stands outside: gradients are there in some calls and not in others."""

    def build():
        model = mlp()
        optimizer = nc.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)

        def step(x, y):
            loss = F.mse_loss(model(x), y)
            loss.backward()
            return loss

        return step, model, optimizer

    def between(i, optimizer):
        if i % 4 == 3:
            optimizer.step()
            optimizer.zero_grad()

    check_same(build, inputs(41, (5, 8), (5, 4)), monkeypatch, plans=2, between=between)


def test_gradients_filled_with_zeros(monkeypatch):
    def build():
        model = mlp()
        optimizer = nc.optim.SGD(model.parameters(), lr=0.05)

        def step(x, y):
            optimizer.zero_grad(set_to_none=False)
            loss = F.mse_loss(model(x), y)
            loss.backward()
            optimizer.step()
            return loss

        return step, model, optimizer

    check_same(build, inputs(20, (5, 8), (5, 4)), monkeypatch)


def test_forward_and_update_captured_apart():
    def build(captured):
        model = mlp()
        optimizer = nc.optim.Adam(model.parameters(), lr=0.01)

        def step(x, y):
            loss = F.mse_loss(model(x), y)
            loss.backward()
            return loss

        def update():
            optimizer.step()
            optimizer.zero_grad()

        return step, model, nc.capture(update) if captured else update

    def run(captured):
        made = lambda: build(captured)  # noqa: E731
        return trajectory(made, inputs(20, (5, 8), (5, 4)), captured, between=lambda i, update: update())[0]

    assert run(True) == run(False)


def test_gradient_penalty_differentiates_twice(monkeypatch):
    def build():
        critic = mlp()
        optimizer = nc.optim.Adam(critic.parameters(), lr=0.01)

        def step(real, fake):
            optimizer.zero_grad()
            mix = nc.rand(5, 1)
            x = (mix * real + (1 - mix) * fake).requires_grad_()
            (g,) = nc.autograd.grad(critic(x).sum(), (x,), create_graph=True)
            loss = critic(fake).mean() - critic(real).mean() + 10 * ((g.norm(2, dim=1) - 1) ** 2).mean()
            loss.backward()
            optimizer.step()
            return loss, g.detach()

        return step, critic, optimizer

    check_same(build, inputs(30, (5, 8), (5, 8)), monkeypatch)
