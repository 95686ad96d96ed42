"""The CTC loss's gradients, and its likelihood against the sum over all paths. Values: tests/op_cases/ctc.py."""

import itertools

import numpy as np
import pytest

import nncore as nc
import nncore.nn.functional as F
from nncore.testing import gradcheck, gradgradcheck


def logits(*shape, seed=0):
    return nc.tensor(np.random.default_rng(seed).standard_normal(shape), requires_grad=True)


def test_sum_over_all_paths():
    steps, classes = 5, 3
    log_probs = nc.log_softmax(logits(steps, 1, classes), 2).detach()
    p = np.exp(log_probs.numpy()[:, 0])
    for label in ([1], [1, 2], [1, 1], [2, 1, 2]):
        total = 0.0
        for path in itertools.product(range(classes), repeat=steps):
            if [c for c, _ in itertools.groupby(path) if c != 0] == label:
                total += np.prod([p[t, c] for t, c in enumerate(path)])
        loss = F.ctc_loss(log_probs, nc.tensor([label]), [steps], [len(label)], reduction="sum")
        assert loss.item() == pytest.approx(-np.log(total), rel=1e-12)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_gradients_of_logits(reduction):
    targets = nc.tensor([[1, 2, 2], [3, 1, 0]])

    def loss(z):
        return F.ctc_loss(nc.log_softmax(z, 2), targets, (7, 5), (3, 2), reduction=reduction)

    z = logits(7, 2, 4)
    assert gradcheck(loss, (z,))
    assert gradgradcheck(loss, (z,))


def test_frames_past_the_end_do_not_count():
    broken = nc.log_softmax(logits(6, 2, 3), 2).detach()
    broken[4:, 0] = float("nan")
    broken.requires_grad_()
    loss = F.ctc_loss(broken, nc.tensor([[1], [2]]), (4, 6), (1, 1))
    assert np.isfinite(loss.item())
    loss.backward()
    np.testing.assert_array_equal(broken.grad.numpy()[4:, 0], 0)


def test_impossible_targets():
    z = logits(2, 2, 3)
    call = (nc.log_softmax(z, 2), nc.tensor([[1, 1], [1, 2]]), (2, 2), (2, 2))
    loss = F.ctc_loss(*call, reduction="none")
    assert loss[0].item() == float("inf")
    assert np.isfinite(loss[1].item())
    loss = F.ctc_loss(*call, reduction="none", zero_infinity=True)
    assert loss[0].item() == 0
    loss.sum().backward()
    np.testing.assert_array_equal(z.grad.numpy()[:, 0], 0)
    assert np.abs(z.grad.numpy()[:, 1]).max() > 0.1


def test_module():
    z = nc.log_softmax(logits(5, 2, 3), 2)
    call = (z, nc.tensor([[1, 0], [0, 1]]), nc.tensor([5, 5]), nc.tensor([2, 2]))
    for settings in ({"blank": 2}, {"blank": 2, "reduction": "none", "zero_infinity": True}):
        np.testing.assert_array_equal(
            nc.nn.CTCLoss(**settings)(*call).detach().numpy(), F.ctc_loss(*call, **settings).detach().numpy()
        )


@pytest.mark.parametrize("zero_infinity", [False, True])
def test_both_ways_to_the_gradient(zero_infinity):
    """The kernel's gradient, and that of the composed loss, which is taken where it is differentiated again."""
    log_probs = nc.log_softmax(logits(8, 4, 5), 2).detach().requires_grad_()
    targets = nc.tensor([[1, 1, 2], [4, 3, 4], [1, 2, 3], [2, 2, 2]])
    losses = F.ctc_loss(log_probs, targets, (8, 6, 0, 4), (3, 2, 0, 3), reduction="none", zero_infinity=zero_infinity)
    gy = nc.tensor([1.0, 2.0, 3.0, 4.0]).double()
    (fast,) = nc.autograd.grad([losses], [log_probs], [gy], retain_graph=True)
    (slow,) = nc.autograd.grad([losses], [log_probs], [gy], create_graph=True)
    assert slow.requires_grad
    np.testing.assert_allclose(fast.numpy(), slow.detach().numpy(), rtol=1e-10, atol=1e-12)


def test_the_kernel_checks_what_it_is_given():
    x, labels = nc.zeros(4, 2, 3), nc.tensor([[1, 2], [1, 1]])
    whole = nc.tensor([4, 4]), nc.tensor([2, 2])

    def call(x=x, labels=labels, frames=whole[0], lengths=whole[1], blank=0):
        return nc._core.ctc_loss(*(t._array for t in (x, labels, frames, lengths)), blank, False, True)

    call()
    for wrong, message in [
        ({"labels": labels + 2}, "expected labels of 0 to 2, got 3"),
        ({"frames": nc.tensor([5, 4])}, "expected frames of 0 to 4, got 5"),
        ({"lengths": nc.tensor([2, -1])}, "expected lengths of 0 to 2, got -1"),
        ({"lengths": nc.tensor([2])}, r"expected lengths \[2\] of int64, got \[1\]"),
        ({"blank": 3}, "blank must be in label range, 0 to 2, got 3"),
        ({"x": nc.zeros(4, 3)}, r"expected log_probs \[T, N, C\]"),
    ]:
        with pytest.raises(RuntimeError, match=message):
            call(**wrong)
