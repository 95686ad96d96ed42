"""One optimizer step for one parameter, as the kernels of csrc/cpu/kernels/optim.cpp do it for all at once.

Each function returns the new parameter and the new state. `g` is the gradient, `t` the number of the step, from 1.
"""

import numpy as np


def _gradient(p, g, weight_decay, maximize):
    g = -g if maximize else g
    return g + weight_decay * p if weight_decay != 0 else g


def sgd(p, g, state, t, *, lr, momentum=0, dampening=0, weight_decay=0, nesterov=False, maximize=False):
    g = _gradient(p, g, weight_decay, maximize)
    if momentum == 0:
        return p - lr * g, {}
    buffer = g if t == 1 else momentum * state["momentum_buffer"] + (1 - dampening) * g
    return p - lr * (g + momentum * buffer if nesterov else buffer), {"momentum_buffer": buffer}


def adagrad(p, g, state, t, *, lr, lr_decay=0, weight_decay=0, initial_accumulator_value=0, eps=1e-10, maximize=False):
    g = _gradient(p, g, weight_decay, maximize)
    total = state.get("sum", np.full_like(p, initial_accumulator_value)) + g * g
    return p - lr / (1 + (t - 1) * lr_decay) * g / (np.sqrt(total) + eps), {"sum": total}


def rmsprop(p, g, state, t, *, lr, alpha=0.99, eps=1e-8, weight_decay=0, momentum=0, centered=False, maximize=False):
    g = _gradient(p, g, weight_decay, maximize)
    zeros = np.zeros_like(p)
    square = alpha * state.get("square_avg", zeros) + (1 - alpha) * g * g
    new, spread = {"square_avg": square}, square
    if centered:
        mean = state.get("grad_avg", zeros)
        new["grad_avg"] = mean = mean + (1 - alpha) * (g - mean)
        spread = square - mean * mean
    update = g / (np.sqrt(spread) + eps)
    if momentum > 0:
        new["momentum_buffer"] = update = momentum * state.get("momentum_buffer", zeros) + update
    return p - lr * update, new


def adam(
    p, g, state, t, *, lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0, amsgrad=False, maximize=False, decoupled=False
):
    g = _gradient(p, g, 0 if decoupled else weight_decay, maximize)
    p = p * (1 - lr * weight_decay) if decoupled else p
    zeros = np.zeros_like(p)
    mean = betas[0] * state.get("exp_avg", zeros) + (1 - betas[0]) * g
    square = betas[1] * state.get("exp_avg_sq", zeros) + (1 - betas[1]) * g * g
    new, top = {"exp_avg": mean, "exp_avg_sq": square}, square
    if amsgrad:
        new["max_exp_avg_sq"] = top = np.maximum(state.get("max_exp_avg_sq", zeros), square)
    mean, top = mean / (1 - betas[0] ** t), top / (1 - betas[1] ** t)
    return p - lr * mean / (np.sqrt(top) + eps), new


def adamw(p, g, state, t, *, weight_decay=1e-2, **settings):
    return adam(p, g, state, t, weight_decay=weight_decay, decoupled=True, **settings)
