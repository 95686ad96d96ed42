"""AdaptiveLogSoftmaxWithLoss beside PyTorch's."""

import numpy as np
import pytest
import torch

import nncore as nc
from peer.test_functions import SEED

pytestmark = pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")


def pair(*args, **settings):
    theirs = torch.nn.AdaptiveLogSoftmaxWithLoss(*args, **settings).double()
    ours = nc.nn.AdaptiveLogSoftmaxWithLoss(*args, **settings, dtype=nc.float64)
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict({key: nc.tensor(value.numpy()) for key, value in theirs.state_dict().items()})
    return theirs, ours


@pytest.mark.parametrize(
    ("args", "settings"),
    [
        ((8, 20, [4, 10]), {}),
        ((8, 20, [4, 10]), {"div_value": 2.0, "head_bias": True}),
        ((5, 7, [6]), {"div_value": 1.5}),
        ((3, 9, [1, 2, 5]), {"div_value": 1.0}),
    ],
)
@pytest.mark.parametrize("samples", [0, 1, 11])
def test_values_and_gradients(args, settings, samples):
    torch.manual_seed(SEED)
    theirs, ours = pair(*args, **settings)
    random = np.random.default_rng(SEED)
    x, target = random.standard_normal((samples, args[0])), random.integers(0, args[1], samples)
    weights = random.standard_normal(samples)
    found = []
    for library, layer in ((torch, theirs), (nc, ours)):
        input = library.tensor(x, requires_grad=True)
        output, loss = layer(input, library.tensor(target))
        parameters = [input, *layer.parameters()]
        total = (output * library.tensor(weights)).sum() + (output**2).sum()
        first = library.autograd.grad(total, parameters, create_graph=True, allow_unused=True)
        second = library.autograd.grad(sum((g**2).sum() for g in first if g is not None), parameters, allow_unused=True)
        values = [output, loss, layer.log_prob(input), layer.predict(input)]
        zeros = [library.zeros_like(p) for p in parameters] * 2
        values += [z if g is None else g for g, z in zip([*first, *second], zeros)]
        found.append([v.detach().numpy() for v in values])
    for a, b in zip(*found, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(b, a, rtol=1e-8, atol=1e-10, equal_nan=True)


def test_one_sample_and_small_indices():
    theirs, ours = pair(8, 20, [4, 10])
    x = np.random.default_rng(SEED).standard_normal(8)
    for target in (3, 12):
        a, b = theirs(torch.tensor(x), torch.tensor(target)), ours(nc.tensor(x), nc.tensor(target))
        assert b.output.shape == ()
        assert b.loss.item() == pytest.approx(a.loss.item())
        (small,), _ = ours(nc.tensor(x[None]), nc.tensor([target], dtype=nc.int32))
        assert small.item() == pytest.approx(a.output.item())


@pytest.mark.parametrize("cutoffs", [[], [3, 3], [5, 3], [0, 3], [12], [2.5]])
def test_refused_cutoffs(cutoffs):
    for library in (torch, nc):
        with pytest.raises(ValueError, match="cutoffs should be a sequence of"):
            library.nn.AdaptiveLogSoftmaxWithLoss(8, 10, cutoffs)


@pytest.mark.parametrize(
    ("shape", "target", "message"),
    [
        ((5, 8), [0, 1], "same size in the batch dimension"),
        ((2, 8), [0, 20], r"Target values should be in \[0, 19\], but values in range \[0, 20\]"),
        ((2, 8), [0, -1], r"but values in range \[-1, 0\] were found"),
        ((2, 8), [[0], [1]], "multi-target not supported"),
        ((2, 2, 8), [0, 1], "1D target tensor expects 2D input tensors"),
        ((2, 8), [0.0, 1.0], "dtype|int64"),
    ],
)
def test_refused_targets(shape, target, message):
    theirs, ours = pair(8, 20, [4, 10])
    for library, layer in ((torch, theirs), (nc, ours)):
        with pytest.raises(RuntimeError, match=message):
            layer(library.ones(*shape, dtype=library.float64), library.tensor(target))
