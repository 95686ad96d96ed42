"""Losses with a margin, by the loops of their definitions."""

import numpy as np

from nncore.reference.distance import pairwise_distance
from nncore.reference.loss import _reduced


def hinge_embedding_loss(input, target, margin=1.0, reduction="mean"):
    apart = np.where(target != 1, np.maximum(margin - input, 0), 0)
    return _reduced(np.asarray(apart + np.where(target != -1, input, 0), input.dtype), reduction)


def margin_ranking_loss(input1, input2, target, margin=0.0, reduction="mean"):
    return _reduced(np.asarray(np.maximum(margin - target * (input1 - input2), 0), input1.dtype), reduction)


def soft_margin_loss(input, target, reduction="mean"):
    return _reduced(np.asarray(np.logaddexp(0, -target * input), input.dtype), reduction)


def multi_margin_loss(input, target, p=1, margin=1.0, weight=None, reduction="mean"):
    classes = input.shape[-1] if input.ndim else 1
    losses = []
    for x, y in zip(input.reshape(-1, classes), target.reshape(-1), strict=True):
        others = np.delete(x, y)
        scale = 1 if weight is None else weight[y]
        losses.append(scale * (np.maximum(margin - x[y] + others, 0) ** p).sum() / classes)
    losses = np.asarray(losses, input.dtype)
    return _reduced(losses if target.ndim else losses.reshape(()), reduction)


def multilabel_margin_loss(input, target, reduction="mean"):
    classes = input.shape[-1] if input.ndim else 1
    losses = []
    for x, row in zip(input.reshape(-1, classes), target.reshape(-1, classes), strict=True):
        labels = [y for i, y in enumerate(row) if (row[: i + 1] >= 0).all()]
        others = [i for i in range(classes) if i not in labels]
        losses.append(sum(max(0, 1 - (x[y] - x[i])) for y in labels for i in others) / classes)
    losses = np.asarray(losses, input.dtype)
    return _reduced(losses if input.ndim == 2 else losses.reshape(()), reduction)


def multilabel_soft_margin_loss(input, target, weight=None, reduction="mean"):
    loss = target * np.logaddexp(0, -input) + (1 - target) * np.logaddexp(0, input)
    loss = loss if weight is None else loss * weight
    return _reduced(np.asarray(loss.mean(-1), input.dtype), reduction)


def cosine_embedding_loss(input1, input2, target, margin=0.0, reduction="mean"):
    squares = ((input1**2).sum(-1) + 1e-12) * ((input2**2).sum(-1) + 1e-12)
    cosine = (input1 * input2).sum(-1) / np.sqrt(squares)
    loss = np.where(target == 1, 1 - cosine, 0) + np.where(target == -1, np.maximum(cosine - margin, 0), 0)
    return _reduced(np.asarray(loss, input1.dtype), reduction)


def triplet_margin_loss(anchor, positive, negative, margin=1.0, p=2, eps=1e-6, swap=False, reduction="mean"):
    near, far = pairwise_distance(anchor, positive, p, eps), pairwise_distance(anchor, negative, p, eps)
    if swap:
        far = np.minimum(far, pairwise_distance(positive, negative, p, eps))
    return _reduced(np.asarray(np.maximum(margin + near - far, 0)), reduction)


def triplet_margin_with_distance_loss(anchor, positive, negative, margin=1.0, swap=False, reduction="mean"):
    return triplet_margin_loss(anchor, positive, negative, margin, swap=swap, reduction=reduction)
