"""Connectionist temporal classification, for one sample after the other."""

import numpy as np

from nncore.reference.loss import _reduced


def _likelihood(log_probs, labels, blank):
    """log of the probability of all alignments of the labels with the frames [T, C], state by state."""
    states = [blank]
    for label in labels:
        states += [label, blank]
    alpha = np.full(len(states), -np.inf)
    alpha[0] = 0  # before the first frame
    for frame in log_probs:
        before, alpha = alpha, np.full(len(states), -np.inf)
        for s, label in enumerate(states):
            ways = [before[s], before[s - 1] if s >= 1 else -np.inf]
            if s >= 2 and s % 2 and label != states[s - 2]:
                ways.append(before[s - 2])
            alpha[s] = np.logaddexp.reduce(ways) + frame[label]
    return np.logaddexp.reduce(alpha[-2:]) if labels else alpha[0]


def ctc_loss(log_probs, targets, input_lengths, target_lengths, blank=0, reduction="mean", zero_infinity=False):
    x = log_probs if log_probs.ndim == 3 else log_probs[:, None]
    frames, lengths = np.reshape(input_lengths, -1), np.reshape(target_lengths, -1)
    ends = np.cumsum(lengths)
    losses = []
    for n, (stop, length) in enumerate(zip(frames, lengths, strict=True)):
        labels = targets[ends[n] - length : ends[n]] if targets.ndim == 1 else targets[n, :length]
        losses.append(-_likelihood(x[:stop, n].astype(np.float64), labels.tolist(), blank))
    losses = np.asarray(losses)
    if zero_infinity:
        losses = np.where(np.isinf(losses), 0, losses)
    if reduction == "mean":
        losses = losses / np.maximum(lengths, 1)
    losses = losses.astype(x.dtype)
    return _reduced(losses if log_probs.ndim == 3 else losses.reshape(()), reduction)
