"""What modules do together, beside PyTorch's: a network in training, warnings, printed trees, folded batch norms."""

import copy
import warnings

import numpy as np
import pytest

import nncore as nc
from peer.modules import SEED, to_torch

torch = pytest.importorskip("torch")


def lenet(library):
    nn = library.nn
    features = nn.Sequential(nn.Conv2d(1, 6, 5, padding=2), nn.Tanh(), nn.AvgPool2d(2), nn.Conv2d(6, 8, 5), nn.ReLU())
    head = nn.Sequential(nn.MaxPool2d(2), nn.Flatten(), nn.Linear(200, 20), nn.GELU(), nn.Linear(20, 10))
    return nn.Sequential(features, head)


@pytest.mark.parametrize(
    ("optimizer", "settings"), [("SGD", {"lr": 0.1, "momentum": 0.9}), ("AdamW", {"lr": 1e-2}), ("RMSprop", {})]
)
def test_training(optimizer, settings):
    """A small network learns the same in both libraries, from the same start."""
    torch.manual_seed(SEED)
    theirs, ours = lenet(torch).double(), lenet(nc).double()
    assert repr(ours) == repr(theirs)
    ours.load_state_dict({key: nc.tensor(value.numpy()) for key, value in theirs.state_dict().items()})
    random = np.random.default_rng(SEED)
    x, t = random.standard_normal((8, 1, 28, 28)), random.integers(0, 10, 8)
    optimizers = [
        getattr(library.optim, optimizer)(model.parameters(), **settings)
        for library, model in ((torch, theirs), (nc, ours))
    ]
    for _ in range(5):
        losses = []
        for library, model, stepper, make in zip((torch, nc), (theirs, ours), optimizers, (to_torch, nc.tensor)):
            stepper.zero_grad()
            loss = library.nn.functional.cross_entropy(model(make(x)), make(t))
            loss.backward()
            norm = library.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            stepper.step()
            losses.append((loss.item(), norm.item()))
        assert losses[1] == pytest.approx(losses[0], rel=1e-7)
    for a, b in zip(theirs.parameters(), ours.parameters(), strict=True):
        np.testing.assert_allclose(b.detach().numpy(), a.detach().numpy(), rtol=1e-6, atol=1e-8)


def test_warnings_are_the_same():
    """Where PyTorch warns, so do we, and in its words."""

    def calls(library, make):
        F = library.nn.functional  # noqa: N806
        x, t = make(np.ones((2, 3))) * 0.5, make(np.ones(3)) * 0.5
        yield lambda: F.mse_loss(x, t)
        yield lambda: F.l1_loss(x, t)
        yield lambda: F.smooth_l1_loss(x, t)
        yield lambda: F.huber_loss(x, t)
        yield lambda: F.kl_div(x, x)
        yield lambda: library.nn.L1Loss(size_average=False)
        yield lambda: library.nn.MSELoss(reduce=False)
        yield lambda: F.softmax(x)

    for theirs, ours in zip(calls(torch, to_torch), calls(nc, nc.tensor), strict=True):
        said = []
        for call in (theirs, ours):
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                call()
            said.append([(w.category, str(w.message).replace("nncore.Size", "torch.Size")) for w in caught])
        assert said[0] == said[1]


def test_module_trees_print_alike():
    def build(library):
        nn = library.nn
        block = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
        table = nn.ModuleDict({"a": block, "b": nn.ModuleList([copy.deepcopy(block) for _ in range(3)])})
        return nn.Sequential(table, nn.ModuleList([nn.Linear(1, 1), nn.Linear(1, 2), nn.Linear(1, 2)]), nn.ModuleList())

    assert repr(build(nc)) == repr(build(torch))
    assert list(build(nc).state_dict()) == list(build(torch).state_dict())


@pytest.mark.parametrize("settings", [{}, {"bias": False}, {"affine": False}])
@pytest.mark.parametrize("kind", ["conv", "transposed", "linear", "one feature"])
def test_batch_norm_folded_into_the_layer_before(kind, settings):
    """The parameters are PyTorch's, and the folded layer does what the two did."""
    torch.manual_seed(SEED)
    random = np.random.default_rng(SEED)
    statistics = {"running_mean": random.standard_normal(4), "running_var": random.uniform(0.1, 2, 4)}
    made = []
    for library in (torch, nc):
        nn = library.nn
        layer = {
            "conv": lambda nn=nn: nn.Conv2d(3, 4, 3, bias="bias" not in settings),
            "transposed": lambda nn=nn: nn.ConvTranspose2d(3, 4, 3),
            "linear": lambda nn=nn: nn.Linear(3, 4, bias="bias" not in settings),
            "one feature": lambda nn=nn: nn.Linear(3, 4),
        }[kind]()
        features = 1 if kind == "one feature" else 4
        norm = (
            nn.BatchNorm2d(features, **settings)
            if kind in ("conv", "transposed")
            else nn.BatchNorm1d(features, **settings)
        )
        make = to_torch if library is torch else nc.tensor
        for name, value in statistics.items():
            getattr(norm, name).copy_(make(value[:features].astype(np.float32)))
        made.append((layer.eval(), norm.eval()))
    (theirs, _), (ours, our_norm) = made
    ours.load_state_dict({key: nc.tensor(value.numpy()) for key, value in theirs.state_dict().items()})
    fold = "fuse_linear_bn_eval" if isinstance(ours, nc.nn.Linear) else "fuse_conv_bn_eval"
    more = (True,) if kind == "transposed" else ()
    folded = getattr(nc.nn.utils, fold)(ours, our_norm, *more)
    if fold == "fuse_conv_bn_eval" or not settings:  # PyTorch's linear layers need a weight and a bias
        expected = getattr(torch.nn.utils, fold)(*made[0], *more)
        assert repr(folded) == repr(expected)
        for name in ("weight", "bias"):
            x, y = getattr(expected, name), getattr(folded, name)
            np.testing.assert_allclose(y.detach().numpy(), x.detach().numpy(), rtol=1e-5, atol=1e-6)
            assert y.requires_grad == x.requires_grad
    if kind != "one feature":
        x = nc.tensor(random.standard_normal((2, 3) if kind == "linear" else (2, 3, 6, 5)).astype(np.float32))
        np.testing.assert_allclose(folded(x).detach().numpy(), our_norm(ours(x)).detach().numpy(), rtol=1e-4, atol=1e-5)
    with pytest.raises(AssertionError, match="Fusion only for eval"):
        getattr(nc.nn.utils, fold)(ours.train(), our_norm)
    ours.eval()
    with pytest.raises(AssertionError, match="must not be None"):
        getattr(nc.nn.utils, fold)(ours, nc.nn.BatchNorm1d(4, track_running_stats=False).eval())
