"""Connectionist temporal classification: the loss of a label sequence that is not aligned with the frames.

The native kernel computes the losses and, in the same pass over time, their gradient by logits. Where that gradient is
to have a derivative itself, the loss is composed of other operations instead (`_composed`): the same recursion, for all
samples and states of the batch at once.
"""

from __future__ import annotations

import numpy as np

from nncore import _core
from nncore.autocast_mode import casts_wide
from nncore.autograd import grad, is_grad_enabled, record
from nncore.ops.creation import tensor
from nncore.ops.elementwise import where
from nncore.ops.index import gather
from nncore.ops.join import cat, stack
from nncore.ops.loss import check_reduction, reduced
from nncore.ops.pad import pad
from nncore.ops.pointwise import clamp_min
from nncore.ops.statistics import logsumexp
from nncore.tensor import Tensor

# The logarithm of a probability of 0. It is finite so that sums and differences of two of them are no NaN; what is
# below half of it is impossible.
_NEVER = -1e30


@casts_wide("cpu", "cuda")
def ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths,
    target_lengths,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """-log of the sum of the probabilities of all alignments of the targets with the frames (Graves et al., 2006).

    An alignment gives each frame a class; repeats merged and blanks dropped, it spells the target.

    log_probs [T, N, C] (or [T, C]) holds log_softmax over classes; targets [N, S], or all labels one after the other
    [sum of target_lengths] ([S] for one sample), never `blank`; input_lengths and target_lengths [N] (or []) are
    tensors or sequences. The loss of each sample, [N], is inf where the frames are too few (0 with zero_infinity).
    "mean" divides each by its target's length (at least 1) first.

    The gradient with respect to log_probs is that for logits z with log_probs = log_softmax(z), exp(log_probs) minus
    the classes' posterior probabilities, as in PyTorch; the log_softmax in front of it leaves it as it is. It has a
    derivative itself.

    Raises RuntimeError for lengths and labels that do not fit.

    >>> log_probs = nc.log_softmax(nc.zeros(4, 1, 3), 2)
    >>> F.ctc_loss(log_probs, nc.tensor([[1, 2]]), [4], [2], reduction="sum")  # 15 of 81 paths spell 1 2
    tensor(1.6864)
    """
    reduction = check_reduction(reduction)
    labels, frames, lengths = _check(log_probs, targets, input_lengths, target_lengths, blank)
    x = log_probs if log_probs.ndim == 3 else log_probs.unsqueeze(1)
    loss = _native(x, labels, frames, lengths, blank, zero_infinity)
    if reduction == "mean":
        loss = loss / tensor(np.maximum(lengths, 1), dtype=loss.dtype, device=loss.device)
    return reduced(loss if log_probs.ndim == 3 else loss.reshape(()), reduction)


def _native(x: Tensor, labels, frames, lengths, blank: int, zero_infinity: bool) -> Tensor:
    """The loss of each sample."""
    wanted = is_grad_enabled() and x.requires_grad
    given = [tensor(values, device=x.device)._array for values in (labels, frames, lengths)]
    loss, gradient = _core.ctc_loss(x._array, *given, blank, zero_infinity, wanted)
    saved = (x, Tensor(gradient), labels, frames, lengths, blank, zero_infinity) if wanted else ()
    return record("ctc_loss", Tensor(loss), (x,), _ctc_rule, saved)


def _ctc_gradient(gy: Tensor, x: Tensor, gradient: Tensor, *given) -> Tensor:
    """gy times the gradient that the kernel left; while recording, the gradient of the composed loss."""
    if not is_grad_enabled():
        return gradient * gy.unsqueeze(1)
    return grad(_composed(x, *given), x, gy, create_graph=True)[0]


_ctc_rule = (_ctc_gradient,)


def _composed(x: Tensor, labels, frames, lengths, blank: int, zero_infinity: bool) -> Tensor:
    """The loss of each sample, made of operations."""
    inside = tensor(np.arange(x.shape[0])[:, None] < frames, device=x.device).unsqueeze(2)  # [T, N, 1]
    loss = _with_logit_gradient(x, inside, _negative_log_likelihood(x, inside, labels, frames, lengths, blank))
    impossible = loss.detach() > -_NEVER / 2
    return where(impossible, 0.0, loss) if zero_infinity else _infinite(loss, impossible)


def _negative_log_likelihood(x, inside, labels, frames, lengths, blank: int):
    """The recursion over the states of each sample: its labels with a blank before, between and after them."""
    steps, count = x.shape[:2]
    states = np.full((count, 2 * labels.shape[1] + 1), blank)
    states[:, 1::2] = labels
    width = states.shape[1]
    may_skip = np.zeros((count, width), bool)  # a blank between two labels, unless they are equal
    may_skip[:, 3::2] = labels[:, 1:] != labels[:, :-1]
    skip = tensor(may_skip, device=x.device)
    index = tensor(states, device=x.device).unsqueeze(0).expand(steps, count, width)
    emitted = where(inside, clamp_min(gather(x, 2, index), _NEVER), 0.0)  # [T, N, state]

    alpha = np.full((count, width), _NEVER)
    alpha[:, 0] = 0.0  # before the first frame stands a blank that costs nothing
    after = [tensor(alpha, dtype=x.dtype, device=x.device)]
    for t in range(steps):
        before = pad(after[-1], (2, 0), value=_NEVER)
        skipped = where(skip, before[:, :width], _NEVER)
        after.append(logsumexp(stack([before[:, 2:], before[:, 1:-1], skipped]), 0) + emitted[t])
    last = tensor(np.broadcast_to(frames[None, :, None], (1, count, width)).copy(), device=x.device)
    final = gather(stack(after), 0, last)[0]  # the states of each sample after its last frame
    ends = np.stack([2 * lengths, np.maximum(2 * lengths - 1, 0)], 1)
    both = gather(final, 1, tensor(ends, device=x.device))
    both = cat([both[:, :1], where(tensor(lengths[:, None] > 0, device=x.device), both[:, 1:], _NEVER)], 1)
    return -logsumexp(both, 1)


def _with_logit_gradient(x, inside, loss):
    """The loss, with exp(log_probs) added to its gradient: a term that is 0 and has this derivative."""
    probability = where(inside, x, 0.0).exp()
    return loss + (probability - probability.detach()).sum((0, 2))


def _infinite(loss: Tensor, impossible: Tensor) -> Tensor:
    """inf where there is no alignment; its gradient is NaN, as in PyTorch."""
    factor = where(impossible, float("nan"), loss.new_ones(()))
    value = where(impossible, float("inf"), loss.detach())
    return record("infinite", value, (loss,), (lambda gy, factor: gy * factor,), (factor,))


# ---- what is given ----


def _integers(what: str, values, count: int) -> np.ndarray:
    array = values.numpy(force=True) if isinstance(values, Tensor) else np.asarray(values)
    if array.size and not np.issubdtype(array.dtype, np.integer):
        raise RuntimeError(f"ctc_loss: {what} must be integral, got {array.dtype}")
    if array.size != count or array.ndim > 1:
        raise RuntimeError(f"ctc_loss: {what} must be of size batch_size {count}, got {list(array.shape)}")
    return array.astype(np.int64).reshape(count)


def _check(log_probs, targets, input_lengths, target_lengths, blank: int) -> tuple:
    """Labels [N, longest target] filled up with the blank, input lengths [N] and target lengths [N]."""
    if log_probs.ndim not in (2, 3):
        raise RuntimeError(f"ctc_loss: expected log_probs [T, N, C] or [T, C], got {list(log_probs.shape)}")
    if not log_probs.is_floating_point():
        raise RuntimeError(f"ctc_loss: expected floating point log_probs, got {log_probs.dtype}")
    steps, classes = log_probs.shape[0], log_probs.shape[-1]
    count = log_probs.shape[1] if log_probs.ndim == 3 else 1
    if log_probs.numel() == 0:
        raise RuntimeError(f"ctc_loss: log_probs tensor must not be empty, got {list(log_probs.shape)}")
    frames = _integers("input_lengths", input_lengths, count)
    lengths = _integers("target_lengths", target_lengths, count)
    if not 0 <= blank < classes:
        raise RuntimeError(f"ctc_loss: blank must be in label range, 0 to {classes - 1}, got {blank}")
    if frames.min() < 0 or frames.max() > steps:
        raise RuntimeError(f"ctc_loss: Expected input_lengths to have value of 0 to {steps}, got {frames.tolist()}")
    if lengths.min() < 0:
        raise RuntimeError(f"ctc_loss: Expected target_lengths of at least 0, got {lengths.tolist()}")
    given = targets.numpy(force=True)
    if not np.issubdtype(given.dtype, np.integer):
        raise RuntimeError(f"ctc_loss: targets must be integral, got {given.dtype}")
    labels = np.full((count, int(lengths.max())), blank, np.int64)
    listed = np.arange(labels.shape[1]) < lengths[:, None]
    if given.ndim == 1:
        if given.size != lengths.sum():
            raise RuntimeError(
                f"ctc_loss: expected targets of length {lengths.sum()}, the sum of target_lengths, got {given.size}"
            )
        labels[listed] = given[: lengths.sum()]
    elif given.ndim == 2 and given.shape[0] == count and given.shape[1] >= labels.shape[1]:
        labels[listed] = given[:, : labels.shape[1]][listed]
    else:
        raise RuntimeError(
            f"ctc_loss: expected targets [{count}, {labels.shape[1]}] or longer, or all labels in one row, got "
            f"{list(given.shape)}"
        )
    if ((labels[listed] < 0) | (labels[listed] >= classes)).any():
        raise RuntimeError(f"ctc_loss: expected labels of 0 to {classes - 1}, got {given.tolist()}")
    return labels, frames, lengths
