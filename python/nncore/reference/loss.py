"""Losses computed element by element."""

import numpy as np


def _reduced(loss, reduction, weight=None, mean_of_weights=False):
    if weight is not None:
        loss = loss * weight
    if reduction == "none":
        return np.asarray(loss)
    total = np.sum(loss)
    if reduction == "mean":
        total = total / (np.sum(weight) if mean_of_weights and weight is not None else loss.size)
    return np.asarray(total, dtype=loss.dtype)


def mse_loss(input, target, reduction="mean", weight=None):
    return _reduced((input - target) ** 2, reduction, weight, mean_of_weights=True)


def l1_loss(input, target, reduction="mean", weight=None):
    return _reduced(np.abs(input - target), reduction, weight, mean_of_weights=True)


def smooth_l1_loss(input, target, reduction="mean", beta=1.0):
    d = np.abs(input - target)
    if beta == 0:
        return _reduced(d, reduction)
    return _reduced(np.where(d < beta, 0.5 * d**2 / beta, d - 0.5 * beta), reduction)


def huber_loss(input, target, reduction="mean", delta=1.0, weight=None):
    d = np.abs(input - target)
    return _reduced(np.where(d < delta, 0.5 * d**2, delta * (d - 0.5 * delta)), reduction, weight)


def binary_cross_entropy(input, target, weight=None, reduction="mean"):
    with np.errstate(divide="ignore"):
        log, log_rest = np.maximum(np.log(input), -100), np.maximum(np.log1p(-input), -100)
    return _reduced(-(target * log + (1 - target) * log_rest), reduction, weight)


def binary_cross_entropy_with_logits(input, target, weight=None, reduction="mean", pos_weight=None):
    log_sigmoid = np.minimum(input, 0) - np.log1p(np.exp(-np.abs(input)))
    scale = 1 if pos_weight is None else 1 + (pos_weight - 1) * target
    return _reduced((1 - target) * input - scale * log_sigmoid, reduction, weight)


def kl_div(input, target, reduction="mean", log_target=False):
    if log_target:
        loss = np.exp(target) * (target - input)
    else:
        loss = target * (np.log(np.where(target == 0, 1, target)) - input)
    if reduction == "batchmean":
        return np.asarray(np.sum(loss) / input.shape[0], dtype=loss.dtype)
    return _reduced(loss, reduction)


def poisson_nll_loss(input, target, log_input=True, full=False, eps=1e-8, reduction="mean"):
    loss = np.exp(input) - target * input if log_input else input - target * np.log(input + eps)
    if full:
        n = np.maximum(target, 1)
        loss = loss + np.where(target > 1, n * np.log(n) - n + 0.5 * np.log(2 * np.pi * n), 0)
    return _reduced(np.asarray(loss, input.dtype), reduction)


def gaussian_nll_loss(input, target, var, full=False, eps=1e-6, reduction="mean"):
    var = np.asarray(var, input.dtype)
    var = np.maximum(var[..., None] if 0 < var.ndim < input.ndim else var, eps)
    loss = 0.5 * (np.log(var) + (input - target) ** 2 / var) + (0.5 * np.log(2 * np.pi) if full else 0)
    return _reduced(np.asarray(loss, input.dtype), reduction)
